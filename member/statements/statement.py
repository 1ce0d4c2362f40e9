"""Daily statements from added-up days: typed for JSON, and as one CSV table.

Rule: every figure is the day's; opening + credits - debits = closing is checked again before a statement is returned.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec

from clearing.base.errors import Bug
from clearing.genesis.effective_terms import Terms
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import asset_of_currency, cash_currency, token_currency
from member.api.statements import (
    AccountStatement,
    BalanceLine,
    ClosingMargin,
    FeeLine,
    MemberStatement,
    PositionChangeLine,
    PositionLine,
    TransferLine,
)
from member.api.types import hexed
from member.statements.days import At, Day, PositionChange

FEES = (
    TransferCode.TRADE_FEE,
    TransferCode.VENUE_FEE,
    TransferCode.SKEW_FEE,
    TransferCode.SKEW_REBATE,
    TransferCode.LIQUIDATION_PENALTY,
)
_EPOCH = date(1970, 1, 1)
COLUMNS = (
    "day",
    "account",
    "section",
    "name",
    "code",
    "cause",
    "unit",
    "opening",
    "credits",
    "debits",
    "closing",
    "count",
    "price_ticks",
    "first_height",
    "last_height",
    "receipts",
)

STATEMENT_LINES_MAX = 20_000
"""Of all accounts of a member together; longer ones are made from a block log."""


@dataclass(frozen=True, slots=True)
class StatementInputs:
    """All that a member's statement is made from; `day` is None where it has too many lines."""

    terms: Terms
    member: int
    accounts: list[int]
    day: Day | None


def day_number(text: str) -> int:
    """Days since 1970 of YYYY-MM-DD. Raises ValueError."""
    return (datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date() - _EPOCH).days


def day_text(number: int) -> str:
    """YYYY-MM-DD of days since 1970."""
    return (_EPOCH + timedelta(days=number)).isoformat()


def member_statement(terms: Terms, member: int, accounts: Sequence[int], day: Day) -> MemberStatement:
    """The day of all of a member's accounts. Raises Bug when a line does not reconcile."""
    return MemberStatement(
        network=hexed(terms.network),
        member=member,
        day=day_text(day.day),
        complete=day.whole and day.over,
        first_height=day.first_height,
        last_height=day.last_height,
        last_time_ms=day.time_ms,
        accounts=tuple(_account(terms, account, day) for account in sorted(accounts)),
    )


def _account(terms: Terms, account: int, day: Day) -> AccountStatement:
    lines = day.lines.get(account, {})
    margin = day.margin(account)
    return AccountStatement(
        account=account,
        balances=_balances(terms, account, day),
        transfers=tuple(
            TransferLine(
                currency=_currency(terms, currency)[0],
                code=code.name.lower(),
                cause=str(cause),
                credits=str(line.credits),
                debits=str(line.debits),
                count=line.count,
                first_height=line.first[0],
                last_height=line.last[0],
                receipts=tuple(dict.fromkeys(place for at in (line.first, line.last) if (place := _place(at)))),
            )
            for (currency, code, cause), line in sorted(lines.items(), key=lambda each: (each[1].first, each[0]))
        ),
        positions=_positions(terms, account, day),
        changes=tuple(_change(terms, account, change) for change in day.changes.get(account, ())),
        fees=_fees(terms, account, day),
        margin=None
        if margin is None
        else ClosingMargin(
            equity_micros=str(margin.equity),
            initial_margin_micros=str(margin.initial),
            maintenance_margin_micros=str(margin.maintenance),
            initial_ok=margin.initial_ok,
            maintenance_ok=margin.maintenance_ok,
        ),
    )


def _balances(terms: Terms, account: int, day: Day) -> tuple[BalanceLine, ...]:
    found = []
    lines = day.lines.get(account, {})
    for currency in _currencies(terms):
        opening, closing = (table.get((account, currency), 0) for table in (day.opening, day.closing))
        own = [line for (of, _, _), line in lines.items() if of == currency]
        came, went = sum(line.credits for line in own), sum(line.debits for line in own)
        if opening + came - went != closing:
            raise Bug(f"account {account}, currency {currency}: {opening} + {came} - {went} is not {closing}")
        if opening or closing or own:
            name, unit = _currency(terms, currency)
            amounts = (str(amount) for amount in (opening, came, went, closing))
            found.append(BalanceLine(**dict(zip(_BALANCE, (name, unit, *amounts), strict=True))))
    return tuple(found)


_BALANCE = ("currency", "unit", "opening", "credits", "debits", "closing")


