"""How far validators depend on the same providers: each publishes a commitment to its endpoints of every chain.

Rule: a commitment hides the provider from all who don't have the network's seed, and equal providers have equal
commitments. It is gossip that its validator's envelope key signs: a validator can state another set than it uses, so
the figures warn operators and decide nothing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import msgspec
import structlog
import trio

from bridge.rpc.providers import provider_of
from clearing.base.codec import U32, U63, Bytes32, Wire, decode, encode
from clearing.base.errors import RemoteFault
from clearing.base.hashing import sha256, tagged_hash
from clearing.base.validators import ValidatorSet
from node.agreement.validator_membership import Membership
from node.config import ChainConfig
from node.p2p.network import Incoming, Network, Topic, carries

TAG = "crossclear/provider/v1"
PUBLISH_SECONDS = 60.0
PROVIDERS_MAX = 16
CHAINS_MAX = 64
GOSSIP_BYTES_MAX = 48 << 10
TOGETHER_MAX = 3
"""So many providers are looked at together."""
CANDIDATES_MAX = 16
"""Of the providers that most validators use: 560 triples."""

log = structlog.get_logger(__name__)


class ChainProviders(Wire, frozen=True):
    """The providers of one chain, ascending, of which `quorum` must agree."""

    chain_id: U63
    quorum: U32
    providers: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=PROVIDERS_MAX)]


class ProviderGossip(Wire, frozen=True):
    """What one validator states of its endpoints, ascending by chain."""

    chains: Annotated[tuple[ChainProviders, ...], msgspec.Meta(max_length=CHAINS_MAX)]


@dataclass(frozen=True, slots=True)
class ProviderDiversity:
    """Of one chain, among the validators of the running set."""

    chain_id: int
    published: int
    """Validators that stated their providers for the chain."""
    validators: int
    providers: int
    """Different ones."""
    reached_ppm: tuple[int, ...]
    """Largest share of the whole power whose quorums 1, 2, 3 providers reach together, rounded down."""


def provider_commitments(network_seed: bytes, configs: Mapping[int, ChainConfig]) -> ProviderGossip:
    """The own commitments."""
    chains = []
    for chain_id, config in sorted(configs.items()):
        named = {
            tagged_hash(TAG, network_seed, chain_id.to_bytes(8, "big"), sha256(provider_of(url).encode()))
            for url in config.endpoints
        }
        chains.append(ChainProviders(chain_id, config.quorum, tuple(sorted(named))))
    return ProviderGossip(tuple(chains[:CHAINS_MAX]))


class ProviderWatch:
    """Publishes the own commitments, and keeps the newest of each validator."""

    def __init__(self, own: ProviderGossip, membership: Membership) -> None:
        self._own = own
        self._membership = membership
        self.heard: dict[bytes, ProviderGossip] = {}
        self._known: tuple[ValidatorSet, tuple[ProviderDiversity, ...]] | None = None

    async def run(self, network: Network) -> None:
        """Publish for ever: who connects later must hear it, too."""
        while True:
            if self._membership.is_validator:
                network.publish(Topic.PROVIDERS, encode(self._own))
            await trio.sleep(PUBLISH_SECONDS)

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Keep what validators state, for ever."""
        async for message in incoming:
            try:
                gossip = read_gossip(message.data)
            except RemoteFault as fault:
                log.warning("provider gossip refused", peer=message.sender.hex(), fault=str(fault))
                continue
            self.hear(message.sender, gossip)

    def hear(self, sender: bytes, gossip: ProviderGossip) -> None:
        """Keep the newest of a validator; those that left are forgotten."""
        if sender in self._membership.keys and self.heard.get(sender) != gossip:
            self.heard[sender] = gossip
            self._known = None
        for gone in self.heard.keys() - self._membership.keys:
            del self.heard[gone]

    def diversity(self) -> tuple[ProviderDiversity, ...]:
        """Of each own chain, by what is known now."""
        validators = self._membership.now
        if self._known is None or self._known[0] is not validators:
            stated = {**self.heard, self._membership.own_key: self._own}
            power = {each.envelope_key: each.power for each in validators.validators}
            by_key = {key: gossip for key, gossip in stated.items() if key in power}
            self._known = (
                validators,
                tuple(_diversity(chain.chain_id, by_key, power) for chain in self._own.chains),
            )
        return self._known[1]


def read_gossip(data: bytes) -> ProviderGossip:
    """Raises RemoteFault as `decode` does."""
    return decode(data, ProviderGossip, GOSSIP_BYTES_MAX)


def _is_well_formed(gossip: ProviderGossip) -> bool:
    """Whether chains and providers ascend, and a quorum is more than half of the providers."""
    ids = [chain.chain_id for chain in gossip.chains]
    return ids == sorted(set(ids)) and all(
        list(chain.providers) == sorted(set(chain.providers))
        and len(chain.providers) < 2 * chain.quorum <= 2 * len(chain.providers)
        for chain in gossip.chains
    )


valid_providers = carries(ProviderGossip, GOSSIP_BYTES_MAX, _is_well_formed)


def _diversity(chain_id: int, stated: Mapping[bytes, ProviderGossip], power: Mapping[bytes, int]) -> ProviderDiversity:
    sets = [
        (power[key], chain.quorum, frozenset(chain.providers))
        for key, gossip in sorted(stated.items())
        for chain in gossip.chains
        if chain.chain_id == chain_id
    ]
    used = Counter(provider for _, _, providers in sets for provider in sorted(providers))
    candidates = [provider for provider, _ in used.most_common(CANDIDATES_MAX)]
    total = sum(power.values())
    reached = tuple(
        max(
            (
                sum(share for share, quorum, providers in sets if len(providers.intersection(together)) >= quorum)
                for together in combinations(candidates, min(size, len(candidates)))
            ),
            default=0,
        )
        * 1_000_000
        // total
        for size in range(1, TOGETHER_MAX + 1)
    )
    return ProviderDiversity(chain_id, len(sets), len(power), len(used), reached)
