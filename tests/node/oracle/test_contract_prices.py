"""Prices of contracts are read as their documentation and other people's records state, and refused when they must be.

The records are in `venues` under CROSSCLEAR_VECTORS.
"""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codes import BridgeCode
from clearing.base.errors import RemoteFault
from node.config import ChainConfig
from node.config_oracle import ContractConfig
from node.oracle.contracts.abi import selector, word
from node.oracle.contracts.chainlink import ChainlinkPrice, Round, check_round, check_sequencer, read_round
from node.oracle.contracts.pyth import PythPrice, reading_of
from node.oracle.contracts.reader import ContractReader
from node.oracle.contracts.uniswap import (
    UniswapPrice,
    mean_liquidity,
    mean_tick,
    observation,
    observe_call,
    price_at,
    read_observation,
)
from node.oracle.readings import E18, Reading
from node.oracle.source import OracleCode
from node.oracle.source_cell import SourceCell
from tests.kit.oracle.samples import Sample, samples
from tests.kit.refusals import refused

REFUSED = OracleCode.CONTRACT_PRICE_UNUSABLE
NOW = 1_734_390_000
PROXY, AGGREGATOR, UPTIME = (bytes(19) + bytes([n]) for n in (1, 2, 3))


def words(*numbers: int) -> bytes:
    return b"".join(word(number % 2**256) for number in numbers)


def number(text: Any) -> int:
    return int(text, 0) if isinstance(text, str) else text


def encoded(stated: dict[str, Any]) -> bytes:
    keys = ("roundId", "answer", "startedAt", "updatedAt", "answeredInRound")
    return words(*(number(stated[key]) for key in keys))


@pytest.fixture
def chainlink(vectors_dir: Path) -> dict[str, Sample]:
    return samples(vectors_dir, "chainlink")


def feed_answers(round_data: bytes, decimals: int = 8, least: int | None = 1, most: int | None = 10**20) -> Any:
    bounds = (None if least is None else words(least), None if most is None else words(most))
    return round_data, words(decimals), words(int.from_bytes(AGGREGATOR, "big")), *bounds


def chainlink_reading(round_data: bytes, now: int = NOW, **settings: Any) -> Reading | None:
    feed = ChainlinkPrice("feed", PROXY)
    answers = feed_answers(round_data, **settings)
    assert len(feed.calls()) == 3
    assert feed.read(answers[:3], now) is None
    assert [call.target for call in feed.calls()] == [PROXY] * 3 + [AGGREGATOR] * 2
    return feed.read(answers, now)


