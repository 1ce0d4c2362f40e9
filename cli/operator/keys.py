"""`crossclear keys new|list|import|export|rotate` and `crossclear signer init|start|rotate`: keys, and the process
that holds them.

Rule: a secret is never printed and never an argument.
"""

import signal
import threading
import time
from pathlib import Path

import click

from cli.options import (
    FILE,
    HOME,
    NEW_FILE,
    NEW_FOLDER,
    NUMBER,
    own_home_options,
    password_option,
    read_hex_secret,
    url_option,
)
from cli.output import output_option, say, show, tell
from member.keys.key_folder import (
    PASSWORD_FILE,
    KeyEntry,
    KeyKind,
    Purpose,
    list_keys,
    new_secret,
    read_key,
    write_key,
)
from member.keys.keystore import Strength
from member.keys.secret_files import read_password, write_secret

_KINDS = click.Choice([kind.value for kind in KeyKind])
_home = click.option("--home", type=NEW_FOLDER, default=Path(), help="The node's folder.")
_devnet = click.option("--devnet", is_flag=True, help="Weak derivation, for keys that guard nothing.")


DAY_MS = 86_400_000


@click.group()
def keys() -> None:
    """Make, list, import, export and rotate keys: EIP-2335 keystores, mode 0600, never overwritten."""


@keys.command()
@click.argument("name")
@click.option("--kind", type=_KINDS, required=True)
@_home
@password_option
@_devnet
@output_option
def new(name: str, kind: str, home: Path, password_file: Path | None, devnet: bool, output: str) -> None:
    """Make a key from the operating system's randomness. With a new voting key, a home without sign state gets one.

    Example: crossclear keys new relayer --kind secp256k1 --home HOME
    """
    from node.signer.sign_state import SIGN_STATE, has_sign_state, new_sign_state

    _write(home, name, KeyKind(kind), new_secret(KeyKind(kind)), password_file, output, devnet=devnet)
    if name == Purpose.VALIDATOR and not has_sign_state(home / SIGN_STATE):
        new_sign_state(home / SIGN_STATE)


@keys.command("list")
@_home
@output_option
def list_(home: Path, output: str) -> None:
    """Names, kinds and public keys. Opens nothing.

    Example: crossclear keys list --home HOME
    """
    found = list_keys(home)
    text = "\n".join(f"{entry.name:<16} {entry.kind:<10} {entry.public}" for entry in found)
    show([_entry_fields(entry) for entry in found], text or "no keys", output)


@keys.command("import")
@click.argument("name")
@click.option("--kind", type=_KINDS, required=True)
@click.option("--secret-file", type=NEW_FILE, required=True, help="64 hex digits.")
@_home
@password_option
@_devnet
@output_option
def import_(
    name: str,
    kind: str,
    secret_file: Path,
    home: Path,
    password_file: Path | None,
    devnet: bool,
    output: str,
) -> None:
    """Encrypt a secret from a file (mode 0600) into a keystore.

    With an imported voting key, a home that signed nothing yet no longer says so: the key may have signed elsewhere. A
    node of it begins with a state from peers, and is silent for some heights.

    Example: crossclear keys import validator --kind bls --secret-file /secure/validator --home HOME
    """
    from node.signer.sign_state import SIGN_STATE, forget_fresh_keys

    secret = read_hex_secret(secret_file)
    if kind == KeyKind.BLS.value and forget_fresh_keys(home / SIGN_STATE):
        say("the imported key may have signed before: its node begins with a state from peers, and is silent at first")
    _write(home, name, KeyKind(kind), secret, password_file, output, devnet=devnet)


@keys.command()
@click.argument("name")
@click.option("--kind", type=_KINDS, required=True)
@click.option("--to", "target", type=NEW_FILE, required=True, help="A new file.")
@_home
@password_option
@_devnet
@output_option
def export(
    name: str, kind: str, target: Path, home: Path, password_file: Path | None, devnet: bool, output: str
) -> None:
    """Write a key's secret, unencrypted, to a new file of mode 0600 in a folder of mode 0700.

    Example: crossclear keys export validator --kind bls --to /secure/validator --home HOME
    """
    secret = read_key(home, name, KeyKind(kind), _read(home, password_file), allow_weak=devnet)
    write_secret(target, secret.hex().encode() + b"\n")
    text = f"the secret of {name} is in {target}, unprotected: move it and delete the file"
    tell({"name": name, "file": str(target)}, text, output)


@keys.command()
@url_option
@own_home_options
@click.option("--signer", "signer_card", type=FILE, help="What `crossclear signer rotate` printed, as JSON.")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How long it can be approved.")
@click.option("--out", type=NEW_FILE, required=True, help="A new file, for the change of the set.")
@output_option
def rotate(
    url: str,
    home: Path,
    password_file: Path | None,
    devnet: bool,
    signer_card: Path | None,
    days: int,
    out: Path,
    output: str,
) -> None:
    """Replace a validator's voting key and checkpoint key: make the next ones, and write the change of the validator
    set with the own approval. The node may run: it signs with the new keys from the height on at which the set lists
    them, and keeps the old ones as `…-retired-…`. Keys that wait already are used again.

    Example: crossclear keys rotate --home HOME --out change.json
    """
    from member.client.ask import ask_node
    from member.durable_files import write_new
    from member.printing.validators import describe_validator_change
    from member.signing.key_rotation import read_vote_key_card, rotation_change
    from member.signing.validator_changes import encode_change
    from node.genesis_file import read_genesis

    shown = ask_node(url, lambda client: client.validators())
    change = rotation_change(
        shown,
        read_genesis(home / "genesis.json"),
        home,
        _read(home, password_file),
        None if signer_card is None else read_vote_key_card(signer_card),
        time.time_ns() // 1_000_000 + days * DAY_MS,
        Strength.DEVNET if devnet else Strength.STANDARD,
    )
    write_new(out, encode_change(change))
    show(*describe_validator_change(change), output)
    if change.before.is_quorum(change.approved_power):
        say(f"Next: crossclear validators submit {out}")
    else:
        say(
            f"Next: others approve it (crossclear validators approve {out} --home THEIRS), "
            f"then crossclear validators submit {out}"
        )


