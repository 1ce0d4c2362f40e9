"""`crossclear standby show|clients|name|accept|end`."""

from pathlib import Path

import click

from cli.member.submitted import print_result
from cli.options import NEW_FILE, NUMBER, MemberKey, account_options
from cli.output import output_option, show

nonce_option = click.option(
    "--nonce", type=NUMBER, help="Of the declaration. Default: ask the node, which needs a member's key."
)


@click.group()
def standby() -> None:
    """Name the member that takes a client over when its own member is in default."""


@standby.command("show")
@click.argument("account", type=NUMBER)
@account_options
@output_option
def standby_show(account: int, key: MemberKey, output: str) -> None:
    """Print the standby member of a client's ACCOUNT, and whether the client covers the margin that porting needs.

    The key is its member's or the house's.

    Example: crossclear standby show 7 --key trade --home HOME
    """
    from member.client.declarations import standby_of
    from member.printing.affiliates import standby_text

    view = key.ask(lambda client: standby_of(client, account))
    show(view, standby_text(view), output)


@standby.command("clients")
@account_options
@output_option
def standby_clients_list(key: MemberKey, output: str) -> None:
    """List the clients of other members that you agreed to take over.

    Example: crossclear standby clients --key trade --home HOME
    """
    from member.client.declarations import standby_clients
    from member.printing.affiliates import standby_clients_text

    view = key.ask(standby_clients)
    show(view, standby_clients_text(view), output)


@standby.command("name")
@click.argument("account", type=NUMBER)
@click.argument("member", type=click.IntRange(1, 2**63 - 1))
@click.option("--out", type=NEW_FILE, required=True, help="The declaration, for the standby member to sign.")
@nonce_option
@account_options
@output_option
def standby_name(account: int, member: int, out: Path, nonce: int | None, key: MemberKey, output: str) -> None:
    """Name MEMBER as the standby of a client's ACCOUNT, in a file that it sends with `standby accept` within minutes.

    The key is the client's own, or its member's for a client without one.

    Example: crossclear standby name 7 3 --out standby.json --key trade --home HOME
    """
    from member.client.declarations import name_standby

    key.ask(lambda client: name_standby(client, account, member, out, nonce))
    show({"file": str(out)}, f"{out}: to be accepted by member {member}", output)


@standby.command("accept")
@click.argument("file", type=NEW_FILE)
@account_options
@output_option
def standby_accept(file: Path, key: MemberKey, output: str) -> int:
    """Accept the client in FILE as its standby member, and send the declaration.

    Exits with 6 when the node refuses it.

    Example: crossclear standby accept standby.json --key trade --home HOME
    """
    from clearing.schema.requests.accounts import StandbyDeclaration
    from member.client.declarations import agree

    words, result = key.ask(lambda client: agree(client, file, StandbyDeclaration))
    return print_result(f"member {words.standby} as standby of account {words.account}", result, output)


@standby.command("end")
@click.argument("account", type=NUMBER)
@nonce_option
@account_options
@output_option
def standby_end(account: int, nonce: int | None, key: MemberKey, output: str) -> int:
    """End the standby of a client's ACCOUNT, by the key of either side. Exits with 6 when the node refuses it.

    Example: crossclear standby end 7 --key trade --home HOME
    """
    from member.client.declarations import end_standby

    result = key.ask(lambda client: end_standby(client, account, nonce))
    return print_result(f"end of the standby of account {account}", result, output)
