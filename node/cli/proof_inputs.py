"""`crossclear proof inputs`: what a member checks its own account in an epoch package with, from its node."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from node.cli.exits import Exit
from node.cli.margin_of_account import account_options, ask
from node.cli.output import say


@click.command()
@click.option("--account", type=click.IntRange(0, 2**63 - 1), required=True, help="Own account.")
@click.option("--epoch", default="latest", show_default=True, help="Of the package to be checked.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="A folder, closed to others."
)
@account_options
def inputs(account: int, epoch: str, out: Path, **key: Any) -> int:
    """Write an own account's seed and holdings at an epoch, as `crossclear verify` takes them.

    Compare the holdings with your own records before you verify: the check is worth what that comparison is. Both are
    secret: nothing is asked over plain http but of this machine, and existing files are never overwritten.
    """
    import msgspec

    from clearing.base.errors import LocalFault, RemoteFault
    from node.codes import NodeCode
    from node.keys.files import make_secret_folder, write_secret
    from proofs.verdict import printable

    if epoch != "latest" and not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 18):
        raise click.BadParameter(f"expected a number or `latest`, got {epoch!r}", param_hint="--epoch")
    wanted = None if epoch == "latest" else int(epoch)
    refuse_in_clear(key["url"])
    seed, holdings = out / "seed", out / "holdings.json"
    for path in (seed, holdings):
        if path.exists():
            raise LocalFault(NodeCode.OUTPUT_EXISTS, str(path))
    told = ask(lambda client: client.inclusion(account, wanted), **key)
    if told.account != account or wanted not in (None, told.epoch):
        raise RemoteFault(NodeCode.NODE_ANSWER, "inclusion", account=told.account, epoch=told.epoch)
    make_secret_folder(out)
    write_secret(seed, told.seed.encode() + b"\n")
    write_secret(holdings, msgspec.json.format(msgspec.json.encode(told.holdings, order="sorted"), indent=1) + b"\n")
    say(f"{seed} and {holdings}: account {account} at epoch {told.epoch}, height {told.height}")
    for name in sorted(told.holdings):
        click.echo(printable(f"{name} {told.holdings[name]}"))  # the node's words, which could steer a terminal
    say("Compare these holdings with your own records (trades, deposits, statements): that comparison is what the")
    say("check is worth. A node that tells you what it committed to, right or wrong, passes every check.")
    if told.package:
        say(f"Package: {key['url'].rstrip('/')}/v1/proofs/{told.epoch}")
    else:
        say(f"This node has no package of epoch {told.epoch}: ask others with `crossclear proof fetch`.")
    return Exit.OK


def refuse_in_clear(url: str) -> None:
    """Raise LocalFault API_IN_CLEAR where an answer would travel in clear beyond this machine."""
    from clearing.base.errors import LocalFault
    from node.api.inclusion import is_loopback
    from node.codes import NodeCode

    address = urlsplit(url)
    if address.scheme != "https" and not is_loopback(address.hostname or ""):
        raise LocalFault(NodeCode.API_IN_CLEAR, url)
