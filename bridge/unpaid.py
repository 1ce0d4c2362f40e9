"""Looking back at withdrawals whose time is over: which of them the vault never paid, and never will.

Rule: told only of a time that a final block has passed, and as of the first such block, which is the same for whoever
looks. The vault itself is asked, at the newest final block: it pays nothing after a not-after and forgets no payment,
so what is unpaid now was unpaid then. On doubt nothing is told. It moves no cursor and halts no chain.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from bridge import vault
from bridge.chain import WatchedChain
from bridge.cursor import Cursor
from bridge.evm.header import BlockHeader
from bridge.evm.hexadecimal import hex_data, malformed, read_data
from bridge.quorum import EndpointQuorum
from bridge.rpc import Call, Refusal, Result
from clearing.facts import WithdrawalNotExecuted

AT_ONCE = 64
"""So many withdrawals are looked at in one view, the oldest first."""
ENDS_KEPT = 1_024


class Expired(NamedTuple):
    """A released withdrawal that nobody saw paid, and whose not-after is over by our own time."""

    nonce: int
    not_after_s: int


class UnpaidReader:
    """Keeps the first block after each not-after that it found, so that each is looked for once."""

    def __init__(self, chain: WatchedChain, quorum: EndpointQuorum) -> None:
        self._chain = chain
        self._quorum = quorum
        self._first_after: OrderedDict[int, BlockHeader] = OrderedDict()

    async def view(self, cursor: Cursor, expired: Sequence[Expired]) -> tuple[WithdrawalNotExecuted, ...]:
        """Those of `expired` that the vault cannot pay any more, by the last block scanned, and has not.

        Raises RemoteFault when endpoints fail or disagree; what was told before then stands, for it cannot change.
        """
        if not expired:
            return ()
        last = await self._header(cursor.number)
        if last.hash != cursor.hash:
            return ()  # the watcher's next step halts the chain for this
        over = [each for each in expired if each.not_after_s < last.timestamp][:AT_ONCE]
        unpaid = await self._not_paid(cursor, over)
        return tuple([self._fact(each, await self._first_block_after(each.not_after_s, last)) for each in unpaid])

    async def _not_paid(self, cursor: Cursor, over: Sequence[Expired]) -> list[Expired]:
        if not over:
            return []
        at = {"blockHash": hex_data(cursor.hash), "requireCanonical": True}
        calls = [
            Call(
                "eth_call", ({"to": hex_data(self._chain.vault), "data": hex_data(vault.is_paid_call(each.nonce))}, at)
            )
            for each in over
        ]
        paid = await self._quorum.agreed(calls, _read_flags)
        return [each for each, is_paid in zip(over, paid, strict=True) if not is_paid]

    async def _first_block_after(self, second: int, last: BlockHeader) -> BlockHeader:
        """The first block whose time is after `second`; `last` is one. Block times never run backwards."""
        found = self._first_after.get(second)
        if found is not None:
            return found
        before, after = self._chain.deployment_block - 1, last
        while after.number - before > 1:
            middle = await self._header((before + after.number) // 2)
            if middle.timestamp > second:
                after = middle
            else:
                before = middle.number
        self._first_after[second] = after
        if len(self._first_after) > ENDS_KEPT:
            self._first_after.popitem(last=False)
        return after

    async def _header(self, number: int) -> BlockHeader:
        return (await self._quorum.headers((number,)))[0]

    def _fact(self, expired: Expired, block: BlockHeader) -> WithdrawalNotExecuted:
        return WithdrawalNotExecuted(
            chain_id=self._chain.chain_id,
            vault=self._chain.vault,
            nonce=expired.nonce,
            not_after_s=expired.not_after_s,
            block_number=block.number,
            block_hash=block.hash,
            block_time_s=block.timestamp,
        )


def _read_flags(results: list[Result]) -> tuple[bool, ...]:
    return tuple(map(_read_flag, results))


def _read_flag(result: Result) -> bool:
    if isinstance(result, Refusal):
        raise result.fault("eth_call")
    value = int.from_bytes(read_data(result, "eth_call", 32), "big")
    if value > 1:
        raise malformed("isPaid", value)
    return value == 1
