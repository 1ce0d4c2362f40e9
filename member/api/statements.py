"""Daily statements.

Rule: as `member.api.types`; amounts are in the unit that stands beside them, positive where the account received.
"""

from typing import Annotated

from msgspec import Meta

from member.api.types import Amount, Body, Decimal, Natural

DayText = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="a day in UTC")]


class BalanceLine(Body, frozen=True):
    """One currency: opening + credits - debits = closing. `unit`: micros, or clearing units of a token."""

    currency: str
    unit: str
    opening: Amount
    credits: Amount
    debits: Amount
    closing: Amount


class TransferLine(Body, frozen=True):
    """Transfers of one code and cause (a trade id, an instrument, a nonce…) added up over the day."""

    currency: str
    code: str
    cause: Natural
    credits: Amount
    debits: Amount
    count: int
    first_height: int
    last_height: int
    receipts: tuple[str, ...]
    """height:index of the first and last receipt that contains it, as in `/v1/receipts`."""


class PositionLine(Body, frozen=True):
    """One instrument: opening + change = closing."""

    instrument: int
    name: str
    opening_lots: Decimal
    change_lots: Decimal
    closing_lots: Decimal
    mark_ticks: Natural | None
    """At the close."""


class PositionChangeLine(Body, frozen=True):
    """A change of lots: a trade, a liquidation, a settlement…"""

    instrument: int
    name: str
    lots: Decimal
    kind: str
    height: int
    receipt: str
    """height:index, or empty where no receipt names the account."""
    price_ticks: Natural | None = None
    venue: int | None = None
    venue_trade_id: int | None = None
    fee_micros: Natural | None = None


class FeeLine(Body, frozen=True):
    """Fees of one code and currency, paid less received."""

    currency: str
    code: str
    paid: Amount


class ClosingMargin(Body, frozen=True):
    """The margin after the day's last block."""

    equity_micros: Amount
    initial_margin_micros: Amount
    maintenance_margin_micros: Amount
    initial_ok: bool
    maintenance_ok: bool


class AccountStatement(Body, frozen=True):
    """One account's day."""

    account: int
    balances: tuple[BalanceLine, ...]
    transfers: tuple[TransferLine, ...]
    positions: tuple[PositionLine, ...]
    changes: tuple[PositionChangeLine, ...]
    fees: tuple[FeeLine, ...]
    margin: ClosingMargin | None
    """None for an account that never had anything."""


class MemberStatement(Body, frozen=True):
    """A member's day, in UTC by block time."""

    network: str
    member: int
    day: DayText
    complete: bool
    """Whether the day is over and was seen from its first block on."""
    first_height: int
    last_height: int
    last_time_ms: int
    accounts: tuple[AccountStatement, ...]
