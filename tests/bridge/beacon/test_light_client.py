"""The light client goes from a checkpoint to the newest final block, and believes no endpoint."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from bridge.beacon.beacon_endpoint import BeaconEndpoint
from bridge.beacon.light_client import BeaconClient, BeaconTrust
from bridge.beacon.light_store import BeaconStore
from bridge.codes import BridgeCode
from clearing.base.errors import LocalFault
from tests.kit.bridge.beacon_chain import NETWORK, PERIOD_SLOTS, BeaconChain, BeaconServer, invented
from tests.kit.refusals import refused

CHECKPOINT = 8


@pytest.fixture
def chain() -> BeaconChain:
    made = BeaconChain()
    made.final_slot = 40
    return made


@pytest.fixture
def following(tmp_path: Path, chain: BeaconChain) -> Callable:
    """A light client of some chains' servers, with a clock at the newest of them."""

    @asynccontextmanager
    async def following(
        *chains: BeaconChain, checkpoint: int = CHECKPOINT, **trust: int
    ) -> AsyncIterator[tuple[BeaconClient, list[BeaconServer]]]:
        servers = [BeaconServer(each) for each in chains or (chain,)]
        root = chain.header(checkpoint).root
        async with trio.open_nursery() as nursery:
            for server in servers:
                await nursery.start(server.run)
            sources = [BeaconEndpoint(server.url, NETWORK) for server in servers]
            store = BeaconStore(tmp_path, 1)
            newest = lambda: max(server.chain.unix_time for server in servers)  # noqa: E731
            yield BeaconClient(NETWORK, sources, store, BeaconTrust(root, **trust), newest), servers
            for source in sources:
                await source.aclose()
            nursery.cancel_scope.cancel()

    return following


async def settled(light: BeaconClient) -> int:
    """Polls until nothing is new; the final slot."""
    while await light.step():
        pass
    return light.final_slot


async def test_it_goes_from_the_checkpoint_to_the_newest_final_block(following, chain):
    async with following() as (light, _):
        assert light.newest is None
        assert await settled(light) == 40
        assert (light.newest, light.hash_at(40)) == (40, invented(40).block_hash)
        assert light.hash_at(39) is None
        chain.final_slot = 48
        assert await settled(light) == 48
        assert light.newest_within(0, 47) == 40


async def test_it_follows_through_many_periods_and_through_each_boundary(following, chain):
    async with following() as (light, _):
        chain.final_slot = 11 * PERIOD_SLOTS + 5
        assert await settled(light) == chain.final_slot
        for slot in range(chain.final_slot, 13 * PERIOD_SLOTS, 7):
            chain.final_slot = slot
            assert await settled(light) == slot


async def test_a_restart_goes_on_without_the_checkpoint(following, chain):
    async with following() as (light, _):
        await settled(light)
    chain.final_slot = 100
    async with following() as (light, servers):
        assert light.newest == 40
        assert await settled(light) == 100
        assert not any("bootstrap" in path for path in servers[0].asked)


async def test_another_checkpoint_begins_anew(following, chain, tmp_path):
    async with following() as (light, _):
        await settled(light)
    assert BeaconStore(tmp_path, 1).load(chain.header(CHECKPOINT).root) is not None
    assert BeaconStore(tmp_path, 1).load(chain.header(9).root) is None


async def test_a_file_that_was_changed_is_refused(following, chain, tmp_path):
    async with following() as (light, _):
        await settled(light)
    path = tmp_path / "chain-1.light"
    good = path.read_bytes()
    for bad in (good[:-1], good[:40] + bytes([good[40] ^ 1]) + good[41:], b"", good + bytes(1 << 20)):
        path.write_bytes(bad)
        with refused(BridgeCode.BAD_LIGHT_FILE, LocalFault):
            BeaconStore(tmp_path, 1).load(chain.header(CHECKPOINT).root)


async def test_a_checkpoint_that_is_too_old_is_refused(following):
    async with following(seconds_max=30) as (light, _):
        with refused(BridgeCode.CHECKPOINT_TOO_OLD):
            await settled(light)
        assert light.newest is None
        assert "R0686" in light.last_fault


