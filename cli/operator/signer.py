"""`crossclear signer init|start`: the process that holds a validator's keys for its node."""

import signal
import threading
from pathlib import Path

import click

from cli.options import HOME, NEW_FOLDER
from cli.output import output_option, say, show

_home = click.option("--home", type=NEW_FOLDER, required=True, help="The signer's folder.")


@click.group()
def signer() -> None:
    """Keep a validator's keys in a process apart from its node."""


@signer.command()
@_home
@click.option("--network", metavar="HEX", help="The network id, 64 hex digits.")
@click.option("--listen", "address", required=True, help="unix:PATH or tcp:HOST:PORT.")
@click.option("--allow", "allowed", multiple=True, metavar="HEX", help="A node's link key; repeat.")
@click.option(
    "--move-from",
    type=HOME,
    metavar="HOME",
    help="Take the keys and the sign state from this stopped node, and allow this node.",
)
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@output_option
def init(
    home: Path,
    network: str | None,
    address: str,
    allowed: tuple[str, ...],
    move_from: Path | None,
    devnet: bool,
    output: str,
) -> None:
    """Make a signer's home: signer.toml, and each key that was not imported before. Never overwrites."""
    from node.signer.home import init_home

    if move_from is not None:
        if network or allowed or devnet:
            raise click.UsageError("--move-from states network, node and devnet: leave the other options out")
        moved = _move(home, move_from, address)
        show(moved, "\n".join(["[signer]", *(f'{name} = "{value}"' for name, value in moved.items())]), output)
        say(f"Next: put this into {move_from / 'node.toml'}, and take keys/validator.json out of that home for good.")
        return
    if network is None or not allowed:
        raise click.UsageError("--network and --allow are needed, or --move-from")
    made = init_home(home, network=network, listen=address, allow=allowed, devnet=devnet)
    show(made, "\n".join(f"{name} {key}" for name, key in made.items()), output)
    say("Next: in the node's node.toml set [signer] address and key (the link line); move `validator` out of its keys.")


def _move(home: Path, node_home: Path, address: str) -> dict[str, str]:
    from node.offline.homes import open_home
    from node.signer.home import move_validator

    opened = open_home(node_home)
    return move_validator(opened.config, opened.genesis, home, address)


@signer.command()
@_home
def start(home: Path) -> int:
    """Sign in the foreground until SIGTERM or Ctrl-C. Exits with 7 when this home is in use."""
    from node.signer.home import open_server

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with open_server(home) as (server, address):
        threading.Thread(target=server.run, name="signer", daemon=True).start()
        say(f"signing at {address}")
        while not ended.wait(1.0):
            pass
    return 0
