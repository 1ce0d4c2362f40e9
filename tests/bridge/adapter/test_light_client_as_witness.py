"""The endpoints forge, and the light client contradicts them: anvil, and a beacon chain that has its blocks."""

from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from bridge.beacon.beacon_endpoint import BeaconEndpoint
from bridge.beacon.light_client import BeaconClient, BeaconTrust
from bridge.beacon.light_store import BeaconStore
from bridge.codes import BridgeCode
from bridge.watch.submitted_events import SubmittedEventReader
from clearing.base.codec import u256
from tests.kit.bridge.beacon_chain import NETWORK, BeaconChain, BeaconServer, execution_header, invented
from tests.kit.bridge.forged_chain import ForgedChain
from tests.kit.bridge.watched_chain import TOKEN, calls_answered
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain

TRUE = u256(1_000)
CHECKPOINT = 1


@pytest.fixture
def forged(chain) -> ForgedChain:
    """A deposit of 1,000 that is final, and a branch in which it is 5,000,000."""
    number = int(chain.deposited(1, amount=1_000)["blockNumber"], 16)
    chain.mine(10)
    return ForgedChain(chain, number, amount=5_000_000)


@pytest.fixture
def beacon(chain, forged) -> BeaconChain:
    """The beacon chain whose blocks are anvil's, final as anvil has it."""
    made = BeaconChain(cache(lambda number: execution_header(chain.rpc("eth_getBlockByNumber", hex(number), *[False]))))
    made.final_slot = chain.final
    return made


@pytest.fixture
async def begun(beacon: BeaconChain, tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Callable]:
    """`await begun()`: a light client of the beacon chain, and of others, that has asked nothing yet."""
    opened: list[BeaconEndpoint] = []

    async def begun(*others: BeaconChain, is_required: bool = True) -> BeaconClient:
        for each in (beacon, *others):
            server = BeaconServer(each)
            await nursery.start(server.run)
            opened.append(BeaconEndpoint(server.url, NETWORK))
        trust = BeaconTrust(beacon.header(CHECKPOINT).root, is_required)
        return BeaconClient(NETWORK, opened, BeaconStore(tmp_path, 1), trust, lambda: beacon.unix_time)

    yield begun
    for endpoint in opened:
        await endpoint.aclose()


@pytest.fixture
def lit(begun: Callable) -> Callable:
    """The same, polled until nothing is new."""

    async def lit(*, is_required: bool = True) -> BeaconClient:
        light: BeaconClient = await begun(is_required=is_required)
        await settle(light)
        return light

    return lit


async def settle(light: BeaconClient) -> None:
    while await light.step():
        pass


def amounts(w: Any) -> list[bytes]:
    return [fact.amount for fact in w.deposits]


@pytest.mark.parametrize("is_required", [True, False], ids=["required", "witness"])
@pytest.mark.parametrize("third", ["lost", "forges"])
async def test_a_quorum_that_forges_credits_nothing_while_the_light_client_dissents(
    liar, watched, forged, lit, third, is_required
):
    sources = [liar(forged, name=f"e{index}") for index in range(3)]
    sources[2].lost = third == "lost"
    w = watched(*sources, quorum=2, witness=await lit(is_required=is_required))
    for _ in range(3):
        with refused(BridgeCode.FINAL_BLOCK_DISPUTED, at="light client"):
            await w.until_quiet()
    assert w.facts == []
    assert w.watcher.status.doubt != ""
    assert [dissent.endpoint for dissent in w.watcher.dissents] == ["light client"]
    forged.is_on, sources[2].lost = False, False
    await w.until_quiet()
    assert amounts(w) == [TRUE]
    assert w.watcher.dissents == ()


async def test_a_dispute_with_the_light_client_that_is_not_decided_halts_the_chain(liar, watched, forged, lit):
    w = watched(liar(forged), liar(forged), quorum=2, dissent_seconds=0.0, witness=await lit())
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.DISPUTE_UNDECIDED
    assert w.facts == []


async def test_nothing_above_a_required_light_client_is_final(chain, liar, watched, beacon, lit):
    light = await lit()
    chain.final_deposits(2)
    w = watched(liar(), witness=light)
    await w.until_quiet()
    assert w.nonces == [1]
    assert w.watcher.status.final_number == light.newest < chain.final
    beacon.final_slot = chain.final
    await settle(light)
    await w.until_quiet()
    assert w.nonces == [1, 2]


