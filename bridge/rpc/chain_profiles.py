"""`ChainProfile`: the facts about one kind of chain that the adapter depends on, from `configs/chains/<name>.toml`.

Rule: each file states every fact with its source, and is refused as a whole for an unknown key or a value out of
bounds. Which profile serves a chain id is decided here and nowhere else: the one that names it, or the one that the
operator names, which must not contradict that.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.codes import BridgeCode
from bridge.contracts.schemes import CertificateScheme
from bridge.evm.layouts import HEADERS, RECEIPTS, ChainLayout, HeaderLayout
from bridge.watched_chain import FinalityPolicy, LogRange
from clearing.base.errors import LocalFault
from clearing.base.known_types import known_type

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "chains"
GENERIC = "evm"
"""The profile of chains that no other profile names: Ethereum's layouts."""
FILE_BYTES_MAX = 1 << 16
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)

Text = Annotated[str, Meta(min_length=1, max_length=1000)]
ChainId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Blocks = Annotated[int, Meta(ge=1, le=100_000)]


class ProfileSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a profile. `source`: where its facts are from, and what is a choice of this project."""

    source: Text


class Finality(ProfileSection, frozen=True):
    """When a block is final: it is at most the `tag` block, and at least `depth` blocks under the head."""

    tag: Literal["finalized", "safe", "latest"]
    depth: Annotated[int, Meta(ge=0, le=10_000)]
    seconds: Annotated[int, Meta(ge=0, le=7 * 86_400)]
    """How long that usually takes."""
    meaning: Text
    """What the chain promises of that block."""


class BlockFacts(ProfileSection, frozen=True):
    """Time between blocks."""

    milliseconds: Annotated[int, Meta(ge=1, le=600_000)]


class LogFacts(ProfileSection, frozen=True):
    """`eth_getLogs`: blocks asked for at once, at first and at most; whether header blooms have every log."""

    range: Blocks
    range_max: Blocks
    blooms: bool


class Precompiles(ProfileSection, frozen=True):
    """Whether contracts can check BLS12-381 certificates (EIP-2537)."""

    eip2537: bool


class HeaderFacts(ProfileSection, frozen=True):
    """Which layout of `bridge.evm.layouts` hashes the header, and the longest extra data."""

    layout: Text
    extra_data_max: Annotated[int, Meta(ge=0, le=1 << 16)]


class ReceiptFacts(ProfileSection, frozen=True):
    """Which layout of `bridge.evm.layouts` hashes the receipts."""

    layout: Text


class BeaconFork(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From `epoch` on, sync committees sign for `version`, and the light client's objects have `layout`."""

    epoch: Annotated[int, Meta(ge=0, le=2**40)]
    version: Annotated[str, Meta(pattern="^0x[0-9a-f]{8}$", max_length=10)]
    layout: Literal["capella", "deneb", "electra"]


class BeaconFacts(ProfileSection, frozen=True):
    """The beacon chain of one of the chain ids, of the mainnet preset, for the light client. `forks` ascend."""

    chain_id: ChainId
    genesis_time: Annotated[int, Meta(ge=0, le=2**40)]
    """Unix seconds."""
    genesis_validators_root: Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$", max_length=66)]
    forks: Annotated[tuple[BeaconFork, ...], Meta(min_length=1, max_length=16)]


class ProfileFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The contents of one file."""

    title: Annotated[str, Meta(min_length=1, max_length=60)]
    chain_ids: Annotated[tuple[ChainId, ...], Meta(max_length=16)]
    """Networks with these facts, the main one first; none: every chain id that no other profile names."""
    notes: tuple[Text, ...] = ()
    finality: Finality
    blocks: BlockFacts
    logs: LogFacts
    precompiles: Precompiles
    header: HeaderFacts
    receipts: ReceiptFacts
    beacon_chains: Annotated[tuple[BeaconFacts, ...], Meta(max_length=16)] = ()
    """None of a chain id: no light client follows it."""


class ChainProfile(Struct, frozen=True):
    """A profile under its name, which is the file's."""

    name: str
    facts: ProfileFile

    @property
    def layout(self) -> ChainLayout:
        """How headers and receipts are read."""
        header = HeaderLayout(HEADERS[self.facts.header.layout], self.facts.header.extra_data_max)
        return ChainLayout(header, RECEIPTS[self.facts.receipts.layout])

    @property
    def scheme(self) -> CertificateScheme:
        """Which certificates a vault of the chain takes."""
        return CertificateScheme.BLS if self.facts.precompiles.eip2537 else CertificateScheme.ECDSA

    def finality(self, quorum: int, confirmations: int = 0) -> FinalityPolicy:
        """The chain's rule; `confirmations` of the operator only ever add to its depth."""
        return FinalityPolicy(quorum, self.facts.finality.tag, max(self.facts.finality.depth, confirmations))

    def log_range(self, start: int = 0) -> LogRange:
        """How many blocks are asked for at once; `start` of the operator replaces the profile's where it is not 0."""
        first = start or self.facts.logs.range
        return LogRange(first, max(first, self.facts.logs.range_max))


