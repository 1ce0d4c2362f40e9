"""What a light store says about the header of an epoch package.

Rule: the same header, if the store has the height or can get it; else the set that the nearest trusted header below
names as next, while that one may still be trusted. A package of another set is not refuted by that, only not believed:
then a server must show what lies between. Without a server this imports no network.
"""

from collections.abc import Callable
from dataclasses import dataclass

from clearing.base.errors import LocalFault
from clearing.base.header import Header
from consensus.codes import ConsensusCode
from consensus.light.client import LightBlock, TrustPolicy
from node.codes import NodeCode
from node.light.store import LightStore


@dataclass(frozen=True, slots=True)
class PackageTrust:
    """What to trust of a package, and how it is known, in words."""

    network: bytes
    validators_hash: bytes
    header_hash: bytes | None
    """Of the package's header, where the very header is trusted."""
    told: str


def package_trust(
    store: LightStore,
    header: Header,
    policy: TrustPolicy,
    now_ms: int,
    fetch: Callable[[int], LightBlock] | None = None,
) -> PackageTrust:
    """`fetch` verifies a height into the store.

    Raises LocalFault LIGHT_NO_TRUST when nothing trusted leads there, TRUST_EXPIRED, and what `fetch` raises.
    """
    network = store.network
    if network is None:
        raise LocalFault(NodeCode.LIGHT_NO_TRUST, "light store", why="empty")
    found = store.at(header.height)
    if found is None and fetch is not None:
        found = fetch(header.height)
    if found is not None:
        told = f"the header of height {header.height} is trusted"
        return PackageTrust(network, found.header.validators_hash, found.header.hash, told)
    below = store.at_or_below(header.height)
    if below is None:
        raise LocalFault(NodeCode.LIGHT_NO_TRUST, "light store", height=header.height, why="trust begins above")
    if below.header.time_ms + policy.trusting_period_ms <= now_ms:
        raise LocalFault(ConsensusCode.TRUST_EXPIRED, "light store", height=below.header.height)
    if below.next_validators.hash != header.validators_hash:
        raise LocalFault(
            NodeCode.LIGHT_NO_TRUST, "light store", height=header.height, why="another validator set certified it"
        )
    told = f"certified by the set that the trusted header of height {below.header.height} names"
    return PackageTrust(network, below.next_validators.hash, None, told)
