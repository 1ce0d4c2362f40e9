"""`crossclear exit show` and `crossclear exit verify`: what an own account could take out if everything ended."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.member.proof import refuse_in_clear
from cli.options import account_options, ask, log_options, open_log
from cli.output import ExitCode, output_option, say, show
from cli.trust_options import anchor_of, anchor_options, light_options

if TYPE_CHECKING:
    from consensus.light_client import LightBlock
    from member.api.proofs import ExitView
    from member.client.node_client import NodeClient
    from member.verifying.exits import ExitFile

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("exit")
def exit_() -> None:
    """What an own account could withdraw if everything ended at an epoch: its leaves of the exit tree."""


@exit_.command("show")
@click.argument("account", type=click.IntRange(0, 2**63 - 1))
@click.option("--epoch", type=click.IntRange(1, 2**63 - 1), help="Default: the newest that closed.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write leaves and header to a new file.")
@account_options
@log_options
@output_option
def exit_show(
    account: int,
    epoch: int | None,
    out: Path | None,
    log: Path | None,
    genesis: Path | None,
    cut_torn_tail: bool,
    output: str,
    **key: Any,
) -> None:
    """Print an own account's payments at an epoch; with --out also write their proofs.

    Keep the file of each epoch: members show it to the vaults when no node answers any more. Its salts are secret:
    plain http is used only on this machine, and existing files are never overwritten. With --log the tree is computed
    again from a node's blocks.
    """
    import msgspec

    from clearing.base.errors import LocalFault
    from member.codes import NodeCode
    from member.durable_files import write_whole
    from member.verifying.exits import exit_file, exit_lines

    if out is not None and out.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(out))
    if log is None:
        refuse_in_clear(key["url"])
        view, block = ask(lambda client: _asked(client, account, epoch), **key)
        _same(view, account, epoch)
    else:
        view, block = _of_log(account, epoch, log, genesis, key, cut_torn_tail=cut_torn_tail)
    if out is not None:
        write_whole(out, msgspec.json.format(msgspec.json.encode(exit_file(view, block)), indent=1) + b"\n", 0o600)
        say(f"{out}: compare the amounts with your own records, then `crossclear exit verify`")
    show(view, exit_lines(view), output)


@exit_.command("verify")
@click.argument("file", type=_FILE)
@click.option("--package", type=_FILE, help="Take the header out of this epoch package instead of the file.")
@anchor_options
@light_options
@output_option
def exit_verify(
    file: Path,
    package: Path | None,
    genesis: Path | None,
    validators_hash: str | None,
    network: str | None,
    light_store: Path | None,
    light_urls: tuple[str, ...],
    output: str,
) -> int:
    """Check offline that every payment in FILE is under the exit root of a final header.

    Exits with 0 when every check passes and with 6 when one fails. Needs neither node nor keys.
    """
    from member.verifying.exits import FILE_BYTES_MAX, block_of, read_exit_file, verify_exit
    from member.verifying.package import read_limited, report_text

    data = read_limited(file, FILE_BYTES_MAX)
    told: ExitFile = read_exit_file(data)
    block = block_of(told) if package is None else _block_of_package(package)
    anchor, light = anchor_of(block.header, genesis, validators_hash, network, light_store, light_urls)
    report = verify_exit(told, len(data), anchor, block, str(file))
    if light is not None:
        report = report.with_check(light)
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


async def _asked(client: "NodeClient", account: int, epoch: int | None) -> "tuple[ExitView, bytes]":
    view = await client.exit(account, epoch)
    return view, await client.light_block(view.height)


def _same(view: "ExitView", account: int, epoch: int | None) -> None:
    """Raise RemoteFault NODE_ANSWER for another account or epoch than was asked for."""
    from clearing.base.errors import RemoteFault
    from member.codes import NodeCode

    if view.account != account or epoch not in (None, view.epoch):
        raise RemoteFault(NodeCode.NODE_ANSWER, "exit", account=view.account, epoch=view.epoch)


def _block_of_package(package: Path) -> "LightBlock":
    from consensus.light_client import LightBlock
    from member.verifying.package import read_limited
    from proofs.epoch.package import PACKAGE_BYTES_MAX, read_package

    found = read_package(read_limited(package, PACKAGE_BYTES_MAX))
    return LightBlock(found.header, found.certificate, found.validators, found.validators)


def _of_log(
    account: int,
    epoch: int | None,
    log: Path,
    genesis: Path | None,
    key: dict[str, Any],
    *,
    cut_torn_tail: bool,
) -> "tuple[ExitView, bytes]":
    """Out of a block log, every block of which is executed and checked again. Raises LocalFault API_NOT_FOUND."""
    from clearing.base.codec import encode
    from clearing.base.errors import LocalFault
    from member.codes import NodeCode
    from node.api.proofs import exit_view
    from node.offline.log_readers import exit_of_log

    files = {name: key[name] for name in ("home", "password_file", "devnet")}
    found = exit_of_log(*open_log(log, genesis, cut_torn_tail=cut_torn_tail, **files), account, epoch)
    if found is None:
        raise LocalFault(NodeCode.API_NOT_FOUND, "epoch", epoch=epoch or 0, account=account)
    return exit_view(found[0]), encode(found[1])
