"""A signer's folder: signer.toml, its keys, and the state of what it signed.

Rule: keys are never overwritten, and imported ones are used: a validator moves here with its keys. The sign state is
this signer's own and synced; a home that signed and lost it does not start.
"""

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec

from clearing.base.errors import LocalFault
from clearing.base.known_types import known_type
from clearing.schema.terms.genesis import Genesis, network_id
from consensus.wal import read_frames
from member.codes import NodeCode
from member.keys.key_folder import (
    PASSWORD_FILE,
    KeyKind,
    Purpose,
    key_path,
    list_keys,
    new_password,
    new_secret,
    read_key,
    write_key,
)
from member.keys.keystore import Strength
from member.keys.rotation import make_next_key
from member.keys.secret_files import make_secret_folder, read_password
from node.config import KeyHex, NodeConfig
from node.config_section import Section
from node.signer.channel import address_of, listen
from node.signer.local import logged_step
from node.signer.rotation import KeyRotation, RotatedKey
from node.signer.server import SignerServer
from node.signer.sign_state import LAST_IN_HEIGHT, SignedStep, SignStateFile, has_sign_state, locked_sign_state
from node.signer.sign_state import SIGN_STATE as NODE_SIGN_STATE

SETTINGS = "signer.toml"
SIGN_STATE = "signer-state"
SETTINGS_BYTES_MAX = 1 << 16
KEYS = {"validator": KeyKind.BLS, "envelope": KeyKind.ED25519, "link": KeyKind.ED25519}


class SignerSettings(Section, frozen=True):
    """signer.toml."""

    listen: str
    network: KeyHex
    allow: Annotated[tuple[KeyHex, ...], msgspec.Meta(min_length=1, max_length=16)]
    """Link keys of the nodes that may ask."""
    devnet: bool = False


def init_home(
    home: Path, *, network: str, listen: str, allow: Sequence[str], devnet: bool, signed_to: int | None = None
) -> dict[str, str]:
    """Write what is missing; public keys by name. `signed_to`: the highest height that an imported voting key may have
    signed; nothing up to it is signed any more, and 0 says that it signed nothing.

    Raises LocalFault OUTPUT_EXISTS, CONFIG_VALUE, KEY_*, and SIGN_STATE_MISSING for an imported voting key of which
    nobody says how far it signed.
    """
    target = home / SETTINGS
    if target.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(target))
    is_imported = key_path(home, "validator").exists() and not has_sign_state(home / SIGN_STATE)
    if is_imported and signed_to is None:
        raise LocalFault(NodeCode.SIGN_STATE_MISSING, str(home / SIGN_STATE), why="say with --signed-to how far")
    tree = {"listen": listen, "network": network, "allow": list(allow), "devnet": devnet}
    _settings(tree, target)
    make_secret_folder(home)
    password = new_password(home)
    strength = Strength.DEVNET if devnet else Strength.STANDARD
    for name, kind in KEYS.items():
        if not key_path(home, name).exists():
            write_key(home, name, kind, new_secret(kind), password, strength)
    guard = SignStateFile(home / SIGN_STATE)
    if is_imported and signed_to:
        guard.advance(SignedStep(signed_to, *LAST_IN_HEIGHT), bytes(32))
    guard.close()
    lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in tree.items()]
    with target.open("x") as file:
        file.write("\n".join(lines) + "\n")
    return {list_key.name: list_key.public for list_key in list_keys(home)}


