"""`crossclear disclosure DAY`."""

from pathlib import Path

import click

from clearing.base.plain_text import plain
from cli.options import FILE, HOME, NEW_FILE, log_trust, log_trust_option, say_word_of_log, weak_keys_option
from cli.output import say, show, show_lines


@click.command()
@click.argument("day", metavar="DAY")
@click.argument("blocks", metavar="BLOCKS", type=click.Path(exists=True, path_type=Path))
@click.option("--genesis", type=FILE, help="When BLOCKS is a block log.")
@click.option("--home", type=HOME, help="When BLOCKS is a block log: a node's folder, for its network seed.")
@click.option("--password-file", type=NEW_FILE, help="Default: HOME/password.")
@log_trust_option
@weak_keys_option
@click.option("--output", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
def disclosure(
    day: str,
    blocks: Path,
    genesis: Path | None,
    home: Path | None,
    password_file: Path | None,
    trusted: str | None,
    devnet: bool,
    output: str,
) -> None:
    """Print the public quantitative disclosure of DAY (YYYY-MM-DD in UTC, by block time) as CSV or JSON.

    BLOCKS is a node's home with all its blocks, or a block log. Every block is executed and checked again. Fields are
    those of CPMI-IOSCO's standard for central counterparties, principles 4 to 7, 13 and 14, each with its definition;
    a field that does not apply states why. Of a block log the result names the header that it rests on.

    Example: crossclear disclosure 2026-11-23 blocks.log --genesis genesis.json --home HOME --output json
    """

    import msgspec

    from lab.disclosures.observed_day import ObservedDay
    from lab.disclosures.report import as_csv, disclosure_report
    from member.statements.statement import day_number
    from node.agreement.application import DecidedHeight
    from node.offline.day_of_blocks import follow_day, heights_of_day
    from node.offline.state_sources import StateSource

    try:
        number = day_number(day)
    except ValueError:
        raise click.BadParameter(f"expected YYYY-MM-DD, got {day!r}", param_hint="DAY") from None
    source = StateSource(blocks, genesis, home, password_file, devnet, log_trust(trusted))
    heights, observed = heights_of_day(source, number), ObservedDay(number)
    reports = []

    def add(decided: DecidedHeight) -> None:
        observed.decided(decided.header.time_ms, decided.result, decided.state)
        if decided.header.height == heights.last:
            reports.append(disclosure_report(decided.state, observed, complete=heights.over))

    follow_day(source, heights, add)
    (report,) = reports
    if source.trust.height:
        report = msgspec.structs.replace(report, attested=source.trust.attested, not_proven=source.trust.not_proven)
        say_word_of_log(source.trust)
    if output == "csv":
        show_lines(as_csv(plain(report)))
    else:
        show(report, "", output)
    if not report.complete:
        say(f"warning: {day} is not over: heights {report.first_height} to {report.last_height}")
