"""`crossclear proof fetch`: the epoch packages that nodes keep, as files in a folder.

Rule: no node is trusted: a file is named by its own hash, not by the server, so that two packages of one
epoch are both kept, and `crossclear proof history` judges them. A server may waste no more than a bounded number of
questions and bytes; the failure of one leaves the files of the others.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.hashing import sha256
from clearing.base.ids import ZERO_HASH, NetworkId
from member.api.proofs import PackageLine
from member.client.node_client import NodeClient
from member.codes import NodeCode
from member.durable_files import write_whole
from proofs.epoch.package import SUFFIX

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
