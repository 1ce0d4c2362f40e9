"""Accounts: margin and holdings, calls, pending trades, mandates and session keys, daily statements.

Rule: a member sees its own accounts only. The inputs of a statement are frozen at once; it is made in a worker thread.
"""

from clearing.base.units import DAY_MS
from clearing.schema.records.margin_calls import CallKind
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin
from clearing.state.state import State
from clearing.trades.session_keys import session_keys
from member.api.accounts import (
    AccountView,
    CallUnderWay,
    CashHolding,
    MandateView,
    PendingTradeView,
    Position,
    SessionKeyView,
    TokenHolding,
    TradingView,
)
from member.api.statements import MemberStatement
from member.api.types import hexed
from member.codes import NodeCode
from member.statements.days import StatementDays
from member.statements.statement import STATEMENT_LINES_MAX, StatementInputs, day_number, member_statement
from node.api.calls import (
    ACCOUNT,
    ApiCall,
    ApiRefusal,
    Parameter,
    Routes,
    known,
    member_of,
    own_account,
    ready,
    run_in_worker,
)

routes = Routes()


@routes.get("/v1/accounts/{account}", ACCOUNT, signed=True, refusals=(403, 503))
def account(call: ApiCall) -> AccountView:
    """Holdings and margin of an own account."""
    return ready(account_of(call.state, own_account(call)), "account")


def account_of(state: State, account: int) -> AccountView | None:
    """Holdings and margin; None for no such account."""
    record = state.accounts.get(account)
    if record is None:
        return None
    holdings = current_holdings(state, account)
    margin = holdings_margin(current_arrays(state), holdings)
    nonce = state.nonces.get(account)
    return AccountView(
        account=account,
        member=record.member,
        height=state.now.height,
        equity_micros=str(margin.equity),
        initial_margin_micros=str(margin.initial),
        maintenance_margin_micros=str(margin.maintenance),
        called=record.called_height > 0,
        next_nonce=nonce.nonce + 1 if nonce else 1,
        cash=_cash(state, holdings),
        tokens=_tokens(state, holdings),
        positions=_positions(state, holdings),
        kind="client" if record.kind is AccountKind.CLIENT else "house",
        parent=record.parent,
        sub_accounts=record.children,
        pending_trades=state.pending_counts.get(account) or 0,
        calls=calls_of(state, account),
        in_liquidation=account in state.liquidations,
    )


def _cash(state: State, holdings: Holdings) -> tuple[CashHolding, ...]:
    return tuple(
        CashHolding(cash_group=group.id, name=group.name, amount_micros=str(micros))
        for group, micros in zip(state.terms.genesis.cash_groups, holdings.cash, strict=True)
        if micros
    )


def _tokens(state: State, holdings: Holdings) -> tuple[TokenHolding, ...]:
    return tuple(
        TokenHolding(asset=token.id, name=token.name, amount_units=str(units))
        for token, units in zip(state.terms.tokens, holdings.tokens, strict=True)
        if units
    )


def _positions(state: State, holdings: Holdings) -> tuple[Position, ...]:
    return tuple(
        Position(instrument=instrument.id, name=instrument.name, lots=str(lots))
        for instrument, lots in zip(state.terms.instruments.values(), holdings.lots, strict=True)
        if lots
    )


def calls_of(state: State, account: int) -> tuple[CallUnderWay, ...]:
    """The account's margin call, or early warning; empty without one, or where genesis gives calls no deadline."""
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


@routes.get("/v1/accounts/{account}/trading", ACCOUNT, signed=True, refusals=(403, 503))
def trading(call: ApiCall) -> TradingView:
    """Pending trades, mandates of venues and session keys of an own account."""
    return ready(trading_of(call.state, own_account(call)), "account")


def trading_of(state: State, account: int) -> TradingView | None:
    """Pending trades, venue mandates and session keys of an account; None for no such account."""
    if account not in state.accounts:
        return None
    return TradingView(
        account=account,
        height=state.now.height,
        pending_trades=_pending_trades(state, account),
        mandates=_mandates(state, account),
        session_keys=_session_keys(state, account),
    )


def _pending_trades(state: State, account: int) -> tuple[PendingTradeView, ...]:
    listed: list[PendingTradeView] = []
    count = state.pending_counts.get(account) or 0
    for _, key in state.pending_by_due_time.get(0) or ():
        if len(listed) == count:
            break
        trade = state.pending_trades[key]
        if account in (trade.buyer, trade.seller):
            venue, trade_id, low, high = key
            listed.append(
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
    return tuple(listed)


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


def _session_keys(state: State, account: int) -> tuple[SessionKeyView, ...]:
    today = state.now.time_ms // DAY_MS
    return tuple(
        SessionKeyView(
            key=hexed(limits.key),
            lots_max=str(limits.lots_max),
            notional_max=str(limits.notional_max),
            day_notional_max=str(limits.day_notional_max),
            used_today=str(limits.used_notional if limits.day == today else 0),
            expires_ms=limits.expires_ms,
        )
        for limits in session_keys(state, account)
    )


@routes.get(
    "/v1/statements/{day}",
    Parameter("day", "path", "[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}", "day in UTC, by block time", format="date"),
    signed=True,
    refusals=(404, 422),
)
async def statement(call: ApiCall) -> MemberStatement:
    """A recent day of all accounts of the member that signs: balances, transfers, positions, fees, closing margin."""
    text = call.parameters["day"]
    try:
        number = day_number(text)
    except ValueError:
        raise ApiRefusal(400, NodeCode.API_PARAMETER, "day", value=text) from None
    inputs = known(statement_inputs(call.state, call.view.statements, call.signer, number), "day", day=text)
    if inputs.day is None:
        raise ApiRefusal(422, NodeCode.API_NOT_FOUND, "day", day=text, lines_max=STATEMENT_LINES_MAX)
    return await run_in_worker(_statement, inputs)


def statement_inputs(state: State, days: StatementDays, address: bytes, number: int) -> StatementInputs | None:
    """Day `number` (since 1970) of all accounts of the member with this key, as frozen values; None: it is not kept.

    `day` is None in it when the statement would be too long.
    """
    day, member = days.day(number), member_of(state, address)
    if member is None or day is None:
        return None
    accounts = [account for account, record in state.accounts.ordered() if record.member == member]
    if day.size(accounts) > STATEMENT_LINES_MAX or not day.left_out.isdisjoint(accounts):
        return StatementInputs(state.terms, member, accounts, None)
    return StatementInputs(state.terms, member, accounts, day.excerpt(accounts))


def _statement(inputs: StatementInputs) -> MemberStatement:
    if inputs.day is None:
        raise TypeError("a statement without a day")
    return member_statement(inputs.terms, inputs.member, inputs.accounts, inputs.day)
