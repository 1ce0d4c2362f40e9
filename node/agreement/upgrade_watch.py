"""`UpgradeWatch`: which protocol version the next height needs, whether this release has it, and what to say of it.

Rule: a node whose release lacks the rules of the next height runs on, signs and executes nothing, and serves what it
has. One that has blocks of rules that its release lacks does not start: its state may mean something else to it. The
version of the newest blocks is therefore noted in the store, where any release can read it before anything else.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from clearing.base.codec import U32, U63, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.protocol import RELEASE_VERSIONS, ProtocolVersions
from clearing.schema.codes import ClearingCode
from clearing.schema.records.governance import ProtocolRecord
from clearing.state.protocol_version import check_version, protocol_of
from clearing.state.state import State
from node.agreement.application import DecidedHeight
from node.store.store import Store

NOTE = "protocol"
NOTE_BYTES_MAX = 64

log = structlog.get_logger(__name__)


class ProtocolNote(Wire, frozen=True):
    """In the store: blocks from `since_height` on follow this version. No later release may change its form."""

    version: U32
    since_height: U63


@dataclass(frozen=True, slots=True)
class UpgradeStanding:
    """Where the network and this release are."""

    height: int
    record: ProtocolRecord
    release: ProtocolVersions
    missing: int | None
    """The version that the next height needs and this release lacks."""
    peers_height: int
    """The highest that a peer said to have decided, unproven."""

    @property
    def will_stop(self) -> bool:
        """Whether this node stops at the scheduled height, unless its release is replaced before."""
        return bool(self.record.next_height) and not self.release.has(self.record.next_version)

    @property
    def detail(self) -> str:
        """In words."""
        record = self.record
        rules = f"protocol {record.version} since height {record.since_height}, this release has {self.release}"
        if self.missing is not None:
            peers = f"; peers are at {self.peers_height}" if self.peers_height > self.height else ""
            return (
                f"stopped after height {self.height}: from height {self.height + 1} on protocol {self.missing} is "
                f"needed, this release has {self.release}{peers}; install the release that has it"
            )
        if not record.next_height:
            return rules
        fate = "; this node will stop before it: install the release that has it" if self.will_stop else ""
        return f"{rules}; protocol {record.next_version} from height {record.next_height} on{fate}"


class UpgradeWatch:
    """`decided` is a listener of the application. `peers_height` gives what peers say."""

    def __init__(
        self,
        state: State,
        store: Store,
        peers_height: Callable[[], int],
        release: ProtocolVersions = RELEASE_VERSIONS,
    ) -> None:
        self._store, self._peers_height, self._release = store, peers_height, release
        self._state = state
        self._record: ProtocolRecord | None = None
        self._look()

    @property
    def standing(self) -> UpgradeStanding:
        """As of the decided height."""
        record, height = protocol_of(self._state), self._state.now.height
        next_version = record.next_version if record.next_height == height + 1 else record.version
        missing = None if self._release.has(next_version) else next_version
        return UpgradeStanding(height, record, self._release, missing, self._peers_height())

    def decided(self, decided: DecidedHeight) -> None:
        """Follow the state."""
        self._state = decided.state
        self._look()

    def announce(self) -> None:
        """Say in the log where the node stands, once it has started."""
        standing = self.standing
        say = log.error if standing.missing is not None else log.warning if standing.will_stop else log.info
        say("protocol", state=standing.detail)

    def _look(self) -> None:
        """Note what changed. Quick: what costs is done in few heights of a chain's life."""
        record, height = protocol_of(self._state), self._state.now.height
        if record != self._record:
            before, self._record = self._record, record
            if record.since_height > 1 and (before is None or before.version != record.version):
                self._store.put(NOTE, encode(ProtocolNote(record.version, record.since_height)))
            if before is not None:
                self.announce()
        elif record.next_height == height + 1:
            self.announce()


def refuse_noted_release(store: Store, release: ProtocolVersions = RELEASE_VERSIONS) -> None:
    """Refuse a store with blocks of rules that this release lacks, before reading anything else in it.

    Raises LocalFault RELEASE_TOO_OLD or RELEASE_TOO_NEW.
    """
    data = store.get(NOTE)
    if data is None:
        return
    try:
        note = decode(data, ProtocolNote, NOTE_BYTES_MAX)
    except RemoteFault as fault:
        raise LocalFault(ClearingCode.RELEASE_TOO_OLD, "store", why=str(fault), release=str(release)) from fault
    height = store.height()
    if height >= note.since_height and note.version > release.newest:
        raise LocalFault(
            ClearingCode.RELEASE_TOO_OLD,
            "store",
            height=height,
            needed=note.version,
            since_height=note.since_height,
            release=str(release),
        )


def refuse_release(state: State, release: ProtocolVersions = RELEASE_VERSIONS) -> None:
    """Refuse to start from a state whose next block this release cannot execute, but for the first block of a newer
    version: a node waits there for its release, and serves what it has.

    Raises LocalFault RELEASE_TOO_OLD or RELEASE_TOO_NEW.
    """
    record, height = protocol_of(state), state.now.height
    if record.next_height == height + 1 and release.has(record.version) and record.next_version > release.newest:
        return
    check_version(state, height + 1, release)
