"""The watcher on a real chain, with a contract that emits whatever the test wants."""

from dataclasses import replace

import pytest

from bridge.codes import BridgeCode
from bridge.evm.events import DEPOSITED, UNKNOWN_ACCOUNT
from clearing.base.codec import u256
from clearing.schema.facts import ChainHeartbeat
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain


async def test_a_deposit_is_told_once_its_block_is_final_and_not_before(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    receipt = chain.deposited(1, account=7, amount=12345)
    w = watch(profile, endpoint)
    number = int(receipt["blockNumber"], 16)
    while chain.final < number:
        await w.until_quiet()
        assert w.deposits == []
        chain.mine()
    await w.until_quiet()
    (fact,) = w.deposits
    assert (fact.nonce, fact.account, fact.amount, fact.block_number) == (1, 7, u256(12345), number)
    assert fact.block_hash.hex() == receipt["blockHash"][2:]
    chain.mine(10)
    await w.until_quiet()
    assert w.nonces == [1]
    heartbeat = w.facts[-1]
    assert isinstance(heartbeat, ChainHeartbeat)
    assert heartbeat.block_number == chain.final


async def test_facts_come_in_the_order_of_the_chain(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    chain.deposited(1)
    chain.withdrawn(9)
    chain.rpc("evm_setAutomine", *[False])
    sent = [chain.deposit_in_next_block(nonce) for nonce in range(2, 40)]
    chain.mine()
    chain.rpc("evm_setAutomine", *[True])
    assert len({chain.receipt(hash_)["blockNumber"] for hash_ in sent}) == 1
    chain.mine(6)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert w.nonces == list(range(1, 40))
    assert [fact.nonce for fact in w.withdrawals] == [9]
    assert w.facts.index(w.withdrawals[0]) == 1


async def test_a_deposit_on_an_orphaned_block_is_never_told(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    chain.mine(6)
    w = watch(profile, endpoint)
    await w.until_quiet()
    orphan = chain.deposited(1, amount=5)
    assert chain.head - chain.final < 6
    await w.until_quiet()
    chain.rpc("anvil_reorg", 2, [])
    chain.mine(3)
    chain.deposited(1, amount=6)
    chain.mine(8)
    await w.until_quiet()
    assert [fact.amount for fact in w.deposits] == [u256(6)]
    assert w.deposits[0].block_hash.hex() != orphan["blockHash"][2:]
    assert w.watcher.status.halt is None


async def test_a_reorg_under_the_cursor_halts_the_chain_for_good(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    chain.deposited(1)
    chain.mine(8)
    w = watch(profile, endpoint)
    await w.until_quiet()
    chain.rpc("anvil_reorg", 8, [])
    chain.mine(1)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.FINALITY_VIOLATION
    told = len(w.facts)
    chain.deposited(2)
    chain.mine(12)
    await w.until_quiet()
    assert len(w.facts) == told
    again = watch(profile, endpoint)
    await again.until_quiet()
    assert again.facts == []
    assert (await again.watcher.run()).code == BridgeCode.FINALITY_VIOLATION


async def test_a_reorg_that_also_outruns_the_cursor_between_two_polls_halts_the_chain(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    chain.mine(8)
    w = watch(profile, endpoint)
    await w.until_quiet()
    chain.rpc("anvil_reorg", 8, [])
    chain.deposited(1)
    chain.mine(20)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.FINALITY_VIOLATION
    assert w.deposits == []


async def test_a_restart_tells_nothing_twice_and_loses_nothing(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    told: list[int] = []
    nonce = 0
    for _ in range(6):
        for _ in range(3):
            nonce += 1
            chain.deposited(nonce)
        w = watch(profile, endpoint)
        await w.until_quiet()
        told += w.nonces
    chain.mine(6)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert told + w.nonces == list(range(1, nonce + 1))
    assert [fact.nonce for fact in w.store.pending(profile.chain_id)] == list(range(1, nonce + 1))


async def test_facts_recorded_but_not_emitted_at_a_crash_are_pending(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    chain.deposited(1)
    chain.deposited(2)
    chain.mine(6)
    w = watch(profile, endpoint)

    async def crash(fact):
        raise KeyboardInterrupt

    w.watcher._emit = crash
    with pytest.raises(KeyboardInterrupt):
        await w.until_quiet()
    again = watch(profile, endpoint)
    await again.until_quiet()
    assert again.nonces == []
    assert [fact.nonce for fact in again.store.pending(profile.chain_id)] == [1, 2]
    again.store.settle(profile.chain_id, lambda fact: fact.nonce == 1)
    assert [fact.nonce for fact in watch(profile, endpoint).store.pending(profile.chain_id)] == [2]


async def test_far_behind_it_catches_up_by_logs_and_then_links(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    for nonce in range(1, 6):
        chain.deposited(nonce)
        chain.mine(50)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert w.nonces == [1, 2, 3, 4, 5]
    assert w.watcher._cursor.number == chain.final
    assert w.watcher._cursor.hash_at(chain.final - 20) is not None


async def test_without_blooms_the_logs_name_the_blocks(chain, endpoint, watch):
    profile = replace(chain.deploy_emitter(), blooms=False)
    w = watch(profile, endpoint)
    for nonce in range(1, 9):
        chain.deposited(nonce)
        await w.until_quiet()
    chain.mine(6)
    await w.until_quiet()
    assert w.nonces == list(range(1, 9))


async def test_a_used_nonce_halts_the_chain(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    chain.deposited(1)
    chain.deposited(1)
    chain.mine(6)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.NONCE_REPLAYED
    assert w.facts == []


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ((DEPOSITED, u256(1), u256(1), u256(1)), bytes(95)),
        ((DEPOSITED, u256(1), u256(1), u256(1)), bytes(97)),
        ((DEPOSITED, u256(2**63), u256(1), u256(1)), bytes(96)),
        ((DEPOSITED, u256(1), u256(2**160), u256(1)), bytes(96)),
        ((DEPOSITED, u256(1), u256(1), u256(2**64)), bytes(96)),
        ((DEPOSITED, u256(1), u256(1), u256(1)), b"\xff" * 96),
    ],
)
async def test_an_odd_event_of_the_vault_halts_the_chain_and_crashes_nothing(chain, endpoint, watch, topics, data):
    profile = chain.deploy_emitter()
    chain.emit(topics, data)
    chain.mine(6)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.MALFORMED_EVENT


async def test_an_account_out_of_range_is_told_as_the_unknown_one(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    chain.deposited(1, account=2**64 - 1, amount=2**256 - 1)
    chain.mine(6)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert w.deposits[0].account == UNKNOWN_ACCOUNT
    assert w.deposits[0].amount == u256(2**256 - 1)


async def test_events_of_other_addresses_and_topics_are_none_of_ours(chain, endpoint, watch):
    other = chain.deploy_emitter()
    chain.deposited(1)
    profile = chain.deploy_emitter()
    chain.emit((u256(1), u256(2), u256(3), u256(4)), b"\xff" * 1000)
    chain.deposited(1)
    chain.mine(6)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert [fact.vault for fact in w.deposits] == [profile.vault]
    assert other.vault != profile.vault


async def test_a_gap_is_not_told_over(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    chain.deposited(1)
    chain.deposited(3)
    chain.mine(6)
    w = watch(profile, endpoint)
    with refused(BridgeCode.NONCE_GAP):
        await w.until_quiet()
    assert w.facts == []
    assert w.watcher.status.halt is None


async def test_extra_depth_holds_a_final_block_back(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    deep = replace(profile, finality=replace(profile.finality, depth=20))
    chain.deposited(1)
    chain.mine(15)
    w = watch(deep, endpoint)
    await w.until_quiet()
    assert w.deposits == []
    chain.mine(10)
    await w.until_quiet()
    assert w.nonces == [1]


async def test_a_deposit_that_breaks_the_rolling_hash_halts_the_chain(chain, endpoint, watch):
    profile = chain.deploy_emitter()
    topics, data = chain.deposit_log(1)
    chain.emit(topics, data[:64] + bytes(32))
    chain.mine(6)
    w = watch(profile, endpoint)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.DEPOSITS_HASH_MISMATCH
    assert w.deposits == []
