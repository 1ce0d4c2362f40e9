"""The exit tree: what each vault owes to whom at the snapshot of an epoch, so that it can pay when the network is gone.

Rule: data only. The tree is a SHA-256 tree (`clearing.base.merkle`), whose root is in every header: first the totals of
each token of each vault, then the payments. The vault contract hashes both kinds of leaf in the same way
(`bridge/contracts/src/ExitTree.sol`). Payments are salted, so that nobody can guess what another owns.

Totals form a ring: each names the token after its own, the last one the first. So one leaf proves that the tree has no
totals of a token: the leaf that skips it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from clearing.base.codec import U63, Bytes32, Wire, u256
from clearing.base.ids import Hash32
from clearing.base.merkle import MerkleTree


class ExitKind(IntEnum):
    """What a leaf pays."""

    TOTALS = 0
    """Nothing: it states what the payments of one token sum to."""
    ACCOUNT = 1
    """What an account would have if everything ended at the last mark."""
    WITHDRAWAL = 2
    """A withdrawal that was released and not paid. Paid before accounts."""
    DEPOSIT = 3
    """A deposit that was counted, and waits to be credited. Paid before accounts."""
    REFUND = 4
    """A depositor's deposits that are to be refunded and were not released. Paid before accounts."""


class ExitRecord(Wire, frozen=True):
    """The exit tree of a closed epoch."""

    epoch: U63
    height: U63
    leaves: U63
    """Of the whole tree, totals included."""
    root: Bytes32


@dataclass(frozen=True, slots=True)
class ExitTotals:
    """One token of one vault. Amounts in token base units."""

    chain_id: int
    vault: bytes
    token: bytes
    accounts: int
    """Sum of the payments to accounts."""
    seniors: int
    """Sum of all other payments, which come first."""
    counted: int
    """Sum of the deposits up to `deposit_cursor`. The vault refunds later ones to who made them."""
    deposit_cursor: int
    withdrawals_count: int
    """Withdrawals released so far over all vaults. Later ones are deducted from their accounts' payments."""

    @property
    def at(self) -> tuple[int, bytes, bytes]:
        """Chain, vault and token: unique, and the order of the ring."""
        return self.chain_id, self.vault, self.token

    def encoded(self, epoch: int, after: "ExitTotals") -> bytes:
        """The bytes that are hashed: thirteen words of 32 bytes. `after`: the next in the ring."""
        numbers = (self.accounts, self.seniors, self.counted, self.deposit_cursor, self.withdrawals_count)
        return b"".join(
            (u256(ExitKind.TOTALS), u256(epoch), _place(*self.at), b"".join(map(u256, numbers)), _place(*after.at))
        )


def encoded_ring(totals: Sequence[ExitTotals], epoch: int) -> list[bytes]:
    """The bytes of all totals of a tree, each with the one after it."""
    return [entry.encoded(epoch, after) for entry, after in zip(totals, [*totals[1:], *totals[:1]], strict=True)]


def position_of(totals: Sequence[ExitTotals], at: tuple[int, bytes, bytes]) -> int:
    """The position of the totals that show what is due in a token at a vault: its own, or those that skip it.

    `totals`: all of a tree, of which there is at least one.
    """
    return bisect_right([entry.at for entry in totals], at) - 1 if totals[0].at <= at else len(totals) - 1


@dataclass(frozen=True, slots=True)
class ExitLeaf:
    """One payment. `amount` in token base units."""

    kind: ExitKind
    number: int
    """The account, also that a deposit names, the nonce of the withdrawal, or the number of the vault's refund."""
    account: int
    """Whose payment it is; `clearing.state.ledger.STRAY_ACCOUNT` where a depositor has no account. Of a withdrawal:
    that it was taken from."""
    chain_id: int
    vault: bytes
    token: bytes
    to: bytes
    """Of an account: the key that signs for money leaving it."""
    amount: int
    salt: bytes
    not_after_s: int = 0
    """Of a withdrawal: the last second in which the vault pays it, without what pauses add."""

    def encoded(self, epoch: int) -> bytes:
        """The bytes that are hashed: eleven words of 32 bytes."""
        place = (u256(self.kind), u256(epoch), u256(self.chain_id), _word(self.vault), u256(self.number))
        claim = (_word(self.token), _word(self.to), u256(self.amount), u256(self.account), u256(self.not_after_s))
        return b"".join((self.salt, *place, *claim))


@dataclass(frozen=True)
class ExitTree:
    """The tree of one epoch. Secret as a whole: it reveals what everybody owns."""

    epoch: int
    height: int
    totals: tuple[ExitTotals, ...]
    """Ordered by chain, vault and token."""
    leaves: tuple[ExitLeaf, ...]
    """Accounts by account and asset, then withdrawals, deposits and refunds."""

    @property
    def count(self) -> int:
        """Leaves of the whole tree, which the root contains."""
        return len(self.totals) + len(self.leaves)

    @property
    def root(self) -> Hash32:
        """The root in headers from the close of the next epoch to that of the one after it."""
        return self._hashed.root

    def of_account(self, account: int) -> tuple[tuple[int, ExitLeaf], ...]:
        """(index, leaf) of one account's payments."""
        first = len(self.totals)
        return tuple((first + at, leaf) for at, leaf in enumerate(self.leaves) if leaf.account == account)

    def proof(self, index: int) -> tuple[Hash32, ...]:
        """Siblings from a leaf to the top, for `clearing.base.merkle.verify_merkle_proof`."""
        return self._hashed.proof(index)

    @cached_property
    def _hashed(self) -> MerkleTree:
        totals = encoded_ring(self.totals, self.epoch)
        return MerkleTree(totals + [leaf.encoded(self.epoch) for leaf in self.leaves])


def _place(chain_id: int, vault: bytes, token: bytes) -> bytes:
    return u256(chain_id) + _word(vault) + _word(token)


def _word(address: bytes) -> bytes:
    return address.rjust(32, b"\0")
