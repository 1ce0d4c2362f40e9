"""Receipts: what each block did and why, enough to replay every step by hand.

Rule: one tagged union, in the order in which things happened; amounts in the units of the ledger (cash in micros,
tokens in clearing units), prices in ticks, positions in lots. A receipt states; it never decides.
"""

from enum import IntEnum
from typing import TypeAlias

from clearing.base.codec import I64, U32, U63, Bytes20, Bytes32, Wire
from clearing.base.errors import Detail, Rejected
from clearing.trade_receipts import (
    AccountClosed,
    AccountOpened,
    AccountPorted,
    HeldTradeCancelled,
    HeldTradeCorrected,
    HeldTradeRefused,
    MandateChanged,
    StatementRead,
    TokensTransferred,
    TradeDiffers,
    TradeGivenUp,
    TradeHeld,
    VenueDayClosed,
    VenueSwitched,
)


class FeedStatus(IntEnum):
    """What a feed's last good price may be used for."""

    UNOPENED = 0
    """No price has been agreed yet."""
    OPEN = 1
    STALE = 2
    """No quorum of fresh reports: no new risk, no liquidation."""
    HALTED = 3
    """Moved beyond the cap in one block: the same, until it holds still for some blocks."""


class Rung(IntEnum):
    """How far a feed without an open price has come down the ladder."""

    USABLE = 0
    NO_NEW_RISK = 1
    """Stale for a short while: the last good price may still reduce and liquidate positions, not open any."""
    NO_LIQUIDATION = 2
    """Neither trades nor liquidation: its positions and tokens wait."""
    SETTLED = 3
    """Its instruments were settled at the last good price, its tokens count for nothing."""


class SettlementBasis(IntEnum):
    """Which price an instrument was settled at."""

    INDEX = 0
    """The agreed index at expiry."""
    AVERAGE = 1
    """The time average over the window."""
    LAST_GOOD = 2
    """The last good index (after expiry) or mark (before), because no price came back."""


class TransferCode(IntEnum):
    """Why money moved."""

    DEPOSIT = 1
    WITHDRAWAL = 2
    CASH_TRANSFER = 3
    VARIATION_MARGIN = 4
    TRADE_VARIATION = 5
    PREMIUM = 6
    TRADE_FEE = 7
    SETTLEMENT = 8
    LIQUIDATION_OPTION_VALUE = 9
    LIQUIDATION_PENALTY = 10
    COLLATERAL_BOUGHT = 11
    COLLATERAL_PAID = 12
    DEFICIT_COVERED = 13
    VENUE_FEE = 20
    TOKEN_TRANSFER = 21
    FUNDING = 40
    FUNDING_ROUNDING = 41
    DELIVERY = 42
    DELIVERY_PAYMENT = 43
    DELIVERY_FAILED = 44
    SOFT_CREDIT_LENT = 30
    SOFT_CREDIT_REPAID = 31
    SKEW_FEE = 32
    SKEW_REBATE = 33
    CASH_LEFT_GROUP = 34
    TOKEN_OF_LEFT_CASH = 35
    INTEREST = 36
    COLLATERAL_AUCTIONED = 37
    AUCTION_PAID = 38
    CLAIM_SWAPPED = 39


class Transfer(Wire, frozen=True):
    """`amount` of one currency from `debit` to `credit`. `currency` is a cash group or 2^32 + asset id."""

    debit: U63
    credit: U63
    currency: U63
    amount: U63
    code: TransferCode
    cause: U63
    """What it was for: deposit or withdrawal nonce, trade id, instrument, or account, as the code implies."""


class PriceApplied(Wire, frozen=True, tag=1):
    """A feed's agreed index price moved."""

    feed: U32
    ticks: U63
    previous_ticks: U63
    reports: U32
    power: U63


class FeedChanged(Wire, frozen=True, tag=2):
    """A feed's status changed. `seen_ticks` is the median that led to it, 0 without a quorum."""

    feed: U32
    status: FeedStatus
    ticks: U63
    seen_ticks: U63


class Marked(Wire, frozen=True, tag=3):
    """An instrument was marked; for marked instruments each holder was settled lots x (mark - previous) x value."""

    instrument: U32
    ticks: U63
    previous_ticks: U63
    holders: U32
    paid: U63
    """Micros that losers paid, equal to what gainers received."""


