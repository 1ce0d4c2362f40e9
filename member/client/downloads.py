"""Files that a member downloads from nodes: epoch packages, and its own seed, holdings, exit leaves and openings.

Rule: no node is believed: a package's file is named by its own hash, so two packages of one epoch stay side by side,
and `crossclear proof history` judges them. A server may waste no more than a bounded number of questions and bytes;
one that fails leaves what others gave. Nothing secret is requested over plain HTTP beyond this machine, and no file is
overwritten. An answer must be about the account and the epoch of the request.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import trio

from clearing.base.codec import decode
from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.hashing import sha256
from clearing.base.ids import ZERO_HASH, NetworkId
from consensus.light_client import LightBlock
from member.api.chain import LIGHT_BLOCK_BYTES_MAX
from member.api.proofs import ExitView, FundOpening, InclusionView, PackageLine
from member.client.ask import ask_node
from member.client.authorization import is_loopback
from member.client.node_client import NodeClient
from member.codes import NodeCode
from member.durable_files import write_new, write_whole
from member.keys.secret_files import make_secret_folder, write_secret
from proofs.epoch.package import SUFFIX


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


async def fetch_inclusion(client: NodeClient, account: int, epoch: int | None, owner: bytes) -> InclusionView:
    """Seed and holdings of an own account, whose commitment is bound to the address `owner`, 20 bytes.

    Raises RemoteFault NODE_ANSWER for another account, epoch or owner: a leaf of another owner may be in the certified
    list, so the node's signature below it would clear the node.
    """
    view = await client.inclusion(account, epoch)
    _check_same("inclusion", view.account, view.epoch, account, epoch)
    if view.owner.lower() != "0x" + owner.hex():
        raise RemoteFault(NodeCode.NODE_ANSWER, "inclusion", owner=view.owner, own="0x" + owner.hex())
    if view.answer:
        check_answer(view, client.network)
    return view


async def fetch_signed_inclusion(
    client: NodeClient, account: int, epoch: int | None, owner: bytes
) -> tuple[InclusionView, bool]:
    """As `fetch_inclusion`, and whether the signer is a validator by the node's own list, which the node may make up:
    `crossclear proof accuse` compares the signer with a trusted set."""
    view = await fetch_inclusion(client, account, epoch, owner)
    if not view.answer:
        return view, False
    from proofs.verify.signed_inclusion import read_answer

    signer = "0x" + read_answer(bytes.fromhex(view.answer)).signer.hex()
    listed = (await client.validators()).validators
    return view, any(validator.envelope_key == signer for validator in listed)


async def fetch_exit(client: NodeClient, account: int, epoch: int | None) -> tuple[ExitView, LightBlock]:
    """The exit leaves of an own account, and the light block that certifies their root. Raises as `fetch_inclusion`."""
    view = await client.exit(account, epoch)
    _check_same("exit", view.account, view.epoch, account, epoch)
    return view, decode(await client.light_block(view.height), LightBlock, LIGHT_BLOCK_BYTES_MAX)


def write_inclusion(view: InclusionView, folder: Path, owner: bytes) -> tuple[Path, Path]:
    """Write seed and holdings into a folder that is closed to others, as `crossclear verify` takes them, and beside
    them the own address `owner` and the node's signed answer."""
    seed, holdings = inclusion_paths(folder)
    make_secret_folder(folder)
    write_secret(seed, view.seed.encode() + b"\n")
    write_secret(holdings, msgspec.json.format(msgspec.json.encode(view.holdings, order="sorted"), indent=1) + b"\n")
    write_secret(folder / "owner", f"0x{owner.hex()}\n".encode())
    if view.answer:
        write_secret(folder / ANSWER_NAME, bytes.fromhex(view.answer))
    return seed, holdings


ANSWER_NAME = "answer.cci"
"""The node's signed answer, for `crossclear proof accuse`."""


def inclusion_paths(folder: Path) -> tuple[Path, Path]:
    """Where seed and holdings are written."""
    return folder / "seed", folder / "holdings.json"


