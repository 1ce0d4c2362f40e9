"""Shards on a Dask cluster prove as those of this machine do; what goes wrong there fails the proof."""

from concurrent.futures import BrokenExecutor

import dask
import pytest
from distributed import LocalCluster, Security

from clearing.base.errors import LocalFault
from proofs.epoch import dask_workers
from proofs.epoch import workers as shard_workers
from proofs.epoch.dask_workers import Cluster, scheduler_url
from proofs.epoch.package import commitments_root
from proofs.epoch.pool import LocalProverPool
from proofs.epoch.prover import commit_epoch
from proofs.epoch.remote_shard import ProgressBoard, ProofProgress
from proofs.epoch.workers import SHARD_ACCOUNTS_MIN, ShardWorkers
from proofs.errors import ProofCode
from proofs.linear.shard import ROUNDS
from proofs.linear.verifier import verify
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.shards import LAYOUT, build


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
    holdings = tuple((account, (1_000 + account, 3, 0, 0)) for account in range(2 * SHARD_ACCOUNTS_MIN))
    shot, keys = market.snapshot(holdings), market.seeds(holdings)
    head = market.certified(commitments_root(shot.statement, commit_epoch(shot, keys, market.N), market.N))
    pool = LocalProverPool(1, market.N, address_of(cluster))
    try:
        assert verify_package(pool.prove(shot, keys, *head).result()).ok
        assert pool.progress == ProofProgress()
    finally:
        pool.close()


@pytest.mark.parametrize("worker", ["tcp://192.0.2.7:4001", "tcp://worker.example:4001"])
def test_a_worker_elsewhere_of_a_scheduler_here_gets_no_holdings_without_tls(cluster, monkeypatch, worker):
    """Whoever reaches the scheduler can join its workers, and shards go to all of them as they are."""
    found = cluster.scheduler_info
    workers = {**{each: {} for each in found["workers"]}, worker: {}}
    monkeypatch.setattr("distributed.Client.scheduler_info", lambda *_, **__: {**found, "workers": workers})
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
        with pytest.raises(LocalFault) as fault:
            Cluster(address)
        assert fault.value.code is ProofCode.BAD_CLUSTER
        with dask.config.set(certificates), ShardWorkers(1, ProgressBoard(2), address) as workers:
            workers.start(2)
            proof, _ = workers.prove(statement, witnesses)
    verify(statement, proof)


def test_what_a_shard_of_the_cluster_refuses_is_raised_here(cluster):
    _, witnesses = build(2)
    found = Cluster(address_of(cluster))
    try:
        shard = found.shard(0, ProgressBoard(2))
        shard.hold(LAYOUT, witnesses)
        with pytest.raises(LocalFault, match="blinders_reused"):
            shard.sums([1, 2])
        shard.end()
        with pytest.raises(BrokenExecutor):
            shard.commit_digits()
    finally:
        found.close()


def test_only_a_scheduler_of_this_machine_is_spoken_to_in_the_clear():
    assert scheduler_url("dask://127.0.0.1:8786") == "tcp://127.0.0.1:8786"
    assert scheduler_url("dask://[::1]:8786") == "tcp://[::1]:8786"
    assert scheduler_url("dask://provers.example:8786") == "tls://provers.example:8786"
    assert scheduler_url("dask://127.0.0.1.example:8786") == "tls://127.0.0.1.example:8786"


@pytest.mark.parametrize(
    "address",
    ["", "local", "tcp://127.0.0.1:1", "dask://", "dask://host", "dask://host:port", "dask://h:1/path", "dask://u@h:1"],
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(LocalFault) as fault:
        scheduler_url(address)
    assert fault.value.code is ProofCode.BAD_CLUSTER


def test_a_cluster_that_is_not_there_is_our_own_fault(monkeypatch):
    monkeypatch.setattr("proofs.epoch.dask_workers.CONNECT_SECONDS", 1)
    with pytest.raises(LocalFault) as fault:
        Cluster("dask://127.0.0.1:9")
    assert fault.value.code is ProofCode.BAD_CLUSTER
