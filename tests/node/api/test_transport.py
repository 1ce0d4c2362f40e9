"""How the API is reached: TLS by itself, proxies that say whose request it is, and web pages of other origins."""

import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.config import Api, NodeConfig
from node.config_sources import parse_config
from node.http.server import build_api, serve_api
from node.http.submitters import is_encrypted
from node.http.tls import tls_files
from node.offline.config_checks import config_mistakes
from tests.kit.node.fake_view import ALICE, NOW, FakeView, signed
from tests.kit.refusals import refused

TLS = {"tls_certificate": "api.pem", "tls_key": "api.key"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a certificate for 127.0.0.1, signed by its own key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crossclear")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "api.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "api.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "api.key").chmod(0o600)
    return tmp_path


@asynccontextmanager
async def serving(home: Path, **settings: object) -> AsyncIterator[str]:
    """An API with these settings; where it listens."""
    api = parse_config({"api": {"port": 0, **settings}}).api
    app = build_api(FakeView(), api, lambda: 1_000)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve_api, app, api, home))
        yield url
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("turns", range(12))
async def test_an_api_that_is_cancelled_while_it_starts_ends(turns: int) -> None:
    """After so many turns of the event loop. Where it does not end, nor does the test."""
    api = parse_config({"api": {"port": 0}}).api
    app = build_api(FakeView(), api, lambda: NOW)  # type: ignore[arg-type]
    async with trio.open_nursery() as outer:

        async def start() -> None:
            await outer.start(partial(serve_api, app, api))

        outer.start_soon(start)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        outer.cancel_scope.cancel()


async def test_an_api_with_a_certificate_speaks_tls_and_nothing_else(home: Path) -> None:
    async with serving(home, **TLS) as url:
        assert url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(home / "api.pem"))
        async with httpx.AsyncClient(verify=trusted, base_url=url, timeout=60) as client:
            assert (await client.get("/healthz")).status_code == 200
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("/healthz")
        async with httpx.AsyncClient(base_url=url.replace("https", "http"), timeout=60) as client:
            with pytest.raises(httpx.HTTPError):
                await client.get("/healthz")
    assert is_encrypted(Api(host="0.0.0.0", **TLS))  # type: ignore[arg-type]  # noqa: S104
    assert not is_encrypted(Api(host="0.0.0.0"))  # noqa: S104


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda home: (home / "api.key").chmod(0o640), NodeCode.KEY_PERMISSIONS),
        (lambda home: (home / "api.key").unlink(), NodeCode.KEY_MISSING),
        (lambda home: (home / "api.pem").unlink(), NodeCode.TLS_UNUSABLE),
        (lambda home: (home / "api.pem").write_text("no certificate"), NodeCode.TLS_UNUSABLE),
        (lambda home: (home / "api.key").write_text("no key"), NodeCode.TLS_UNUSABLE),
    ],
)
def test_a_certificate_that_cannot_be_used_is_refused_before_the_start(
    home: Path, spoil: "partial[None]", code: NodeCode
) -> None:
    api = Api(**TLS)  # type: ignore[arg-type]
    assert tls_files(api, home) == (home / "api.pem", home / "api.key")
    spoil(home)
    with refused(code, LocalFault):
        tls_files(api, home)
    config = parse_config({"node": {"home": str(home)}, "api": TLS})
    assert any(each.at == "api.tls_certificate" or "api.key" in str(each) for each in config_mistakes(config))


@pytest.mark.parametrize(("given", "missing"), [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")])
def test_half_of_a_certificate_is_a_mistake(home: Path, given: str, missing: str) -> None:
    config: NodeConfig = parse_config({"node": {"home": str(home)}, "api": {given: TLS[given]}})
    assert f"api.{missing}" in {each.at for each in config_mistakes(config)}


async def test_behind_a_proxy_the_rate_is_that_of_its_client(home: Path) -> None:
    """One that is not told of stays one client, whatever it says of others."""
    for proxies, expected in ((0, [200, 429, 429]), (1, [200, 200, 429])):
        limits = {"requests_per_second": 1, "requests_burst": 1, "proxies": proxies}
        async with serving(home, **limits) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
            forwarded = [
                (await client.get("/v1/state", headers={"X-Forwarded-For": f"{claimed}, {forwarded}"})).status_code
                for claimed, forwarded in (("9.9.9.1", "8.8.8.1"), ("9.9.9.1", "8.8.8.2"), ("9.9.9.3", "8.8.8.2:77"))
            ]
        assert forwarded == expected


@pytest.mark.parametrize(
    ("origins", "asking", "allowed"),
    [
        ((), "https://page.example", None),
        (("https://page.example",), "https://page.example", "https://page.example"),
        (("https://page.example",), "https://other.example", None),
        (("*",), "https://other.example", "*"),
    ],
)
async def test_pages_of_listed_origins_alone_read_answers(
    home: Path, origins: tuple[str, ...], asking: str, allowed: str | None
) -> None:
    async with serving(home, origins=list(origins)) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.get("/v1/state", headers={"Origin": asking})
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in answer.headers
        asked = {"Origin": asking, "Access-Control-Request-Method": "POST"}
        before = await client.options("/v1/submit", headers=asked)
        assert (before.status_code == 200) == (allowed is not None)


async def test_no_header_changes_what_a_signature_is_for(home: Path) -> None:
    """A proxy may hand on what the client says of scheme and host."""
    api = parse_config({"api": {"port": 0, "proxies": 1}}).api
    app = build_api(FakeView(), api, lambda: NOW)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve_api, app, api, home))
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            right = await client.get("/v1/accounts/1", headers=signed(ALICE, "/v1/accounts/1"))
            assert right.status_code == 200
            for said in ("https://h/healthz#", "https://["):
                for name in ("X-Forwarded-Proto", "X-Forwarded-Host"):
                    answer = await client.get("/v1/accounts/1", headers=signed(ALICE, "/healthz") | {name: said})
                    assert answer.status_code == 401
        nursery.cancel_scope.cancel()
