"""Rules of what a validator attests and asks its chains: what fits an extension; nothing is lost or silenced."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.watch.cursor import FileFactStore, ScanCursor
from bridge.watch.expired_withdrawals import AT_ONCE, ExpiredWithdrawal
from bridge.watch.status import Alarm
from clearing.schema.blocks.block import (
    FACTS_MAX,
    ExpiryQuote,
    SurfaceReport,
    VoteExtension,
    decode_extension,
    encode_extension,
)
from clearing.schema.blocks.deposit_batch import read_facts, write_facts
from clearing.schema.facts import ChainHeartbeat, CustodySeen, DepositSeen, WithdrawalNotExecuted
from clearing.withdrawals.refunds import expired_withdrawals, open_withdrawals
from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import BridgeService
from node.chains.relayer_service import open_claims
from node.config import ChainConfig
from node.oracle.service import OracleService, _reportable
from node.oracle.source import Quote, ReplaySource
from node.oracle.surfaces.service import encoded_size
from tests.kit.clearing.gated import gated, not_executed
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_1, USDC_2, VAULTS
from tests.kit.clearing.world import World, deposit_seen, executed, funded
from tests.kit.until import until

QUOTES = st.builds(Quote, *[st.integers(-5, 2**70) | st.integers(-2, 40)] * 4)
LATER_MS = 62_000


class _Source:
    """It gives these answers, then fails."""

    def __init__(self, *answers: tuple[Quote, ...], error: Exception | None = None) -> None:
        self.answers, self.error = list(answers), error or OSError("no more")

    def read(self, now_ms: int) -> tuple[Quote, ...]:
        if self.answers:
            return self.answers.pop(0)
        raise self.error


class _Deaf:
    def publish(self, *_: object) -> None:
        """Nothing."""


def _oracle_of(source: _Source | ReplaySource, done: Callable[[OracleService], bool]) -> OracleService:
    """One that has read the source until this holds."""
    oracle = OracleService(source, lambda: 1_000, interval_ms=1)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(oracle.run, _Deaf(), lambda: None)
            await until(lambda: done(oracle))
            nursery.cancel_scope.cancel()

    trio.run(main)
    return oracle


@given(st.lists(QUOTES, max_size=80))
def test_whatever_a_source_says_the_own_extension_is_valid(quotes: list[Quote]) -> None:
    extension = VoteExtension(prices=tuple(_reportable(quotes, 1_000)))
    assert decode_extension(encode_extension(extension)) == extension


def test_one_absurd_quote_does_not_silence_the_others() -> None:
    quotes = (Quote(3, 5, 1, 1), Quote(1, 0, 1, 1), Quote(2, -7, 1, 1), Quote(3, 9, 1, 1))
    oracle = _oracle_of(_Source(quotes, quotes), lambda oracle: oracle.failures > 0)
    assert [(each.feed, each.ticks) for each in oracle.reports] == [(3, 5)]


@pytest.mark.parametrize("error", [OSError("disk"), ValueError("nan"), OverflowError("inf"), KeyError("column")])
def test_a_source_that_fails_leaves_the_last_prices_and_does_not_end_the_node(error: Exception) -> None:
    oracle = _oracle_of(_Source((Quote(1, 5, 1, 1),), error=error), lambda oracle: oracle.failures > 1)
    assert [each.ticks for each in oracle.reports] == [5]


def test_a_schedule_of_nonsense_is_a_failure_of_the_source_only(tmp_path: Path) -> None:
    (tmp_path / "hours.csv").write_text("unix,BTC_open,BTC_close\n0,100.0,101.0\n")
    (tmp_path / "schedule.json").write_text('{"start_ms": 0, "speed": 1e308}')
    source = ReplaySource(tmp_path / "hours.csv", tmp_path / "schedule.json")
    oracle = _oracle_of(source, lambda oracle: bool(oracle.failures or oracle.reports))
    assert oracle.failures + len(oracle.reports) >= 1


@pytest.fixture
def pool() -> AttestationPool:
    return AttestationPool(b"\x01" * 32)


@pytest.fixture
def other_pool() -> AttestationPool:
    return AttestationPool(b"\x02" * 32)


def expired(count: int) -> World:
    """So many withdrawals are out, and their time is over."""
    world = gated(check=False, give_back_expired=True)
    world.block(*(world.withdrawal(ALICE, USDC_1, DOLLAR) for _ in range(count)))
    world.block(after_ms=LATER_MS)
    return world


def bridge_of(world: World, folder: Path) -> BridgeService:
    configs = {
        chain.chain_id: ChainConfig(chain_id=chain.chain_id, name=chain.name, endpoints=("http://127.0.0.1:9",))
        for chain in world.genesis.chains
    }
    return BridgeService(world.genesis, configs, folder, AttestationPool(b"\x01" * 32))


def deposits_of(world: World, count: int) -> list[DepositSeen]:
    return [world.deposit_fact(ALICE, USDC_1, DOLLAR) for _ in range(count)]


def test_a_fact_stays_until_the_state_knows_it(pool: AttestationPool, other_pool: AttestationPool) -> None:
    world = funded()
    (deposit,) = deposits_of(world, 1)
    for each in (pool, other_pool):
        each.add(deposit)
    for _ in range(3):
        assert pool.pending(world.state) == (deposit,), "lost heights change nothing"
    world.block(facts=[deposit], attesting=1)
    assert pool.pending(world.state) == (), "the state has our word"
    assert len(pool) == 1
    assert other_pool.pending(world.state) == (deposit,), "and not yet another's"
    world.block(facts=[deposit], attesting=4)
    assert pool.pending(world.state) == ()
    assert len(pool) == 0


def test_nothing_is_attested_of_a_chain_whose_final_blocks_are_in_doubt(pool: AttestationPool) -> None:
    world = expired(1)
    deposit, other = world.deposit_fact(ALICE, USDC_1, DOLLAR), world.deposit_fact(ALICE, USDC_2, DOLLAR)
    for fact in (deposit, other, ChainHeartbeat(1, 9, bytes(32))):
        pool.add(fact)
    pool.miss(1, (not_executed(world, 0),))
    everything = pool.pending(world.state)
    pool.withhold(1, withheld=True)
    assert pool.pending(world.state) == (other,)
    pool.withhold(1, withheld=False)
    assert pool.pending(world.state) == everything


def test_what_was_seen_before_a_start_waits_until_endpoints_were_asked_again(tmp_path: Path) -> None:
    """One of them may dispute by now what the facts were read from."""
    world = funded()
    deposit = world.deposit_fact(ALICE, USDC_1, DOLLAR)
    FileFactStore(tmp_path).record(ScanCursor(1, VAULTS[1], 9, bytes(32), 1, bytes(32), (bytes(32),)), (deposit,))
    bridge = bridge_of(world, tmp_path)
    assert len(bridge._pool) == 1
    assert bridge._pool.pending(world.state) == ()
    bridge._alarmed(1, lambda: None, Alarm.BLOCKS_IN_DOUBT, "")
    assert bridge._pool.pending(world.state) == (deposit,)


def test_a_miss_is_attested_once_by_each_and_no_more_once_it_is_agreed(
    pool: AttestationPool, other_pool: AttestationPool
) -> None:
    world = expired(1)
    fact = not_executed(world, 0)
    assert pool.miss(1, (fact,))
    assert not pool.miss(1, (fact,)), "nothing new"
    for _ in range(2):
        assert pool.pending(world.state) == (fact,), "lost heights change nothing"
    world.block(facts=[fact], attesting=1)
    assert pool.pending(world.state) == ()
    world.block(facts=[fact])
    other_pool.miss(1, (fact,))
    assert other_pool.pending(world.state) == ()


def test_a_view_that_takes_a_word_back_is_the_view(pool: AttestationPool) -> None:
    world = expired(2)
    pool.miss(1, (not_executed(world, 0), not_executed(world, 1)))
    pool.miss(1, (not_executed(world, 1),))
    assert [fact.nonce for fact in pool.pending(world.state)] == [1]


def test_a_miss_is_never_taken_from_the_events(pool: AttestationPool) -> None:
    world = expired(1)
    pool.add(not_executed(world, 0))
    assert pool.pending(world.state) == ()


def test_what_was_seen_executed_of_a_withdrawal_that_was_given_back_is_not_said_for_ever(
    pool: AttestationPool,
) -> None:
    world = expired(1)
    pool.add(executed(1, 0))
    assert pool.pending(world.state) == (executed(1, 0),)
    world.block(facts=[not_executed(world, 0)])
    assert pool.pending(world.state) == ()
    assert len(pool) == 0


@pytest.mark.parametrize("misses", [0, 100])
def test_floods_of_deposits_and_of_misses_silence_nobody(pool: AttestationPool, misses: int) -> None:
    world = expired(misses)
    heartbeats = [ChainHeartbeat(chain, 41, b"\x0b" * 32) for chain in VAULTS]
    for fact in (*deposits_of(world, 500), *world.custody_facts(40), *heartbeats):
        pool.add(fact)
    pool.miss(1, tuple(not_executed(world, nonce) for nonce in range(misses)))
    facts = pool.pending(world.state)
    assert len(write_facts(facts)) <= FACTS_MAX
    kinds = {DepositSeen, CustodySeen, ChainHeartbeat}
    assert {type(each) for each in facts} == (kinds | {WithdrawalNotExecuted} if misses else kinds)
    assert misses or sum(isinstance(each, DepositSeen) for each in facts) >= FACTS_MAX // 4
    written = write_facts(facts)
    assert decode_extension(encode_extension(VoteExtension(facts=written))).facts == written
    assert set(read_facts(written)) == set(facts)


def test_a_flood_on_one_chain_delays_no_other_chain(pool: AttestationPool) -> None:
    world = expired(2)
    alone = deposit_seen(2, 1, b"t" * 20, ALICE, 1)
    for fact in (*deposits_of(world, 800), executed(1, 0), executed(2, 1), alone):
        pool.add(fact)
    facts = pool.pending(world.state)
    assert {alone, executed(1, 0), executed(2, 1)} <= set(facts)
    assert sum(fact.chain_id == 1 for fact in facts) > len(facts) // 2, "what is free is for the flood"


def test_eight_hundred_deposits_of_dust_are_agreed_on_within_a_few_blocks(pool: AttestationPool) -> None:
    world = funded()
    flood = deposits_of(world, 800)
    for fact in flood:
        pool.add(fact)
    blocks = 0
    while pending := pool.pending(world.state):
        world.block(facts=write_facts(pending))
        blocks += 1
    assert len(pool) == 0
    assert blocks <= 16


def test_deposits_that_the_state_does_not_store_yet_take_no_room(pool: AttestationPool) -> None:
    world = funded()
    cursor = world.state.deposit_cursors.get((1, VAULTS[1]))
    last = (cursor.nonce if cursor else 0) + world.genesis.market.deposit_window
    for nonce in (last, last + 1):
        pool.add(deposit_seen(1, nonce, b"t" * 20, ALICE, 1))
    assert [fact.nonce for fact in pool.pending(world.state)] == [last]


change = msgspec.structs.replace
LARGEST = ExpiryQuote(2**62 - 1, 1_000 * 10**9, -1_000_000, 100_000_000, -990_000, 2_000_000)


def largest_surface(group: int, expiries: int) -> SurfaceReport:
    quotes = tuple(change(LARGEST, expiry_ms=2**61 + each) for each in range(expiries))
    return SurfaceReport(group, 2**62, 2**32 - 1, quotes)


@given(st.integers(0, 40), st.integers(0, 40), st.booleans(), st.lists(st.integers(1, 16), max_size=2))
def test_pending_facts_always_fit_an_extension_with_all_prices_and_surfaces(
    deposits: int, block: int, large: bool, expiries: list[int]
) -> None:
    world, pool = World(check=False), AttestationPool(b"\x01" * 32)
    for nonce in range(1, deposits + 1):
        amount = 2**255 if large else 1
        pool.add(deposit_seen(1, nonce, b"t" * 20, 2**62, amount))
    for fact in world.custody_facts(4 * block):
        pool.add(fact)
    prices = tuple(_reportable([Quote(2**32 - 1 - feed, 2**62, 2**62, 2**31) for feed in range(32)], 2**62))
    surfaces = tuple(largest_surface(2**31 + at, count) for at, count in enumerate(expiries))
    facts = pool.pending(world.state, reserved=encoded_size(surfaces))
    decode_extension(encode_extension(VoteExtension(prices, write_facts(facts), surfaces)))


def test_memory_of_custody_and_heartbeats_does_not_grow(pool: AttestationPool) -> None:
    world = funded()
    for block in range(0, 4_000, 4):
        for fact in (*world.custody_facts(block), ChainHeartbeat(1, block, bytes(32))):
            pool.add(fact)
    assert len(pool._custody) == len(world.genesis.assets)
    assert len(pool._heartbeats) == 1


def test_facts_seen_before_a_restart_are_attested_after_it(tmp_path: Path, pool: AttestationPool) -> None:
    world = funded()
    facts = tuple(deposits_of(world, 2))
    cursor = ScanCursor(1, VAULTS[1], 9, bytes(32), 2, bytes(32), (bytes(32),))
    FileFactStore(tmp_path).record(cursor, facts)
    for fact in FileFactStore(tmp_path).pending(1):
        pool.add(fact)
    assert pool.pending(world.state) == facts


def test_a_node_asks_each_chain_about_its_own_and_so_many_at_once(tmp_path: Path) -> None:
    world = expired(AT_ONCE + 5)
    world.deposit(ALICE, USDC_2, DOLLAR)
    world.block(world.withdrawal(ALICE, USDC_2, DOLLAR))
    bridge = bridge_of(world, tmp_path)
    bridge.settle(world.state)
    asked = bridge._expired_of(1)
    assert [each.nonce for each in asked] == list(range(AT_ONCE))
    assert asked[0] == ExpiredWithdrawal(0, world.state.withdrawals[0].not_after_s)
    assert bridge._expired_of(2) == (), "its time is not over"
    world.block(facts=[not_executed(world, nonce) for nonce in range(8)], after_ms=LATER_MS)
    bridge.settle(world.state)
    assert [each.nonce for each in bridge._expired_of(1)] == list(range(8, AT_ONCE + 5))
    assert [each.nonce for each in bridge._expired_of(2)] == [AT_ONCE + 5]


def test_a_relayer_carries_a_claim_until_its_outcome_is_known() -> None:
    """Past its not-after too: a pause of the vault may have given it more time."""
    world = expired(20)

    def claimed() -> list[int]:
        return [claim.nonce for claim in open_claims(world.state, 1, VAULTS[1])]

    assert claimed() == list(range(20))
    world.block(facts=[not_executed(world, nonce) for nonce in range(18)])
    assert claimed() == [18, 19]
    world.block(facts=[executed(1, 18)])
    assert claimed() == [19]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=12))
def test_the_index_of_unpaid_withdrawals_finds_what_a_look_at_everything_finds(ends: list[tuple[int, bool]]) -> None:
    world, closed = expired(10), set[int]()
    for nonce, is_paid in ends:
        world.block(facts=[executed(1, nonce) if is_paid else not_executed(world, nonce)])
        closed.add(nonce)
        released = range(world.state.now.withdrawals_released)
        found = list(expired_withdrawals(world.state, 1, open_withdrawals(world.state)))
        assert found == list(expired_withdrawals(world.state, 1, released))
        assert [each for each, _ in found] == [each for each in range(10) if each not in closed]


def test_one_that_stays_open_for_ever_costs_later_blocks_nothing_but_itself() -> None:
    world = expired(1)
    for _ in range(5):
        first = world.state.now.withdrawals_released
        world.block(*(world.withdrawal(ALICE, USDC_1, DOLLAR) for _ in range(50)))
        world.block(facts=[executed(1, nonce) for nonce in range(first, first + 50)])
        assert [nonce for nonce, _ in world.state.unpaid_withdrawals.ordered()] == [0]
