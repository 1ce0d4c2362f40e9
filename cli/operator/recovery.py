"""`crossclear chain`, `replay`, `rollback`, `wal`, `debug`: a node's blocks as a log, recovery of a stopped node, and
where two states differ."""

from pathlib import Path
from typing import Any

import click

from cli.options import (
    FILE,
    HOME,
    NEW_FILE,
    config_option,
    effective_config,
    log_trust,
    log_trust_option,
    password_option,
    set_option,
    weak_keys_option,
)
from cli.output import ExitCode, output_option, say, show, tell
from cli.progress import progress


@click.command()
@click.argument("log", type=FILE)
@click.option("--genesis", type=FILE, required=True, help="The network's genesis.json.")
@click.option("--home", type=HOME, required=True, help="A node's folder: its network seed salts the roots.")
@password_option
@click.option("--cut-torn-tail", is_flag=True, help="Accept a log that ends inside a record.")
@log_trust_option
@click.option(
    "--strict/--no-strict",
    default=None,
    help="Fail (exit 6) where no trusted header binds the whole log. Default: with --output json.",
)
@weak_keys_option
@output_option
def replay(
    log: Path,
    genesis: Path,
    home: Path,
    password_file: Path | None,
    cut_torn_tail: bool,
    trusted: str | None,
    strict: bool | None,
    devnet: bool,
    output: str,
) -> int:
    """Execute a block log again and compare every certificate and every root. Exits with 6 at the first difference.

    Sets that have retired lose nothing by certifying another log. So `anchor` stays open where --trust does not name
    the log's last header, as `crossclear light verify HEIGHT` prints it, and fails the command if --strict is on.

    Example: crossclear replay blocks.log --genesis genesis.json --home HOME
    """
    from node.offline.homes import open_log
    from node.offline.replay import replay as execute
    from node.store.block_log import count_blocks

    trust = log_trust(trusted)
    opened = open_log(log, genesis, home, password_file, trust, cut_torn_tail=cut_torn_tail, allow_weak=devnet)
    report, last = progress("executed"), count_blocks(log)
    result = execute(opened.genesis, opened.salt, opened.records, lambda each: report(each.header.height, last))
    only_whole = output == "json" if strict is None else strict
    good = trust.is_whole or not only_whole
    data = {
        "ok": good,
        "height": result.height,
        "header_hash": result.header_hash.hex(),
        "header_time_ms": str(trust.time_ms),
        "state_root": result.state_root.hex(),
        "blocks": result.blocks,
        "transactions": result.transactions,
        "receipts": result.receipts,
        "open": [] if trust.is_whole else ["anchor"],
        "strict": only_whole,
        "not_proven": trust.not_proven,
    }
    named = {name: value for name, value in data.items() if name not in ("ok", "open", "strict", "not_proven")}
    lines = [f"{name:<14} {value}" for name, value in named.items()]
    first = [] if good else ["NOT VERIFIED (R0760): with --strict, no check may stay open: anchor"]
    limits = ["", "Not proven:", *(f"  - {limit}" for limit in trust.not_proven)]
    show(data, "\n".join([*first, *lines, *limits]), output)
    return ExitCode.OK if good else ExitCode.VERIFICATION


@click.group()
def chain() -> None:
    """The decided blocks of a node."""


@chain.command("export")
@click.argument("log", type=NEW_FILE)
@click.option("--home", type=HOME, required=True, help="The node's folder.")
@click.option("--first", type=click.IntRange(min=1), help="Default: the lowest that the node has.")
@click.option("--last", type=click.IntRange(min=1), help="Default: the highest that the node has.")
@output_option
def export_chain(log: Path, home: Path, first: int | None, last: int | None, output: str) -> None:
    """Write blocks with their certificates to a new LOG, for `replay`, `statement --log` and other commands with --log.

    Needs no key and no password. The node may run. A log that begins above height 1, as of a node that fetched a state,
    cannot be executed by itself.

    Example: crossclear chain export blocks.log --home HOME
    """
    from node.offline.chain_export import export_blocks

    done = export_blocks(home, log, first, last, progress("written"))
    data = {"log": str(log), "first": done.first, "last": done.last, "blocks": done.blocks}
    _show_fields(data, output)
    if done.first > 1:
        say(f"warning: the log begins at height {done.first}, so that it cannot be executed from genesis")


@click.command()
@config_option
@set_option
@output_option
def rollback(config_path: Path, assignments: tuple[str, ...], output: str) -> None:
    """Remove the newest block of a stopped node, which then executes from below and fetches the same block again.

    Signatures stay valid: sign state and log are not touched. Exits with 7 while the node runs.

    Example: crossclear rollback --config HOME/node.toml
    """
    from node.genesis_file import read_genesis
    from node.offline.recovery import roll_back

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
    """Print every frame and record, and where bytes are damaged. Opens nothing for writing; the node may run.

    Example: crossclear wal dump --home HOME
    """
    from node.offline.recovery import dump_log, log_summary_text
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

    Example: crossclear wal repair --home HOME --dry-run
    """
    from node.offline.recovery import log_summary_text
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


@click.group()
def debug() -> None:
    """Find out why nodes disagree. Shows positions: for operators only."""


@debug.command()
@click.argument("a", type=click.Path(exists=True, path_type=Path))
@click.argument("b", type=click.Path(exists=True, path_type=Path))
@click.option("--height", type=click.IntRange(min=0), help="Default: the highest that both have.")
@click.option("--genesis", type=FILE, help="When A and B are files.")
@output_option
def statediff(a: Path, b: Path, height: int | None, genesis: Path | None, output: str) -> int:
    """Compare the states of two homes, or of files that `debug export` wrote: roots per module, then records.

    Executes from each home's own saved state, and prints the first height at which the result differs from the
    certified header. Exits with 6 when the states differ.

    Example: crossclear debug statediff HOME other-state.bin --genesis genesis.json
    """
    from node.offline.state_at import compare_states, state_diff_lines

    if genesis is None and not a.is_dir() and not b.is_dir():
        raise click.UsageError("--genesis is needed to read two files")
    compared = compare_states(a, b, height, genesis)
    if compared.heights[0] != compared.heights[1]:
        raise click.UsageError(f"the states are of heights {compared.heights[0]} and {compared.heights[1]}")
    data = {"height": compared.heights[0], "headers": compared.headers, "diff": compared.diff}
    lines = [f"height {compared.heights[0]}", *compared.headers, *state_diff_lines(compared.diff)]
    show(data, "\n".join(lines), output)
    return ExitCode.OK if compared.diff.equal and not compared.headers else ExitCode.VERIFICATION


@debug.command()
@click.option("--home", type=HOME, required=True, help="A node's folder.")
@click.option("--height", type=click.IntRange(min=0), help="Default: the highest.")
@click.option("--to", "target", type=NEW_FILE, required=True, help="A new file.")
@output_option
def export(home: Path, height: int | None, target: Path, output: str) -> None:
    """Write the state of a height to a file of mode 0600, for `debug statediff` elsewhere. Contains all positions.

    Example: crossclear debug export --home HOME --to state.bin
    """
    from node.offline.state_at import export_home

    found = export_home(home, height, target)
    tell({"height": found.height, "file": str(target)}, f"height {found.height}: {target}", output)
