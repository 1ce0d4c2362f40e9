"""Pending deposits: those in blocks that are not final yet, for the house to lend against.

Rule: a pending deposit is proven by receipts of headers that a quorum agrees on and that link to the last final block;
nonces and rolling hash continue the final ones. It may still be undone, so each view replaces the last one. Reading it
neither moves the cursor nor halts a chain.
"""

from collections import OrderedDict

from bridge.codes import BridgeCode
from bridge.evm.events import Deposited, event_fact, rolled_deposits_hash
from bridge.evm.header import BlockHeader, check_links
from bridge.rpc.quorum import EndpointQuorum
from bridge.watch.cursor import ScanCursor
from bridge.watch.scanner import ProvenLog, VaultScanner
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base.errors import RemoteFault
from clearing.schema.facts import DepositSeen, DepositSighted

AHEAD_MAX = 64
"""So many blocks beyond the final one are looked at, the oldest first."""
BLOCKS_KEPT = 4 * AHEAD_MAX


class PendingDepositReader:
    """Keeps the sightings of blocks it has read, by hash, so that each block is read once."""

    def __init__(self, chain: WatchedChain, quorum: EndpointQuorum, scanner: VaultScanner) -> None:
        self._chain = chain
        self._quorum = quorum
        self._scanner = scanner
        self._read: OrderedDict[bytes, tuple[ProvenLog, ...]] = OrderedDict()

    async def view(self, cursor: ScanCursor) -> tuple[DepositSighted, ...]:
        """Every deposit after the cursor's in the chain as a quorum reports it now, in order.

        Empty while the reported blocks do not link to the cursor, because the chain is just reorganising, and while an
        endpoint disputes one: two that forge a block must not borrow of the house. Raises RemoteFault when endpoints
        fail.
        """
        policy = FinalityPolicy(self._quorum.quorum, "latest", self._chain.sight_depth)
        head = (await self._quorum.tips(policy, cursor.number)).final_number
        last = min(head, cursor.number + AHEAD_MAX)
        if last <= cursor.number:
            return ()
        try:
            headers = await self._scanner.undisputed_headers(cursor.number + 1, last)
        except RemoteFault as fault:
            if fault.code is not BridgeCode.ENDPOINTS_DISAGREE:
                raise
            return ()
        if headers[0].parent_hash != cursor.hash:
            return ()
        check_links(headers)
        await self._read_new(headers)
        return self._continued(cursor, headers)

    async def _read_new(self, headers: list[BlockHeader]) -> None:
        new = [header for header in headers if header.hash not in self._read]
        if not new:
            return
        candidates = {header.hash for header in await self._scanner.candidates(new)}
        for header in new:
            found = tuple(await self._scanner.proven_logs(header)) if header.hash in candidates else ()
            self._read[header.hash] = found
        while len(self._read) > BLOCKS_KEPT:
            self._read.popitem(last=False)

    def _continued(self, cursor: ScanCursor, headers: list[BlockHeader]) -> tuple[DepositSighted, ...]:
        """The deposits that continue the final ones; none after the first that does not."""
        nonce, rolled = cursor.deposit_nonce, cursor.deposits_hash
        pending: list[DepositSighted] = []
        for header in headers:
            for sighting in self._read.get(header.hash, ()):
                event = sighting.event
                if not isinstance(event, Deposited):
                    continue
                nonce, rolled = nonce + 1, rolled_deposits_hash(rolled, event)
                if event.nonce != nonce or event.deposits_hash != rolled:
                    return tuple(pending)
                pending.append(self._pending_deposit(sighting))
        return tuple(pending)

    def _pending_deposit(self, sighting: ProvenLog) -> DepositSighted:
        fact = event_fact(
            self._chain.chain_id,
            sighting.log,
            sighting.event,
            sighting.block,
            sighting.receipt_index,
            sighting.log_index,
        )
        if not isinstance(fact, DepositSeen):
            raise TypeError(fact)
        return DepositSighted(
            chain_id=fact.chain_id,
            vault=fact.vault,
            nonce=fact.nonce,
            token=fact.token,
            account=fact.account,
            amount=fact.amount,
            block_number=fact.block_number,
            block_hash=fact.block_hash,
            source=fact.source,
        )
