"""`crossclear drill STATE`: a member's default, and the moves that break the default fund, on a copy of a state."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE, HOME, NEW_FILE, log_trust, log_trust_option, weak_keys_option
from cli.output import ExitCode, output_option, say, show

if TYPE_CHECKING:
    from clearing.state.state import State
    from lab.drills.scenario import DrillScenario


@click.command()
@click.argument("state_path", metavar="STATE", type=click.Path(exists=True, path_type=Path))
@click.option("--member", help="Name or number of the member that is in default.")
@click.option("--move", "moves", multiple=True, metavar="FEED=PERCENT[,PERCENT...]", help="The index, block by block.")
@click.option("--bids", metavar="PERCENT", help="What members ask for a slice, of its margin. Default: nobody bids.")
@click.option(
    "--force-after",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="Blocks after the last move until the default is declared, if the moves do not cause it.",
)
@click.option("--no-force", is_flag=True, help="Only the moves may cause a default.")
@click.option("--blocks", type=click.IntRange(1, 100_000), default=500, show_default=True, help="At most.")
@click.option(
    "--block-ms", type=click.IntRange(1, 3_600_000), default=1_000, show_default=True, help="Time of a block."
)
@click.option("--reverse", is_flag=True, help="Instead: the smallest moves at which the fund no longer covers.")
@click.option(
    "--stress", is_flag=True, help="Instead: whether the fund covers a set of scenarios, recorded and made up."
)
@click.option("--genesis", type=FILE, help="When STATE is a file.")
@click.option("--home", type=HOME, help="When STATE is a block log: a node's folder, for its network seed.")
@click.option("--password-file", type=NEW_FILE, help="Default: HOME/password.")
@click.option("--height", type=click.IntRange(min=1), help="Default: the highest.")
@log_trust_option
@weak_keys_option
@output_option
def drill(
    state_path: Path,
    member: str | None,
    moves: tuple[str, ...],
    bids: str | None,
    force_after: int,
    no_force: bool,
    blocks: int,
    block_ms: int,
    reverse: bool,
    stress: bool,
    genesis: Path | None,
    home: Path | None,
    password_file: Path | None,
    height: int | None,
    trusted: str | None,
    devnet: bool,
    output: str,
) -> int:
    """Rehearse the whole default of one member on a copy of STATE, and print who pays what.

    STATE is a node's home, a backup's folder, a file of `debug export`, or a block log. Nothing is written there. In
    every block all validators report the same prices: those of STATE, moved by --move. Percentages are of the index in
    STATE, one for each block; the last one stays. With --bids every other member bids for its share of the portfolio.
    Exits with 5 when a default is not over after --blocks. Whose word the state is, is said on stderr.

    \b
    Examples:
      crossclear drill HOME --member alice --move BTC=-15,-30 --move ETH=-40 --bids 25
      crossclear drill HOME --stress
      crossclear drill HOME --reverse

    Example: crossclear drill HOME --member 1 --move BTC=-30
    """
    from node.offline.state_sources import StateSource

    if (member is not None) + reverse + stress != 1:
        raise click.UsageError("give one of --member, --reverse and --stress")
    if member is None and (moves or bids is not None):
        raise click.UsageError("--move and --bids are for --member")
    source = StateSource(state_path, genesis, home, password_file, devnet, log_trust(trusted))
    state = source.read(height)
    for limit in source.not_proven:
        say(f"not proven: {limit}")
    if member is None:
        return _print_reverse(state, output) if reverse else _print_stress(state, output)
    from lab.drills.scenario import DrillScenario, find_member, percent_ppm, read_moves

    scenario = DrillScenario(
        find_member(state, member),
        read_moves(state, moves),
        None if bids is None else percent_ppm(bids, bids),
        None if no_force else force_after,
        blocks,
        block_ms,
    )
    return _print_drill(state, scenario, output)


def _print_drill(state: "State", scenario: "DrillScenario", output: str) -> int:
    from lab.drills.printing import drill_text
    from lab.drills.run import run_drill

    outcome = run_drill(state, scenario)
    instruments = {listed.id: listed.name for listed in state.terms.instruments.values()}
    show(outcome, drill_text(outcome, instruments, _members(state)), output)
    return ExitCode.OK if outcome.ended else ExitCode.NOT_READY


def _print_reverse(state: "State", output: str) -> int:
    from lab.drills.printing import reverse_text
    from lab.drills.reverse_stress import reverse_stress

    found = reverse_stress(state)
    show(found, reverse_text(found, _members(state)), output)
    return ExitCode.OK


def _print_stress(state: "State", output: str) -> int:
    from lab.drills.printing import stress_text
    from lab.drills.stress_set import stress_results

    found = stress_results(state)
    show(found, stress_text(found), output)
    return ExitCode.OK


def _members(state: "State") -> dict[int, str]:
    return {member.id: member.name for member in state.terms.genesis.members}
