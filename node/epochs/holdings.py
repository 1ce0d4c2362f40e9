"""`EpochHoldings`: what every account held at the newest epochs' snapshots, for the members that ask for their own.

Rule: kept as `node.epochs.epoch_files` says, and written before the saved state that would make it needless. None of it
is logged or sent to peers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clearing.base.codec import I64, U32, U63, Bytes20, Wire, decode, encode
from clearing.base.errors import CrossclearError
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.state.state import State
from node.epochs.epoch_files import BYTES_MAX, EPOCHS_MAX, FILE_BYTES_MAX, EpochFiles


class AccountHoldingsRecord(Wire, frozen=True):
    """One account: its owner, and the amounts that are not zero."""

    account: U63
    owner: Bytes20
    """The trade address of its member at that height: a later member learns nothing of this epoch."""
    amounts: tuple[tuple[U32, I64], ...]
    """(public slot, amount), ordered by slot."""


class EpochHoldingsRecord(Wire, frozen=True):
    """All accounts at the snapshot of an epoch."""

    epoch: U63
    height: U63
    slots: tuple[str, ...]
    """Names of the public slots, in slot order."""
    accounts: tuple[AccountHoldingsRecord, ...]


@dataclass(frozen=True, slots=True)
class AccountAtEpoch:
    """One account at one epoch's snapshot."""

    epoch: int
    height: int
    account: int
    owner: bytes
    seed: bytes
    holdings: Mapping[str, int]
    """By slot name; what is zero is left out."""


def epoch_holdings(snapshot: RiskSnapshot, state: State) -> EpochHoldingsRecord:
    """What is kept of a snapshot, which was taken of `state`."""
    public = [(index, slot.name) for index, slot in enumerate(snapshot.statement.slots) if slot.is_public]
    accounts = []
    for account in snapshot.accounts:
        record = state.accounts.get(account.account)
        member = state.members.get(record.member) if record else None
        owner = member.trade_address if member else bytes(20)
        amounts = tuple((place, amount) for place, amount in enumerate(account.values[: len(public)]) if amount)
        accounts.append(AccountHoldingsRecord(account.account, owner, amounts))
    statement = snapshot.statement
    return EpochHoldingsRecord(statement.epoch, statement.height, tuple(name for _, name in public), tuple(accounts))


class EpochHoldings(EpochFiles):
    """The folder of kept holdings. `keep` may block and is called from one thread at a time; `own` reads one file."""

    def __init__(
        self,
        folder: Path,
        seed_of: Callable[[int], bytes],
        epochs_max: int = EPOCHS_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        super().__init__(folder, "holdings", ".held", epochs_max, bytes_max)
        self._seed_of = seed_of

    def write_epoch(self, record: EpochHoldingsRecord) -> None:
        """Write an epoch, durable on return, and drop the oldest. Raises OSError, LocalFault KEY_PERMISSIONS."""
        self.write(record.epoch, encode(record))

    def account_at(self, account: int, epoch: int) -> AccountAtEpoch | None:
        """An account at an epoch; None when the epoch is not kept, or had no such account."""
        record = self._record(epoch)
        found = next((entry for entry in record.accounts if entry.account == account), None) if record else None
        if record is None or found is None:
            return None
        amounts = {record.slots[place]: amount for place, amount in found.amounts}
        return AccountAtEpoch(record.epoch, record.height, account, found.owner, self._seed_of(account), amounts)

    def _record(self, epoch: int) -> EpochHoldingsRecord | None:
        data = self.read(epoch)
        try:
            return None if data is None else decode(data, EpochHoldingsRecord, FILE_BYTES_MAX)
        except CrossclearError:
            self.damaged(epoch)
            return None


@dataclass(frozen=True, slots=True)
class HoldingsQuestion:
    """What a member asks of its account, as it was when it asked."""

    holdings: EpochHoldings
    account: int
    owner: bytes | None
    epoch: int

    def answer(self) -> AccountAtEpoch | None:
        """Read a file: in a worker. None when the account was not its present owner's at a kept epoch."""
        found = self.holdings.account_at(self.account, self.epoch)
        return found if found is not None and found.owner == self.owner else None
