"""A validator as real processes: killed, rolled back, and without its signer."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.main import run
from consensus.wal import read_frames
from node.signer.local import logged_step
from node.signer.sign_state import SignStateFile
from tests.kit.node.lone_validator import LoneValidator, lone_validator
from tests.kit.until import until_now

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def validator(tmp_path: Path) -> Iterator[LoneValidator]:
    with lone_validator(tmp_path) as made:
        yield made


def test_a_killed_node_goes_on_a_height_lower_and_with_its_keys_elsewhere(
    validator: LoneValidator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is alone: the block that was taken away can only come out of its own log, and nobody else signs."""
    home, address = tmp_path / "signer", f"unix:{tmp_path}/socket"
    back = ["rollback", "--config", str(validator.home / "node.toml"), "--output", "json"]
    move = ["signer", "init", "--home", str(home), "--listen", address, "--move-from", str(validator.home)]
    with validator.running() as node:
        validator.reach(6, node)
        light = ["--store", str(tmp_path / "light.sqlite"), "--url", f"http://127.0.0.1:{validator.port}"]
        trust = f"2:{validator.hash_at(2)}"
        assert run(["light", "follow", *light, "--trust", trust, "--once"]) == 0
        assert run(back) == 7, "not while it runs"
        assert run(move) == 7, "nor this"
        node.send_signal(signal.SIGKILL)
        node.wait()
    capsys.readouterr()
    assert run(["wal", "dump", "--home", str(validator.home), "--output", "json"]) == 0
    dumped = json.loads(capsys.readouterr().out)
    assert dumped["standing"]["damaged_at"] == -1
    assert dumped["standing"]["frames"] >= 6
    before = (validator.home / "sign-state").read_bytes()
    assert run(back) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (validator.home / "sign-state").read_bytes() == before
    settings = moved(validator, home, move, capsys)
    with validator.running(*settings) as node:
        with signing(home):
            validator.reach(answer["removed"] + 3, node)
            assert validator.hash_at(answer["removed"]) == "0x" + answer["removed_hash"]
            assert run(["light", "verify", str(answer["removed"]), *light, "--hash", answer["removed_hash"]]) == 0
        until_now(lambda: "signer" in failing(validator))
        stood = validator.height
        time.sleep(0.5)
        assert validator.height <= stood + 1, "nothing is decided that nobody signed, but what was signed last"
        assert node.poll() is None
        with signing(home):
            validator.reach(stood + 3, node)
            until_now(lambda: "signer" not in failing(validator))
    assert not list(validator.home.glob("crash-*"))


def moved(validator: LoneValidator, home: Path, move: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Move the keys; the settings that the node then needs."""
    assert run([*move, "--output", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert run(move) == 7, "never twice"
    capsys.readouterr()
    ours, theirs = SignStateFile(validator.home / "sign-state"), SignStateFile(home / "signer-state")
    # A kill may fall between the log and the state, which is written right after it: then the log tells the last step.
    logged = logged_step(read_frames((validator.home / "consensus.wal").read_bytes())[0])
    assert (theirs.last, theirs.digest) == max((ours.last, ours.digest), (logged, bytes(32)))
    ours.close()
    theirs.close()
    (validator.home / "keys" / "validator.json").unlink()
    return [f"signer.{name}={value}" for name, value in answer.items()]


def failing(validator: LoneValidator) -> set[str]:
    """Names of the conditions that do not hold."""
    found = validator.get("/readyz") or {"checks": []}
    return {each["name"] for each in found["checks"] if not each["ok"]}


@contextmanager
def signing(home: Path) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "signer", "start", "--home", str(home)], stderr=subprocess.DEVNULL, cwd=ROOT
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait() == 0
