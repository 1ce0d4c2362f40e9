"""`crossclear porting list|request|accept`: clients that move from one member to another."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.member.submitted import fate_words
from cli.options import NEW_FILE, NUMBER, MemberKey, account_options, listing_at, parsed
from cli.output import ExitCode, output_option, say, show

if TYPE_CHECKING:
    from member.client.node_client import NodeClient
    from member.client.porting import Porting, PortingFile

ROLES = ("member", "client")


@click.group()
def porting() -> None:
    """Move a client with all its positions to another member: see what is open, request, sign."""


@porting.command("list")
@account_options
@output_option
def porting_list(key: MemberKey, output: str) -> None:
    """Print the defaults whose clients may be ported now, and clients that agreed on you as their standby.

    Clients are those of the terms: one that opened its account later asks you itself.

    Example: crossclear porting list --key trade --home HOME
    """
    from member.client.porting import porting_offers
    from member.printing.porting import offers_text

    offers = key.ask(porting_offers)
    show(offers, offers_text(offers, listing_at(key.url)), output)


@porting.command("request")
@click.argument("account", type=NUMBER)
@click.argument("member")
@click.option("--out", type=NEW_FILE, required=True, help="The request, for the next to sign: a new file.")
@click.option("--default", "number", type=click.IntRange(1, 2**63 - 1), help="The default of the client's member.")
@click.option("--as", "role", type=click.Choice(ROLES), default="member", show_default=True, help="With --default.")
@click.option("--nonce", type=NUMBER, help="With --default, of the account. Default: ask the node, else the time.")
@account_options
@output_option
def porting_request(
    account: int,
    member: str,
    out: Path,
    number: int | None,
    role: str,
    nonce: int | None,
    key: MemberKey,
    output: str,
) -> None:
    """Sign that the client's ACCOUNT moves to MEMBER (its name or id), into a file that the others sign.

    Without --default you are its present member: the taking member signs next, and the client where it has a key of its
    own. With --default its member is in default and signs nothing: you are the member that takes it, or with --as
    client the client itself, or the house for a client without a key.

    Example: crossclear porting request 4 bob --out porting.json --key trade --home HOME
    """
    from member.client.porting import request_porting, request_rescue

    listing = listing_at(key.url)
    to_member = parsed("MEMBER", lambda: listing.member(member))
    if number is None:
        made = key.ask(lambda client: request_porting(client, account, to_member, out))
    else:
        made = key.ask(lambda client: request_rescue(client, account, number, to_member, role, out, nonce))
    text = f"{out}: to be signed by {' and '.join(made.needs)}, with `crossclear porting accept`"
    show({"file": str(out), "needs": made.needs, "request": made.request}, text, output)


@porting.command("accept")
@click.argument("file", type=NEW_FILE)
@click.option("--as", "role", type=click.Choice(ROLES), help="Who you are, where several signatures are missing.")
@click.option("--out", type=NEW_FILE, help="A new file for the next, where more signatures are missing.")
@click.option("--yes", is_flag=True, help="Sign without asking.")
@account_options
@output_option
def porting_accept(file: Path, role: str | None, out: Path | None, key: MemberKey, output: str, *, yes: bool) -> int:
    """Read the porting in FILE in words and sign it. The last signature submits it, and its fate is waited for.

    Exits with 6 when it is refused, with the code and what to do.

    Example: crossclear porting accept porting.json --key trade --home HOME
    """
    from member.client.porting import read_porting, sign_porting
    from member.printing.porting import porting_lines

    async def read(client: "NodeClient") -> "tuple[PortingFile, Porting]":
        return read_porting(client, file)

    found, request = key.ask(read)
    say("\n".join(porting_lines(request, found.needs, listing_at(key.url))))
    if not yes:
        click.confirm("Sign it?", abort=True, err=True)
    made, sent = key.ask(lambda client: sign_porting(client, found, role, out))
    if sent is None:
        text = f"{out}: to be signed by {' and '.join(made.needs)}, with `crossclear porting accept`"
        show({"file": str(out), "needs": made.needs, "request": made.request}, text, output)
        return ExitCode.OK
    result, fate = sent
    if fate is not None:
        text = fate_words(key.url, fate, output)
    else:
        text = "refused" if result.problem is None else f"refused: {result.problem.message}\n  {result.problem.remedy}"
    show({"result": result, "transaction": fate}, text, output)
    return ExitCode.OK if fate is not None and fate.state == "applied" else ExitCode.VERIFICATION
