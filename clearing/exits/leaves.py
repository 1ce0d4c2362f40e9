"""Leaves of the exit tree: salted, of what everybody could take out.

Rule: leaves are ordered by account and asset, and their number is inside the root (`clearing.base.merkle`). A leaf is
eight words of 32 bytes, so that a contract hashes it as it stands. Amounts are few and guessable, so each leaf
has a secret salt, which the account's owner is told and nobody learns from another leaf's.
leaf = salt, epoch, chain id, vault, account, token, to, amount.
It must not know the state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.base.codec import u256
from clearing.base.ids import Hash32
from clearing.base.merkle import merkle_proof, merkle_root


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


def exit_root(epoch: int, leaves: Sequence[ExitLeaf]) -> Hash32:
    """Root over the leaves, in order."""
    return merkle_root([leaf.encoded(epoch) for leaf in leaves])
