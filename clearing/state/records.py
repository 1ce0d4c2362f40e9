"""What the tables of the state hold: frozen records, each a canonical value.

Rule: data only. A record says nothing about who may change it; units stand in the names or docstrings.
"""

from enum import IntEnum

from clearing.accounts.kinds import AccountKind
from clearing.base.codec import I64, U32, U63, Bytes20, Bytes32, U256Bytes, Wire
from clearing.facts import CustodySeen, DepositSeen, Fact
from clearing.prices.receipts import FeedStatus, Rung


class Balance(Wire, frozen=True):
    """Counters of one account in one currency. The balance is credits - debits."""

    debits: U63
    credits: U63


class Book(Wire, frozen=True):
    """All positions of one account: (instrument, signed lots), ordered, none of zero lots."""

    lots: tuple[tuple[U32, I64], ...]


class Mark(Wire, frozen=True):
    """The price that positions in an instrument were last settled at. `settled`: expired, and no longer marked."""

    ticks: U63
    settled: bool


class ReportHeld(Wire, frozen=True):
    """A validator's last report on one feed, kept until it is too old."""

    power: U63
    ticks: U63
    confidence_ticks: U63
    time_ms: U63


class FeedState(Wire, frozen=True):
    """A feed's last good price, and on the way back from a halt the price seen and for how many blocks it held."""

    status: FeedStatus
    ticks: U63
    time_ms: U63
    """Block time at which `ticks` was agreed."""
    seen_ticks: U63 = 0
    steady_blocks: U32 = 0
    confidence_ticks: U63 = 0
    """How uncertain the reports behind `ticks` were: their upper median, by stake."""
    rung: Rung = Rung.USABLE
    since_height: U63 = 0
    """The first block without an open price; 0 while there is one."""
    halted_height: U63 = 0
    """The block that halted it last."""


class Premium(Wire, frozen=True):
    """A perpetual's premium and the funding that is accruing; all in ppb of the index."""

    premium_ppb: I64
    paid_ms: U63
    """Block time at which funding was last paid, or began to accrue."""
    weighted: I64 = 0
    """Sum of lots x premium over the trades that the average has not taken in yet."""
    volume: U63 = 0
    """Their lots."""
    funding_weighted: I64 = 0
    """Sum of premium x milliseconds since funding was last paid."""
    funding_ms: U63 = 0
    """How much of that time agreed prices covered."""


class AuctionOrder(Wire, frozen=True):
    """An order in a reopening auction: positive lots buy, negative sell, at `ticks` or better."""

    lots: I64
    ticks: U63
    height: U63
    """When it was taken in."""


class Averaged(Wire, frozen=True):
    """The part of an instrument's averaging window that agreed prices cover so far."""

    weighted: U256Bytes
    """Sum of ticks x milliseconds."""
    covered_ms: U63


class Member(Wire, frozen=True):
    """A clearing member."""

    trade_address: Bytes20


class Account(Wire, frozen=True):
    """An account of a member. `called_height`: since when it is below initial margin, 0 when it is not."""

    member: U63
    kind: AccountKind
    called_height: U63 = 0
    parent: U63 = 0
    """The account that this one is a sub-account of; 0: of none."""
    children: tuple[U63, ...] = ()
    """Its sub-accounts, ordered."""
    key: Bytes20 = bytes(20)
    """The client's own key, which signs for money that leaves; zeros: the member's trade key does."""


class Attestation(Wire, frozen=True):
    """One validator's word."""

    validator: U32
    power: U63
    fact: Fact


class Claim(Wire, frozen=True):
    """What validators say about one event, ordered by validator, until a quorum says the same."""

    attestations: tuple[Attestation, ...]


class Cursor(Wire, frozen=True):
    """Deposits of one vault that were credited: all up to and including `nonce`."""

    nonce: U63


class Agreed(Wire, frozen=True):
    """A deposit that a quorum attested and that waits for the one before it."""

    deposit: DepositSeen


class Stray(Wire, frozen=True):
    """A deposit outside the ledger: why, and what it was."""

    code: U32
    deposit: DepositSeen


class Flow(Wire, frozen=True):
    """What went through one asset: deposits taken in (token base units, dust and strays included), units released.

    Both grow with every round of the same coin, so neither may have an end that can be reached. What is given back was
    never paid, and is taken off the units released.
    """

    deposited_amount: U256Bytes
    released_units: U256Bytes
    stray_amount: U256Bytes = bytes(32)
    """Of the deposits taken in, those that nobody was credited with, in base units."""


class Custody(Wire, frozen=True):
    """A vault's counters for one asset that a quorum agreed on."""

    seen: CustodySeen


class Beat(Wire, frozen=True):
    """The highest final block of a chain that a validator has told."""

    power: U63
    block_number: U63
    time_ms: U63