def read_profile(name: str, text: str) -> ChainProfile:
    """A profile from the text of its file. Raises LocalFault BAD_PROFILE."""
    try:
        facts = msgspec.convert(tomllib.loads(text), known_type(ProfileFile))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise _bad(name, str(error)) from None
    if facts.header.layout not in HEADERS:
        raise _bad(name, f"no header layout {facts.header.layout!r}")
    if facts.receipts.layout not in RECEIPTS:
        raise _bad(name, f"no receipt layout {facts.receipts.layout!r}")
    if facts.logs.range > facts.logs.range_max:
        raise _bad(name, "logs.range is above logs.range_max")
    if facts.finality.tag != "finalized" and facts.finality.depth == 0:
        raise _bad(name, "a tag that is not final needs a depth")
    if len(set(facts.chain_ids)) != len(facts.chain_ids):
        raise _bad(name, "a chain id twice")
    _check_beacon_chains(name, facts)
    return ChainProfile(name, facts)


def _check_beacon_chains(name: str, facts: ProfileFile) -> None:
    ids = [beacon.chain_id for beacon in facts.beacon_chains]
    if len(set(ids)) != len(ids) or not set(ids) <= set(facts.chain_ids):
        raise _bad(name, "a beacon chain twice, or of a chain id that is not the profile's")
    for beacon in facts.beacon_chains:
        epochs = [fork.epoch for fork in beacon.forks]
        versions = {fork.version for fork in beacon.forks}
        if sorted(set(epochs)) != epochs or len(versions) != len(beacon.forks):
            raise _bad(name, f"forks of the beacon chain of {beacon.chain_id} that do not ascend, or a version twice")


@cache
def all_profiles(folder: Path = FOLDER) -> dict[str, ChainProfile]:
    """Every profile by name, ordered. Raises LocalFault BAD_PROFILE, also where two name one chain id."""
    profiles: dict[str, ChainProfile] = {}
    owners: dict[int, str] = {}
    for path in sorted(folder.glob("*.toml")):
        profiles[path.stem] = read_profile(path.stem, _text(path))
        for chain_id in profiles[path.stem].facts.chain_ids:
            if chain_id in owners:
                raise _bad(path.stem, f"{owners[chain_id]} has chain id {chain_id} too")
            owners[chain_id] = path.stem
    return profiles


def known_profile(chain_id: int) -> ChainProfile | None:
    """The profile that names a chain id."""
    return next((profile for profile in all_profiles().values() if chain_id in profile.facts.chain_ids), None)


def profile_of(chain_id: int, name: str = "") -> ChainProfile:
    """The profile under `name`, else the one that names the chain id, else the generic one.

    Raises LocalFault WRONG_PROFILE where there is none of that name, or the name contradicts the chain id; BAD_PROFILE.
    """
    known = known_profile(chain_id)
    if not name:
        return known or _generic()
    named = all_profiles().get(name)
    if named is None:
        raise _wrong(chain_id, name, f"the profiles are {', '.join(all_profiles())}")
    if named.facts.chain_ids and chain_id not in named.facts.chain_ids:
        raise _wrong(chain_id, name, f"it serves {', '.join(map(str, named.facts.chain_ids))}")
    if known is not None and known.name != name:
        raise _wrong(chain_id, name, f"the chain id has the profile {known.name}")
    return named


def _generic() -> ChainProfile:
    if GENERIC not in all_profiles():
        raise _bad(GENERIC, f"there is no such file in {FOLDER.name}")
    return all_profiles()[GENERIC]


def _text(path: Path) -> str:
    if _NAME.fullmatch(path.stem) is None:
        raise _bad(path.name, "its name is not lower-case letters, digits and hyphens")
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise _bad(path.name, f"longer than {FILE_BYTES_MAX} bytes")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path.name, str(error)) from None


def _bad(name: str, why: str) -> LocalFault:
    return LocalFault(BridgeCode.BAD_PROFILE, name, why=why)


def _wrong(chain_id: int, name: str, why: str) -> LocalFault:
    return LocalFault(BridgeCode.WRONG_PROFILE, "profile", chain_id=chain_id, profile=name, why=why)