async def test_a_witness_that_is_behind_delays_nothing(chain, liar, watched, lit):
    light = await lit(is_required=False)
    chain.final_deposits(2)
    w = watched(liar(), witness=light)
    await w.until_quiet()
    assert w.nonces == [1, 2]


async def test_a_forged_block_that_stands_alone_far_behind_is_not_linked_to_the_proven_one(
    chain, liar, watched, forged, beacon, lit
):
    """Without a required light client, headers so far behind are not linked."""
    chain.mine(200)
    beacon.final_slot = chain.final
    forged.blocks = {forged.first: forged.blocks[forged.first]}
    w = watched(liar(forged), liar(forged), quorum=2, witness=await lit())
    with refused(BridgeCode.BROKEN_PARENT_LINK):
        await w.until_quiet()
    assert w.facts == []
    forged.is_on = False
    await w.until_quiet()
    assert amounts(w) == [TRUE]


async def test_a_required_light_client_that_proved_nothing_lets_nothing_be_final(liar, watched, begun):
    light = await begun()
    w = watched(liar(), witness=light)
    with refused(BridgeCode.LIGHT_CLIENT_BEHIND, at="light client"):
        await w.until_quiet()
    assert w.facts == []
    await settle(light)
    await w.until_quiet()
    assert amounts(w) == [TRUE]


async def test_two_proven_branches_halt_the_chain(liar, watched, beacon, begun):
    other = BeaconChain(invented)
    other.final_slot = beacon.final_slot
    light = await begun(other)
    with refused(BridgeCode.LIGHT_CLIENT_CONFLICT):
        await settle(light)
    w = watched(liar(), witness=light)
    await w.until_quiet()
    assert w.watcher.status.halt.code == BridgeCode.LIGHT_CLIENT_CONFLICT
    assert w.watcher.status.doubt != ""
    assert w.facts == []


async def test_a_witness_that_comes_later_stops_what_was_already_read(liar, watched, forged, begun):
    """Without `required` blocks do not wait for it; what was attested of them is then in doubt."""
    light = await begun(is_required=False)
    w = watched(liar(forged), liar(forged), quorum=2, witness=light)
    await w.until_quiet()
    assert amounts(w) == [u256(5_000_000)]
    await settle(light)
    with refused(BridgeCode.FINAL_BLOCK_DISPUTED, at="light client"):
        await w.until_quiet()
    assert w.watcher.status.doubt != ""


async def test_a_submitted_event_in_an_old_forged_block_is_not_linked_to_a_proven_one(
    chain, liar, watched, forged, beacon, lit
):
    """Older than the cursor's hashes, such a block is known to endpoints only."""
    chain.mine(200)
    beacon.final_slot = chain.final
    sources = [liar(), liar()]
    w = watched(*sources, quorum=2, witness=await lit())
    await w.until_quiet()
    cursor, (fact,) = w.watcher.cursor, w.deposits
    reader = SubmittedEventReader(w.watcher.chain, w.quorum)
    await reader.check_final(fact, cursor)
    forged.blocks = {forged.first: forged.blocks[forged.first]}
    sources[0].alter = sources[1].alter = forged
    forgery = bytes.fromhex(forged.blocks[forged.first]["hash"][2:])
    with refused(BridgeCode.BROKEN_PARENT_LINK):
        await reader.check_final(msgspec.structs.replace(fact, block_hash=forgery), cursor)


async def test_missing_deposits_are_searched_for_only_in_blocks_that_link_to_a_proven_one(
    liar, watched, lit, monkeypatch
):
    """A quorum that counts a deposit more than there is could else put it into any old block."""
    counts_two = calls_answered("0x" + u256(2).hex())
    w = watched(liar(counts_two), witness=await lit(), custody_stride=2, tokens=(TOKEN,))
    with refused(BridgeCode.NONCE_GAP):
        await w.until_quiet()
    monkeypatch.setattr("bridge.rpc.quorum.ANCHORED_MAX", 0)
    with refused(BridgeCode.UNTRUSTED_BLOCK, at="light client"):
        await w.until_quiet()
    assert w.facts == []
