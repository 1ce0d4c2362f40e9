"""Provers in worker processes and on a Dask cluster: they prove as this process does, and none outlives its node.

What a worker refuses is raised here; a proof tells how far it is; the verifier starts without provers.
"""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from contextlib import closing
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster, Security

from clearing.base.errors import LocalFault
from proofs.epoch import dask_workers
from proofs.epoch import workers as shard_workers
from proofs.epoch.dask_workers import Cluster, scheduler_url
from proofs.epoch.package import commitments_root
from proofs.epoch.pool import PROVE_NICENESS, LocalProverPool
from proofs.epoch.prover import commit_epoch
from proofs.epoch.remote_shard import ProgressBoard, ProofProgress
from proofs.epoch.workers import SHARD_ACCOUNTS_MIN, ShardWorkers
from proofs.errors import ProofCode
from proofs.linear.blinding import ShardKeys
from proofs.linear.layout import RowRange, lay_out
from proofs.linear.shard import ROUNDS
from proofs.linear.verifier import verify
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.linear_statements import CASH, POSITION, N, committed
from tests.kit.refusals import refused

LAYOUT = lay_out(N, (CASH, POSITION), (RowRange(8, ((0, 1), (1, -90)), 0, shortfall=True),))

KEYS = ShardKeys((bytes(32), bytes([1]) * 32))


def build(accounts):
    return committed(LAYOUT, [(1_000 + number, number) for number in range(accounts)])


def head_of(market, shot, keys):
    return market.certified(commitments_root(shot.statement, commit_epoch(shot, keys, market.N), market.N))


def test_a_worker_process_commits_and_proves_an_epoch(market):
    shot, keys = market.snapshot(), market.seeds()
    insolvent = market.snapshot(((0, (5_000, 10, 0, 3)), (1, (-200, 40, -2, 0)), (5, (2_000, 700, 2, -3))))
    with closing(LocalProverPool(workers=1, domain=market.N)) as pool:
        assert pool.commit(shot, keys).result() == commit_epoch(shot, keys, market.N)
        assert verify_package(pool.prove(shot, keys, *head_of(market, shot, keys)).result()).ok
        with pytest.raises(LocalFault, match="witness_out_of_range"):
            pool.prove(insolvent, keys, *head_of(market, insolvent, keys)).result()


