"""Where trust begins: a height with its hash, genesis, or the newest checkpoint of a vault.

Rule: the caller names what is trusted; a server only serves the block that fits it. From genesis it is the set
that the file states, so the first header must be certified by that very set.
"""

import re
from dataclasses import dataclass

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.codes import ConsensusCode
from consensus.light_client import LightBlock, LightVerifier, check_anchor
from member.codes import NodeCode
from member.light.source import LightSource

_TRUST = re.compile(r"(?P<height>[1-9][0-9]{0,17}):(0x)?(?P<hash>[0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class TrustedHash:
    """A header that the caller trusts."""

    height: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class TrustedGenesis:
    """A network and its first set."""

    network: bytes
    validators: ValidatorSet
    time_ms: int
    """When that set was known to be in force; a first header can state any time."""


Trusted = TrustedHash | TrustedGenesis


def parse_trust(text: str) -> TrustedHash:
    """HEIGHT:HASH, the hash as 64 hex digits. Raises LocalFault LIGHT_NO_TRUST for anything else."""
    found = _TRUST.fullmatch(text)
    if found is None:
        raise LocalFault(NodeCode.LIGHT_NO_TRUST, "--trust", given=text[:100])
    return TrustedHash(int(found["height"]), bytes.fromhex(found["hash"]))


def trusted_genesis(data: bytes) -> TrustedGenesis:
    """Of a genesis file's JSON. Raises RemoteFault BAD_GENESIS."""
    from clearing.genesis.checks import check_genesis
    from clearing.genesis.json import genesis_from_json
    from clearing.schema.terms.genesis import network_id

    genesis = genesis_from_json(data)
    check_genesis(genesis)
    return TrustedGenesis(network_id(genesis), genesis.validators, genesis.time_ms)


def fetch_anchor(trusted: Trusted, source: LightSource, verifier: LightVerifier) -> LightBlock:
    """The block that trust begins with, checked. Raises RemoteFault when the source serves another, LocalFault."""
    if isinstance(trusted, TrustedHash):
        block = source.block(trusted.height)
        if block.header.height != trusted.height:
            raise RemoteFault(ConsensusCode.WRONG_HEIGHT, "anchor", stated=block.header.height, trusted=trusted.height)
        check_anchor(block, trusted.hash, verifier)
        return block
    block = source.block(1)
    header = block.header
    for name, there, here in (
        ("height", header.height, 1),
        ("network", header.network, trusted.network),
        ("parent", header.parent, trusted.network),
        ("validators_hash", header.validators_hash, trusted.validators.hash),
    ):
        if there != here:
            raise RemoteFault(ConsensusCode.BROKEN_LINK, f"anchor {name}", stated=there, computed=here)
    # Its hash is not trusted but the set that must have certified it, which is checked here.
    check_anchor(block, header.hash, verifier)
    return block
