"""`crossclear fund show|opening|verify|explain`: the default fund of a network, and whether contributions cover."""

from pathlib import Path

import click

from cli.member.losses import fund_explain
from cli.options import FILE, NEW_FILE, epoch_number, url_option
from cli.output import ExitCode, output_option, say, show
from cli.trust_options import Trust, trust_options


@click.group()
def fund() -> None:
    """Show the default fund, explain it, and check that it covers the stress losses."""


fund.add_command(fund_explain)


@fund.command("show")
@url_option
@output_option
def fund_show(url: str, output: str) -> None:
    """Print size, stress scenarios, and each member's contribution with its calls."""
    from member.client.ask import ask_node
    from member.printing.network import fund_lines

    view = ask_node(url, lambda client: client.fund())
    show(view, fund_lines(view), output)


@fund.command("opening")
@click.option("--epoch", default="latest", show_default=True, help="Of the package to be checked.")
@click.option("--out", type=NEW_FILE, required=True, help="A new file.")
@url_option
def fund_opening(epoch: str, out: Path, url: str) -> None:
    """Write seed and holdings of the account with the contributions, as `crossclear fund verify` takes them."""
    from member.client.own_files import write_fund_opening

    opening = write_fund_opening(url, epoch_number(epoch), out)
    say(f"{out}: the fund at epoch {opening.epoch}, height {opening.height}; check it with `crossclear fund verify`")


@fund.command("verify")
@click.argument("file", type=FILE)
@click.option("--opening", type=FILE, required=True, help="What `crossclear fund opening` wrote for this epoch.")
@trust_options()
@output_option
def fund_verify(file: Path, opening: Path, trust: Trust, output: str) -> int:
    """Check an epoch package offline, and that contributions cover what it lists beyond the house's own fund.

    Exits with 0 when every check passes and with 6 when one fails. Needs neither node nor keys.
    """
    from member.verifying.fund import verify_fund
    from member.verifying.package import report_text

    anchor, light_check = trust.anchor_of(file)
    report = verify_fund(file, opening, trust.amended(anchor, file))
    if light_check is not None:
        report = report.with_check(light_check)
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION
