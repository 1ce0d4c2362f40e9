"""Endpoints that lie, lag or are lost, before a real chain."""

import copy
from types import SimpleNamespace

import pytest
import trio

from bridge.codes import BridgeCode
from bridge.evm.events import DEPOSITED
from bridge.evm.hexadecimal import hex_data, hex_quantity
from bridge.rpc.endpoint import Refusal, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from clearing.base.codec import u256
from clearing.base.errors import LocalFault, RemoteFault
from tests.kit.bridge.watched_chain import Late
from tests.kit.refusals import refused
from tests.kit.until import until

pytestmark = pytest.mark.chain


def richer(call, result):
    """Receipts in which every deposit is ten times as large."""
    if call.method != "eth_getBlockReceipts" or not result:
        return result
    result = copy.deepcopy(result)
    for receipt in result:
        for log in receipt["logs"]:
            log["data"] = "0x" + u256(10_000).hex() + log["data"][66:]
    return result


def header_of_own(call, result):
    """Headers that are right but for the receipts root."""
    if call.method == "eth_getBlockByNumber" and isinstance(result, dict):
        return {**result, "receiptsRoot": "0x" + "11" * 32}
    return result


def blind(call, result):
    """No logs anywhere, as a node without an index says."""
    return [] if call.method == "eth_getLogs" else result


def chain_of_own(call, result):
    """Another hash for every block."""
    if call.method.startswith("eth_getBlockBy") and isinstance(result, dict):
        return {**result, "hash": "0x" + "22" * 32}
    return result


async def test_a_forged_log_in_a_block_without_one_is_not_told(chain, liar, watched):
    forged = {"blockNumber": hex_quantity(chain.profile.deployment_block + 2)}

    def alter(call, result):
        return [forged] if call.method == "eth_getLogs" else result

    chain.mine(10)
    w = watched(liar(alter), blooms=False)
    await w.until_quiet()
    assert w.deposits == []
    assert w.watcher.status.scanned_number == chain.final


@pytest.mark.parametrize("lie", [richer, header_of_own, blind])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_liar_of_three_changes_nothing(chain, liar, watched, lie, place):
    for nonce in range(1, 4):
        chain.deposited(nonce, amount=1_000)
        chain.mine(30)
    sources = [liar(name=f"true {index}") for index in range(3)]
    sources[place].alter = lie
    w = watched(*sources, quorum=2)
    await w.until_quiet()
    assert [(fact.nonce, fact.amount) for fact in w.deposits] == [(n, u256(1_000)) for n in (1, 2, 3)]


async def test_one_lost_of_three_changes_nothing_and_is_asked_less(chain, liar, watched):
    chain.final_deposits(1)
    sources = [liar(name=f"e{index}") for index in range(3)]
    sources[1].lost = True
    w = watched(*sources, quorum=2)
    await w.until_quiet()
    for _ in range(20):
        await w.watcher.step()
    assert w.nonces == [1]
    assert len(sources[1].asked) < len(sources[0].asked) / 3
    assert w.quorum.health[1].faults_total >= 1


async def test_one_silent_of_three_holds_nobody_up_for_long(chain, liar, watched):
    chain.final_deposits(1)
    w = watched(liar(silent=True, name="e0"), liar(name="e1"), liar(name="e2"), quorum=2)
    await w.until_quiet()
    assert w.nonces == [1]
    assert "slow" in w.quorum.health[0].last_fault
    assert w.quorum.health[1].faults_total == w.quorum.health[2].faults_total == 0


def stuck(call, result):
    """A chain that never grows."""
    if call.params[:1] in (("finalized",), ("latest",)):
        return {**result, "number": "0x0"}
    return result


def true(call, result):
    return result


def foreign(call, result):
    return "0x1" if call.method == "eth_chainId" else result


@pytest.mark.parametrize("lie", [stuck, foreign])
async def test_a_quick_liar_cannot_silence_a_slow_endpoint(chain, liar, watched, lie, monkeypatch):
    """The liar and one other are a quorum that answered, and never one that agrees."""
    monkeypatch.setattr("bridge.rpc.endpoint_set.GRACE_SECONDS", 0.01)
    chain.final_deposits(1)
    w = watched(liar(lie, name="liar"), liar(name="quick"), Late(liar(), 0.1), quorum=2)
    await w.until_quiet()
    assert w.nonces == [1]


async def test_two_lost_of_three_stop_the_chain_and_their_return_starts_it(chain, liar, watched):
    chain.final_deposits(1)
    sources = [liar() for _ in range(3)]
    sources[0].lost = sources[1].lost = True
    w = watched(*sources, quorum=2)
    with refused(BridgeCode.ENDPOINT_QUORUM_LOST):
        await w.until_quiet()
    assert w.facts == []
    sources[0].lost = False
    await w.until_quiet()
    assert w.nonces == [1]


