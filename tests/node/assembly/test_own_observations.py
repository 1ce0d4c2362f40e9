"""Rules of what a validator attests: only what fits an extension, nothing lost, nothing silenced by a flood."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from bridge.watch.cursor import FileFactStore, ScanCursor
from clearing.base.codec import u256
from clearing.schema.blocks.block import FACTS_MAX, VoteExtension, decode_extension, encode_extension
from clearing.schema.facts import ChainHeartbeat, CustodySeen, DepositSeen, Fact
from node.chains.attestation_pool import AttestationPool
from node.oracle.service import OracleService
from node.oracle.source import Quote, ReplaySource
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_1, VAULTS
from tests.kit.clearing.world import World, funded
from tests.kit.until import until

QUOTES = st.builds(Quote, *[st.integers(-5, 2**70) | st.integers(-2, 40)] * 4)


class _Once:
    """A source that gives one answer."""

    def __init__(self, answer: Callable[[], tuple[Quote, ...]]) -> None:
        self._answer = answer
        self.asked = 0

    def read(self, now_ms: int) -> tuple[Quote, ...]:
        self.asked += 1
        return self._answer()


class _Deaf:
    def publish(self, *_: object) -> None:
        """Nothing."""


def _reports_of(answer: Callable[[], tuple[Quote, ...]]) -> OracleService:
    """After one answer, or one failure, was taken in: then the source is asked again, or the failure is counted."""
    source = _Once(answer)
    oracle = OracleService(source, lambda: 1_000, interval_ms=1)
    _run_until(oracle, lambda: source.asked > 1 or oracle.failures > 0)
    return oracle


def _run_until(oracle: OracleService, done: Callable[[], bool]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(oracle.run, _Deaf(), lambda: None)
            await until(lambda: done())
            nursery.cancel_scope.cancel()

    trio.run(main)


@given(st.lists(QUOTES, max_size=80))
def test_whatever_a_source_says_the_own_extension_is_valid(quotes: list[Quote]) -> None:
    from node.oracle.service import _reportable

    said = VoteExtension(prices=tuple(_reportable(quotes, 1_000)))
    assert decode_extension(encode_extension(said)) == said


def test_one_absurd_quote_does_not_silence_the_others() -> None:
    oracle = _reports_of(lambda: (Quote(3, 5, 1, 1), Quote(1, 0, 1, 1), Quote(2, -7, 1, 1), Quote(3, 9, 1, 1)))
    assert [(each.feed, each.ticks) for each in oracle.reports] == [(3, 5)]


@pytest.mark.parametrize("error", [OSError("disk"), ValueError("nan"), OverflowError("inf"), KeyError("column")])
def test_a_source_that_fails_leaves_the_last_prices_and_does_not_end_the_node(error: Exception) -> None:
    answers = [(Quote(1, 5, 1, 1),)]

    def answer() -> tuple[Quote, ...]:
        if answers:
            return answers.pop()
        raise error

    oracle = OracleService(_Once(answer), lambda: 1_000, interval_ms=1)
    _run_until(oracle, lambda: oracle.failures > 0)
    assert oracle.failures == 1
    assert [each.ticks for each in oracle.reports] == [5]


def test_a_schedule_of_nonsense_is_a_failure_of_the_source_only(tmp_path: Path) -> None:
    (tmp_path / "hours.csv").write_text("unix,BTC_open,BTC_close\n0,100.0,101.0\n")
    (tmp_path / "schedule.json").write_text('{"start_ms": 0, "speed": 1e308}')
    source = ReplaySource(tmp_path / "hours.csv", tmp_path / "schedule.json")
    oracle = _reports_of(lambda: source.read(1_700_000_000_000))
    assert oracle.failures + len(oracle.reports) == 1


def _deposits(world: World, count: int) -> list[DepositSeen]:
    return [world.deposit_fact(ALICE, USDC_1, DOLLAR) for _ in range(count)]


def _custody(world: World, block: int) -> list[Fact]:
    return list(world.custody_facts(block))


def test_a_fact_stays_until_the_state_knows_it() -> None:
    world, pool = funded(), AttestationPool(b"\x01" * 32)
    (deposit,) = _deposits(world, 1)
    pool.add(deposit)
    for _ in range(3):
        assert pool.pending(world.state) == (deposit,), "lost heights change nothing"
    world.block(facts=[deposit], attesting=1)
    assert pool.pending(world.state) == (), "the state has our word"
    assert len(pool) == 1
    other = AttestationPool(b"\x02" * 32)
    other.add(deposit)
    assert other.pending(world.state) == (deposit,), "and not yet another's"
    world.block(facts=[deposit], attesting=4)
    assert pool.pending(world.state) == ()
    assert len(pool) == 0


def test_a_flood_of_deposits_does_not_silence_custody_and_heartbeats() -> None:
    world, pool = funded(), AttestationPool(b"\x01" * 32)
    for deposit in _deposits(world, 500):
        pool.add(deposit)
    for fact in (*_custody(world, 40), *(ChainHeartbeat(chain, 41, b"\x0b" * 32) for chain in VAULTS)):
        pool.add(fact)
    told = pool.pending(world.state)
    assert len(told) <= FACTS_MAX
    assert {type(each) for each in told} == {DepositSeen, CustodySeen, ChainHeartbeat}
    assert sum(isinstance(each, DepositSeen) for each in told) >= FACTS_MAX // 4
    assert decode_extension(encode_extension(VoteExtension(facts=told))).facts == told


@given(st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_pending_facts_always_fit_an_extension_with_all_prices(deposits: int, block: int, large: bool) -> None:
    from node.oracle.service import _reportable

    world, pool = World(check=False), AttestationPool(b"\x01" * 32)
    for nonce in range(1, deposits + 1):
        amount = 2**255 if large else 1
        pool.add(DepositSeen(1, VAULTS[1], nonce, b"t" * 20, 2**62, u256(amount), 2**62, bytes(32), bytes(32)))
    for fact in _custody(world, 4 * block):
        pool.add(fact)
    prices = tuple(_reportable([Quote(2**32 - 1 - feed, 2**62, 2**62, 2**31) for feed in range(32)], 2**62))
    decode_extension(encode_extension(VoteExtension(prices, pool.pending(world.state))))


def test_memory_of_custody_and_heartbeats_does_not_grow() -> None:
    world, pool = funded(), AttestationPool(b"\x01" * 32)
    for block in range(0, 4_000, 4):
        for fact in _custody(world, block):
            pool.add(fact)
        pool.add(ChainHeartbeat(1, block, bytes(32)))
    assert len(pool._custody) == len(world.genesis.assets)
    assert len(pool._heartbeats) == 1


def test_facts_seen_before_a_restart_are_attested_after_it(tmp_path: Path) -> None:
    world = funded()
    deposit, later = _deposits(world, 2)
    cursor = ScanCursor(1, VAULTS[1], 9, bytes(32), 2, bytes(32), (bytes(32),))
    FileFactStore(tmp_path).record(cursor, (deposit, later))
    reopened, pool = FileFactStore(tmp_path), AttestationPool(b"\x01" * 32)
    for fact in reopened.pending(1):
        pool.add(fact)
    assert pool.pending(world.state) == (deposit, later)
