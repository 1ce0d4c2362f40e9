"""Puts a new network into a home that `init` made: genesis, network seed, peers, chains, and where the node listens.

Rule: all checks come before the first write, and a home that has a network is refused. node.toml comes last, so that a
home that was not finished does not start.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from clearing.base.errors import LocalFault
from clearing.schema.terms.genesis import Genesis
from member.codes import NodeCode
from member.durable_files import write_new, write_whole
from member.keys.key_folder import KIND_OF, KeyKind, Purpose, check_keystore, key_path, write_key
from member.keys.keystore import Strength
from member.keys.secret_files import read_password
from node.config import ChainConfig, NodeConfig, PeerConfig
from node.config_sources import home_settings, load_config, parse_config
from node.genesis_file import read_genesis_file
from node.sync.home import address_text, read_seed

PEERS_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class NewNetwork:
    """What the validators of a new network agreed on."""

    genesis: Path
    peers: Path
    """All validators as `[[p2p.peers]]`; the own one is left out."""
    seed_file: Path
    chains: tuple[ChainConfig, ...] = ()
    listen: tuple[str, int] | None = None
    """By default the port of the own entry in `peers`: on every address, or on its own where that is this machine's."""
    api: tuple[str, int] | None = None
    """By default as node.toml has it."""


def install_network(home: Path, network: NewNetwork) -> NodeConfig:
    """Fill the home; its settings. Raises LocalFault: OUTPUT_EXISTS for a home that has a network, CONFIG_*, KEY_*, and
    what reading genesis raises.
    """
    if (home / "node.toml").is_symlink():
        # Its files would be those of the folder that it leads to, and the seed would be here.
        raise LocalFault(NodeCode.CONFIG_VALUE, str(home / "node.toml"), why="it is a link: a home has its own")
    config = load_config(home / "node.toml", {}).config
    target = config.path(config.node.genesis)
    for taken in (target, config.path("node.sqlite"), key_path(home, Purpose.NETWORK_SEED.value)):
        if os.path.lexists(taken):
            raise LocalFault(NodeCode.OUTPUT_EXISTS, str(taken))
    data, genesis = read_genesis_file(network.genesis, "genesis")
    peers = read_peers(network.peers)
    own = check_keystore(home, Purpose.ENVELOPE.value, KeyKind.ED25519, allow_weak=config.node.devnet)
    _check_membership(genesis, own)
    seed = read_seed(network.seed_file)
    password = read_password(config.path(config.node.password_file))
    filled = _filled(config, network, peers, own)
    strength = Strength.DEVNET if config.node.devnet else Strength.STANDARD
    write_key(home, Purpose.NETWORK_SEED.value, KIND_OF[Purpose.NETWORK_SEED], seed, password, strength)
    write_new(target, data)
    write_whole(home / "node.toml", home_settings(filled).encode())
    return filled


def read_peers(path: Path) -> tuple[PeerConfig, ...]:
    """The `[[p2p.peers]]` of a file. Raises LocalFault CONFIG_*."""
    try:
        with path.open("rb") as file:
            tree: dict[str, Any] = tomllib.loads(file.read(PEERS_BYTES_MAX).decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise LocalFault(NodeCode.CONFIG_SYNTAX, str(path), why=str(error)) from None
    return parse_config(tree).p2p.peers


def _check_membership(genesis: Genesis, own: str) -> None:
    if bytes.fromhex(own) not in genesis.validators.index_of:
        raise LocalFault(NodeCode.CONFIG_VALUE, "genesis", key=own, why="genesis has no validator with this home's key")


def _filled(config: NodeConfig, network: NewNetwork, peers: tuple[PeerConfig, ...], own: str) -> NodeConfig:
    listen = network.listen
    for peer in peers:
        if peer.key == own and listen is None:
            is_here = peer.host in ("127.0.0.1", "::1", "localhost")
            listen = (peer.host if is_here else "0.0.0.0", peer.port)  # noqa: S104 - peers must reach it
    if listen is None:
        raise LocalFault(NodeCode.CONFIG_MISSING, "p2p.port", why="the peers' file lacks this node: give --listen")
    others = tuple(peer for peer in peers if peer.key != own)
    place = next((address_text(peer.host, peer.port) for peer in peers if peer.key == own), config.p2p.announce)
    p2p = msgspec.structs.replace(config.p2p, host=listen[0], port=listen[1], announce=place, peers=others)
    api = config.api
    if network.api is not None:
        api = msgspec.structs.replace(api, host=network.api[0], port=network.api[1])
    return msgspec.structs.replace(config, p2p=p2p, api=api, chains=network.chains or config.chains)
