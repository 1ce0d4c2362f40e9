"""Rules of a node as a process: every ending has its exit code, SIGTERM ends it in time, a Bug ends it with a dump."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from clearing.base.errors import Bug, LocalFault, bugs_in
from clearing.base.validators import ValidatorSet
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms
from cli.output import ExitCode
from devnet.testnet import create_testnet
from member.codes import NodeCode
from member.keys.key_folder import KeyKind, list_keys, read_key
from node.ops.crash import CrashPosition, write_crash
from node.signer.sign_state import SignStateFile
from tests.kit.node.verb_process import VerbProcess
from tests.kit.ports import free_port
from tests.kit.until import until_now

ROOT = Path(__file__).resolve().parents[3]
STOP_SECONDS_MAX = 60
"""Less than any service manager waits, and more than a loaded machine needs."""
PIPE_BYTES = 1 << 20
"""Room for the log of minutes: nobody reads it while a test waits."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A network of one without chains or feeds: it decides empty heights."""

    def build(validators: ValidatorSet) -> Genesis:
        house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
        risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
        return Genesis("one", 1_000, validators, (), (), (), (), (), risk, MarketParameters(), (house,))

    return create_testnet(tmp_path / "net", build, validators=1, devnet=True, seed=9).nodes[0].home


def _start(home: Path, *settings: str, before: str = "") -> subprocess.Popen[str]:
    """`crossclear start`, after some statements."""
    ports = [f"{name}={free_port()}" for name in ("p2p.port", "api.port") if not any(name in each for each in settings)]
    given = ["consensus.heartbeat_ms=50", "relayer.enabled=false", "logging.format=json", *ports, *settings]
    arguments = ["start", "--config", str(home / "node.toml"), *(part for each in given for part in ("--set", each))]
    program = f"import sys\n{before}\nfrom cli.main import run\nsys.exit(run({arguments!r}))\n"
    return subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, cwd=ROOT, pipesize=PIPE_BYTES
    )


def _ended(node: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and log."""
    with node:
        try:
            _, log = node.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            node.kill()
            raise
    return node.returncode, log


def _running(home: Path, *settings: str, before: str = "") -> subprocess.Popen[str]:
    """A node that runs and has blocks."""
    node = _start(home, *settings, before=before)
    assert any('"event": "running"' in line for line in node.stderr), "it ended"
    until_now(lambda: node.poll() is not None or _has_blocks(home))
    return node


def _has_blocks(home: Path) -> bool:
    with closing(sqlite3.connect(home / "node.sqlite")) as database:
        return bool(database.execute("SELECT COUNT(*) FROM blocks").fetchone()[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_node_in_time_with_zero(home: Path, number: signal.Signals) -> None:
    node = _running(home)
    started = time.monotonic()
    node.send_signal(number)
    code, log = _ended(node)
    assert time.monotonic() - started < STOP_SECONDS_MAX
    assert code == 0, log
    assert '"event": "stopped"' in log
    assert not list(home.glob("crash-*"))


@pytest.mark.parametrize("api", ["true", "false"])
def test_a_node_whose_standard_input_ends_before_it_runs_ends_with_zero(home: Path, api: str) -> None:
    settings = [f"p2p.port={free_port()}", f"api.port={free_port()}", f"api.enabled={api}", "relayer.enabled=false"]
    given = [part for each in settings for part in ("--set", each)]
    node = VerbProcess("start", "--config", str(home / "node.toml"), *given)
    node.stop()
    assert node.process.returncode == 0, node.lines


SLOW_END = """
import trio
import node.ops.end_watch
from node.app.node import Node
node.ops.end_watch.EndWatch.__init__.__defaults__ = (0.1,)
node_run = Node.run

async def ends_slowly(self, task_status):
    try:
        await node_run(self, task_status)
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)

