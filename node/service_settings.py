"""From `NodeConfig` to what each service takes.

Rule: a translation, nothing more: nothing is started, and no file is opened but to find out that it is missing, and
that of the pre-shared key.
"""

from clearing.base.ids import NetworkId
from consensus.pace.timeouts import Timeouts
from consensus.replica import ReplicaConfig
from node.config import Chain, NodeConfig
from node.keys.ring import NodeKeys
from node.oracle.replay import ReplaySource
from node.oracle.source import PriceSource, Quote
from node.p2p.config import NetworkConfig, Peer
from node.p2p.preshared import read_preshared_key
from node.pool.mempool import PoolLimits


class _NoSource:
    """A validator without prices of its own reports none."""

    def read(self, now_ms: int) -> tuple[Quote, ...]:  # noqa: ARG002 - the interface's
        """Nothing."""
        return ()


def network_config(config: NodeConfig, network: NetworkId, keys: NodeKeys) -> NetworkConfig:
    """For `LibP2PNetwork`. Raises LocalFault KEY_MISSING, KEY_PERMISSIONS, KEY_FORMAT of a pre-shared key's file."""
    preshared = config.p2p.preshared_key_file
    return NetworkConfig(
        secret=keys.envelope,
        network=network,
        peers=tuple(Peer(bytes.fromhex(peer.key), peer.host, peer.port) for peer in config.p2p.peers),
        host=config.p2p.host,
        port=config.p2p.port,
        observers=tuple(bytes.fromhex(observer.key) for observer in config.p2p.observers),
        preshared_key=read_preshared_key(config.path(preshared)) if preshared else None,
        gossip_per_second=config.p2p.gossip_per_second,
    )


def replica_config(config: NodeConfig) -> ReplicaConfig:
    """For the consensus engine."""
    given = config.consensus
    return ReplicaConfig(
        timeouts=Timeouts(
            propose_ms=given.propose_ms,
            prevote_ms=given.prevote_ms,
            precommit_ms=given.precommit_ms,
            growth_ms=given.growth_ms,
            cap_ms=given.timeout_max_ms,
            adaptive=given.adaptive,
            propose_ms_min=given.propose_ms_min,
            vote_ms_min=given.vote_ms_min,
            base_ms_max=given.timeout_base_max_ms,
        ),
        block_interval_ms_min=given.block_interval_ms,
        heartbeat_ms=given.heartbeat_ms,
    )


def pool_limits(config: NodeConfig) -> PoolLimits:
    """For the mempool."""
    return PoolLimits(
        transactions_max=config.mempool.transactions_max,
        bytes_max=config.mempool.bytes_max,
        per_account_max=config.mempool.per_account_max,
        block_bytes_max=config.consensus.block_bytes_max,
    )


def price_source(config: NodeConfig) -> PriceSource:
    """For the oracle. Raises LocalFault PRICE_SOURCE_UNUSABLE."""
    if config.oracle.source == "none":
        return _NoSource()
    return ReplaySource(config.path(config.oracle.file), config.path(config.oracle.schedule))


def config_of_chains(config: NodeConfig) -> dict[int, Chain]:
    """By chain id."""
    return {chain.chain_id: chain for chain in config.chains}