def test_a_worker_steps_back_for_the_node_while_it_proves_and_not_while_it_commits(market):
    shot, keys, own = market.snapshot(), market.seeds(), os.getpriority(os.PRIO_PROCESS, 0)
    with closing(LocalProverPool(workers=1, domain=market.N)) as pool:
        niceness = lambda: pool._pool.submit(os.getpriority, os.PRIO_PROCESS, 0).result()  # noqa: E731
        pool.commit(shot, keys).result()
        assert niceness() == own
        pool.prove(shot, keys, *head_of(market, shot, keys)).result()
        assert niceness() == max(own, PROVE_NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


WORKER_OF_A_POOL = """
    pool = LocalProverPool()
    print(pool._pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""
SHARD_WORKER = """
    with ShardWorkers(2, ProgressBoard(2)) as workers:
        workers.start(64)
        print(workers._others[0].now.pid, flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("body", [WORKER_OF_A_POOL, SHARD_WORKER], ids=["a pool's", "a shard's"])
def test_a_worker_does_not_outlive_a_killed_node(tmp_path, body):
    program = tmp_path / "killed.py"
    program.write_text(f"""
import os, time
from proofs.epoch.pool import LocalProverPool
from proofs.epoch.remote_shard import ProgressBoard
from proofs.epoch.workers import ShardWorkers
if __name__ == "__main__":{body}""")
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as node:
        worker = Path("/proc") / node.stdout.readline().strip()
        assert worker.is_dir()
        node.send_signal(signal.SIGKILL)
    for _ in range(3000):
        # A worker that ended may stay as a zombie where nobody adopts it.
        if not worker.is_dir() or (worker / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    pytest.fail(f"worker {worker.name} still runs")


def test_an_account_without_a_seed_is_our_own_fault(market):
    with pytest.raises(LocalFault, match="seed"):
        commit_epoch(market.snapshot(), {}, market.N)


def test_the_verifier_imports_neither_provers_nor_anything_with_a_network():
    code = "import sys, proofs.verify.package_verifier; print(' '.join(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    banned = {"web3", "libp2p", "trio", "flint", "numpy", "eth_account", "py_ecc", "socket", "secrets"}
    loaded = {name.split(".")[0] for name in found}
    assert not banned & loaded, banned & loaded
    provers = ("proofs.linear.prover", "proofs.epoch.prover", "proofs.algebra.polynomial")
    assert not [name for name in found if name.startswith(provers)]


def test_a_proof_spread_over_processes_verifies(monkeypatch):
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 2)
    board = ProgressBoard(3)
    statement, witnesses = build(7)
    with ShardWorkers(3, board) as workers:
        workers.start(7)
        assert len(workers._others) == 2
        assert board.read() == ProofProgress(0, 7 * ROUNDS)
        proof, _ = workers.prove(statement, witnesses)
        assert board.read() == ProofProgress(7 * ROUNDS, 7 * ROUNDS)
    assert board.read() == ProofProgress()
    verify(statement, proof)


def test_few_accounts_start_no_process():
    with ShardWorkers(8, ProgressBoard(8)) as workers:
        workers.start(2 * SHARD_ACCOUNTS_MIN - 1)
        assert workers._others == []
        statement, witnesses = build(1)
        verify(statement, workers.prove(statement, witnesses)[0])


def test_a_shard_whose_process_died_is_computed_by_another_one(monkeypatch):
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 1)
    statement, witnesses = build(2)
    board = ProgressBoard(2)
    with ShardWorkers(2, board) as workers:
        workers.start(2)
        os.kill(workers._others[0].now.pid, signal.SIGKILL)
        verify(statement, workers.prove(statement, witnesses)[0])
        assert board.read() == ProofProgress(2 * ROUNDS, 2 * ROUNDS, lost=1)


def test_a_shard_whose_processes_all_die_fails_the_proof(monkeypatch):
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 1)
    asked = shard_workers.ShardProcess.ask

    def killed_first(shard, call, *arguments):
        os.kill(shard.pid, signal.SIGKILL)
        return asked(shard, call, *arguments)

    monkeypatch.setattr(shard_workers.ShardProcess, "ask", killed_first)
    statement, witnesses = build(2)
    board = ProgressBoard(2)
    with ShardWorkers(2, board) as workers:
        workers.start(2)
        with pytest.raises(BrokenExecutor):
            workers.prove(statement, witnesses)
    assert board.read().lost == shard_workers.LOSSES_MAX + 1


def test_what_a_remote_shard_refuses_is_raised_here(monkeypatch):
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 1)
    _, witnesses = build(2)
    with ShardWorkers(2, ProgressBoard(2)) as workers:
        workers.start(2)
        remote = workers._others[0]
        remote.hold(LAYOUT, witnesses, KEYS)
        with pytest.raises(LocalFault, match="blinders_reused"):
            remote.sums([1, 2])


def crowd_of(market):
    """As many accounts as two shards are for, with their seeds and a certified head."""
    holdings = tuple((account, (1_000 + account, 3, 0, 0)) for account in range(2 * SHARD_ACCOUNTS_MIN))
    shot, keys = market.snapshot(holdings), market.seeds(holdings)
    return shot, keys, *head_of(market, shot, keys)


def test_the_pool_spreads_an_epoch_and_tells_its_progress(market):
    with closing(LocalProverPool(workers=2, domain=market.N)) as pool:
        running, seen = pool.prove(*crowd_of(market)), set()
        while not running.done():
            seen.add(pool.progress)
            time.sleep(0.01)
        assert verify_package(running.result()).ok
        assert {progress.total for progress in seen} <= {0, 2 * SHARD_ACCOUNTS_MIN * ROUNDS}
        assert len(seen) > 2
        assert pool.progress == ProofProgress()


def started(protocol: str, workers: int, security: Security | None = None) -> LocalCluster:
    """Scheduler and workers are threads of this process, spoken to over TCP as others would be."""
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol=protocol,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        security=security,
    )


