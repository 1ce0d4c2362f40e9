"""A node's home folder: made by `crossclear init`, and opened by the tools beside the node.

Rule: nothing is overwritten and nothing is prompted for. An exported block log is opened with the network seed of a
home, which salts the roots of all states of its network.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.schema.terms.genesis import Genesis, network_id
from member.codes import NodeCode
from member.durable_files import write_whole
from member.keys.key_folder import KIND_OF, Purpose, card_of, new_password, new_secret, read_own_key, write_key
from member.keys.keystore import Strength
from node.agreement.application import state_salt
from node.config import NodeConfig
from node.config_sources import home_settings, load_config, name_of_home, parse_config
from node.genesis_file import read_genesis
from node.home_lock import new_home
from node.offline.log_trust import LogTrust
from node.signer.sign_state import SIGN_STATE, new_sign_state
from node.store.block_log import block_log_network, read_block_log
from node.store.records import BlockRecord
from node.store.store import Store


@dataclass(frozen=True, slots=True)
class OfflineHome:
    """Settings and genesis of a home."""

    config: NodeConfig
    genesis: Genesis

    def salt(self) -> bytes:
        """The salt of this network's state roots. Raises LocalFault KEY_*."""
        node = self.config.node
        password_file = self.config.path(node.password_file)
        seed = read_own_key(self.config.home, Purpose.NETWORK_SEED, password_file, allow_weak=node.devnet)
        return state_salt(seed)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The node's blocks and saved states. Raises LocalFault STORE_GAP where there are none."""
        database = self.config.path("node.sqlite")
        if not database.exists():
            raise LocalFault(NodeCode.STORE_GAP, str(database), height=0)
        with Store(database, network_id(self.genesis)) as store:
            yield store


@dataclass(frozen=True, slots=True)
class OpenedLog:
    """An exported block log, with all that executing it needs."""

    genesis: Genesis
    salt: bytes
    records: Iterator[BlockRecord]


def open_home(home: Path) -> OfflineHome:
    """Read a home's node.toml and genesis. Raises LocalFault CONFIG_*, and what the checks of genesis raise."""
    config = load_config(home / "node.toml", os.environ).config
    return OfflineHome(config, read_genesis(config.path(config.node.genesis)))


def displayed_ticks(home: Path) -> dict[int, int]:
    """Ticks that make a unit, by feed, as the settings of a home say; nothing where it has none.

    Raises LocalFault CONFIG_*.
    """
    settings = home / "node.toml"
    feeds = load_config(settings, os.environ).config.oracle.feeds if settings.exists() else ()
    return {each.feed: each.ticks_per_unit for each in feeds}


def write_signer(home: Path, signer: dict[str, str]) -> None:
    """Put a signer's address and key into a home's node.toml, which loses its comments. Raises LocalFault CONFIG_*."""
    config = load_config(home / "node.toml", {}).config
    filled = msgspec.structs.replace(config, signer=msgspec.structs.replace(config.signer, **signer))
    write_whole(home / "node.toml", home_settings(filled).encode())


def open_log(
    log: Path,
    genesis: Path,
    home: Path,
    password_file: Path | None,
    trust: LogTrust,
    *,
    cut_torn_tail: bool,
    allow_weak: bool,
) -> OpenedLog:
    """Open a block log of this genesis' network. `home`: a node's folder, whose network seed salts the roots. `trust`
    notes what is executed.

    Raises RemoteFault WRONG_NETWORK, LocalFault KEY_*.
    """
    terms = read_genesis(genesis)
    if (found := block_log_network(log)) != network_id(terms):
        raise RemoteFault(BaseCode.WRONG_NETWORK, str(log), found=found, wanted=network_id(terms))
    seed = read_own_key(home, Purpose.NETWORK_SEED, password_file, allow_weak=allow_weak)
    return OpenedLog(terms, state_salt(seed), trust.watch(read_block_log(log, cut_torn_tail=cut_torn_tail)))


_KEYS_OF_PROFILE = {
    "validator": (Purpose.VALIDATOR, Purpose.ENVELOPE, Purpose.CHECKPOINT, Purpose.RELAYER),
    "bridge": (Purpose.ENVELOPE, Purpose.RELAYER),
    "observer": (Purpose.ENVELOPE,),
}


def init_home(
    home: Path, profile: Literal["validator", "bridge", "observer"], name: str = "", *, devnet: bool
) -> dict[str, str]:
    """Make the keys and node.toml of one node; its public keys and the proofs of possession, in hex.

    Without a `name` it is called like its folder. `devnet`: weak key derivation.

    Raises LocalFault OUTPUT_EXISTS, KEY_*.
    """
    target = home / "node.toml"
    if target.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(target))
    config = parse_config({"node": {"name": name or name_of_home(home), "profile": profile, "devnet": devnet}})
    with new_home(home, _KEYS_OF_PROFILE[profile]):
        password = new_password(home)
        strength = Strength.DEVNET if devnet else Strength.STANDARD
        public: dict[str, str] = {}
        ring: dict[Purpose, bytes] = {}
        for purpose in _KEYS_OF_PROFILE[profile]:
            ring[purpose] = new_secret(KIND_OF[purpose])
            public[purpose.value] = write_key(
                home, purpose.value, KIND_OF[purpose], ring[purpose], password, strength
            ).public
        new_sign_state(home / SIGN_STATE)
        if Purpose.VALIDATOR in ring:
            public |= card_of(ring)
        with target.open("x") as file:
            file.write(home_settings(config))
    return public
