"""A node's part at the chains: watching vaults, signing headers for them, relaying, and what speaks against validators.

Rule: all of it follows the chains and tokens of the terms in force, which an amendment may change.
"""

from collections.abc import Callable
from functools import partial

import structlog

from clearing.base.errors import RemoteFault
from clearing.governance.vault_detachment import genesis_without_detached
from clearing.state.state import State
from consensus.blocks.store import load_set
from member.vaults.conflict import Conflict
from node.agreement.application import ClearingApplication
from node.agreement.validator_membership import Membership
from node.chains.attestation_pool import AttestationPool
from node.chains.bridge_service import BridgeService, valid_collateral
from node.chains.conflicts import Conflicts, valid_conflict
from node.chains.header_signatures import HeaderSignatures, valid_header_signature
from node.chains.provider_diversity import ProviderWatch, provider_commitments, valid_providers
from node.chains.relayer_service import RelayerService
from node.chains.stored_branch import StoredBranch
from node.chains.strayed_vaults import own_of_strayed
from node.config import NodeConfig, config_of_chains
from node.p2p.network import Network, Topic
from node.signer.node_keys import NodeKeys
from node.store.blocks import StoredBlocks
from node.supervision import Keep, Service

log = structlog.get_logger(__name__)


class ChainServices:
    """Built for the state that the application stands at; raises LocalFault as its parts do."""

    def __init__(
        self,
        config: NodeConfig,
        keys: NodeKeys,
        network_id: bytes,
        blocks: StoredBlocks,
        application: ClearingApplication,
        membership: Membership,
        facts: AttestationPool,
    ) -> None:
        # Chains and tokens as amended.
        self._terms, amended = application.state.terms, genesis_without_detached(application.state)
        chains, set_of = config_of_chains(config), partial(load_set, blocks)
        self._branch = StoredBranch(blocks)
        self.bridge = BridgeService(amended, chains, config.path("bridge"), facts, self._branch)
        self.providers = ProviderWatch(provider_commitments(keys.network_seed, chains), membership)
        self.conflicts = Conflicts(config.path("conflicts"), network_id, set_of)
        self.signatures = HeaderSignatures(
            config.path("signed-headers"), network_id, keys.checkpoint, set_of, chains, self.learn_conflict
        )
        if keys.next_checkpoint:
            self.signatures.add_secret(keys.next_checkpoint)
        self.signatures.follow(amended)
        self.relayer = RelayerService(
            amended,
            chains,
            keys.relayer,
            application,
            blocks,
            config.relayer.interval_ms,
            membership.own_key,
            self.conflicts,
            self.signatures,
            self.bridge.strayed,
        )

    def follow(self, state: State) -> None:
        """What a block settled at the vaults, and its terms where it amended them."""
        self.bridge.settle(state)
        self.signatures.dispute(own_of_strayed(self.bridge.branches.values(), self._branch))
        if state.terms is not self._terms:
            amended = genesis_without_detached(state)
            self.bridge.follow(amended)
            self.relayer.follow(amended)
            self.signatures.follow(amended)
            # Last: what failed is done again with the next block.
            self._terms = state.terms

    def learn_conflict(self, conflict: Conflict) -> None:
        """Two certified headers of one height, for the vaults; one that is refused is logged."""
        try:
            self.conflicts.learn(conflict)
        except RemoteFault as fault:
            log.warning("conflict refused", fault=str(fault))

    def services(self, network: Network, changed: Callable[[], None], keep: Keep) -> dict[str, Service]:
        """What runs beside consensus, by name; subscribes to what others say of the chains."""
        subscribe = network.subscribe
        return {
            "chains": partial(self.bridge.run, network, changed, keep),
            "collateral": partial(self.bridge.listen, subscribe(Topic.COLLATERAL, valid_collateral)),
            "provider-news": partial(self.providers.listen, subscribe(Topic.PROVIDERS, valid_providers)),
            "providers": partial(self.providers.run, network),
            "conflict-news": partial(self.conflicts.listen, subscribe(Topic.CONFLICTS, valid_conflict)),
            "conflicts": partial(self.conflicts.run, network),
            "header-news": partial(self.signatures.listen, subscribe(Topic.CHECKPOINTS, valid_header_signature)),
            "headers": partial(self.signatures.run, network),
        }
