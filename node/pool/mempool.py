"""`Mempool`: signed transactions that wait for a block, each checked once.

Rule: bounded in trades, bytes and per account, where a bundle counts as many as it has trades and any other request as
one; an entry is in at most once, and a decided or expired one does not come back. Selection takes turns between
accounts, first in first out within one. Nothing here is agreed: the state machine decides what a block may contain, and
refusals use its codes where they fit. The caller states the time.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clearing.accounts.signatories import Signatory, SignatoryRole, accounts_of, signatories
from clearing.base import secp256k1
from clearing.base.codec import encode
from clearing.base.errors import BaseCode, Detail, Rejected, RemoteFault
from clearing.base.hashing import sha256
from clearing.base.ids import Hash32, NetworkId
from clearing.governance.proposals import AdmittedRequest
from clearing.schema.blocks.transaction import (
    BLOCK_TRADES_MAX,
    Transaction,
    trades_asked,
    transaction_bytes_max,
    transaction_hash,
)
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.requests.governance import GovernanceProposal, GovernanceVote
from clearing.schema.requests.validators import ValidatorChange
from member.codes import NodeCode
from node.pool.block_budget import further_bytes

DONE_MAX = 1 << 17
_EXPIRIES_SLACK = 4096
_UNKNOWN = {
    SignatoryRole.VENUE: ClearingCode.UNKNOWN_VENUE,
    SignatoryRole.VENUE_OR_HOUSE: ClearingCode.UNKNOWN_VENUE,
    SignatoryRole.MEMBER: ClearingCode.UNKNOWN_MEMBER,
    SignatoryRole.CLIENT: ClearingCode.WRONG_SIGNER,
    SignatoryRole.VALIDATOR: ClearingCode.BAD_APPROVAL,
}
VALIDATORS_SLOT = -(2**64)
"""Whose limits changes of validators count against, below all accounts' and venues' ids; further below: of each
validator's proposals and votes, and of the house's."""
CHANGES_MAX = 4
"""Changes of validators that wait at a time: of one change many requests can be made, each with another quorum."""
KeysOf = Callable[[Signatory], tuple[bytes, ...]]
"""The addresses of which one must have signed; none for an account, member or venue that does not exist."""
BALLOTS_MAX = 16
"""Proposals and votes of one validator, or of the house, that wait at a time."""
JudgeRuling = Callable[[AdmittedRequest], Rejected | None]
"""Whether the state would take a change of validators, a proposal or a vote: nothing else bounds how many there are."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What a pool holds at most, and how far ahead a request may expire."""

    transactions_max: int = 50_000
    """A bundle counts as many as it has trades, here and for `per_account_max`."""
    bytes_max: int = 32 << 20
    per_account_max: int = 5_000
    block_bytes_max: int = 1 << 20
    """How many bytes of transactions one proposal takes."""
    ahead_ms_max: int = 600_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """The transaction waits for a block, or (`known`) did already, or was decided already."""

    hash: Hash32
    known: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    transaction: Transaction
    size: int
    asked: int
    """What it counts: `trades_asked`."""
    accounts: tuple[int, ...]
    """The accounts whose limits it counts against; it takes the turn of the first."""
    since_ms: int


def refuse_changes(ruling: AdmittedRequest) -> Rejected | None:
    """For a pool that knows no validators."""
    if isinstance(ruling, ValidatorChange):
        return reject(ClearingCode.TOO_FEW_APPROVALS, "approvals", approvals=len(ruling.approvals))
    return reject(ClearingCode.GOVERNANCE_OFF, "mempool")


