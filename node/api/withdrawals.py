"""Withdrawals: those of an own account, and the proof of any released one.

Rule: a member sees its own accounts only. What a vault needs to pay a withdrawal, or to follow an order of the network,
anybody may have.
"""

from typing import Literal

from clearing.context.request_checks import owner_key
from clearing.schema.records.withdrawals import WithdrawalVolumeRecord
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.state.ledger import can_hold
from clearing.state.state import State
from clearing.state.withdrawals_tree import earlier_withdrawals_root, withdrawal_proof
from clearing.withdrawals.deficit_reserve import unresolved_deficit
from clearing.withdrawals.delay_queue import delayed_withdrawals_of
from clearing.withdrawals.inflow_delay import waiting_inflow
from clearing.withdrawals.rate_limits import usage_in_window
from clearing.withdrawals.refunds import is_withdrawal_open
from member.api.types import hexed
from member.api.withdrawals import (
    EndedView,
    GuardianOrderProofView,
    InflowView,
    LimitView,
    ReleasedView,
    WaitingView,
    WithdrawalProofView,
    WithdrawalsView,
)
from member.codes import NodeCode
from node.api.calls import ACCOUNT, NUMBER, ApiCall, ApiRefusal, Parameter, Routes, known, own_account, ready

LOOKED_AT = 10_000
LISTED_MAX = 256
ENDED_MAX = 32
routes = Routes()


@routes.get(
    "/v1/withdrawals/{nonce}/proof",
    Parameter("nonce", "path", NUMBER, "number of the withdrawal, as its receipt names it"),
    Parameter("count", "query", NUMBER, "leaves under the root; default all so far", required=False),
    refusals=(404,),
)
def withdrawal_claim(call: ApiCall) -> WithdrawalProofView:
    """A released withdrawal, whether it was paid, and its proof under the root over the first `count` withdrawals: the
    root that a vault has is that of its `withdrawalsCount`."""
    nonce, count = _leaf_and_count(call)
    if nonce in call.state.guardian_orders:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "nonce", nonce=nonce, order=f"/v1/guardian-orders/{nonce}")
    return known(proof_of(call.state, nonce, count), "nonce", nonce=nonce)


@routes.get(
    "/v1/guardian-orders/{nonce}",
    Parameter("nonce", "path", NUMBER, "number of the order, as GET /v1/governance names it"),
    Parameter("count", "query", NUMBER, "leaves under the root; default all so far", required=False),
    refusals=(404,),
)
def guardian_order(call: ApiCall) -> GuardianOrderProofView:
    """An order of the network that names a vault's guardian, with its proof: anybody may show it to the vault."""
    nonce, count = _leaf_and_count(call)
    order = known(call.state.guardian_orders.get(nonce), "nonce", nonce=nonce)
    return GuardianOrderProofView(
        nonce=nonce,
        chain_id=order.chain_id,
        vault=hexed(order.vault),
        guardian=hexed(order.guardian),
        count=count,
        root=hexed(earlier_withdrawals_root(call.state, count)),
        siblings=tuple(map(hexed, withdrawal_proof(call.state, (nonce,), count))),
    )


def _leaf_and_count(call: ApiCall) -> tuple[int, int]:
    """The leaf that is asked for, and how many leaves its proof is under. Raises ApiRefusal 400."""
    nonce, released = int(call.parameters["nonce"]), call.state.now.withdrawals_released
    text = call.parameters.get("count")
    count = released if text is None else int(text)
    if nonce < released and not nonce < count <= released:
        raise ApiRefusal(400, NodeCode.API_PARAMETER, "count", value=count, withdrawal=nonce, released=released)
    return nonce, count


def proof_of(state: State, nonce: int, count: int) -> WithdrawalProofView | None:
    """A withdrawal with its proof under the first `count`, which it is among; None before it is released."""
    withdrawal = state.withdrawals.get(nonce)
    if withdrawal is None:
        return None
    return WithdrawalProofView(
        nonce=nonce,
        status=_status(state, nonce),
        chain_id=withdrawal.chain_id,
        vault=hexed(withdrawal.vault),
        account=withdrawal.account,
        token=hexed(withdrawal.token),
        to=hexed(withdrawal.to),
        amount=str(int.from_bytes(withdrawal.amount, "big")),
        not_after_s=withdrawal.not_after_s,
        height=state.now.height,
        count=count,
        root=hexed(earlier_withdrawals_root(state, count)),
        siblings=tuple(map(hexed, withdrawal_proof(state, (nonce,), count))),
    )