@pytest.fixture(scope="module")
def cluster():
    with started("tcp://", 2) as running:
        yield running


def address_of(cluster) -> str:
    return "dask://" + cluster.scheduler_address.partition("://")[2]


def test_a_proof_spread_over_a_cluster_verifies(cluster, monkeypatch):
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 2)
    board = ProgressBoard(3)
    statement, witnesses = build(7)
    with ShardWorkers(1, board, address_of(cluster)) as workers:
        workers.start(7)
        assert len(workers._others) == 2
        proof, _ = workers.prove(statement, witnesses)
        assert board.read() == ProofProgress(7 * ROUNDS, 7 * ROUNDS)
    verify(statement, proof)


def test_the_pool_of_a_node_proves_an_epoch_on_a_cluster(cluster, market):
    with closing(LocalProverPool(1, market.N, address_of(cluster))) as pool:
        assert verify_package(pool.prove(*crowd_of(market)).result()).ok
        assert pool.progress == ProofProgress()


@pytest.mark.parametrize("worker", ["tcp://192.0.2.7:4001", "tcp://worker.example:4001"])
def test_a_worker_elsewhere_of_a_scheduler_here_gets_no_holdings_without_tls(cluster, monkeypatch, worker):
    """Anybody who reaches the scheduler can join its workers, and shards go to all of them as they are."""
    workers = {**dict.fromkeys(cluster.scheduler_info["workers"], 1), worker: 1}
    monkeypatch.setattr(dask_workers.Scheduler, "workers", lambda _: workers)
    with pytest.raises(LocalFault, match="elsewhere without TLS") as caught:
        Cluster(address_of(cluster))
    assert caught.value.code is ProofCode.BAD_CLUSTER


def test_another_machine_is_spoken_to_by_tls(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 1)
    monkeypatch.setattr(dask_workers, "_LOOPBACK", ())
    security = Security.temporary()
    parts = {"ca-file": "tls_ca_file", "client.cert": "tls_client_cert", "client.key": "tls_client_key"}
    for name, attribute in parts.items():
        (tmp_path / name).write_text(getattr(security, attribute))
    certificates = {f"distributed.comm.tls.{name}": str(tmp_path / name) for name in parts}
    statement, witnesses = build(2)
    with started("tls://", 1, security) as cluster:
        address = address_of(cluster)
        with refused(ProofCode.BAD_CLUSTER, LocalFault):
            Cluster(address)
        with dask.config.set(certificates), ShardWorkers(1, ProgressBoard(2), address) as workers:
            workers.start(2)
            proof, _ = workers.prove(statement, witnesses)
    verify(statement, proof)


def test_what_a_shard_of_the_cluster_refuses_is_raised_here(cluster):
    _, witnesses = build(2)
    shard = Cluster(address_of(cluster)).shard(0, ProgressBoard(2))
    shard.hold(LAYOUT, witnesses, KEYS)
    with pytest.raises(LocalFault, match="blinders_reused"):
        shard.sums([1, 2])
    shard.end()
    with pytest.raises(BrokenExecutor):
        shard.commit_digits()


def test_only_a_scheduler_of_this_machine_is_spoken_to_in_the_clear():
    for here in ("127.0.0.1:8786", "[::1]:8786"):
        assert scheduler_url(f"dask://{here}") == f"tcp://{here}"
    for elsewhere in ("provers.example:8786", "127.0.0.1.example:8786"):
        assert scheduler_url(f"dask://{elsewhere}") == f"tls://{elsewhere}"


@pytest.mark.parametrize(
    "address",
    ["", "local", "tcp://127.0.0.1:1", "dask://", "dask://host", "dask://host:port", "dask://h:1/path", "dask://u@h:1"],
)
def test_an_address_that_is_none_is_refused(address):
    with refused(ProofCode.BAD_CLUSTER, LocalFault):
        scheduler_url(address)


def test_a_cluster_that_is_not_there_is_our_own_fault(monkeypatch):
    monkeypatch.setattr("proofs.epoch.dask_workers.CONNECT_SECONDS", 1)
    with refused(ProofCode.BAD_CLUSTER, LocalFault):
        Cluster("dask://127.0.0.1:9")
