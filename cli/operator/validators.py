"""`crossclear validators show|card|propose|approve|submit`: changing who agrees, with signatures made offline."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE, NEW_FILE, hex_option, own_home_options, url_option
from cli.output import output_option, say, show

if TYPE_CHECKING:
    from clearing.base.validators import Validator

DAY_MS = 86_400_000


@click.group()
def validators() -> None:
    """Show and change the validator set: propose, have more than two thirds of the power approve, submit.

    Only `show`, `propose` and `submit` talk to a node; `approve` needs the file, the own key and genesis.
    """


@validators.command("show")
@url_option
@output_option
def show_(url: str, output: str) -> None:
    """Print the validator set, the change under way, and misbehaviour on record.

    Example: crossclear validators show
    """
    from member.client.ask import ask_node
    from member.printing.validators import validators_text

    view = ask_node(url, lambda client: client.validators())
    show(view, validators_text(view), output)


@validators.command()
@own_home_options
@output_option
def card(home: Path, password_file: Path | None, devnet: bool, output: str) -> None:
    """Print the card of a new validator, for its proposer: public keys and proofs that it knows their secrets.

    Example: crossclear validators card --home HOME --output json
    """
    from member.keys.key_folder import own_card

    fields = own_card(home, password_file, allow_weak=devnet)
    show(fields, "\n".join(f"{name} {value}" for name, value in fields.items()), output)


@validators.command()
@url_option
@click.option(
    "--enter", multiple=True, metavar="CARD=POWER", help="A validator to add: a card in JSON and its power; repeat."
)
@click.option(
    "--leave", multiple=True, metavar="KEY", help="A validator to remove: envelope key, 64 hex digits; repeat."
)
@click.option("--power", multiple=True, metavar="KEY=POWER", help="A new power of a validator that stays; repeat.")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How long it can be approved.")
@click.option("--out", type=NEW_FILE, required=True, help="A new file.")
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
    """Write a change of the present set to a file. Nothing is signed or sent.

    Example: crossclear validators propose --enter card.json=10 --out change.json
    """
    from member.client.ask import ask_node
    from member.durable_files import write_new
    from member.printing.validators import describe_validator_change
    from member.signing.validator_changes import encode_change
    from member.signing.validator_changes import propose as make

    entered = [_newcomer(text) for text in enter]
    powers = {_key("--power", key): number for key, number in (_split(text, "--power") for text in power)}
    left = [_key("--leave", key) for key in leave]
    shown = ask_node(url, lambda client: client.validators())
    made = make(shown, left, entered, powers, time.time_ns() // 1_000_000 + days * DAY_MS)
    write_new(out, encode_change(made))
    show(*describe_validator_change(made), output)
    say(f"written to {out}: have it approved with `crossclear validators approve {out}`")


@validators.command()
@click.argument("file", type=FILE)
@own_home_options
@click.option("--genesis", type=FILE, help="Default: HOME/genesis.json.")
@click.option("--out", type=NEW_FILE, help="A new file. Default: the approval is added to FILE.")
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
    """Sign a change with the own envelope key. Needs no network: compare the hashes with those of the proposer.

    Example: crossclear validators approve change.json --home HOME
    """
    from clearing.schema.terms.genesis import network_id
    from member.durable_files import write_new, write_whole
    from member.keys.key_folder import KIND_OF, Purpose, public_of, read_own_key
    from member.printing.validators import describe_validator_change
    from member.signing.validator_changes import approve_change, encode_change, read_change
    from node.genesis_file import read_genesis

    change = read_change(file)
    network = network_id(read_genesis(genesis or home / "genesis.json"))
    secret = read_own_key(home, Purpose.ENVELOPE, password_file, allow_weak=devnet)
    approved = approve_change(change, network, public_of(KIND_OF[Purpose.ENVELOPE], secret), secret)
    if out is not None:
        write_new(out, encode_change(approved))
    else:
        write_whole(file, encode_change(approved))
    show(*describe_validator_change(approved), output)


@validators.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@url_option
@output_option
def submit(files: tuple[Path, ...], url: str, output: str) -> None:
    """Join the approvals of all FILES of one change and submit it. Exits with 6 when the node refuses it.

    Example: crossclear validators submit change.json
    """
    from member.client.ask import ask_node, submit_one
    from member.printing.validators import describe_validator_change
    from member.signing.validator_changes import joined, read_change

    change = joined([read_change(file) for file in files])
    show(*describe_validator_change(change), output)
    result = ask_node(url, lambda client: submit_one(client, change.request))
    say(f"{result.status} as {result.hash}: watch it with `crossclear validators show`")


def _newcomer(text: str) -> "Validator":
    from member.signing.validator_changes import newcomer, read_card

    path, power = _split(text, "--enter")
    try:
        return newcomer(read_card(Path(path)), power)
    except ValueError as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--enter") from None


def _split(text: str, option: str) -> tuple[str, int]:
    name, equals, number = text.rpartition("=")
    if not equals or not number.isascii() or not number.isdigit() or not 0 < int(number) < 2**60:
        raise click.BadParameter(f"expected NAME=POWER, got {text!r}", param_hint=option)
    return name, int(number)


def _key(option: str, text: str) -> bytes:
    return hex_option(option, text) or b""
