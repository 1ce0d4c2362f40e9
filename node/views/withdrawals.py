"""Withdrawals of one account on their way, as the API shows them.

Rule: reads only, and looks at so many withdrawals at most.
"""

from clearing.gates.deficits import deficit_of
from clearing.gates.rates import used_in
from clearing.gates.records import GateUsed
from clearing.gates.terms import AssetGate
from clearing.gates.unpaid import is_open
from clearing.gates.waiting import waiting_of
from clearing.ledger import can_hold
from clearing.requests import owner_key
from clearing.state.state import State
from node.api.withdrawal_shapes import LimitView, ReleasedView, WaitingView, WithdrawalsView

LOOKED_AT = 10_000
TOLD = 256


def withdrawals_of(state: State, account: int) -> WithdrawalsView | None:
    """What is on its way of an account, and what may follow; None for no such account."""
    if not can_hold(state, account):
        return None
    deficit, until = deficit_of(state)
    return WithdrawalsView(
        account=account,
        height=state.now.height,
        waiting=tuple(
            WaitingView(
                number=number,
                asset=each.asset,
                amount_units=str(each.units),
                to="0x" + each.to.hex(),
                nonce=each.nonce,
                accepted_height=each.accepted_height,
                due_height=each.due_height,
            )
            for number, each in waiting_of(state, account)
        ),
        released=_released(state, account),
        limits=tuple(_limit(state, gate, account) for gate in state.terms.genesis.crisis.gates.assets),
        deficit_micros=str(deficit),
        deficit_until_height=until,
    )


def _released(state: State, account: int) -> tuple[ReleasedView, ...]:
    found: list[ReleasedView] = []
    count = state.now.withdrawals
    for nonce in range(count - 1, max(count - LOOKED_AT, 0) - 1, -1):
        each, missed = state.withdrawals[nonce], state.not_paid.get(nonce)
        due = missed is not None and not missed.given_back_height
        if each.account != account or not (is_open(state, nonce) or due):
            continue
        found.append(
            ReleasedView(
                nonce=nonce,
                asset=each.asset,
                amount_units=str(each.units),
                to="0x" + each.to.hex(),
                chain_id=each.chain_id,
                not_after_s=each.not_after_s,
                overdue=each.not_after_s * 1000 < state.now.time_ms,
                not_paid_height=missed.agreed_height if missed else 0,
            )
        )
        if len(found) == TOLD:
            break
    return tuple(found)


def _limit(state: State, gate: AssetGate, account: int) -> LimitView:
    blocks = state.terms.market.epoch_blocks
    # What the next block may let out: it may be the first of another window.
    window = (state.now.height + 1) // blocks
    own: GateUsed = used_in(window, state.gate_owners.get((gate.asset, owner_key(state, account))))
    whole = used_in(window, state.gate_totals.get(gate.asset))
    return LimitView(
        asset=gate.asset,
        owner_used_units=str(own.units),
        owner_units_max=str(gate.owner_units_max),
        all_used_units=str(whole.units),
        window_units_max=str(gate.window_units_max),
        prompt_used_units=str(own.prompt_units),
        delay_above_units=str(gate.delay_above_units),
        delay_blocks=gate.delay_blocks,
        opens_height=(window + 1) * blocks,
    )
