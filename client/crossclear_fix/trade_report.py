"""A TradeCaptureReport (35=AE) read: from tags to accounts, an instrument, lots and ticks.

Rule: a message that breaks FIX raises FieldFault and is answered by a Reject; one that is well-formed and not taken
raises Refusal and is answered by an AR. Prices and quantities are decimal; what is no whole tick or lot is refused,
never rounded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from crossclear_fix import errors, tags
from crossclear_fix.errors import Refusal
from crossclear_fix.message import FieldFault, Fields, Message

ID_CHARS_MAX = 64
BUY, SELL = b"1", b"2"
PARTY_ROLES = (b"24", b"38", b"4")
"""Whose PartyID (448) names the account where Account (1) is missing: customer account, position account, clearing
firm; the first of them that a side has."""
AMENDING = (b"1", b"2", b"4", b"5")
"""TradeReportTransType of what takes a reported trade back or changes it: cancel, replace, reverse, back out."""
_DECIMAL = re.compile(rb"[0-9]{1,15}(\.[0-9]{0,12})?", re.ASCII)
_DATE = re.compile(rb"[0-9]{8}", re.ASCII)
_PRINTABLE = re.compile(rb"[ -~]{1,%d}" % ID_CHARS_MAX)
_ONCE = (
    tags.LAST_PX,
    tags.LAST_QTY,
    tags.SYMBOL,
    tags.SECURITY_ID,
    tags.TRANSACT_TIME,
    tags.TRADE_DATE,
    tags.TRADE_REPORT_ID,
    tags.TRADE_REPORT_TRANS_TYPE,
    tags.TRADE_REPORT_TYPE,
    tags.PREVIOUSLY_REPORTED,
    tags.NO_SIDES,
)
DATE_MAX_DAYS = 1
WHOLE_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Listed:
    """An instrument as its venue calls it. `ticks_per_unit`, `lots_per_unit`: of a price and a quantity of 1."""

    instrument: int
    ticks_per_unit: int = 1
    lots_per_unit: int = 1


@dataclass(frozen=True, slots=True)
class Names:
    """What a counterparty may report: accounts and instruments by the names that it uses."""

    accounts: Mapping[str, int]
    instruments: Mapping[str, Listed]


@dataclass(frozen=True, slots=True)
class Report:
    """A trade that was reported. `symbol` is as reported, for answers."""

    report_id: str
    symbol: str
    buyer: int
    seller: int
    instrument: int
    lots: int
    ticks: int
    traded_ms: int


def report_id_of(message: Message) -> str:
    """TradeReportID (571). Raises FieldFault: without it there is nothing to answer to."""
    value = message.need(tags.TRADE_REPORT_ID)
    if not _PRINTABLE.fullmatch(value):
        why = f"TradeReportID is 1 to {ID_CHARS_MAX} printable ASCII characters"
        raise FieldFault(tags.TRADE_REPORT_ID, tags.INCORRECT_FORMAT, why)
    return value.decode()


def reference_of(message: Message) -> str:
    """TradeReportRefID (572): the report that a cancellation or a replacement is about; empty where it names none."""
    value = message.get(tags.TRADE_REPORT_REF_ID)
    return value.decode() if value is not None and _PRINTABLE.fullmatch(value) else ""


def read_report(message: Message, names: Names) -> Report:
    """The reported trade. Raises FieldFault, Refusal."""
    _check_once(message)
    report_id = report_id_of(message)
    _check_kind(message)
    quantity, price = _decimal(message, tags.LAST_QTY), _decimal(message, tags.LAST_PX)
    traded_ms = message.time_ms(tags.TRANSACT_TIME)
    _check_trade_date(message, traded_ms)
    if traded_ms < 0:
        raise Refusal(errors.FIELD, "TransactTime is before 1970")
    symbol = _symbol(message)
    buyer, seller = _sides(message)
    listed = names.instruments.get(symbol)
    if listed is None:
        raise Refusal(errors.INSTRUMENT, f"no instrument is called {symbol}")
    return Report(
        report_id=report_id,
        symbol=symbol,
        buyer=_account(buyer, names),
        seller=_account(seller, names),
        instrument=listed.instrument,
        lots=_whole(quantity, listed.lots_per_unit, "LastQty", "lots"),
        ticks=_whole(price, listed.ticks_per_unit, "LastPx", "ticks"),
        traded_ms=traded_ms,
    )


def repeated_fields(message: Message) -> Fields:
    """What a confirmation repeats of a report that was read: instrument, size, price, times, and both sides."""
    ours = (tags.SYMBOL, tags.SECURITY_ID, tags.SECURITY_ID_SOURCE, tags.LAST_QTY, tags.LAST_PX)
    times = (tags.TRADE_DATE, tags.TRANSACT_TIME)
    fields = [(tag, value) for tag in (*ours, *times) if (value := message.get(tag)) is not None]
    fields.append((tags.NO_SIDES, b"2"))
    for which, side in zip((BUY, SELL), _sides(message), strict=True):
        order = next((value for tag, value in side if tag == tags.ORDER_ID), b"NONE")
        fields += [(tags.SIDE, which), (tags.ORDER_ID, order), (tags.ACCOUNT, _name(side).encode())]
    return tuple(fields)


def _check_once(message: Message) -> None:
    seen = set()
    for tag, _ in message.fields:
        if tag in _ONCE:
            if tag in seen:
                raise FieldFault(tag, tags.TAG_TWICE, "tag appears more than once")
            seen.add(tag)


def _decimal(message: Message, tag: int) -> Decimal:
    value = message.need(tag)
    if not _DECIMAL.fullmatch(value):
        raise FieldFault(tag, tags.INCORRECT_FORMAT, "not a decimal number from 0 on")
    return Decimal(value.decode())


def _whole(value: Decimal, per_unit: int, what: str, units: str) -> int:
    counted = value * per_unit
    if counted > WHOLE_MAX:
        raise Refusal(errors.FIELD, f"{what} is beyond {WHOLE_MAX} {units}")
    if counted != int(counted):
        raise Refusal(errors.NOT_WHOLE, f"{what} {value} is {counted.normalize():f} {units}, not a whole number")
    return int(counted)


def _check_trade_date(message: Message, traded_ms: int) -> None:
    value = message.get(tags.TRADE_DATE)
    if value is None:
        return
    day: date | None = None
    if _DATE.fullmatch(value):
        try:
            day = datetime.strptime(value.decode(), "%Y%m%d").date()  # noqa: DTZ007 - a business day has no zone
        except ValueError:
            day = None
    if day is None:
        raise FieldFault(tags.TRADE_DATE, tags.INCORRECT_FORMAT, "not a date")
    traded = date(1970, 1, 1).toordinal() + traded_ms // 86_400_000
    if abs(day.toordinal() - traded) > DATE_MAX_DAYS:
        raise Refusal(errors.FIELD, "TradeDate is more than a day from TransactTime")


def _symbol(message: Message) -> str:
    """SecurityID (48) where it is given, else Symbol (55)."""
    value = message.get(tags.SECURITY_ID) or message.need(tags.SYMBOL)
    if not _PRINTABLE.fullmatch(value):
        raise FieldFault(tags.SYMBOL, tags.INCORRECT_FORMAT, "not printable ASCII")
    return value.decode()


def _check_kind(message: Message) -> None:
    """Only new trades are taken: no cancellation, replacement, or copy of what is cleared already."""
    kind = message.get(tags.TRADE_REPORT_TRANS_TYPE)
    if kind in AMENDING:
        why = "a reported trade is neither cancelled nor replaced: report one the other way round"
        raise Refusal(errors.NOT_AMENDED, why)
    for tag, name, wanted in (
        (tags.TRADE_REPORT_TRANS_TYPE, "TradeReportTransType", b"0"),
        (tags.TRADE_REPORT_TYPE, "TradeReportType", b"0"),
        (tags.PREVIOUSLY_REPORTED, "PreviouslyReported", b"N"),
    ):
        value = message.get(tag)
        if value not in (None, wanted):
            raise Refusal(errors.REPORT_KIND, f"{name} is not {wanted.decode()}: only new trades are taken")


def _sides(message: Message) -> tuple[Fields, Fields]:
    """The fields of buyer and seller. Raises FieldFault where the group is not two sides, one of each."""
    message.need(tags.NO_SIDES)
    count = message.integer(tags.NO_SIDES)
    start = next(at for at, (tag, _) in enumerate(message.fields) if tag == tags.NO_SIDES)
    if any(tag == tags.SIDE for tag, _ in message.fields[:start]):
        raise FieldFault(tags.SIDE, tags.GROUP_ORDER, "a side stands before NoSides")
    group = message.fields[start + 1 :]
    if not group or group[0][0] != tags.SIDE:
        raise FieldFault(tags.NO_SIDES, tags.GROUP_ORDER, "a side begins with Side")
    begins = [at for at, (tag, _) in enumerate(group) if tag == tags.SIDE]
    if count != len(begins):
        raise FieldFault(tags.NO_SIDES, tags.GROUP_COUNT, f"NoSides is {count} and {len(begins)} sides follow")
    if count != 2:
        raise FieldFault(tags.NO_SIDES, tags.INCORRECT_VALUE, "a trade has two sides")
    sides = {group[first][1]: group[first:last] for first, last in zip(begins, [*begins[1:], len(group)], strict=True)}
    if set(sides) != {BUY, SELL}:
        raise FieldFault(tags.SIDE, tags.INCORRECT_VALUE, "one side buys (1), the other sells (2)")
    return sides[BUY], sides[SELL]


def _account(side: Fields, names: Names) -> int:
    name = _name(side)
    account = names.accounts.get(name)
    if account is None:
        raise Refusal(errors.PARTY, f"this session may not report trades of {name}")
    return account


def _name(side: Fields) -> str:
    """Account (1), else the PartyID (448) of the first role that the side has."""
    given = [value for tag, value in side if tag == tags.ACCOUNT]
    if len(given) > 1:
        raise FieldFault(tags.ACCOUNT, tags.TAG_TWICE, "tag appears more than once in a side")
    parties = _parties(side)
    if not given:
        given = [parties[role] for role in PARTY_ROLES if role in parties][:1]
    if not given:
        raise Refusal(errors.PARTY, "a side has neither Account nor a party that names an account")
    if not _PRINTABLE.fullmatch(given[0]):
        raise FieldFault(tags.ACCOUNT, tags.INCORRECT_FORMAT, "not printable ASCII")
    return given[0].decode()


def _parties(side: Fields) -> dict[bytes, bytes]:
    """PartyID by PartyRole."""
    found: dict[bytes, bytes] = {}
    party: bytes | None = None
    for tag, value in side:
        if tag == tags.PARTY_ID:
            party = value
        elif tag == tags.PARTY_ROLE:
            if party is None:
                raise FieldFault(tag, tags.GROUP_ORDER, "a party begins with PartyID")
            if value in found:
                raise FieldFault(tag, tags.TAG_TWICE, "a side names two parties of one role")
            found[value], party = party, None
    count = next((value for tag, value in side if tag == tags.NO_PARTY_IDS), b"0")
    if count != str(sum(tag == tags.PARTY_ID for tag, _ in side)).encode():
        raise FieldFault(tags.NO_PARTY_IDS, tags.GROUP_COUNT, "NoPartyIDs is not the number of parties")
    return found