class Settled(Wire, frozen=True, tag=4):
    """An instrument was settled in cash at `index_ticks`, whose origin is the basis; all positions in it are gone."""

    instrument: U32
    index_ticks: U63
    micros_per_lot: I64
    """What one long lot received: future (index - last mark) x value, option its intrinsic value."""
    holders: U32
    paid: U63
    basis: SettlementBasis = SettlementBasis.INDEX
    covered_ms: U63 = 0
    """How much of the averaging window agreed prices covered."""
    window_ms: U63 = 0
    worth_ticks: U63 = 0
    """What a lot is worth at `index_ticks`, the price settled at: an option its intrinsic value."""


class DepositCredited(Wire, frozen=True, tag=5):
    """A deposit was credited. `dust` is what rounding down left on chain, in token base units."""

    chain_id: U63
    vault: Bytes20
    nonce: U63
    asset: U32
    account: U63
    units: U63
    dust: U63
    source: Bytes32


class DepositStray(Wire, frozen=True, tag=6):
    """A deposit that no account could be credited with. `account`: suspense, or 0 when not in the ledger."""

    chain_id: U63
    vault: Bytes20
    nonce: U63
    token: Bytes20
    named_account: U63
    amount: Bytes32
    code: U32
    account: U63


class CustodyAgreed(Wire, frozen=True, tag=7):
    """A vault's counters for one token are agreed at a block of its chain."""

    asset: U32
    block_number: U63
    block_hash: Bytes32
    deposited: Bytes32
    withdrawn: Bytes32
    balance: Bytes32


class TradeNovated(Wire, frozen=True, tag=8):
    """A trade became two trades with the house. `variation` is what the buyer received (marked), or paid (premium)."""

    index: U32
    """Of the transaction; `clearing.trade_receipts.HELD_INDEX` for a trade that was held before."""
    venue: U63
    venue_trade_id: U63
    instrument: U32
    buyer: U63
    seller: U63
    lots: U63
    ticks: U63
    mark_ticks: U63
    buyer_received: I64
    fee_each: U63
    venue_fee_each: U63 = 0


class CashTransferred(Wire, frozen=True, tag=9):
    """Cash moved between two accounts of one member."""

    index: U32
    account: U63
    recipient: U63
    cash_group: U32
    micros: U63
    nonce: U63


class Refused(Wire, frozen=True, tag=10):
    """The transaction at `index` of the block was refused and changed nothing."""

    index: U32
    code: U32
    at: str
    values: tuple[tuple[str, str], ...]
    """Names and offending values as text; bytes in hex."""


class MarginCalled(Wire, frozen=True, tag=11):
    """Equity fell below the initial margin: until it is restored only risk-reducing actions pass."""

    account: U63
    equity: I64
    initial: U63
    maintenance: U63


class MarginRestored(Wire, frozen=True, tag=12):
    """Equity is at or above the initial margin again."""

    account: U63
    equity: I64
    initial: U63


class TakenOver(Wire, frozen=True):
    """One position in a liquidation: signed lots to the house, the mark, the cash that the account received."""

    instrument: U32
    lots: I64
    of_lots: I64
    mark_ticks: U63
    received: I64


class CollateralBought(Wire, frozen=True):
    """Collateral that the house bought of a liquidated account, at its value after haircut."""

    currency: U63
    """2^32 + asset id of a token, or another cash group, whose claims are taken at par."""
    units: U63
    cash_group: U32
    micros_per_unit: U63
    paid: U63


class Liquidated(Wire, frozen=True, tag=13):
    """The house took over positions of an account below maintenance, at the mark, which does not move by it.

    `fraction` is numerator and denominator of the share taken (each position rounded up to whole lots). The deficit
    is what the house's capital paid to bring negative cash without collateral back to zero.
    """

    account: U63
    equity: I64
    initial: U63
    maintenance: U63
    fraction: tuple[U63, U63]
    positions: tuple[TakenOver, ...]
    notional: U63
    penalty: U63
    collateral: tuple[CollateralBought, ...]
    deficits: tuple[tuple[U32, U63], ...]
    """(cash group, micros)."""
    equity_after: I64
    initial_after: U63


class WithdrawalReleased(Wire, frozen=True, tag=14):
    """A withdrawal entered the withdrawals tree as leaf `nonce`; its vault pays it on a certified checkpoint."""

    nonce: U63
    account: U63
    asset: U32
    units: U63
    chain_id: U63
    vault: Bytes20
    token: Bytes20
    to: Bytes20
    amount: Bytes32
    not_after_s: U63


class WithdrawalConfirmed(Wire, frozen=True, tag=15):
    """A released withdrawal was seen executed by its vault."""

    nonce: U63
    chain_id: U63
    vault: Bytes20
    block_number: U63
    source: Bytes32


class EpochClosed(Wire, frozen=True, tag=16):
    """The state after this block is the snapshot of `epoch`."""

    epoch: U63
    height: U63


