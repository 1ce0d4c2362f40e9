"""`TransactionService`: requests on their way from a member to every validator's pool, in signed batches.

Rule: the node that takes a request in checks it and gossips it once, in a batch under its envelope signature, which is
checked before anything else. A batch that arrives is checked request by request, as if each had been submitted here.
Nothing waits for the network. A restored node does not take for new what the blocks before its state may have decided.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import structlog
import trio

from clearing.base import ed25519
from clearing.base.codec import U63, Bytes32, Bytes64, Wire, decode, encode, u256
from clearing.base.errors import Rejected, RemoteFault
from clearing.base.hashing import tag_prefix, tagged_hash
from clearing.base.ids import Hash32, NetworkId
from clearing.governance.proposals import AdmittedRequest
from clearing.schema.blocks.transaction import TRANSACTION_BYTES_MAX, Transaction, trades_asked, transaction_hash
from member.api.submit import BATCH_TRANSACTIONS_MAX
from member.codes import NodeCode
from node.p2p.network import TOPIC_MESSAGE_BYTES, Incoming, Network, Topic
from node.pool.admission import AdmissionWindow
from node.pool.fates import Fates
from node.pool.journal import PoolJournal
from node.pool.mempool import Accepted, Mempool

BATCH_TAG = "crossclear/trade-batch/v1"
BATCH_BYTES_MAX = BATCH_TRANSACTIONS_MAX * TRANSACTION_BYTES_MAX + 256


class TradeBatch(Wire, frozen=True):
    """Transactions in the order in which `submitter` took them in.

    `sequence` rises with each batch. It is the time, in ms of its clock, at which the first of those that waited with
    them came in; where that does not rise, one more than the batch before.
    """

    submitter: Bytes32
    sequence: U63
    transactions: tuple[Transaction, ...]
    signature: Bytes64


def make_batch(network: NetworkId, secret: bytes, sequence: int, transactions: Sequence[Transaction]) -> TradeBatch:
    """Sign a batch with the node's envelope secret."""
    submitter, chosen = ed25519.public_key(secret), tuple(transactions)
    return TradeBatch(
        submitter=submitter,
        sequence=sequence,
        transactions=chosen,
        signature=ed25519.sign(secret, _signed(network, submitter, sequence, chosen)),
    )


def open_batch(network: NetworkId, data: bytes, submitters: frozenset[bytes] | None = None) -> TradeBatch:
    """Decode and check shape, submitter (one of `submitters`, if given) and envelope signature. Raises RemoteFault."""
    batch = decode(data, TradeBatch, BATCH_BYTES_MAX)
    if not 0 < len(batch.transactions) <= BATCH_TRANSACTIONS_MAX:
        raise RemoteFault(NodeCode.BATCH_SHAPE, "trade batch", transactions=len(batch.transactions))
    if submitters is not None and batch.submitter not in submitters:
        raise RemoteFault(NodeCode.BATCH_SENDER, "trade batch", submitter=batch.submitter)
    message = _signed(network, batch.submitter, batch.sequence, batch.transactions)
    if not ed25519.verify(batch.submitter, message, batch.signature):
        raise RemoteFault(NodeCode.BATCH_SENDER, "trade batch", submitter=batch.submitter, sequence=batch.sequence)
    return batch


def _signed(network: bytes, submitter: bytes, sequence: int, transactions: tuple[Transaction, ...]) -> bytes:
    body = tagged_hash(BATCH_TAG, encode(transactions))
    return b"".join((tag_prefix(BATCH_TAG), network, submitter, u256(sequence), body))


GOSSIP_TRANSACTIONS_MAX = BATCH_TRANSACTIONS_MAX
GOSSIP_BYTES_MAX = TOPIC_MESSAGE_BYTES - 256
"""A batch, with its envelope, must fit one gossip message."""

CHECKED_AT_ONCE = 4
"""Checking a request costs about 0.1 ms of the event loop: votes must not wait for a whole batch."""

CLOCKS_APART_MS = 1_000
"""How far the clocks of batching and voting nodes may differ, when a transaction is judged too old."""

log = structlog.get_logger(__name__)


