"""The exit tree: salted leaves of what everybody could take out, under the root that each header carries.

Rule: leaves are ordered by account and asset, and their number is inside the root (`clearing.base.merkle`). A leaf is
eight words of 32 bytes, so that a contract hashes it as it stands. Amounts are few and guessable, so each leaf
has a secret salt, which the account's owner is told and nobody learns from another leaf's.
leaf = salt, epoch, chain id, vault, account, token, to, amount.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from clearing.base.codec import u256
from clearing.base.errors import Bug
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32
from clearing.base.merkle import merkle_proof, merkle_root
from clearing.collateral.listing import assets_now
from clearing.exits.close_out import Payout, close_out
from clearing.exits.records import ExitHeld
from clearing.gates.waiting import waiting_amounts
from clearing.ledger import held
from clearing.requests import owner_key
from clearing.state.state import State

NO_EXITS = tagged_hash("crossclear/exit-tree/v1/empty")
"""The root while no epoch has closed."""
_SALT = b"crossclear/exit-tree/v1/salt"


@dataclass(frozen=True, slots=True)
class ExitLeaf:
    """One payment. `to` is who signs for money that leaves the account; `amount` in token base units."""

    account: int
    asset: int
    chain_id: int
    vault: bytes
    token: bytes
    to: bytes
    amount: int
    salt: bytes

    def encoded(self, epoch: int) -> bytes:
        """The bytes that are hashed: eight words of 32 bytes."""
        addresses = (self.vault, self.token, self.to)
        vault, token, to = (address.rjust(32, b"\0") for address in addresses)
        words = (u256(epoch), u256(self.chain_id), vault, u256(self.account), token, to, u256(self.amount))
        return self.salt + b"".join(words)


@dataclass(frozen=True, slots=True)
class ExitTree:
    """All leaves of one epoch. Secret as a whole: it tells what everybody owns."""

    epoch: int
    height: int
    leaves: tuple[ExitLeaf, ...]

    @property
    def root(self) -> Hash32:
        """What headers carry from the height after `height` until the next epoch closes."""
        return exit_root(self.epoch, self.leaves)

    def of_account(self, account: int) -> tuple[tuple[int, ExitLeaf], ...]:
        """(index, leaf) of one account."""
        return tuple((index, leaf) for index, leaf in enumerate(self.leaves) if leaf.account == account)

    def proof(self, index: int) -> tuple[Hash32, ...]:
        """Siblings from a leaf to the top, for `clearing.base.merkle.verify_merkle_proof`."""
        return merkle_proof([leaf.encoded(self.epoch) for leaf in self.leaves], index)


def exit_tree(state: State) -> ExitTree:
    """The tree of a state at which an epoch closes."""
    now = state.now
    return ExitTree(now.epoch, now.snapshot_height, tuple(_leaf(state, now.epoch, each) for each in close_out(state)))


def hold_exits(state: State) -> None:
    """Put the tree's root into the state at which an epoch closes. Raises Bug when it promises what is not there."""
    tree = exit_tree(state)
    promised: dict[int, int] = {}
    for leaf in tree.leaves:
        promised[leaf.asset] = promised.get(leaf.asset, 0) + leaf.amount
    waiting: dict[int, int] = {}
    for (_, asset_id), amount in waiting_amounts(state).items():
        waiting[asset_id] = waiting.get(asset_id, 0) + amount
    for asset in assets_now(state):
        if promised.get(asset.id, 0) > asset.to_amount(held(state, asset)) + waiting.get(asset.id, 0):
            raise Bug(f"exits promise {promised[asset.id]} of asset {asset.name}, {held(state, asset)} units are held")
    state.exits.put(0, ExitHeld(tree.epoch, tree.height, len(tree.leaves), tree.root))


def held_exit_root(state: State) -> Hash32:
    """The root that the header of this state carries."""
    found = state.exits.get(0)
    return Hash32(found.root) if found else NO_EXITS


def exit_root(epoch: int, leaves: Sequence[ExitLeaf]) -> Hash32:
    """Root over the leaves, in order."""
    return merkle_root([leaf.encoded(epoch) for leaf in leaves])


def _leaf(state: State, epoch: int, payout: Payout) -> ExitLeaf:
    asset = state.terms.assets[payout.asset]
    key = _SALT + u256(epoch) + u256(payout.account) + u256(payout.asset)
    return ExitLeaf(
        account=payout.account,
        asset=payout.asset,
        chain_id=asset.chain_id,
        vault=asset.vault,
        token=asset.token,
        to=owner_key(state, payout.account),
        amount=payout.amount,
        salt=hmac.digest(state.salt, key, "sha256"),
    )