class RungChanged(Wire, frozen=True, tag=60):
    """A feed went to another rung of the ladder. `since_height`: the first block without an open price, 0 with one."""

    feed: U32
    rung: Rung
    ticks: U63
    """The last good price."""
    since_height: U63


class OutliersDropped(Wire, frozen=True, tag=61):
    """Reports too far from the others were left out. Without a quorum among the rest the feed has no price."""

    feed: U32
    median_ticks: U63
    """Of all reports that were fresh and certain."""
    deviation_ticks: U63
    """Their median absolute deviation from it."""
    limit_ticks: U63
    """The distance up to which reports were kept."""
    dropped: tuple[U32, ...]
    """Validators."""
    kept_power: U63
    quorum: bool


class FundingPaid(Wire, frozen=True, tag=62):
    """Each position of q lots paid q x index x micros a tick x rate x covered / period; payers up, payees down."""

    instrument: U32
    index_ticks: U63
    premium_ppb: I64
    """Time average over what is covered."""
    rate_ppb: I64
    covered_ms: U63
    period_ms: U63
    holders: U32
    paid: U63
    received: U63
    rounding: U63
    """paid - received, to the rounding account."""


class SettlementWaits(Wire, frozen=True, tag=63):
    """An expired instrument waits: agreed prices cover too little of its window. They are counted on after expiry."""

    instrument: U32
    covered_ms: U63
    needed_ms: U63
    window_ms: U63


class Delivered(Wire, frozen=True, tag=64):
    """An expired forward's tokens went from shorts to longs against cash; what was not delivered settled in cash."""

    instrument: U32
    asset: U32
    ticks: U63
    lots: U63
    of_lots: U63
    units: U63
    paid: U63


class AuctionOrderTaken(Wire, frozen=True, tag=66):
    """An order entered a reopening auction in place of the account's earlier one; zero lots: it was withdrawn."""

    index: U32
    account: U63
    instrument: U32
    lots: I64
    ticks: U63
    nonce: U63


class AuctionCleared(Wire, frozen=True, tag=67):
    """The orders in a perpetual crossed at one price when its feed reopened; each pair has a receipt of its trade."""

    instrument: U32
    ticks: U63
    index_ticks: U63
    """The median at which the feed reopened."""
    lots: U63
    """What crossed."""
    traded: U63
    """What of it both sides could carry."""
    surplus: I64
    """Lots left at the price; positive: buyers."""
    orders: U32


class DeliveryFailed(Wire, frozen=True, tag=65):
    """An account could not deliver (negative lots) or pay for (positive) part of its forward, and paid a penalty."""

    instrument: U32
    account: U63
    lots: I64
    ticks: U63
    penalty: U63


class HaircutChanged(Wire, frozen=True, tag=40):
    """An asset's haircut changed; `parts` sum to it before rounding up and the cap at 100 %."""

    asset: U32
    haircut_ppm: U32
    previous_ppm: U32
    parts: tuple[tuple[str, U63], ...]


class SkewFeePaid(Wire, frozen=True, tag=41):
    """What a movement of a cash group's inventory cost its account (positive), or earned it out of the fee pot."""

    account: U63
    asset: U32
    moved_micros: I64
    """Inventory of the asset, after less before."""
    fee_micros: I64
    pot_micros: U63
    """What the fee pot holds afterwards."""


class GuardChanged(Wire, frozen=True, tag=42):
    """A cash token went beyond its band (`out_blocks` 1), or came back (0)."""

    asset: U32
    cash_group: U32
    out_blocks: U32
    ticks: U63
    par_ticks: U63


class CashLeftGroup(Wire, frozen=True, tag=43):
    """A cash token left its group. The house gave `house_micros` of cash for `house_units`, residues included."""

    asset: U32
    cash_group: U32
    out_blocks: U32
    silent_ms: U63
    inventory_micros: U63
    positive_claims_micros: U63
    units: U63
    """Clearing units of the collateral that it became, over all accounts."""
    house_micros: U63
    house_units: U63


class ClaimConverted(Wire, frozen=True, tag=44):
    """What one account gave up of its claim on a group for a token that left it."""

    account: U63
    asset: U32
    claim_micros: U63
    given_micros: U63
    units: U63


class SoftCreditLent(Wire, frozen=True, tag=45):
    """The house lent against a deposit that is not final; nothing of it can leave the account."""

    account: U63
    chain_id: U63
    vault: Bytes20
    nonce: U63
    asset: U32
    cash_group: U32
    micros: U63
    value_micros: U63
    """The deposit's value after haircut and the asset's share."""
    source: Bytes32


