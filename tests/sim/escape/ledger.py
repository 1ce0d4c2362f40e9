"""An honest network's ledger over one vault: who owns what, and the exit tree that it closes.

Rule: it knows deposits in order, releases each withdrawal once, and promises no more than it has. Each owner has one
account and one address. It pays in for its own account, or by mistake for one that does not exist.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto

from clearing.base.codec import u256
from clearing.base.hashing import sha256
from clearing.schema.records.exits import ExitKind, ExitLeaf, ExitTotals, ExitTree
from clearing.state.ledger import STRAY_ACCOUNT

OWNERS = (1, 2, 3)
"""Each is the number of the owner's account, too."""
NOBODY = 999


class Fate(Enum):
    """What the network has done with a deposit."""

    WAITING = auto()
    CREDITED = auto()
    STRAY = auto()
    REFUND_DUE = auto()
    RELEASED = auto()


@dataclass
class Deposited:
    """A deposit of the vault."""

    nonce: int
    token: bytes
    account: int
    amount: int
    sender: bytes
    owner: int
    hash_after: bytes
    fate: Fate = Fate.WAITING


@dataclass
class Released:
    """A withdrawal, or the refund of a deposit."""

    nonce: int
    token: bytes
    account: int
    amount: int
    to: bytes
    not_after_s: int
    owner: int
    is_paid: bool = False
    """By the vault."""
    is_ended: bool = False
    """The network knows that it was paid, or gave it back."""


@dataclass(frozen=True)
class Claim:
    """A payment of a tree, whose it is, and the withdrawal that it is."""

    leaf: ExitLeaf
    owner: int
    released: Released | None = None


@dataclass(frozen=True)
class Closed:
    """A tree with its payments in order."""

    tree: ExitTree
    claims: tuple[Claim, ...]


@dataclass
class Ledger:
    """`place`: chain and vault. `listed`: tokens that the terms list."""

    place: tuple[int, bytes]
    listed: set[bytes]
    balances: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    """Base units by token and account."""
    deposits: list[Deposited] = field(default_factory=list)
    released: list[Released] = field(default_factory=list)
    cursor: int = 0
    """Deposits that the network has seen."""
    epoch: int = 0

    def see_deposit(self, *, is_credited: bool) -> None:
        """The next deposit: credited if it can be."""
        seen = self.deposits[self.cursor]
        self.cursor += 1
        seen.fate = Fate.STRAY
        if is_credited:
            self.credit(seen)

    def credit(self, stray: Deposited) -> None:
        """A deposit, if it names an account and its token is listed."""
        if stray.account in OWNERS and stray.token in self.listed:
            stray.fate = Fate.CREDITED
            self.balances[stray.token, stray.account] += stray.amount

    def release_refund(self, due: Deposited, not_after_s: int) -> Released:
        """Of a deposit that was to be refunded, or a stray one."""
        due.fate = Fate.RELEASED
        return self._release(due.token, STRAY_ACCOUNT, due.amount, due.sender, not_after_s, due.owner)

    def release(self, token: bytes, account: int, amount: int, to: bytes, not_after_s: int) -> Released:
        """A withdrawal of what the account has."""
        self.balances[token, account] -= amount
        return self._release(token, account, amount, to, not_after_s, account)

    def give_back(self, expired: Released) -> None:
        """A withdrawal of an account that the vault can pay no more."""
        expired.is_ended = True
        self.balances[expired.token, expired.account] += expired.amount

    def close(self) -> Closed:
        """The exit tree of now."""
        self.epoch += 1
        claims = (*self._account_claims(), *self._withdrawal_claims(), *self._deposit_claims())
        leaves = tuple(claim.leaf for claim in claims)
        seen = self.deposits[: self.cursor]
        totals = (self._totals(token, leaves) for token in sorted(self.listed | {each.token for each in seen}))
        return Closed(ExitTree(self.epoch, 1, tuple(totals), leaves), claims)

    def due(self) -> Counter[tuple[bytes, int]]:
        """What each owner has paid in, and therefore gets in the end."""
        due: Counter[tuple[bytes, int]] = Counter()
        for each in self.deposits:
            due[each.token, each.owner] += each.amount
        return due

    def _release(self, token: bytes, account: int, amount: int, to: bytes, not_after_s: int, owner: int) -> Released:
        self.released.append(Released(len(self.released), token, account, amount, to, not_after_s, owner))
        return self.released[-1]

    def _totals(self, token: bytes, leaves: tuple[ExitLeaf, ...]) -> ExitTotals:
        own = [leaf for leaf in leaves if leaf.token == token]
        return ExitTotals(
            *self.place,
            token,
            accounts=sum(leaf.amount for leaf in own if leaf.kind is ExitKind.ACCOUNT),
            seniors=sum(leaf.amount for leaf in own if leaf.kind is not ExitKind.ACCOUNT),
            counted=sum(each.amount for each in self.deposits[: self.cursor] if each.token == token),
            deposit_cursor=self.cursor,
            withdrawals_count=len(self.released),
        )

    def _account_claims(self) -> list[Claim]:
        return [
            Claim(self._leaf(ExitKind.ACCOUNT, account, account, token, bytes([0x80 + account]) * 20, amount), account)
            for (token, account), amount in sorted(self.balances.items())
            if amount
        ]

    def _withdrawal_claims(self) -> list[Claim]:
        return [
            Claim(
                self._leaf(
                    ExitKind.WITHDRAWAL, each.nonce, each.account, each.token, each.to, each.amount, each.not_after_s
                ),
                each.owner,
                each,
            )
            for each in self.released
            if not each.is_ended
        ]

    def _deposit_claims(self) -> list[Claim]:
        found = []
        for each in self.deposits[: self.cursor]:
            number = {Fate.STRAY: each.account, Fate.REFUND_DUE: each.nonce}.get(each.fate)
            if number is not None:
                kind = ExitKind.DEPOSIT if each.fate is Fate.STRAY else ExitKind.REFUND
                leaf = self._leaf(kind, number, STRAY_ACCOUNT, each.token, each.sender, each.amount, 0, each.nonce)
                found.append(Claim(leaf, each.owner))
        return found

    def _leaf(
        self,
        kind: ExitKind,
        number: int,
        account: int,
        token: bytes,
        to: bytes,
        amount: int,
        not_after_s: int = 0,
        salt: int = 0,
    ) -> ExitLeaf:
        secret = sha256(b"".join(map(u256, (self.epoch, kind, number, salt))) + token)
        return ExitLeaf(kind, number, account, *self.place, token, to, amount, secret, not_after_s)
