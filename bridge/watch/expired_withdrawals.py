"""Expired withdrawals: which of those past their time the vault never paid, and never will.

Rule: a withdrawal is reported only when a final block has passed its deadline, and as of the first such block, which is
the same for every reader. The deadline is its not-after and what pauses of the vault add to it. The vault itself is
asked for it, and for the payment, at the newest final block: a deadline that has passed never changes, and the vault
pays nothing after it and forgets no payment, so what is unpaid now was unpaid then. In doubt, also of one endpoint,
nothing is reported. It moves no cursor and halts no chain, and reads so little at a time that the watcher never falls
behind.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.contracts import vault
from bridge.evm.header import BlockHeader
from bridge.evm.hexadecimal import hex_data, malformed, read_data
from bridge.rpc.endpoint import Refusal, Result, view_call
from bridge.rpc.quorum import EndpointQuorum
from bridge.watch.cursor import ScanCursor
from bridge.watched_chain import WatchedChain
from clearing.schema.facts import WithdrawalNotExecuted

AT_ONCE = 64
"""So many withdrawals are looked at in one view, the oldest first."""
HEADERS_PER_VIEW = 32
HEADERS_KEPT = 4_096


class ExpiredWithdrawal(NamedTuple):
    """A released withdrawal without a known payment whose not-after has passed on the own clock."""

    nonce: int
    not_after_s: int


class ExpiredWithdrawalView(NamedTuple):
    """What was found so far. Not `whole`: there is more to be read, at once."""

    unpaid: tuple[WithdrawalNotExecuted, ...]
    is_complete: bool


class ExpiredWithdrawalReader:
    """Keeps the final headers that it has read, between which it looks for the first block after a time."""

    def __init__(self, chain: WatchedChain, quorum: EndpointQuorum) -> None:
        self._chain = chain
        self._quorum = quorum
        self._times: list[tuple[int, int]] = []
        """(time, number) of the headers kept, ordered, which is by number, too."""
        self._headers: dict[int, BlockHeader] = {}
        self._reads_left = 0

    async def view(self, cursor: ScanCursor, expired: Sequence[ExpiredWithdrawal]) -> ExpiredWithdrawalView:
        """Those of `expired` that the vault cannot pay any more, by the last block scanned, and has not.

        Raises RemoteFault when endpoints fail or disagree; the last view then stands, because it cannot change.
        """
        if not expired:
            return ExpiredWithdrawalView((), is_complete=True)
        last = (await self._quorum.final_headers((cursor.number,)))[0]
        if last.hash != cursor.hash:
            return ExpiredWithdrawalView((), is_complete=True)  # the watcher's next step halts the chain for this
        self._keep(last)
        self._reads_left = HEADERS_PER_VIEW
        found: list[WithdrawalNotExecuted] = []
        over = [withdrawal for withdrawal in expired if withdrawal.not_after_s < last.timestamp][:AT_ONCE]
        unpaid = await self._not_paid(cursor, over, last.timestamp)
        for withdrawal, deadline_s in unpaid:
            first = await self._first_block_after(deadline_s, last)
            if first is not None:
                found.append(self._fact(withdrawal, first))
        return ExpiredWithdrawalView(tuple(found), is_complete=len(found) == len(unpaid))

    async def _not_paid(
        self, cursor: ScanCursor, over: Sequence[ExpiredWithdrawal], now_s: int
    ) -> list[tuple[ExpiredWithdrawal, int]]:
        """Those that were not paid and whose deadline is before `now_s`, with the deadline."""
        if not over:
            return []
        at = {"blockHash": hex_data(cursor.hash), "requireCanonical": True}
        questions = [vault.is_paid_call(withdrawal.nonce) for withdrawal in over]
        questions += [vault.deadline_call(withdrawal.not_after_s) for withdrawal in over]
        calls = [view_call(self._chain.vault, question, at) for question in questions]
        answers = await self._quorum.undisputed(calls, _read_answers)
        return [
            (withdrawal, deadline_s)
            for withdrawal, is_paid, deadline_s in zip(over, answers[: len(over)], answers[len(over) :], strict=True)
            if not is_paid and withdrawal.not_after_s <= deadline_s < now_s
        ]

    async def _first_block_after(self, second: int, last: BlockHeader) -> BlockHeader | None:
        """The first block whose time is after `second`; `last` is one. None: not found with the reads that are left.

        Block times never run backwards.
        """
        while True:
            at = bisect_right(self._times, (second, 2**63))
            before = self._times[at - 1][1] if at else self._chain.deployment_block - 1
            after = self._headers[self._times[at][1]] if at < len(self._times) else last
            if after.number - before <= 1:
                return after
            if not self._reads_left:
                return None
            self._reads_left -= 1
            self._keep((await self._quorum.final_headers(((before + after.number) // 2,)))[0])

    def _keep(self, header: BlockHeader) -> None:
        if header.number in self._headers:
            return
        if len(self._headers) >= HEADERS_KEPT:
            self._times, self._headers = [], {}
        insort(self._times, (header.timestamp, header.number))
        self._headers[header.number] = header

    def _fact(self, expired: ExpiredWithdrawal, block: BlockHeader) -> WithdrawalNotExecuted:
        return WithdrawalNotExecuted(
            chain_id=self._chain.chain_id,
            vault=self._chain.vault,
            nonce=expired.nonce,
            not_after_s=expired.not_after_s,
            block_number=block.number,
            block_hash=block.hash,
            block_time_s=block.timestamp,
        )


def _read_answers(results: list[Result]) -> tuple[int, ...]:
    """Flags of payment, then as many deadlines."""
    numbers = tuple(map(_read_number, results))
    for flag in numbers[: len(numbers) // 2]:
        if flag > 1:
            raise malformed("isPaid", flag)
    return numbers


def _read_number(result: Result) -> int:
    if isinstance(result, Refusal):
        raise result.fault("eth_call")
    return int.from_bytes(read_data(result, "eth_call", 32), "big")


@dataclass(frozen=True, slots=True)
class ExpiredWithdrawalQuery:
    """A question which expired withdrawals were not paid: what to look at, and where the view goes."""

    expired: Callable[[], Sequence[ExpiredWithdrawal]]
    publish: Callable[[tuple[WithdrawalNotExecuted, ...]], None]
