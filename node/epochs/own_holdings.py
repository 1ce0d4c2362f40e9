"""`EpochHoldings`: what every account held at the newest epochs' snapshots, for the members that ask for their own.

Rule: a file an epoch, mode 0600 in a folder of mode 0700, written before the saved state that would make it needless;
the oldest go when there are too many epochs or bytes. Nothing of what is inside is logged or goes to peers. A damaged
file is an epoch that is not kept, never a reason to stop.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from clearing.base.codec import I64, U32, U63, Bytes20, Wire, decode, encode
from clearing.base.errors import CrossclearError
from clearing.base.hashing import sha256
from clearing.margin.snapshot import RiskSnapshot
from clearing.state.state import State
from node.keys.files import make_secret_folder
from node.store.files import write_whole

EPOCHS_MAX = 64
BYTES_MAX = 256 << 20
"""Of all files together; the newest epoch is kept whatever its size."""
FILE_BYTES_MAX = 1 << 30
SUFFIX = ".held"
_DIGEST_BYTES = 32

log = structlog.get_logger(__name__)


class HeldAtEpoch(Wire, frozen=True):
    """One account: whose it was, and what it held where that is not zero."""

    account: U63
    owner: Bytes20
    """The trade address of its member at that height: who was ported an account learns nothing of the time before."""
    amounts: tuple[tuple[U32, I64], ...]
    """(public slot, amount), ordered by slot."""


class HeldOfEpoch(Wire, frozen=True):
    """All accounts at the snapshot of an epoch."""

    epoch: U63
    height: U63
    slots: tuple[str, ...]
    """Names of the public slots, in slot order."""
    accounts: tuple[HeldAtEpoch, ...]


@dataclass(frozen=True, slots=True)
class OwnAtEpoch:
    """One account at one epoch's snapshot."""

    epoch: int
    height: int
    account: int
    owner: bytes
    seed: bytes
    holdings: Mapping[str, int]
    """By slot name; what is zero is left out."""


def held_of_epoch(snapshot: RiskSnapshot, state: State) -> HeldOfEpoch:
    """What is kept of a snapshot, which was taken of `state`."""
    public = [(index, slot.name) for index, slot in enumerate(snapshot.statement.slots) if slot.is_public]
    accounts = []
    for each in snapshot.accounts:
        record = state.accounts.get(each.account)
        member = state.members.get(record.member) if record else None
        owner = member.trade_address if member else bytes(20)
        amounts = tuple((place, amount) for place, amount in enumerate(each.values[: len(public)]) if amount)
        accounts.append(HeldAtEpoch(each.account, owner, amounts))
    statement = snapshot.statement
    return HeldOfEpoch(statement.epoch, statement.height, tuple(name for _, name in public), tuple(accounts))


class EpochHoldings:
    """The folder of kept epochs. `keep` may block and is called from one thread at a time; `own` reads one file."""

    def __init__(
        self,
        folder: Path,
        seed_of: Callable[[int], bytes],
        epochs_max: int = EPOCHS_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._folder = folder
        self._seed_of = seed_of
        self._epochs_max, self._bytes_max = epochs_max, bytes_max

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs that are kept, in order."""
        names = [path.stem for path in self._folder.glob(f"*{SUFFIX}")] if self._folder.is_dir() else []
        return tuple(sorted(int(name) for name in names if name.isascii() and name.isdigit()))

    def keep(self, held: HeldOfEpoch) -> None:
        """Write an epoch, durable on return, and drop the oldest. Raises OSError, LocalFault KEY_PERMISSIONS."""
        make_secret_folder(self._folder)
        data = encode(held)
        path = self._path(held.epoch)
        path.with_name(path.name + ".part").unlink(missing_ok=True)  # its mode would outlive a crash
        write_whole(path, sha256(data) + data, 0o600)
        self._drop()

    def own(self, account: int, epoch: int) -> OwnAtEpoch | None:
        """An account at an epoch; None when the epoch is not kept, or had no such account."""
        held = self._read(epoch)
        found = next((each for each in held.accounts if each.account == account), None) if held else None
        if held is None or found is None:
            return None
        amounts = {held.slots[place]: amount for place, amount in found.amounts}
        return OwnAtEpoch(held.epoch, held.height, account, found.owner, self._seed_of(account), amounts)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"{epoch:019d}{SUFFIX}"

    def _read(self, epoch: int) -> HeldOfEpoch | None:
        try:
            data = self._path(epoch).read_bytes()
            body = data[_DIGEST_BYTES:]
            if sha256(body) == data[:_DIGEST_BYTES]:
                return decode(body, HeldOfEpoch, FILE_BYTES_MAX)
        except FileNotFoundError:
            return None
        except (OSError, CrossclearError):
            pass
        log.error("holdings of an epoch are damaged", epoch=epoch)
        return None

    def _drop(self) -> None:
        """The oldest, until count and bytes are within their limits; the newest stays."""
        size = 0
        for number, epoch in enumerate(reversed(self.epochs)):
            path = self._path(epoch)
            size += path.stat().st_size
            if number and (number >= self._epochs_max or size > self._bytes_max):
                path.unlink()


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """What a member asks of its account, as it was when it asked."""

    holdings: EpochHoldings
    account: int
    owner: bytes | None
    epoch: int
    package: bool
    """Whether a package of the epoch is here."""

    def answer(self) -> OwnAtEpoch | None:
        """Read a file: in a worker. None when the account was not its present owner's at a kept epoch."""
        found = self.holdings.own(self.account, self.epoch)
        return found if found is not None and found.owner == self.owner else None
