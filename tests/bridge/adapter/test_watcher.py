"""The watcher on a real chain, with a contract that emits whatever the test wants."""

import pytest

from bridge.codes import BridgeCode
from bridge.evm.events import DEPOSITED, UNKNOWN_ACCOUNT
from clearing.base.codec import u256
from clearing.schema.facts import ChainHeartbeat
from tests.kit.bridge.watched_chain import CHAIN_ID
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain


async def test_a_deposit_is_told_once_its_block_is_final_and_not_before(chain, endpoint, watched):
    receipt = chain.deposited(1, account=7, amount=12345)
    w = watched(endpoint)
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


async def test_facts_come_in_the_order_of_the_chain(chain, endpoint, watched):
    chain.deposited(1)
    chain.withdrawn(9)
    chain.rpc("evm_setAutomine", *[False])
    sent = [chain.deposit_in_next_block(nonce) for nonce in range(2, 40)]
    chain.mine()
    chain.rpc("evm_setAutomine", *[True])
    assert len({chain.receipt(hash_)["blockNumber"] for hash_ in sent}) == 1
    chain.mine(6)
    w = watched(endpoint)
    await w.until_quiet()
    assert w.nonces == list(range(1, 40))
    assert [fact.nonce for fact in w.withdrawals] == [9]
    assert w.facts.index(w.withdrawals[0]) == 1


async def test_a_deposit_on_an_orphaned_block_is_never_told(chain, endpoint, watched):
    chain.mine(6)
    w = watched(endpoint)
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


async def test_a_reorg_under_the_cursor_halts_the_chain_for_good(chain, endpoint, watched):
    chain.deposited(1)
    chain.mine(8)
    w = watched(endpoint)
    await w.until_quiet()
    chain.rpc("anvil_reorg", 8, [])
    chain.mine(1)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.FINALITY_VIOLATION
    fact_count = len(w.facts)
    chain.deposited(2)
    chain.mine(12)
    await w.until_quiet()
    assert len(w.facts) == fact_count
    again = watched(endpoint)
    await again.until_quiet()
    assert again.facts == []
    assert (await again.watcher.run()).code == BridgeCode.FINALITY_VIOLATION


async def test_a_reorg_that_also_outruns_the_cursor_between_two_polls_halts_the_chain(chain, endpoint, watched):
    chain.mine(8)
    w = watched(endpoint)
    await w.until_quiet()
    chain.rpc("anvil_reorg", 8, [])
    chain.deposited(1)
    chain.mine(20)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.FINALITY_VIOLATION
    assert w.deposits == []


async def test_a_restart_tells_nothing_twice_and_loses_nothing(chain, endpoint, watched):
    nonces: list[int] = []
    nonce = 0
    for _ in range(6):
        for _ in range(3):
            nonce += 1
            chain.deposited(nonce)
        w = watched(endpoint)
        await w.until_quiet()
        nonces += w.nonces
    chain.mine(6)
    w = watched(endpoint)
    await w.until_quiet()
    assert nonces + w.nonces == list(range(1, nonce + 1))
    assert [fact.nonce for fact in w.store.pending(CHAIN_ID)] == list(range(1, nonce + 1))


async def test_facts_recorded_but_not_emitted_at_a_crash_are_pending(chain, endpoint, watched):
    chain.final_deposits(1, 2)
    w = watched(endpoint)

    async def crash(fact):
        raise KeyboardInterrupt

    w.watcher._emit = crash
    with pytest.raises(KeyboardInterrupt):
        await w.until_quiet()
    again = watched(endpoint)
    await again.until_quiet()
    assert again.nonces == []
    assert [fact.nonce for fact in again.store.pending(CHAIN_ID)] == [1, 2]
    again.store.settle(CHAIN_ID, lambda fact: fact.nonce == 1)
    assert [fact.nonce for fact in watched(endpoint).store.pending(CHAIN_ID)] == [2]


async def test_far_behind_it_catches_up_by_logs_and_then_links(chain, endpoint, watched):
    for nonce in range(1, 6):
        chain.deposited(nonce)
        chain.mine(50)
    w = watched(endpoint)
    await w.until_quiet()
    assert w.nonces == [1, 2, 3, 4, 5]
    assert w.watcher._cursor.number == chain.final
    assert w.watcher._cursor.hash_at(chain.final - 20) is not None


