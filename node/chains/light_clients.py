"""The light client that an operator configured for a chain.

Rule: which beacon chain is followed is decided by the chain id; the settings say by whom, from where, and what for.
"""

from contextlib import AsyncExitStack
from pathlib import Path

from bridge.beacon.beacon_endpoint import BeaconEndpoint
from bridge.beacon.light_client import BeaconClient, BeaconTrust
from bridge.beacon.light_store import BeaconStore
from bridge.beacon.networks import network_of
from node.config import ChainConfig


def light_client_of(config: ChainConfig, folder: Path, opened: AsyncExitStack) -> BeaconClient | None:
    """The light client, its file in `folder`; `opened` closes its connections. None where it is off.

    Raises LocalFault BAD_LIGHT_FILE, NO_BEACON_CHAIN.
    """
    if config.light_client == "off":
        return None
    network = network_of(config.chain_id)
    sources = []
    for url in config.beacon_endpoints:
        source = BeaconEndpoint(url, network, timeout_seconds=config.timeout_ms / 1000)
        opened.push_async_callback(source.aclose)
        sources.append(source)
    trust = BeaconTrust(bytes.fromhex(config.checkpoint_root[2:]), config.light_client == "required")
    return BeaconClient(network, sources, BeaconStore(folder, config.chain_id), trust)