def _read(home: Path, password_file: Path | None) -> str:
    return read_password(password_file or home / PASSWORD_FILE)


def _write(
    home: Path, name: str, kind: KeyKind, secret: bytes, password_file: Path | None, output: str, *, devnet: bool
) -> None:
    strength = Strength.DEVNET if devnet else Strength.STANDARD
    entry = write_key(home, name, kind, secret, _read(home, password_file), strength)
    show(_entry_fields(entry), f"{entry.name} {entry.kind} {entry.public}", output)


def _entry_fields(entry: KeyEntry) -> dict[str, str]:
    return {"name": entry.name, "kind": entry.kind, "public": entry.public, "path": str(entry.path)}


_signer_home = click.option("--home", type=NEW_FOLDER, required=True, help="The signer's folder.")


@click.group()
def signer() -> None:
    """Keep a validator's keys in a process apart from its node."""


@signer.command()
@_signer_home
@click.option("--network", metavar="HEX", help="The network id, 64 hex digits.")
@click.option("--listen", "address", required=True, help="unix:PATH or tcp:HOST:PORT.")
@click.option("--allow", "allowed", multiple=True, metavar="HEX", help="A node's link key; repeat.")
@click.option(
    "--move-from",
    type=HOME,
    metavar="HOME",
    help="Take the keys and the sign state from this stopped node, and allow this node.",
)
@click.option(
    "--signed-to",
    type=NUMBER,
    metavar="HEIGHT",
    help="Of an imported voting key: the highest height that it may have signed; 0 for a new key.",
)
@click.option("--configure", is_flag=True, help="With --move-from: write [signer] into that home's node.toml.")
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@output_option
def init(
    home: Path,
    network: str | None,
    address: str,
    allowed: tuple[str, ...],
    move_from: Path | None,
    signed_to: int | None,
    configure: bool,
    devnet: bool,
    output: str,
) -> None:
    """Make a signer's home: signer.toml, and each key that was not imported before. Never overwrites.

    With an imported voting key, say by --signed-to how far it may have signed.

    Example: crossclear signer init --home SIGNER --listen unix:/run/crossclear/signer --move-from HOME
    """
    from node.signer.home import init_home

    if move_from is not None:
        if network or allowed or devnet or signed_to is not None:
            raise click.UsageError("--move-from states all the rest: leave the other options out")
        moved = _move(home, move_from, address, configure=configure)
        show(moved, "\n".join(["[signer]", *(f'{name} = "{value}"' for name, value in moved.items())]), output)
        todo = "" if configure else f"put this into {move_from / 'node.toml'}, and "
        say(f"Next: {todo}take keys/validator.json out of {move_from} for good.")
        return
    if network is None or not allowed or configure:
        raise click.UsageError("--network and --allow are needed, or --move-from")
    made = init_home(home, network=network, listen=address, allow=allowed, devnet=devnet, signed_to=signed_to)
    show(made, "\n".join(f"{name} {key}" for name, key in made.items()), output)
    say("Next: in the node's node.toml set [signer] address and key (the link line); move `validator` out of its keys.")


def _move(home: Path, node_home: Path, address: str, *, configure: bool) -> dict[str, str]:
    from node.offline.homes import open_home, write_signer
    from node.signer.home import move_validator

    opened = open_home(node_home)
    moved = move_validator(opened.config, opened.genesis, home, address)
    if configure:
        write_signer(node_home, moved)
    return moved


@signer.command()
@_signer_home
def start(home: Path) -> int:
    """Sign in the foreground until SIGTERM or Ctrl-C. Exits with 7 when this home is in use.

    Example: crossclear signer start --home SIGNER
    """
    from node.signer.home import open_server

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with open_server(home) as (server, rotation, address):
        threading.Thread(target=server.run, name="signer", daemon=True).start()
        say(f"signing at {address}")
        while not ended.wait(1.0):
            rotation.settle(rotation.open_new())
    return 0


@signer.command("rotate")
@_signer_home
@output_option
def rotate_signer(home: Path, output: str) -> None:
    """Make the next voting key of this signer, and print what `crossclear keys rotate --signer` needs. The signer may
    run: it votes with the new key once the set lists it, and keeps the old one as `validator-retired-…`.

    Example: crossclear signer rotate --home SIGNER --output json
    """
    from member.signing.key_rotation import vote_key_card
    from node.signer.home import make_next_vote_key

    card = vote_key_card(make_next_vote_key(home))
    show(card, "\n".join(f"{name} {value}" for name, value in card.items()), output)
    say("Next: crossclear keys rotate --signer next.json --home HOME, where next.json is this answer as JSON")