def move_validator(config: NodeConfig, genesis: Genesis, home: Path, listen: str) -> dict[str, str]:
    """Make a signer's home out of a stopped node's keys and of what it signed; what `[signer]` must say there.

    Nothing is taken out of the node's home, which gets a link key. Raises LocalFault: DOUBLE_SIGN while the node runs,
    SIGN_STATE_MISSING for one that has blocks and no sign state, OUTPUT_EXISTS, KEY_*.
    """
    settings, devnet = config.signer, config.node.devnet
    if (home / SETTINGS).exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(home / SETTINGS))
    strength = Strength.DEVNET if devnet else Strength.STANDARD
    password = read_password(config.path(config.node.password_file))
    with locked_sign_state(config.path(NODE_SIGN_STATE)) as guard:
        if guard is None and config.path("node.sqlite").exists():
            raise LocalFault(NodeCode.SIGN_STATE_MISSING, str(config.path(NODE_SIGN_STATE)))
        signed = _signed(config, guard)
        make_secret_folder(home)
        # Before the keys: a move that ends half-way must not leave keys that seem to have signed nothing.
        state = SignStateFile(home / SIGN_STATE)
        if signed[0] > state.last:
            state.advance(*signed)
        state.close()
        fresh = new_password(home)
        for name in ("validator", "envelope"):
            secret = read_key(config.home, name, KEYS[name], password, allow_weak=devnet)
            write_key(home, name, KEYS[name], secret, fresh, strength)
        if not key_path(config.home, settings.link).exists():
            write_key(config.home, settings.link, KeyKind.ED25519, new_secret(KeyKind.ED25519), password, strength)
        link = next(list_key.public for list_key in list_keys(config.home) if list_key.name == settings.link)
        network = network_id(genesis).hex()
        made = init_home(home, network=network, listen=listen, allow=[link], devnet=devnet)
    return {"address": listen, "key": made["link"], "link": settings.link}


def _signed(config: NodeConfig, guard: SignStateFile | None) -> tuple[SignedStep, bytes]:
    """The last step and its digest; a step that only the log knows has no digest, and is not signed again."""
    last = (guard.last, guard.digest) if guard is not None else (SignedStep(), bytes(32))
    log = config.path(config.consensus.wal)
    if log.exists():
        logged = logged_step(read_frames(log.read_bytes())[0])
        if logged > last[0]:
            return logged, bytes(32)
    return last


def make_next_vote_key(home: Path) -> int:
    """The next voting key, made unless one waits; the signer may run. Raises LocalFault CONFIG_*, KEY_*."""
    strength = Strength.DEVNET if _read_settings(home / SETTINGS).devnet else Strength.STANDARD
    secret = make_next_key(home, Purpose.VALIDATOR, read_password(home / PASSWORD_FILE), strength)
    return int.from_bytes(secret, "big")


@contextmanager
def open_server(home: Path) -> Iterator[tuple[SignerServer, KeyRotation, str]]:
    """The server, not running yet, the rotation of its voting key, and where it listens.

    Raises LocalFault: DOUBLE_SIGN for a home in use, KEY_*.
    """
    settings = _read_settings(home / SETTINGS)
    state = home / SIGN_STATE
    if not has_sign_state(state):
        raise LocalFault(NodeCode.SIGN_STATE_MISSING, str(state))
    password = read_password(home / PASSWORD_FILE)
    opened = {name: read_key(home, name, kind, password, allow_weak=settings.devnet) for name, kind in KEYS.items()}
    guard = SignStateFile(state)
    try:
        listener = listen(settings.listen)
        server = SignerServer(
            listener,
            bytes.fromhex(settings.network),
            opened["link"],
            [bytes.fromhex(key) for key in settings.allow],
            opened["envelope"],
            int.from_bytes(opened["validator"], "big"),
            guard,
        )
        rotated = RotatedKey(
            Purpose.VALIDATOR,
            lambda secret: server.add_vote_key(int.from_bytes(secret, "big")),
            lambda: (server.last_vote_key,),
        )
        rotation = KeyRotation(
            home, home / PASSWORD_FILE, (rotated,), allow_weak=settings.devnet, known=server.vote_keys
        )
        rotation.settle(rotation.open_new())
        try:
            yield server, rotation, address_of(listener)
        finally:
            server.close()
    finally:
        guard.close()


def _read_settings(path: Path) -> SignerSettings:
    """signer.toml, checked. Raises LocalFault CONFIG_*."""
    try:
        with path.open("rb") as file:
            data = file.read(SETTINGS_BYTES_MAX)
        return _settings(tomllib.loads(data.decode()), path)
    except OSError as error:
        raise LocalFault(NodeCode.CONFIG_MISSING, str(path), why=error.strerror or "unreadable") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LocalFault(NodeCode.CONFIG_SYNTAX, str(path), why=str(error)) from None


def _settings(tree: object, path: Path) -> SignerSettings:
    try:
        return msgspec.convert(tree, known_type(SignerSettings), strict=False)
    except msgspec.ValidationError as error:
        raise LocalFault(NodeCode.CONFIG_VALUE, str(path), why=str(error)) from None
