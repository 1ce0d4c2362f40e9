"""The page's files over HTTP: a fixed list, under a policy that lets the page ask nobody but the node."""

import gzip
from pathlib import Path

import httpx
import pytest

from node.http import page
from tests.kit.node.fake_view import FakeView, client_of, status_and_code

BYTES = {name: f"content of {name}".encode() * 20 for name, _ in page.PATHS.values()}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in BYTES.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(page.page_files, "__defaults__", (tmp_path,))


async def ask(
    path: str, method: str = "GET", headers: dict[str, str] | None = None, **settings: object
) -> httpx.Response:
    async with client_of(FakeView(), **settings) as client:
        return await client.request(method, path, headers=headers or {"accept-encoding": "identity"})


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", page.PATHS)
async def test_each_file_has_its_media_type_and_the_policy(path: str) -> None:
    answer = await ask(path)
    name, media = page.PATHS[path]
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, BYTES[name], media)
    policy = answer.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy, "no other page may frame it"
    assert not any("unsafe" in each or "http" in each or "*" in each for each in policy)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("built")
async def test_who_takes_gzip_gets_it_and_who_has_the_file_gets_nothing() -> None:
    async with client_of(FakeView()) as client:
        async with client.stream("GET", "/page/page.js", headers={"accept-encoding": "gzip"}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        tag = {"if-none-match": answer.headers["etag"]}
        again = await client.get("/page/page.js", headers=tag)
    assert gzip.decompress(raw) == BYTES["page.js"]
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "path", ["/page/", "/page/../server.py", "/page/%2e%2e/server.py", "/page/page.js/", "/page/x"]
)
async def test_no_other_path_is_a_file(path: str) -> None:
    assert status_and_code(await ask(path))[0] == 404


@pytest.mark.usefixtures("built")
async def test_a_file_is_only_read() -> None:
    assert (await ask("/", "POST")).status_code == 405


@pytest.mark.usefixtures("built")
async def test_files_count_in_the_rate_of_requests() -> None:
    async with client_of(FakeView(), requests_burst=1, requests_per_second=1) as client:
        answers = [(await client.get("/")).status_code for _ in range(3)]
    assert answers == [200, 429, 429]


@pytest.mark.usefixtures("built")
async def test_a_node_may_serve_no_page() -> None:
    assert (await ask("/", page=False)).status_code == 404


async def test_a_page_that_was_not_built_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page.page_files, "__defaults__", (tmp_path / "nothing",))
    assert (await ask("/")).status_code == 404
    assert (await ask("/healthz")).status_code == 200
