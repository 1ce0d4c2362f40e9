"""`crossclear statement DAY`."""

import click

from clearing.base.plain_text import plain
from cli.options import NUMBER, AnswerSource, source_options
from cli.output import say, show, show_lines


@click.command()
@click.argument("day", metavar="DAY")
@source_options
@click.option("--member", type=NUMBER, help="With --log: whose statement.")
@click.option("--output", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
def statement(day: str, source: AnswerSource, member: int | None, output: str) -> None:
    """Print a member's statement of DAY (YYYY-MM-DD in UTC, by block time) as CSV or JSON.

    Opening balance, transfers by code and closing balance reconcile to the ledger for every account and currency. A
    node keeps recent days and shows a member its own. With --log every block is executed and checked again: --home is
    then a node's folder, whose network seed salts the roots.

    Example: crossclear statement 2026-11-23 --key trade --home HOME
    """

    from member.statements.statement import as_csv, day_number

    try:
        number = day_number(day)
    except ValueError:
        raise click.BadParameter(f"expected YYYY-MM-DD, got {day!r}", param_hint="DAY") from None
    if source.log is None:
        found = source.ask(lambda client: client.statement(day))
    elif member is None:
        raise click.UsageError("--log needs --member")
    else:
        from node.offline.log_readers import statement_of_log

        found = statement_of_log(source.open_log(), member, number)
    if output == "csv":
        show_lines(as_csv(plain(found)))
    else:
        show(found, "", output)
    if not found.complete:
        seen = f"heights {found.first_height} to {found.last_height}"
        say(f"warning: this covers {seen} of {day} only; the whole of a day comes from a block log (--log)")
