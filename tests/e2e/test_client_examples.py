"""The examples of both clients do their work at a running devnet: they quote and clear, raise alerts, and audit."""

import json
import os
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from devnet.demo.story import DevnetStory
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

    def make_market(self, language: str) -> Lines:
        url, (maker, taker) = self._urls[0], ("carol", "bob")
        ours = self._named[maker].id, self._keys[maker]
        theirs = self._named[taker].id, self._keys[taker]
        if language == "typescript":
            return run(language, "market_maker", url, *ours, *theirs)
        words = ("--account", ours[0], "--key-file", ours[1], "--taker", theirs[0], "--taker-key-file", theirs[1])
        return run(language, "market_maker", url, *words, "--backend", "trio")

    def monitor(self, language: str) -> Lines:
        url, account, key = self._urls[1], self._named["erin"].id, self._keys["erin"]
        if language == "typescript":
            return run(language, "risk_monitor", url, account, key, "margin", "price near liquidation", "liquidation")
        until = [word for alert in ("margin", "price near liquidation", "liquidation") for word in ("--until", alert)]
        return run(language, "risk_monitor", url, "--account", account, "--key-file", key, *until)

    def audit(self, language: str) -> Lines:
        if language == "typescript":
            return run(language, "auditor", self._genesis, 1, *self._urls)
        keep = self._folder.parent / "kept"
        verifier = f"{sys.executable} -m cli verify"
        words = ("--genesis", self._genesis, "--keep", keep, "--verifier", verifier)
        return run(language, "auditor", *self._urls, *words)


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
    assert {"margin", "price near liquidation", "liquidation"} <= set(begun)
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


async def test_both_clients_examples_do_their_work_at_a_running_devnet(anvil_binary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    async with running_devnet(DevnetOptions(folder, members=8)) as devnet:
        story, programs = DevnetStory(devnet, lambda _: None), Programs(devnet, folder)
        await story.fund()
        for language in EXAMPLES:
            made: dict[str, Lines] = {}
            await in_thread(programs.make_market, language, made)
            check_market(made[language])
        await story.trading.open_book()
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
