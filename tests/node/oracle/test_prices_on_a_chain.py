"""Prices in the state of a real chain: each read at one final block through the quorum of its endpoints."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

from clearing.base.errors import LocalFault
from devnet.anvil import Anvil
from node.config import ChainConfig
from node.config_oracle import ContractConfig, FeedConfig
from node.oracle.connections.live import LiveConnections
from node.oracle.contracts.reader import ContractReader, contract_price
from node.oracle.readings import E18
from node.oracle.several_sources import SeveralSources
from node.oracle.source import OracleCode, Quote
from node.oracle.source_cell import SourceCell
from tests.kit.chains import anvil, anvil_binary
from tests.kit.oracle.price_contracts import Deployed
from tests.kit.refusals import refused
from tests.kit.until import until

__all__ = ["anvil", "anvil_binary"]
pytestmark = pytest.mark.chain
PRICE_ID = "ab" * 32
ROUND = "uint80,int256,uint256,uint256"
PYTH = "bytes32,int64,int64,uint64,int32,uint256"
POOL = "uint32,int56,int56,uint160,uint160"


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Chain:
    """A chain with the contracts, and cells that are filled from it."""

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.aggregator, self.uptime, self.pyth, self.pool = (
            Deployed(chain, name) for name in ("Aggregator", "Aggregator", "Pyth", "Pool")
        )
        self.configs = {
            "chainlink": self._config("chainlink", self.aggregator, kind="chainlink", heartbeat_s=3_600),
            "rollup": self._config(
                "rollup", self.aggregator, kind="chainlink", heartbeat_s=3_600, sequencer=self.uptime.address
            ),
            "pyth": self._config("pyth", self.pyth, kind="pyth", price_id=PRICE_ID, age_ms_max=60_000),
            "average": self._config("average", self.pyth, kind="pyth-ema", price_id=PRICE_ID, age_ms_max=60_000),
            "pool": self._config("pool", self.pool, kind="uniswap-v3", window_s=3_600, base="token1"),
        }
        self.cells = {name: SourceCell(config) for name, config in self.configs.items()}
        self.settings = ChainConfig(chain_id=31337, name="anvil", endpoints=(chain.url,), profile="evm", poll_ms=50)
        self.set_all(self.now)

    def _config(self, name: str, contract: Deployed, **settings: Any) -> ContractConfig:
        return ContractConfig(feed="F", name=name, chain_id=31337, address=contract.address, poll_ms=50, **settings)

    @property
    def now(self) -> int:
        """The newest block's time."""
        return int(self.chain.rpc("eth_getBlockByNumber", "latest", *(False,))["timestamp"], 16)

    def set_all(self, at: int) -> None:
        self.aggregator.set(ROUND, (1 << 64) + 7, 200 * 10**8, at - 5, at - 5)
        self.uptime.set(ROUND, 1, 0, at - 4_000, at - 4_000)
        self.pyth.set(PYTH, bytes.fromhex(PRICE_ID), 201 * 10**8, 199 * 10**8, 3 * 10**7, -8, at)
        self.pool.set(POOL, 7_200, 0, 223_300 * 3_600, 5, 5 + (3_600 << 64))
        self.finalise()

    def finalise(self) -> None:
        """What was mined so far becomes final: anvil's `finalized` is two epochs behind its head."""
        self.chain.rpc("anvil_mine", "0x60")

    def reader(self) -> ContractReader:
        return ContractReader(self.settings, list(self.cells.values()), clock_ms)

    def prices(self) -> dict[str, int | None]:
        return {
            name: None if cell.state.reading is None else cell.state.reading.price_e18
            for name, cell in self.cells.items()
        }


@pytest.fixture
def chain(anvil: Callable[..., Anvil]) -> Chain:
    return Chain(anvil())


async def filled(chain: Chain) -> None:
    """New cells, read at a final block that includes what was set before."""
    chain.cells = {name: SourceCell(config) for name, config in chain.configs.items()}
    reader = chain.reader()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await until(
            lambda: all(cell.state.reading is not None or cell.faults for cell in chain.cells.values()), "every cell"
        )
        nursery.cancel_scope.cancel()


