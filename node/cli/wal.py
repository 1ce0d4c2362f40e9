"""`crossclear wal dump|repair`: the consensus log of a stopped node."""

from pathlib import Path
from typing import Any

import click

from node.cli.output import output_option, say, show

_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
_home = click.option(
    "--home", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A node's folder instead of FILE."
)


@click.group()
def wal() -> None:
    """Look into the consensus log, and cut it before damage."""


@wal.command()
@_file
@_home
@output_option
def dump(file: Path | None, home: Path | None, output: str) -> None:
    """Print every frame and record, and where bytes are damaged. Opens nothing for writing; the node may run."""
    from consensus.log.inspection import pieces, shown, standing
    from node.durability.wal_repair import read_log

    path, _ = _where(file, home)
    data = read_log(path)
    frames: list[dict[str, Any]] = []
    text = []
    for piece in pieces(data):
        records = [] if piece.records is None else [shown(each) for each in piece.records]
        frames.append({"at": piece.at, "bytes": piece.length, "whole": piece.records is not None, "records": records})
        text.append(f"{piece.at:>10} {'frame' if piece.records is not None else 'DAMAGED'} {piece.length} bytes")
        for each in records:
            round_ = f" round {each.round}" if each.round >= 0 else ""
            text.append(f"{'':>12}{each.height} {each.kind} {each.what}{round_} {each.value} {each.sender}".rstrip())
    found = standing(data)
    show({"standing": found, "frames": frames}, "\n".join(text) or "empty", output)
    say(_told(found))


@wal.command()
@_file
@_home
@click.option("--dry-run", is_flag=True, help="Only tell what would be cut.")
@output_option
def repair(file: Path | None, home: Path | None, dry_run: bool, output: str) -> None:
    """Cut the log before its first damage, and keep the damaged file beside it.

    The node then signs nothing in the height that was running: others decide it. Exits with 7 while the node runs.
    """
    from node.durability.lock import held
    from node.durability.wal_repair import repair as cut

    path, sign_state = _where(file, home)
    with held(sign_state):
        done = cut(path, dry_run=dry_run)
    show(done, _told(done.standing) + (f"\nthe damaged file is kept as {done.kept_as}" if done.kept_as else ""), output)


def _where(file: Path | None, home: Path | None) -> tuple[Path, Path]:
    """The log and the sign state beside it."""
    from node.config_sources import load_config
    from node.durability.lock import SIGN_STATE

    if (file is None) == (home is None):
        raise click.UsageError("name one: FILE or --home")
    if file is not None:
        return file, file.parent / SIGN_STATE
    import os

    config = load_config((home or Path()) / "node.toml", os.environ).config
    return config.path(config.consensus.wal), config.path(SIGN_STATE)


def _told(found: Any) -> str:
    if found.damaged_at >= 0:
        lost = f"{found.frames_behind} whole frames behind it are given up by a repair"
        return f"{found.frames} frames, then damage at byte {found.damaged_at}; {lost}"
    torn = f", then a torn tail of {found.torn_bytes} bytes, which a start cuts" if found.torn_bytes else ""
    return f"{found.frames} frames{torn}"
