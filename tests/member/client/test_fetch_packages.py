"""Rules of `crossclear proof fetch`: all that servers keep, believed by nobody, bounded whatever they answer."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from clearing.base.hashing import sha256
from clearing.base.ids import ZERO_HASH, NetworkId
from member.client import downloads as fetching
from member.client.downloads import FetchedPackage, fetch_packages
from member.client.node_client import NodeClient
from node.api.view import PackageAt
from node.store.records import PackageRecord
from tests.kit.command_line import CommandLine
from tests.kit.node.fake_view import FakeView, client_of

Answer = Callable[[httpx.Request], httpx.Response]
URL = "http://node"


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def lines(*epochs: int, digest: bytes = b"d" * 32) -> list[dict[str, object]]:
    return [{"epoch": each, "height": each, "bytes": 7, "sha256": "0x" + digest.hex()} for each in epochs]


def reply(status: int, data: bytes, **headers: str) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(data), headers=headers)


def page(listed: list[dict[str, object]], following: str = "") -> httpx.Response:
    return reply(200, json.dumps({"packages": listed, "next": following}).encode())


def package(epoch: int, data: bytes) -> httpx.Response:
    return reply(200, data, **{"crossclear-epoch": str(epoch), "crossclear-height": "3"})


def connected(http: httpx.AsyncClient) -> Callable[[str], NodeClient]:
    def connect(url: str) -> NodeClient:
        client = NodeClient(url, NetworkId(ZERO_HASH))
        client._http = http
        return client

    return connect


async def fetch(answer: Answer, folder: Path, tell: Callable[[str], None] = lambda _: None) -> FetchedPackage:
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url=URL)
    (found,) = await fetch_packages([URL], folder, tell, connected(http))
    return found


def answering(listed: httpx.Response, found: httpx.Response) -> Answer:
    """A server that is asked once for its list, and once for a package."""
    return lambda request: listed if request.url.path == "/v1/proofs" else found


@pytest.mark.parametrize("epoch", [1, 4])
async def test_what_the_api_lists_is_fetched_once_and_named_by_its_hash(tmp_path: Path, epoch: int) -> None:
    view = FakeView()
    data = b"package"
    view.package = lambda wanted: PackageAt(epoch, 3, sha256(data), data) if wanted == epoch else None  # type: ignore
    view.packages = lambda after, _: [  # type: ignore[method-assign]
        PackageRecord(e, 3, "", 7, sha256(data)) for e in (epoch, 9) if e > after
    ]
    (found,) = await fetch_packages([URL], tmp_path, lambda _: None, connected(client_of(view)))
    assert (found.new, found.known, found.failure) == (1, 0, "")
    (path,) = files_in(tmp_path)
    assert path.read_bytes() == data
    assert path.name == f"epoch-{epoch:06d}-{sha256(data).hex()[:16]}.ccp"
    (found,) = await fetch_packages([URL], tmp_path, lambda _: None, connected(client_of(view)))
    assert (found.new, found.known) == (0, 1)


async def test_two_packages_of_one_epoch_stay_side_by_side(tmp_path: Path) -> None:
    for data in (b"one", b"two"):
        assert (await fetch(answering(page(lines(5)), package(5, data)), tmp_path)).new == 1
    assert len(files_in(tmp_path)) == 2


async def test_a_server_that_goes_in_circles_is_left(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return page(lines(5), "5") if request.url.path == "/v1/proofs" else package(5, b"x")

    found = await fetch(answer, tmp_path)
    assert found.new == 1
    assert "epoch=5" in found.failure


async def test_a_server_without_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "EPOCHS_MAX", 20)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/proofs":
            after = int(request.url.params.get("after", "0"))
            return page(lines(*range(after + 1, after + 4)), str(after + 3))
        epoch = int(request.url.path.rpartition("/")[2])
        return package(epoch, str(epoch).encode())

    found = await fetch(answer, tmp_path)
    assert found.new == 20
    assert found.failure


@pytest.mark.parametrize("digest", ["0x../../../../etc/passwd", "0x" + "../" * 21 + "x", "", "0x" + "AB" * 32])
async def test_a_digest_that_is_none_names_no_file(tmp_path: Path, digest: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    found = await fetch(lambda _: page([{"epoch": 1, "height": 1, "bytes": 1, "sha256": digest}]), inside)
    assert "node_answer" in found.failure
    assert files_in(tmp_path) == [inside]
    assert files_in(inside) == []


async def test_a_server_that_says_too_often_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.0)
    asked: list[str] = []

    answer = answering(page(lines(5)), package(5, b"x"))

    def now_and_then(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) % 3:
            return reply(429, b'{"code":"R0845","message":"","at":"rate","remedy":""}')
        return answer(request)

    assert (await fetch(now_and_then, tmp_path)).new == 1
    assert len(asked) == 6


async def test_a_package_that_is_listed_and_not_there_is_told(tmp_path: Path) -> None:
    words: list[str] = []
    problem = b'{"code":"R0840","message":"","at":"epoch","remedy":""}'
    found = await fetch(answering(page(lines(5)), reply(404, problem)), tmp_path, words.append)
    assert (found.new, found.failure) == (0, "")
    assert words == ["http://node: epoch 5 is on its list, but not there"]


def test_a_node_that_is_away_is_told_and_exits_with_4(tmp_path: Path, cli: CommandLine) -> None:
    assert "node_unreachable" in cli("proof", "fetch", tmp_path, "--url", "http://127.0.0.1:9", code=4).out