def check_answer(view: InclusionView, network: bytes) -> None:
    """Whether the signed answer of a view says what the view does: another would be no evidence.

    Raises RemoteFault NODE_ANSWER, and as `read_answer`.
    """
    from proofs.verify.signed_inclusion import read_answer

    answer = read_answer(bytes.fromhex(view.answer))
    said = (answer.network, answer.epoch, answer.height, answer.account, answer.seed, dict(answer.holdings))
    holdings = {name: int(amount) for name, amount in view.holdings.items()}
    shown = (network, view.epoch, view.height, view.account, bytes.fromhex(view.seed), holdings)
    if said != shown or "0x" + answer.owner.hex() != view.owner:
        raise RemoteFault(NodeCode.NODE_ANSWER, "signed inclusion", epoch=view.epoch, account=view.account)


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


EPOCHS_MAX = 20_000
BYTES_MAX = 16 << 30
"""Both of one server in one run."""
ATTEMPTS_MAX = 60
PAUSE_SECONDS = 1.0
_TOO_OFTEN = 429
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FetchedPackage:
    """What one server gave."""

    url: str
    new: int
    """Files that were not there yet."""
    known: int
    failure: str
    """Why it ended early; empty when it did not."""


def connect(url: str) -> NodeClient:
    """A client that signs nothing."""
    return NodeClient(url, NetworkId(ZERO_HASH))


async def fetch_packages(
    urls: Sequence[str],
    folder: Path,
    on_progress: Callable[[str], None],
    client_of: Callable[[str], NodeClient] = connect,
) -> tuple[FetchedPackage, ...]:
    """Ask one server after the other for every package that the folder lacks. Raises OSError for the folder."""
    results = []
    for url in urls:
        visit = _NodeDownload(url, folder, on_progress)
        try:
            async with client_of(url) as client:
                await visit.fetch_all(client)
            failure = ""
        except CrossclearError as error:
            failure = str(error)
        results.append(FetchedPackage(url, visit.new, visit.known, failure))
    return tuple(results)


@dataclass
class _NodeDownload:
    """One server in one run."""

    url: str
    folder: Path
    on_progress: Callable[[str], None]
    new: int = 0
    known: int = 0
    bytes: int = 0
    last: int = -1

    async def fetch_all(self, client: NodeClient) -> None:
        """Page after page. Raises RemoteFault NODE_ANSWER for a server that goes in circles or beyond all bounds."""
        after = ""
        while True:
            page = await _patiently(partial(client.packages, after))
            for line in page.packages:
                over = self.new + self.known >= EPOCHS_MAX or self.bytes > BYTES_MAX
                if line.epoch <= self.last or over:
                    raise RemoteFault(
                        NodeCode.NODE_ANSWER, "/v1/proofs", url=self.url, epoch=line.epoch, after=self.last
                    )
                self.last = line.epoch
                await self._fetch_one(client, line)
            if not page.next or not page.packages:
                return
            after = str(self.last)

    async def _fetch_one(self, client: NodeClient, line: PackageLine) -> None:
        if _path(self.folder, line.epoch, line.sha256[2:]).exists():
            self.known += 1
            return
        found = await _patiently(partial(client.package, line.epoch))
        if found is None:
            self.on_progress(f"{self.url}: epoch {line.epoch} is on its list, but not there")
            return
        data = found[2]
        path = _path(self.folder, line.epoch, sha256(data).hex())
        if path.exists():
            self.known += 1
            return
        self.bytes += len(data)
        write_whole(path, data)
        self.new += 1
        self.on_progress(f"{self.url}: epoch {line.epoch}, {len(data)} bytes")


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again where a server answers that this is too often."""
    for _ in range(ATTEMPTS_MAX):
        try:
            return await ask()
        except LocalFault as fault:
            if fault.values.get("status") != _TOO_OFTEN:
                raise
            await trio.sleep(PAUSE_SECONDS)
    return await ask()


def _path(folder: Path, epoch: int, digest: str) -> Path:
    """The digest's hex digits come from a typed answer or from us: nothing else can be in the name."""
    return folder / f"epoch-{epoch:06d}-{digest[:16]}{SUFFIX}"
