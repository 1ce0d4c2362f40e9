"""Endpoints that contradict a quorum about a final block, on a real chain."""

from typing import Any

import pytest

from bridge.codes import BridgeCode
from bridge.evm.events import make_submission
from bridge.evm.hexadecimal import hex_quantity
from bridge.watch.submitted_events import SubmittedEventReader
from clearing.base.codec import u256
from tests.kit.bridge.forged_chain import ForgedChain, linked_branch
from tests.kit.bridge.watched_chain import Late
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain

TRUE, FORGED = u256(1_000), u256(5_000_000)


def chain_of_own(call, result):
    """Another hash for every block, which no fields lead to."""
    is_block = call.method.startswith("eth_getBlockBy") and isinstance(result, dict)
    return {**result, "hash": "0x" + "22" * 32} if is_block else result


@pytest.fixture
def forged(chain) -> ForgedChain:
    """A deposit of 1,000 that is final, and a branch in which it is 5,000,000."""
    number = int(chain.deposited(1, amount=1_000)["blockNumber"], 16)
    chain.mine(10)
    return ForgedChain(chain, number, amount=5_000_000)


def amounts(w: Any) -> list[bytes]:
    return [fact.amount for fact in w.deposits]


@pytest.mark.parametrize("honest", [0, 1, 2])
async def test_two_of_three_that_forge_one_header_credit_nothing_while_the_third_dissents(
    liar, watched, forged, honest
):
    sources = [liar(forged, name=f"e{index}") for index in range(3)]
    sources[honest] = liar(name="honest")
    w = watched(*sources, quorum=2)
    for _ in range(3):
        with refused(BridgeCode.FINAL_BLOCK_DISPUTED, at="honest"):
            await w.until_quiet()
    assert w.facts == []
    assert "R0644" in w.watcher.status.doubt
    forged.is_on = False
    await w.until_quiet()
    assert amounts(w) == [TRUE]
    assert w.watcher.status.doubt == ""


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("lie", ["a_branch", "hashes"])
async def test_one_of_three_that_forges_delays_credits_until_it_agrees(liar, watched, forged, place, lie):
    sources = [liar(name=f"e{index}") for index in range(3)]
    sources[place] = liar(forged if lie == "a_branch" else chain_of_own, name="forger")
    w = watched(*sources, quorum=2)
    with refused(BridgeCode.FINAL_BLOCK_DISPUTED, at="forger"):
        await w.until_quiet()
    assert w.facts == []
    sources[place].alter = lambda call, result: result
    await w.until_quiet()
    assert amounts(w) == [TRUE]


async def test_a_dispute_that_is_not_decided_in_time_halts_the_chain_for_good(liar, watched, forged):
    w = watched(liar(forged), liar(forged), liar(), quorum=2, dissent_seconds=0.0)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.DISPUTE_UNDECIDED
    forged.is_on = False
    again = watched(liar(), liar(), liar(), quorum=2)
    await again.until_quiet()
    assert again.facts == []
    assert again.watcher.status.halt.code == BridgeCode.DISPUTE_UNDECIDED
    assert again.watcher.status.doubt != ""


async def test_a_dissenter_that_falls_silent_has_not_agreed(liar, watched, forged):
    honest = liar(name="honest")
    w = watched(liar(forged), liar(forged), honest, quorum=2)
    with refused(BridgeCode.FINAL_BLOCK_DISPUTED):
        await w.until_quiet()
    honest.lost = True
    with refused(BridgeCode.FINAL_BLOCK_DISPUTED):
        await w.until_quiet()
    assert w.facts == []


async def test_a_slow_endpoint_is_waited_for_before_a_block_is_final(liar, watched, forged, monkeypatch):
    monkeypatch.setattr("bridge.rpc.endpoint_set.GRACE_SECONDS", 0.01)
    w = watched(liar(forged), liar(forged), Late(liar(), 0.1), quorum=2)
    for _ in range(3):
        with refused(BridgeCode.FINAL_BLOCK_DISPUTED):
            await w.until_quiet()
    assert w.facts == []