def test_recorded_rounds_are_read(chainlink: dict[str, Sample]) -> None:
    btc = encoded(chainlink["latestRoundData_btc_usd"].message)
    assert chainlink_reading(btc) == Reading(10_576_402 * E18 // 100, time_ms=1_734_389_801_000)
    usdt = encoded(chainlink["latestRoundData_usdt_eth_hex"].message)
    found = read_round(usdt, "feed")
    assert (found.phase, found.aggregator_round, found.answer) == (4, 9191, 0x1E4D0CC2AE885)
    assert chainlink_reading(usdt, decimals=18) == Reading(0x1E4D0CC2AE885, time_ms=0x6436143B * 1_000)
    abi = bytes.fromhex(chainlink["latestRoundData_abi_encoded"].message[2:])
    decoded = chainlink["latestRoundData_abi_encoded"].fields["decoded"]
    assert read_round(abi, "feed") == Round(*decoded[:4])
    assert selector("latestRoundData()").hex() == "feaf968c"


def test_recorded_rounds_that_must_be_refused_are(chainlink: dict[str, Sample]) -> None:
    outcomes = {}
    for bad in chainlink["bad_rounds_to_refuse"].message:
        try:
            reading = chainlink_reading(encoded(bad))
            assert reading is not None
            assert reading.time_ms is not None
            # A price of zero or less and an old one are the guard's to refuse.
            is_old = reading.time_ms < NOW * 1_000 - 3_700_000
            outcomes[bad["why"]] = "guard" if reading.price_e18 <= 0 or is_old else ""
        except RemoteFault as fault:
            assert fault.code is REFUSED
            outcomes[bad["why"]] = "refused"
    assert len(outcomes) == len(chainlink["bad_rounds_to_refuse"].message)
    assert set(outcomes.values()) <= {"guard", "refused"}, outcomes
    assert outcomes["round not complete"] == "refused"


@pytest.mark.parametrize(
    ("answer", "least", "most", "ok"),
    [(50, 10, 100, True), (10, 10, 100, False), (9, 10, 100, False), (100, 10, 100, False), (11, 10, 100, True)],
)
def test_an_answer_at_a_bound_of_the_aggregator_is_refused(answer: int, least: int, most: int, *, ok: bool) -> None:
    data = words(5, answer, NOW - 9, NOW - 9, 5)
    if ok:
        assert chainlink_reading(data, least=least, most=most) is not None
        return
    with refused(REFUSED):
        chainlink_reading(data, least=least, most=most)


def test_an_aggregator_without_bounds_is_read_and_a_new_one_is_asked_for_its_own() -> None:
    data = words(5, 50, NOW - 9, NOW - 9, 5)
    assert chainlink_reading(data, least=None, most=None) is not None
    feed = ChainlinkPrice("feed", PROXY)
    old, new = feed_answers(data), list(feed_answers(data))
    feed.read(old[:3], NOW)
    assert feed.read(old, NOW) is not None
    new[2] = words(9)
    assert feed.read(tuple(new), NOW) is None
    assert feed.calls()[-1].target == bytes(19) + b"\x09"


@pytest.mark.parametrize(
    "found",
    [Round(0, 1, 1, 1), Round(1, 1, 0, 1), Round(1, 1, 1, 0), Round(1, 1, NOW, NOW + 1), Round(1, 1, NOW, NOW - 1)],
)
def test_a_round_that_is_not_complete_or_of_the_future_is_refused(found: Round) -> None:
    with refused(REFUSED):
        check_round(found, NOW, "feed")


def test_a_rollups_price_does_not_count_while_the_sequencer_is_down_and_for_a_while_after(
    chainlink: dict[str, Sample],
) -> None:
    down = read_round(encoded(chainlink["sequencer_uptime_feed_down"].message), "feed")
    with refused(REFUSED) as caught:
        check_sequencer(down, NOW, 3_600, "feed")
    assert caught.value.values["why"] == "the sequencer is down"
    check_sequencer(Round(1, 0, NOW - 3_601, 1), NOW, 3_600, "feed")
    for found in (Round(1, 0, NOW - 3_600, 1), Round(1, 0, 0, 0), Round(1, 2, 1, 1)):
        with refused(REFUSED):
            check_sequencer(found, NOW, 3_600, "feed")
    feed = ChainlinkPrice("feed", PROXY, UPTIME)
    assert feed.calls()[3].target == UPTIME
    answers = feed_answers(words(5, 50, NOW - 9, NOW - 9, 5))
    with refused(REFUSED):
        feed.read((*answers[:3], words(1, 1, 5, 5, 1)), NOW)


def test_recorded_prices_of_pyth_are_read(vectors_dir: Path) -> None:
    found = samples(vectors_dir, "pyth")
    stated = found["evm_price_struct"].message["example"]
    numbers = (int(stated["price"]), int(stated["conf"]), stated["expo"], stated["publishTime"])
    price = PythPrice("feed", PROXY, bytes.fromhex(stated["id"][2:]), 60, average=False)
    (call,) = price.calls()
    assert call.data == selector("getPriceNoOlderThan(bytes32,uint256)") + bytes.fromhex(stated["id"][2:]) + word(60)
    reading = price.read((words(*numbers),), stated["publishTime"] + 5)
    assert reading == Reading(195_656_091_864 * 10**10, 87_908_136 * 10**10, time_ms=1_785_143_368_000)
    for name in ("hermes_v2_latest_recorded", "hermes_v2_latest_expo_minus5", "hermes_v2_latest_btc"):
        for feed in found[name].message["parsed"]:
            for kind in ("price", "ema_price"):
                value = feed[kind]
                read = reading_of(int(value["price"]), int(value["conf"]), value["expo"], value["publish_time"], name)
                exact = Fraction(value["price"]) * Fraction(10) ** value["expo"]
                assert Fraction(read.price_e18, E18) == exact
                assert Fraction(read.half_width_e18, E18) == Fraction(value["conf"]) * Fraction(10) ** value["expo"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        words(1, 1, -8),
        words(1, 1, -8, 0),
        words(1, 1, -39, 5),
        words(1, 1, 13, 5),
        words(2**63, 1, -8, 5),
        words(1, 2**64, -8, 5),
        words(1, 1, 2**31, 5),
        words(1, 1, -8, NOW + 1),
        words(1, 1, -8, 2**200),
    ],
)
def test_what_pyth_does_not_state_is_refused(answer: bytes | None) -> None:
    with refused(REFUSED):
        PythPrice("feed", PROXY, bytes(32), 60, average=True).read((answer,), NOW)