async def test_a_state_that_grew_too_old_is_refused(following, chain):
    async with following() as (light, _):
        await settled(light)
    chain.final_slot = 200
    async with following(seconds_max=100) as (light, _):
        with refused(BridgeCode.CHECKPOINT_TOO_OLD):
            await light.step()
        assert light.final_slot == 40


async def test_a_forged_branch_that_too_few_signed_proves_nothing(following, chain):
    forged = BeaconChain(lambda number: invented(number, b"forged"), signers=21)
    forged.final_slot = 56
    async with following(chain, forged) as (light, _):
        assert await settled(light) == 40
        assert light.hash_at(40) == invented(40).block_hash
        assert light.health[1].faults_total > 0
        assert light.health[0].faults_total == 0


async def test_two_final_branches_that_two_thirds_signed_stop_it_for_good(following, chain):
    forged = BeaconChain(lambda number: invented(number, b"forged"), signers=22)
    forged.final_slot = 40
    async with following(chain, forged) as (light, _):
        with refused(BridgeCode.LIGHT_CLIENT_CONFLICT):
            await settled(light)
        chain.final_slot = forged.final_slot = 56
        with refused(BridgeCode.LIGHT_CLIENT_CONFLICT):
            await light.step()
    async with following() as (light, servers):
        with refused(BridgeCode.LIGHT_CLIENT_CONFLICT):
            light.check()
        await light.run()
        assert servers[0].asked == []
    async with following(checkpoint=9) as (light, _):
        assert await settled(light) == 56, "the operator named another checkpoint"


async def test_an_endpoint_that_lags_does_not_take_the_final_slot_back(following, chain):
    lagging = BeaconChain()
    lagging.final_slot = 16
    async with following(chain, lagging) as (light, _):
        await light.step()
        await light.step()
        assert light.final_slot == 40
        assert set(light.health[1].faults) == {"STALE_LIGHT_UPDATE"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"x", BridgeCode.MALFORMED_ANSWER),
        (b"[" * 10_000, BridgeCode.MALFORMED_ANSWER),
        (b"[" * 100_000, BridgeCode.ANSWER_OVERSIZE),
        (b"null", BridgeCode.MALFORMED_ANSWER),
        (b'{"data":{},"data":{}}', BridgeCode.MALFORMED_ANSWER),
        (b'"' + b"0" * (3 << 20) + b'"', BridgeCode.ANSWER_OVERSIZE),
    ],
)
async def test_an_answer_of_no_use_is_refused_and_another_endpoint_asked(following, chain, answer, code):
    async with following() as (light, servers):
        servers[0].alter = lambda path, true: answer
        with refused(code):
            await light.step()
        assert light.health[0].faults[code.name] > 0
    async with following(chain, chain) as (light, servers):
        servers[0].alter = lambda path, true: answer
        assert await settled(light) == 40


async def test_no_endpoint_makes_it_read_more_updates_than_it_asked_for(following, chain):
    chain.final_slot = 3 * PERIOD_SLOTS
    async with following() as (light, servers):
        servers[0].alter = lambda path, true: true if "bootstrap" in path else b"[" + b"{}," * 99 + b"{}]"
        await light.step()
        with refused(BridgeCode.MALFORMED_ANSWER, at="updates"):
            await light.step()


@pytest.mark.parametrize("answer", [b"[]", None], ids=["none", "one that is known"])
async def test_an_endpoint_that_withholds_committees_is_passed_over(following, chain, answer):
    """Else the first in the list could keep the light client in a period that has ended."""
    known: list[bytes] = []

    def withheld(path: str, true: bytes) -> bytes:
        if "updates" not in path:
            return true
        known.append(true)
        return answer or known[0]

    async with following(chain, chain) as (light, servers):
        servers[0].alter = withheld
        for periods in (2, 5):
            chain.final_slot = periods * PERIOD_SLOTS + 5
            assert await settled(light) == chain.final_slot
        assert light.health[0].faults["STALE_LIGHT_UPDATE"] > 0
        assert light.health[1].faults_total == 0


async def test_early_in_a_period_nobody_is_blamed_for_a_committee_that_nobody_can_prove(following, chain):
    chain.final_slot = 2 * PERIOD_SLOTS - 8
    async with following() as (light, _):
        await settled(light)
        for slot in range(chain.final_slot, 2 * PERIOD_SLOTS + 8):
            chain.final_slot = slot
            await settled(light)
        assert light.health[0].faults_total == 0