async def test_a_scan_that_is_far_behind_takes_no_disputed_block(chain, liar, watched, forged):
    """There blocks are not linked, so that a forged one may stand alone between true ones."""
    chain.mine(200)
    forged.blocks = {forged.first: forged.blocks[forged.first]}
    w = watched(liar(forged), liar(forged), liar(), quorum=2)
    with refused(BridgeCode.FINAL_BLOCK_DISPUTED):
        await w.until_quiet()
    assert w.deposits == []


async def test_a_final_block_that_was_replaced_halts_the_chain_only_if_nobody_disputes_it(chain, liar, watched):
    chain.final_deposits(1)
    sources = [liar(name=f"e{index}") for index in range(3)]
    w = watched(*sources, quorum=2)
    await w.until_quiet()
    branch = ForgedChain(chain, chain.head - 6, amount=5_000_000)
    sources[0].alter = sources[1].alter = branch
    with refused(BridgeCode.FINAL_BLOCK_DISPUTED, at="e2"):
        await w.until_quiet()
    assert w.watcher.status.halt is None
    sources[2].alter = branch
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.FINALITY_VIOLATION


@pytest.mark.parametrize("dissent_seconds", [600.0, 0.0])
async def test_an_endpoint_that_lacks_a_final_block_is_waited_for_and_not_for_ever(
    chain, liar, watched, dissent_seconds
):
    """Two that forge blocks ahead of the head are not contradicted: the third cannot have them."""
    chain.final_deposits(1)
    behind = int(chain.rpc("eth_getBlockByNumber", hex_quantity(chain.final), *[False])["number"], 16) - 1

    def lag(call, result):
        is_block = call.method == "eth_getBlockByNumber" and isinstance(result, dict)
        return None if is_block and int(result["number"], 16) > behind and call.params[0] != "finalized" else result

    w = watched(liar(), liar(), liar(lag, name="behind"), quorum=2, dissent_seconds=dissent_seconds)
    if dissent_seconds:
        with refused(BridgeCode.FINAL_BLOCK_LACKING, at="behind"):
            await w.until_quiet()
        assert w.facts == []
        behind = chain.head
    await w.until_quiet()
    assert amounts(w) == [TRUE]
    assert len(w.watcher.dissents) == (0 if dissent_seconds else 1)


async def test_a_quorum_that_takes_back_blocks_that_nobody_has_ends_its_dispute(chain, liar, watched):
    chain.final_deposits(1)
    head = chain.head
    ahead = linked_branch(chain, head + 1, head + 20, {})

    def forge(call, result):
        if call.method != "eth_getBlockByNumber":
            return result
        at = call.params[0]
        return ahead[head + 20] if at == "finalized" else ahead.get(int(at, 16), result)

    sources = [liar(forge), liar(forge), liar(name="honest")]
    w = watched(*sources, quorum=2)
    with refused(BridgeCode.FINAL_BLOCK_LACKING, at="honest"):
        await w.until_quiet()
    assert w.facts == []
    sources[0].alter = sources[1].alter = lambda call, result: result
    await w.until_quiet()
    assert amounts(w) == [TRUE]
    assert w.watcher.dissents == ()


async def test_submitted_events_of_disputed_blocks_are_refused(chain, liar, watched, forged):
    """Also those of blocks that are older than the hashes which a cursor keeps."""
    forged.is_on = False
    w = watched(liar(forged), liar(forged), liar(), quorum=2)
    await w.until_quiet()
    chain.mine(300)
    await w.until_quiet()
    forged.is_on = True
    block_hash = bytes.fromhex(forged.blocks[forged.first]["hash"][2:])
    submission = make_submission(chain.profile.chain_id, block_hash, forged.decoded, 0, 0)
    forged.blocks = {forged.first: forged.blocks[forged.first]}
    reader = SubmittedEventReader(chain.profile, w.quorum)
    fact = await reader.of_proof(submission)
    with refused(BridgeCode.FINAL_BLOCK_DISPUTED):
        await reader.check_final(fact, w.watcher.cursor)
