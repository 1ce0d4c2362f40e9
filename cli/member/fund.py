"""`crossclear fund show|opening|verify|explain`: the default fund of a network, and whether contributions cover."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.member.losses import fund_explain
from cli.output import ExitCode, output_option, say, show
from cli.trust_options import amended, amendments_option, anchor_of, anchor_options, light_options

if TYPE_CHECKING:
    from member.client.node_client import NodeClient

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_url = click.option("--url", default="http://127.0.0.1:26680", show_default=True, help="A node's API.")


@click.group()
def fund() -> None:
    """The default fund: how large it has to be, who contributes what, and a check that it covers."""


fund.add_command(fund_explain)


@fund.command("show")
@_url
@output_option
def fund_show(url: str, output: str) -> None:
    """Print size, scenarios, and every member's contribution with its calls."""
    from member.verifying.fund import fund_lines

    view = _ask(url, lambda client: client.fund())
    show(view, fund_lines(view), output)


@fund.command("opening")
@click.option("--epoch", default="latest", show_default=True, help="Of the package to be checked.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A new file.")
@_url
def fund_opening(epoch: str, out: Path, url: str) -> None:
    """Write seed and holdings of the account that holds the contributions, as `crossclear fund verify` takes them."""
    import msgspec

    from clearing.base.errors import LocalFault, RemoteFault
    from member.codes import NodeCode

    if epoch != "latest" and not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 18):
        raise click.BadParameter(f"expected a number or `latest`, got {epoch!r}", param_hint="--epoch")
    if out.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(out))
    wanted = None if epoch == "latest" else int(epoch)
    told = _ask(url, lambda client: client.fund_opening(wanted))
    if wanted not in (None, told.epoch):
        raise RemoteFault(NodeCode.NODE_ANSWER, "fund opening", epoch=told.epoch)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
    say(f"{out}: the fund at epoch {told.epoch}, height {told.height}; check it with `crossclear fund verify`")


@fund.command("verify")
@click.argument("file", type=_FILE)
@click.option("--opening", type=_FILE, required=True, help="What `crossclear fund opening` wrote for this epoch.")
@anchor_options
@light_options
@amendments_option
@output_option
def fund_verify(
    file: Path,
    opening: Path,
    genesis: Path | None,
    validators_hash: str | None,
    network: str | None,
    light_store: Path | None,
    light_urls: tuple[str, ...],
    amendments: Path | None,
    output: str,
) -> int:
    """Check an epoch package offline, and that contributions cover what it lists beyond the house's own fund.

    Exits with 0 when every check passes and with 6 when one fails. Needs neither node nor keys.
    """
    from member.verifying.fund import verify_fund
    from member.verifying.package import report_text

    anchor, light = anchor_of(file, genesis, validators_hash, network, light_store, light_urls)
    report = verify_fund(file, opening, amended(anchor, file, amendments, light_store, light_urls))
    if light is not None:
        report = report.with_check(light)
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


def _ask(url: str, question: "Callable[[NodeClient], Any]") -> Any:
    import trio

    from clearing.base.ids import ZERO_HASH, NetworkId
    from member.client.node_client import NodeClient

    async def main() -> Any:
        async with NodeClient(url, NetworkId(ZERO_HASH)) as client:
            return await question(client)

    return trio.run(main)