@pytest.mark.parametrize(
    ("lies", "quorum", "code"),
    [
        pytest.param((richer,), 1, BridgeCode.RECEIPTS_ROOT_MISMATCH, id="receipts_for_their_root"),
        pytest.param((header_of_own,), 1, BridgeCode.HEADER_HASH_MISMATCH, id="a_header_for_its_hash"),
        pytest.param((foreign,), 1, BridgeCode.WRONG_CHAIN, id="another_chain"),
        pytest.param((chain_of_own, chain_of_own, true), 2, BridgeCode.HEADER_HASH_MISMATCH, id="a_quorum_of_liars"),
    ],
)
async def test_what_a_quorum_forges_is_refused(chain, liar, watched, lies, quorum, code):
    chain.final_deposits(1)
    w = watched(*map(liar, lies), quorum=quorum)
    with refused(code):
        await w.until_quiet()
    assert w.facts == []


async def test_an_endpoint_that_comes_back_is_asked_again_for_its_chain(chain, liar, watched):
    """A load balancer's other node, or a name that points elsewhere now."""
    chain.final_deposits(1)
    source = liar()
    w = watched(source, quorum=1)
    await w.until_quiet()
    source.lost = True
    with refused(BridgeCode.ENDPOINT_QUORUM_LOST):
        await w.until_quiet()
    source.lost, source.alter = False, foreign
    chain.final_deposits(2)
    with refused(BridgeCode.WRONG_CHAIN):
        await w.until_quiet()
    assert w.nonces == [1]


async def test_every_endpoint_is_asked_again_and_again_for_its_chain(chain, liar, watched, monkeypatch):
    monkeypatch.setattr("bridge.watch.watcher.CHAIN_CHECK_SECONDS", 0.0)
    chain.final_deposits(1)
    source = liar()
    w = watched(source, quorum=1)
    await w.until_quiet()
    source.alter = foreign
    chain.final_deposits(2)
    with refused(BridgeCode.WRONG_CHAIN):
        await w.until_quiet()
    assert w.nonces == [1]


async def test_three_that_differ_are_no_quorum(chain, liar):
    def own(byte):
        return lambda call, result: {**result, "hash": "0x" + byte * 32} if isinstance(result, dict) else result

    quorum = EndpointQuorum([liar(own("11")), liar(own("22")), liar()], 2)
    with refused(BridgeCode.ENDPOINTS_DISAGREE):
        await quorum.headers([0])


async def test_the_final_height_is_the_second_highest_of_three_at_a_quorum_of_two(chain, liar, watched):
    chain.mine(20)
    true = chain.final

    def stating(number):
        def alter(call, result):
            if call.params[:1] == ("finalized",):
                return {**result, "number": hex_quantity(number)}
            return result

        return alter

    quorum = EndpointQuorum([liar(stating(true + 1000)), liar(), liar(stating(3))], 2)
    tips = await quorum.tips(chain.profile.finality, 1)
    assert tips.final_number == true


async def test_a_lagging_node_is_no_evidence_of_absence(chain, liar, watched):
    """Two of three don't hold the newest blocks yet and say that there are no logs: nothing is concluded from it."""
    seen = chain.head
    chain.deposited(1)
    chain.mine(10)
    lagging = True

    def lag(call, result):
        if not lagging:
            return result
        if call.method == "eth_getLogs":
            return []
        if call.method == "eth_getBlockByNumber" and call.params[0].startswith("0x"):
            return None if int(call.params[0], 16) > seen else result
        return result

    w = watched(liar(lag), liar(lag), liar(), quorum=2, blooms=False)
    with pytest.raises(RemoteFault):
        await w.until_quiet()
    assert w.watcher.status.scanned_number <= seen
    lagging = False
    await w.until_quiet()
    assert w.nonces == [1]


async def test_a_deposit_withheld_by_all_far_behind_is_backfilled_at_the_next_nonce(chain, liar, watched):
    chain.deposited(1)
    withheld = int(chain.deposited(2)["blockNumber"], 16)
    chain.mine(200)
    hiding = True

    def hide(call, result):
        if call.method == "eth_getLogs" and hiding:
            return [log for log in result if int(log["blockNumber"], 16) != withheld]
        return result

    w = watched(liar(hide))
    await w.until_quiet()
    assert w.nonces == [1]
    chain.deposited(3)
    chain.mine(6)
    with refused(BridgeCode.NONCE_GAP):
        await w.until_quiet()
    assert w.nonces == [1]
    hiding = False
    await w.until_quiet()
    assert w.nonces == [1, 2, 3]
    assert w.deposits[1].block_number == withheld


