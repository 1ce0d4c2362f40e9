"""The gateway's process over sockets: who may log on, what is answered, what hostile bytes do."""

import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
import simplefix
import trio

from crossclear_fix import errors
from crossclear_fix.errors import GatewayError
from crossclear_fix.message import Message
from crossclear_fix.server import Server, clock_ms
from crossclear_fix.settings import read_settings
from crossclear_fix.trade_report import Names, Report, read_report
from tests.kit.fix_client import PASSWORD, USERNAME, FixClient, trade
from tests.kit.fix_node import FixNode

EXAMPLE = Path(__file__).resolve().parents[2] / "configs" / "fix" / "gateway.toml"
SETTINGS = f"""
[gateway]
node = "http://node"
venue = 7
venue_key_file = "venue-key"
listen = "127.0.0.1:0"
valid_seconds = 2
connections_max = 4
open_reports_max = 2
logon_seconds = 3
[tls]
[[instruments]]
symbol = "BTC-PERP"
instrument = 1
ticks_per_unit = 100
lots_per_unit = 1000
[[accounts]]
name = "BOB"
account = 2
[[accounts]]
name = "CAROL"
account = 3
[[sessions]]
comp_id = "VENUE"
own_comp_id = "HOUSE"
username = "{USERNAME}"
password_file = "password"
accounts = ["BOB", "CAROL"]
[[sessions]]
comp_id = "SECOND"
own_comp_id = "HOUSE"
username = "{USERNAME}"
password_file = "password"
accounts = ["BOB"]
begin_string = "FIXT.1.1"
"""
T = TypeVar("T")
Address = tuple[str, int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("venue-key", "07" * 32), ("password", PASSWORD + "\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    return tmp_path


@asynccontextmanager
async def running(folder: Path, node: FixNode) -> AsyncIterator[tuple[Address, Server]]:
    found: list[Address] = []
    started = trio.Event()

    def at(address: Address) -> None:
        found.append(address)
        started.set()

    server = Server(read_settings(folder / "gateway.toml"), folder, node.client())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, at)
        await started.wait()
        try:
            yield found[0], server
        finally:
            nursery.cancel_scope.cancel()


async def in_thread(work: Callable[..., T], *words: Any) -> T:
    return await trio.to_thread.run_sync(partial(work, *words))


def shown(message: simplefix.FixMessage) -> tuple[bytes, ...]:
    """Type, report, status and reason."""
    values = (message.get(tag) for tag in (35, 571, 939, 751))
    return tuple(value for value in values if value is not None)


def next_two(venue: FixClient) -> list[tuple[bytes, ...]]:
    return [shown(venue.next()) for _ in range(2)]


async def test_a_report_is_acknowledged_and_confirmed(folder: Path) -> None:
    def story(address: Address) -> list[tuple[bytes, ...]]:
        venue = FixClient()
        venue.log_on(address)
        venue.report("T-1", "BOB", "CAROL", "0.005", "8000.10")
        found = next_two(venue)
        venue.write("5")
        assert venue.read().get(35) == b"5"
        with pytest.raises(EOFError):
            venue.read()
        venue.close()
        return found

    node = FixNode(clock_ms)
    async with running(folder, node) as (address, _):
        assert await in_thread(story, address) == [(b"AR", b"T-1", b"0"), (b"AE", b"N1")]
    assert [(each.buyer, each.seller, each.lots, each.ticks) for each in node.trades.values()] == [(2, 3, 5, 800_010)]


async def test_a_repeated_report_is_answered_with_its_fate_after_a_restart_too(folder: Path) -> None:
    body = trade("T-1", "BOB", "CAROL", "0.005", "8000.10")

    def story(address: Address, venue: FixClient, *more: tuple[int, str]) -> list[tuple[bytes, ...]]:
        venue.log_on(address)
        venue.write("AE", *body, *more)
        found = next_two(venue)
        venue.close()
        return found

    node, venue = FixNode(clock_ms), FixClient()
    for more in ((), ((97, "Y"),), ()):
        async with running(folder, node) as (address, _):
            assert await in_thread(story, address, venue, *more) == [(b"AR", b"T-1", b"0"), (b"AE", b"N1")]
    assert len(node.submitted) == 1


CANCEL, REPLACE = "1", "2"


async def test_a_cancellation_is_answered_with_what_became_of_the_report(folder: Path) -> None:
    """It echoes what was asked (487, 572), names the trade (880), and clears or undoes nothing."""

    def story(address: Address, node: FixNode) -> list[tuple[bytes | None, ...]]:
        venue = FixClient()
        venue.log_on(address)
        for report_id, lots in (("T-1", "0.005"), ("T-2", "0.006")):
            node.refusals = {800_010: "R0203"} if report_id == "T-2" else {}
            venue.report(report_id, "BOB", "CAROL", lots, "8000.10")
            next_two(venue)
        answers = []
        for about in ("T-1", "T-2", "T-9"):
            for kind in (CANCEL, REPLACE):
                given = trade(f"C-{kind}-{about}", "BOB", "CAROL", "0.005", "8000.10")
                body = [each for each in given if each[0] != 487]
                venue.write("AE", (487, kind), (572, about), *body)
                answer = venue.next()
                answers.append(tuple(answer.get(tag) for tag in (35, 487, 572, 880, 939, 751)))
                assert (answer.get(58) or b"").startswith(b"R0944 " + about.encode())
        venue.close()
        return answers

    node = FixNode(clock_ms)
    async with running(folder, node) as (address, _):
        found = await in_thread(story, address, node)
    trades = {b"T-1": b"1", b"T-2": b"2", b"T-9": None}
    wanted = [(b"AR", kind, about, trades[about], b"1", b"99") for about in trades for kind in (b"1", b"2")]
    assert found == wanted
    assert len(node.trades) == 1


async def test_a_report_whose_fate_is_open_is_pending_where_its_fix_knows_that(folder: Path) -> None:
    text = (folder / "gateway.toml").read_text()
    (folder / "gateway.toml").write_text(text.replace('accounts = ["BOB"]', 'accounts = ["BOB", "CAROL"]'))

    def story(address: Address, node: FixNode) -> list[tuple[bytes, ...]]:
        venue = FixClient(sender="SECOND", begin_string="FIXT.1.1")
        venue.log_on(address, (1137, "9"))
        node.down = True
        body = trade("T-1", "BOB", "CAROL", "0.005", "8000.10")
        found = []
        for _ in range(2):
            venue.write("AE", *body)
            found.append(shown(venue.next()))
        node.down = False
        found.append(shown(venue.next()))
        venue.write("AE", *body)
        found += next_two(venue)
        venue.close()
        return found

    node = FixNode(clock_ms)
    async with running(folder, node) as (address, _):
        found = await in_thread(story, address, node)
    pending, novated = (b"AR", b"T-1", b"4"), (b"AE", b"N1")
    assert found == [pending, pending, novated, (b"AR", b"T-1", b"0"), novated]


async def test_answers_that_were_not_read_come_with_the_next_connection(folder: Path) -> None:
    def story(address: Address, node: FixNode) -> list[tuple[bytes, ...]]:
        venue = FixClient()
        venue.log_on(address)
        venue.report("T-1", "BOB", "CAROL", "0.005", "8000.10")
        assert shown(venue.next()) == (b"AR", b"T-1", b"0")
        venue.close()
        node.down = False
        venue.incoming = 2  # as if the acknowledgement had been lost
        venue.log_on(address)
        found = next_two(venue)
        assert venue.heard[2].get(43) == b"Y"
        venue.close()
        return found

    node = FixNode(clock_ms, down=True)
    async with running(folder, node) as (address, _):
        assert await in_thread(story, address, node) == [(b"AR", b"T-1", b"0"), (b"AE", b"N1")]


async def test_refusals_have_reasons_and_codes(folder: Path) -> None:
    def story(address: Address) -> None:
        venue = FixClient()
        venue.log_on(address)
        for report_id, buyer, quantity, price, reason, code in (
            ("T-1", "BOB", "0.005", "1.00", b"99", "R0203"),
            ("T-2", "DAVE", "0.005", "1.00", b"1", errors.PARTY),
            ("T-3", "BOB", "0.0001", "1.00", b"99", errors.NOT_WHOLE),
            ("T-1", "BOB", "0.006", "1.00", b"99", errors.OTHER_TERMS),
        ):
            venue.report(report_id, buyer, "CAROL", quantity, price)
            message = venue.next()
            if message.get(939) == b"0":
                message = venue.next()
            assert shown(message) == (b"AR", report_id.encode(), b"1", reason)
            assert message.get(58).decode().startswith(code)
        venue.close()

    node = FixNode(clock_ms, refusals={100: "R0203"})
    async with running(folder, node) as (address, _):
        await in_thread(story, address)


async def test_other_messages_and_too_many_reports_are_business_rejects(folder: Path) -> None:
    def story(address: Address) -> None:
        venue = FixClient()
        venue.log_on(address)
        number = venue.write("D", (11, "order"))
        reject = venue.next()
        assert [reject.get(tag) for tag in (35, 45, 372, 380)] == [b"j", b"%d" % number, b"D", b"3"]
        for report_id in ("T-1", "T-2", "T-3"):
            venue.report(report_id, "BOB", "CAROL", "0.005", "1.00")
        assert next_two(venue) == [(b"AR", b"T-1", b"0"), (b"AR", b"T-2", b"0")]
        full = venue.next()
        assert [full.get(tag) for tag in (35, 379, 380)] == [b"j", b"T-3", b"4"]
        assert full.get(58).decode().startswith(errors.FULL)
        venue.close()

    async with running(folder, FixNode(clock_ms, down=True)) as (address, _):
        await in_thread(story, address)


async def test_a_report_that_breaks_fix_is_rejected_and_the_session_goes_on(folder: Path) -> None:
    def story(address: Address) -> None:
        venue = FixClient()
        venue.log_on(address)
        body = trade("T-1", "BOB", "CAROL", "0.005", "1.00")
        number = venue.write("AE", *((tag, value) for tag, value in body if tag != 571))
        reject = venue.next()
        assert [reject.get(tag) for tag in (35, 45, 371, 373)] == [b"3", b"%d" % number, b"571", b"1"]
        venue.write("AE", *body)
        assert next_two(venue) == [(b"AR", b"T-1", b"0"), (b"AE", b"N1")]
        venue.close()

    async with running(folder, FixNode(clock_ms)) as (address, _):
        await in_thread(story, address)


async def test_what_goes_wrong_with_a_message_ends_its_connection_and_keeps_nothing_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = [RuntimeError("a fault of ours")]

    def failing(message: Message, names: Names) -> Report:
        if wrong:
            raise wrong.pop()
        return read_report(message, names)

    def story(address: Address) -> list[tuple[bytes, ...]]:
        venue = FixClient()
        venue.log_on(address)
        venue.report("T-1", "BOB", "CAROL", "0.005", "1.00")
        with pytest.raises(EOFError):
            venue.read()
        venue.log_on(address)
        found = next_two(venue)
        venue.close()
        return found

    monkeypatch.setattr("crossclear_fix.desk.read_report", failing)
    async with running(folder, FixNode(clock_ms)) as (address, _):
        assert await in_thread(story, address) == [(b"AR", b"T-1", b"0"), (b"AE", b"N1")]


STRANGERS = {
    "password": {"password": "wrong"},
    "sender": {"sender": "OTHER"},
    "target": {"target": "OTHER"},
    "version": {"begin_string": "FIX.4.2"},
    "sessions": {"sender": "SECOND"},
}


@pytest.mark.parametrize("which", STRANGERS)
async def test_a_stranger_hears_nothing_and_uses_no_number(folder: Path, which: str) -> None:
    """(1S c)"""

    def story(address: Address) -> None:
        with pytest.raises(EOFError):
            FixClient(**STRANGERS[which]).log_on(address)  # type: ignore[arg-type]
        venue = FixClient()
        assert venue.log_on(address).get(34) == b"1"
        venue.close()

    async with running(folder, FixNode(clock_ms)) as (address, _):
        await in_thread(story, address)


@pytest.mark.parametrize(
    "data",
    [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + bytes(500), b"8=FIX.4.4\x019=", b"8=FIX.4.4\x01" * 20_000],
    ids=["nothing", "http", "tls", "half", "flood"],
)
async def test_hostile_bytes_end_a_connection_and_nothing_else(folder: Path, data: bytes) -> None:
    def story(address: Address) -> None:
        stranger = FixClient()
        stranger.connect(address)
        try:
            stranger.write_bytes(data)
        except OSError:
            assert len(data) > 1_000, "the connection ended while it was written to"
        with pytest.raises(EOFError):
            stranger.read()
        stranger.close()
        venue = FixClient()
        venue.log_on(address)
        venue.close()

    async with running(folder, FixNode(clock_ms)) as (address, _):
        await in_thread(story, address)


async def test_garbled_messages_are_ignored_and_a_flood_of_them_ends_the_connection(folder: Path) -> None:
    """(2d)"""

    def story(address: Address) -> None:
        venue = FixClient()
        venue.log_on(address)
        garbled = venue.made("0", 2).encode()[:-4] + b"000\x01"
        venue.write_bytes(garbled * 3)
        venue.write("1", (112, "still there"))
        assert venue.read().get(112) == b"still there"
        venue.write_bytes(garbled * 300)
        with pytest.raises(EOFError):
            venue.read()
        venue.close()

    async with running(folder, FixNode(clock_ms)) as (address, _):
        await in_thread(story, address)


async def test_a_second_connection_of_a_session_is_closed_and_the_first_goes_on(folder: Path) -> None:
    """(1S b)"""

    def story(address: Address) -> None:
        venue = FixClient()
        venue.log_on(address)
        with pytest.raises(EOFError):
            FixClient(outgoing=2).log_on(address)
        venue.write("1", (112, "still there"))
        assert venue.read().get(112) == b"still there"
        venue.close()

    async with running(folder, FixNode(clock_ms)) as (address, _):
        await in_thread(story, address)


async def test_more_connections_than_may_be_are_closed(folder: Path) -> None:
    def story(address: Address) -> None:
        strangers = [FixClient() for _ in range(5)]
        for each in strangers:
            each.connect(address)
        for each in strangers:
            with pytest.raises(EOFError):
                each.read()
            each.close()
        venue = FixClient()
        venue.log_on(address)
        venue.close()

    async with running(folder, FixNode(clock_ms)) as (address, _):
        await in_thread(story, address)


async def test_two_sessions_report_beside_each_other_by_two_versions(folder: Path) -> None:
    def story(address: Address) -> None:
        venue, second = FixClient(), FixClient(begin_string="FIXT.1.1", sender="SECOND")
        venue.log_on(address)
        assert second.log_on(address, (1137, "9")).get(1137) == b"9"
        second.report("T-1", "BOB", "CAROL", "0.005", "1.00")
        assert shown(second.next()) == (b"AR", b"T-1", b"1", b"1"), "it may not report for carol"
        venue.report("T-1", "BOB", "CAROL", "0.005", "1.00")
        assert next_two(venue) == [(b"AR", b"T-1", b"0"), (b"AE", b"N1")]
        venue.close()
        second.close()

    async with running(folder, FixNode(clock_ms)) as (address, _):
        await in_thread(story, address)


async def test_a_gateway_that_ends_logs_out(folder: Path) -> None:
    def story(venue: FixClient) -> None:
        message = venue.read()
        assert (message.get(35), message.get(58)) == (b"5", b"the gateway ends")
        venue.write("5")
        with pytest.raises(EOFError):
            venue.read()
        venue.close()

    async with running(folder, FixNode(clock_ms)) as (address, server):
        venue = FixClient()
        await in_thread(venue.log_on, address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.say_goodbye)
            await in_thread(story, venue)


def make_certificates(folder: Path) -> None:
    for name in ("server", "client"):
        words = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ]
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        subprocess.run([*words, *files, *names], check=True, capture_output=True)


