"""`crossclear validators show|card|propose|approve|submit`: changing who agrees, with signatures made offline."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.output import output_option, say, show

if TYPE_CHECKING:
    from member.client.node_client import NodeClient

T = TypeVar("T")

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_NEW = click.Path(dir_okay=False, path_type=Path)

_url = click.option("--url", default="http://127.0.0.1:26680", show_default=True, help="A node's API.")

DAY_MS = 86_400_000


def _own_keys(command: F) -> F:
    """Whose keys."""
    options = (
        click.option(
            "--home", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="A node's folder."
        ),
        click.option("--password-file", type=_NEW, help="Default: HOME/password."),
        click.option("--devnet", is_flag=True, help="Accept weakly derived keystores."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def validators() -> None:
    """Show and change the validator set: propose, have more than two thirds of the power approve, submit.

    Only `show`, `propose` and `submit` talk to a node; `approve` needs the file, the own key and genesis.
    """


@validators.command("show")
@_url
@output_option
def show_(url: str, output: str) -> None:
    """Print the validator set, the change under way, and misbehaviour on record."""
    from cli.operator.validators_text import text_of_sets

    view = _ask(url, lambda client: client.validators())
    show(view, text_of_sets(view), output)


@validators.command()
@_own_keys
@output_option
def card(home: Path, password_file: Path | None, devnet: bool, output: str) -> None:
    """Print the card of a new validator, for its proposer: public keys and a proof that it knows the BLS secret."""
    from clearing.base import bls
    from member.keys.key_folder import KIND_OF, Purpose, public_of

    envelope = public_of(KIND_OF[Purpose.ENVELOPE], _secret(home, "envelope", password_file, devnet=devnet))
    secret = int.from_bytes(_secret(home, "validator", password_file, devnet=devnet), "big")
    told = {
        "envelope": envelope.hex(),
        "validator": bls.public_key(secret).hex(),
        "possession": bls.prove_possession(secret).hex(),
    }
    show(told, "\n".join(f"{name} {value}" for name, value in told.items()), output)


@validators.command()
@_url
@click.option(
    "--enter", multiple=True, metavar="CARD=POWER", help="A validator to add: a card in JSON and its power; repeat."
)
@click.option(
    "--leave", multiple=True, metavar="KEY", help="A validator to remove: envelope key, 64 hex digits; repeat."
)
@click.option("--power", multiple=True, metavar="KEY=POWER", help="A new power of a validator that stays; repeat.")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How long it can be approved.")
@click.option("--out", type=_NEW, required=True, help="A new file.")
@output_option
def propose(
    url: str,
    enter: tuple[str, ...],
    leave: tuple[str, ...],
    power: tuple[str, ...],
    days: int,
    out: Path,
    output: str,
) -> None:
    """Write a change of the present set to a file. Nothing is signed or sent."""
    from cli.operator.validators_text import describe_validator_change
    from member.durable_files import write_new
    from member.signing.validator_changes import encode_change
    from member.signing.validator_changes import propose as make

    entered = [_newcomer(each) for each in enter]
    powers = {_key(key): number for key, number in (_split(each, "--power") for each in power)}
    left = [_key(each) for each in leave]
    shown = _ask(url, lambda client: client.validators())
    made = make(shown, left, entered, powers, time.time_ns() // 1_000_000 + days * DAY_MS)
    write_new(out, encode_change(made))
    show(*describe_validator_change(made), output)
    say(f"written to {out}: have it approved with `crossclear validators approve {out}`")


@validators.command()
@click.argument("file", type=_FILE)
@_own_keys
@click.option("--genesis", type=_FILE, help="Default: HOME/genesis.json.")
@click.option("--out", type=_NEW, help="A new file. Default: the approval is added to FILE.")
@output_option
def approve(
    file: Path,
    home: Path,
    password_file: Path | None,
    devnet: bool,
    genesis: Path | None,
    out: Path | None,
    output: str,
) -> None:
    """Sign a change with the own envelope key. Needs no network: compare the hashes with those of the proposer."""
    from clearing.schema.terms.genesis import network_id
    from cli.operator.validators_text import describe_validator_change
    from member.durable_files import write_new, write_whole
    from member.keys.key_folder import KIND_OF, Purpose, public_of
    from member.signing.validator_changes import approve_change, encode_change, read_change
    from node.app.process import read_genesis

    change = read_change(file)
    network = network_id(read_genesis(genesis or home / "genesis.json"))
    secret = _secret(home, "envelope", password_file, devnet=devnet)
    approved = approve_change(change, network, public_of(KIND_OF[Purpose.ENVELOPE], secret), secret)
    if out is not None:
        write_new(out, encode_change(approved))
    else:
        write_whole(file, encode_change(approved))
    show(*describe_validator_change(approved), output)


@validators.command()
@click.argument("files", type=_FILE, nargs=-1, required=True)
@_url
@output_option
def submit(files: tuple[Path, ...], url: str, output: str) -> None:
    """Join the approvals of all FILES of one change and submit it. Exits with 6 when the node refuses it."""
    from clearing.base.errors import RemoteFault
    from cli.operator.validators_text import describe_validator_change
    from member.codes import NodeCode
    from member.signing.validator_changes import joined, read_change

    change = joined([read_change(file) for file in files])
    results = _ask(url, lambda client: client.submit((change.request,)))
    result = results.results[0]
    show(*describe_validator_change(change), output)
    if result.problem is not None:
        raise RemoteFault(NodeCode.CHANGE_FILE, result.problem.at, code=result.problem.code, why=result.problem.message)
    say(f"{result.status} as {result.hash}: watch it with `crossclear validators show`")


def _ask(url: str, question: "Callable[[NodeClient], Any]") -> Any:
    import trio

    from clearing.base.ids import ZERO_HASH, NetworkId
    from member.client.node_client import NodeClient

    async def main() -> Any:
        async with NodeClient(url, NetworkId(ZERO_HASH)) as client:
            return await question(client)

    return trio.run(main)


def _secret(home: Path, name: str, password_file: Path | None, *, devnet: bool) -> bytes:
    from member.keys.key_folder import KIND_OF, PASSWORD_FILE, Purpose, read_key
    from member.keys.secret_files import read_password

    password = read_password(password_file or home / PASSWORD_FILE)
    return read_key(home, name, KIND_OF[Purpose(name)], password, allow_weak=devnet)


def _newcomer(text: str) -> Any:
    import msgspec

    from clearing.base.plain_json import read_json
    from member.signing.validator_changes import CHANGE_FILE_BYTES_MAX, Card, newcomer

    path, power = _split(text, "--enter")
    try:
        with Path(path).open("rb") as file:
            shown = read_json(file.read(CHANGE_FILE_BYTES_MAX), Card)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--enter") from None
    return newcomer(shown, power)


def _split(text: str, option: str) -> tuple[str, int]:
    name, equals, number = text.rpartition("=")
    if not equals or not number.isascii() or not number.isdigit() or not 0 < int(number) < 2**60:
        raise click.BadParameter(f"expected NAME=POWER, got {text!r}", param_hint=option)
    return name, int(number)


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise click.BadParameter(f"expected 64 hex digits, got {text!r}")
    return key
