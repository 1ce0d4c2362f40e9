"""`crossclear liquidation`, `liquidations`, `waterfall`, and `fund explain`: from a running node, or a block log."""

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any

import click

from cli.options import NUMBER, AnswerSource, source_options
from cli.output import ExitCode, output_option, say, show
from cli.runs import liquidation_run, waterfall_run

if TYPE_CHECKING:
    from member.client.node_client import NodeClient
    from member.explaining.formatting import ExplainedReceipt
    from member.explaining.receipt_pages import Page, ReceiptSeries


@click.command("explain")
@click.option("--account", type=NUMBER, help="Only receipts that name this account.")
@source_options
@output_option
def liquidations_explain(account: int | None, source: AnswerSource, output: str) -> int:
    """Explain every margin call and liquidation: who, how much, why, with the arithmetic computed again line by line.

    A node shows a member its own accounts and masks the others. With --log every block is executed again, and the terms
    in force are known, so more is computed. Exits with 6 when a line does not agree with its receipt.
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
    """Explain the sizing, calls, payments, draws and returns of the default fund, and compute them again.

    Each member's contribution is followed from receipt to receipt. A node masks accounts of other members; with --log
    every block is executed again. Exits with 6 when a line does not agree with its receipt.
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
    say(f"{len(explained)} receipts: every line that can be computed again agrees" if explained else "no receipts")
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
    """Who bears the loss of a default, from a file, a node or a block log, with the arithmetic of every share."""


waterfall.add_command(waterfall_run)

waterfall.add_command(waterfall_explain)
