"""`crossclear verify --light-store`: the trust anchor of a package out of what a light client verified.

Rule: offline unless servers are named; without them nothing that talks to a network is imported.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from clearing.base.errors import RemoteFault
from clearing.base.header import Header
from consensus.light.client import CurveLightVerifier, LightBlock, TrustPolicy
from node.light.package_trust import package_trust
from node.light.store import LightStore
from node.verify import Anchor, Checked
from proofs.package import PACKAGE_BYTES_MAX, read_package


def anchor_of_light_store(
    package: Path | Header, path: Path, urls: Sequence[str], policy: TrustPolicy, evidence: Path
) -> tuple[Anchor, Checked | None]:
    """What to trust, and the check that the package's header is that of its height. No check for a file that is none.

    A header out of another file may stand for the package. `urls`: a node that serves what the store lacks, then its
    witnesses. Raises LocalFault LIGHT_*, TRUST_EXPIRED.
    """
    try:
        header = package if isinstance(package, Header) else _header_of(package)
    except (OSError, RemoteFault):
        return Anchor(), None  # `verify_file` tells what is wrong with it
    with LightStore(path, create=False) as store:
        if urls:
            return _with_servers(store, header, urls, policy, evidence)
        trust = package_trust(store, header, policy, _now_ms())
    return Anchor(trust.network, trust.validators_hash), _checked(trust.header_hash, header, trust.told)


def _header_of(package: Path) -> Header:
    with package.open("rb") as file:
        return read_package(file.read(PACKAGE_BYTES_MAX + 1)).header


def _with_servers(
    store: LightStore, header: Header, urls: Sequence[str], policy: TrustPolicy, evidence: Path
) -> tuple[Anchor, Checked]:
    from node.light.client import LightClient, LightOptions
    from node.light.source import HttpSource

    sources = [HttpSource(url) for url in urls]
    client = LightClient(store, sources, LightOptions(policy), CurveLightVerifier(), evidence, _now_ms)

    def fetch(height: int) -> LightBlock:
        return client.update(height)

    try:
        trust = package_trust(store, header, policy, _now_ms(), fetch)
    finally:
        for source in sources:
            source.close()
    return Anchor(trust.network, trust.validators_hash), _checked(trust.header_hash, header, trust.told)


def _checked(trusted: bytes | None, header: Header, told: str) -> Checked:
    if trusted is not None and trusted != header.hash:
        return Checked("light_client", ok=False, detail=f"another header of height {header.height} is trusted")
    return Checked("light_client", ok=True, detail=told)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
