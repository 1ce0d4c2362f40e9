"""A proof spread over processes is like one of this process; it tells how far it is; no process outlives it."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from proofs.epoch import workers as shard_workers
from proofs.epoch.package import commitments_root
from proofs.epoch.pool import LocalProverPool
from proofs.epoch.prover import commit_epoch
from proofs.epoch.remote_shard import ProgressBoard, ProofProgress
from proofs.epoch.workers import SHARD_ACCOUNTS_MIN, ShardWorkers
from proofs.linear.shard import ROUNDS
from proofs.linear.verifier import verify
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.shards import LAYOUT, build


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


def test_a_shard_whose_process_died_fails_the_proof(monkeypatch):
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 1)
    statement, witnesses = build(2)
    with ShardWorkers(2, ProgressBoard(2)) as workers:
        workers.start(2)
        os.kill(workers._others[0].pid, signal.SIGKILL)
        with pytest.raises(BrokenExecutor):
            workers.prove(statement, witnesses)


def test_what_a_remote_shard_refuses_is_raised_here(monkeypatch):
    monkeypatch.setattr(shard_workers, "SHARD_ACCOUNTS_MIN", 1)
    _, witnesses = build(2)
    with ShardWorkers(2, ProgressBoard(2)) as workers:
        workers.start(2)
        remote = workers._others[0]
        remote.hold(LAYOUT, witnesses)
        with pytest.raises(LocalFault, match="blinders_reused"):
            remote.sums([1, 2])


def test_the_pool_spreads_an_epoch_and_tells_its_progress(market):
    count = 2 * SHARD_ACCOUNTS_MIN
    holdings = tuple((account, (1_000 + account, 3, 0, 0)) for account in range(count))
    shot, keys = market.snapshot(holdings), market.seeds(holdings)
    commitments = commit_epoch(shot, keys, market.N)
    pool = LocalProverPool(workers=2, domain=market.N)
    try:
        running = pool.prove(shot, keys, *market.certified(commitments_root(shot.statement, commitments, market.N)))
        seen = set()
        while not running.done():
            seen.add(pool.progress)
            time.sleep(0.01)
        assert verify_package(running.result()).ok
        assert {progress.total for progress in seen} <= {0, count * ROUNDS}
        assert len(seen) > 2
        assert pool.progress == ProofProgress()
    finally:
        pool.close()


KILLED = """
import os, time
from proofs.epoch.remote_shard import ProgressBoard
from proofs.epoch.workers import ShardWorkers
if __name__ == "__main__":
    with ShardWorkers(2, ProgressBoard(2)) as workers:
        workers.start(64)
        print(workers._others[0].pid, flush=True)
        time.sleep(600)
"""


def test_a_shard_does_not_outlive_a_killed_prover(tmp_path):
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as prover:
        worker = Path("/proc") / prover.stdout.readline().strip()
        assert worker.is_dir()
        prover.send_signal(signal.SIGKILL)
    for _ in range(3000):
        if not worker.is_dir() or (worker / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    pytest.fail(f"shard {worker.name} still runs")
