"""Secret files that a member fetches from a node: seed and holdings of an account, its exit leaves, the fund's opening.

Rule: nothing secret is asked over plain HTTP beyond this machine, and no file is overwritten. The answer must be about
the account and the epoch that were asked for.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from clearing.base.codec import decode
from clearing.base.errors import LocalFault, RemoteFault
from consensus.light_client import LightBlock
from member.api.chain import LIGHT_BLOCK_BYTES_MAX
from member.api.proofs import ExitView, FundOpening, InclusionView
from member.client.ask import ask_node
from member.client.authorization import is_loopback
from member.client.node_client import NodeClient
from member.codes import NodeCode
from member.durable_files import write_new
from member.keys.secret_files import make_secret_folder, write_secret


def refuse_in_clear(url: str) -> None:
    """Raise LocalFault API_IN_CLEAR where an answer would travel unencrypted beyond this machine."""
    address = urlsplit(url)
    if address.scheme != "https" and not is_loopback(address.hostname or ""):
        raise LocalFault(NodeCode.API_IN_CLEAR, url)


def refuse_existing(*paths: Path) -> None:
    """Raise LocalFault OUTPUT_EXISTS for the first path that exists."""
    for path in paths:
        if path.exists():
            raise LocalFault(NodeCode.OUTPUT_EXISTS, str(path))


async def fetch_inclusion(client: NodeClient, account: int, epoch: int | None) -> InclusionView:
    """Seed and holdings of an own account. Raises RemoteFault NODE_ANSWER for another account or epoch."""
    view = await client.inclusion(account, epoch)
    _check_same("inclusion", view.account, view.epoch, account, epoch)
    return view


async def fetch_exit(client: NodeClient, account: int, epoch: int | None) -> tuple[ExitView, LightBlock]:
    """The exit leaves of an own account, and the light block that certifies their root. Raises as `fetch_inclusion`."""
    view = await client.exit(account, epoch)
    _check_same("exit", view.account, view.epoch, account, epoch)
    return view, decode(await client.light_block(view.height), LightBlock, LIGHT_BLOCK_BYTES_MAX)


def write_inclusion(view: InclusionView, folder: Path) -> tuple[Path, Path]:
    """Write seed and holdings into a folder that is closed to others, as `crossclear verify` takes them."""
    seed, holdings = inclusion_paths(folder)
    make_secret_folder(folder)
    write_secret(seed, view.seed.encode() + b"\n")
    write_secret(holdings, msgspec.json.format(msgspec.json.encode(view.holdings, order="sorted"), indent=1) + b"\n")
    return seed, holdings


def inclusion_paths(folder: Path) -> tuple[Path, Path]:
    """Where seed and holdings are written."""
    return folder / "seed", folder / "holdings.json"


def write_fund_opening(url: str, epoch: int | None, out: Path) -> FundOpening:
    """Fetch and write the opening of the account with the fund's contributions, by default of the newest package."""
    refuse_existing(out)
    opening = ask_node(url, lambda client: client.fund_opening(epoch))
    if epoch not in (None, opening.epoch):
        raise RemoteFault(NodeCode.NODE_ANSWER, "fund opening", epoch=opening.epoch)
    write_new(out, _indented(opening))
    return opening


def _indented(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def _check_same(at: str, account: int, epoch: int, wanted: int, wanted_epoch: int | None) -> None:
    if account != wanted or wanted_epoch not in (None, epoch):
        raise RemoteFault(NodeCode.NODE_ANSWER, at, account=account, epoch=epoch)
