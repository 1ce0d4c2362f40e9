"""Secret files of the newest epochs, for members that request their own: holdings, and leaves of exit trees.

Rule: one file an epoch, mode 0600 in a folder of mode 0700, each with its digest, durable once it is written. The
oldest are deleted when there are too many epochs or bytes. A damaged file counts as not kept and stops nothing.
Holdings are written before the saved state that would make them needless; an exit tree is a function of the state that
its epoch closed at, and the state goes on. Nothing of them is logged or sent to peers. Only an account's owner learns
its leaves; a member that an account was ported to learns nothing of earlier epochs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from clearing.base.codec import I64, U32, U63, Bytes20, Bytes32, Wire, decode, encode, u256
from clearing.base.errors import CrossclearError, RemoteFault
from clearing.base.hashing import sha256
from clearing.base.ids import Hash32
from clearing.epochs.exit_tree import closed_exit_tree, open_exit_root
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.records.exits import ExitKind, ExitLeaf, ExitTotals, ExitTree
from clearing.state.record_opening import RecordOpening
from clearing.state.state import State
from member.durable_files import write_whole
from member.keys.secret_files import make_secret_folder
from member.statements.days import StatementDays
from member.statements.saved_days import SavedDays, resume_days

EPOCHS_MAX = 64
BYTES_MAX = 256 << 20
"""Of all files together; the newest epochs are kept whatever their size."""
EPOCHS_MIN = 2
"""The newest epoch, and the one before it, by whose exit tree vaults pay."""
FILE_BYTES_MAX = 1 << 30
_DIGEST_BYTES = 32
R = TypeVar("R", bound=Wire)

log = structlog.get_logger(__name__)


class EpochFiles:
    """The folder of kept epochs. Writing may block and is called from one thread at a time; reading reads one file."""

    def __init__(
        self, folder: Path, kind: str, suffix: str, epochs_max: int = EPOCHS_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        """`kind`: the contents of the files, for the log."""
        self._folder = folder
        self.kind = kind
        self._suffix = suffix
        self._epochs_max, self._bytes_max = epochs_max, bytes_max

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs that are kept, in order."""
        names = [path.stem for path in self._folder.glob(f"*{self._suffix}")] if self._folder.is_dir() else []
        return tuple(sorted(int(name) for name in names if name.isascii() and name.isdigit()))

    def write_epoch(self, record: "EpochHoldingsRecord | ExitTreeRecord | SavedDays") -> None:
        """Write an epoch, durable on return, and drop the oldest. Raises OSError, LocalFault KEY_PERMISSIONS."""
        make_secret_folder(self._folder)
        data, path = encode(record), self._path(record.epoch)
        path.with_name(path.name + ".part").unlink(missing_ok=True)  # its mode would outlive a crash
        write_whole(path, sha256(data) + data, 0o600)
        self._drop()

    def read(self, epoch: int) -> bytes | None:
        """What was written of an epoch; None when it is not kept."""
        try:
            data = self._path(epoch).read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, CrossclearError):
            data = b""
        body = data[_DIGEST_BYTES:]
        if sha256(body) == data[:_DIGEST_BYTES]:
            return body
        self._damaged(epoch)
        return None

    def read_record(self, epoch: int, kind: type[R]) -> R | None:
        """What was written of an epoch, decoded; None when it is not kept."""
        data = self.read(epoch)
        try:
            return None if data is None else decode(data, kind, FILE_BYTES_MAX)
        except CrossclearError:
            self._damaged(epoch)
            return None

    def _damaged(self, epoch: int) -> None:
        log.error(f"{self.kind} of an epoch are damaged", epoch=epoch)

    def _path(self, epoch: int) -> Path:
        return self._folder / f"{epoch:019d}{self._suffix}"

    def _drop(self) -> None:
        """The oldest, until count and bytes are within their limits; the newest stay."""
        size = 0
        for number, epoch in enumerate(reversed(self.epochs)):
            path = self._path(epoch)
            size += path.stat().st_size
            if number >= EPOCHS_MIN and (number >= self._epochs_max or size > self._bytes_max):
                path.unlink()


class AccountHoldingsRecord(Wire, frozen=True):
    """One account: its owner, and the amounts that are not zero."""

    account: U63
    owner: Bytes20
    """The trade address of its member at that height: a later member learns nothing of this epoch."""
    amounts: tuple[tuple[U32, I64], ...]
    """(public slot, amount), ordered by slot."""
    bound: Bytes20 = bytes(20)
    """The address that owns the account, to which its commitment is bound: the client's where it has a key."""
    sealed_seed: bytes = b""


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
    bound: bytes = bytes(20)
    """The address to which the commitment is bound."""


