"""Which accounts a receipt of calls, liquidation or default names, and how they are masked for others.

Rule: one table says where accounts stand; reading, masking and telling go by it, and a test compares it with what the
receipts' fields are. Members are public, and so are the accounts that genesis gives a part in every crisis. Where an
account stands beside its member it has another mask, or the fund's calls alone would tell whose every mask is.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import msgspec

from clearing.calls import receipts as calls
from clearing.collateral import receipts as collateral
from clearing.default import receipts as default
from clearing.default.waterfall import Layer
from clearing.fund import receipts as fund
from clearing.genesis import MEMBER_ACCOUNTS_MAX
from clearing.liquidation import receipts as liquidation
from clearing.receipts import Liquidated, MarginCalled, MarginRestored, Receipt

T = TypeVar("T", bound=msgspec.Struct)
MASKED = 2**62
"""Ids from here on stand for accounts that are not told; the same in every receipt and at every node."""
_MASK_TAG = b"crossclear/masked-account/v1"
_BESIDE_TAG = b"crossclear/masked-account/beside-its-member/v1"
_MASK_BYTES = 5


class Each(Enum):
    """In a path: every item of a tuple."""

    ALL = 0


ALL = Each.ALL
Path = tuple[str | int | Each, ...]
_OWN: tuple[Path, ...] = (("account",),)

LIQUIDATIONS: dict[type[msgspec.Struct], tuple[Path, ...]] = {
    MarginCalled: _OWN,
    MarginRestored: _OWN,
    calls.EarlyCalled: _OWN,
    calls.DeadlineSet: _OWN,
    calls.CallMet: _OWN,
    calls.CallLapsed: _OWN,
    liquidation.LiquidationOpened: _OWN,
    liquidation.SliceSold: (("account",), ("bidder",), ("fund",)),
    liquidation.StepTaken: _OWN,
    liquidation.BackstopTook: (("account",), ("backstop",)),
    liquidation.LiquidationWaits: _OWN,
    liquidation.LiquidationEnded: _OWN,
    Liquidated: _OWN,
    collateral.CashCalled: _OWN,
    collateral.CashCallMet: _OWN,
    collateral.AuctionOpened: _OWN,
    collateral.CollateralSold: (("account",), ("recipient",)),
}
"""What `crossclear liquidations explain` tells, and where accounts stand in it."""

DEFAULTS: dict[type[msgspec.Struct], tuple[Path, ...]] = {
    default.StatusChanged: (),
    default.DeficitCured: (("account",), ("paid", ALL, 0)),
    default.DefaultDeclared: (
        ("account",),
        ("estate",),
        ("own", ALL),
        ("clients", ALL),
        ("deficits", ALL, 0),
    ),
    default.EstatePooled: (("account",), ("estate",)),
    default.DefaultBidTaken: _OWN,
    default.PortfolioSold: _OWN,
    default.BiddersRanked: (),
    default.ClientRescued: (("account",), ("children", ALL)),
    default.Deleveraged: (("account",), ("by", ALL, 0)),
    default.TakenByHouse: _OWN,
    default.ClientClosedOut: _OWN,
    default.CollateralTaken: _OWN,
    default.LossShared: (("deficits", ALL, 0), ("paid", ALL, 1)),
    default.AssessmentsCalled: (),
    default.AssessmentTaken: (("paid", ALL, 0),),
    default.TornUp: (("positions", ALL, 0),),
    default.DefaultEnded: (),
    default.MemberReadmitted: (),
    default.MemberLeft: (),
    fund.FundDrawn: _OWN,
}
"""What `crossclear waterfall explain` tells, and where accounts stand in it."""

FUNDS: dict[type[msgspec.Struct], tuple[Path, ...]] = {
    default.StatusChanged: (),
    fund.FundSized: (),
    fund.FundCalled: _OWN,
    fund.FundPaid: _OWN,
    fund.FundDebited: _OWN,
    fund.FundReduces: _OWN,
    fund.FundReturned: _OWN,
    fund.FundDrawn: _OWN,
}
"""What `crossclear fund explain` tells, and where accounts stand in it."""

BESIDE_MEMBERS = frozenset(
    (
        default.DeficitCured,
        default.DefaultBidTaken,
        default.PortfolioSold,
        default.ClientRescued,
        default.AssessmentTaken,
        fund.FundCalled,
        fund.FundPaid,
        fund.FundDebited,
        fund.FundReduces,
        fund.FundReturned,
        fund.FundDrawn,
    )
)
"""In which an account stands beside its member, who is not the one that is in default."""
_TABLE = LIQUIDATIONS | DEFAULTS | FUNDS
_OF_ACCOUNTS = frozenset((Layer.HOUSE_CAPITAL, Layer.GAINS, Layer.TEAR_UP))
"""Layers whose payers are accounts; those of the others are members."""


def concerned(receipt: Receipt) -> tuple[int, ...]:
    """The accounts that such a receipt names, ascending; none for any other receipt."""
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
    if isinstance(receipt, default.LossShared):
        steps = tuple(
            _changed(step, ("shares", ALL, "payer"), name) if step.layer in _OF_ACCOUNTS else step
            for step in receipt.steps
        )
        receipt = msgspec.structs.replace(receipt, steps=steps)
    return receipt


@dataclass(frozen=True, slots=True)
class Masks:
    """A name for every account: its own where `is_told` and for those of the rulebook, else one made of a hash.

    `salt`: the state's, without which nobody finds out by trying all ids.
    """

    salt: bytes
    is_told: Callable[[int], bool]

    def __call__(self, account: int) -> int:
        """Where the account stands alone."""
        return self._name(account, _MASK_TAG)

    def beside(self, account: int) -> int:
        """Where it stands beside its member: not to be found in any receipt where it stands alone."""
        return self._name(account, _BESIDE_TAG)

    def _name(self, account: int, tag: bytes) -> int:
        if account >= MEMBER_ACCOUNTS_MAX or self.is_told(account):
            return account
        digest = hmac.digest(self.salt, tag + account.to_bytes(8, "big"), "sha256")
        return MASKED + int.from_bytes(digest[:_MASK_BYTES], "big")


def masked(receipt: T, masks: Masks) -> T:
    """The receipt as somebody sees it who is told some accounts only."""
    return renamed(receipt, masks.beside if type(receipt) in BESIDE_MEMBERS else masks)


def _changed(value: Any, path: Path, change: Callable[[int], int]) -> Any:
    if not path:
        return change(value)
    head, rest = path[0], path[1:]
    if head is ALL:
        return tuple(_changed(each, rest, change) for each in value)
    if isinstance(head, int):
        return (*value[:head], _changed(value[head], rest, change), *value[head + 1 :])
    return msgspec.structs.replace(value, **{str(head): _changed(getattr(value, str(head)), rest, change)})