def observed(sample: Sample) -> bytes:
    ticks, seconds = (
        [int(text) for text in sample.message[key]] for key in ("tickCumulatives", "secondsPerLiquidityCumulativeX128s")
    )
    return words(64, 160, 2, *ticks, 2, *seconds)


@pytest.mark.parametrize(
    ("name", "decimals", "base_is_token1"),
    [
        ("observe_nvda_usdg", (6, 18), True),
        ("observe_counter_wrap", (6, 18), True),
        ("observe_spy_usdg_negative", (18, 6), False),
    ],
)
def test_recorded_observations_of_uniswap_have_the_recorded_price(
    vectors_dir: Path, name: str, decimals: tuple[int, int], *, base_is_token1: bool
) -> None:
    sample = samples(vectors_dir, "uniswap_v3")[name]
    expected = sample.fields["expected"]
    seen = read_observation(observed(sample), 3_600, "pool")
    assert mean_liquidity(seen) == int(expected["harmonic_mean_liquidity"])
    if "mean_tick_floor" in expected:
        assert mean_tick(seen, inverted=False) == expected["mean_tick_floor"]
    if "tick_token0_per_token1_floor" in expected:
        assert mean_tick(seen, inverted=True) == expected["tick_token0_per_token1_floor"]
    pool = UniswapPrice("pool", PROXY, 3_600, base_is_token1=base_is_token1)
    assert [call.data for call in pool.calls()] == [selector("token0()"), selector("token1()")]
    assert pool.read((words(7), words(8)), NOW) is None
    assert pool.calls()[2].data == observe_call(3_600)
    reading = pool.read((*map(words, decimals), observed(sample)), NOW)
    assert reading is not None
    assert reading.price_e18 // 10**10 == int(expected["price_e8"])
    assert reading.time_ms == NOW * 1_000


def test_observe_is_called_as_recorded(vectors_dir: Path) -> None:
    sample = samples(vectors_dir, "uniswap_v3")["observe_nvda_usdg"]
    assert "0x" + observe_call(3_600)[:4].hex() == sample.fields["request"]["selector"]


@given(st.integers(-(2**55), 2**55 - 1), st.integers(-(2**50), 2**50), st.integers(1, 86_400))
def test_the_mean_tick_is_rounded_toward_minus_infinity_whether_or_not_the_counter_wraps(
    begin: int, change: int, window: int
) -> None:
    end = (begin + change + 2**55) % 2**56 - 2**55
    seen = observation(begin, end, 0, 1, window)
    assert mean_tick(seen, inverted=False) == Fraction(change, window).__floor__()
    assert mean_tick(seen, inverted=True) == Fraction(-change, window).__floor__()


@given(st.integers(-20_000, 20_000), st.integers(0, 18), st.integers(0, 18))
def test_the_price_at_a_tick_is_the_power_rounded_down(tick: int, base: int, quote: int) -> None:
    exact = Fraction(10_001, 10_000) ** tick * Fraction(10) ** (base - quote) * E18
    found = price_at(tick, base, quote)
    # Rounding at each step may take one unit more, and only below a power that is nearly whole.
    assert exact.__floor__() - 1 <= found <= exact.__floor__()


@pytest.mark.parametrize("tick", [-887_272, 887_272])
def test_the_price_at_the_last_ticks_is_near_to_that_of_the_pools_own_table(tick: int) -> None:
    # TickMath's least and greatest square roots, of 96 binary places.
    root = 4_295_128_739 if tick < 0 else 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342
    stated = Fraction(root**2, 2**192) * 10**38 * E18
    assert abs(price_at(tick, 38, 0) - stated) / stated < Fraction(1, 10**9)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        words(64, 160, 2, 0, 0, 2, 0),
        words(64, 160, 2, 0, 0, 3, 0, 0),
        words(64, 160, 2, 2**55, 0, 2, 0, 0),
        words(64, 160, 2, 0, 0, 2, 0, 2**160),
        words(96, 160, 2, 0, 0, 2, 0, 0),
        words(64, 160, 2, 0, 887_273 * 60, 2, 0, 9),
    ],
)
def test_what_a_pool_does_not_state_is_refused(answer: bytes | None) -> None:
    pool = UniswapPrice("pool", PROXY, 60, base_is_token1=False)
    pool.read((words(7), words(8)), NOW)
    with refused(REFUSED):
        pool.read((words(18), words(18), answer), NOW)