async def test_without_blooms_the_logs_name_the_blocks(chain, endpoint, watched):
    w = watched(endpoint, blooms=False)
    for nonce in range(1, 9):
        chain.deposited(nonce)
        await w.until_quiet()
    chain.mine(6)
    await w.until_quiet()
    assert w.nonces == list(range(1, 9))


def of_number(nonce=1, token=1, account=1):
    return DEPOSITED, u256(nonce), u256(token), u256(account)


def broken_hash(chain):
    topics, data = chain.deposit_log(1)
    return topics, data[:64] + bytes(32)


HALTS = {
    "a_used_nonce": (BridgeCode.NONCE_REPLAYED, lambda chain: [chain.deposit_log(1)] * 2),
    "a_broken_rolling_hash": (BridgeCode.DEPOSITS_HASH_MISMATCH, lambda chain: [broken_hash(chain)]),
    "too_little_data": (BridgeCode.MALFORMED_EVENT, lambda _: [(of_number(), bytes(95))]),
    "too_much_data": (BridgeCode.MALFORMED_EVENT, lambda _: [(of_number(), bytes(97))]),
    "a_nonce_out_of_range": (BridgeCode.MALFORMED_EVENT, lambda _: [(of_number(nonce=2**63), bytes(96))]),
    "a_token_out_of_range": (BridgeCode.MALFORMED_EVENT, lambda _: [(of_number(token=2**160), bytes(96))]),
    "an_account_out_of_range": (BridgeCode.MALFORMED_EVENT, lambda _: [(of_number(account=2**64), bytes(96))]),
    "a_sender_out_of_range": (BridgeCode.MALFORMED_EVENT, lambda _: [(of_number(), b"\xff" * 96)]),
}


@pytest.mark.parametrize("odd", HALTS)
async def test_an_odd_event_of_the_vault_halts_the_chain_and_crashes_nothing(chain, endpoint, watched, odd):
    code, events = HALTS[odd]
    for topics, data in events(chain):
        chain.emit(topics, data)
    chain.mine(6)
    w = watched(endpoint)
    await w.until_quiet()
    assert w.watcher.status.halt.code == code
    assert w.facts == []


async def test_an_account_out_of_range_is_told_as_the_unknown_one(chain, endpoint, watched):
    chain.final_deposits(1, account=2**64 - 1, amount=2**256 - 1)
    w = watched(endpoint)
    await w.until_quiet()
    assert w.deposits[0].account == UNKNOWN_ACCOUNT
    assert w.deposits[0].amount == u256(2**256 - 1)


async def test_events_of_other_addresses_and_topics_are_none_of_ours(chain, endpoint, watched):
    chain.deposited(1)
    other, chain.profile = chain.profile, chain.deploy_emitter()
    chain.emit((u256(1), u256(2), u256(3), u256(4)), b"\xff" * 1000)
    chain.final_deposits(1)
    w = watched(endpoint)
    await w.until_quiet()
    assert [fact.vault for fact in w.deposits] == [chain.profile.vault]
    assert other.vault != chain.profile.vault


async def test_a_gap_is_not_told_over(chain, endpoint, watched):
    chain.final_deposits(1, 3)
    w = watched(endpoint)
    with refused(BridgeCode.NONCE_GAP):
        await w.until_quiet()
    assert w.facts == []
    assert w.watcher.status.halt is None


async def test_extra_depth_holds_a_final_block_back(chain, endpoint, watched):
    chain.deposited(1)
    chain.mine(15)
    w = watched(endpoint, depth=20)
    await w.until_quiet()
    assert w.deposits == []
    chain.mine(10)
    await w.until_quiet()
    assert w.nonces == [1]


@pytest.mark.parametrize("tag", ["0x0", "0x3"])
async def test_a_final_height_that_falls_is_a_fault_and_no_sign_of_life(chain, liar, watched, tag):
    """As of an endpoint that was reset: it answers, so that nothing else shows that it says nothing."""
    chain.final_deposits(1)
    source = liar()
    w = watched(source)
    await w.until_quiet()
    reported = len(w.facts)

    def fallen(call, result):
        return {**result, "number": tag} if call.params[:1] == ("finalized",) else result

    source.alter = fallen
    chain.final_deposits(2)
    with refused(BridgeCode.FINAL_HEIGHT_FELL):
        await w.until_quiet()
    assert len(w.facts) == reported
    assert "R0647" in w.watcher.status.last_fault
    source.alter = lambda call, result: result
    await w.until_quiet()
    assert w.nonces == [1, 2]
    assert w.watcher.status.last_fault == ""
