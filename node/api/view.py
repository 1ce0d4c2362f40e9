"""`NodeView`: all that the API may read of the node, and may ask of it.

Rule: reading is quick (memory, or one indexed row) and shows decided heights only. What an answer is made of is for the
topics beside this file; they decide who may see what.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clearing.base.errors import Rejected
from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.ids import NetworkId
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.state.state import State
from consensus.application import Misbehaviour
from consensus.evidence.attack import LightClientAttack
from consensus.light_client import LightBlock
from member.api.receipts import ReceiptAt
from member.api.state import Check, ProvingView
from member.statements.days import StatementDays
from node.agreement.application import ClearingApplication, DecidedHeight
from node.agreement.decided_transactions import DecidedTransactions
from node.chains.submissions import CollateralEvent, Submission, SubmissionStatus
from node.epochs.member_files import EpochExits, EpochHoldings
from node.oracle.several_sources import FeedStanding
from node.p2p.peers import PeerStatus
from node.pool.mempool import Accepted
from node.store.blocks import light_block_at
from node.store.fate_table import FateRecord, FateState
from node.store.records import PackageRecord, ReceiptsAsked, receipt_at
from node.store.store import Store


@dataclass(frozen=True, slots=True)
class PackageAt:
    """One epoch package, as it is on disk."""

    epoch: int
    height: int
    digest: bytes
    data: bytes


@dataclass(kw_only=True)
class NodeView:
    """Reads from the application and the store; the functions are those of the services."""

    application: ClearingApplication
    store: Store
    home: Path
    newest: Header | None
    """Of the decided height; None before the first."""
    submit: Callable[[Transaction], Accepted | Rejected]
    """Check a transaction, put it into the pool and gossip it."""
    journaled: Callable[[], Awaitable[None]]
    """Return when what was submitted is durable here."""
    look_for_event: Callable[[CollateralEvent], Submission]
    """Look for a submitted event of a vault."""
    submission_status: Callable[[int, bytes, State], SubmissionStatus | None]
    """How far a submitted event is, by chain and reference; None when it is not remembered."""
    submit_attack: Callable[[LightClientAttack], Sequence[Misbehaviour]]
    """Evidence of a light client: whom it accuses. Raises CrossclearError when it proves nothing new."""
    checks: Callable[[], Sequence[Check]]
    """Readiness: peers, blocks behind, oracle age, finality lag per chain, last proof age."""
    render_metrics: Callable[[], bytes]
    """Prometheus' text format."""
    peers: Callable[[], Sequence[PeerStatus]] = tuple
    """Every peer that may connect."""
    holdings: EpochHoldings | None = None
    exits: EpochExits | None = None
    find_fate: Callable[[bytes], FateRecord | None] = lambda _: None
    """What became of the transaction of a hash, if that is known."""
    is_waiting: Callable[[bytes], bool] = lambda _: False
    """Whether the transaction of a hash waits in the pool."""
    fates_complete: Callable[[], bool] = lambda: True
    """Whether all stored blocks were read for transactions."""
    ticks_per_unit: Mapping[int, int] = field(default_factory=dict)
    """By feed, as the settings state it; for display."""
    feeds: Callable[[], Sequence[FeedStanding]] = tuple
    """The feeds of this node's settings with a verdict on each source, as last read."""
    proving: Callable[[], ProvingView | None] = lambda: None
    """The proof of an epoch that this node is making."""
    resumed: StatementDays | None = None
    """Statements that go on from before a restart; by default new ones."""
    statements: StatementDays = field(init=False)
    followers: list[Callable[[DecidedHeight], None]] = field(default_factory=list)
    """Called with every decided height, last; they must not block."""

    def __post_init__(self) -> None:
        self.statements = self.resumed or StatementDays(self.application.state)

    def decided(self, decided: DecidedHeight) -> None:
        """Follow the application; subscribe this as its listener."""
        self.newest = decided.header
        try:
            self.statements.decided(decided.header.time_ms, decided.result, decided.state)
        except Exception:
            # A block that was not added up leaves a gap: statements begin anew, as after a restart.
            self.statements = StatementDays(decided.state)
            raise
        finally:
            for follower in self.followers:
                follower(decided)

    @property
    def state(self) -> State:
        """The decided state; read it, never write it."""
        return self.application.state

    @property
    def network(self) -> NetworkId:
        """The network id."""
        return self.state.terms.network

    def light_block(self, height: int | None) -> LightBlock | None:
        """A certified header with both validator sets, by default the newest; None: not decided here."""
        return light_block_at(self.store, height or self.store.height())

    def receipts(self, key: int, page: ReceiptsAsked) -> Sequence[ReceiptAt]:
        """The receipts of a page, of an account or of a `Series`."""
        return [receipt_at(record) for record in self.store.receipts_of(key, page)]

    def fate(self, hash_: bytes) -> FateRecord | None:
        """What became of a transaction. One that waits is pending, though it was refused or given up before."""
        found = self.find_fate(hash_)
        if self.is_waiting(hash_) and (found is None or found.state is not FateState.APPLIED):
            return FateRecord(hash_, FateState.PENDING, 0)
        return found

    def outcome(self, fate: FateRecord) -> tuple[Transaction, list[Receipt]] | None:
        """A decided transaction and its receipts. Blocks for some 10 ms: for worker threads."""
        return DecidedTransactions(self.store).outcome(fate)

    def package(self, epoch: int | None) -> PackageAt | None:
        """A package as it is on disk, by default the newest; one that no longer matches its digest is not shown."""
        record = self.store.package(epoch)
        if record is None or not self.has_package(record.epoch):
            return None
        data = (self.home / record.path).read_bytes()
        return PackageAt(record.epoch, record.height, record.digest, data) if sha256(data) == record.digest else None

    def packages(self, after: int, limit: int) -> Sequence[PackageRecord]:
        """At most `limit` packages of epochs later than `after`, in order; their files are not looked at."""
        return self.store.packages(after, limit)

    def newest_package(self) -> int:
        """The epoch of the newest package; 0 before the first."""
        record = self.store.package()
        return record.epoch if record is not None else 0

    def has_package(self, epoch: int) -> bool:
        """Whether the package of an epoch is on disk."""
        record = self.store.package(epoch)
        return record is not None and (self.home / record.path).is_file()
