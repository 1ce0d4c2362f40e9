"""`BlockContext`: the block in progress, passed from phase to phase of `apply_block`.

Rule: it contains the state fork being written, the journal, the receipts, and the block's derived data and liquidation
totals. It makes no decisions.

A liquidation cap of 0 means no cap. While any part of a cap is unused, one lot of every position may be sold, so a
position larger than the cap does not wait forever. An account is listed as failed only when liquidation has nothing
left to sell.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from clearing.base.errors import Bug
from clearing.context.affiliation import OwnerFamilies
from clearing.context.unresolved_losses import UnresolvedLosses
from clearing.genesis.effective_terms import Terms
from clearing.schema.blocks.block import BlockInput
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.collateral import Attestation
from clearing.state.ledger import Journal
from clearing.state.positions import PositionLedger
from clearing.state.protocol_version import version_at
from clearing.state.state import State


@dataclass(slots=True)
class LiquidationBudget:
    """Micros liquidated and lost, and accounts taken over, in this block."""

    notional: int = 0
    loss: int = 0
    accounts: int = 0
    backstop_full: bool = False

    def share_within(self, share: int, whole: int, limit: int) -> int:
        """A share of a portfolio worth `whole`, reduced to what is left of the block's cap. Lots are
        rounded up afterwards."""
        if not limit or not whole:
            return share
        room = limit - self.notional
        return min(share, max(room * DENOMINATOR // whole, 1)) if room > 0 else 0

    def allows_loss(self, loss: int, limit: int) -> bool:
        """Whether this deficit is within the block's cap. The first deficit of a block always is."""
        return not limit or not self.loss or self.loss + loss <= limit


@dataclass(slots=True)
class HouseTakeovers:
    """What the house took over in this block: penalties that it received, and lots beyond its limits."""

    penalties: int = 0
    excess: dict[int, int] = field(default_factory=dict)
    """Signed lots by instrument, to be closed in the same block."""


class FailureReason(IntEnum):
    """Why an account failed."""

    DEFICIT = 1
    """Nothing is left to liquidate, and cash is owed."""
    CALL_LAPSED = 2
    """A call lapsed, and what is left cannot be liquidated although margin is missing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed account and the reason."""

    account: int
    reason: FailureReason


DENOMINATOR = 10**9


class UncoveredAccount(NamedTuple):
    """An account that does not cover its requirement, and its shortfall."""

    account: int
    equity: int
    initial: int
    shortfall: int


class UncoveredAccounts(NamedTuple):
    """The accounts of one member, in order of account."""

    own: tuple[UncoveredAccount, ...]
    clients: tuple[UncoveredAccount, ...]


class ValueMoved(NamedTuple):
    """Micros of equity that one account passed to another at the marks; negative: it received them."""

    payer: int
    payee: int
    micros: int
    own: bool
    """Whether both accounts are of one member and the money was transferred, not traded."""


class AccountsOfMember(NamedTuple):
    """A member's own accounts and its clients', each ordered."""

    own: tuple[int, ...] = ()
    clients: tuple[int, ...] = ()


class BlockContext:
    """Mutable; dropped when the block is applied."""

    def __init__(self, state: State, block: BlockInput) -> None:
        self.state = state
        self.block = block
        self.journal = Journal(state)
        self.positions = PositionLedger(state)
        self.previous_time_ms = state.now.time_ms
        """Time of the previous block."""
        self.receipts: list[Receipt] = []
        self.moved_feeds: list[int] = []
        """Feeds whose index moved or reopened in this block, ordered."""
        self.moved_surfaces: list[int] = []
        """Risk groups whose surface in force changed in this block, ordered."""
        self.marks_amended = False
        """Whether this block's amendment changed what futures or perpetuals are marked at, beside prices."""
        self.moved_averages: set[int] = set()
        """Options whose settlement average this block extended, where they are valued by it."""
        self.touched_accounts: set[int] = set()
        """Accounts whose margin must be checked."""
        self.values_moved: list[ValueMoved] = []
        """Equity that requests of this block passed from one account to another, until it is recorded with gains."""
        self.arrays_rebuilt = False
        self.validated_proposals = 0
        """How many proposals this block has validated. Validation is costly, so the number is bounded."""
        self.validated_in_turn = False
        """Whether one more was validated for the proposer whose turn this block is."""
        self.exit_checked_members: set[int] = set()
        """Members whose exit request was checked in this block. The check reads all accounts, so each member
        has one a block."""
        self.attestations_to_recount: list[Attestation] = []
        """Attestations of bridge facts to be counted again, because the validator set has changed."""
        self.accepted_withdrawals: list[WithdrawalReleased] = []
        """Withdrawals that passed the withdrawal controls, to be released at the end of the block;
        without nonces yet."""
        self.liquidation_budget = LiquidationBudget()
        """What this block has liquidated so far."""
        self.accounts_in_liquidation: dict[int, int] | None = None
        """By mask, as of the first bid in the block that names one; None: not requested yet."""
        self.house_takeovers = HouseTakeovers()
        """What the house took over in liquidations of this block."""
        self.accounts_by_member: dict[int, AccountsOfMember] = {}
        """Own and client accounts of every member, as of the first request in the block; empty: not requested yet."""
        self.uncovered_accounts: dict[int, UncoveredAccounts] = {}
        """By member, its uncovered own and client accounts, as of the first request in the block."""
        self.waiting_strays: Counter[bytes] | None = None
        """By depositor, how many of its strays wait to be credited; None: not counted in this block."""
        self.unresolved_losses = UnresolvedLosses()
        """Losses of open defaults, cached."""
        self.foreseen_assessments: tuple[tuple[tuple[int, int], ...], dict[int, int]] | None = None
        """By member, what it may be assessed for open defaults, with the numbers and phases of these; None: not
        requested yet."""
        self.known_families: OwnerFamilies | None = None
        """Affiliated owners, as of the first request in the block; None: not requested yet."""
        self.stress_exposures: Any = None
        """`clearing.context.stress_exposure.StressExposures` of this block, once requested."""
        self.failures: list[Failure] = []
        """Accounts that liquidation cannot help any more, for the default rules; ordered as they failed."""

    @property
    def terms(self) -> Terms:
        """Genesis and amendments, ready for look-ups."""
        return self.state.terms

    @property
    def families(self) -> OwnerFamilies:
        """Affiliated owners of this block: a declaration counts from a later block on."""
        if self.known_families is None:
            self.known_families = OwnerFamilies(self.state)
        return self.known_families

    @property
    def protocol_version(self) -> int:
        """The version whose rules this block follows. A rule that differs between versions asks for it."""
        return version_at(self.state, self.block.height)

    @property
    def time_ms(self) -> int:
        """The block's time."""
        return self.block.time_ms

    def check_as_planned(self, account: int, cash: list[int], planned: list[int]) -> None:
        """Raise Bug when the plan and what was written differ."""
        if cash != planned:
            raise Bug(f"account {account} is left with {cash}, planned {planned}")

    def rebuild_arrays(self) -> None:
        """Rebuild the risk arrays, as of this block, on next use."""
        self.state.clock.put(0, msgspec.structs.replace(self.state.now, arrays_time_ms=self.time_ms))
        self.state.arrays_cache = None
        self.arrays_rebuilt = True

    def revalue_arrays(self) -> None:
        """Rebuild the risk arrays on next use, options as of the time that they are valued at: after phase 6 nobody
        checks the margin of those who hold options alone."""
        self.state.arrays_cache = None
