"""What the API says and takes, as typed values.

Rule: amounts are decimal strings with the unit in the key, roots, keys and signatures are hex with 0x, times are
milliseconds. Changing a field is a change of the API.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Decimal = Annotated[str, Meta(pattern="^-?(0|[1-9][0-9]{0,18})$", description="a whole number as a string")]
Natural = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,18})$", description="a whole number as a string, not negative")]
Hash = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
Address = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{40}$")]
Signature = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{130}$")]
Hex = Annotated[str, Meta(pattern="^0x([0-9a-f]{2})*$")]
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
SmallId = Annotated[int, Meta(ge=0, le=2**32 - 1)]
TRANSACTIONS_MAX = 100
RECEIPTS_MAX = 500
PACKAGES_MAX = 500


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all of them."""


class Problem(Body, frozen=True):
    """Every refusal. `code` is stable; `crossclear explain CODE` tells more."""

    code: str
    message: str
    at: str
    remedy: str


class FeedPrice(Body, frozen=True):
    """A feed's agreed index price. `status`: unopened, open, stale or halted."""

    feed: int
    name: str
    index_ticks: Natural
    """The last good one, whatever the status."""
    status: str
    rung: str = "usable"
    """What it may be used for: usable, no_new_risk, no_liquidation or settled."""
    confidence_ticks: Natural = "0"
    """How uncertain validators were."""
    since_height: int = 0
    """The first height without an open price; 0 while there is one."""
    settles_at_height: int = 0
    """Where its instruments settle at the last good price, should none come back; 0: never, or not closed."""


class InstrumentMark(Body, frozen=True):
    """An instrument's settled mark."""

    instrument: int
    name: str
    mark_ticks: Natural
    settled: bool = False
    """Settled for good, at `mark_ticks`; traded no more."""
    premium_ppb: Decimal = "0"
    """Of a perpetual: the premium in the mark, in 10^-9 of the index."""
    funding_rate_ppb: Decimal = "0"
    """Of a perpetual: the rate of a period that would be paid if the interval ended now; positive: longs pay."""
    averaged_ticks: Natural = "0"
    """In an averaging window: the average so far."""
    averaged_ms: int = 0
    """How much of the window agreed prices cover."""


class GroupRange(Body, frozen=True):
    """The range of a risk group in force. All but the first three figures are 0 while genesis' stands."""

    group: int
    name: str
    range_ppm: int
    """Of the price."""
    volatility_ppm: int
    volatility_range_ppm: int
    raw_ppm: int = 0
    """What current deviations alone ask for over the horizon."""
    stressed_ppm: int = 0
    """The same with the stressed deviation of the window."""
    floor_ppm: int = 0
    """The same with the deviation of the long look-back."""
    target_ppm: int = 0
    """What the range will come to within the speed limit."""
    buffer_ppm: int = 0
    """What the target holds beyond need, to be used up in stress."""
    multiple_ppm: int = 0
    """Deviations that the raw range is."""
    horizon_ms: int = 0
    """Time to close out, with what late chains and old reports add."""
    change_ratio_ppm: int = 0
    """The range over the one before it."""
    lowest_ppm: int = 0
    highest_ppm: int = 0
    """Of all ranges so far."""
    published_height: int = 0


class AssetNow(Body, frozen=True):
    """A token on one chain as it is now."""

    asset: int
    name: str
    chain_id: Id
    cash_group: int
    """0: collateral, also a cash token that left its group."""
    haircut_ppm: int
    """Of collateral, in force."""
    unit_decimals: int
    """A clearing unit is 10^-unit_decimals whole tokens."""
    inventory_units: Natural
    """What the ledger owes in it; of cash, what can be withdrawn on that chain at most."""
    suspended: bool = False
    """Of cash: its group is suspended while a token of it is judged by the depeg guard."""


class CollateralSale(Body, frozen=True):
    """What can be bid for in the next block out of a lapsed cash call."""

    seller: Id
    cash_group: int
    asset: int
    units: Natural
    """The most that one bid may buy."""
    micros_per_unit: Natural
    last_height: int


class StateView(Body, frozen=True):
    """What is public of the newest decided height."""

    network: Hash
    height: int
    time_ms: int
    header_hash: Hash
    state_root: Hash
    epoch: int
    validators: int
    package_epoch: int
    """Epoch of the newest package; 0 before the first."""
    prices: tuple[FeedPrice, ...] = ()
    marks: tuple[InstrumentMark, ...] = ()
    ranges: tuple[GroupRange, ...] = ()
    assets: tuple[AssetNow, ...] = ()
    sales: tuple[CollateralSale, ...] = ()


