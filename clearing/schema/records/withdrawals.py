"""Records of withdrawals: released, delayed and expired ones, used limits, and the exit tree.

Rule: data only. Exit leaves are salted and ordered by account and asset. Their number is inside the root.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.base.codec import U32, U63, Bytes20, Bytes32, U256Bytes, Wire, u256
from clearing.base.ids import Hash32
from clearing.base.merkle import merkle_proof, merkle_root


class WithdrawalVolumeRecord(Wire, frozen=True):
    """What one owner, or all together, withdrew of an asset in the window with this number."""

    window: U63
    units: U63
    undelayed_units: U63 = 0
    """The part that was not delayed."""


class DelayedWithdrawalRecord(Wire, frozen=True):
    """A withdrawal that left its account. It is released at `due_height`, or at the first later block
    where it passes."""

    account: U63
    asset: U32
    units: U63
    """Clearing units of the asset when it was accepted."""
    to: Bytes20
    amount: U256Bytes
    """Token base units."""
    nonce: U63
    """Nonce of the request."""
    owner: Bytes20
    """The key that could sign for the money."""
    accepted_height: U63
    due_height: U63


class DelayedWithdrawalCounter(Wire, frozen=True):
    """How many withdrawals were ever delayed: the number of the next."""

    next_number: U63


class ExpiredWithdrawalRecord(Wire, frozen=True):
    """A released withdrawal that its vault did not pay before its deadline, as agreed at a block of its chain."""

    block_number: U63
    block_hash: Bytes32
    block_time_s: U63
    agreed_height: U63
    refunded_height: U63 = 0
    """0: not yet."""


class RefundDueRecord(Wire, frozen=True):
    """An expired withdrawal to be refunded, as soon as its asset's price and cap allow."""

    asset: U32


class ValueWithdrawnRecord(Wire, frozen=True):
    """What an account withdrew, in micros of value, since `since_height`, while deficits are unresolved that end by
    `deadline_height`. Under `clearing.withdrawals.deficit_reserve.ALL_ACCOUNTS`: what was owed to all before the first
    withdrawal."""

    deadline_height: U63
    micros: U63
    since_height: U63


class ExitRecord(Wire, frozen=True):
    """The exit tree of the last closed epoch."""

    epoch: U63
    height: U63
    leaves: U63
    root: Bytes32


@dataclass(frozen=True, slots=True)
class ExitLeaf:
    """One payment. `to` is the key that signs for money leaving the account; `amount` in token base units."""

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
    """All leaves of one epoch. Secret as a whole: it reveals what everybody owns."""

    epoch: int
    height: int
    leaves: tuple[ExitLeaf, ...]

    @property
    def root(self) -> Hash32:
        """The root in headers from the height after `height` until the next epoch closes."""
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


class ReleasedWithdrawalRecord(Wire, frozen=True):
    """A withdrawal in the withdrawals tree."""

    account: U63
    asset: U32
    units: U63
    chain_id: U63
    vault: Bytes20
    token: Bytes20
    to: Bytes20
    amount: U256Bytes
    not_after_s: U63
    leaf: Bytes32
    executed: bool = False
