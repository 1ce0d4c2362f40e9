"""What the tables of the state hold: frozen records, each a canonical value.

Rule: data only. A record says nothing about who may change it; units stand in the names or docstrings.
"""

from clearing.base.codec import I64, U32, U63, Bytes20, Bytes32, U256Bytes, Wire
from clearing.facts import CustodySeen, DepositSeen, Fact
from clearing.genesis import AccountKind
from clearing.receipts import FeedStatus, Rung


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


class Premium(Wire, frozen=True):
    """A perpetual's premium and the funding that is accruing; all in ppb of the index."""

    premium_ppb: I64
    time_ms: U63
    """Block time up to which premium and funding are accounted."""
    weighted: I64 = 0
    """Sum of lots x premium over the trades since `time_ms`."""
    volume: U63 = 0
    """Their lots."""
    funding_weighted: I64 = 0
    """Sum of premium x milliseconds since funding was last paid."""
    funding_ms: U63 = 0


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
    """What went through one asset: deposits taken in (token base units, dust and strays included), units released."""

    deposited_amount: U256Bytes
    released_units: U63


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
