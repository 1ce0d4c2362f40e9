"""`ContractReader`: the prices in the state of one chain, all read at one final block.

Rule: the block is final for the quorum of the chain's endpoints, every answer is that of the quorum, and an endpoint
that contradicts it makes the answer unusable: two that lie could otherwise choose the price.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import structlog
import trio

from bridge.evm.header import BlockHeader
from bridge.evm.hexadecimal import hex_data, read_data
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint, Refusal, Result, RpcCall, view_call
from bridge.rpc.quorum import EndpointQuorum
from clearing.base.errors import LocalFault, RemoteFault
from node.config import ChainConfig
from node.config_oracle import ContractConfig
from node.oracle.contracts.abi import ContractCall, ContractPrice
from node.oracle.contracts.chainlink import ChainlinkPrice
from node.oracle.contracts.pyth import PythPrice
from node.oracle.contracts.uniswap import UniswapPrice
from node.oracle.events import PriceRead
from node.oracle.pauses import Pauses
from node.oracle.readings import Reading
from node.oracle.source import OracleCode
from node.oracle.source_cell import SourceCell

ROUNDS_MAX = 3
"""Of calls at one block: a price needs two when it is new."""

log = structlog.get_logger(__name__)


class ContractReader:
    """Fills the cells of one chain. Raises LocalFault PRICE_SOURCE_UNUSABLE for settings that do not fit."""

    def __init__(self, chain: ChainConfig, cells: Sequence[SourceCell], clock_ms: Callable[[], int]) -> None:
        self._chain, self._cells, self._clock_ms = chain, tuple(cells), clock_ms
        self._profile = profile_of(chain.chain_id, chain.profile)
        self._policy = self._profile.finality(chain.quorum, chain.confirmations)
        configs = [cell.config for cell in cells if isinstance(cell.config, ContractConfig)]
        self._prices = [contract_price(config) for config in configs]
        self._poll_ms = min(config.poll_ms for config in configs)
        self._pauses = Pauses()
        self._block: BlockHeader | None = None

    async def run(self) -> None:
        """Read for ever."""
        async with AsyncExitStack() as stack:
            endpoints = [
                await stack.enter_async_context(Endpoint(url, timeout_seconds=self._chain.timeout_ms / 1000))
                for url in self._chain.endpoints
            ]
            quorum = EndpointQuorum(endpoints, self._chain.quorum, self._chain.dissent_ms / 1000, self._profile.layout)
            while True:
                wait_ms = await self._round(quorum)
                await trio.sleep(wait_ms / 1000)

    async def _round(self, quorum: EndpointQuorum) -> int:
        try:
            await quorum.check_chain(self._chain.chain_id)
            unread = await self.read_all(quorum)
        except RemoteFault as fault:
            for cell in self._cells:
                cell.failed(fault, reading_lost=False)
            return self._pause(fault)
        if unread is not None:
            return self._pause(unread)
        self._pauses.worked()
        return self._poll_ms

    def _pause(self, fault: RemoteFault) -> int:
        wait_ms = max(self._poll_ms, self._pauses.after(fault))
        log.warning("prices of a chain not read", chain=self._chain.name, fault=str(fault), again_ms=wait_ms)
        return wait_ms

    async def read_all(self, quorum: EndpointQuorum) -> RemoteFault | None:
        """Every price at the newest final block; a contract's fault is its cell's alone.

        The last fault, if no contract could be read for one that is not of its answer: then the endpoints are to blame.
        Raises RemoteFault of the block.
        """
        known = 0 if self._block is None else self._block.number
        final = max(known, (await quorum.tips(self._policy, known)).final_number)
        if self._block is None or final > known:
            (self._block,) = await quorum.final_headers((final,))
        unread: list[RemoteFault] = []
        for cell, price in zip(self._cells, self._prices, strict=True):
            try:
                reading = await self._read(quorum, price, self._block)
            except RemoteFault as fault:
                is_answer = fault.code is OracleCode.CONTRACT_PRICE_UNUSABLE
                cell.failed(fault, reading_lost=is_answer)
                log.warning("price of a contract refused", source=cell.config.name, fault=str(fault))
                if not is_answer:
                    unread.append(fault)
            else:
                cell.take((PriceRead(reading),), self._clock_ms())
        return unread[-1] if len(unread) == len(self._cells) else None

    async def _read(self, quorum: EndpointQuorum, price: ContractPrice, block: BlockHeader) -> Reading:
        for _ in range(ROUNDS_MAX):
            calls = price.calls()
            answers = await quorum.undisputed(
                [_view(call, block) for call in calls], lambda results: tuple(map(_answer, results))
            )
            reading = price.read(answers, block.timestamp)
            if reading is not None:
                return reading
        raise RemoteFault(OracleCode.CONTRACT_PRICE_UNUSABLE, self._chain.name, why="its contracts change in one block")


def _view(call: ContractCall, block: BlockHeader) -> RpcCall:
    return view_call(call.target, call.data, {"blockHash": hex_data(block.hash), "requireCanonical": True})


def _answer(result: Result) -> bytes | None:
    """None for a call that reverted: every endpoint says so of that block. Raises RemoteFault for other refusals."""
    if isinstance(result, Refusal):
        if result.is_revert:
            return None
        raise result.fault("eth_call")
    return read_data(result, "eth_call")


def contract_price(config: ContractConfig) -> ContractPrice:
    """What reads a contract's answers. Raises LocalFault PRICE_SOURCE_UNUSABLE."""
    at, address = f"{config.feed}/{config.name}", _bytes(config.address)
    if config.kind == "chainlink":
        if not config.heartbeat_s:
            raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, at, why="a feed of Chainlink needs its heartbeat_s")
        sequencer = _bytes(config.sequencer) if config.sequencer else None
        return ChainlinkPrice(at, address, sequencer, config.grace_s)
    if config.kind == "uniswap-v3":
        least = int(config.liquidity_min)
        return UniswapPrice(at, address, config.window_s, base_is_token1=config.base == "token1", liquidity_min=least)
    if not config.price_id:
        raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, at, why="a price of Pyth needs its price_id")
    age_s = max(1, config.age_ms_max // 1_000)
    return PythPrice(at, address, bytes.fromhex(config.price_id), age_s, average=config.kind == "pyth-ema")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
