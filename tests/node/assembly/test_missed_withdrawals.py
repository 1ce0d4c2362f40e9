"""What a node asks its chains about, attests, and relays of withdrawals whose time is over."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.watch.expired_withdrawals import AT_ONCE, ExpiredWithdrawal
from clearing.schema.blocks.block import FACTS_MAX, VoteExtension, decode_extension, encode_extension
from clearing.schema.facts import ChainHeartbeat, CustodySeen, DepositSeen, WithdrawalNotExecuted
from clearing.withdrawals.refunds import expired_withdrawals
from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import SUBMISSIONS_WAITING, BridgeService, Submission
from node.chains.relayer_service import OpenWithdrawals, open_claims
from node.config import ChainConfig
from tests.kit.clearing.gated import gated, not_executed
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_1, USDC_2, VAULTS
from tests.kit.clearing.world import World, executed

LATER_MS = 62_000


def bridge_of(world: World, folder: Path) -> BridgeService:
    configs = {
        chain.chain_id: ChainConfig(chain_id=chain.chain_id, name=chain.name, endpoints=("http://127.0.0.1:9",))
        for chain in world.genesis.chains
    }
    return BridgeService(world.genesis, configs, folder, AttestationPool(b"\x01" * 32))


def expired(count: int = 3) -> World:
    world = gated(check=False, give_back_expired=True)
    world.block(*(world.withdrawal(ALICE, USDC_1, DOLLAR) for _ in range(count)))
    world.block(after_ms=LATER_MS)
    return world


def test_a_miss_is_attested_once_by_each_and_no_more_once_it_is_agreed() -> None:
    world, pool = expired(1), AttestationPool(b"\x01" * 32)
    fact = not_executed(world, 0)
    assert pool.miss(1, (fact,))
    assert not pool.miss(1, (fact,)), "nothing new"
    for _ in range(2):
        assert pool.pending(world.state) == (fact,), "lost heights change nothing"
    world.block(facts=[fact], attesting=1)
    assert pool.pending(world.state) == ()
    world.block(facts=[fact])
    other = AttestationPool(b"\x02" * 32)
    other.miss(1, (fact,))
    assert other.pending(world.state) == ()


def test_a_view_that_takes_a_word_back_is_the_view() -> None:
    world, pool = expired(2), AttestationPool(b"\x01" * 32)
    pool.miss(1, (not_executed(world, 0), not_executed(world, 1)))
    pool.miss(1, (not_executed(world, 1),))
    assert [fact.nonce for fact in pool.pending(world.state)] == [1]


def test_a_miss_is_never_taken_from_the_events() -> None:
    world, pool = expired(1), AttestationPool(b"\x01" * 32)
    pool.add(not_executed(world, 0))
    assert pool.pending(world.state) == ()


def test_what_was_seen_executed_of_a_withdrawal_that_was_given_back_is_not_said_for_ever() -> None:
    world, pool = expired(1), AttestationPool(b"\x01" * 32)
    pool.add(executed(1, 0))
    assert pool.pending(world.state) == (executed(1, 0),)
    world.block(facts=[not_executed(world, 0)])
    assert pool.pending(world.state) == ()
    assert len(pool) == 0


def test_floods_of_misses_and_of_deposits_silence_nobody() -> None:
    world, pool = expired(100), AttestationPool(b"\x01" * 32)
    for _ in range(200):
        pool.add(world.deposit_fact(ALICE, USDC_1, DOLLAR))
    for fact in (*world.custody_facts(40), *(ChainHeartbeat(chain, 41, b"\x0b" * 32) for chain in VAULTS)):
        pool.add(fact)
    pool.miss(1, tuple(not_executed(world, nonce) for nonce in range(100)))
    told = pool.pending(world.state)
    assert len(told) <= FACTS_MAX
    assert {type(each) for each in told} == {DepositSeen, CustodySeen, ChainHeartbeat, WithdrawalNotExecuted}
    assert decode_extension(encode_extension(VoteExtension(facts=told))).facts == told


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


def test_a_relayer_carries_no_claim_whose_time_is_over() -> None:
    world, kept = expired(20), OpenWithdrawals()

    def claimed() -> list[int]:
        kept.follow(world.state)
        return [claim.nonce for claim in open_claims(world.state, 1, kept.nonces)]

    assert claimed() == []
    world.block(world.withdrawal(ALICE, USDC_1, 5))
    assert claimed() == [20]
    last = world.state.withdrawals[20].not_after_s * 1000
    world.block(after_ms=last - world.time_ms)
    assert claimed() == [20], "the vault pays in the very second"
    world.block(after_ms=1)
    assert claimed() == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=12))
def test_what_is_kept_from_block_to_block_is_what_a_look_at_everything_finds(ends: list[tuple[int, bool]]) -> None:
    world, kept, closed = expired(10), OpenWithdrawals(), set[int]()
    for nonce, is_paid in ends:
        world.block(facts=[executed(1, nonce) if is_paid else not_executed(world, nonce)])
        closed.add(nonce)
        kept.follow(world.state)
        found = [each.nonce for each in kept.expired(world.state, 1)]
        assert found == [
            each for each, _ in expired_withdrawals(world.state, 1, range(world.state.now.withdrawals_released))
        ]
        assert found == [each for each in range(10) if each not in closed]


def test_one_that_stays_open_for_ever_costs_later_blocks_nothing_but_itself() -> None:
    world, kept = expired(1), OpenWithdrawals()
    for _ in range(5):
        first = world.state.now.withdrawals_released
        world.block(*(world.withdrawal(ALICE, USDC_1, DOLLAR) for _ in range(50)))
        world.block(facts=[executed(1, nonce) for nonce in range(first, first + 50)])
        kept.follow(world.state)
        assert kept._open == [0]


async def test_events_of_a_chain_that_is_not_watched_and_of_a_full_queue_are_not_taken(tmp_path: Path) -> None:
    """A chain is listed by vote before every node is configured for it."""
    bridge = bridge_of(gated(check=False), tmp_path)
    assert bridge.look_for(77, bytes(32)) is Submission.NOT_WATCHED
    outcomes = [bridge.look_for(1, number.to_bytes(32, "big")) for number in range(SUBMISSIONS_WAITING + 1)]
    assert set(outcomes[:-1]) == {Submission.ACCEPTED}
    assert outcomes[-1] is Submission.NO_ROOM
    assert bridge.look_for(1, bytes(32)) is Submission.KNOWN
