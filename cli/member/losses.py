"""`crossclear liquidation`, `liquidations`, `waterfall` and the explanations of them: of a running node, or a block log."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import account_options, ask, log_options, open_log
from cli.output import ExitCode, output_option, say, show
from cli.runs import liquidation_run, waterfall_run

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis
    from member.api.receipts import ReceiptAt
    from member.explaining.lines import ExplainedReceipt
    from member.explaining.receipt_pages import ReceiptSeries
    from node.store.records import BlockRecord


@click.command("explain")
@click.option("--account", type=click.IntRange(0, 2**63 - 1), help="Only receipts that name this account.")
@account_options
@log_options
@output_option
def liquidations_explain(
    account: int | None, log: Path | None, genesis: Path | None, cut_torn_tail: bool, output: str, **key: Any
) -> int:
    """Explain every margin call and liquidation: who, how much, why, with the arithmetic computed again line by line.

    A node shows a member its own accounts and masks the others. With --log every block is executed again, and the terms
    in force are known, so more is computed. Exits with 6 when a line does not agree with its receipt.
    """
    from member.explaining.liquidations import explain_liquidations
    from member.explaining.receipt_index import LIQUIDATIONS
    from member.explaining.receipt_pages import receipts_of_account, receipts_of_pages
    from node.offline.log_readers import receipts_of_log

    found: ReceiptSeries
    if log is None:
        found = ask(lambda client: receipts_of_pages(client.liquidations, LIQUIDATIONS), **key)
    else:
        found = receipts_of_log(*_opened(log, genesis, key, cut_torn_tail=cut_torn_tail), LIQUIDATIONS)
    told = explain_liquidations(found.receipts, found.listing)
    return _print_explained(_among(told, receipts_of_account(found.receipts, account)), output)


@click.command("explain")
@click.option("--number", type=click.IntRange(1, 2**63 - 1), help="Only receipts of this default.")
@account_options
@log_options
@output_option
def waterfall_explain(
    number: int | None, log: Path | None, genesis: Path | None, cut_torn_tail: bool, output: str, **key: Any
) -> int:
    """Explain every default: who could not pay, who took over what, and who bore how much of the loss, layer by layer.

    Shares are computed again from the receipts, and sums followed from the declaration to the end. A node masks
    accounts of other members; with --log every block is executed again. Exits with 6 when a line does not agree with
    its receipt.
    """
    from member.explaining.defaults import explain_defaults
    from member.explaining.receipt_index import DEFAULTS
    from member.explaining.receipt_pages import receipts_of_default, receipts_of_pages
    from node.offline.log_readers import receipts_of_log

    found: ReceiptSeries
    if log is None:
        found = ask(lambda client: receipts_of_pages(client.defaults, DEFAULTS), **key)
    else:
        found = receipts_of_log(*_opened(log, genesis, key, cut_torn_tail=cut_torn_tail), DEFAULTS)
    told = explain_defaults(found.receipts, found.listing)
    return _print_explained(_among(told, receipts_of_default(found.receipts, number)), output)


@click.command("explain")
@account_options
@log_options
@output_option
def fund_explain(log: Path | None, genesis: Path | None, cut_torn_tail: bool, output: str, **key: Any) -> int:
    """Explain the sizing, calls, payments, draws and returns of the default fund, and compute them again.

    What each member has is followed from receipt to receipt. A node masks accounts of other members; with --log every
    block is executed again. Exits with 6 when a line does not agree with its receipt.
    """
    from member.explaining.default_fund import explain_fund
    from member.explaining.receipt_index import FUNDS
    from member.explaining.receipt_pages import receipts_of_pages
    from node.offline.log_readers import receipts_of_log

    found: ReceiptSeries
    if log is None:
        found = ask(lambda client: receipts_of_pages(client.fund_receipts, FUNDS), **key)
    else:
        found = receipts_of_log(*_opened(log, genesis, key, cut_torn_tail=cut_torn_tail), FUNDS)
    return _print_explained(explain_fund(found.receipts, found.listing), output)


def _among(told: "list[ExplainedReceipt]", wanted: "list[ReceiptAt]") -> "list[ExplainedReceipt]":
    """Those of these receipts; all were told, for one is compared with what others said before it."""
    places = {(each.height, each.index) for each in wanted}
    return [each for each in told if (each.height, each.index) in places]


def _opened(
    log: Path, genesis: Path | None, key: dict[str, Any], *, cut_torn_tail: bool
) -> "tuple[Genesis, bytes, Iterator[BlockRecord]]":
    files = {name: key[name] for name in ("home", "password_file", "devnet")}
    return open_log(log, genesis, cut_torn_tail=cut_torn_tail, **files)


def _print_explained(told: "list[ExplainedReceipt]", output: str) -> int:
    from member.explaining.lines import formatted
    from proofs.verify.verdict import printable

    show(told, "\n".join(printable(line) for line in formatted(told).splitlines()), output)
    failed = sum(not each.ok for each in told)
    if failed:
        say(f"{failed} of {len(told)} receipts DO NOT RECOMPUTE")
        return ExitCode.VERIFICATION
    say(
        f"{len(told)} receipts, every line that can be computed again comes out as stated"
        if told
        else "nothing to tell"
    )
    return ExitCode.OK


@click.group()
def liquidation() -> None:
    """Liquidation from a file: how much is closed, in which steps, at which discount."""


@click.group()
def liquidations() -> None:
    """Margin calls and liquidations that happened, with the arithmetic of every step."""


liquidation.add_command(liquidation_run)

liquidations.add_command(liquidations_explain)


@click.group()
def waterfall() -> None:
    """Who bears the loss of a default, from a file, a node or a block log, with the arithmetic of every share."""


waterfall.add_command(waterfall_run)

waterfall.add_command(waterfall_explain)
