"""What a vault itself recorded since a snapshot, as its escape takes it: deposits and payments, out of its events.

Rule: the vault checks everything again, so one endpoint is enough: a lie of it only costs a refused call. Everything is
read back from the newest block, a span of blocks at a time, and little of it is kept at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.codes import BridgeCode
from bridge.contracts import escape
from bridge.contracts.escape import PAYMENTS_IN_WORD, PastDeposit, PastPayment
from bridge.evm.events import DEPOSITED, WITHDRAWN, Deposited, Withdrawn, read_event
from bridge.evm.hexadecimal import hex_data, hex_quantity, read_data, read_list, read_object, read_quantity
from bridge.evm.receipts import Log
from bridge.rpc.endpoint import Endpoint, Refusal, RpcCall
from clearing.base.errors import RemoteFault

LOGS_MAX = 20_000
"""In one answer, of which each takes little more than its bytes."""
SPAN_MOST = 10_000
"""Blocks that one request asks for; halved while the endpoint refuses or gives too much."""


@dataclass(frozen=True, slots=True)
class NumberedDeposit:
    """A deposit of the vault. `hash_after`: the rolling hash up to it."""

    nonce: int
    deposit: PastDeposit
    hash_after: bytes


@dataclass(frozen=True, slots=True)
class SentLog:
    """A log and the hash of its transaction."""

    log: Log
    transaction: bytes


class LogsBack:
    """The logs of some events of a vault, newest first, down to `first_block`."""

    def __init__(self, endpoint: Endpoint, at: bytes, topics: Sequence[bytes], first_block: int) -> None:
        self._endpoint = endpoint
        self._at = at
        self._topics = topics
        self._first_block = first_block
        self._last: int | None = None
        self._span = SPAN_MOST

    async def take(self) -> list[SentLog] | None:
        """The logs of the next span, which may be none; None: all were read. Raises RemoteFault."""
        if self._last is None:
            self._last = read_quantity(await self._endpoint.call("eth_blockNumber"), "eth_blockNumber")
        while self._last >= self._first_block:
            first = max(self._first_block, self._last - self._span + 1)
            answer = await self._asked(first, self._last)
            found = None if isinstance(answer, Refusal) else _read_logs(answer)
            if found is not None:
                self._last = first - 1
                return found[::-1]
            if self._span == 1:
                fault = RemoteFault(BridgeCode.MALFORMED_ANSWER, "eth_getLogs", block=first, limit=LOGS_MAX)
                raise answer.fault("eth_getLogs") if isinstance(answer, Refusal) else fault
            self._span //= 2
        return None

    async def _asked(self, first: int, last: int) -> object:
        wanted = {
            "address": hex_data(self._at),
            "topics": [[hex_data(topic) for topic in self._topics]],
            "fromBlock": hex_quantity(first),
            "toBlock": hex_quantity(last),
        }
        (answer,) = await self._endpoint.batch((RpcCall("eth_getLogs", (wanted,)),))
        return answer


class DepositsBack:
    """Deposits from number `newest` back, without a gap."""

    def __init__(self, endpoint: Endpoint, at: bytes, newest: int, first_block: int) -> None:
        self._logs = LogsBack(endpoint, at, (DEPOSITED,), first_block)
        self._next = newest
        self._read: list[NumberedDeposit] = []

    async def take(self, count: int) -> list[NumberedDeposit]:
        """So many of the next, newest first; fewer when that was all. Raises RemoteFault NONCE_GAP."""
        while len(self._read) < count and (logs := await self._logs.take()) is not None:
            for sent in logs:
                self._add(sent.log)
        taken, self._read = self._read[:count], self._read[count:]
        return taken

    def _add(self, log: Log) -> None:
        event = read_event(log)
        if not isinstance(event, Deposited) or event.nonce > self._next:
            return
        if event.nonce != self._next:
            raise RemoteFault(BridgeCode.NONCE_GAP, "deposits", missing=self._next, found=event.nonce)
        self._next -= 1
        deposit = PastDeposit(event.token, event.account, event.amount, event.sender)
        self._read.append(NumberedDeposit(event.nonce, deposit, event.deposits_hash))


@dataclass(frozen=True, slots=True)
class PaymentWords:
    """Payments by the word that they share, in the order in which they were made. `is_last`: there are none beyond."""

    words: dict[int, tuple[PastPayment, ...]]
    is_last: bool


async def payments_of_words(
    endpoint: Endpoint, at: bytes, first_word: int, count: int, first_block: int
) -> PaymentWords:
    """All payments of `count` words from `first_word` on. Raises RemoteFault."""
    logs = LogsBack(endpoint, at, (WITHDRAWN,), first_block)
    found: dict[int, list[PastPayment]] = {}
    newest = first_word
    while (span := await logs.take()) is not None:
        for sent in span:
            event = read_event(sent.log)
            word = event.nonce // PAYMENTS_IN_WORD if isinstance(event, Withdrawn) else 0
            if isinstance(event, Withdrawn) and first_word <= word:
                newest = max(newest, word)
                if word < first_word + count:
                    payment = PastPayment(event.nonce, event.account, event.token, event.to, event.amount)
                    found.setdefault(word, []).append(payment)
    words = {word: tuple(reversed(payments)) for word, payments in sorted(found.items())}
    return PaymentWords(words, is_last=newest < first_word + count)


def walk_call(deposits: Sequence[NumberedDeposit], hash_before: bytes) -> bytes:
    """The call that shows these deposits, which follow each other, oldest first."""
    return escape.walk_deposits_call(hash_before, [numbered.deposit for numbered in deposits])


def _read_logs(answer: object) -> list[SentLog] | None:
    """The logs of one answer, in order; None: too many. Raises RemoteFault MALFORMED_ANSWER."""
    if isinstance(answer, list) and len(answer) > LOGS_MAX:
        return None
    return [_read_log(entry) for entry in read_list(answer, "eth_getLogs", LOGS_MAX)]


def _read_log(entry: object) -> SentLog:
    fields = read_object(entry, "log")
    topics = tuple(read_data(topic, "topic", 32) for topic in read_list(fields.get("topics"), "topics", 4))
    log = Log(read_data(fields.get("address"), "address", 20), topics, read_data(fields.get("data"), "data"))
    return SentLog(log, read_data(fields.get("transactionHash"), "transactionHash", 32))
