"""A state to try something on: of a home, a backup, a saved state or a block log.

Rule: for reading only; nothing is written beside it, and nothing that is done with the state reaches its source. A home
or a block log is executed and compared with its certified roots, which needs the network seed. A backup and a saved
state have no seed: their records are taken as they are, and no root of theirs means anything.
"""

from dataclasses import dataclass, field
from pathlib import Path

from clearing.base.errors import LocalFault
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.state import State
from member.codes import NodeCode
from node.agreement.application import DecidedHeight
from node.genesis_file import read_genesis
from node.offline.backup import GENESIS, MANIFEST, STORE
from node.offline.homes import open_log
from node.offline.log_trust import LogTrust
from node.offline.replay import replay
from node.offline.state_at import state_at, state_of_file, state_of_home
from node.store.block_log import MAGIC
from node.store.store import FrozenStore

NO_SALT = bytes(32)
UNCHECKED = (
    "nothing in this state is checked: its records are the word of who made the file or folder; a home or a block log "
    "is executed and compared with certified headers"
)


@dataclass(slots=True)
class StateSource:
    """Where a state is, and what reading it needs."""

    path: Path
    """A home or a backup (folders), a file of `debug export`, or a block log."""
    genesis: Path | None = None
    """Of a file."""
    home: Path | None = None
    """The home whose network seed a block log is executed with."""
    password_file: Path | None = None
    allow_weak: bool = False
    trust: LogTrust = field(default_factory=LogTrust)
    """What a block log's result rests on."""

    not_proven: tuple[str, ...] = field(default=(UNCHECKED,), init=False)
    """What stays somebody's word of what was read; nothing of a home, which is the caller's own."""

    def read(self, height: int | None = None) -> State:
        """The state at a height, by default the highest. Raises LocalFault and RemoteFault as its readers.

        What the path is, is asked once: what takes its place meanwhile changes nothing of `not_proven`.
        """
        if self.path.is_dir():
            if (self.path / MANIFEST).exists():
                return _state_of_backup(self.path, height)
            self.not_proven = ()
            return state_of_home(self.path, height)
        genesis = self._genesis()
        if self._is_log():
            found = self._state_of_log(height)
            self.not_proven = self.trust.not_proven
            return found
        found = state_of_file(self.path, read_genesis(genesis))
        if height not in (None, found.now.height):
            raise LocalFault(NodeCode.STORE_GAP, str(self.path), height=height or 0, saved=found.now.height)
        return found

    def _is_log(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC

    def _genesis(self) -> Path:
        if self.genesis is None:
            raise LocalFault(NodeCode.CONFIG_MISSING, "--genesis", path=str(self.path))
        return self.genesis

    def _state_of_log(self, height: int | None) -> State:
        if self.home is None:
            raise LocalFault(NodeCode.CONFIG_MISSING, "--home", path=str(self.path))
        log = open_log(
            self.path,
            self._genesis(),
            self.home,
            self.password_file,
            self.trust,
            cut_torn_tail=False,
            allow_weak=self.allow_weak,
        )
        newest: list[State] = []

        def keep(decided: DecidedHeight) -> None:
            newest[:] = [decided.state]

        records = (each for each in log.records if height is None or each.height <= height)
        replay(log.genesis, log.salt, records, keep)
        if not newest or height not in (None, newest[0].now.height):
            raise LocalFault(NodeCode.STORE_GAP, str(self.path), height=height or 0)
        return newest[0]


def _state_of_backup(folder: Path, height: int | None) -> State:
    genesis: Genesis = read_genesis(folder / GENESIS)
    with FrozenStore(folder / STORE, network_id(genesis)) as store:
        return state_at(genesis, NO_SALT, store, store.height() if height is None else height).state
