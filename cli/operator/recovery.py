"""`crossclear replay`, `crossclear rollback` and `crossclear wal`: recovery with the files of a stopped node."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import (
    FILE,
    HOME,
    NEW_FILE,
    config_option,
    effective_config,
    password_option,
    set_option,
    weak_keys_option,
)
from cli.output import output_option, say, show

if TYPE_CHECKING:
    from node.agreement.application import DecidedHeight

_PROGRESS_EVERY = 1000


@click.command()
@click.argument("log", type=FILE)
@click.option("--genesis", type=FILE, required=True, help="The network's genesis.json.")
@click.option("--home", type=HOME, required=True, help="A node's folder: its network seed salts the roots.")
@password_option
@click.option("--cut-torn-tail", is_flag=True, help="Accept a log that ends inside a record.")
@weak_keys_option
@output_option
def replay(
    log: Path,
    genesis: Path,
    home: Path,
    password_file: Path | None,
    cut_torn_tail: bool,
    devnet: bool,
    output: str,
) -> None:
    """Execute a block log again and compare every certificate and every root. Exits with 6 at the first difference."""
    from node.offline.homes import open_log
    from node.offline.replay import replay as execute

    def report(decided: "DecidedHeight") -> None:
        if decided.header.height % _PROGRESS_EVERY == 0:
            say(f"height {decided.header.height}")

    opened = open_log(log, genesis, home, password_file, cut_torn_tail=cut_torn_tail, allow_weak=devnet)
    result = execute(opened.genesis, opened.salt, opened.records, report)
    data = {
        "height": result.height,
        "header_hash": result.header_hash.hex(),
        "state_root": result.state_root.hex(),
        "blocks": result.blocks,
        "transactions": result.transactions,
        "receipts": result.receipts,
    }
    _show_fields(data, output)


@click.command()
@config_option
@set_option
@output_option
def rollback(config_path: Path, assignments: tuple[str, ...], output: str) -> None:
    """Remove the newest block of a stopped node, which then executes from below and fetches the same block again.

    Signatures stay valid: sign state and log are not touched. Exits with 7 while the node runs.
    """
    from node.genesis_file import read_genesis
    from node.offline.rollback import roll_back

    config = effective_config(config_path, assignments).config
    done = roll_back(config, read_genesis(config.path(config.node.genesis)))
    data = {
        "height": done.height,
        "state_root": done.state_root.hex(),
        "removed": done.removed,
        "removed_hash": done.removed_hash.hex(),
        "saved_at": done.saved_at,
    }
    _show_fields(data, output)


def _show_fields(data: dict[str, Any], output: str) -> None:
    show(data, "\n".join(f"{name:<14} {value}" for name, value in data.items()), output)


_file = click.argument("file", type=NEW_FILE, required=False)

_home = click.option("--home", type=HOME, help="A node's folder instead of FILE.")


@click.group()
def wal() -> None:
    """Inspect the consensus log, and cut it before damage."""


@wal.command()
@_file
@_home
@output_option
def dump(file: Path | None, home: Path | None, output: str) -> None:
    """Print every frame and record, and where bytes are damaged. Opens nothing for writing; the node may run."""
    from node.offline.consensus_log import dump_log, log_summary_text
    from node.store.wal import read_log

    path, _ = _log_and_sign_state(file, home)
    found, frames, lines = dump_log(read_log(path))
    show({"standing": found, "frames": frames}, "\n".join(lines) or "empty", output)
    say(log_summary_text(found))


@wal.command()
@_file
@_home
@click.option("--dry-run", is_flag=True, help="Only print what would be cut.")
@output_option
def repair(file: Path | None, home: Path | None, dry_run: bool, output: str) -> None:
    """Cut the log before its first damage, and keep the damaged file under another name.

    The node then signs nothing in the height that was running; the others decide it. Exits with 7 while the node runs.
    """
    from node.offline.consensus_log import log_summary_text
    from node.signer.sign_state import locked_sign_state
    from node.store.wal import repair as cut

    path, sign_state = _log_and_sign_state(file, home)
    with locked_sign_state(sign_state):
        done = cut(path, dry_run=dry_run)
    backup = f"\nthe damaged file is kept as {done.backup_path}" if done.backup_path else ""
    show(done, log_summary_text(done.standing) + backup, output)


def _log_and_sign_state(file: Path | None, home: Path | None) -> tuple[Path, Path]:
    from node.signer.sign_state import SIGN_STATE

    if (file is None) == (home is None):
        raise click.UsageError("name one: FILE or --home")
    if file is not None:
        return file, file.parent / SIGN_STATE
    config = effective_config((home or Path()) / "node.toml", ()).config
    return config.path(config.consensus.wal), config.path(SIGN_STATE)