def _status(state: State, nonce: int) -> Literal["open", "paid", "expired", "refunded"]:
    if state.withdrawals[nonce].executed:
        return "paid"
    expired = state.expired_withdrawals.get(nonce)
    if expired is None:
        return "open"
    return "refunded" if expired.refunded_height else "expired"


@routes.get("/v1/accounts/{account}/withdrawals", ACCOUNT, signed=True, refusals=(403, 503))
def withdrawals(call: ApiCall) -> WithdrawalsView:
    """Withdrawals of an own account that are delayed or were not seen paid, the newest paid or refunded ones, and what
    the limits leave."""
    return ready(withdrawals_of(call.state, own_account(call)), "account")


def withdrawals_of(state: State, account: int) -> WithdrawalsView | None:
    """Delayed and released withdrawals of an account, and its limits; None for no such account."""
    if not can_hold(state, account):
        return None
    deficit, until = unresolved_deficit(state)
    return WithdrawalsView(
        account=account,
        height=state.now.height,
        waiting=tuple(
            WaitingView(
                number=number,
                asset=delayed.asset,
                amount_units=str(delayed.units),
                to="0x" + delayed.to.hex(),
                nonce=delayed.nonce,
                accepted_height=delayed.accepted_height,
                due_height=delayed.due_height,
            )
            for number, delayed in delayed_withdrawals_of(state, account)
        ),
        released=_released(state, account),
        limits=tuple(_limit(state, limits, account) for limits in state.terms.genesis.crisis.gates.assets),
        deficit_micros=str(deficit),
        deficit_until_height=until,
        inflow=tuple(
            InflowView(micros=str(part.micros), until_height=part.until_height)
            for part in waiting_inflow(state, account)
        ),
        ended=_ended(state, account),
    )


def _released(state: State, account: int) -> tuple[ReleasedView, ...]:
    listed: list[ReleasedView] = []
    count = state.now.withdrawals_released
    for nonce in range(count - 1, max(count - LOOKED_AT, 0) - 1, -1):
        withdrawal, missed = state.withdrawals.get(nonce), state.expired_withdrawals.get(nonce)
        due = missed is not None and not missed.refunded_height
        # The number of an order to a vault has no withdrawal.
        if withdrawal is None or withdrawal.account != account or not (is_withdrawal_open(state, nonce) or due):
            continue
        listed.append(
            ReleasedView(
                nonce=nonce,
                asset=withdrawal.asset,
                amount_units=str(withdrawal.units),
                to="0x" + withdrawal.to.hex(),
                chain_id=withdrawal.chain_id,
                not_after_s=withdrawal.not_after_s,
                overdue=withdrawal.not_after_s * 1000 < state.now.time_ms,
                not_paid_height=missed.agreed_height if missed else 0,
            )
        )
        if len(listed) == LISTED_MAX:
            break
    return tuple(listed)


def _ended(state: State, account: int) -> tuple[EndedView, ...]:
    listed: list[EndedView] = []
    count = state.now.withdrawals_released
    for nonce in range(count - 1, max(count - LOOKED_AT, 0) - 1, -1):
        withdrawal = state.withdrawals.get(nonce)
        if withdrawal is None or withdrawal.account != account:
            continue
        status = _status(state, nonce)
        if status == "paid" or status == "refunded":
            listed.append(
                EndedView(
                    nonce=nonce,
                    asset=withdrawal.asset,
                    amount_units=str(withdrawal.units),
                    to="0x" + withdrawal.to.hex(),
                    chain_id=withdrawal.chain_id,
                    status=status,
                )
            )
        if len(listed) == ENDED_MAX:
            break
    return tuple(listed)


def _limit(state: State, limits: AssetWithdrawalLimits, account: int) -> LimitView:
    blocks = state.terms.market.epoch_blocks
    # Of the next block, which may be the first of another window.
    window = (state.now.height + 1) // blocks
    own: WithdrawalVolumeRecord = usage_in_window(
        window, state.owner_withdrawal_volumes.get((limits.asset, owner_key(state, account)))
    )
    whole = usage_in_window(window, state.total_withdrawal_volumes.get(limits.asset))
    return LimitView(
        asset=limits.asset,
        owner_used_units=str(own.units),
        owner_units_max=str(limits.owner_units_max),
        all_used_units=str(whole.units),
        window_units_max=str(limits.window_units_max),
        prompt_used_units=str(own.undelayed_units),
        delay_above_units=str(limits.delay_above_units),
        delay_blocks=limits.delay_blocks,
        opens_height=(window + 1) * blocks,
    )
