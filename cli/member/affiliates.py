"""`crossclear affiliates show|declare|agree|end`."""

from pathlib import Path

import click

from cli.member.submitted import print_result
from cli.options import NEW_FILE, NUMBER, MemberKey, account_options
from cli.output import ExitCode, output_option, show


@click.group()
def affiliates() -> None:
    """Declare that two owners are one group, and see what that does to an own account."""


@affiliates.command("show")
@click.argument("account", type=NUMBER)
@account_options
@output_option
def affiliates_show(account: int, key: MemberKey, output: str) -> None:
    """Print the affiliates of an own ACCOUNT's owner, and what they do in a default, to its money and to the fund.

    The key is its member's or the house's.

    Example: crossclear affiliates show 1 --key trade --home HOME
    """
    from member.client.declarations import affiliates_of
    from member.printing.affiliates import affiliates_text

    view = key.ask(lambda client: affiliates_of(client, account))
    show(view, affiliates_text(view), output)


@affiliates.command("declare")
@click.argument("account", type=NUMBER)
@click.argument("affiliate", type=NUMBER)
@click.option("--out", type=NEW_FILE, help="The declaration, for the other owner to sign. A member needs it.")
@account_options
@output_option
def affiliates_declare(account: int, affiliate: int, out: Path | None, key: MemberKey, output: str) -> int:
    """Declare that the owner of the account AFFILIATE is affiliated with you, the member that owns ACCOUNT.

    It writes a file; the other owner sends it with `affiliates agree` within a few minutes. With the house's key no
    other signature is needed: it is sent at once, and counts after a notice. Exits with 6 when the node refuses it.

    Example: crossclear affiliates declare 1 7 --out affiliation.json --key trade --home HOME
    """
    from member.client.declarations import declare_affiliate

    result = key.ask(lambda client: declare_affiliate(client, account, affiliate, out))
    if result is None:
        show({"file": str(out)}, f"{out}: to be signed by the owner of account {affiliate}", output)
        return ExitCode.OK
    return print_result(f"affiliation of accounts {account} and {affiliate}", result, output)


@affiliates.command("agree")
@click.argument("file", type=NEW_FILE)
@account_options
@output_option
def affiliates_agree(file: Path, key: MemberKey, output: str) -> int:
    """Sign the declaration in FILE as the other owner, and send it: from the next block on your money stands in.

    The key is the other owner's; for a client without one it is the house's. Exits with 6 when the node refuses it.

    Example: crossclear affiliates agree affiliation.json --key trade --home HOME
    """
    from clearing.schema.requests.accounts import AffiliationDeclaration
    from member.client.declarations import agree

    words, result = key.ask(lambda client: agree(client, file, AffiliationDeclaration))
    return print_result(f"affiliation of accounts {words.account} and {words.affiliate}", result, output)


@affiliates.command("end")
@click.argument("account", type=NUMBER)
@click.argument("affiliate", type=NUMBER)
@account_options
@output_option
def affiliates_end(account: int, affiliate: int, key: MemberKey, output: str) -> int:
    """End an affiliation with notice. Only the house's key can: no owner leaves its group by itself.

    Exits with 6 when the node refuses it.

    Example: crossclear affiliates end 1 7 --key house --home HOME
    """
    from member.client.declarations import end_affiliation

    result = key.ask(lambda client: end_affiliation(client, account, affiliate))
    return print_result(f"end of the affiliation of accounts {account} and {affiliate}", result, output)