async def test_tls_needs_a_certificate_of_the_client_where_the_settings_say_so(folder: Path) -> None:
    make_certificates(folder)
    tls = '[tls]\ncertificate_file = "server.pem"\nkey_file = "server.key"\nclient_ca_file = "client.pem"\n'
    (folder / "gateway.toml").write_text(SETTINGS.replace("[tls]\n", tls))

    def story(address: Address) -> None:
        context = ssl.create_default_context(cafile=str(folder / "server.pem"))
        without = FixClient()
        with pytest.raises((EOFError, ssl.SSLError, OSError)):
            without.log_on(address, context=context)
        without.close()
        context.load_cert_chain(folder / "client.pem", folder / "client.key")
        venue = FixClient()
        venue.log_on(address, context=context)
        venue.report("T-1", "BOB", "CAROL", "0.005", "1.00")
        assert next_two(venue) == [(b"AR", b"T-1", b"0"), (b"AE", b"N1")]
        venue.close()

    async with running(folder, FixNode(clock_ms)) as (address, _):
        await in_thread(story, address)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_gateway_runs_under_asyncio_and_trio(folder: Path, backend: str) -> None:
    def story(address: Address) -> list[tuple[bytes, ...]]:
        venue = FixClient()
        venue.log_on(address)
        venue.report("T-1", "BOB", "CAROL", "0.005", "8000.10")
        found = next_two(venue)
        venue.close()
        return found

    async def play() -> list[tuple[bytes, ...]]:
        found: list[Address] = []
        started = anyio.Event()

        def at(address: Address) -> None:
            found.append(address)
            started.set()

        server = Server(read_settings(folder / "gateway.toml"), folder, FixNode(clock_ms).client())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run, at)
            await started.wait()
            answers = await anyio.to_thread.run_sync(story, found[0])
            tasks.cancel_scope.cancel()
        return answers

    assert anyio.run(play, backend=backend) == [(b"AR", b"T-1", b"0"), (b"AE", b"N1")]


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("venue = 7", "venue = 0", "venue"),
        ("venue = 7", "venues = 7", "venue"),
        ("valid_seconds = 2", "valid_seconds = 301", "valid_seconds"),
        ('listen = "127.0.0.1:0"', 'listen = "0.0.0.0:0"', "TLS"),
        ('listen = "127.0.0.1:0"', 'listen = "somewhere"', "listen"),
        ('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:99999"', "listen"),
        ("[tls]", '[tls]\nkey_file = "server.key"', "tls"),
        ('accounts = ["BOB"]', 'accounts = ["ERIN"]', "accounts"),
        ('accounts = ["BOB"]', "accounts = []", "accounts"),
        ('name = "CAROL"', 'name = "BOB"', "accounts.name"),
        ('begin_string = "FIXT.1.1"', 'begin_string = "FIX.5.0"', "begin_string"),
        ('comp_id = "SECOND"', 'comp_id = "A B"', "comp_id"),
        ("[gateway]", "[gateway", "gateway.toml"),
    ],
)
def test_a_setting_that_is_wrong_is_named(folder: Path, old: str, new: str, at: str) -> None:
    assert old in SETTINGS
    (folder / "gateway.toml").write_text(SETTINGS.replace(old, new, 1))
    with pytest.raises(GatewayError) as raised:
        read_settings(folder / "gateway.toml")
    assert raised.value.code == errors.SETTINGS
    assert at in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "mode"),
    [
        ("venue-key", "07" * 32, 0o644),
        ("venue-key", "07" * 31, 0o600),
        ("venue-key", "secret", 0o600),
        ("password", "", 0o600),
        ("password", PASSWORD, 0o640),
        ("password", None, 0),
    ],
)
def test_a_secret_is_a_file_that_only_its_owner_reads(folder: Path, name: str, text: str | None, mode: int) -> None:
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    with pytest.raises(GatewayError) as raised:
        Server(read_settings(folder / "gateway.toml"), folder)
    assert raised.value.code == errors.SETTINGS


def test_the_example_has_every_setting_with_its_default() -> None:
    assert read_settings(EXAMPLE).gateway.listen == "127.0.0.1:9880"
