"""`crossclear debug statediff|export`: where the states of two nodes differ."""

from pathlib import Path

import click

from cli.options import FILE, HOME, NEW_FILE
from cli.output import ExitCode, output_option, say, show


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
def export(home: Path, height: int | None, target: Path) -> None:
    """Write the state of a height to a file of mode 0600, for `debug statediff` elsewhere. Contains all positions."""
    from node.offline.state_at import export_home

    found = export_home(home, height, target)
    say(f"height {found.height}: {target}")
