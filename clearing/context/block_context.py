"""`BlockContext`: one block in progress, handed from phase to phase of `apply_block`.

Rule: carries the fork that is written to, the journal, the receipts, and what the block touched. It decides nothing.
"""

from typing import NamedTuple

import msgspec

from clearing.base.errors import Bug
from clearing.context.liquidation_progress import Failure, LiquidationBudget
from clearing.context.unresolved_losses import UnresolvedLosses
from clearing.genesis.effective_terms import Terms
from clearing.schema.blocks.block import BlockInput
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.collateral import Attestation
from clearing.state.ledger import Journal
from clearing.state.positions import PositionLedger
from clearing.state.state import State


class UncoveredAccount(NamedTuple):
    """An account that cannot cover what it should, and how much it is short of."""

    account: int
    equity: int
    initial: int
    shortfall: int


class BlockContext:
    """Mutable, and gone when the block is applied."""

    def __init__(self, state: State, block: BlockInput) -> None:
        self.state = state
        self.block = block
        self.journal = Journal(state)
        self.positions = PositionLedger(state)
        self.previous_time_ms = state.now.time_ms
        """Time of the block before."""
        self.receipts: list[Receipt] = []
        self.moved_feeds: list[int] = []
        """Feeds whose index moved or reopened in this block, ordered."""
        self.touched_accounts: set[int] = set()
        """Accounts whose margin has to be looked at."""
        self.arrays_rebuilt = False
        self.validated_proposals = 0
        """How many proposals of this block were judged: it is work, so it is bounded."""
        self.validated_in_turn = False
        """Whether one was judged beyond those, of the proposer whose turn this block is."""
        self.exit_checked_members: set[int] = set()
        """Members whose exit was judged in this block: it looks at all accounts, so each has one a block."""
        self.attestations_to_recount: list[Attestation] = []
        """Words on bridge facts to be heard again, because the set that says them has changed."""
        self.accepted_withdrawals: list[WithdrawalReleased] = []
        """Withdrawals that passed their gates, to be released at the end; nonces not yet given."""
        self.liquidation_budget = LiquidationBudget()
        """What this block has liquidated so far."""
        self.accounts_by_member: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        """Own and clients' accounts of every member, as they were when first asked for; empty: nobody has asked."""
        self.uncovered_accounts: dict[int, tuple[tuple[UncoveredAccount, ...], tuple[UncoveredAccount, ...]]] = {}
        """By member, those of them that could not cover what they should when first asked for."""
        self.unresolved_losses = UnresolvedLosses()
        """What defaults have not resolved, as of the last question."""
        self.failures: list[Failure] = []
        """Accounts that liquidation can do no more about, for default to deal with; ordered as they failed."""

    @property
    def terms(self) -> Terms:
        """Genesis, ready for look-ups."""
        return self.state.terms

    @property
    def time_ms(self) -> int:
        """The block's time."""
        return self.block.time_ms

    def check_as_planned(self, account: int, cash: list[int], planned: list[int]) -> None:
        """Raise Bug when a plan and what was written differ."""
        if cash != planned:
            raise Bug(f"account {account} is left with {cash}, planned {planned}")

    def rebuild_arrays(self) -> None:
        """Have the risk arrays built anew, as of this block, when they are next asked for."""
        self.state.clock.put(0, msgspec.structs.replace(self.state.now, arrays_time_ms=self.time_ms))
        self.state.arrays_cache = None
        self.arrays_rebuilt = True
