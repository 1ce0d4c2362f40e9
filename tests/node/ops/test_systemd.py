"""Rules of what systemd is notified of, and of the units: hardened, and not started again where that does harm."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from cli.output import ExitCode
from node.ops import systemd
from node.ops.systemd import SystemdNotice

UNITS = sorted((Path(__file__).resolve().parents[3] / "configs" / "systemd").glob("*.service"))


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address as the environment has it, and its socket."""
    name = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as received:
        received.bind(name if request.param == "path" else "\0" + name)
        received.settimeout(60)
        yield (name if request.param == "path" else "@" + name), received


async def notifications(environment: dict[str, str], received: socket.socket, messages: int) -> list[dict[str, str]]:
    """So many messages, and the one at the end."""
    found: list[bytes] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(SystemdNotice(environment, 7).run, lambda: "at height 3")
        found += [await trio.to_thread.run_sync(received.recv, 4096) for _ in range(messages)]
        nursery.cancel_scope.cancel()
    while found[-1] != b"STOPPING=1":
        found.append(received.recv(4096))
    return [dict(line.split("=", 1) for line in each.decode().split("\n")) for each in found]


async def test_a_process_is_ready_then_alive_then_stops(listening: tuple[str, socket.socket]) -> None:
    address, received = listening
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "7"}
    first, *alive, last = await notifications(environment, received, 3)
    assert (first["READY"], first["STATUS"], first["MAINPID"]) == ("1", "at height 3", str(os.getpid()))
    assert len(alive) >= 2
    assert all(each == {"WATCHDOG": "1", "STATUS": "at height 3"} for each in alive)
    assert last == {"STOPPING": "1"}


@pytest.mark.parametrize("asked", [{}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "8"}, {"WATCHDOG_USEC": "x"}])
async def test_a_watchdog_that_was_not_asked_for_hears_nothing(
    listening: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch, asked: dict[str, str]
) -> None:
    monkeypatch.setattr(systemd, "STATUS_SECONDS", 0.01)
    messages = await notifications({"NOTIFY_SOCKET": listening[0]} | asked, listening[1], 3)
    assert not any("WATCHDOG" in each for each in messages)


async def test_without_a_socket_or_with_a_dead_one_a_process_runs_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "STATUS_SECONDS", 0.01)
    await SystemdNotice({}, 7).run(lambda: "")
    with trio.move_on_after(0.05) as scope:
        await SystemdNotice({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, 7).run(lambda: "")
    assert scope.cancelled_caught


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_does_not_start_again_what_would_end_alike_or_do_harm(unit: Path) -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE))
    final = {ExitCode.USAGE, ExitCode.CONFIG, ExitCode.SAFETY, ExitCode.BUG}
    assert settings["RestartPreventExitStatus"].split() == [str(int(code)) for code in sorted(final)]
    assert settings["Restart"] == "on-failure"
    assert settings["User"] != "root"


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: units are not verified"
)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit_and_finds_it_hardened(unit: Path, tmp_path: Path) -> None:
    text = re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = re.sub(r"^(User|Group)=.*$", r"\1=root", text, flags=re.MULTILINE)
    copied = tmp_path / unit.name.replace("@", "")
    copied.write_text(text, encoding="utf-8")
    verified = subprocess.run(["systemd-analyze", "verify", str(copied)], capture_output=True, text=True)
    assert (verified.returncode, copied.name in verified.stderr) == (0, False), verified.stderr
    exposure = ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(copied)]
    found = subprocess.run(exposure, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-500:]
