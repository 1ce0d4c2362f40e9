"""`State`: everything that replicas agree on, in tables, with a root per module.

Rule: a block never changes a state, but a fork of it. Forking costs nothing, deciding a fork (`absorb`) costs what the
fork wrote, and roots cost what changed. It must not know what the records mean.
"""

from collections.abc import Iterator
from typing import Any

from clearing.base.codec import encode
from clearing.base.errors import LocalFault
from clearing.base.ids import Hash32
from clearing.genesis.effective_terms import Terms
from clearing.margin.requirement.known_spares import KnownSpares
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.statement.stress import StressArrays
from clearing.schema.codes import ClearingCode
from clearing.schema.records.accounts import ClockRecord
from clearing.schema.records.exits import ExitTree
from clearing.schema.terms.genesis import Genesis
from clearing.state.modules import Module, record_key
from clearing.state.state_tables import LOGGED_TABLES, TABLE_ATTRIBUTES, TABLES, StateTables
from clearing.state.table import Table
from clearing.state.tree import ModuleTree


class State(StateTables):
    """All tables. Rules read and write records through them; money moves only through `clearing.state.ledger`."""

    def __init__(self, terms: Terms, state_salt: bytes, parent: "State | None" = None) -> None:
        self.terms = terms
        self.salt = state_salt
        self.parent = parent
        """The state that this one is a fork of."""
        self.absorbed_forks = 0
        """How many forks were merged into this state. A fork that has seen fewer is stale."""
        self.parent_absorbed_forks = parent.absorbed_forks if parent else 0
        self.trees: tuple[ModuleTree, ...] = tuple(
            parent.trees[module].fork() if parent else ModuleTree() for module in Module
        )
        self.arrays_cache: RiskArrays | None = parent.arrays_cache if parent else None
        """Risk arrays of this state, once built; dropped when a mark moves. Not part of what is agreed."""
        self.previous_arrays: RiskArrays | None = parent.previous_arrays if parent else None
        """The arrays last built, reused where nothing moved. Not part of what is agreed."""
        self.known_spares: KnownSpares | None = parent.known_spares if parent else None
        """What accounts that traded had to spare under the arrays that it names. Not part of what is agreed."""
        self.known_stress: tuple[RiskArrays, StressArrays] | None = parent.known_stress if parent else None
        """The stress scenarios' arrays beside the risk arrays that they belong to. Not part of what is agreed."""
        for name in TABLE_ATTRIBUTES:
            setattr(self, name, getattr(parent, name).fork() if parent else Table())
        self.margin_book: MarginBook | None = None
        """Margins of all accounts, once requested (`clearing.state.holdings`). Not part of what is agreed."""
        self.exit_tree: ExitTree | None = None
        """The exit tree, when an epoch closed at this state. Not part of what is agreed."""
        if parent is None:
            for name in LOGGED_TABLES:
                getattr(self, name).write_log = set()

    @classmethod
    def empty(cls, genesis: Genesis, state_salt: bytes) -> "State":
        """A state without records; `clearing.initial_state` writes the first. `state_salt`: 32 secret bytes of
        all validators."""
        if len(state_salt) != 32:
            raise LocalFault(ClearingCode.BAD_SNAPSHOT, "state salt", bytes=len(state_salt))
        return cls(Terms(genesis), state_salt)

    def fork(self) -> "State":
        """A fork: it reads through to this state and writes into itself. Raises LocalFault STALE_FORK."""
        self.check_current()
        self.module_roots()  # so that a child never has to hash its parent's writes
        return State(self.terms, self.salt, self)

    def absorb(self) -> "State":
        """Decide this fork: merge it into its parent and return the parent.

        Every other fork of that parent becomes stale. This one and its own forks stay usable.
        """
        self.check_current()
        parent = self.parent
        if parent is None:
            raise LocalFault(ClearingCode.STALE_FORK, "absorb", why="not a fork")
        self.module_roots()
        for name in TABLE_ATTRIBUTES:
            getattr(self, name).absorb()
            getattr(parent, name).dirty.clear()
        for tree in self.trees:
            tree.absorb()
        parent.arrays_cache, parent.previous_arrays = self.arrays_cache, self.previous_arrays
        parent.known_spares, parent.known_stress = self.known_spares, self.known_stress
        parent.terms, parent.exit_tree = self.terms, self.exit_tree
        if self.margin_book is not None:
            if self.margin_book.below is parent.margin_book and parent.margin_book is not None:
                self.margin_book.absorb()
            else:
                parent.margin_book = self.margin_book
        parent.absorbed_forks += 1
        self.parent_absorbed_forks = parent.absorbed_forks
        return parent

    def check_current(self) -> None:
        """Raise LocalFault STALE_FORK when another fork of an ancestor was decided instead."""
        state: State | None = self
        while state is not None and state.parent is not None:
            if state.parent_absorbed_forks != state.parent.absorbed_forks:
                raise LocalFault(ClearingCode.STALE_FORK, "state", height=self.now.height)
            state = state.parent

    def module_roots(self) -> tuple[Hash32, ...]:
        """Roots in the order of `Module`. Rehashes what changed since the last call."""
        changes: dict[Module, list[tuple[bytes, bytes | None]]] = {}
        for label, declared in TABLES.items():
            table: Table[Any, Any] = getattr(self, declared.attribute)
            if table.dirty:
                changes.setdefault(declared.module, []).extend(_encoded(label, table))
                table.dirty.clear()
        for module, pairs in changes.items():
            self.trees[module].update(self.salt, pairs)
        return tuple(tree.root for tree in self.trees)

    @property
    def now(self) -> ClockRecord:
        """The clock record; zeros before genesis is opened."""
        return self.clock.get(0) or ClockRecord(0, 0, 0, 0, 0)


def _encoded(label: str, table: Table[Any, Any]) -> Iterator[tuple[bytes, bytes | None]]:
    for key in table.dirty:
        record = table.get(key)
        yield record_key(label, key), None if record is None else encode(record)