def epoch_holdings(snapshot: RiskSnapshot, state: State) -> EpochHoldingsRecord:
    """What is kept of a snapshot, which was taken of `state`."""
    public = [(index, slot.name) for index, slot in enumerate(snapshot.statement.slots) if slot.is_public]
    accounts = []
    for account in snapshot.accounts:
        record = state.accounts.get(account.account)
        member = state.members.get(record.member) if record else None
        owner = member.trade_address if member else bytes(20)
        amounts = tuple((place, amount) for place, amount in enumerate(account.values[: len(public)]) if amount)
        own = AccountHoldingsRecord(account.account, owner, amounts, account.owner, account.sealed_seed)
        accounts.append(own)
    statement = snapshot.statement
    return EpochHoldingsRecord(statement.epoch, statement.height, tuple(name for _, name in public), tuple(accounts))


class EpochHoldings(EpochFiles):
    """The folder of kept holdings. `keep` may block and is called from one thread at a time; `own` reads one file."""

    def __init__(
        self,
        folder: Path,
        seed_of: Callable[[int, int, bytes], bytes],
        epochs_max: int = EPOCHS_MAX,
        bytes_max: int = BYTES_MAX,
        sign: "Callable[[AccountAtEpoch], bytes] | None" = None,
        seal_key: bytes = b"",
    ) -> None:
        """`seed_of`: of account, epoch and the sealed seed at its snapshot; `sign`: what a node signs of its answer
        (`node.epochs.signed_answers`), None: nothing; `seal_key`: for which owners seal seeds, empty: unknown here."""
        super().__init__(folder, "holdings", ".held", epochs_max, bytes_max)
        self._seed_of = seed_of
        self._sign = sign
        self.seal_key = seal_key

    def signed(self, found: AccountAtEpoch) -> bytes:
        """The signed answer about an account; empty where this node signs none."""
        return self._sign(found) if self._sign is not None else b""

    def account_at(self, account: int, epoch: int) -> AccountAtEpoch | None:
        """An account at an epoch; None when the epoch is not kept, or had no such account."""
        record = self.read_record(epoch, EpochHoldingsRecord)
        found = next((entry for entry in record.accounts if entry.account == account), None) if record else None
        if record is None or found is None:
            return None
        amounts = {record.slots[place]: amount for place, amount in found.amounts}
        seed = self._seed_of(account, record.epoch, found.sealed_seed)
        return AccountAtEpoch(record.epoch, record.height, account, found.owner, seed, amounts, found.bound)

    def own(self, account: int, owner: bytes | None, epoch: int) -> AccountAtEpoch | None:
        """Read a file: in a worker. None when the account was not its present owner's at a kept epoch."""
        found = self.account_at(account, epoch)
        return found if found is not None and found.owner == owner else None


class ExitLeafRecord(Wire, frozen=True):
    """One payment, in the order of the tree."""

    kind: U32
    number: U63
    account: U63
    chain_id: U63
    vault: Bytes20
    token: Bytes20
    to: Bytes20
    amount: Bytes32
    salt: Bytes32
    not_after_s: U63


class ExitTotalsRecord(Wire, frozen=True):
    """The totals of one token of one vault, in the order of the tree."""

    chain_id: U63
    vault: Bytes20
    token: Bytes20
    accounts: Bytes32
    seniors: Bytes32
    counted: Bytes32
    deposit_cursor: U63
    withdrawals_count: U63


class ExitTreeRecord(Wire, frozen=True):
    """The tree of an epoch, the opening of its root, and each account's owner."""

    epoch: U63
    height: U63
    owners: tuple[tuple[U63, Bytes20], ...]
    """(account, trade address of its member at that height), ordered."""
    totals: tuple[ExitTotalsRecord, ...]
    leaves: tuple[ExitLeafRecord, ...]
    opening: RecordOpening
    """Shows the root in the state at `height`."""

    @property
    def tree(self) -> ExitTree:
        """As the rulebook has it."""
        totals = tuple(_totals(totals) for totals in self.totals)
        return ExitTree(self.epoch, self.height, totals, tuple(_leaf(leaf) for leaf in self.leaves))


