"""Rules of commitments: late ones delay a header and never change it; a dead worker is replaced; stopping is quick."""

import os
import signal
import time
from concurrent.futures import BrokenExecutor, CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children
from pathlib import Path
from threading import Event, Timer
from typing import Any, ClassVar

import pytest

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.epochs import service as epochs
from node.epochs.provers import ATTEMPTS_MAX, NodeProver, RestartingPool
from node.store.store import Store
from proofs.epoch.pool import LocalProverPool
from proofs.epoch.prover import commit_epoch
from tests.kit.node.proving import CARRIED, decide
from tests.kit.node.station import MARKET, QuickProver, Station, make_home

DOMAIN = 256


def _station(tmp_path: Path, prover: Any) -> Station:
    home = make_home(tmp_path / "net")
    return Station(home, Store(home.path / "s.sqlite", home.network), prover)


def test_a_header_waits_for_late_commitments_and_is_the_same(tmp_path: Path) -> None:
    quick, late = _station(tmp_path / "a", QuickProver()), _station(tmp_path / "b", QuickProver(held_back=True))
    with quick.store, late.store:
        for station in (quick, late):
            decide(station, CARRIED - 1)
        assert quick.prover.heights == late.prover.heights == [MARKET.epoch_blocks]
        timer = Timer(0.2, late.prover.finish)
        timer.start()
        for station in (quick, late):
            decide(station, 1)
        timer.join()
        assert quick.chain.parent == late.chain.parent
        assert late.epochs.record().height == MARKET.epoch_blocks


def test_commitments_that_never_come_end_the_node_with_a_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "COMMIT_SECONDS_MAX", 0.05)
    station = _station(tmp_path, QuickProver(held_back=True))
    with station.store:
        decide(station, CARRIED - 1)
        with pytest.raises(LocalFault) as fault:
            decide(station, 1)
    assert fault.value.code is NodeCode.PROVER_LATE


def test_a_snapshot_that_is_superseded_before_it_is_due_is_never_waited_for(tmp_path: Path) -> None:
    station = _station(tmp_path, QuickProver(held_back=True))
    with station.store:
        decide(station, MARKET.epoch_blocks)
        assert station.epochs.root_at(MARKET.epoch_blocks + MARKET.snapshot_delay_blocks - 1)[1] == 0


class DyingPool:
    """Loses its worker on each job until `good` pools were made."""

    made = 0

    def __init__(self, good: int) -> None:
        DyingPool.made += 1
        self._dies = DyingPool.made < good
        self.closed = False

    def run(self) -> "Future[int]":
        future: Future[int] = Future()
        if self._dies:
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result(DyingPool.made)
        return future

    def close(self) -> None:
        self.closed = True


def test_a_job_ends_when_no_pool_can_be_made_and_the_next_one_tries_again() -> None:
    DyingPool.made = 0
    full = [False, True, False]

    def make() -> DyingPool:
        if full.pop(0):
            raise OSError("no space left")
        return DyingPool(2)

    steady = RestartingPool(make)  # type: ignore[arg-type]
    future: Future[int] = steady.run(lambda pool: pool.run())  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="no space left"):
        future.result(600)
    good_again: Future[int] = steady.run(lambda pool: pool.run())  # type: ignore[attr-defined]
    assert good_again.result(600) == 2


@pytest.mark.parametrize(("good", "told"), [(1, 1), (2, 2), (ATTEMPTS_MAX, ATTEMPTS_MAX), (ATTEMPTS_MAX + 1, None)])
def test_a_job_is_begun_again_a_few_times(good: int, told: int | None) -> None:
    DyingPool.made = 0
    steady = RestartingPool(lambda: DyingPool(good))  # type: ignore[arg-type,return-value]
    future: Future[int] = steady.run(lambda pool: pool.run())  # type: ignore[attr-defined]
    if told is not None:
        assert future.result(600) == told
        return
    with pytest.raises(LocalFault) as fault:
        future.result(600)
    assert fault.value.code is NodeCode.PROVER_LOST
    good_again: Future[int] = steady.run(lambda pool: pool.run())  # type: ignore[attr-defined]
    assert good_again.result(600) == ATTEMPTS_MAX + 1, "the next job finds a pool that works"


def test_an_error_of_the_job_is_not_tried_again() -> None:
    DyingPool.made = 0
    steady = RestartingPool(lambda: DyingPool(1))  # type: ignore[arg-type,return-value]

    def job(_: Any) -> "Future[int]":
        future: Future[int] = Future()
        future.set_exception(LocalFault(NodeCode.UNKNOWN_CODE, "job"))
        return future

    with pytest.raises(LocalFault, match="unknown_code"):
        steady.run(job).result(600)
    assert DyingPool.made == 1


class KeptPool:
    """One whose own worker lives: a process that the worker had started is gone, so its running job fails."""

    made: ClassVar[list["KeptPool"]] = []

    def __init__(self) -> None:
        KeptPool.made.append(self)
        self.jobs: list[Future[int]] = []
        self.closed = Event()

    def run(self) -> "Future[int]":
        future: Future[int] = Future()
        if self is KeptPool.made[0]:
            self.jobs.append(future)
        else:
            future.set_result(len(KeptPool.made))
        return future

    def close(self) -> None:
        for future in self.jobs:
            future.cancel()
        self.closed.set()


def test_a_pool_that_outlives_a_lost_proof_is_closed_and_what_waited_there_is_done_elsewhere() -> None:
    KeptPool.made.clear()
    steady = RestartingPool(KeptPool)  # type: ignore[arg-type]
    running: Future[int] = steady.run(lambda pool: pool.run())  # type: ignore[attr-defined]
    waiting: Future[int] = steady.run(lambda pool: pool.run())  # type: ignore[attr-defined]
    KeptPool.made[0].jobs[0].set_exception(BrokenExecutor("a process that held a shard died"))
    assert running.result(600) == 2
    assert waiting.result(600) == 2
    assert KeptPool.made[0].closed.wait(600)
    assert len(KeptPool.made) == 2


def _snapshot(tmp_path: Path) -> tuple[Any, dict[int, bytes]]:
    """A snapshot of the state machine, with seeds."""
    station = _station(tmp_path, QuickProver(held_back=True))
    with station.store:
        decide(station, MARKET.epoch_blocks)
    (_, snapshot) = station.prover.waiting[0]
    return snapshot, {each.account: bytes([7]) * 32 for each in snapshot.accounts}


def test_a_killed_worker_is_replaced_and_its_commitments_are_the_same(tmp_path: Path) -> None:
    snapshot, seeds = _snapshot(tmp_path)
    prover = NodeProver(1, lambda workers: LocalProverPool(workers, DOMAIN))
    try:
        first = prover.commit(snapshot, seeds)
        deadline = time.monotonic() + 600
        while not active_children() and time.monotonic() < deadline:
            time.sleep(0.001)
        for child in active_children():
            os.kill(child.pid or 0, signal.SIGKILL)
        expected = commit_epoch(snapshot, seeds, DOMAIN)
        assert first.result(600) == expected
        assert prover.commit(snapshot, seeds).result(600) == expected
    finally:
        prover.close()


def test_stopping_does_not_wait_for_work_under_way(tmp_path: Path) -> None:
    snapshot, seeds = _snapshot(tmp_path)
    prover = NodeProver(1, lambda workers: LocalProverPool(workers, DOMAIN))
    jobs = [prover.commit(snapshot, seeds) for _ in range(50)]
    jobs[0].result(600)
    prover.close()
    assert not active_children()
    with pytest.raises(CancelledError):
        jobs[-1].result(600)