Node.run = ends_slowly
"""


def test_a_node_that_is_slow_to_end_says_what_still_runs(home: Path) -> None:
    node = _running(home, before=SLOW_END)
    node.send_signal(signal.SIGTERM)
    code, log = _ended(node)
    assert code == 0, log
    said = [json.loads(line) for line in log.splitlines() if '"still ending"' in line]
    assert said
    assert all(line["level"] == "warning" for line in said)
    assert any("ends_slowly" in line["tasks"] for line in said)


def test_a_node_tells_systemd_that_it_runs_and_that_it_stops(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as received:
        received.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        node = _running(home)
        assert received.recv(4096).startswith(b"READY=1\n")
        node.send_signal(signal.SIGTERM)
        assert _ended(node)[0] == 0
        received.settimeout(0)
        message = b""
        while not message.startswith(b"STOPPING=1"):
            message = received.recv(4096)


def test_no_secret_of_the_home_is_in_the_log(home: Path) -> None:
    node = _running(home, "logging.level=debug")
    node.send_signal(signal.SIGTERM)
    code, log = _ended(node)
    assert code == 0
    assert '"event": "decided"' in log
    password = (home / "password").read_text().strip()
    keys = [(each.name, KeyKind(each.kind)) for each in list_keys(home)]
    secrets = [read_key(home, name, kind, password, allow_weak=True).hex() for name, kind in keys]
    assert len(secrets) >= 5
    assert not [secret for secret in (password, *secrets) if secret in log]


def test_broken_settings_end_with_three(home: Path) -> None:
    for settings in (
        ("p2p.prot=1",),
        ("node.genesis=none.json",),
        ("logging.file=/nowhere/at/all.log",),
        ("oracle.source=replay", "oracle.file=none.csv"),
    ):
        code, log = _ended(_start(home, *settings))
        assert (code, "Traceback" in log) == (ExitCode.CONFIG, False), log
    (home / "node.toml").write_text("[p2p\n")
    assert _ended(_start(home))[0] == ExitCode.CONFIG


def test_a_genesis_that_breaks_a_rule_ends_with_a_code_and_no_traceback(home: Path) -> None:
    genesis = home / "genesis.json"
    terms = json.loads(genesis.read_bytes())
    terms["market"]["epoch_blocks"] = 0
    genesis.write_text(json.dumps(terms))
    code, log = _ended(_start(home))
    assert code == ExitCode.CONFIG, log
    genesis.write_bytes(b"{")
    code, log = _ended(_start(home))
    assert code != 0
    assert "Traceback" not in log


def test_wrong_and_missing_keys_end_with_three(home: Path) -> None:
    password = home / "password"
    password.write_text("wrong\n")
    code, log = _ended(_start(home))
    assert (code, "R0812" in log) == (ExitCode.CONFIG, True), log
    password.chmod(0o644)
    assert _ended(_start(home))[0] == ExitCode.SAFETY
    password.unlink()
    assert _ended(_start(home))[0] == ExitCode.CONFIG


def test_a_locked_sign_state_ends_with_seven_and_nothing_is_touched(home: Path) -> None:
    with closing(SignStateFile(home / "sign-state")):
        code, log = _ended(_start(home))
    assert code == ExitCode.SAFETY, log
    assert not (home / "node.sqlite").exists()


@pytest.mark.parametrize("which", ["p2p.port", "api.port"])
def test_a_taken_port_ends_with_three_before_anything_is_signed(home: Path, which: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        code, log = _ended(_start(home, f"{which}={taken.getsockname()[1]}"))
    assert (code, "Traceback" in log) == (ExitCode.CONFIG, False), log
    with closing(SignStateFile(home / "sign-state")) as guard:
        assert guard.last.height == 0


BUG_AT_THREE = """
from clearing.base.errors import Bug
from node.agreement.application import ClearingApplication
real = ClearingApplication.commit
def commit(self, header):
    if header.height == 3:
        raise Bug("sum of everything changed")
    return real(self, header)
