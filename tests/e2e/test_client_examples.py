"""The examples do their work at a running devnet: they quote and clear, match, raise alerts, and audit."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from clearing.base.secp256k1 import address
from clearing.schema.codes import ClearingCode
from clearing.schema.terms.genesis import Genesis, VenueTerms
from devnet.demo.story import DevnetStory
from devnet.genesis import build_genesis
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from devnet.toolchain import CLIENT, node_path
from devnet.try_it import trade_key_path

pytestmark = [pytest.mark.network, pytest.mark.chain]
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {
    "python": [sys.executable, str(ROOT / "client" / "examples")],
    "typescript": [str(node_path()), str(CLIENT / "example")],
}
VENUE, VENUE_SECRET = 7, b"\x07" * 32
ALERTS = ("margin", "price near liquidation", "early call")
"""They last to the end of the recorded hours; a liquidation may be over before a slow machine asks again."""
Lines = list[dict[str, Any]]


def run(language: str, name: str, *words: object, code: int = 0) -> Lines:
    """Run an example to its end; the lines that it printed."""
    program, folder = EXAMPLES[language]
    suffix = "py" if language == "python" else "mjs"
    ended = subprocess.run(
        [program, f"{folder}/{name}.{suffix}", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT / "client")},
    )
    assert ended.returncode == code, (name, language, ended.stdout[-2000:], ended.stderr[-2000:])
    return [json.loads(line) for line in ended.stdout.splitlines()]


class Programs:
    """The examples as they are called in each language."""

    def __init__(self, devnet: Devnet, folder: Path) -> None:
        self._named = {member.name: member for member in devnet.members}
        self._keys = {name: trade_key_path(folder, member) for name, member in self._named.items()}
        self._urls = [devnet.url(name) for name in devnet.nodes]
        self._genesis = devnet.testnet.genesis_path
        self._folder = folder
        self.mark = 0
        """Of the first instrument, in ticks."""

    def make_market(self, language: str) -> Lines:
        url, (maker, taker) = self._urls[0], ("dave", "frank")
        ours = self._named[maker].id, self._keys[maker]
        theirs = self._named[taker].id, self._keys[taker]
        if language == "typescript":
            return run(language, "market_maker", url, *ours, *theirs)
        words = ("--account", ours[0], "--key-file", ours[1], "--taker", theirs[0], "--taker-key-file", theirs[1])
        return run(language, "market_maker", url, *words, "--backend", "trio")

    def monitor(self, language: str) -> Lines:
        url, account, key = self._urls[1], self._named["erin"].id, self._keys["erin"]
        if language == "typescript":
            return run(language, "risk_monitor", url, account, key, *ALERTS)
        until = [word for alert in ALERTS for word in ("--until", alert)]
        return run(language, "risk_monitor", url, "--account", account, "--key-file", key, *until)

    def audit(self, language: str) -> Lines:
        if language == "typescript":
            return run(language, "auditor", self._genesis, 1, *self._urls)
        keep = self._folder.parent / "kept"
        verifier = f"{sys.executable} -m cli verify"
        words = ("--genesis", self._genesis, "--keep", keep, "--verifier", verifier)
        return run(language, "auditor", *self._urls, *words)

    def match(self, folder: Path) -> Lines:
        """A venue, in Python alone: bob sells at two prices, carol takes both, then bids where nobody sells."""
        keys = folder / "venue-key", folder / "orders"
        keys[0].write_text(VENUE_SECRET.hex())
        bob, carol = (self._named[name].id for name in ("bob", "carol"))
        orders = [
            {"account": bob, "side": "sell", "lots": 5, "ticks": self.mark + 20},
            {"account": bob, "side": "sell", "lots": 5, "ticks": self.mark + 10},
            {"account": carol, "side": "buy", "lots": 8, "ticks": self.mark + 20},
            {"account": carol, "side": "buy", "lots": 3, "ticks": self.mark - 10},
            {"account": bob, "side": "sell", "lots": 2_000, "ticks": self.mark},
            {"account": carol, "side": "buy", "lots": 2_000, "ticks": self.mark},
        ]
        keys[1].write_text("".join(json.dumps(order) + "\n" for order in orders))
        members = [f"{self._named[name].id}:{self._keys[name]}" for name in ("bob", "carol")]
        words = ("--venue", VENUE, "--venue-key-file", keys[0], "--orders", keys[1], "--ids", folder / "ids")
        return run("python", "venue", self._urls[2], *words, "--member", members[0], "--member", members[1])


def check_venue(lines: Lines, mark: int) -> None:
    cleared = [(line["lots"], line["ticks"]) for line in lines if line["event"] == "cleared"]
    assert cleared == [(5, mark + 10), (3, mark + 20)], lines
    (void,) = [line for line in lines if line["event"] == "void"]
    assert (void["lots"], void["code"]) == (2_000, ClearingCode.MANDATE_EXCEEDED.label)
    assert lines[-1] == {"event": "done", "bids": 1, "asks": 1}


def check_market(lines: Lines) -> None:
    cleared = [line for line in lines if line["event"] == "cleared"]
    assert [line["side"] for line in cleared] == ["sold", "bought", "sold", "bought"]
    quotes = [line for line in lines if line["event"] == "quote"]
    assert [int(quote["position"]) - int(quotes[0]["position"]) for quote in quotes] == [0, -10, 0, -10]
    assert all(int(quote["bid"]) < int(quote["ask"]) for quote in quotes)
    assert all(int(quote["bid"]) < int(quote["mark"]) for quote in quotes if int(quote["position"]) >= 0)
    assert lines[0]["event"] == "session"
    assert lines[-1] == {"event": "done", "trades": 4}


def check_alerts(lines: Lines) -> None:
    begun = [line["alert"] for line in lines if line["state"] == "begins"]
    assert set(ALERTS) <= set(begun)
    for name in set(begun):
        states = [line["state"] for line in lines if line["alert"] == name]
        assert all(first != second for first, second in pairwise(states)), name
    assert all(int(line["height"]) > 0 for line in lines if line["alert"] != "node")


def check_audit(lines: Lines) -> None:
    package = next(line for line in lines if line["event"] == "package")
    assert package["as_listed"]
    verdict = next(line for line in lines if line["event"] == "verdict")
    assert verdict["ok"]
    assert verdict["failed"] == []
    assert verdict["checks"] >= 12
    headers = next(line for line in lines if line["event"] == "headers")
    assert headers["agree"]
    assert headers["nodes"] >= 3
    assert lines[-1]["event"] == "done"
    assert int(lines[-1]["fund_target_micros"]) >= 0


async def in_thread(work: Any, language: str, found: dict[str, Lines]) -> None:
    found[language] = await trio.to_thread.run_sync(partial(work, language))


def with_venue(build: Callable[..., Genesis]) -> Callable[..., Genesis]:
    """A devnet's genesis lists no venue."""

    def built(*parts: Any, **named: Any) -> Genesis:
        venue = VenueTerms(VENUE, "example", address(VENUE_SECRET))
        return msgspec.structs.replace(build(*parts, **named), venues=(venue,))

    return built


async def test_both_clients_examples_do_their_work_at_a_running_devnet(
    anvil_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "net"
    monkeypatch.setattr("devnet.network.build_genesis", with_venue(build_genesis))
    async with running_devnet(DevnetOptions(folder, members=8)) as devnet:
        story, programs = DevnetStory(devnet, lambda _: None), Programs(devnet, folder)
        await story.fund()
        # Before the default fund calls: then erin could no longer afford its position.
        await story.trading.open_book()
        for language in EXAMPLES:
            made: dict[str, Lines] = {}
            await in_thread(programs.make_market, language, made)
            check_market(made[language])
        state = await devnet.running_clients()[0].state()
        programs.mark = next(int(each.mark_ticks) for each in state.marks if each.instrument == 1)
        check_venue(await trio.to_thread.run_sync(programs.match, tmp_path), programs.mark)
        alerts: dict[str, Lines] = {}
        async with trio.open_nursery() as nursery:
            for language in EXAMPLES:
                nursery.start_soon(in_thread, programs.monitor, language, alerts)
            story.start_replay()
        audits: dict[str, Lines] = {}
        for language in EXAMPLES:
            check_alerts(alerts[language])
            await in_thread(programs.audit, language, audits)
            check_audit(audits[language])
