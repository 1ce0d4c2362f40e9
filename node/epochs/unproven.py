"""`UnprovenEpochs`: on disk, the epochs that this validator has to prove and whose packages are not finished.

Rule: an epoch is here before its proof begins, and until its package is kept, so that no restart loses it. Files are
readable by the node alone: they contain all holdings. Bounded in number: the oldest are given up first.
"""

from pathlib import Path

import structlog

from clearing.base.codec import U63, Wire, decode, encode
from clearing.base.errors import RemoteFault
from clearing.margin.statement.snapshot import RiskSnapshot
from member.durable_files import write_whole

UNPROVEN_MAX = 256
"""Epochs that wait at most: at one a minute, the work of four hours."""
SNAPSHOT_BYTES_MAX = 1 << 30
SUFFIX = ".epoch"

log = structlog.get_logger(__name__)


class UnprovenEpoch(Wire, frozen=True):
    """A snapshot whose commitments the header of `height` was the first to carry."""

    height: U63
    snapshot: RiskSnapshot


class UnprovenEpochs:
    """One folder, owned by one process."""

    def __init__(self, folder: Path) -> None:
        """Create the folder where it is missing."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    @property
    def epochs(self) -> tuple[int, ...]:
        """Those on disk, ascending."""
        return tuple(sorted(int(each.stem) for each in self._folder.glob(f"*{SUFFIX}") if each.stem.isdecimal()))

    def save(self, waiting: UnprovenEpoch) -> tuple[int, ...]:
        """Keep an epoch, durable on return. Returns those given up for it. Raises OSError."""
        write_whole(self._path(waiting.snapshot.statement.epoch), encode(waiting), 0o600)
        given_up = self.epochs[:-UNPROVEN_MAX]
        for epoch in given_up:
            self.remove(epoch)
        return given_up

    def load(self, epoch: int) -> UnprovenEpoch | None:
        """What was saved; None where it is missing or damaged. Raises OSError."""
        path = self._path(epoch)
        if not path.exists():
            return None
        try:
            return decode(path.read_bytes(), UnprovenEpoch, SNAPSHOT_BYTES_MAX)
        except RemoteFault as fault:
            log.error("an epoch that waits for its proof is damaged", file=path.name, code=fault.code.label)
            return None

    def remove(self, epoch: int) -> None:
        """Forget an epoch; one that is not here is ignored. Not synced: what a crash brings back has its package."""
        self._path(epoch).unlink(missing_ok=True)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"{epoch:010d}{SUFFIX}"
