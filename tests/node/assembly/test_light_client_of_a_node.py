"""A node follows the light client that its settings name, over HTTP, by the clock, from the checkpoint on."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import BridgeService
from node.config import ChainConfig
from tests.kit.bridge.beacon_chain import NETWORK, BeaconChain, BeaconServer, invented
from tests.kit.clearing.genesis import make_genesis
from tests.kit.node.memory_network import Hub
from tests.kit.until import until

GENESIS = make_genesis()
SLOT_SECONDS = 600


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> BeaconChain:
    """A beacon chain of chain id 1 that is at its slot 44 now."""
    made = BeaconChain()
    made.final_slot = 40
    genesis_time = int(time.time()) - 44 * SLOT_SECONDS
    network = replace(NETWORK, genesis_time=genesis_time, seconds_per_slot=SLOT_SECONDS)
    monkeypatch.setattr("node.chains.light_clients.network_of", {1: network}.__getitem__)
    return made


@pytest.fixture
async def running(chain: BeaconChain, tmp_path: Path, nursery: trio.Nursery) -> Callable[..., Any]:
    """`await running(**settings)`: the service of a node with these settings of chain 1."""

    async def running(**settings: Any) -> BridgeService:
        server = BeaconServer(chain)
        await nursery.start(server.run)
        configs = {
            each: ChainConfig(chain_id=each, name=f"c{each}", endpoints=("http://127.0.0.1:1",)) for each in (1, 2)
        }
        root = "0x" + chain.header(8).root.hex()
        light = {"light_client": "required", "beacon_endpoints": (server.url,), "checkpoint_root": root}
        configs[1] = msgspec.structs.replace(configs[1], **(light | settings))
        bridge = BridgeService(GENESIS, configs, tmp_path, AttestationPool(b"k" * 32))
        nursery.start_soon(bridge.run, Hub().join(b"k" * 32), lambda: None)
        await until(lambda: len(bridge.watchers) == 2)
        return bridge

    return running


async def test_a_node_proves_final_blocks_by_the_light_client_of_its_settings(running: Callable[..., Any]) -> None:
    bridge = await running()
    light = bridge.lights[1]
    await until(lambda: light.final_slot == 40)
    assert (light.newest, light.hash_at(40), light.is_required) == (40, invented(40).block_hash, True)
    assert set(bridge.lights) == {1}
    watcher = bridge.watchers[1]
    await until(lambda: watcher.status.last_fault != "")
    assert watcher.status.scanned_number == 0


async def test_a_node_has_no_light_client_where_it_is_off(running: Callable[..., Any]) -> None:
    assert (await running(light_client="off")).lights == {}