def _positions(terms: Terms, account: int, day: Day) -> tuple[PositionLine, ...]:
    tables = (day.books.get(account), day.closing_books.get(account))
    opening, closing = (dict(book.lots) if book else {} for book in tables)
    moved: dict[int, int] = {}
    for change in day.changes.get(account, ()):
        moved[change.instrument] = moved.get(change.instrument, 0) + change.lots
    found = []
    for instrument in sorted({*opening, *closing, *moved}):
        before, by, after = opening.get(instrument, 0), moved.get(instrument, 0), closing.get(instrument, 0)
        if before + by != after:
            raise Bug(f"account {account}, instrument {instrument}: {before} + {by} lots is not {after}")
        mark = day.marks.get(instrument)
        found.append(
            PositionLine(
                instrument=instrument,
                name=terms.instruments[instrument].name,
                opening_lots=str(before),
                change_lots=str(by),
                closing_lots=str(after),
                mark_ticks=None if mark is None else str(mark),
            )
        )
    return tuple(found)


def _change(terms: Terms, account: int, change: PositionChange) -> PositionChangeLine:
    name, trade = terms.instruments[change.instrument].name, change.trade
    line = PositionChangeLine(
        instrument=change.instrument,
        name=name,
        lots=str(change.lots),
        kind=change.kind,
        height=change.at[0],
        receipt=_place(change.at),
    )
    if trade is None:
        return line
    fee = 0 if account == 0 else trade.fee_each + trade.venue_fee_each
    return msgspec.structs.replace(
        line,
        price_ticks=str(trade.ticks),
        venue=trade.venue,
        venue_trade_id=trade.venue_trade_id,
        fee_micros=str(fee),
    )


def _fees(terms: Terms, account: int, day: Day) -> tuple[FeeLine, ...]:
    paid: dict[tuple[int, TransferCode], int] = {}
    for (currency, code, _), line in day.lines.get(account, {}).items():
        if code in FEES:
            paid[currency, code] = paid.get((currency, code), 0) + line.debits - line.credits
    return tuple(
        FeeLine(currency=_currency(terms, currency)[0], code=code.name.lower(), paid=str(amount))
        for (currency, code), amount in sorted(paid.items())
    )


def _currencies(terms: Terms) -> list[int]:
    return [
        *(cash_currency(group) for group in terms.cash_groups),
        *(token_currency(token.id) for token in terms.tokens),
    ]


def _currency(terms: Terms, currency: int) -> tuple[str, str]:
    """(name, unit)."""
    for group in terms.genesis.cash_groups:
        if group.id == currency:
            return group.name, "micros"
    return terms.assets[asset_of_currency(currency)].name, "units"


def _place(at: At) -> str:
    return "" if at[1] < 0 else f"{at[0]}:{at[1]}"


def as_csv(statement: MemberStatement) -> str:
    """One table: a row for each balance, transfer, position, change, fee and margin.

    The first row of each account says whether it covers the whole day, or only some of its heights.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for account in statement.accounts:
        base: dict[str, object] = {"day": statement.day, "account": account.account}
        covered = {"section": "coverage", "name": "whole day" if statement.complete else "part of the day"}
        heights = {"first_height": statement.first_height, "last_height": statement.last_height}
        writer.writerow(base | covered | heights)
        writer.writerows(base | row for row in _rows(account))
    return text.getvalue()


def _rows(account: AccountStatement) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for balance in account.balances:
        amounts = {name: getattr(balance, name) for name in ("unit", "opening", "credits", "debits", "closing")}
        rows.append({"section": "balance", "name": balance.currency, **amounts})
    for line in account.transfers:
        names = ("code", "cause", "credits", "debits", "count", "first_height", "last_height")
        fields = {name: getattr(line, name) for name in names}
        rows.append({"section": "transfer", "name": line.currency, "receipts": " ".join(line.receipts), **fields})
    rows += [
        {"section": "position", "name": position.name, "unit": "lots", "price_ticks": position.mark_ticks}
        | {"opening": position.opening_lots, "closing": position.closing_lots}
        | _signed(position.change_lots)
        for position in account.positions
    ]
    rows += [
        {"section": "change", "name": change.name, "unit": "lots", "code": change.kind, "receipts": change.receipt}
        | {"cause": change.venue_trade_id, "price_ticks": change.price_ticks}
        | {"first_height": change.height, "last_height": change.height}
        | _signed(change.lots)
        for change in account.changes
    ]
    rows += [{"section": "fee", "name": fee.currency, "code": fee.code, "debits": fee.paid} for fee in account.fees]
    if account.margin is not None:
        figures = ("equity_micros", "initial_margin_micros", "maintenance_margin_micros")
        rows += [
            {"section": "margin", "name": figure, "closing": getattr(account.margin, figure)} for figure in figures
        ]
    return rows


def _signed(amount: str) -> dict[str, object]:
    """A signed number as a credit or a debit."""
    return {"debits": amount[1:]} if amount.startswith("-") else {"credits": amount}
