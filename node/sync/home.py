"""A home for a node that joins a running network: keys of its own, genesis, the network seed, node.toml with its peers.

Rule: all checks come before the first write, and nothing that exists is overwritten. The network seed comes from a file
that an operator handed over; it is in no message and in no argument.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from clearing.base.errors import LocalFault
from clearing.base.known_types import known_type
from clearing.schema.terms.genesis import Genesis, network_id
from member.codes import NodeCode
from member.default_ports import API_PORT, P2P_PORT
from member.keys.key_folder import KIND_OF, Purpose, card_of, new_password, new_secret, write_key
from member.keys.keystore import Strength
from member.keys.secret_files import read_secret
from node.config import P2P, Api, ChainConfig, NodeConfig, NodeSection, PeerConfig, StateSyncConfig
from node.config_sources import home_settings, name_of_home
from node.genesis_file import read_genesis_file
from node.home_lock import new_home
from node.signer.sign_state import SIGN_STATE, new_sign_state

SEED_BYTES = 32
_FETCH_STATE = StateSyncConfig()


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """What an operator says of a new node."""

    home: Path
    """A new folder, or one without node.toml and keys."""
    genesis: Path
    seed_file: Path
    """The network seed as 64 hex digits, mode 0600."""
    peers: tuple[PeerConfig, ...]
    name: str = ""
    """In logs and metrics; empty: that of the folder."""
    listen: tuple[str, int] = ("127.0.0.1", P2P_PORT)
    announce: tuple[str, int] | None = None
    """Where validators reach it once it is one of them; by default where it listens, unless that is every address."""
    api: tuple[str, int] | None = ("127.0.0.1", API_PORT)
    chains: tuple[ChainConfig, ...] = ()
    state_sync: StateSyncConfig = _FETCH_STATE
    devnet: bool = False


@dataclass(frozen=True, slots=True)
class Joining:
    """What others must know of the new node."""

    config_path: Path
    network: bytes
    card: dict[str, str]
    """For the proposer of the change that lets it in."""


def make_home(options: JoinOptions) -> Joining:
    """Write the home. Raises LocalFault: OUTPUT_EXISTS, CONFIG_VALUE, KEY_*, and what reading genesis raises."""
    target = options.home / "node.toml"
    if target.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(target))
    data, genesis = read_genesis_file(options.genesis, "genesis")
    seed = read_seed(options.seed_file)
    _check_peers(options.peers)
    _check_chains(genesis, options.chains)
    with new_home(options.home, Purpose):
        password = new_password(options.home)
        strength = Strength.DEVNET if options.devnet else Strength.STANDARD
        secrets = {purpose: new_secret(KIND_OF[purpose]) for purpose in Purpose}
        secrets[Purpose.NETWORK_SEED] = seed
        for purpose, secret in secrets.items():
            write_key(options.home, purpose.value, KIND_OF[purpose], secret, password, strength)
        new_sign_state(options.home / SIGN_STATE)
        (options.home / "genesis.json").write_bytes(data)
        # Last, so that a home that was not finished is not taken for one.
        with target.open("x") as file:
            file.write(home_settings(_config_of(options)))
    return Joining(config_path=target, network=network_id(genesis), card=card_of(secrets))


def _config_of(options: JoinOptions) -> NodeConfig:
    """The settings that `options` ask for; everything else is at its default."""
    host, port = options.listen
    api = Api(enabled=False) if options.api is None else Api(host=options.api[0], port=options.api[1])
    return NodeConfig(
        node=NodeSection(name=options.name or name_of_home(options.home), profile="observer", devnet=options.devnet),
        p2p=P2P(host=host, port=port, announce=_announced(options), peers=options.peers),
        chains=options.chains,
        api=api,
        state_sync=options.state_sync,
    )


def _announced(options: JoinOptions) -> str:
    host, port = options.announce or options.listen
    is_place = options.announce is not None or not is_every_address(host)
    return address_text(host, port) if is_place else ""


def is_every_address(host: str) -> bool:
    """Whether listening at this host is listening at every address."""
    return host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def address_text(host: str, port: int) -> str:
    """`HOST:PORT`, as `address_of` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_seed(path: Path) -> bytes:
    """The network seed from its file. Raises LocalFault KEY_*."""
    text = read_secret(path).strip().removeprefix(b"0x")
    try:
        seed = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise LocalFault(NodeCode.KEY_FORMAT, "network seed", path=str(path), why="expected 64 hex digits")
    return seed


def _check_peers(peers: tuple[PeerConfig, ...]) -> None:
    """Raises LocalFault CONFIG_VALUE for none, or for one key twice."""
    if not peers or len({peer.key for peer in peers}) != len(peers):
        raise LocalFault(NodeCode.CONFIG_VALUE, "peers", peers=len(peers), why="expected one or more, each key once")


def _check_chains(genesis: Genesis, chains: tuple[ChainConfig, ...]) -> None:
    """Raises LocalFault CONFIG_MISSING for a chain of genesis without an endpoint: no node starts without."""
    reached = {chain.chain_id for chain in chains}
    for chain in genesis.chains:
        if chain.chain_id not in reached:
            raise LocalFault(NodeCode.CONFIG_MISSING, "endpoint", chain_id=chain.chain_id)


def peer_of(text: str) -> PeerConfig:
    """The peer in `KEY@HOST:PORT`. Raises LocalFault CONFIG_VALUE."""
    key, _, address = text.partition("@")
    try:
        host, port = address_of(address)
        return msgspec.convert({"key": key, "host": host, "port": port}, known_type(PeerConfig))
    except (msgspec.ValidationError, LocalFault):
        raise LocalFault(NodeCode.CONFIG_VALUE, "peer", value=text, why="expected KEY@HOST:PORT") from None


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises LocalFault CONFIG_VALUE."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise LocalFault(NodeCode.CONFIG_VALUE, "address", value=text, why="expected HOST:PORT")
    return host, int(port)


def trust_of(text: str, state_sync: StateSyncConfig) -> StateSyncConfig:
    """`state_sync` with the anchor in `HEIGHT:HASH`. Raises LocalFault CONFIG_VALUE."""
    height, colon, hash_ = text.partition(":")
    hash_ = hash_.lower().removeprefix("0x")
    shaped = height.isascii() and height.isdigit() and len(hash_) == 64 and set(hash_) <= set("0123456789abcdef")
    if not (colon and shaped and 0 < int(height) < 2**63):
        raise LocalFault(NodeCode.CONFIG_VALUE, "trust", value=text, why="expected HEIGHT:HASH")
    return msgspec.structs.replace(state_sync, trust_height=int(height), trust_hash=hash_)
