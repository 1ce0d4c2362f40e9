"""A venue reports trades by FIX to a real devnet: they are cleared by mandate, once each, through breaks and a kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import simplefix
import trio

from clearing.base.secp256k1 import address
from clearing.schema.codes import ClearingCode
from clearing.schema.terms.genesis import Genesis, VenueTerms
from crossclear_client import Client, Key, requests
from crossclear_fix import errors
from devnet.demo.story import DevnetStory
from devnet.genesis import build_genesis
from devnet.members import DevnetMember
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from tests.kit.fix_client import PASSWORD, USERNAME, FixClient, trade

pytestmark = [pytest.mark.network, pytest.mark.chain]
ROOT = Path(__file__).resolve().parents[2]
VENUE, VENUE_SECRET = 7, b"\x07" * 32
MANDATED = ("bob", "carol", "erin")
SETTINGS = """
[gateway]
node = "{url}"
venue = {venue}
venue_key_file = "venue-key"
listen = "127.0.0.1:0"

[[instruments]]
symbol = "BTC-PERP"
instrument = {instrument}
ticks_per_unit = 100
lots_per_unit = 1000
{accounts}
[[sessions]]
comp_id = "VENUE"
own_comp_id = "HOUSE"
username = "{username}"
password_file = "password"
accounts = {names}
"""
T = TypeVar("T")


def with_venue(build: Callable[..., Genesis]) -> Callable[..., Genesis]:
    """A devnet's genesis lists no venue."""

    def built(*parts: Any, **named: Any) -> Genesis:
        venue = VenueTerms(VENUE, "example", address(VENUE_SECRET))
        return msgspec.structs.replace(build(*parts, **named), venues=(venue,))

    return built