async def test_log_ranges_are_halved_on_errors_down_to_one_block_by_hash(chain, liar, watched):
    for nonce in range(1, 8):
        chain.deposited(nonce)
        chain.mine(20)
    asked = []

    def refuse(call, result):
        if call.method != "eth_getLogs":
            return result
        query = call.params[0]
        if "blockHash" in query:
            asked.append(1)
            return result
        blocks = int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1
        asked.append(blocks)
        return Refusal(-32005, "query returned more than 10000 results") if blocks > 3 else result

    w = watched(liar(refuse))
    await w.until_quiet()
    assert w.nonces == list(range(1, 8))
    assert max(asked) > 60
    assert min(asked) <= 3
    w.watcher._scanner.chunk.blocks = 1
    numbers, _ = await w.watcher._scanner.chunk_candidates(w.deposits[0].block_number, chain.final)
    assert [header.number for header in numbers] == [w.deposits[0].block_number]


async def test_an_endpoint_that_names_blocks_without_events_is_blamed_for_it(chain, liar, watched):
    chain.deposited(1)
    chain.mine(200)

    def noisy(call, result):
        if call.method != "eth_getLogs":
            return result
        first, last = (int(call.params[0][name], 16) for name in ("fromBlock", "toBlock"))
        return [{"blockNumber": hex_quantity(number)} for number in range(first, last + 1)]

    sources = [liar(noisy), liar(), liar()]
    w = watched(*sources, quorum=2)
    await w.until_quiet()
    assert w.nonces == [1]
    assert [health.faults_total for health in w.quorum.health] == [1, 0, 0]
    assert sum(source.asked.count("eth_getBlockReceipts") for source in sources) == 1


@pytest.mark.parametrize(("endpoints", "quorum"), [(1, 0), (2, 1), (3, 1), (4, 2), (3, 4)])
def test_a_quorum_is_more_than_half(endpoints, quorum):
    with refused(BridgeCode.BAD_QUORUM, LocalFault):
        EndpointQuorum([SimpleNamespace(name="e")] * endpoints, quorum)


async def test_the_actor_waits_faults_out_and_ends_only_with_a_halt(chain, liar, watched):
    source = liar(lost=True)
    w = watched(source)
    halts = []

    async def act():
        halts.append(await w.watcher.run())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(act)
        await until(lambda: w.watcher.status.faults >= 2)
        source.lost = False
        chain.final_deposits(1)
        await until(lambda: w.nonces == [1])
        chain.emit((DEPOSITED, u256(2), u256(1), u256(1)), b"")
        chain.mine(6)
    assert halts[0].code == BridgeCode.MALFORMED_EVENT
    assert "R0615" in halts[0].reason


async def test_a_batch_may_be_refused_call_by_call(chain, endpoint):
    results = await endpoint.batch((RpcCall("eth_chainId"), RpcCall("eth_noSuchMethod")))
    assert results[0] == hex_quantity(31337)
    assert isinstance(results[1], Refusal)
    with refused(BridgeCode.ENDPOINT_REFUSED):
        await endpoint.call("eth_getBlockReceipts", hex_data(b"zz"), 1, 2)


def without_block_receipts(call, result):
    return Refusal(-32601, "the method does not exist") if call.method == "eth_getBlockReceipts" else result


def nothing_for_block_receipts(call, result):
    return None if call.method == "eth_getBlockReceipts" else result


@pytest.mark.parametrize("lack", [without_block_receipts, nothing_for_block_receipts])
async def test_receipts_come_one_by_one_where_an_endpoint_has_no_receipts_of_blocks(chain, liar, watched, lack):
    chain.rpc("evm_setAutomine", *[False])
    sent = [chain.deposit_in_next_block(nonce) for nonce in range(1, 6)]
    chain.mine()
    chain.rpc("evm_setAutomine", *[True])
    assert len({chain.receipt(hash_)["blockNumber"] for hash_ in sent}) == 1
    chain.mine(6)
    w = watched(liar(lack))
    await w.until_quiet()
    assert w.nonces == [1, 2, 3, 4, 5]
    assert w.quorum.health[0].faults_total == 0, "it lacks a method, and lies about nothing"


async def test_receipts_that_come_one_by_one_must_rebuild_the_root(chain, liar, watched):
    chain.final_deposits(1)

    def altered(call, result):
        if call.method == "eth_getTransactionReceipt":
            result = richer(RpcCall("eth_getBlockReceipts"), [result])[0]
        return without_block_receipts(call, result)

    source = liar(altered)
    w = watched(source)
    with refused(BridgeCode.RECEIPTS_ROOT_MISMATCH):
        await w.until_quiet()
    assert w.facts == []
    w = watched(source, liar(without_block_receipts), liar(without_block_receipts), quorum=2)
    await w.until_quiet()
    assert [fact.amount for fact in w.deposits] == [u256(1_000)]