ClearingApplication.commit = commit
"""


def test_a_bug_ends_with_seventy_and_a_dump_and_no_signature_after_it(home: Path) -> None:
    code, log = _ended(_start(home, before=BUG_AT_THREE))
    assert code == ExitCode.BUG, log
    (dump,) = home.glob("crash-*.json")
    assert dump.name == "crash-3.json", "the block was stored before it was applied"
    assert dump.stat().st_mode & 0o777 == 0o600
    crash = json.loads(dump.read_bytes())
    assert (crash["bugs"], crash["height"], crash["working_at"]["height"]) == (["sum of everything changed"], 3, 3)
    assert len(bytes.fromhex(crash["header"]["hash"])) == 32
    assert crash["signed"] == {"height": 3, "round": 0, "step": 2}
    assert any("sum of everything changed" in line for line in crash["traceback"])
    assert (home / "password").read_text().strip() not in dump.read_text()
    code, log = _ended(_start(home, before=BUG_AT_THREE))
    assert code == ExitCode.BUG, "a restart executes the stored block again: " + log
    assert sorted(each.name for each in home.glob("crash-*")) == ["crash-3-2.json", "crash-3.json"]


def test_bugs_are_found_in_any_nesting(tmp_path: Path) -> None:
    inner, outer = Bug("in"), Bug("out")
    group = BaseExceptionGroup("x", [KeyboardInterrupt(), ExceptionGroup("y", [ValueError(), inner]), outer])
    assert list(bugs_in(group)) == [inner, outer]
    nowhere = CrashPosition(0, None, (0, -1, "STOPPED"), (0, 0, 0))
    assert write_crash(tmp_path, LocalFault(NodeCode.STORE_GAP, "x"), nowhere, 0) is None
    assert write_crash(tmp_path / "missing", inner, nowhere, 0) is None, "no room to write hides nothing"


@pytest.mark.parametrize("fetches", ["true", "false"])
def test_keys_without_a_sign_state_start_nothing_where_nobody_tells_what_they_signed(home: Path, fetches: str) -> None:
    (home / "sign-state").unlink()
    for _ in range(2):
        code, log = _ended(_start(home, f"state_sync.enabled={fetches}"))
        assert (code, NodeCode.SIGN_STATE_MISSING.label in log) == (ExitCode.SAFETY, True), log
    assert not (home / "sign-state").exists()


def test_a_home_with_blocks_and_no_sign_state_ends_with_seven_again_and_again(home: Path) -> None:
    node = _running(home)
    node.send_signal(signal.SIGTERM)
    assert _ended(node)[0] == 0
    (home / "sign-state").unlink()
    for _ in range(2):
        code, log = _ended(_start(home))
        assert (code, NodeCode.SIGN_STATE_MISSING.label in log) == (ExitCode.SAFETY, True), log
    assert not (home / "sign-state").exists()


ALL_FAIL_ONCE = """
import trio
import node.app.node
from node.app.node import Node
from node.supervision import Supervisor
services, guarded, serve = Node._services, Supervisor.guarded, node.app.node.serve_api
failed = set()

def once(name):
    if name not in failed:
        failed.add(name)
        raise LookupError(f"{name} met what nobody foresaw")

def failing_service(name, service):
    async def run():
        once(name)
        await service()
    return run

def failing_call(self, name, call, otherwise):
    def failing(*given):
        found = call(*given)
        once(name)
        return found
    return guarded(self, name, failing, otherwise)

async def failing_api(*given, task_status=trio.TASK_STATUS_IGNORED):
    async def fail():
        await trio.sleep(0.2)
        once("api")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        await serve(*given, task_status=task_status)

Node._services = lambda self: {name: failing_service(name, each) for name, each in services(self).items()}
Supervisor.guarded = failing_call
node.app.node.serve_api = failing_api
"""


def test_a_failure_of_every_service_ends_no_node_and_shows_in_readiness(home: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    node = _start(home, f"api.port={port}", before=ALL_FAIL_ONCE)

    def answer(path: str) -> str:
        try:
            return httpx.get(url + path, timeout=60).text
        except httpx.TransportError:
            return ""

    def failed() -> set[str]:
        return {each["name"] for each in json.loads(answer("/readyz") or '{"checks": []}')["checks"]}

    wanted = {
        "transactions",
        "batches",
        "oracle",
        "chains",
        "collateral",
        "positions",
        "prices",
        "packages",
        "snapshots",
    }
    wanted |= {"providers", "addresses", "conflicts", "headers", "api", "metrics", "statements", "vote-extension"}
    until_now(lambda: node.poll() is not None or {f"service-{name}" for name in wanted} <= failed())
    height = max(json.loads(answer("/v1/state") or '{"height": 0}')["height"], 3)
    until_now(lambda: node.poll() is not None or json.loads(answer("/v1/state") or '{"height": 0}')["height"] > height)
    metrics = answer("/metrics")
    assert all(f'crossclear_service_failures_total{{service="{name}"}} 1.0' in metrics for name in wanted)
    node.send_signal(signal.SIGTERM)
    code, log = _ended(node)
    assert code == 0, log
