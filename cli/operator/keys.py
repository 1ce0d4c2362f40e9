"""`crossclear keys new|list|import|export`. A secret is never printed and never an argument."""

from pathlib import Path

import click

from cli.options import NEW_FILE, NEW_FOLDER, password_option, read_hex_secret
from cli.output import output_option, say, show
from member.keys.key_folder import PASSWORD_FILE, KeyEntry, KeyKind, list_keys, new_secret, read_key, write_key
from member.keys.keystore import Strength
from member.keys.secret_files import read_password, write_secret

_KINDS = click.Choice([kind.value for kind in KeyKind])

_home = click.option("--home", type=NEW_FOLDER, default=Path(), help="The node's folder.")

_devnet = click.option("--devnet", is_flag=True, help="Weak derivation, for keys that guard nothing.")


@click.group()
def keys() -> None:
    """Make, list, import and export keys: EIP-2335 keystores, mode 0600, never overwritten."""


@keys.command()
@click.argument("name")
@click.option("--kind", type=_KINDS, required=True)
@_home
@password_option
@_devnet
@output_option
def new(name: str, kind: str, home: Path, password_file: Path | None, devnet: bool, output: str) -> None:
    """Make a key from the operating system's randomness."""
    _write(home, name, KeyKind(kind), new_secret(KeyKind(kind)), password_file, output, devnet=devnet)


@keys.command("list")
@_home
@output_option
def list_(home: Path, output: str) -> None:
    """Names, kinds and public keys. Opens nothing."""
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
    """Encrypt a secret from a file (mode 0600) into a keystore."""
    _write(home, name, KeyKind(kind), read_hex_secret(secret_file), password_file, output, devnet=devnet)


@keys.command()
@click.argument("name")
@click.option("--kind", type=_KINDS, required=True)
@click.option("--to", "target", type=NEW_FILE, required=True, help="A new file.")
@_home
@password_option
@_devnet
def export(name: str, kind: str, target: Path, home: Path, password_file: Path | None, devnet: bool) -> None:
    """Write a key's secret, unencrypted, to a new file of mode 0600 in a folder of mode 0700."""
    secret = read_key(home, name, KeyKind(kind), _read(home, password_file), allow_weak=devnet)
    write_secret(target, secret.hex().encode() + b"\n")
    say(f"the secret of {name} is in {target}, unprotected: move it and delete the file")


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
