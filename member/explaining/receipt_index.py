"""The receipt index: which accounts a receipt names, in which fields; and masking, for a reader who may see only some.

Rule: one table for receipts of calls, liquidations, defaults and the default fund; reading, masking and explaining go
by it, and a test compares it with the receipts' fields. Members are public, and so are the accounts that genesis gives
a part in every crisis. Where an account is named beside its member it has another mask, or the default fund's calls
alone would reveal the owner of every mask.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts import collateral, default, house, liquidation
from clearing.schema.receipts import default_fund as fund
from clearing.schema.receipts import margin_calls as calls
from clearing.schema.receipts.default import WaterfallLayer
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import MarginCalled, MarginRestored
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX
from clearing.state.account_masks import MASK_TAG, account_mask

T = TypeVar("T", bound=msgspec.Struct)


class Each(Enum):
    """In a path: every item of a tuple."""

    ALL = 0


ALL = Each.ALL
Path = tuple[str | int | Each, ...]
_ACCOUNT_ONLY: tuple[Path, ...] = (("account",),)
LIQUIDATIONS: dict[type[msgspec.Struct], tuple[Path, ...]] = {
    MarginCalled: _ACCOUNT_ONLY,
    MarginRestored: _ACCOUNT_ONLY,
    calls.EarlyCalled: _ACCOUNT_ONLY,
    calls.CallDeadlineSet: _ACCOUNT_ONLY,
    calls.CallMet: _ACCOUNT_ONLY,
    calls.CallLapsed: _ACCOUNT_ONLY,
    liquidation.LiquidationOpened: _ACCOUNT_ONLY,
    liquidation.SliceSold: (("account",), ("bidder",), ("fund",)),
    liquidation.LiquidationStepTaken: _ACCOUNT_ONLY,
    liquidation.BackstopTakeover: (("account",), ("backstop",)),
    liquidation.LiquidationDeferred: _ACCOUNT_ONLY,
    liquidation.LiquidationEnded: _ACCOUNT_ONLY,
    Liquidated: _ACCOUNT_ONLY,
    collateral.CashCalled: _ACCOUNT_ONLY,
    collateral.CashCallMet: _ACCOUNT_ONLY,
    collateral.AuctionOpened: _ACCOUNT_ONLY,
    collateral.CollateralSold: (("account",), ("recipient",)),
}
"""The receipts of `crossclear liquidations explain`, and the fields that name accounts."""

DEFAULTS: dict[type[msgspec.Struct], tuple[Path, ...]] = {
    default.MemberStatusChanged: (),
    default.DeficitCured: (("account",), ("paid", ALL, 0)),
    default.DefaultDeclared: (("account",), ("estate",), ("own", ALL), ("clients", ALL), ("deficits", ALL, 0)),
    default.EstatePooled: (("account",), ("estate",)),
    default.DefaultBidTaken: _ACCOUNT_ONLY,
    default.PortfolioSold: _ACCOUNT_ONLY,
    default.BiddersRanked: (),
    default.ClientRescued: (("account",), ("children", ALL)),
    default.PortedToStandby: (("account",), ("children", ALL)),
    default.StandbyNotTaken: _ACCOUNT_ONLY,
    default.Deleveraged: (("account",), ("counterparties", ALL, 0)),
    default.HouseTakeover: _ACCOUNT_ONLY,
    default.ClientClosedOut: _ACCOUNT_ONLY,
    default.CollateralTaken: _ACCOUNT_ONLY,
    default.LossAllocated: (("deficits", ALL, 0), ("paid", ALL, 1)),
    default.AssessmentsCalled: (),
    default.AssessmentTaken: (("paid", ALL, 0),),
    default.PositionsTornUp: (("positions", ALL, 0),),
    default.DefaultEnded: (),
    default.MemberReadmitted: (),
    default.MemberLeft: (),
    fund.FundDrawn: _ACCOUNT_ONLY,
    house.InventoryOffered: (),
    house.InventorySold: _ACCOUNT_ONLY,
    house.InventoryClosed: (("counterparties", ALL, 0),),
    house.RecoveryPaid: (("paid", ALL, 2),),
    house.RecoveryEnded: (("in_kind", ALL, 2),),
}
"""The receipts of `crossclear waterfall explain`, and the fields that name accounts."""

FUNDS: dict[type[msgspec.Struct], tuple[Path, ...]] = {
    default.MemberStatusChanged: (),
    fund.FundSized: (),
    fund.FundCalled: _ACCOUNT_ONLY,
    fund.FundPaid: _ACCOUNT_ONLY,
    fund.FundDebited: _ACCOUNT_ONLY,
    fund.FundReductionStarted: _ACCOUNT_ONLY,
    fund.FundReturned: _ACCOUNT_ONLY,
    fund.FundDrawn: _ACCOUNT_ONLY,
}
"""The receipts of `crossclear fund explain`, and the fields that name accounts."""

BESIDE_MEMBERS = frozenset(
    (
        default.DeficitCured,
        default.DefaultBidTaken,
        default.PortfolioSold,
        default.ClientRescued,
        default.PortedToStandby,
        default.StandbyNotTaken,
        default.AssessmentTaken,
        fund.FundCalled,
        fund.FundPaid,
        fund.FundDebited,
        fund.FundReductionStarted,
        fund.FundReturned,
        fund.FundDrawn,
        house.RecoveryPaid,
        house.RecoveryEnded,
    )
)
"""Kinds that name an account beside its member, who is not the defaulter."""
NAMING_FIELDS = ("account", "buyer", "seller", "recipient", "named_account")
"""Of any receipt: fields (or properties) that name an account."""
_TABLE = LIQUIDATIONS | DEFAULTS | FUNDS
_OF_ACCOUNTS = frozenset((WaterfallLayer.HOUSE_CAPITAL, WaterfallLayer.GAINS, WaterfallLayer.CLAIMS))
"""Layers whose payers are accounts; those of the others are members."""


def accounts_named(receipt: Receipt) -> tuple[int, ...]:
    """The accounts that such a receipt names, ascending; none for any other receipt."""
    if type(receipt) not in _TABLE and not isinstance(receipt, default.LossAllocated):
        return ()  # most receipts
    found: set[int] = set()

    def note(account: int) -> int:
        found.add(account)
        return account

    renamed(receipt, note)
    return tuple(sorted(found))


def renamed(receipt: T, name: Callable[[int], int]) -> T:
    """The receipt with every account as `name` gives it."""
    for path in _TABLE.get(type(receipt), ()):
        receipt = _changed(receipt, path, name)
    if isinstance(receipt, default.LossAllocated):
        steps = tuple(
            _changed(step, ("shares", ALL, "payer"), name) if step.layer in _OF_ACCOUNTS else step
            for step in receipt.steps
        )
        receipt = msgspec.structs.replace(receipt, steps=steps)
    return receipt


def _changed(value: Any, path: Path, change: Callable[[int], int]) -> Any:
    if not path:
        return change(value)
    head, rest = path[0], path[1:]
    if head is ALL:
        return tuple(_changed(item, rest, change) for item in value)
    if isinstance(head, int):
        return (*value[:head], _changed(value[head], rest, change), *value[head + 1 :])
    return msgspec.structs.replace(value, **{str(head): _changed(getattr(value, str(head)), rest, change)})


def receipt_accounts(receipt: Receipt) -> tuple[int, ...]:
    """The accounts that a receipt names, ascending: those that may read it."""
    return tuple(sorted({getattr(receipt, field) for field in _naming(type(receipt))}.union(accounts_named(receipt))))


@lru_cache(maxsize=256)
def _naming(kind: type[Receipt]) -> tuple[str, ...]:
    """Fields (or properties) of a kind of receipt that name an account."""
    return tuple(field for field in NAMING_FIELDS if hasattr(kind, field))


_BESIDE_TAG = b"crossclear/masked-account/beside-its-member/v1"


@dataclass(frozen=True, slots=True)
class Masks:
    """A name for every account: its own where `is_visible` and for those of the rulebook, else a hash.

    `salt`: the state's, without which nobody finds out by trying all ids.
    """

    salt: bytes
    is_visible: Callable[[int], bool]

    def __call__(self, account: int) -> int:
        """Where the account is named alone."""
        return self._name(account, MASK_TAG)

    def beside(self, account: int) -> int:
        """Where it is named beside its member: a mask of no receipt where it is named alone."""
        return self._name(account, _BESIDE_TAG)

    def _name(self, account: int, tag: bytes) -> int:
        if account >= MEMBER_ACCOUNTS_MAX or self.is_visible(account):
            return account
        return account_mask(self.salt, account, tag)


def masked(receipt: T, masks: Masks) -> T:
    """The receipt for a reader who may see some accounts only."""
    return renamed(receipt, masks.beside if type(receipt) in BESIDE_MEMBERS else masks)
