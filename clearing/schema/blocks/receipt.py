"""`Receipt`: the union of everything that a block may report, enough to replay every step by hand.

Rule: one tagged union, in the order in which things happened. A tag never changes. A receipt reports; it never decides.
"""

from typing import TypeAlias

from clearing.base.codec import U32, Wire
from clearing.base.errors import Detail, Rejected
from clearing.schema.receipts.accounts import (
    AccountClosed,
    AccountOpened,
    AccountPorted,
    AffiliationDeclared,
    CashTransferred,
    SeedRotated,
    StandbyDeclared,
    TokensTransferred,
)
from clearing.schema.receipts.collateral import (
    AssetHalted,
    AssetReleased,
    AuctionOpened,
    CashCalled,
    CashCallMet,
    CashLeftGroup,
    ClaimConverted,
    ClaimsSwapped,
    CollateralSold,
    CustodyAgreed,
    DepegGuardChanged,
    DepositCredited,
    DepositRefundDue,
    DepositsRefunded,
    DepositStray,
    EpochClosed,
    HaircutChanged,
    InterestAccrued,
    RestrictionLifted,
    SkewFeePaid,
    SoftCreditLent,
    SoftCreditRecalled,
    SoftCreditRepaid,
)
from clearing.schema.receipts.default import (
    AffiliateGainsTaken,
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
    HouseTakeover,
    LossAllocated,
    MemberLeft,
    MemberReadmitted,
    MemberStatusChanged,
    PortedToStandby,
    PortfolioSold,
    PositionsTornUp,
    StandbyNotTaken,
)
from clearing.schema.receipts.default_fund import (
    FundCalled,
    FundDebited,
    FundDrawn,
    FundPaid,
    FundReductionStarted,
    FundReturned,
    FundSized,
)
from clearing.schema.receipts.governance import (
    AmendmentEnacted,
    GuardianOrdered,
    InstrumentHalted,
    InstrumentResumed,
    ProposalApproved,
    ProposalClosed,
    ProposalMade,
    SuspenseAssigned,
    UpgradeBegun,
    UpgradeCancelled,
    UpgradeScheduled,
    ValidatorRemoved,
    VaultDetached,
    VaultLiability,
    VoteCounted,
)
from clearing.schema.receipts.house import (
    InventoryClosed,
    InventoryOffered,
    InventorySold,
    RecoveryEnded,
    RecoveryPaid,
)
from clearing.schema.receipts.liquidation import (
    BackstopTakeover,
    Liquidated,
    LiquidationDeferred,
    LiquidationEnded,
    LiquidationOpened,
    LiquidationStepTaken,
    SliceSold,
)
from clearing.schema.receipts.margin_calls import (
    CallDeadlineSet,
    CallLapsed,
    CallMet,
    EarlyCalled,
    MarginCalled,
    MarginRestored,
)
from clearing.schema.receipts.prices import (
    AuctionCleared,
    AuctionOrderTaken,
    FeedStatusChanged,
    OutliersDropped,
    PriceApplied,
    PriceStatusChanged,
    RangePublished,
)
from clearing.schema.receipts.settlement import (
    Delivered,
    DeliveryFailed,
    FundingPaid,
    Marked,
    Settled,
    SettlementDeferred,
)
from clearing.schema.receipts.surfaces import SurfaceApplied, SurfaceStatusChanged
from clearing.schema.receipts.trades import (
    BundledTradeRefused,
    MandateChanged,
    PendingTradeCancelled,
    PendingTradeCorrected,
    PendingTradeRefused,
    ReconciliationBreak,
    SessionKeyChanged,
    StatementCompared,
    TradeGivenUp,
    TradeNovated,
    TradePending,
    VenueDayClosed,
    VenueSwitched,
)
from clearing.schema.receipts.validators import (
    MisbehaviourRecorded,
    ValidatorAdditionDropped,
    ValidatorAdditionScheduled,
    ValidatorChangeFinished,
    ValidatorsChanged,
    VaultDiverged,
    VaultRotated,
)
from clearing.schema.receipts.withdrawals import (
    InflowWaits,
    WithdrawalConfirmed,
    WithdrawalDelayed,
    WithdrawalExpired,
    WithdrawalRefunded,
    WithdrawalReleased,
)


class Refused(Wire, frozen=True, tag=10):
    """The transaction at `index` of the block was refused and changed nothing."""

    index: U32
    code: U32
    at: str
    values: tuple[tuple[str, str], ...]
    """Names and offending values as text; bytes in hex."""


Receipt: TypeAlias = (
    PriceApplied
    | FeedStatusChanged
    | Marked
    | Settled
    | DepositCredited
    | DepositStray
    | DepositRefundDue
    | DepositsRefunded
    | CustodyAgreed
    | AssetHalted
    | AssetReleased
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
    | DepegGuardChanged
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
    | PriceStatusChanged
    | OutliersDropped
    | FundingPaid
    | SettlementDeferred
    | Delivered
    | DeliveryFailed
    | AuctionOrderTaken
    | AuctionCleared
    | MandateChanged
    | TradePending
    | PendingTradeCorrected
    | PendingTradeCancelled
    | TradeGivenUp
    | PendingTradeRefused
    | StatementCompared
    | ReconciliationBreak
    | VenueDayClosed
    | AccountOpened
    | AccountClosed
    | TokensTransferred
    | AccountPorted
    | VenueSwitched
    | RangePublished
    | ValidatorsChanged
    | ValidatorAdditionScheduled
    | ValidatorAdditionDropped
    | VaultRotated
    | VaultDiverged
    | ValidatorChangeFinished
    | MisbehaviourRecorded
    | ProposalMade
    | VoteCounted
    | ProposalApproved
    | ProposalClosed
    | AmendmentEnacted
    | InstrumentHalted
    | InstrumentResumed
    | VaultDetached
    | VaultLiability
    | ValidatorRemoved
    | SuspenseAssigned
    | GuardianOrdered
    | UpgradeScheduled
    | UpgradeCancelled
    | UpgradeBegun
    | FundSized
    | FundCalled
    | FundPaid
    | FundDebited
    | FundReductionStarted
    | FundReturned
    | FundDrawn
    | InflowWaits
    | WithdrawalDelayed
    | WithdrawalRefunded
    | WithdrawalExpired
    | EarlyCalled
    | CallDeadlineSet
    | CallMet
    | CallLapsed
    | LiquidationOpened
    | SliceSold
    | BackstopTakeover
    | LiquidationDeferred
    | LiquidationEnded
    | LiquidationStepTaken
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
    | LossAllocated
    | MemberLeft
    | MemberReadmitted
    | PortfolioSold
    | MemberStatusChanged
    | HouseTakeover
    | PositionsTornUp
    | SessionKeyChanged
    | BundledTradeRefused
    | AffiliationDeclared
    | AffiliateGainsTaken
    | InventoryOffered
    | InventorySold
    | InventoryClosed
    | RecoveryPaid
    | RecoveryEnded
    | StandbyDeclared
    | PortedToStandby
    | StandbyNotTaken
    | SeedRotated
    | SurfaceApplied
    | SurfaceStatusChanged
)


def refused_receipt(index: int, rejected: Rejected) -> Refused:
    """The receipt of a refusal."""
    return Refused(index, int(rejected.code), rejected.at, receipt_values(rejected))


def receipt_values(rejected: Rejected) -> tuple[tuple[str, str], ...]:
    """Names and offending values of a refusal as a receipt has them."""
    return tuple((name, _receipt_value(value)) for name, value in rejected.values)


def _receipt_value(value: Detail) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
