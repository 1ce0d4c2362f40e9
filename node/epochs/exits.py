"""`EpochExits`: the exit trees of the newest closed epochs, for the members that ask for their own leaves.

Rule: kept as `node.epochs.epoch_files` says: a tree is a function of the state that its epoch closed at, and the state
goes on. Only the account's owner learns its leaves; a member that was ported it learns nothing of earlier epochs.
"""

from dataclasses import dataclass
from pathlib import Path

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire, decode, encode, u256
from clearing.base.errors import CrossclearError
from clearing.base.ids import Hash32
from clearing.epochs.exit_tree import closed_exit_tree
from clearing.schema.records.withdrawals import ExitLeaf, ExitTree
from clearing.state.state import State
from node.epochs.epoch_files import BYTES_MAX, EPOCHS_MAX, FILE_BYTES_MAX, EpochFiles


class ExitLeafRecord(Wire, frozen=True):
    """One leaf; its index is its place."""

    account: U63
    asset: U32
    chain_id: U63
    vault: Bytes20
    token: Bytes20
    to: Bytes20
    amount: Bytes32
    salt: Bytes32


class ExitTreeRecord(Wire, frozen=True):
    """The tree of an epoch, and each account's owner."""

    epoch: U63
    height: U63
    owners: tuple[tuple[U63, Bytes20], ...]
    """(account, trade address of its member at that height), ordered."""
    leaves: tuple[ExitLeafRecord, ...]

    @property
    def tree(self) -> ExitTree:
        """As the rulebook has it."""
        return ExitTree(self.epoch, self.height, tuple(_leaf(leaf) for leaf in self.leaves))


@dataclass(frozen=True, slots=True)
class ExitLeafProof:
    """A leaf, its index, and the siblings from it to the top."""

    index: int
    leaf: ExitLeaf
    path: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class AccountExit:
    """All leaves of one account under the root of an epoch."""

    epoch: int
    height: int
    account: int
    owner: bytes
    count: int
    """Of leaves in the whole tree."""
    root: bytes
    leaves: tuple[ExitLeafProof, ...]


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
            leaf.account, leaf.asset, leaf.chain_id, leaf.vault, leaf.token, leaf.to, u256(leaf.amount), leaf.salt
        )
        for leaf in tree.leaves
    )
    return ExitTreeRecord(tree.epoch, tree.height, owners, leaves)


def account_exit(kept: ExitTreeRecord, account: int) -> AccountExit | None:
    """The leaves of an account, none where it could take out nothing; None when it was not there."""
    owner = dict(kept.owners).get(account)
    if owner is None:
        return None
    tree = kept.tree
    leaves = tuple(ExitLeafProof(index, leaf, tree.proof(index)) for index, leaf in tree.of_account(account))
    return AccountExit(kept.epoch, kept.height, account, owner, len(tree.leaves), tree.root, leaves)


class EpochExits(EpochFiles):
    """The folder of kept trees. `keep` may block and is called from one thread at a time; `own` reads one file."""

    def __init__(self, folder: Path, epochs_max: int = EPOCHS_MAX, bytes_max: int = BYTES_MAX) -> None:
        super().__init__(folder, "exits", ".exits", epochs_max, bytes_max)

    def write_epoch(self, exits: ExitTreeRecord) -> None:
        """Write an epoch, durable on return, and drop the oldest. Raises OSError, LocalFault KEY_PERMISSIONS."""
        self.write(exits.epoch, encode(exits))

    def account_at(self, account: int, epoch: int) -> AccountExit | None:
        """An account at an epoch; None when the epoch is not kept, or had no such account."""
        data = self.read(epoch)
        try:
            return None if data is None else account_exit(decode(data, ExitTreeRecord, FILE_BYTES_MAX), account)
        except CrossclearError:
            self.damaged(epoch)
            return None


@dataclass(frozen=True, slots=True)
class ExitQuestion:
    """What a member asks of its account, as it was when it asked."""

    exits: EpochExits
    account: int
    owner: bytes | None
    epoch: int

    def answer(self) -> AccountExit | None:
        """Read a file: in a worker. None when the account was not its present owner's at a kept epoch."""
        found = self.exits.account_at(self.account, self.epoch)
        return found if found is not None and found.owner == self.owner else None


def _leaf(kept: ExitLeafRecord) -> ExitLeaf:
    return ExitLeaf(
        account=kept.account,
        asset=kept.asset,
        chain_id=kept.chain_id,
        vault=kept.vault,
        token=kept.token,
        to=kept.to,
        amount=int.from_bytes(kept.amount, "big"),
        salt=kept.salt,
    )
