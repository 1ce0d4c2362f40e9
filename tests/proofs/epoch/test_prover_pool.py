"""Workers commit and prove as the same calls in this process do; the verifier starts without provers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from proofs.epoch.package import commitments_root
from proofs.epoch.pool import PROVE_NICENESS, LocalProverPool
from proofs.epoch.prover import commit_epoch
from proofs.verify.package_verifier import verify_package


def test_a_worker_process_commits_and_proves_an_epoch(market):
    shot, keys = market.snapshot(), market.seeds()
    pool = LocalProverPool(workers=1, domain=market.N)
    try:
        commitments = pool.commit(shot, keys).result()
        assert commitments == commit_epoch(shot, keys, market.N)
        head = market.certified(commitments_root(shot.statement, commitments, market.N))
        assert verify_package(pool.prove(shot, keys, *head).result()).ok
        insolvent = market.snapshot(((0, (5_000, 10, 0, 3)), (1, (-200, 40, -2, 0)), (5, (2_000, 700, 2, -3))))
        head = market.certified(
            commitments_root(insolvent.statement, commit_epoch(insolvent, keys, market.N), market.N)
        )
        with pytest.raises(LocalFault, match="witness_out_of_range"):
            pool.prove(insolvent, keys, *head).result()
    finally:
        pool.close()


KILLED = """
import os, time
from proofs.epoch.pool import LocalProverPool
if __name__ == "__main__":
    pool = LocalProverPool()
    print(pool._pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def test_a_worker_steps_back_for_the_node_while_it_proves_and_not_while_it_commits(market):
    own = os.getpriority(os.PRIO_PROCESS, 0)
    pool = LocalProverPool(workers=1, domain=market.N)
    try:
        niceness = lambda: pool._pool.submit(os.getpriority, os.PRIO_PROCESS, 0).result()  # noqa: E731
        commitments = pool.commit(market.snapshot(), market.seeds()).result()
        assert niceness() == own
        head = market.certified(commitments_root(market.snapshot().statement, commitments, market.N))
        pool.prove(market.snapshot(), market.seeds(), *head).result()
        assert niceness() == max(own, PROVE_NICENESS)
    finally:
        pool.close()
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_a_worker_does_not_outlive_a_killed_node(tmp_path):
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    node = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    with node:
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
    assert not [
        name
        for name in found
        if name.startswith(("proofs.linear.prover", "proofs.epoch.prover", "proofs.algebra.polynomial"))
    ]
