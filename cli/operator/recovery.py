"""`crossclear replay`, `crossclear rollback` and `crossclear wal`: what is done with a stopped node's files."""

from pathlib import Path
from typing import Any

import click

from cli.options import config_option, effective_config, set_option
from cli.output import output_option, say, show

_TELL_EVERY = 1000


@click.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="A node's folder: its network seed salts the roots.",
)
@click.option("--password-file", type=click.Path(dir_okay=False, path_type=Path), help="Default: HOME/password.")
@click.option("--cut-torn-tail", is_flag=True, help="Accept a log that ends inside a record.")
@click.option("--devnet", is_flag=True, help="Accept weakly derived keystores.")
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
    from clearing.base.errors import BaseCode, RemoteFault
    from clearing.genesis.checks import check_genesis
    from clearing.genesis.json import genesis_from_json
    from clearing.schema.terms.genesis import network_id
    from member.keys.key_folder import KIND_OF, PASSWORD_FILE, Purpose, read_key
    from member.keys.secret_files import read_password
    from node.agreement.application import DecidedHeight, state_salt
    from node.offline.replay import replay as execute
    from node.store.block_log import block_log_network, read_block_log

    terms = genesis_from_json(genesis.read_bytes())
    check_genesis(terms)
    if (found := block_log_network(log)) != network_id(terms):
        raise RemoteFault(BaseCode.WRONG_NETWORK, str(log), found=found, wanted=network_id(terms))
    password = read_password(password_file or home / PASSWORD_FILE)
    purpose = Purpose.NETWORK_SEED
    seed = read_key(home, purpose.value, KIND_OF[purpose], password, allow_weak=devnet)

    def tell(decided: DecidedHeight) -> None:
        if decided.header.height % _TELL_EVERY == 0:
            say(f"height {decided.header.height}")

    result = execute(terms, state_salt(seed), read_block_log(log, cut_torn_tail=cut_torn_tail), tell)
    data = {
        "height": result.height,
        "header_hash": result.header_hash.hex(),
        "state_root": result.state_root.hex(),
        "blocks": result.blocks,
        "transactions": result.transactions,
        "receipts": result.receipts,
    }
    show(data, "\n".join(f"{name:<14} {value}" for name, value in data.items()), output)


@click.command()
@config_option
@set_option
@output_option
def rollback(config_path: Path, assignments: tuple[str, ...], output: str) -> None:
    """Remove the newest block of a stopped node, which then executes from below and fetches the same block again.

    Signatures stay valid: sign state and log are not touched. Exits with 7 while the node runs.
    """
    from clearing.genesis.checks import check_genesis
    from clearing.genesis.json import genesis_from_json
    from node.offline.rollback import roll_back

    config = effective_config(config_path, assignments).config
    genesis = genesis_from_json(config.path(config.node.genesis).read_bytes())
    check_genesis(genesis)
    done = roll_back(config, genesis)
    data = {
        "height": done.height,
        "state_root": done.state_root.hex(),
        "removed": done.removed,
        "removed_hash": done.removed_hash.hex(),
        "saved_at": done.saved_at,
    }
    show(data, "\n".join(f"{name:<14} {value}" for name, value in data.items()), output)


_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)

_home = click.option(
    "--home", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A node's folder instead of FILE."
)


@click.group()
def wal() -> None:
    """Inspect the consensus log, and cut it before damage."""


@wal.command()
@_file
@_home
@output_option
def dump(file: Path | None, home: Path | None, output: str) -> None:
    """Print every frame and record, and where bytes are damaged. Opens nothing for writing; the node may run."""
    from consensus.wal import describe_record, pieces, summarize_log
    from node.store.wal import read_log

    path, _ = _where(file, home)
    data = read_log(path)
    frames: list[dict[str, Any]] = []
    text = []
    for piece in pieces(data):
        records = [] if piece.records is None else [describe_record(record) for record in piece.records]
        frames.append({"at": piece.at, "bytes": piece.length, "whole": piece.records is not None, "records": records})
        text.append(f"{piece.at:>10} {'frame' if piece.records is not None else 'DAMAGED'} {piece.length} bytes")
        for record in records:
            round_ = f" round {record.round}" if record.round >= 0 else ""
            text.append(
                f"{'':>12}{record.height} {record.kind} {record.description}{round_} {record.value} {record.sender}".rstrip()
            )
    found = summarize_log(data)
    show({"standing": found, "frames": frames}, "\n".join(text) or "empty", output)
    say(_described(found))


@wal.command()
@_file
@_home
@click.option("--dry-run", is_flag=True, help="Only print what would be cut.")
@output_option
def repair(file: Path | None, home: Path | None, dry_run: bool, output: str) -> None:
    """Cut the log before its first damage, and keep the damaged file under another name.

    The node then signs nothing in the height that was running; the others decide it. Exits with 7 while the node runs.
    """
    from node.signer.sign_state import locked_sign_state
    from node.store.wal import repair as cut

    path, sign_state = _where(file, home)
    with locked_sign_state(sign_state):
        done = cut(path, dry_run=dry_run)
    show(
        done,
        _described(done.standing) + (f"\nthe damaged file is kept as {done.backup_path}" if done.backup_path else ""),
        output,
    )


def _where(file: Path | None, home: Path | None) -> tuple[Path, Path]:
    """The log and the sign state beside it."""
    from node.config_sources import load_config
    from node.signer.sign_state import SIGN_STATE

    if (file is None) == (home is None):
        raise click.UsageError("name one: FILE or --home")
    if file is not None:
        return file, file.parent / SIGN_STATE
    import os

    config = load_config((home or Path()) / "node.toml", os.environ).config
    return config.path(config.consensus.wal), config.path(SIGN_STATE)


def _described(found: Any) -> str:
    if found.damaged_at >= 0:
        lost = f"{found.frames_behind} whole frames behind it are given up by a repair"
        return f"{found.frames} frames, then damage at byte {found.damaged_at}; {lost}"
    torn = f", then a torn tail of {found.torn_bytes} bytes, which a start cuts" if found.torn_bytes else ""
    return f"{found.frames} frames{torn}"
