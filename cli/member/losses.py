"""`crossclear liquidation`, `liquidations`, `waterfall`, `fund`: losses and the default fund, of a node or a log."""

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.lab import liquidation_run, waterfall_run
from cli.member.default_bids import waterfall_bid, waterfall_reveal
from cli.options import FILE, NEW_FILE, NUMBER, AnswerSource, epoch_number, source_options, url_option
from cli.output import ExitCode, output_option, say, show, tell
from cli.trust_options import Trust, trust_options
from cli.verdict_options import WantedVerdict, verdict_options

if TYPE_CHECKING:
    from member.client.node_client import NodeClient
    from member.explaining.formatting import ExplainedReceipt
    from member.explaining.receipt_pages import Page, ReceiptSeries


@click.command("explain")
@click.option("--account", type=NUMBER, help="Only receipts that name this account.")
@source_options
@output_option
def liquidations_explain(account: int | None, source: AnswerSource, output: str) -> int:
    """Explain every margin call and liquidation: who, how much, why, with the arithmetic recomputed line by line.

    A node shows a member its own accounts and masks the others. With --log every block is executed again, and the terms
    in force are known, so more is computed. Exits with 6 when a line does not agree with its receipt.

    Example: crossclear liquidations explain --account 1 --log blocks.log --home HOME --genesis genesis.json
    """
    from member.explaining.liquidations import explain_liquidations
    from member.explaining.receipt_index import LIQUIDATIONS
    from member.explaining.receipt_pages import only, receipts_of_account

    found = _receipts(source, lambda client: client.liquidations, LIQUIDATIONS)
    explained = explain_liquidations(found.receipts, found.listing)
    return _print_explained(only(explained, receipts_of_account(found.receipts, account)), output)


@click.command("explain")
@click.option("--number", type=click.IntRange(1, 2**63 - 1), help="Only receipts of this default.")
@source_options
@output_option
def waterfall_explain(number: int | None, source: AnswerSource, output: str) -> int:
    """Explain every default: who could not pay, who took over what, and who bore how much of the loss, layer by layer.

    Shares are recomputed from the receipts, and sums are followed from the declaration to the end. A node masks
    accounts of other members; with --log every block is executed again. Exits with 6 when a line does not agree with
    its receipt.

    Example: crossclear waterfall explain --number 1 --log blocks.log --home HOME --genesis genesis.json
    """
    from member.explaining.defaults import explain_defaults
    from member.explaining.receipt_index import DEFAULTS
    from member.explaining.receipt_pages import only, receipts_of_default

    found = _receipts(source, lambda client: client.defaults, DEFAULTS)
    explained = explain_defaults(found.receipts, found.listing)
    return _print_explained(only(explained, receipts_of_default(found.receipts, number)), output)


@click.command("explain")
@source_options
@output_option
def fund_explain(source: AnswerSource, output: str) -> int:
    """Explain the sizing, calls, payments, draws and returns of the default fund, and recompute them.

    Each member's contribution is followed from receipt to receipt. A node masks accounts of other members; with --log
    every block is executed again. Exits with 6 when a line does not agree with its receipt.

    Example: crossclear fund explain --log blocks.log --home HOME --genesis genesis.json
    """
    from member.explaining.default_fund import explain_fund
    from member.explaining.receipt_index import FUNDS

    found = _receipts(source, lambda client: client.fund_receipts, FUNDS)
    return _print_explained(explain_fund(found.receipts, found.listing), output)


def _receipts(
    source: AnswerSource,
    pages: "Callable[[NodeClient], Callable[[str], Awaitable[Page]]]",
    kinds: Collection[type[Any]],
) -> "ReceiptSeries":
    if source.log is None:
        from member.explaining.receipt_pages import receipts_of_pages

        found: ReceiptSeries = source.ask(lambda client: receipts_of_pages(pages(client), kinds))
        return found
    from node.offline.log_readers import receipts_of_log

    return receipts_of_log(source.open_log(), kinds)


def _print_explained(explained: "list[ExplainedReceipt]", output: str) -> int:
    from member.explaining.formatting import formatted
    from proofs.verify.verdict import printable

    show(explained, "\n".join(printable(line) for line in formatted(explained).splitlines()), output)
    failed = sum(not receipt.ok for receipt in explained)
    if failed:
        say(f"{failed} of {len(explained)} receipts DO NOT RECOMPUTE")
        return ExitCode.VERIFICATION
    say(f"{len(explained)} receipts: every line that can be recomputed agrees" if explained else "no receipts")
    return ExitCode.OK


@click.group()
def liquidation() -> None:
    """Liquidation from a file: how much is closed, in which steps, at which discount."""


liquidation.add_command(liquidation_run)


@click.group()
def liquidations() -> None:
    """Explain the margin calls and liquidations of a network."""


liquidations.add_command(liquidations_explain)


@click.group()
def waterfall() -> None:
    """Who bears the loss of a default, from a file, a node or a block log; bids for a defaulter's portfolio."""


waterfall.add_command(waterfall_run)

waterfall.add_command(waterfall_explain)
waterfall.add_command(waterfall_bid)
waterfall.add_command(waterfall_reveal)


@click.group()
def fund() -> None:
    """Show the default fund, explain it, and check that it covers the stress losses."""


fund.add_command(fund_explain)


@fund.command("show")
@url_option
@output_option
def fund_show(url: str, output: str) -> None:
    """Print size, stress scenarios, and each member's contribution with its calls.

    Example: crossclear fund show
    """
    from member.client.ask import ask_node
    from member.printing.network import fund_lines

    view = ask_node(url, lambda client: client.fund())
    show(view, fund_lines(view), output)


@fund.command("opening")
@click.option("--epoch", default="latest", show_default=True, help="Of the package to be checked.")
@click.option("--out", type=NEW_FILE, required=True, help="A new file.")
@url_option
@output_option
def fund_opening(epoch: str, out: Path, url: str, output: str) -> None:
    """Write seed and holdings of the account with the contributions, as `crossclear fund verify` takes them.

    Example: crossclear fund opening --out opening.bin
    """
    from member.client.downloads import write_fund_opening

    opening = write_fund_opening(url, epoch_number(epoch), out)
    text = f"{out}: the fund at epoch {opening.epoch}, height {opening.height}; check it with `crossclear fund verify`"
    tell({"file": str(out), "epoch": opening.epoch, "height": opening.height}, text, output)


@fund.command("verify")
@click.argument("file", type=FILE)
@click.option("--opening", type=FILE, required=True, help="What `crossclear fund opening` wrote for this epoch.")
@trust_options()
@verdict_options
@output_option
def fund_verify(file: Path, opening: Path, trust: Trust, wanted: WantedVerdict, output: str) -> int:
    """Check an epoch package offline, and that contributions cover what it lists beyond the house's own fund.

    Exits with 0 when every check passes and with 6 when one fails, or when one stays open and --strict is on. Needs
    neither node nor keys.

    Example: crossclear fund verify epoch.ccp --opening opening.bin --genesis genesis.json
    """
    from member.verifying.fund import verify_fund
    from member.verifying.package import package_file, report_text

    package = package_file(file)
    anchor, light_check = trust.anchor_of(package)
    report = verify_fund(package, opening, wanted.fresh(trust.amended(anchor, package)))
    if light_check is not None:
        report = report.with_check(light_check)
    report = wanted.judged(report, output)
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION
