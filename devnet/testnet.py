"""Homes of several nodes at once: keys, genesis with their validator set, node.toml with their addresses.

Rule: home `n<i>`, or the i-th that is named, belongs to validator index i; every home gets the same genesis and the
same network seed; nothing that exists is overwritten. The seed that makes keys repeatable is for devnets only.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import msgspec

from clearing.base import ed25519
from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.hashing import tagged_hash
from clearing.base.ids import NetworkId
from clearing.base.validators import ValidatorSet
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_to_json
from clearing.schema.terms.genesis import Genesis, network_id
from member.codes import NodeCode
from member.default_ports import API_HOST, API_PORT_OFFSET, P2P_PORT
from member.durable_files import write_new
from member.keys.key_folder import KIND_OF, Purpose, new_password, new_secret, own_validator, write_key
from member.keys.keystore import Strength
from member.keys.secret_files import make_secret_folder
from node.config import P2P, Api, ChainConfig, NodeConfig, NodeSection, PeerConfig, RelayerConfig
from node.config_sources import home_settings
from node.p2p.config import new_preshared_key, write_preshared_key
from node.signer.sign_state import SIGN_STATE, new_sign_state
from node.sync.home import address_text

ANY_HOST = "0.0.0.0"  # noqa: S104 - what listens there lets known keys in alone
GENESIS = "genesis.json"
SEED_TAG = "crossclear/testnet/seed/v1"
GenesisBuilder = Callable[[ValidatorSet], Genesis]
Configure = Callable[[int, NodeConfig], NodeConfig]
"""Validator index and the configuration made so far to the one that is written."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node will run: the name of its home, and the address at which the others reach it."""

    name: str
    host: str
    port: int


def places_of(texts: Sequence[str], base_port: int = P2P_PORT) -> tuple[Place, ...]:
    """Places out of `[NAME=]HOST[:PORT]`. Without a name `n0`, `n1` and so on, without a port `base_port`.

    Raises LocalFault CONFIG_VALUE for what is no address, and where two have one name or one address.
    """
    places = tuple(_place(index, text, base_port) for index, text in enumerate(texts))
    listens = [(each.host, each.port + above) for each in places for above in (0, API_PORT_OFFSET)]
    for what in ([each.name for each in places], listens):
        if len(set(what)) < len(what):
            raise LocalFault(
                NodeCode.CONFIG_VALUE, "host", why="two have one name, or one port of one host", given=" ".join(texts)
            )
    return places


def _place(index: int, text: str, base_port: int) -> Place:
    found = _PLACE.fullmatch(text)
    port = int(found["port"] or base_port) if found is not None else 0
    host, name = (found["ipv6"] or found["host"], found["name"]) if found is not None else ("", "")
    is_place = _is_place(host) and name != GENESIS and 0 < port <= 65535 - API_PORT_OFFSET
    if not is_place:
        raise LocalFault(NodeCode.CONFIG_VALUE, "host", value=text, why="expected [NAME=]HOST[:PORT] of one machine")
    return Place(name or f"n{index}", host, port)


def _is_place(host: str) -> bool:
    """A name, or the address of one machine."""
    if re.fullmatch(r"[0-9.]*|.*:.*", host) is None:
        return True
    try:
        return not ip_address(host).is_unspecified
    except ValueError:
        return False


_PLACE = re.compile(
    r"((?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})=)?"
    r"(\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252}))(:(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class TestnetNode:
    """One home. Its secrets are in its keystores only."""

    __test__ = False

    index: int
    home: Path
    config: NodeConfig
    envelope_key: bytes
    relayer: bytes
    """EVM address that pays for its transactions."""


@dataclass(frozen=True, slots=True)
class Testnet:
    """What was written."""

    __test__ = False

    nodes: tuple[TestnetNode, ...]
    genesis: Genesis
    network: NetworkId
    genesis_path: Path


def create_testnet(
    output_dir: Path,
    build_genesis: GenesisBuilder,
    *,
    validators: int = 4,
    base_port: int = P2P_PORT,
    chains: Sequence[ChainConfig] = (),
    host: str = "127.0.0.1",
    devnet: bool = False,
    seed: int | None = None,
    configure: Configure | None = None,
    places: Sequence[Place] = (),
) -> Testnet:
    """Write `output_dir/genesis.json` and `output_dir/n<i>/` for each validator, of equal power.

    p2p listens on base_port + i, the API `API_PORT_OFFSET` above. `places`: one for each validator, on machines of
    their own: p2p listens on every address there and announces its own, and homes have the places' names. Raises
    LocalFault OUTPUT_EXISTS, CONFIG_VALUE, and what `check_genesis` raises.
    """
    if places and len(places) != validators:
        raise LocalFault(NodeCode.CONFIG_VALUE, "host", validators=validators, hosts=len(places))
    if seed is not None and not devnet:
        raise LocalFault(NodeCode.CONFIG_VALUE, "seed", why="repeatable keys are for devnets only")
    if not 1 <= validators <= API_PORT_OFFSET or not 0 < base_port <= 65535 - 2 * API_PORT_OFFSET:
        raise LocalFault(NodeCode.CONFIG_VALUE, "testnet", validators=validators, base_port=base_port)
    at = tuple(places) or tuple(Place(f"n{index}", host, base_port + index) for index in range(validators))
    if output_dir.exists() and any(output_dir.glob("*/node.toml")):
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(output_dir))
    rings = sorted((_secrets(seed, index) for index in range(validators)), key=_envelope_key)
    network_seed = new_secret(KIND_OF[Purpose.NETWORK_SEED], _entropy(seed, validators, Purpose.NETWORK_SEED))
    genesis = build_genesis(ValidatorSet(tuple(own_validator(ring) for ring in rings)))
    check_genesis(genesis)
    output_dir.mkdir(parents=True, exist_ok=True)  # open to others; the homes in it are not
    genesis_json = genesis_to_json(genesis)
    genesis_path = output_dir / GENESIS
    write_new(genesis_path, genesis_json)
    peers = tuple(
        PeerConfig(key=_envelope_key(ring).hex(), host=place.host, port=place.port)
        for place, ring in zip(at, rings, strict=True)
    )
    preshared = new_preshared_key()  # written where a configuration names a file for it
    nodes = []
    for index, (place, ring) in enumerate(zip(at, rings, strict=True)):
        config = NodeConfig(
            node=NodeSection(name=place.name, devnet=devnet),
            p2p=P2P(
                host=ANY_HOST if places else host,
                port=place.port,
                announce=address_text(place.host, place.port) if places else "",
                peers=tuple(p for i, p in enumerate(peers) if i != index),
            ),
            chains=tuple(chains),
            api=Api(host=API_HOST if places else host, port=place.port + API_PORT_OFFSET),
            relayer=RelayerConfig(enabled=index == 0),
        )
        config = configure(index, config) if configure else config
        home = output_dir / place.name
        relayer = _write_home(home, config, {**ring, Purpose.NETWORK_SEED: network_seed}, genesis_json, preshared)
        config = msgspec.structs.replace(config, node=msgspec.structs.replace(config.node, home=str(home.resolve())))
        nodes.append(TestnetNode(index, home, config, _envelope_key(ring), relayer))
    return Testnet(tuple(nodes), genesis, network_id(genesis), genesis_path)


def with_preshared_key(config: NodeConfig) -> NodeConfig:
    """A configuration that needs a pre-shared key, in the file `preshared-key` of its home."""
    p2p = msgspec.structs.replace(config.p2p, preshared_key_file="preshared-key")
    return msgspec.structs.replace(config, p2p=p2p)


def _secrets(seed: int | None, index: int) -> dict[Purpose, bytes]:
    own = (Purpose.VALIDATOR, Purpose.ENVELOPE, Purpose.CHECKPOINT, Purpose.RELAYER)
    return {purpose: new_secret(KIND_OF[purpose], _entropy(seed, index, purpose)) for purpose in own}


def _entropy(seed: int | None, index: int, purpose: Purpose) -> bytes | None:
    """None: from the operating system."""
    return None if seed is None else tagged_hash(SEED_TAG, u256(seed), u256(index), purpose.encode())


def _envelope_key(ring: dict[Purpose, bytes]) -> bytes:
    return ed25519.public_key(ring[Purpose.ENVELOPE])


def _write_home(
    home: Path, config: NodeConfig, secrets: dict[Purpose, bytes], genesis_json: bytes, preshared: bytes | None
) -> bytes:
    """Write one home; the relayer's address."""
    make_secret_folder(home)
    password = new_password(home)
    strength = Strength.DEVNET if config.node.devnet else Strength.STANDARD
    relayer = b""
    for purpose, secret in secrets.items():
        entry = write_key(home, purpose.value, KIND_OF[purpose], secret, password, strength)
        if purpose is Purpose.RELAYER:
            relayer = bytes.fromhex(entry.public)
    new_sign_state(home / SIGN_STATE)
    if preshared is not None and config.p2p.preshared_key_file:
        write_preshared_key(home / config.p2p.preshared_key_file, preshared)
    write_new(home / "genesis.json", genesis_json)
    write_new(home / "node.toml", home_settings(config).encode())
    return relayer
