"""`crossclear doctor` on the machine, the settings and the peers of a node: each limit, and what to do."""

import socket
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bridge.probe.findings import Gravity
from devnet.testnet import create_testnet
from node.offline.clock_exam import ClockReading, examine_clocks, judge_clocks, read_clocks
from node.offline.machine_exam import MachineReadings, judge_machine, read_machine
from tests.kit.command_line import CommandLine
from tests.kit.node.house_alone import house_alone
from tests.kit.node.proving import decide
from tests.kit.node.station import new_station
from tests.kit.ports import free_port

GIB = 1 << 30
GOOD = MachineReadings(100 * GIB, 0.4, 65_536, 16 * GIB, 3.0)


@pytest.mark.parametrize(
    ("check", "reading", "value", "gravity"),
    [
        ("disk", "free_bytes", GIB - 1, Gravity.FAULT),
        ("disk", "free_bytes", 20 * GIB - 1, Gravity.WARNING),
        ("disk", "free_bytes", 20 * GIB, Gravity.OK),
        ("sync", "sync_ms", 100.1, Gravity.FAULT),
        ("sync", "sync_ms", 10.1, Gravity.WARNING),
        ("sync", "sync_ms", 10.0, Gravity.OK),
        ("open files", "open_files", 255, Gravity.FAULT),
        ("open files", "open_files", 4095, Gravity.WARNING),
        ("open files", "open_files", 4096, Gravity.OK),
        ("memory", "memory_bytes", GIB // 2 - 1, Gravity.FAULT),
        ("memory", "memory_bytes", 2 * GIB, Gravity.WARNING),
        ("memory", "memory_bytes", None, Gravity.OK),
        ("clock", "clock_error_ms", float("inf"), Gravity.WARNING),
        ("clock", "clock_error_ms", 1_000.0, Gravity.WARNING),
        ("clock", "clock_error_ms", None, Gravity.OK),
    ],
)
def test_a_reading_beyond_its_limit_is_told_with_what_to_do(
    check: str, reading: str, value: float | None, gravity: Gravity
) -> None:
    values = {name: getattr(GOOD, name) for name in MachineReadings.__slots__} | {reading: value}
    findings = {finding.check: finding for finding in judge_machine(MachineReadings(**values)).findings}
    assert findings[check].gravity == gravity
    assert bool(findings[check].advice) == (gravity != Gravity.OK)
    assert {each.gravity for name, each in findings.items() if name != check} == {Gravity.OK}


def test_a_machine_is_read_and_nothing_is_left(tmp_path: Path) -> None:
    found = read_machine(tmp_path)
    assert found.free_bytes > 0
    assert found.sync_ms > 0
    assert found.open_files > 0
    assert list(tmp_path.iterdir()) == []


OWN, OTHER = b"o" * 32, b"p" * 32


@pytest.mark.parametrize(
    ("own_ms", "other_ms", "own", "other"),
    [
        ((0, 5, -3), (0, 9, 2), Gravity.OK, Gravity.OK),
        ((1_000, 1_000, 1_000), (-1_000,), Gravity.OK, Gravity.OK),
        ((1_001, 1_001, 0), (0,), Gravity.FAULT, Gravity.OK),
        ((0,), (-1_001, 30_000, -1_001), Gravity.OK, Gravity.WARNING),
        ((0, 0, 50_000), (0, 0, -50_000), Gravity.OK, Gravity.OK),  # late votes are exceptions
    ],
)
def test_a_clock_that_is_off_is_told_by_its_validator(
    own_ms: tuple[int, ...], other_ms: tuple[int, ...], own: Gravity, other: Gravity
) -> None:
    readings = [ClockReading(OWN, each) for each in own_ms] + [ClockReading(OTHER, each) for each in other_ms]
    findings = {each.check: each for each in judge_clocks(readings, OWN.hex()).findings}
    assert {name: each.gravity for name, each in findings.items()} == {"this node": own, OTHER.hex()[:10]: other}
    assert bool(findings["this node"].advice) == (own != Gravity.OK)


def test_clocks_are_read_from_the_newest_blocks(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        assert read_clocks(station.store) == ()
        decide(station, 3)
        own = station.home.genesis.validators.validators[0].envelope_key
        assert read_clocks(station.store) == (ClockReading(own, 0),) * 3
        (finding,) = examine_clocks(station.home.config, own.hex()).findings
    assert (finding.check, finding.gravity) == ("this node", Gravity.OK)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = create_testnet(tmp_path / "net", partial(house_alone, time_ms=1_000), validators=3, devnet=True, seed=1)
    return made.nodes[0].home


def test_peers_that_answer_are_told_from_those_that_do_not(cli: CommandLine, home: Path) -> None:
    words = ("doctor", "--only", "node", "--config", home / "node.toml", "--output", "json")
    keys = [line.split('"')[1] for line in (home / "node.toml").read_text().splitlines() if line.startswith("key = ")]
    keys = [key for key in keys if len(key) == 64][:2]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ports = (listening.getsockname()[1], free_port())
        peers = [{"key": key, "host": "127.0.0.1", "port": port} for key, port in zip(keys, ports, strict=True)]
        answer = cli(*words, "--set", f"p2p.peers={msgspec.json.encode(peers).decode()}", code=None).json
        assert [each["gravity"] for each in answer["node"]["peers"]] == ["ok", "warning"]
        assert answer["chains"] == []
    answer = cli(*words, "--set", f"p2p.peers={msgspec.json.encode(peers).decode()}", code=6).json
    assert [each["gravity"] for each in answer["node"]["peers"]] == ["fault", "fault"]
    assert answer["node"]["settings"][0]["gravity"] == "ok"


def test_a_mistake_in_the_settings_is_a_fault(cli: CommandLine, home: Path) -> None:
    (home / "password").unlink()
    answer = cli("doctor", "--only", "node", "--config", home / "node.toml", "--output", "json", code=6).json
    (finding,) = answer["node"]["settings"]
    assert (finding["check"], finding["gravity"]) == ("node.password_file", "fault")
    assert finding["advice"]