class Gateway:
    """The gateway's process, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.address = ("", 0)

    def start(self) -> None:
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crossclear_fix", "--config", str(self._folder / "gateway.toml")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "client")},
            )
        assert self._process.stdout is not None
        host, _, port = self._process.stdout.readline().strip().rpartition(":")
        assert host, (self._folder / "log").read_text()
        self.address = (host, int(port))

    def end(self, how: int) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(how)
        code = self._process.wait()
        self._process.stdout.close()
        return code


def write_settings(folder: Path, url: str, instrument: int, members: dict[str, DevnetMember]) -> None:
    folder.mkdir()
    for name, text in (("venue-key", VENUE_SECRET.hex()), ("password", PASSWORD)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    accounts = "".join(f'[[accounts]]\nname = "{name}"\naccount = {members[name].id}\n' for name in MANDATED)
    values = {"url": url, "venue": VENUE, "instrument": instrument, "accounts": accounts, "username": USERNAME}
    (folder / "gateway.toml").write_text(SETTINGS.format(**values, names=list(MANDATED)))


async def give_mandate(url: str, member: DevnetMember) -> None:
    async with Client(url, Key(member.secret)) as client:
        limits = {"lots_max": 100_000, "notional_max": 10**15, "day_notional_max": 10**15}
        expires_ms = time.time_ns() // 1_000_000 + 86_400_000
        mandate = await client.make(requests.VenueMandate, member.id, venue=VENUE, expires_ms=expires_ms, **limits)
        await client.settle(mandate)


async def lots_of(url: str, member: DevnetMember, instrument: int) -> int:
    async with Client(url, Key(member.secret)) as client:
        positions = (await client.account(member.id)).positions
    return sum(int(each.lots) for each in positions if each.instrument == instrument)


async def in_thread(work: Callable[..., T], *words: Any) -> T:
    return await trio.to_thread.run_sync(partial(work, *words))


def acknowledged(message: simplefix.FixMessage, report_id: str) -> None:
    shown = [message.get(tag) for tag in (35, 571, 939)]
    assert shown == [b"AR", report_id.encode(), b"0"], message


def novated(message: simplefix.FixMessage, report_id: str) -> bytes:
    """The trade id of a confirmation."""
    assert [message.get(tag) for tag in (35, 572, 856)] == [b"AE", report_id.encode(), b"2"], message
    found: bytes = message.get(880)
    return found


def refused(message: simplefix.FixMessage, report_id: str, reason: int, code: str) -> None:
    shown = [message.get(tag) for tag in (35, 571, 939, 751)]
    assert shown == [b"AR", report_id.encode(), b"1", str(reason).encode()], message
    assert message.get(58).decode().startswith(code), message


def report_through_breaks(gateway: Gateway, price: str) -> None:
    """T1 to T3 are each cleared once: on a good line, through a line that breaks, and through a kill."""
    venue = FixClient()
    venue.log_on(gateway.address)
    venue.report("T1", "bob", "carol", "0.005", price)
    acknowledged(venue.next(), "T1")
    first = novated(venue.next(), "T1")

    number = venue.report("T2", "bob", "carol", "0.007", price)
    venue.close()
    venue.log_on(gateway.address)
    venue.resend(number)
    acknowledged(venue.next(), "T2")
    second = novated(venue.next(), "T2")
    assert int(second) == int(first) + 1

    repeated = trade("T2", "bob", "carol", "0.007", price, (97, "Y"))
    venue.write("AE", *_at_the_time_of(repeated, venue.sent[number]))
    acknowledged(venue.next(), "T2")
    assert novated(venue.next(), "T2") == second

    number = venue.report("T3", "carol", "bob", "0.002", price)
    gateway.end(signal.SIGKILL)
    venue.close()
    gateway.start()
    venue.log_on(gateway.address)
    venue.resend(number)
    third, messages = None, []
    while third is None:
        messages.append(venue.next())
        if messages[-1].get(35) == b"AE":
            third = novated(messages[-1], "T3")
    assert int(third) == int(second) + 1
    venue.close()


def _at_the_time_of(body: list[tuple[int, str]], first: simplefix.FixMessage) -> list[tuple[int, str]]:
    return [(tag, first.get(60).decode() if tag == 60 else value) for tag, value in body]


def be_refused(gateway: Gateway, price: str) -> None:
    """What the house refuses, and what the gateway refuses, with codes and reasons."""
    venue = FixClient()
    venue.log_on(gateway.address, (141, "Y"))
    venue.report("T4", "erin", "carol", "20", price)
    acknowledged(venue.next(), "T4")
    refused(venue.next(), "T4", 99, ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN.label)
    venue.report("T5", "bob", "carol", "101", price)
    acknowledged(venue.next(), "T5")
    refused(venue.next(), "T5", 3, ClearingCode.MANDATE_EXCEEDED.label)
    venue.report("T6", "dave", "carol", "0.001", price)
    refused(venue.next(), "T6", 1, errors.PARTY)
    venue.report("T7", "bob", "carol", "0.0001", price)
    refused(venue.next(), "T7", 99, errors.NOT_WHOLE)
    venue.report("T1", "bob", "carol", "0.001", price)
    refused(venue.next(), "T1", 99, errors.OTHER_TERMS)
    venue.write("5")
    assert venue.read().get(35) == b"5"
    venue.close()


async def positions(devnet: Devnet, url: str, members: dict[str, DevnetMember], instrument: int) -> list[int]:
    return [await lots_of(url, members[name], instrument) for name in MANDATED]


async def test_trades_reported_by_fix_are_cleared_once_through_breaks_and_a_kill(
    anvil_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devnet.network.build_genesis", with_venue(build_genesis))
    async with running_devnet(DevnetOptions(tmp_path / "net", members=5)) as devnet:
        await DevnetStory(devnet, lambda _: None).fund()
        members = {member.name: member for member in devnet.members}
        url = devnet.url(next(iter(devnet.nodes)))
        instrument = next(each.id for each in devnet.genesis.instruments if each.name == "BTC-PERP")
        for name in MANDATED:
            await give_mandate(url, members[name])
        state = await devnet.running_clients()[0].state()
        ticks = next(int(each.mark_ticks) for each in state.marks if each.instrument == instrument)
        price = f"{ticks // 100}.{ticks % 100:02d}"
        write_settings(tmp_path / "gateway", url, instrument, members)
        gateway = Gateway(tmp_path / "gateway")
        await in_thread(gateway.start)
        try:
            await in_thread(report_through_breaks, gateway, price)
            assert await positions(devnet, url, members, instrument) == [10, -10, 0]
            await in_thread(be_refused, gateway, price)
            assert await positions(devnet, url, members, instrument) == [10, -10, 0]
        finally:
            assert await in_thread(gateway.end, signal.SIGTERM) == 0
