"""One account out of the decided state: balances, calls, pending trades, mandates, withdrawals, and its statements.

Rule: a member sees its own accounts only.
"""

from clearing.base.units import DAY_MS
from clearing.context.request_checks import owner_key
from clearing.schema.records.margin_calls import CallKind
from clearing.schema.records.withdrawals import WithdrawalVolumeRecord
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.state.ledger import can_hold
from clearing.state.state import State
from clearing.withdrawals.deficit_reserve import unresolved_deficit
from clearing.withdrawals.delayed_withdrawals import delayed_withdrawals_of
from clearing.withdrawals.rate_limits import usage_in_window
from clearing.withdrawals.refunds import is_withdrawal_open
from member.api.accounts import (
    CallUnderWay,
    LimitView,
    MandateView,
    PendingTradeView,
    ReleasedView,
    TradingView,
    WaitingView,
    WithdrawalsView,
)
from member.api.statements import MemberStatement
from member.codes import NodeCode
from member.statements.statement import STATEMENT_LINES_MAX, StatementInputs, day_number, member_statement
from node.api.calls import ApiCall, ApiRefusal, own_account, run_in_worker


def calls_of(state: State, account: int) -> tuple[CallUnderWay, ...]:
    """The account's call for margin, or early one; none where it has none, or genesis gives calls no deadline."""
    call = state.margin_calls.get(account)
    if call is None:
        return ()
    return (
        CallUnderWay(
            kind="early" if call.kind is CallKind.EARLY else "margin",
            opened_height=call.opened_height,
            deadline_height=call.deadline_height,
            lapsed=call.lapsed,
        ),
    )


def trading_of(state: State, account: int) -> TradingView | None:
    """What waits for the account and what venues may do for it; None for no such account."""
    if account not in state.accounts:
        return None
    return TradingView(
        account=account,
        height=state.now.height,
        pending_trades=_pending_trades(state, account),
        mandates=_mandates(state, account),
    )


def _pending_trades(state: State, account: int) -> tuple[PendingTradeView, ...]:
    found: list[PendingTradeView] = []
    count = state.pending_counts.get(account) or 0
    for _, venue, trade_id, low, high in state.pending_by_due_time.get(0) or ():
        if len(found) == count:
            break
        trade = state.pending_trades[(venue, trade_id, low, high)]
        if account in (trade.buyer, trade.seller):
            found.append(
                PendingTradeView(
                    venue=venue,
                    venue_trade_id=trade_id,
                    low=low,
                    high=high,
                    buyer=trade.buyer,
                    seller=trade.seller,
                    instrument=trade.instrument,
                    lots=str(trade.lots),
                    price_ticks=str(trade.ticks),
                    due_ms=trade.due_ms,
                    until_ms=trade.last_attempt_ms,
                    revision=trade.revision,
                )
            )
    return tuple(found)


def _mandates(state: State, account: int) -> tuple[MandateView, ...]:
    today = state.now.time_ms // DAY_MS
    return tuple(
        MandateView(
            venue=venue.id,
            name=venue.name,
            suspended=bool(changed and changed.suspended),
            lots_max=str(mandate.lots_max),
            notional_max=str(mandate.notional_max),
            day_notional_max=str(mandate.day_notional_max),
            used_today=str(mandate.used_notional if mandate.day == today else 0),
            expires_ms=mandate.expires_ms,
        )
        for venue in state.terms.venues.values()
        if (mandate := state.mandates.get((account, venue.id))) is not None
        for changed in (state.venues.get(venue.id),)
    )


async def statement(call: ApiCall) -> object:
    """A day of all accounts of the member that signed."""
    text = call.parameters["day"]
    try:
        number = day_number(text)
    except ValueError:
        raise ApiRefusal(400, NodeCode.API_PARAMETER, "day", value=text) from None
    found = call.view.statement_inputs(call.signer, number)
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "day", day=text)
    if found.day is None:
        raise ApiRefusal(422, NodeCode.API_NOT_FOUND, "day", day=text, lines_max=STATEMENT_LINES_MAX)
    return await run_in_worker(_made, found)


def _made(inputs: StatementInputs) -> MemberStatement:
    if inputs.day is None:
        raise TypeError("a statement without a day")
    return member_statement(inputs.terms, inputs.member, inputs.accounts, inputs.day)


LOOKED_AT = 10_000

LISTED_MAX = 256


def withdrawals_of(state: State, account: int) -> WithdrawalsView | None:
    """What is on its way of an account, and what may follow; None for no such account."""
    if not can_hold(state, account):
        return None
    deficit, until = unresolved_deficit(state)
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
            for number, each in delayed_withdrawals_of(state, account)
        ),
        released=_released(state, account),
        limits=tuple(_limit(state, gate, account) for gate in state.terms.genesis.crisis.gates.assets),
        deficit_micros=str(deficit),
        deficit_until_height=until,
    )


def _released(state: State, account: int) -> tuple[ReleasedView, ...]:
    found: list[ReleasedView] = []
    count = state.now.withdrawals_released
    for nonce in range(count - 1, max(count - LOOKED_AT, 0) - 1, -1):
        each, missed = state.withdrawals[nonce], state.expired_withdrawals.get(nonce)
        due = missed is not None and not missed.refunded_height
        if each.account != account or not (is_withdrawal_open(state, nonce) or due):
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
        if len(found) == LISTED_MAX:
            break
    return tuple(found)


def _limit(state: State, limits: AssetWithdrawalLimits, account: int) -> LimitView:
    blocks = state.terms.market.epoch_blocks
    # What the next block may let out: it may be the first of another window.
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


def account(call: ApiCall) -> object:
    """Holdings and margin."""
    wanted = own_account(call)
    found = call.view.account(wanted)
    if found is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "account")
    return found


def trading(call: ApiCall) -> object:
    """Held trades and mandates."""
    found = call.view.trading(own_account(call))
    if found is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "account")
    return found


def withdrawals(call: ApiCall) -> object:
    """What is on its way out."""
    found = call.view.withdrawals(own_account(call))
    if found is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "account")
    return found