@dataclass(frozen=True, slots=True)
class ExitLeafProof:
    """A payment, its index, and the siblings from it to the top."""

    index: int
    leaf: ExitLeaf
    path: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class ExitTotalsProof:
    """The totals of a token, their index, and the siblings from them to the top."""

    index: int
    totals: ExitTotals
    path: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class AccountExit:
    """All payments of one account under the root of an epoch, and the totals of all tokens."""

    epoch: int
    height: int
    account: int
    owner: bytes
    count: int
    """Of leaves in the whole tree."""
    root: bytes
    leaves: tuple[ExitLeafProof, ...]
    totals: tuple[ExitTotalsProof, ...]
    opening: RecordOpening
    """Shows the root in the state at `height`."""


def exit_tree_record(state: State) -> ExitTreeRecord:
    """What is kept of a state at which an epoch closes. Raises Bug when its root is not the one that the state has.

    Linear in the accounts. Where the epoch was closed by this process, the tree is the one that the block has built.
    """
    tree = closed_exit_tree(state)
    owners = tuple(
        (account, member.trade_address if (member := state.members.get(record.member)) else bytes(20))
        for account, record in state.accounts.ordered()
    )
    leaves = tuple(
        ExitLeafRecord(
            leaf.kind,
            leaf.number,
            leaf.account,
            leaf.chain_id,
            leaf.vault,
            leaf.token,
            leaf.to,
            u256(leaf.amount),
            leaf.salt,
            leaf.not_after_s,
        )
        for leaf in tree.leaves
    )
    totals = tuple(
        ExitTotalsRecord(
            entry.chain_id,
            entry.vault,
            entry.token,
            u256(entry.accounts),
            u256(entry.seniors),
            u256(entry.counted),
            entry.deposit_cursor,
            entry.withdrawals_count,
        )
        for entry in tree.totals
    )
    return ExitTreeRecord(tree.epoch, tree.height, owners, totals, leaves, open_exit_root(state))


def account_exit(kept: ExitTreeRecord, account: int) -> AccountExit | None:
    """The payments of an account, none where it could take out nothing; None when it was not there."""
    owner = dict(kept.owners).get(account)
    if owner is None:
        return None
    tree = kept.tree
    leaves = tuple(ExitLeafProof(index, leaf, tree.proof(index)) for index, leaf in tree.of_account(account))
    totals = tuple(ExitTotalsProof(index, entry, tree.proof(index)) for index, entry in enumerate(tree.totals))
    return AccountExit(kept.epoch, kept.height, account, owner, tree.count, tree.root, leaves, totals, kept.opening)


class EpochExits(EpochFiles):
    """The folder of kept trees. `keep` may block and is called from one thread at a time; `own` reads one file."""

    def __init__(self, folder: Path, epochs_max: int = EPOCHS_MAX, bytes_max: int = BYTES_MAX) -> None:
        super().__init__(folder, "exits", ".exits", epochs_max, bytes_max)

    def account_at(self, account: int, epoch: int) -> AccountExit | None:
        """An account at an epoch; None when the epoch is not kept, or had no such account."""
        kept = self.read_record(epoch, ExitTreeRecord)
        return None if kept is None else account_exit(kept, account)

    def own(self, account: int, owner: bytes | None, epoch: int) -> AccountExit | None:
        """As `EpochHoldings.own`."""
        found = self.account_at(account, epoch)
        return found if found is not None and found.owner == owner else None


class EpochStatements(EpochFiles):
    """The folder of statements that were under way when an epoch closed: beside each saved state."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "statements", ".days", EPOCHS_MIN + 1)

    def at(self, state: State) -> StatementDays:
        """Statements that go on from a saved state; new ones, which say so, where nothing of it is kept."""
        record = self.read_record(state.now.epoch, SavedDays) if state.now.height else None
        if record is not None:
            try:
                return resume_days(record, state)
            except RemoteFault as fault:
                log.warning("statements begin anew", fault=str(fault))
        return StatementDays(state)


def _leaf(kept: ExitLeafRecord) -> ExitLeaf:
    return ExitLeaf(
        kind=ExitKind(kept.kind),
        number=kept.number,
        account=kept.account,
        chain_id=kept.chain_id,
        vault=kept.vault,
        token=kept.token,
        to=kept.to,
        amount=int.from_bytes(kept.amount, "big"),
        salt=kept.salt,
        not_after_s=kept.not_after_s,
    )


def _totals(kept: ExitTotalsRecord) -> ExitTotals:
    return ExitTotals(
        chain_id=kept.chain_id,
        vault=kept.vault,
        token=kept.token,
        accounts=int.from_bytes(kept.accounts, "big"),
        seniors=int.from_bytes(kept.seniors, "big"),
        counted=int.from_bytes(kept.counted, "big"),
        deposit_cursor=kept.deposit_cursor,
        withdrawals_count=kept.withdrawals_count,
    )