class Mempool:
    """One node's waiting transactions. Not thread-safe: it belongs to the event loop."""

    def __init__(
        self,
        network: NetworkId,
        keys_of: KeysOf,
        limits: PoolLimits | None = None,
        judge_change: JudgeRuling = refuse_changes,
        on_expired: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """`on_expired` is called with the hash of each transaction whose not-after passed while it waited."""
        self._network = network
        self._on_expired = on_expired
        self._judge_change = judge_change
        self._keys_of = keys_of
        self._limits = limits or PoolLimits()
        self._entries: dict[bytes, _Entry] = {}
        self._turns: OrderedDict[int, dict[bytes, None]] = OrderedDict()
        self._count_of: dict[int, int] = {}
        self._expiries: list[tuple[int, bytes]] = []
        self._done: OrderedDict[bytes, None] = OrderedDict()
        self._bytes = 0
        self._asked = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of all waiting transactions."""
        return self._bytes

    @property
    def asked(self) -> int:
        """How many trades wait; any other request counts as one."""
        return self._asked

    @property
    def limits(self) -> PoolLimits:
        """What it holds at most."""
        return self._limits

    @property
    def oldest_ms(self) -> int | None:
        """Since when the oldest transaction waits; None when none does."""
        return next((entry.since_ms for entry in self._entries.values()), None)

    @property
    def accounts(self) -> int:
        """How many accounts take turns."""
        return len(self._turns)

    def waiting_of(self, transaction: Transaction) -> int:
        """How many trades of its busiest account wait."""
        return max((self._count_of.get(account, 0) for account in _accounts(transaction)), default=0)

    def add(self, transaction: Transaction, now_ms: int) -> Accepted | Rejected:
        """Check one and let it wait. Recovering a signer costs 50 us, and is cached for the block's own check."""
        data = encode((transaction,))
        if len(data) > transaction_bytes_max(transaction):
            limit = transaction_bytes_max(transaction)
            return Rejected(BaseCode.OVERSIZE, "transaction", (("bytes", len(data)), ("limit", limit)))
        key = sha256(data)
        if self.knows(key):
            return Accepted(key, known=True)
        accounts, asked = _accounts(transaction), trades_asked(transaction)
        refusal = self._check_room(accounts, len(data), asked) or self._check(transaction, now_ms)
        if refusal is not None:
            return refusal
        self._entries[key] = _Entry(transaction, len(data), asked, accounts, now_ms)
        self._turns.setdefault(accounts[0], {})[key] = None
        for account in accounts:
            self._count_of[account] = self._count_of.get(account, 0) + asked
        heapq.heappush(self._expiries, (transaction.not_after_ms, key))
        self._bytes += len(data)
        self._asked += asked
        return Accepted(key)

    def select(self, time_ms: int, bytes_max: int | None = None) -> tuple[Transaction, ...]:
        """What to propose for a block of this time: one of each account in turn, each account's in order.

        The sizes sum to at most `block_bytes_max`; with what the trades of bundles take to execute, to at most
        `bytes_max` if given. Nothing is removed. Linear in what is returned and in the number of accounts that wait.
        """
        self.expire(time_ms)
        chosen: list[Transaction] = []
        room = self._limits.block_bytes_max if bytes_max is None else min(bytes_max, self._limits.block_bytes_max)
        trades = BLOCK_TRADES_MAX
        turns = [iter(keys) for keys in self._turns.values()]
        while turns:
            again = []
            for turn in turns:
                key = next(turn, None)
                if key is None:
                    continue
                entry = self._entries[key]
                size = entry.size + further_bytes(entry.asked)
                if size > room or entry.asked > trades:
                    continue  # an account's order is kept: nothing after what did not fit
                room -= size
                trades -= entry.asked
                chosen.append(entry.transaction)
                again.append(turn)
            turns = again
        return tuple(chosen)

    def knows(self, key: bytes) -> bool:
        """Whether the transaction of this hash waits or was decided."""
        return key in self._entries or key in self._done

    def holds(self, key: bytes) -> bool:
        """Whether the transaction of this hash waits here."""
        return key in self._entries

    def remove(self, decided: Iterable[Transaction]) -> list[Hash32]:
        """Forget what a block decided, also what never waited here; its accounts go to the end of the row.

        Gives the hashes.
        """
        hashes = [transaction_hash(transaction) for transaction in decided]
        for key in hashes:
            entry = self._entries.get(key)
            if entry is not None:
                self._drop(key, entry)
                if entry.accounts[0] in self._turns:
                    self._turns.move_to_end(entry.accounts[0])
            self._done[key] = None
        if len(self._expiries) > 2 * len(self._entries) + _EXPIRIES_SLACK:
            self._expiries = [(e.transaction.not_after_ms, key) for key, e in self._entries.items()]
            heapq.heapify(self._expiries)
        while len(self._done) > DONE_MAX:
            self._done.popitem(last=False)
        return hashes

    def drop(self, keys: Iterable[bytes]) -> int:
        """Forget some that may have been decided where this node was not; how many. They may come again."""
        dropped = 0
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None:
                self._drop(key, entry)
                dropped += 1
        return dropped

    def expire(self, now_ms: int) -> int:
        """Forget what no later block can accept; how many."""
        expired = 0
        while self._expiries and self._expiries[0][0] < now_ms:
            _, key = heapq.heappop(self._expiries)
            entry = self._entries.get(key)
            if entry is not None:
                self._drop(key, entry)
                self._on_expired(key)
                expired += 1
        return expired

    def _check_room(self, accounts: tuple[int, ...], size: int, asked: int) -> Rejected | None:
        limits = self._limits
        if self._asked + asked > limits.transactions_max or self._bytes + size > limits.bytes_max:
            return Rejected(NodeCode.POOL_FULL, "mempool", (("transactions", self._asked), ("bytes", self._bytes)))
        for account in accounts:
            most = limits.per_account_max
            if account <= VALIDATORS_SLOT:
                most = CHANGES_MAX if account == VALIDATORS_SLOT else BALLOTS_MAX
            if self._count_of.get(account, 0) + asked > most:
                values = (("account", account), ("limit", most))
                return Rejected(NodeCode.POOL_ACCOUNT_LIMIT, "mempool", values)
        return None

    def _check(self, transaction: Transaction, now_ms: int) -> Rejected | None:
        not_after = transaction.not_after_ms
        if not_after < now_ms:
            return reject(ClearingCode.REQUEST_EXPIRED, "not_after_ms", not_after_ms=not_after, now_ms=now_ms)
        if isinstance(transaction, ValidatorChange):
            return self._judge_change(transaction)
        if not_after > now_ms + self._limits.ahead_ms_max:
            latest = now_ms + self._limits.ahead_ms_max
            return reject(ClearingCode.REQUEST_TOO_FAR_AHEAD, "not_after_ms", not_after_ms=not_after, latest_ms=latest)
        if isinstance(transaction, GovernanceProposal | GovernanceVote):
            return self._judge_change(transaction)
        digest = transaction.digest(self._network)
        for who in signatories(transaction):
            keys = self._keys_of(who)
            if not keys:
                return reject(_UNKNOWN.get(who.signer, ClearingCode.UNKNOWN_ACCOUNT), who.field, **_named(who))
            try:
                signer = secp256k1.recover(digest, who.signature)
            except RemoteFault:
                return reject(ClearingCode.WRONG_SIGNER, who.field, **_named(who), signature=who.signature)
            if signer not in keys:
                return reject(ClearingCode.WRONG_SIGNER, who.field, **_named(who), signer=signer)
        return None

    def _drop(self, key: bytes, entry: _Entry) -> None:
        del self._entries[key]
        self._bytes -= entry.size
        self._asked -= entry.asked
        turn = self._turns[entry.accounts[0]]
        del turn[key]
        if not turn:
            del self._turns[entry.accounts[0]]
        for account in entry.accounts:
            left = self._count_of[account] - entry.asked
            if left:
                self._count_of[account] = left
            else:
                del self._count_of[account]


def _named(who: Signatory) -> dict[str, Detail]:
    """Who should have signed, for a refusal."""
    name = SignatoryRole.ACCOUNT if who.signer is SignatoryRole.TRADER else who.signer
    return {name.value.replace(" ", "_"): who.id}


def _accounts(transaction: Transaction) -> tuple[int, ...]:
    """Whose limits a transaction counts against; a venue's own against the venue, below all accounts' ids."""
    if isinstance(transaction, ValidatorChange):
        return (VALIDATORS_SLOT,)
    if isinstance(transaction, GovernanceProposal | GovernanceVote):
        who = transaction.proposer if isinstance(transaction, GovernanceProposal) else transaction.validator
        return (VALIDATORS_SLOT - 1 - who,)
    return accounts_of(transaction) or tuple(-1 - who.id for who in signatories(transaction))