class Clock(Wire, frozen=True):
    """Where the state is: after which block, in which epoch."""

    height: U63
    time_ms: U63
    arrays_time_ms: U63
    """Block time for which the risk arrays were last built."""
    epoch: U63
    """Number of the last closed epoch, 0 before the first."""
    snapshot_height: U63
    """Height of its snapshot."""
    withdrawals: U63 = 0
    """How many withdrawals were released."""


class Nonce(Wire, frozen=True):
    """The highest nonce that an account has used."""

    value: U63


class TradeSeen(Wire, frozen=True):
    """A novated trade's id is remembered until the trade could no longer be shown again."""

    not_after_ms: U63


class Released(Wire, frozen=True):
    """A withdrawal in the withdrawals tree."""

    account: U63
    asset: U32
    units: U63
    chain_id: U63
    vault: Bytes20
    token: Bytes20
    to: Bytes20
    amount: U256Bytes
    not_after_s: U63
    leaf: Bytes32
    executed: bool = False


class MemberAccounts(Wire, frozen=True):
    """How many accounts a member has opened so far, and how many it has now."""

    opened: U63
    held: U63


class VenueState(Wire, frozen=True):
    """What changes about a venue. Of its trade ids, those of chunks up to `top_chunk` - the window are over."""

    top_chunk: U63 = 0
    suspended: bool = False
    revision: U32 = 0
    """How often it was suspended or let go on."""


class IdsUsed(Wire, frozen=True):
    """Which of 256 consecutive trade ids of a venue are used up: bit id % 256 of a big-endian number."""

    bits: Bytes32


class MandateHeld(Wire, frozen=True):
    """What a venue may do for an account, and how much of the day's limit is used up."""

    lots_max: U63
    notional_max: U63
    day_notional_max: U63
    expires_ms: U63
    day: U63 = 0
    used: U63 = 0
    """Micros of notional in `day`."""


class HeldTrade(Wire, frozen=True):
    """A trade that both sides are bound to and that waits for its time."""

    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63
    traded_ms: U63
    first_buyer: U63
    """Who bought at the venue, before any give-up."""
    first_seller: U63
    due_ms: U63
    """When novation is tried next."""
    until_ms: U63
    """When it is tried for the last time."""
    revision: U32 = 0


class VenueDayPhase(IntEnum):
    """How far a day's reconciliation is."""

    OPEN = 0
    """No last part of a statement yet."""
    CLOSING = 1
    """The statement is complete, or too late; what is left over is being told."""
    CLOSED = 2
    """Kept so that nothing is told twice."""


class VenueDay(Wire, frozen=True):
    """One day of one venue: trades novated, and what its statement said of them so far."""

    trades: U63 = 0
    """How many were kept; they are numbered from 0."""
    unkept: U63 = 0
    """How many more were novated than are kept."""
    lines: U63 = 0
    parts: U32 = 0
    next_id: U63 = 0
    """The lowest id that the next line may have."""
    matched: U63 = 0
    missing_here: U63 = 0
    differing: U63 = 0
    missing_there: U63 = 0
    swept: U63 = 0
    phase: VenueDayPhase = VenueDayPhase.OPEN
    told: bool = False
    """Whether the statement was complete."""


class DayTrade(Wire, frozen=True):
    """A novated trade of a venue, until its statement has told it."""

    venue_trade_id: U63
    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63


class Haircut(Wire, frozen=True):
    """The haircut in force of an asset whose haircut moves."""

    haircut_ppm: U32


class Guard(Wire, frozen=True):
    """What the depeg guard has seen of a cash token: blocks in a row beyond its band, the height at which it left."""

    out_blocks: U32
    left_height: U63 = 0


class SoftCredit(Wire, frozen=True):
    """A loan of the house against a deposit that was sighted at `block_number` of its chain."""

    account: U63
    asset: U32
    cash_group: U32
    micros: U63
    block_number: U63
    source: Bytes32


class Loan(Wire, frozen=True):
    """What an account owes of soft credit in one cash group; the house's account: what all owe."""

    micros: U63


class Restriction(Wire, frozen=True):
    """An account whose sighted deposit was undone, and until when it may only reduce risk and bring collateral."""

    until_height: U63
    chain_id: U63
    vault: Bytes20
    nonce: U63


class Accrual(Wire, frozen=True):
    """Until when interest on a group's cash is settled."""

    time_ms: U63


class CashCall(Wire, frozen=True):
    """An account must bring cash by `deadline_height`; from `auction_height` on (0: not yet) collateral is for sale."""

    opened_height: U63
    deadline_height: U63
    auction_height: U63 = 0
    auction_owed: U63 = 0
    """Micros that were owed in all groups when the sale began: what slices are measured by."""


class Silence(Wire, frozen=True):
    """How long a chain has been silent: since it was last seen to move (`seen_ms`), in time in which we had blocks."""

    seen_ms: U63
    silent_ms: U63
    at_ms: U63
    """Block time of this record."""
