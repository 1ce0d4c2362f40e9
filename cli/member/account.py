"""`crossclear statement DAY`, and `crossclear withdrawals show|cancel`."""

import click

from cli.options import NUMBER, AnswerSource, MemberKey, account_options, source_options
from cli.output import ExitCode, output_option, say, show


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
    """
    import msgspec

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
    text = (
        as_csv(found) if output == "csv" else msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    )
    click.echo(text, nl=False)


@click.group()
def withdrawals() -> None:
    """Show the withdrawals of an own account, and cancel a delayed one."""


@withdrawals.command("show")
@click.argument("account", type=NUMBER)
@account_options
@output_option
def withdrawals_show(account: int, key: MemberKey, output: str) -> None:
    """Print delayed and released withdrawals, the use of each limit, and what deficits hold back."""
    from member.printing.accounts import withdrawal_lines

    view = key.ask(lambda client: client.withdrawals(account))
    show(view, withdrawal_lines(view), output)


@withdrawals.command("cancel")
@click.argument("account", type=NUMBER)
@click.argument("number", type=NUMBER)
@click.option("--nonce", type=NUMBER, help="Of the request. Default: ask the node, which needs the member's key.")
@account_options
def withdrawals_cancel(account: int, number: int, nonce: int | None, key: MemberKey) -> None:
    """Cancel the delayed withdrawal NUMBER, as `withdrawals show` lists it.

    The key is the one that signs for the account's money: its member's trade key, or the client's own key where the
    client has one. The request is valid for a minute.
    """
    (result,) = key.ask(lambda client: client.cancel_withdrawal(account, number, nonce)).results
    say(f"withdrawal {number} of account {account}: {result.status}")
    if result.status not in ("accepted", "known"):
        raise SystemExit(ExitCode.VERIFICATION)
