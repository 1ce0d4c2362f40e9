"""The trust anchor of an epoch package, out of what a light client verified (`crossclear verify --light-store`).

Rule: the same header, if the store has the height or can get it; else the set that the nearest trusted header below
names as next, while that one may still be trusted, for a header that fits between the trusted ones: a set that was
retired in between could sign any. A package of another set is not refuted by that, only not trusted: then a server must
serve the headers between. Without a server this imports no network.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.header import Header
from consensus.codes import ConsensusCode
from consensus.light_client import CurveLightVerifier, LightBlock, TrustPolicy
from member.codes import NodeCode
from member.light.neighbours import contradiction
from member.light.store import LightStore
from member.verifying.package import Checked, TrustAnchor
from proofs.epoch.package import read_package


@dataclass(frozen=True, slots=True)
class PackageTrust:
    """What to trust of a package, and how it is known."""

    network: bytes
    validators_hash: bytes
    header_hash: bytes | None
    """Of the package's header, where the very header is trusted."""
    explanation: str
    set_known_ms: int | None = None
    """When the set was last known to be in force, where the very header is not trusted."""
    contradiction: str = ""
    """What of the trusted headers this one contradicts; empty: nothing."""


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
        explanation = f"the header of height {header.height} is trusted"
        other = "" if found.header.hash == header.hash else f"another header of height {header.height} is trusted"
        return PackageTrust(network, found.header.validators_hash, found.header.hash, explanation, contradiction=other)
    below = store.at_or_below(header.height)
    if below is None:
        raise LocalFault(NodeCode.LIGHT_NO_TRUST, "light store", height=header.height, why="trust begins above")
    if below.header.time_ms + policy.trusting_period_ms <= now_ms:
        raise LocalFault(ConsensusCode.TRUST_EXPIRED, "light store", height=below.header.height)
    if below.next_validators.hash != header.validators_hash:
        raise LocalFault(
            NodeCode.LIGHT_NO_TRUST, "light store", height=header.height, why="another validator set certified it"
        )
    explanation = f"certified by the set that the trusted header of height {below.header.height} names"
    above = store.above(header.height)
    found_wrong = contradiction(below.header, header, None if above is None else above.header)
    return PackageTrust(network, below.next_validators.hash, None, explanation, below.header.time_ms, found_wrong)


def anchor_of_light_store(
    package: bytes | Header, path: Path, urls: Sequence[str], policy: TrustPolicy, evidence: Path
) -> tuple[TrustAnchor, Checked | None]:
    """What to trust, and the check that the package's header is that of its height. No check for a file that is none.

    `package`: its bytes, which are those that are checked; or the header out of another file. `urls`: a node that
    serves what the store lacks, then its witnesses. Raises LocalFault LIGHT_*, TRUST_EXPIRED.
    """
    try:
        header = package if isinstance(package, Header) else read_package(package).header
    except RemoteFault:
        return TrustAnchor(), None  # the check of the package says what is wrong with it
    with LightStore(path, create=False) as store:
        if urls:
            return _with_servers(store, header, urls, policy, evidence)
        return _anchor(package_trust(store, header, policy, _now_ms()))


def _with_servers(
    store: LightStore, header: Header, urls: Sequence[str], policy: TrustPolicy, evidence: Path
) -> tuple[TrustAnchor, Checked | None]:
    from member.light.client import LightClient, LightOptions
    from member.light.source import http_sources

    with http_sources(urls) as sources:
        client = LightClient(store, sources, LightOptions(policy), CurveLightVerifier(), evidence, _now_ms)
        return _anchor(package_trust(store, header, policy, _now_ms(), lambda height: client.update(height)))


def _anchor(trust: PackageTrust) -> tuple[TrustAnchor, Checked]:
    anchor = TrustAnchor(trust.network, trust.validators_hash, set_known_ms=trust.set_known_ms)
    detail = trust.contradiction or trust.explanation
    return anchor, Checked("light_client", ok=not trust.contradiction, detail=detail)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
