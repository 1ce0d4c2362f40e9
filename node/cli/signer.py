"""`crossclear signer init|start`: the process that holds a validator's keys for its node."""

import signal
import threading
from pathlib import Path
from typing import Any

import click

from node.cli.output import output_option, say, show

_home = click.option("--home", type=click.Path(file_okay=False, path_type=Path), required=True, help="Its folder.")


@click.group()
def signer() -> None:
    """Hold a validator's keys apart from its node."""


@signer.command()
@_home
@click.option("--network", metavar="HEX", required=True, help="The network id, 64 hex digits.")
@click.option("--listen", "address", required=True, help="unix:PATH or tcp:HOST:PORT.")
@click.option("--allow", "allowed", multiple=True, required=True, metavar="HEX", help="A node's link key; repeat.")
@click.option("--devnet", is_flag=True, help="Weak key derivation, for keys that guard nothing.")
@output_option
def init(home: Path, network: str, address: str, allowed: tuple[str, ...], devnet: bool, output: str) -> None:
    """Make a signer's home: signer.toml, and each key that is not imported there already. Never overwrites."""
    from node.signer.home import init_home

    made = init_home(home, network=network, listen=address, allow=allowed, devnet=devnet)
    show(made, "\n".join(f"{name} {key}" for name, key in made.items()), output)
    say("Next: in the node's node.toml set [signer] address and key (the link line); move `validator` out of its keys.")


@signer.command()
@_home
def start(home: Path) -> int:
    """Sign in the foreground until SIGTERM or Ctrl-C. Exits with 7 when this home is in use."""
    from node.signer.home import open_server

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with open_server(home) as (server, address):
        thread = threading.Thread(target=server.run, name="signer", daemon=True)
        thread.start()
        say(f"signing at {address}")
        _wait(ended)
    return 0


def _wait(ended: Any) -> None:
    while not ended.wait(1.0):
        pass
