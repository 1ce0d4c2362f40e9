"""Real processes with faults, shortly: one chain, nothing lost, level again; and a verdict that sees what is wrong."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest
import trio

from clearing.base.hashing import sha256
from tests.testnets import runner
from tests.testnets.ground import ROOT
from tests.testnets.load import Handed, Load
from tests.testnets.manifest import Event, Manifest, NodeTerms, read_manifest
from tests.testnets.manifest import Load as LoadTerms
from tests.testnets.network import TestNetwork
from tests.testnets.verdict import Verdict, judge

pytestmark = pytest.mark.network
OTHER = "these are the other sources\n"
MANIFESTS = Path(__file__).parent / "manifests"


class Run:
    """One played manifest, with what the judge was given."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self.said: list[str] = []
        self.given: list[tuple[TestNetwork, Load]] = []

        def judge_and_keep(network: TestNetwork, load: Load, *rest: object) -> Verdict:
            self.given.append((network, load))
            return judge(network, load, *rest)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "judge", judge_and_keep)
            self.verdict = trio.run(partial(runner.run_manifest, manifest, folder, self.said.append))
        self.network, self.load = self.given[0]

    def judged_again(self, network: TestNetwork | None = None, load: Load | None = None) -> Verdict:
        manifest = msgspec.structs.replace(self.network.manifest, replay=False)
        chosen = replace(network or self.network, manifest=manifest)
        return judge(chosen, load or self.load, self.verdict.events, [])


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(read_manifest(MANIFESTS / "short.toml"), tmp_path_factory.mktemp("testnet") / "short")


def test_a_network_that_was_held_cut_and_killed_is_one_chain_without_loss(short: Run) -> None:
    verdict = short.verdict
    assert verdict.broken == []
    assert verdict.ok
    assert verdict.accepted == verdict.in_blocks > 20
    assert verdict.replayed_root
    pause, partition, kill = verdict.events
    assert pause.quorum
    assert pause.heights > 0
    assert not partition.quorum
    assert partition.heights <= 2, "a half decided more than what was under way when it was cut off"
    assert kill.quorum
    assert max(event.recovery_seconds for event in verdict.events) > 0


def test_its_figures_are_written_beside_the_homes(short: Run) -> None:
    verdict = msgspec.json.decode((short.network.folder / "verdict.json").read_bytes(), type=Verdict)
    assert verdict == short.verdict
    assert 0 < verdict.height_ms_p50 <= verdict.height_ms_p99
    assert 0 < verdict.trade_ms_p50 <= verdict.trade_ms_p99
    assert verdict.heights_per_second > 0


def test_it_leaves_no_process(short: Run) -> None:
    until_none_has(str(short.network.folder))


def test_a_lost_trade_is_seen(short: Run) -> None:
    some = next(iter(short.load.handed.values()))
    lost = Handed(some.trade, "n1", some.at, accepted=True)
    verdict = short.judged_again(load=replace(short.load, handed={**short.load.handed, b"lost" * 8: lost}))
    assert [text for text in verdict.broken if text.startswith("lost: 1 ")]


@pytest.fixture
def tampered(short: Run, tmp_path: Path) -> tuple[TestNetwork, Path]:
    """The network with another disk for n2, to be changed."""
    node = short.network.nodes["n2"]
    home = tmp_path / "n2"
    shutil.copytree(node.home, home)
    return replace(short.network, nodes={**short.network.nodes, "n2": replace(node, home=home)}), home / "node.sqlite"


def test_a_fork_is_seen(short: Run, tampered: tuple[TestNetwork, Path]) -> None:
    network, path = tampered
    with closing(sqlite3.connect(path)) as connection:
        block, certificate, extended = connection.execute(
            "SELECT block, certificate, extended_commit FROM blocks WHERE height = 3"
        ).fetchone()
        other = block[:-1] + bytes([block[-1] ^ 1])
        digest = sha256(other + certificate + extended)
        connection.execute("UPDATE blocks SET block = ?, digest = ? WHERE height = 3", (other, digest))
        connection.commit()
    assert short.judged_again(network=network).broken == ["fork: n0 and n2 differ at height 3"]


def test_a_gap_is_seen(short: Run, tampered: tuple[TestNetwork, Path]) -> None:
    network, path = tampered
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM blocks WHERE height = 4")
        connection.commit()
    assert "n2 lacks height 4" in short.judged_again(network=network).broken


def test_a_late_recovery_is_seen(short: Run) -> None:
    late = replace(short.verdict.events[0], recovery_seconds=10_000.0)
    verdict = judge(short.network, short.load, [late], [])
    assert [text for text in verdict.broken if "level again only after" in text]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "tests.testnets", "run", str(MANIFESTS / "late.toml"), "--output-dir", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        line = next(line for line in running.stderr if "nodes run on" in line)
        running.terminate()
        printed = running.stderr.read()
    assert (running.returncode, "interrupted; everything has ended" in printed) == (130, True), printed
    until_none_has(str(folder))
    if "namespaces" in line:
        spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        assert f"crossclear-{running.pid}-" not in spaces


def until_none_has(word: str) -> None:
    """A helper that sees its owner gone ends a moment later."""
    deadline = time.monotonic() + 600
    while found := processes_with(word):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def processes_with(word: str) -> list[object]:
    """Others whose command line holds a word."""
    others = [each.info for each in psutil.process_iter(["pid", "cmdline"]) if each.info["pid"] != os.getpid()]
    return [each for each in others if any(word in part for part in each["cmdline"] or ())]


def other_checkout(folder: Path) -> Path:
    """Our own sources once more, which tell in the log that they run."""
    for package in ("clearing", "consensus", "proofs", "bridge", "member", "node", "lab", "devnet", "cli", "configs"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    with (folder / "node" / "app" / "process.py").open("a") as file:
        file.write(f"\nsys.stderr.write({OTHER!r})\n")
    return folder


async def test_a_liar_a_late_node_and_an_upgrade_leave_one_chain(tmp_path: Path) -> None:
    manifest = Manifest(
        name="mixed",
        validators=7,
        heights=5,
        recovery_seconds=600,
        load=LoadTerms(per_second=5),
        nodes=(NodeTerms(name="n5", late=True), NodeTerms(name="n6", adversary="double-voter")),
        events=(
            Event(do="start", nodes=("n5",), heights=20),
            Event(do="upgrade", nodes=("n1",), to=str(other_checkout(tmp_path / "other")), heights=3),
        ),
    )
    verdict = await runner.run_manifest(manifest, tmp_path / "mixed", lambda _: None)
    assert verdict.broken == []
    assert list(verdict.offences) == ["n6"]
    start, _ = verdict.events
    assert start.behind >= 20
    logs = {path.stem: path.read_text() for path in (tmp_path / "mixed" / "logs").glob("*.log")}
    assert [name for name, text in sorted(logs.items()) if OTHER in text] == ["n1"]
