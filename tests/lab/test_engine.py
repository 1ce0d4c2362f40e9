"""Engines: the same outcomes in the same order, wherever jobs run."""

import multiprocessing
import os
from concurrent.futures import BrokenExecutor

import pytest
from distributed import LocalCluster

from clearing.base.errors import LocalFault
from lab.engine import ENGINE_HELP, DaskEngine, engine_at
from member.codes import NodeCode
from proofs.errors import ProofCode
from tests.kit.refusals import refused
from tests.sim.consensus.outcome import outcome_of


def started(workers: int, threads: int = 1) -> LocalCluster:
    """Scheduler in this process, workers in processes of their own."""
    return LocalCluster(
        n_workers=workers, threads_per_worker=threads, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )


@pytest.fixture(scope="module")
def cluster():
    with started(2) as running:
        yield address_of(running)


def address_of(running: LocalCluster) -> str:
    return "dask://" + running.scheduler_address.partition("://")[2]


@pytest.fixture(scope="module", params=["local", "processes:2", "dask"])
def name(request):
    return request.getfixturevalue("cluster") if request.param == "dask" else request.param


@pytest.fixture(scope="module")
def engine(name):
    """One of each kind for all tests, which it takes seconds to start."""
    with engine_at(name) as running:
        yield running


@pytest.fixture(scope="module")
def two_networks():
    """What two seeds come to here."""
    return [outcome_of(seed)._replace(cpu_seconds=0.0) for seed in range(2)]


def squared_in(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def refuse(number: int) -> int:
    if number == 3:
        raise LocalFault(NodeCode.CONFIG_VALUE, "number 3")
    return number


def die(_: int) -> None:
    if multiprocessing.parent_process() is not None:
        os._exit(1)


def test_outcomes_come_in_order_on_every_engine(name, engine):
    outcomes = list(engine.run(squared_in, range(20)))
    assert [square for square, _ in outcomes] == [number * number for number in range(20)]
    assert (os.getpid() in {process for _, process in outcomes}) == (name == "local")


def test_what_a_job_raises_is_raised_here(engine):
    outcomes = engine.run(refuse, range(6))
    assert [next(outcomes) for _ in range(3)] == [0, 1, 2]
    with refused(NodeCode.CONFIG_VALUE, LocalFault):
        next(outcomes)


def test_a_seed_gives_the_same_network_on_every_engine(engine, two_networks):
    found = [outcome._replace(cpu_seconds=0.0) for outcome in engine.run(outcome_of, range(2))]
    assert found == two_networks
    assert not any(outcome.failure for outcome in found)


class LateFuture:
    """Its outcome comes just after the first look has ended."""

    status = "finished"
    looks = 0

    def done(self) -> bool:
        return True

    def result(self, _: float) -> int:
        self.looks += 1
        if self.looks == 1:
            raise TimeoutError
        return 7


class OneFuture:
    """A Dask client that gives this future for each job."""

    def map(self, *_: object, **__: object) -> list[LateFuture]:
        return [LateFuture()]

    def cancel(self, _: object) -> None:
        """Nothing runs."""

    def nthreads(self) -> dict[str, int]:
        return {"worker": 1}


def test_an_outcome_that_comes_as_a_look_ends_is_no_timeout_of_the_job():
    assert list(DaskEngine(OneFuture()).run(refuse, [1])) == [7]


def test_a_worker_that_dies_is_a_broken_engine():
    with engine_at("processes:1") as engine, pytest.raises(BrokenExecutor):
        list(engine.run(die, range(2)))


def test_a_cluster_without_workers_is_a_broken_engine(monkeypatch):
    monkeypatch.setattr("lab.engine.LOOK_SECONDS", 0.1)
    with started(1) as running, engine_at(address_of(running)) as engine:
        running.scale(0)
        running.sync(running._correct_state)
        with pytest.raises(BrokenExecutor, match="no workers left"):
            list(engine.run(squared_in, range(2)))


def test_workers_with_more_threads_than_one_are_refused():
    """A job may patch a module, which another thread would meet."""
    with (
        started(1, threads=2) as running,
        refused(ProofCode.BAD_CLUSTER, LocalFault),
        engine_at(address_of(running)),
    ):
        pass


@pytest.mark.parametrize("name", ["", "process:2", "processes:0", "processes:257", "processes:-1", "processes", "4"])
def test_an_unknown_engine_is_refused(name):
    with refused(NodeCode.CONFIG_VALUE, LocalFault), engine_at(name):
        pass


def test_help_and_refusal_say_that_a_cluster_can_run_code_here():
    assert "can run code in this process" in ENGINE_HELP
    with pytest.raises(LocalFault, match="can run code in this process"), engine_at("dusk"):
        pass
