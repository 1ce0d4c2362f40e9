"""`crossclear backup`: a node's blocks, receipts and states in a folder, checked, and back in a home."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import HOME, NEW_FOLDER
from cli.output import output_option, say, show
from cli.progress import progress

if TYPE_CHECKING:
    from node.offline.backup import Manifest

_home = click.option("--home", type=HOME, required=True, help="The node's folder.")


@click.group()
def backup() -> None:
    """Make, check and restore backups of a node's blocks. Keys are kept apart, and a sign state is never copied."""


@backup.command()
@click.argument("folder", type=NEW_FOLDER)
@_home
@output_option
def create(folder: Path, home: Path, output: str) -> None:
    """Write a backup of a home into a new FOLDER; the node may run.

    It has blocks, receipts, the newest states and genesis, but neither keys, password, sign state nor packages. It
    shows every position: keep it as a secret.

    Example: crossclear backup create /backups/monday --home HOME
    """
    from node.offline.backup import create_backup
    from node.offline.homes import open_home

    opened = open_home(home)
    _show(create_backup(opened.config, opened.genesis, folder, progress("copied")), folder, output)


@backup.command()
@click.argument("folder", type=HOME)
@output_option
def verify(folder: Path, output: str) -> None:
    """Check every file and block of a backup, and a certificate of each set of validators. Exits with 6 when one fails.

    Receipts and saved states are under no certificate, and are not checked.

    The genesis is the folder's own, so that anybody can make such a folder: compare the network id that is printed.

    Example: crossclear backup verify /backups/monday
    """
    from node.offline.backup import verify_backup

    manifest = verify_backup(folder, progress("checked"))
    _show(manifest, folder, output)
    say("not proven: that this is your network, whose genesis was taken from the folder: compare the network id")
    _say_limits(manifest)


@backup.command()
@click.argument("folder", type=HOME)
@_home
@output_option
def restore(folder: Path, home: Path, output: str) -> None:
    """Copy a backup, check the copy, and put its blocks into a home that has none.

    The node then fetches the blocks above. Receipts and saved states are under no certificate, and are not checked.

    The home keeps its own keys and sign state. Without sign state it is refused: such a node begins with a state from
    peers. Exits with 6 when the backup is not whole, with 7 when the node runs.

    Example: crossclear backup restore /backups/monday --home HOME
    """
    from node.offline.backup import restore_backup
    from node.offline.homes import open_home

    opened = open_home(home)
    manifest = restore_backup(folder, opened.config, opened.genesis, progress("checked"))
    _show(manifest, folder, output)
    _say_limits(manifest)
    say(f"Next: crossclear start --config {home / 'node.toml'}")


def _say_limits(manifest: "Manifest") -> None:
    from node.offline.backup import not_proven

    for limit in not_proven(manifest):
        say(f"not proven: {limit}")


def _show(manifest: "Manifest", folder: Path, output: str) -> None:
    text = f"{folder}: heights {manifest.first_height} to {manifest.height} of network {manifest.network}"
    show(manifest, text, output)
