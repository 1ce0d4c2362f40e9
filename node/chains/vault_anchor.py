"""An anchor of trust from a vault: the newest checkpoint that the contract accepted on one of the chains.

Rule: the contract checked the quorum's certificate, and a quorum of the own endpoints reports what it accepted.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from bridge.rpc import vault_reads
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from bridge.rpc.quorum import EndpointQuorum
from clearing.base.errors import LocalFault
from clearing.schema.terms.genesis import Genesis
from consensus.codes import ConsensusCode
from member.codes import NodeCode
from node.config import ChainConfig


async def newest_checkpoint(genesis: Genesis, configs: Mapping[int, ChainConfig], chain_id: int) -> tuple[int, bytes]:
    """(height, header hash) of the vault on a chain.

    Raises LocalFault: CONFIG_MISSING for a chain without endpoints, WRONG_PROFILE, NO_ANCHOR when the vault has no
    checkpoint yet; RemoteFault when too few endpoints answer or agree.
    """
    terms = next((chain for chain in genesis.chains if chain.chain_id == chain_id), None)
    config = configs.get(chain_id)
    if terms is None or config is None:
        raise LocalFault(NodeCode.CONFIG_MISSING, "state_sync.trust_chain", chain_id=chain_id)
    async with AsyncExitStack() as stack:
        endpoints = [
            await stack.enter_async_context(Endpoint(url, timeout_seconds=config.timeout_ms / 1000))
            for url in config.endpoints
        ]
        profile = profile_of(chain_id, config.profile)
        quorum = EndpointQuorum(endpoints, config.quorum, layout=profile.layout)
        await quorum.check_chain(chain_id)
        height, hash_ = await vault_reads.newest_checkpoint(
            quorum,
            profile.finality(config.quorum, config.confirmations),
            terms.vault,
            max(terms.vault_block, 1),
            profile.log_range(config.logs_span).start,
        )
    if height == 0:
        raise LocalFault(ConsensusCode.NO_ANCHOR, "vault", chain_id=chain_id)
    return height, hash_
