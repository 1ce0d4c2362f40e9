"""Receipts: what each block did and why, enough to replay every step by hand.

Rule: one tagged union, in the order in which things happened; amounts in the units of the ledger (cash in micros,
tokens in clearing units), prices in ticks, positions in lots. A receipt states; it never decides.
"""

from typing import TypeAlias

from clearing.base.codec import I64, U32, U63, Bytes20, Bytes32, Wire
from clearing.base.errors import Detail, Rejected
from clearing.calls.receipts import CallLapsed, CallMet, DeadlineSet, EarlyCalled
from clearing.collateral.receipts import (
    AuctionOpened,
    CashCalled,
    CashCallMet,
    CashLeftGroup,
    ClaimConverted,
    ClaimsSwapped,
    CollateralSold,
    GuardChanged,
    HaircutChanged,
    InterestAccrued,
    RestrictionLifted,
    SkewFeePaid,
    SoftCreditLent,
    SoftCreditRecalled,
    SoftCreditRepaid,
)
from clearing.default.receipts import (
    AssessmentsCalled,
    AssessmentTaken,
    BiddersRanked,
    ClientClosedOut,
    ClientRescued,
    CollateralTaken,
    DefaultBidTaken,
    DefaultDeclared,
    DefaultEnded,
    DeficitCured,
    Deleveraged,
    EstatePooled,
    LossShared,
    MemberLeft,
    MemberReadmitted,
    PortfolioSold,
    StatusChanged,
    TakenByHouse,
    TornUp,
)
from clearing.fund.receipts import FundCalled, FundDebited, FundDrawn, FundPaid, FundReduces, FundReturned, FundSized
from clearing.gates.receipts import WithdrawalGivenBack, WithdrawalNotPaid, WithdrawalWaits
from clearing.governance.receipts import (
    AmendmentInForce,
    InstrumentHalted,
    InstrumentResumed,
    ProposalAgreed,
    ProposalClosed,
    ProposalMade,
    SuspenseAssigned,
    ValidatorRemoved,
    VaultDetached,
    VaultOwes,
    VoteCounted,
)
from clearing.liquidation.receipts import (
    BackstopTook,
    LiquidationEnded,
    LiquidationOpened,
    LiquidationWaits,
    SliceSold,
    StepTaken,
)
from clearing.prices.receipts import (
    AuctionCleared,
    AuctionOrderTaken,
    FeedChanged,
    OutliersDropped,
    PriceApplied,
    RungChanged,
)
from clearing.ranges.receipts import RangePublished
from clearing.settling.receipts import (
    Delivered,
    DeliveryFailed,
    FundingPaid,
    Marked,
    Settled,
    SettlementWaits,
)
from clearing.trades.receipts import (
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
from clearing.validators.receipts import (
    ChangeFinished,
    EntryDropped,
    EntryScheduled,
    MisbehaviourNoted,
    ValidatorsChanged,
    VaultAstray,
    VaultRotated,
)


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
    """Of the transaction; `clearing.trades.receipts.HELD_INDEX` for a trade that was held before."""
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
    | ValidatorsChanged
    | EntryScheduled
    | EntryDropped
    | VaultRotated
    | VaultAstray
    | ChangeFinished
    | MisbehaviourNoted
    | ProposalMade
    | VoteCounted
    | ProposalAgreed
    | ProposalClosed
    | AmendmentInForce
    | InstrumentHalted
    | InstrumentResumed
    | VaultDetached
    | VaultOwes
    | ValidatorRemoved
    | SuspenseAssigned
    | FundSized
    | FundCalled
    | FundPaid
    | FundDebited
    | FundReduces
    | FundReturned
    | FundDrawn
    | WithdrawalWaits
    | WithdrawalGivenBack
    | WithdrawalNotPaid
    | EarlyCalled
    | DeadlineSet
    | CallMet
    | CallLapsed
    | LiquidationOpened
    | SliceSold
    | BackstopTook
    | LiquidationWaits
    | LiquidationEnded
    | StepTaken
    | AssessmentsCalled
    | AssessmentTaken
    | BiddersRanked
    | ClientClosedOut
    | ClientRescued
    | CollateralTaken
    | DefaultBidTaken
    | DefaultDeclared
    | DefaultEnded
    | DeficitCured
    | Deleveraged
    | EstatePooled
    | LossShared
    | MemberLeft
    | MemberReadmitted
    | PortfolioSold
    | StatusChanged
    | TakenByHouse
    | TornUp
)


def refused(index: int, rejected: Rejected) -> Refused:
    """The receipt of a refusal."""
    return Refused(
        index, int(rejected.code), rejected.at, tuple((name, _told(value)) for name, value in rejected.values)
    )


def _told(value: Detail) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