class CashHolding(Body, frozen=True):
    """A claim on a cash group; may be negative."""

    cash_group: int
    name: str
    amount_micros: Decimal


class TokenHolding(Body, frozen=True):
    """Collateral of one token on one chain, in clearing units."""

    asset: int
    name: str
    amount_units: Natural


class Position(Body, frozen=True):
    """Lots of one instrument; negative is short."""

    instrument: int
    name: str
    lots: Decimal


class CallUnderWay(Body, frozen=True):
    """A call for margin, or an early one: a warning that a breach is likely."""

    kind: Literal["early", "margin"]
    opened_height: int
    """Of the first call of this run, whose time it has."""
    deadline_height: int
    """The first block without time; at initial margin the call is met before."""
    lapsed: bool


class AccountView(Body, frozen=True):
    """One account after the stated height."""

    account: int
    member: int
    height: int
    equity_micros: Decimal
    initial_margin_micros: Natural
    maintenance_margin_micros: Natural
    called: bool
    next_nonce: int
    cash: tuple[CashHolding, ...] = ()
    tokens: tuple[TokenHolding, ...] = ()
    positions: tuple[Position, ...] = ()
    kind: Literal["house", "client"] = "house"
    parent: int = 0
    """The account that this one is a sub-account of; 0: of none."""
    sub_accounts: tuple[int, ...] = ()
    held_trades: int = 0
    """Trades that wait for their time."""
    calls: tuple[CallUnderWay, ...] = ()
    """At most one; none where genesis gives calls no deadline."""
    in_liquidation: bool = False


class HeaderView(Body, frozen=True):
    """A certified header: readable, and the canonical bytes that a light client checks."""

    height: int
    hash: Hash
    time_ms: int
    state_root: Hash
    signers: tuple[int, ...]
    """Validator indices in the certificate."""
    header: Hex
    certificate: Hex


class ReceiptView(Body, frozen=True):
    """One receipt. `details` has the receipt's own fields; wide integers are strings."""

    height: int
    index: int
    kind: str
    details: dict[str, Any]


class ReceiptPage(Body, frozen=True):
    """Receipts in order. `next` is the `after` of the next page; empty at the end."""

    receipts: tuple[ReceiptView, ...]
    next: str


class PackageLine(Body, frozen=True):
    """An epoch package that this node keeps. `sha256`: of the file; two provers of one epoch write different files."""

    epoch: Id
    height: Id
    """Of the snapshot."""
    bytes: Id
    sha256: Hash


class PackagePage(Body, frozen=True):
    """Packages by epoch. `next` is the `after` of the next page; empty at the end."""

    packages: tuple[PackageLine, ...]
    next: str


class TradeBody(Body, frozen=True, tag="trade", tag_field="type"):
    """`clearing.transactions.Trade`."""

    venue: Id
    venue_trade_id: Id
    buyer: Id
    seller: Id
    instrument: SmallId
    lots: Natural
    price_ticks: Natural
    not_after_ms: Id
    buyer_signature: Signature
    seller_signature: Signature


class WithdrawalBody(Body, frozen=True, tag="withdrawal", tag_field="type"):
    """`clearing.transactions.Withdrawal`."""

    account: Id
    asset: SmallId
    amount_units: Natural
    to: Address
    nonce: Id
    not_after_ms: Id
    signature: Signature


class TransferBody(Body, frozen=True, tag="transfer", tag_field="type"):
    """`clearing.transactions.CashTransfer`."""

    account: Id
    recipient: Id
    cash_group: SmallId
    amount_micros: Natural
    nonce: Id
    not_after_ms: Id
    signature: Signature


class SubmitResult(Body, frozen=True):
    """What became of one transaction. `known`: it waited or was decided before; sending again is harmless."""

    hash: Hash
    status: Literal["accepted", "known", "refused"]
    problem: Problem | None = None


class SubmitResults(Body, frozen=True):
    """One for each transaction, in order."""

    results: tuple[SubmitResult, ...]


class CollateralEventBody(Body, frozen=True):
    """Where a vault's event is. The node fetches and proves it itself; nothing here is taken on its word."""

    chain_id: Id
    transaction_hash: Hash


class CollateralEventResult(Body, frozen=True):
    """The event will be looked for."""

    chain_id: int
    transaction_hash: Hash
    status: Literal["accepted", "known"]


class Check(Body, frozen=True):
    """One condition of readiness."""

    name: str
    ok: bool
    detail: str = ""


class Readiness(Body, frozen=True):
    """Whether the node does its work: each of the checks."""

    ready: bool
    checks: tuple[Check, ...]


class Health(Body, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"