def test_a_pool_without_liquidity_is_refused() -> None:
    pool = UniswapPrice("pool", PROXY, 60, base_is_token1=False, liquidity_min=2)
    pool.read((words(7), words(8)), NOW)
    still = words(64, 160, 2, 0, 0, 2, 5, 5)
    with refused(REFUSED) as caught:
        pool.read((words(18), words(18), still), NOW)
    assert caught.value.values["liquidity"] == "0"
    much = words(64, 160, 2, 0, 0, 2, 5, 6)
    assert pool.read((words(18), words(18), much), NOW) == Reading(E18, time_ms=NOW * 1_000)


@given(st.lists(st.one_of(st.none(), st.binary(max_size=300)), min_size=6, max_size=6), st.integers(0, 2**40))
def test_any_answers_are_read_or_refused(answers: list[bytes | None], now: int) -> None:
    prices: list[Any] = [
        ChainlinkPrice("a", PROXY),
        ChainlinkPrice("b", PROXY, UPTIME),
        PythPrice("c", PROXY, bytes(32), 60, average=False),
        UniswapPrice("d", PROXY, 60, base_is_token1=True),
    ]
    for price in prices:
        for _ in range(2):
            try:
                price.read(tuple(answers[: len(price.calls())]), now)
            except RemoteFault as fault:
                assert fault.code is REFUSED


class OneBadContract:
    """A quorum whose endpoints disagree on what one contract answers, and on nothing else."""

    def __init__(self, bad: bytes, block_time: int) -> None:
        self.bad, self.block_time = bad, block_time

    async def check_chain(self, _: int) -> None:
        """It is the chain."""

    async def tips(self, *_: Any) -> Any:
        return SimpleNamespace(final_number=7)

    async def final_headers(self, _: Any) -> list[Any]:
        return [SimpleNamespace(number=7, hash=bytes(32), timestamp=self.block_time)]

    async def undisputed(self, calls: Any, _: Any) -> Any:
        if any(self.bad.hex() in str(call) for call in calls):
            raise RemoteFault(BridgeCode.ENDPOINTS_DISAGREE, "eth_call")
        price = words(1 << 64 | 7, 200 * 10**8, self.block_time, self.block_time, 1 << 64 | 7)
        return feed_answers(price) if len(calls) > 1 else (words(int.from_bytes(AGGREGATOR, "big")),)


def chainlink_cell(name: str, address: bytes) -> SourceCell:
    return SourceCell(
        ContractConfig(
            feed="F", name=name, kind="chainlink", chain_id=1, address=f"0x{address.hex()}", heartbeat_s=3_600
        )
    )


async def test_a_contract_that_cannot_be_read_does_not_end_the_round_for_the_others() -> None:
    cells = [chainlink_cell("bad", PROXY), chainlink_cell("good", UPTIME)]
    chain = ChainConfig(chain_id=1, name="ethereum", endpoints=("http://127.0.0.1:9",), quorum=1)
    reader = ContractReader(chain, cells, lambda: NOW * 1_000)
    for _ in range(2):
        await reader._round(OneBadContract(PROXY, NOW))  # type: ignore[arg-type]
    bad, good = cells
    assert dict(bad.faults) == {OracleCode.VENUE_UNREACHABLE: 2}
    assert bad.state.reading is None
    assert not good.faults
    assert good.state.reading is not None
    assert good.state.reading.price_e18 == 200 * E18


async def test_when_no_contract_can_be_read_each_fails_once_and_the_pauses_grow() -> None:
    cells = [chainlink_cell("one", PROXY), chainlink_cell("other", PROXY)]
    chain = ChainConfig(chain_id=1, name="ethereum", endpoints=("http://127.0.0.1:9",), quorum=1)
    reader = ContractReader(chain, cells, lambda: NOW * 1_000)
    await reader._round(OneBadContract(PROXY, NOW))  # type: ignore[arg-type]
    assert [dict(cell.faults) for cell in cells] == [{OracleCode.VENUE_UNREACHABLE: 1}] * 2
    assert reader._pauses.failures == 1
