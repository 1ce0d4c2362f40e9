"""Finding the vault's events in final blocks, each proven by the receipts root of a header that a quorum reported.

Rule: an event is reported only from receipts that rebuild the root. Only a log bloom in an agreed header proves the
absence of events, or, far behind, a quorum of endpoints that have the last block of the requested range.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bridge.codes import BridgeCode
from bridge.evm.events import WATCHED_TOPICS, Checkpointed, VaultEvent, read_checkpointed, read_event
from bridge.evm.header import BlockHeader, check_links, stated_identity
from bridge.evm.hexadecimal import hex_data, hex_quantity, malformed, read_list, read_object, read_quantity
from bridge.evm.receipts import LOGS_MAX, Log
from bridge.rpc.endpoint import Refusal, Result, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from bridge.watched_chain import LogRange, WatchedChain
from clearing.base.errors import RemoteFault

HEADERS_PER_REQUEST = 32


@dataclass(frozen=True, slots=True)
class ProvenLog:
    """An event of the vault with its position."""

    block: BlockHeader
    receipt_index: int
    log_index: int
    log: Log
    event: VaultEvent


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """The vault's events in one block, in order."""

    logs: list[ProvenLog]
    checkpoints: list[Checkpointed]


class ChunkSize:
    """How many blocks one `eth_getLogs` asks for: halved on any error, half as much again after each success."""

    def __init__(self, limits: LogRange) -> None:
        self.blocks = limits.start
        self._most = limits.most

    def halve(self) -> None:
        """After an error."""
        self.blocks = max(self.blocks // 2, 1)

    def grow(self) -> None:
        """After a success."""
        self.blocks = min(self.blocks + (self.blocks + 1) // 2, self._most)


class VaultScanner:
    """Reads of one vault's events on one chain. Its only state is the chunk size."""

    def __init__(self, chain: WatchedChain, quorum: EndpointQuorum) -> None:
        self._chain = chain
        self._quorum = quorum
        self.chunk = ChunkSize(chain.logs)

    async def undisputed_headers(self, first: int, last: int) -> list[BlockHeader]:
        """Undisputed headers of a range that need not be final, not checked for links."""
        return await _in_parts(self._quorum.undisputed_headers, range(first, last + 1))

    async def final_headers(self, first: int, last: int) -> list[BlockHeader]:
        """Undisputed headers of a range of final blocks, not checked for links."""
        return await _in_parts(self._quorum.final_headers, range(first, last + 1))

    async def check_anchored(self, header: BlockHeader) -> None:
        """Check that a final header links to a block that the witness proved, where one is required.

        Raises RemoteFault UNTRUSTED_BLOCK for a header that none above proves, BROKEN_PARENT_LINK, those of
        `final_headers`.
        """
        if not self._quorum.is_anchored:
            return
        anchor = self._quorum.anchor_of(header.number)
        if anchor is None:
            raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "light client", number=header.number)
        check_links([header, *await self.final_headers(header.number + 1, anchor)])

    async def candidates(self, headers: Sequence[BlockHeader]) -> list[BlockHeader]:
        """Which of these consecutive blocks may hold events of the vault."""
        if self._chain.blooms:
            return [header for header in headers if header.may_hold_log(self._chain.vault, WATCHED_TOPICS)]
        first, found = headers[0].number, set[int]()
        while first <= headers[-1].number:
            by_endpoint, first = await self._logged(first, headers[-1].number)
            found |= set().union(*by_endpoint.values())
        return [header for header in headers if header.number in found]

    async def chunk_candidates(self, first: int, last: int) -> tuple[list[BlockHeader], int]:
        """Final blocks from `first` to `last` that may hold events, and the last number that was covered."""
        by_endpoint, next_number = await self._logged(first, last)
        found = await _in_parts(self._quorum.final_headers, sorted(set().union(*by_endpoint.values())))
        if self._chain.blooms:
            empty = {header.number for header in found if not header.may_hold_log(self._chain.vault, WATCHED_TOPICS)}
            for index, named in by_endpoint.items():
                if named & empty:
                    self._quorum.blame(index, malformed("logs of a block without", min(named & empty)))
            found = [header for header in found if header.number not in empty]
        return found, next_number - 1

    async def proven_logs(self, header: BlockHeader) -> list[ProvenLog]:
        """The vault's events in one block, in order. Raises RemoteFault MALFORMED_EVENT for a proven odd one."""
        return (await self.proven(header)).logs

    async def proven(self, header: BlockHeader) -> ProvenBlock:
        """The same with the checkpoints."""
        found = ProvenBlock([], [])
        for receipt_index, receipt in enumerate(await self._quorum.receipts(header)):
            for log_index, log in enumerate(receipt.logs):
                if log.address == self._chain.vault and receipt.succeeded:
                    event, checkpoint = read_event(log), read_checkpointed(log)
                    if event is not None:
                        found.logs.append(ProvenLog(header, receipt_index, log_index, log, event))
                    if checkpoint is not None:
                        found.checkpoints.append(checkpoint)
        return found

    async def has_checkpoint(self, number: int, checkpoint: Checkpointed) -> bool:
        """Whether a final block has it: read again, linked to what a witness proved where one is required.

        Raises RemoteFault as `final_headers`, `check_anchored` and `proven_logs` do.
        """
        (header,) = await self._quorum.final_headers((number,))
        await self.check_anchored(header)
        return checkpoint in (await self.proven(header)).checkpoints

    async def _logged(self, first: int, last: int) -> tuple[dict[int, set[int]], int]:
        """(by endpoint, numbers of blocks that it reports to have events; first number that is not covered).

        Covers one chunk, halved until a quorum answers. An answer counts towards the quorum only from an endpoint that
        holds the agreed last block. Raises RemoteFault LOGS_UNAVAILABLE when a single block is too much.
        """
        while True:
            end = min(first + self.chunk.blocks - 1, last)
            header = (await self._quorum.headers((end,)))[0]
            calls = (
                RpcCall("eth_getBlockByNumber", (hex_quantity(end), False)),
                RpcCall("eth_getLogs", (self._filter(first, header),)),
            )
            try:
                by_endpoint = await self._quorum.read(
                    calls,
                    lambda results: _read_numbers(results, first, header),  # noqa: B023
                )
            except RemoteFault as fault:
                if first == end:
                    raise RemoteFault(BridgeCode.LOGS_UNAVAILABLE, "block", number=first, why=str(fault)) from None
                self.chunk.halve()
                continue
            self.chunk.grow()
            return by_endpoint, end + 1

    def _filter(self, first: int, last: BlockHeader) -> dict[str, object]:
        wanted = {"address": hex_data(self._chain.vault), "topics": [[hex_data(topic) for topic in WATCHED_TOPICS]]}
        if first == last.number:
            return {**wanted, "blockHash": hex_data(last.hash)}
        return {**wanted, "fromBlock": hex_quantity(first), "toBlock": hex_quantity(last.number)}


async def _in_parts(
    read: Callable[[Sequence[int]], Awaitable[list[BlockHeader]]], numbers: Sequence[int]
) -> list[BlockHeader]:
    found: list[BlockHeader] = []
    for start in range(0, len(numbers), HEADERS_PER_REQUEST):
        found += await read(numbers[start : start + HEADERS_PER_REQUEST])
    return found


def _read_numbers(results: list[Result], first: int, last: BlockHeader) -> set[int]:
    """Numbers of the blocks in an answer to `eth_getLogs`; the logs themselves are read from receipts."""
    block, logs = results
    if block is None or isinstance(block, Refusal) or stated_identity(block)[1] != last.hash:
        raise RemoteFault(BridgeCode.LOGS_UNAVAILABLE, "lagging", number=last.number)
    if isinstance(logs, Refusal):
        raise logs.fault("eth_getLogs")
    numbers = set()
    for item in read_list(logs, "logs", LOGS_MAX):
        number = read_quantity(read_object(item, "log").get("blockNumber"), "log.blockNumber", 63)
        if not first <= number <= last.number:
            raise malformed("log.blockNumber", number)
        numbers.add(number)
    return numbers
