"""A running network of two processes, and a third that joins it with `crossclear join`."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from clearing.schema.terms.genesis import MarketParameters, network_id
from cli.output import ExitCode
from devnet.testnet import Testnet, create_testnet
from member.codes import NodeCode
from node.signer.node_keys import open_node_keys
from node.store.store import Store
from tests.kit.node.house_alone import house_alone
from tests.kit.node.verb_process import VerbProcess
from tests.kit.ports import free_ports

ROOT = Path(__file__).resolve().parents[3]
EPOCH = 8


@pytest.fixture
def net(tmp_path: Path) -> Testnet:
    market = MarketParameters(epoch_blocks=EPOCH, snapshot_delay_blocks=3)
    genesis = partial(house_alone, time_ms=time.time_ns() // 1_000_000, market=market)
    return create_testnet(tmp_path / "net", genesis, validators=2, devnet=True, seed=11)


@pytest.fixture
def processes() -> Iterator[list[VerbProcess]]:
    started: list[VerbProcess] = []
    yield started
    for process in started:
        process.stop()


def test_a_node_joins_with_one_command_and_follows(net: Testnet, tmp_path: Path, processes: list[VerbProcess]) -> None:
    ports = free_ports(4)
    home = tmp_path / "joined"
    first = net.nodes[0].home
    seed = tmp_path / "seed"
    seed.write_text(open_node_keys(first, first / "password", allow_weak=True).network_seed.hex())
    seed.chmod(0o600)
    addresses = [f"{node.envelope_key.hex()}@127.0.0.1:{ports[node.index]}" for node in net.nodes]
    joining = ["join", "--home", str(home), "--genesis", str(net.genesis_path), "--network-seed-file", str(seed)]
    joining += [part for address in addresses for part in ("--peer", address)]
    joining += ["--listen", f"127.0.0.1:{ports[2]}", "--api", "off", "--devnet", "--output", "json"]
    made = subprocess.run(
        [sys.executable, "-m", "cli", *joining, "--prepare-only"], capture_output=True, text=True, cwd=ROOT
    )
    assert made.returncode == 0, made.stderr
    answer = json.loads(made.stdout)
    for node in net.nodes:
        others = [other for other in net.nodes if other is not node]
        peers = [{"key": each.envelope_key.hex(), "host": "127.0.0.1", "port": ports[each.index]} for each in others]
        settings = {
            "p2p.port": str(ports[node.index]),
            "p2p.peers": json.dumps(peers),
            "p2p.observers": json.dumps([{"key": answer["envelope"]}]),
            "consensus.heartbeat_ms": "60",
            "api.enabled": "false",
            "relayer.enabled": "false",
            "proofs.enabled": "false",
            "logging.format": "json",
        }
        given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        processes.append(VerbProcess("start", "--config", str(node.home / "node.toml"), *given))
    while processes[0].until("epoch snapshot")["height"] < 3 * EPOCH:
        """Wait until there is something to join."""
    settings = ["--set", "logging.format=json", "--set", "proofs.enabled=false"]
    joined = VerbProcess("start", "--config", answer["config"], *settings)
    processes.append(joined)
    height = joined.until("joined")["height"]
    assert height >= 2 * EPOCH
    assert height % EPOCH == 0
    assert joined.until("restored")["height"] == height
    later = [joined.until("epoch snapshot")["height"] for _ in range(2)][-1]
    assert later > height
    for process in processes:
        process.stop()
    network = network_id(net.genesis)
    with Store(home / "node.sqlite", network) as ours, Store(first / "node.sqlite", network) as theirs:
        assert ours.first_height() == height
        for each in range(height, min(ours.height(), theirs.height()) + 1):
            mine, other = ours.block(each), theirs.block(each)
            assert mine is not None is not other
            assert mine.block == other.block
        assert ours.height() >= later
        common = set(ours.snapshot_heights()) & set(theirs.snapshot_heights())
        assert common
        for each in common:
            assert ours.snapshot_at(each) == theirs.snapshot_at(each), "what is offered is equal, also by who joined"
    assert list((first / "snapshots").iterdir()) == []
    assert not (home / "sign-state").stat().st_mode & 0o077


def test_a_newcomer_whom_nobody_lists_says_so_in_its_log_and_its_readiness(
    net: Testnet, tmp_path: Path, processes: list[VerbProcess]
) -> None:
    p2p, api, dead, own = free_ports(4)
    seed = tmp_path / "seed"
    first = net.nodes[0].home
    seed.write_text(open_node_keys(first, first / "password", allow_weak=True).network_seed.hex())
    seed.chmod(0o600)
    running, away = (node.envelope_key.hex() for node in net.nodes)
    home = tmp_path / "joined"
    joining = ["join", "--home", str(home), "--genesis", str(net.genesis_path), "--network-seed-file", str(seed)]
    joining += ["--peer", f"{running}@127.0.0.1:{p2p}", "--peer", f"{away}@127.0.0.1:{dead}", "--prepare-only"]
    joining += ["--listen", f"127.0.0.1:{own}", "--api", f"127.0.0.1:{api}", "--devnet", "--output", "json"]
    made = subprocess.run([sys.executable, "-m", "cli", *joining], capture_output=True, text=True, cwd=ROOT)
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["envelope"]
    settings = {"p2p.port": p2p, "api.enabled": "false", "proofs.enabled": "false", "logging.format": "json"}
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    validator = VerbProcess("start", "--config", str(first / "node.toml"), *given)
    processes.append(validator)
    validator.until("running")
    newcomer = VerbProcess("start", "--config", str(home / "node.toml"), "--set", "logging.format=json")
    processes.append(newcomer)
    while "refuses" not in (why := newcomer.until("no peer lets this node in")["why"]):
        """Wait until the other has been seen."""
    refusal, absence = why.split("; ")
    assert refusal.startswith(f"{running[:16]} at 127.0.0.1:{p2p} answers and refuses this node")
    assert f"does not list the key {key}" in refusal
    assert absence.startswith(f"{away[:16]} at 127.0.0.1:{dead} cannot be reached")
    url = f"http://127.0.0.1:{api}"
    assert httpx.get(f"{url}/healthz", timeout=60).json() == {"status": "ok"}
    readiness = httpx.get(f"{url}/readyz", timeout=60)
    checks = {check["name"]: check for check in readiness.json()["checks"]}
    assert (readiness.status_code, readiness.json()["ready"], set(checks)) == (503, False, {"state", "peers"})
    assert checks["peers"]["detail"] == f"0 peers connected; {why}"
    refused = httpx.post(f"{url}/v1/transactions", timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (503, NodeCode.API_NOT_READY.label)
    shown = subprocess.run(
        [sys.executable, "-m", "cli", "status", "--url", url], capture_output=True, text=True, cwd=ROOT
    )
    assert shown.returncode == ExitCode.NOT_READY
    assert f"does not list the key {key}" in shown.stdout