class SoftCreditRepaid(Wire, frozen=True, tag=46):
    """The deposit became final and the loan was paid back."""

    account: U63
    chain_id: U63
    vault: Bytes20
    nonce: U63
    cash_group: U32
    micros: U63


class SoftCreditRecalled(Wire, frozen=True, tag=47):
    """The chain undid the deposit: the loan was called back and the account restricted.

    What the account cannot pay is taken out of its collateral, and at last out of the house's capital (`Liquidated`).
    """

    account: U63
    chain_id: U63
    vault: Bytes20
    nonce: U63
    cash_group: U32
    micros: U63
    block_number: U63
    final_block: U63
    source: Bytes32
    cash_after: I64
    until_height: U63


class InterestAccrued(Wire, frozen=True, tag=48):
    """Interest of a cash group: debtors paid, creditors received, the difference is the house's."""

    cash_group: U32
    until_ms: U63
    intervals: U63
    paid: U63
    received: U63
    house: I64


class CashCalled(Wire, frozen=True, tag=49):
    """An account owes more cash than the limit and must bring it by the deadline."""

    account: U63
    owed: tuple[tuple[U32, U63], ...]
    """(cash group, micros) of what is beyond nothing."""
    deadline_height: U63


class CashCallMet(Wire, frozen=True, tag=50):
    """An account is within the cash limit again; a sale of its collateral ends."""

    account: U63


class AuctionOpened(Wire, frozen=True, tag=51):
    """A cash call lapsed: the account's collateral is for sale at a falling price up to and including `last_height`."""

    account: U63
    first_height: U63
    last_height: U63


class CollateralSold(Wire, frozen=True, tag=52):
    """A member bought a slice of collateral in an auction."""

    index: U32
    account: U63
    recipient: U63
    asset: U32
    cash_group: U32
    units: U63
    micros_per_unit: U63
    paid: U63


class RestrictionLifted(Wire, frozen=True, tag=54):
    """The account's time of restriction is over and it owes no cash."""

    account: U63


class ClaimsSwapped(Wire, frozen=True, tag=53):
    """Two accounts exchanged claims by agreement: `given` went to `recipient`, `taken` came from it."""

    index: U32
    account: U63
    recipient: U63
    given_currency: U63
    given_units: U63
    taken_currency: U63
    taken_units: U63


class RangePublished(Wire, frozen=True, tag=80):
    """A risk group's price range or volatility changed. `ratio_ppm` is how much by: the range over the previous one.

    `raw_ppm` is what current deviations alone would ask for, `target_ppm` what it will come to within the speed limit,
    and `buffer_ppm` what the target holds beyond need, to be used up in stress.
    """

    group: U32
    range_ppm: U32
    previous_ppm: U32
    ratio_ppm: U63
    raw_ppm: U63
    target_ppm: U63
    buffer_ppm: U32
    volatility_ppm: U32
    volatility_range_ppm: U32
    horizon_ms: U63
    """Time to close out, with what late chains and old reports add."""


Receipt: TypeAlias = (
    PriceApplied
    | FeedChanged
    | Marked
    | Settled
    | DepositCredited
    | DepositStray
    | CustodyAgreed
    | TradeNovated
    | CashTransferred
    | Refused
    | MarginCalled
    | MarginRestored
    | Liquidated
    | WithdrawalReleased
    | WithdrawalConfirmed
    | EpochClosed
    | HaircutChanged
    | SkewFeePaid
    | GuardChanged
    | CashLeftGroup
    | ClaimConverted
    | SoftCreditLent
    | SoftCreditRepaid
    | SoftCreditRecalled
    | InterestAccrued
    | CashCalled
    | CashCallMet
    | AuctionOpened
    | CollateralSold
    | ClaimsSwapped
    | RestrictionLifted
    | RungChanged
    | OutliersDropped
    | FundingPaid
    | SettlementWaits
    | Delivered
    | DeliveryFailed
    | AuctionOrderTaken
    | AuctionCleared
    | MandateChanged
    | TradeHeld
    | HeldTradeCorrected
    | HeldTradeCancelled
    | TradeGivenUp
    | HeldTradeRefused
    | StatementRead
    | TradeDiffers
    | VenueDayClosed
    | AccountOpened
    | AccountClosed
    | TokensTransferred
    | AccountPorted
    | VenueSwitched
    | RangePublished
)


def refused(index: int, rejected: Rejected) -> Refused:
    """The receipt of a refusal."""
    return Refused(
        index, int(rejected.code), rejected.at, tuple((name, _told(value)) for name, value in rejected.values)
    )


def _told(value: Detail) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
