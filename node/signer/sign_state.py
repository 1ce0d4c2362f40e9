"""The sign state: the last (height, round, step) that a key signed, on disk, so that it never signs two values there.

Rule: every running node locks its sign state, so that no tool works on the home of a running node. It is created
together with the keys, and says of them that they never signed. A missing one is never created anew, because its key
may have signed. Only when peers have shown how far, a recovered one takes its place.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clearing.base.codec import U63, Bytes32, Wire, decode, encode
from clearing.base.errors import LocalFault
from clearing.base.frames import Frames
from consensus.codes import ConsensusCode
from member.codes import NodeCode
from member.durable_files import sync_folder

_SLOT = 512
"""Bytes of each of the two slots: a disk writes one as a whole."""
LAST_IN_HEIGHT = (2**63 - 1, 2)
"""Round and step above all that are signed."""


@dataclass(frozen=True, slots=True, order=True)
class SignedStep:
    """The last step signed. Steps in a round: 0 proposal, 1 prevote, 2 precommit."""

    height: int = 0
    round: int = 0
    step: int = 0


class SignGuard:
    """The rule without the disk: forward only, and in one place always the same digest."""

    def __init__(self, last: SignedStep | None = None, digest: bytes = bytes(32)) -> None:
        self.last = last or SignedStep()
        self.digest = digest
        self.log_frames = 0
        """How many frames the log beside it had when it was last written."""
        self._unwritten = False

    def resume(self, log_frames: int, decided: int) -> bool:
        """Stand beside a log of so many frames, with the store at height `decided`.

        False when the log lacks frames of a height that is not decided: nothing is signed there any more.
        """
        lacking = log_frames < self.log_frames and self.last.height > decided
        self.log_frames = log_frames
        if lacking:
            self._close_height()
        return not lacking and (self.last.height <= decided or (self.last.round, self.last.step) != LAST_IN_HEIGHT)

    def _close_height(self) -> None:
        last = SignedStep(self.last.height, *LAST_IN_HEIGHT)
        if last != self.last:
            self.advance(last, bytes(32))
            self.sync()  # No log repeats it: it must survive a loss of power.

    def advance(self, to: SignedStep, digest: bytes, *, write: bool = True) -> None:
        """Allow signing `digest` at a step. Raises LocalFault DOUBLE_SIGN for a lower step or another digest.

        Who does not let it write at once must `settle` before the signature leaves.
        """
        if to == self.last and digest == self.digest:
            return
        if to <= self.last:
            raise LocalFault(
                ConsensusCode.DOUBLE_SIGN,
                "sign state",
                height=to.height,
                round=to.round,
                step=to.step,
                last_height=self.last.height,
                last_round=self.last.round,
                last_step=self.last.step,
            )
        if write:
            self.write(to, digest)
        self.last, self.digest, self._unwritten = to, digest, not write

    def settle(self) -> None:
        """Write the state, if that was put off."""
        if self._unwritten:
            self.write(self.last, self.digest)
            self._unwritten = False

    def write(self, to: SignedStep, digest: bytes) -> None:
        """Make it durable. In memory there is nothing to do."""

    def sync(self) -> None:
        """What was written outlasts the machine's power from now on. In memory there is nothing to do."""


class SignStateFile(SignGuard):
    """The rule on disk."""

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        """Open or create the file. Raises LocalFault: SIGN_STATE_CORRUPT, or DOUBLE_SIGN when a process has it."""
        self._sync = sync
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise LocalFault(ConsensusCode.DOUBLE_SIGN, "sign state is locked by a process", path=str(path)) from None
        data = os.pread(self._descriptor, 2 * _SLOT, 0)
        slots = [_read_slot(data[:_SLOT]), _read_slot(data[_SLOT:])]
        found = [slot for slot in slots if slot is not None]
        if data and (len(data) < 2 * _SLOT or not found):
            os.close(self._descriptor)
            raise LocalFault(
                ConsensusCode.SIGN_STATE_CORRUPT, "sign state", path=str(path), bytes=len(data), begins_with=data[:8]
            )
        self._counter, last, digest, log_frames = max(found, default=(0, SignedStep(), bytes(32), 0))
        super().__init__(last, digest)
        self.log_frames = log_frames
        if not data:
            self._create(path)

    def write(self, to: SignedStep, digest: bytes) -> None:
        """Write the slot other than the current state's."""
        self._counter += 1
        os.pwrite(self._descriptor, _slot(self._counter, to, digest, self.log_frames), (self._counter % 2) * _SLOT)
        if self._sync:
            os.fdatasync(self._descriptor)

    def sync(self) -> None:
        """See `SignGuard`."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Give the file up."""
        os.close(self._descriptor)

    def publish(self, path: Path) -> None:
        """Put a recovered state in its place, durably. Raises LocalFault DOUBLE_SIGN where there is one by now."""
        recovered = recovered_path(path)
        try:
            path.hardlink_to(recovered)
        except FileExistsError:
            raise LocalFault(ConsensusCode.DOUBLE_SIGN, "sign state exists by now", path=str(path)) from None
        recovered.unlink()
        sync_folder(path.parent)

    def _create(self, path: Path) -> None:
        """Write the zero state to both slots, durably, before anything is signed: a used sign state is never empty."""
        os.pwrite(self._descriptor, _slot(0, SignedStep(), bytes(32), 0) * 2, 0)
        os.fsync(self._descriptor)
        sync_folder(path.parent)


def has_sign_state(path: Path) -> bool:
    """Whether there is one. An empty file is none: a copy that failed leaves one, and opening would begin anew."""
    return path.exists() and path.stat().st_size > 0


def new_sign_state(path: Path) -> None:
    """Say of keys that were made just now that they signed nothing. Raises LocalFault OUTPUT_EXISTS."""
    if path.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(path))
    SignStateFile(path).close()


def forget_fresh_keys(path: Path) -> bool:
    """Take away a sign state that says that nothing was signed, for a key that may have signed elsewhere.

    True when it did. Raises LocalFault DOUBLE_SIGN while a node runs.
    """
    with locked_sign_state(path) as guard:
        if guard is None or guard.last > SignedStep():
            return False
        path.unlink()
        sync_folder(path.parent)
        return True


def recovered_path(path: Path) -> Path:
    """Where the sign state of a key that lost its own is made; it counts only after `publish`."""
    return path.with_name(f"{path.name}.recovered")


class _Slot(Wire, frozen=True):
    """The content of a slot. The higher counter is the newer one."""

    counter: U63
    height: U63
    round: U63
    step: U63
    digest: Bytes32
    log_frames: U63


_FRAMES = Frames(b"XCS3", lambda payload: decode(payload, _Slot, _SLOT))


def _slot(counter: int, at: SignedStep, digest: bytes, log_frames: int) -> bytes:
    slot = _Slot(counter, at.height, at.round, at.step, digest, log_frames)
    return _FRAMES.encode(encode(slot)).ljust(_SLOT, b"\0")


def _read_slot(data: bytes) -> tuple[int, SignedStep, bytes, int] | None:
    frame = _FRAMES.at(data, 0)
    if frame is None:
        return None
    slot = frame[0]
    return slot.counter, SignedStep(slot.height, slot.round, slot.step), slot.digest, slot.log_frames


SIGN_STATE = "sign-state"


@contextmanager
def locked_sign_state(sign_state: Path) -> Iterator[SignStateFile | None]:
    """The locked sign state, or None where there is none. Raises LocalFault: DOUBLE_SIGN while a node runs."""
    if not has_sign_state(sign_state):
        yield None
        return
    guard = SignStateFile(sign_state)
    try:
        yield guard
    finally:
        guard.close()
