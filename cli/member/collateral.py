"""`crossclear collateral submit|status`."""

from pathlib import Path

import click

from cli.options import NEW_FILE, NUMBER, MemberKey, account_options, hex_option, read_hex_secret, url_option
from cli.output import ExitCode, output_option, say_line, show, show_line

wait_option = click.option("--wait", is_flag=True, help="Return when it is credited or refused.")


@click.group()
def collateral() -> None:
    """Submit deposits and other events of vaults to a node, and follow them until they are credited."""


@collateral.command("submit")
@click.argument("chain_id", metavar="CHAIN", type=NUMBER)
@click.argument("transaction")
@account_options
@click.option("--token-file", type=NEW_FILE, help="A submitter's token in place of a member's key, mode 0600.")
@click.option("--rpc", metavar="URL", help="Make receipt proofs from this endpoint of the chain, and submit those.")
@output_option
def collateral_submit(
    chain_id: int, transaction: str, key: MemberKey, token_file: Path | None, rpc: str | None, output: str
) -> None:
    """Submit the events of vaults in TRANSACTION (its hash) of CHAIN.

    Without --rpc the node looks for the transaction itself. Submitting again is harmless. Prints a reference for each
    submission, by which `collateral status` follows it.

    Example: crossclear collateral submit 31337 TRANSACTION --key trade --home HOME
    """
    from member.client.ask import ask_node
    from member.client.collateral_events import submit_proofs, submit_transaction
    from member.client.node_client import NodeClient

    hashed = hex_option("TRANSACTION", transaction, 32) or b""
    token = read_hex_secret(token_file).hex() if token_file is not None else None

    async def submit(client: NodeClient) -> None:
        if rpc is not None:
            results = await submit_proofs(client, rpc, chain_id, hashed, token)
        else:
            results = (await submit_transaction(client, chain_id, hashed, token),)
        if output == "json":
            show(results, "", output)
            return
        for result in results:
            say_line(result.status)
            show_line(result.reference)

    if token is not None:
        ask_node(key.url, submit)
    else:
        key.ask(submit)


@collateral.command("status")
@click.argument("chain_id", metavar="CHAIN", type=NUMBER)
@click.argument("reference")
@url_option
@wait_option
@output_option
def collateral_status(chain_id: int, reference: str, url: str, output: str, *, wait: bool) -> int:
    """Print how far a submitted event of CHAIN is. REFERENCE: what `submit` printed; a transaction's is its hash.

    Ask the node that it was submitted to. Exits with 6 when the event is refused.

    Example: crossclear collateral status 31337 REFERENCE --wait
    """
    from member.client.ask import ask_node
    from member.client.collateral_events import follow_event
    from member.printing.collateral_events import collateral_event_text

    named = "0x" + (hex_option("REFERENCE", reference, 32) or b"").hex()

    if wait:
        view = ask_node(url, lambda client: follow_event(client, chain_id, named))
    else:
        view = ask_node(url, lambda client: client.event_status(chain_id, named))
    show(view, collateral_event_text(view), output)
    return ExitCode.VERIFICATION if view.progress == "refused" else ExitCode.OK