async def test_every_kind_is_read_at_one_final_block(chain: Chain) -> None:
    await filled(chain)
    prices = chain.prices()
    pool = prices.pop("pool")
    assert prices == {
        "chainlink": 200 * E18,
        "rollup": 200 * E18,
        "pyth": 201 * E18,
        "average": 199 * E18,
    }
    # Token1 in token0: 1.0001^-223300 with 18 and 6 decimals.
    assert pool is not None
    assert 200 * E18 < pool < 201 * E18
    reading = chain.cells["pyth"].state.reading
    assert reading is not None
    assert reading.half_width_e18 == 3 * E18 // 10


async def test_what_is_not_final_is_not_read(chain: Chain) -> None:
    chain.aggregator.set(ROUND, (1 << 64) + 8, 300 * 10**8, chain.now, chain.now)
    await filled(chain)
    assert chain.prices()["chainlink"] == 200 * E18
    chain.finalise()
    await filled(chain)
    assert chain.prices()["chainlink"] == 300 * E18


async def test_each_refusal_of_a_contract_is_its_own_and_leaves_the_others(chain: Chain) -> None:
    now = chain.now
    chain.aggregator.set(ROUND, (1 << 64) + 9, 10**18, now, now)
    chain.uptime.set(ROUND, 2, 1, now, now)
    chain.pyth.set(PYTH, bytes.fromhex(PRICE_ID), 201 * 10**8, 199 * 10**8, 3, -8, now - 500)
    chain.pool.set(POOL, 60, 0, 0, 5, 6)
    chain.finalise()
    await filled(chain)
    whys = {name: cell.state.why for name, cell in chain.cells.items()}
    assert {cell.state.fault for cell in chain.cells.values()} == {OracleCode.CONTRACT_PRICE_UNUSABLE}
    assert "at the aggregator's greatest" in whys["chainlink"]
    assert "the sequencer is down" in whys["rollup"]
    assert "reverted" in whys["pyth"]
    assert "reverted" in whys["average"]
    assert "does not remember" in whys["pool"]


async def test_an_endpoint_of_another_chain_gives_no_price(chain: Chain, anvil: Callable[..., Anvil]) -> None:
    other = anvil(31338)
    chain.settings = ChainConfig(chain_id=31337, name="anvil", endpoints=(other.url,), profile="evm")
    await filled(chain)
    assert set(chain.prices().values()) == {None}
    assert {cell.state.fault for cell in chain.cells.values()} == {OracleCode.VENUE_UNREACHABLE}


async def test_a_price_on_a_chain_is_a_source_of_a_feed_like_any_other(chain: Chain) -> None:
    feed = FeedConfig(name="F", feed=3, quorum=5, deviation_ppm_max=10_000, spread_ppm_max=10_000)
    several = SeveralSources([feed], list(chain.cells.values()))
    connections = LiveConnections(several.all_cells, (chain.settings,), clock_ms)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connections.run)
        await until(lambda: several.read(clock_ms()))
        nursery.cancel_scope.cancel()
    (quote,) = several.read(clock_ms())
    assert isinstance(quote, Quote)
    assert quote.sources == 5
    assert 19_900 <= quote.ticks <= 20_100


def test_settings_of_contracts_that_cannot_be_read_are_refused() -> None:
    address = "0x" + "11" * 20
    for settings in ({"kind": "chainlink"}, {"kind": "pyth"}):
        config = ContractConfig(feed="F", name="x", chain_id=1, address=address, **settings)  # type: ignore[arg-type]
        with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault):
            contract_price(config)
    pool = ContractConfig(feed="F", name="x", chain_id=99, address=address, kind="uniswap-v3")
    with refused(OracleCode.PRICE_SOURCE_UNUSABLE, LocalFault) as caught:
        LiveConnections([SourceCell(pool)], (), clock_ms)
    assert "chain id 99" in str(caught.value)
