"""`crossclear liquidations explain`, `waterfall explain` and `fund explain`: of a running node, or a block log."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.exits import Exit
from node.cli.log_options import log_options, open_log
from node.cli.margin_of_account import account_options, ask
from node.cli.output import output_option, say, show

if TYPE_CHECKING:
    from clearing.genesis import Genesis
    from node.api.view import ReceiptAt
    from node.explaining.lines import Told
    from node.explaining.sources import Gathered
    from node.store.records import BlockRecord


@click.command("explain")
@click.option("--account", type=click.IntRange(0, 2**63 - 1), help="Only receipts that name this account.")
@account_options
@log_options
@output_option
def liquidations_explain(
    account: int | None, log: Path | None, genesis: Path | None, cut_torn_tail: bool, output: str, **key: Any
) -> int:
    """Tell every margin call and liquidation: who, how much, why, and the arithmetic done again line by line.

    A node shows a member its own accounts and masks the others. With --log every block is executed again, and the
    terms that were in force are known, so that more is computed. Exits with 6 when a line does not come out as its
    receipt states.
    """
    from node.explaining.concerned import LIQUIDATIONS
    from node.explaining.liquidations import tell_liquidations
    from node.explaining.sources import of_account, of_log, of_pages

    found: Gathered
    if log is None:
        found = ask(lambda client: of_pages(client.liquidations, LIQUIDATIONS), **key)
    else:
        found = of_log(*_opened(log, genesis, key, cut_torn_tail=cut_torn_tail), LIQUIDATIONS)
    told = tell_liquidations(found.receipts, found.listing)
    return _tell(_among(told, of_account(found.receipts, account)), output)


@click.command("explain")
@click.option("--number", type=click.IntRange(1, 2**63 - 1), help="Only receipts of this default.")
@account_options
@log_options
@output_option
def waterfall_explain(
    number: int | None, log: Path | None, genesis: Path | None, cut_torn_tail: bool, output: str, **key: Any
) -> int:
    """Tell every default: who could not pay, who took what over, and who bore how much of the loss, layer by layer.

    Shares are computed again from the receipts, and sums followed from the declaration to the end. A node masks
    accounts of other members; with --log every block is executed again. Exits with 6 when a line does not come out as
    its receipt states.
    """
    from node.explaining.concerned import DEFAULTS
    from node.explaining.defaults import tell_defaults
    from node.explaining.sources import of_default, of_log, of_pages

    found: Gathered
    if log is None:
        found = ask(lambda client: of_pages(client.defaults, DEFAULTS), **key)
    else:
        found = of_log(*_opened(log, genesis, key, cut_torn_tail=cut_torn_tail), DEFAULTS)
    told = tell_defaults(found.receipts, found.listing)
    return _tell(_among(told, of_default(found.receipts, number)), output)


@click.command("explain")
@account_options
@log_options
@output_option
def fund_explain(log: Path | None, genesis: Path | None, cut_torn_tail: bool, output: str, **key: Any) -> int:
    """Tell how the default fund was sized, called for, paid into, drawn on and paid back, and compute it again.

    What each member has is followed from receipt to receipt. A node masks accounts of other members; with --log every
    block is executed again. Exits with 6 when a line does not come out as its receipt states.
    """
    from node.explaining.concerned import FUNDS
    from node.explaining.funds import tell_fund
    from node.explaining.sources import of_log, of_pages

    found: Gathered
    if log is None:
        found = ask(lambda client: of_pages(client.fund_receipts, FUNDS), **key)
    else:
        found = of_log(*_opened(log, genesis, key, cut_torn_tail=cut_torn_tail), FUNDS)
    return _tell(tell_fund(found.receipts, found.listing), output)


def _among(told: "list[Told]", wanted: "list[ReceiptAt]") -> "list[Told]":
    """Those of these receipts; all were told, for one is compared with what others said before it."""
    places = {(each.height, each.index) for each in wanted}
    return [each for each in told if (each.height, each.index) in places]


def _opened(
    log: Path, genesis: Path | None, key: dict[str, Any], *, cut_torn_tail: bool
) -> "tuple[Genesis, bytes, Iterator[BlockRecord]]":
    files = {name: key[name] for name in ("home", "password_file", "devnet")}
    return open_log(log, genesis, cut_torn_tail=cut_torn_tail, **files)


def _tell(told: "list[Told]", output: str) -> int:
    from node.explaining.lines import in_text
    from proofs.verdict import printable

    show(told, "\n".join(printable(line) for line in in_text(told).splitlines()), output)
    failed = sum(not each.ok for each in told)
    if failed:
        say(f"{failed} of {len(told)} receipts DO NOT RECOMPUTE")
        return Exit.VERIFICATION
    say(
        f"{len(told)} receipts, every line that can be computed again comes out as stated"
        if told
        else "nothing to tell"
    )
    return Exit.OK
