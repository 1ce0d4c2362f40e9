"""`crossclear statement DAY`: of a running node, or out of a block log."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import account_options, ask, log_options, open_log

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis
    from member.api.statements import MemberStatement
    from node.store.records import BlockRecord


@click.command()
@click.argument("day", metavar="DAY")
@account_options
@log_options
@click.option("--member", type=click.IntRange(0, 2**63 - 1), help="With --log: whose statement.")
@click.option("--output", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
def statement(
    day: str,
    log: Path | None,
    genesis: Path | None,
    member: int | None,
    cut_torn_tail: bool,
    output: str,
    **key: Any,
) -> None:
    """Print a member's statement of DAY (YYYY-MM-DD in UTC, by block time) as CSV or JSON.

    Opening balance, transfers by code and closing balance reconcile to the ledger for every account and currency. A
    node keeps recent days and shows a member its own. With --log every block is executed and checked again: --home is
    then a node's folder, whose network seed salts the roots.
    """
    import msgspec

    from member.statements.statement import as_csv, day_number

    try:
        number = day_number(day)
    except ValueError:
        raise click.BadParameter(f"expected YYYY-MM-DD, got {day!r}", param_hint="DAY") from None
    if log is None:
        told: MemberStatement = ask(lambda client: client.statement(day), **key)
    elif member is None:
        raise click.UsageError("--log needs --member")
    else:
        files = {name: key[name] for name in ("home", "password_file", "devnet")}
        told = _replayed(open_log(log, genesis, cut_torn_tail=cut_torn_tail, **files), member, number)
    data = as_csv(told) if output == "csv" else msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"
    click.echo(data, nl=False)


def _replayed(opened: "tuple[Genesis, bytes, Iterator[BlockRecord]]", member: int, number: int) -> "MemberStatement":
    """Raises LocalFault API_NOT_FOUND for a day or member that the log does not have."""
    from clearing.base.errors import LocalFault
    from member.codes import NodeCode
    from node.offline.log_readers import statement_of_log

    found = statement_of_log(*opened, member, number)
    if found is None:
        raise LocalFault(NodeCode.API_NOT_FOUND, "statement", member=member, day=number)
    return found