class TransactionService:
    """Owns the way in. `changed` is called when the pool has something new."""

    def __init__(
        self,
        pool: Mempool,
        network: NetworkId,
        envelope_secret: bytes,
        submitters: Callable[[], frozenset[bytes]],
        clock_ms: Callable[[], int],
        changed: Callable[[], None],
        journal: PoolJournal | None = None,
        restored: bool = False,
        fates: Fates | None = None,
    ) -> None:
        """`submitters`: envelope keys of the nodes whose batches are accepted. `journal` keeps what was submitted
        door until a block has decided it; without one a crash loses it. `restored`: this node starts from a state, and
        what the blocks up to it decided is not known here. `fates` gets what the pool does not take back."""
        self._pool = pool
        self._network_id = network
        self._secret = envelope_secret
        self._own_key = ed25519.public_key(envelope_secret)
        self._submitters = submitters
        self._clock_ms = clock_ms
        self._changed = changed
        self._journal = journal
        self._fates = fates
        self._admission = AdmissionWindow(pool.limits.transactions_max)
        self._gathered: dict[bytes, int] = {}
        """What waits and was taken in here, and how many trades it asks for: against this node's part of the window."""
        self._outbox: list[Transaction] = []
        self._filled = trio.Event()
        self.refused: Counter[str] = Counter()
        """Requests submitted here and refused, by code."""
        # A restarted node must not reuse numbers, and need not remember them: time goes on.
        self._sequence = clock_ms()
        self._oldest_ms = self._sequence
        """When the first of the outbox came in."""
        self._since_ms = 0
        """What was gathered before may have been decided by a block that was never executed here."""
        self._unsure: dict[bytes, int] | None = {} if restored else None
        """While no block was executed: what only gossip brought, and when it was gathered."""

    @property
    def window(self) -> int:
        """How many trades may wait before this node refuses more; any other request counts as one."""
        return self._admission.size

    def submit(self, transaction: Transaction) -> Accepted | Rejected:
        """Submit one here. A node whose batches no peer accepts refuses: it could not keep its promise."""
        answer: Accepted | Rejected = Rejected(NodeCode.BATCH_SENDER, "submit", (("submitter", self._own_key),))
        if self._own_key in self._submitters():
            answer = self._check_admission(transaction) or self._pool.add(transaction, self._clock_ms())
        if isinstance(answer, Accepted) and self._unsure is not None:
            self._unsure.pop(answer.hash, None)
        if isinstance(answer, Accepted) and not answer.known:
            self._gathered[answer.hash] = trades_asked(transaction)
            self._offer((transaction,))
            self._changed()
        elif isinstance(answer, Rejected):
            self.refused[answer.code.label] += 1
        if self._journal is not None and isinstance(answer, Accepted) and self._pool.holds(answer.hash):
            # Also one that gossip brought before: the member gets the same answer, and the first node may not keep it.
            self._journal.take(transaction)
        return answer

    async def journaled(self) -> None:
        """Return when all that was taken in is durable: only then is its member answered."""
        if self._journal is not None:
            await self._journal.synced()

    def resume(self) -> int:
        """Offer again what an earlier run of this node took in and no block has decided; how many."""
        if self._journal is None:
            return 0
        now_ms = self._clock_ms()
        answers = [(transaction, self._pool.add(transaction, now_ms)) for transaction in self._journal.waiting]
        again = [transaction for transaction, answer in answers if isinstance(answer, Accepted) and not answer.known]
        refused = {transaction_hash(each): answer for each, answer in answers if isinstance(answer, Rejected)}
        if self._fates is not None:
            for key, refusal in refused.items():
                self._fates.dropped(key, refusal)
            # Before the journal forgets them.
            self._fates.save_ended()
        self._journal.over(refused)
        self._gathered.update((transaction_hash(transaction), trades_asked(transaction)) for transaction in again)
        self._offer(again)
        return len(again)

    def decided(self, transactions: Iterable[Transaction], time_ms: int) -> list[Hash32]:
        """A block of this time decided these. Gives their hashes."""
        if self._unsure is not None:
            self._forget_decided_before(time_ms)
        decided = tuple(transactions)
        hashes = self._pool.remove(decided)
        self._pool.expire(time_ms)
        own = sum(self._gathered.get(key, 0) for key in hashes)
        self._gathered = {key: asked for key, asked in self._gathered.items() if self._pool.holds(key)}
        self._admission.decided(sum(map(trades_asked, decided)), self._clock_ms(), self._pool.oldest_ms, own)
        if self._journal is not None:
            self._journal.over(hashes)
            self._journal.tidy(self._is_open)
        return hashes

    async def run(self, network: Network, batch_ms: int) -> None:
        """Gossip what came in, for ever: what comes within `batch_ms` of the first goes together."""
        while True:
            await self._filled.wait()
            self._filled = trio.Event()
            await trio.sleep(batch_ms / 1000)
            while self._outbox:
                chosen = fitting(self._outbox)
                del self._outbox[: len(chosen)]
                self._sequence = max(self._sequence + 1, self._oldest_ms)
                batch = make_batch(self._network_id, self._secret, self._sequence, chosen)
                network.publish(Topic.TRADES, encode(batch))

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Take in what others gossip."""
        async for message in incoming:
            try:
                batch = open_batch(self._network_id, message.data, self._submitters())
            except RemoteFault as fault:
                log.warning("trade batch refused", peer=message.sender.hex(), fault=str(fault))
                continue
            now_ms, new = self._clock_ms(), False
            for number, transaction in enumerate(batch.transactions, start=1):
                new |= self._hear(transaction, batch.sequence, now_ms)
                if number % CHECKED_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
            if new:
                # What is known or refused makes no block come sooner, however often a peer repeats it.
                self._changed()

    def _is_open(self, key: bytes) -> bool:
        """Whether a restart must find this one in the journal: it waits, or how it ended is not durable."""
        return self._pool.holds(key) or (self._fates is not None and self._fates.is_unsaved(key))

    def _check_admission(self, transaction: Transaction) -> Rejected | None:
        """Whether there is room. Changes of validators, proposals and votes are few, and a flood must not stop them."""
        if isinstance(transaction, AdmittedRequest):
            return None
        waiting = self._pool.asked
        wait_ms = self._admission.wait_ms(
            waiting,
            self._pool.waiting_of(transaction),
            self._pool.accounts,
            sum(self._gathered.values()),
            len(self._submitters()),
        )
        if not wait_ms or self._pool.knows(transaction_hash(transaction)):
            return None
        values = (("waiting", waiting), ("limit", self._admission.size), ("wait_ms", wait_ms))
        return Rejected(NodeCode.POOL_BUSY, "submit", values)

    def _hear(self, transaction: Transaction, gathered_ms: int, now_ms: int) -> bool:
        """Take in one that another node gathered; whether it is new."""
        if gathered_ms < self._since_ms:
            return False
        answer = self._pool.add(transaction, now_ms)
        new = isinstance(answer, Accepted) and not answer.known
        if new and self._unsure is not None:
            self._unsure[transaction_hash(transaction)] = gathered_ms
        return new

    def _offer(self, transactions: Sequence[Transaction]) -> None:
        if not self._outbox:
            self._oldest_ms = self._clock_ms()
        self._outbox.extend(transactions)
        self._filled.set()

    def _forget_decided_before(self, time_ms: int) -> None:
        """The first block after the state that this node started from: drop what earlier blocks may have decided.

        A block's time is when the one before it was voted on, so whatever that one or any before decided was gathered
        earlier. What was not decided is lost here only: the node that took it in still has it.
        """
        self._since_ms = time_ms + CLOCKS_APART_MS
        dropped = self._pool.drop(key for key, at_ms in (self._unsure or {}).items() if at_ms < self._since_ms)
        self._unsure = None
        if dropped:
            log.info("forgot what may have been decided before this node began", transactions=dropped)


def valid_batch_size(message: Incoming) -> bool:
    """Gossip validator: the signature is checked once, where the batch is opened."""
    return 0 < len(message.data) <= TOPIC_MESSAGE_BYTES


def fitting(waiting: Sequence[Transaction]) -> list[Transaction]:
    """The first of those that wait, as many as fit into one gossip message; at least one."""
    chosen: list[Transaction] = []
    room = GOSSIP_BYTES_MAX
    for transaction in waiting[:GOSSIP_TRANSACTIONS_MAX]:
        room -= len(encode(transaction))
        if chosen and room < 0:
            break
        chosen.append(transaction)
    return chosen
