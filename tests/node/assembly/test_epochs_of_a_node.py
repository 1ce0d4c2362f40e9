"""Rules of epochs: late commitments delay a header and never change it; each is proven in turn, and no failure ends."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from threading import Event, Timer
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec
import pytest
import trio
from structlog.testing import capture_logs

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskSnapshot
from consensus.blocks.store import save_committed
from consensus.messages import CommittedBlock
from consensus.outputs import Decided
from member.api.state import ProvingView
from member.codes import NodeCode
from member.printing.pace import Pace
from node.epochs import service as epochs
from node.epochs.packages import ATTEMPTS_MAX as ATTEMPTS_OF_PACKAGES
from node.epochs.packages import RECENT_MS, PackageService, _Waiting
from node.epochs.provers import ATTEMPTS_MAX, NodeProver, RestartingPool
from node.epochs.seeds import AccountSeeds
from node.epochs.service import PROVERS_PER_EPOCH, EpochService, write_package
from node.epochs.unproven import UnprovenEpoch
from node.store.store import Store
from proofs.epoch.pool import LocalProverPool
from proofs.epoch.prover import commit_epoch
from proofs.epoch.remote_shard import ProofProgress
from proofs.errors import ProofCode
from tests.kit.node.proving import CARRIED, decide
from tests.kit.node.station import MARKET, QuickProver, Station, new_station, time_of
from tests.kit.refusals import refused
from tests.kit.until import until, until_now
from tests.kit.validator_records import unproven_validator

DOMAIN = 256


@pytest.fixture
def late(tmp_path: Path) -> Iterator[Station]:
    """A station whose commitments come when they are told to."""
    with new_station(tmp_path / "late", QuickProver(held_back=True)) as station:
        yield station


def test_a_header_waits_for_late_commitments_and_is_the_same(tmp_path: Path, late: Station) -> None:
    with new_station(tmp_path / "quick") as quick:
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


def test_commitments_that_never_come_end_the_node_with_a_code(late: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "COMMIT_SECONDS_MAX", 0.05)
    decide(late, CARRIED - 1)
    with refused(NodeCode.PROVER_LATE, LocalFault):
        decide(late, 1)


def test_a_snapshot_that_is_superseded_before_it_is_due_is_never_waited_for(late: Station) -> None:
    decide(late, MARKET.epoch_blocks)
    assert late.epochs.root_at(MARKET.epoch_blocks + MARKET.snapshot_delay_blocks - 1)[1] == 0


class DyingPool:
    """The first ones lose their worker on each job, until as many as `good` were made."""

    def __init__(self, number: int, good: int) -> None:
        self.number, self.is_good = number, number >= good

    def run(self) -> "Future[int]":
        future: Future[int] = Future()
        if self.is_good:
            future.set_result(self.number)
        else:
            future.set_exception(BrokenProcessPool("killed"))
        return future

    def close(self) -> None:
        """Nothing runs."""


class Pools:
    """What a restarting pool makes, and its jobs."""

    def __init__(self, good: int, full: Sequence[int] = ()) -> None:
        """`full`: attempts at which there is no space to make one."""
        self.good, self.full = good, full
        self.attempts = self.made = 0
        self.steady = RestartingPool(self.make)

    def make(self) -> DyingPool:
        self.attempts += 1
        if self.attempts in self.full:
            raise OSError("no space left")
        self.made += 1
        return DyingPool(self.made, self.good)

    def job(self) -> int:
        """The number of the pool in which a job ends."""
        return self.steady.run(lambda pool: pool.run()).result(600)


def test_a_job_ends_when_no_pool_can_be_made_and_the_next_one_tries_again() -> None:
    pools = Pools(2, full=[2])
    with pytest.raises(OSError, match="no space left"):
        pools.job()
    assert pools.job() == 2


@pytest.mark.parametrize("good", [1, 2, ATTEMPTS_MAX])
def test_a_job_is_begun_again_a_few_times(good: int) -> None:
    assert Pools(good).job() == good


def test_a_job_that_always_loses_its_worker_is_given_up_and_the_next_finds_a_pool_that_works() -> None:
    pools = Pools(ATTEMPTS_MAX + 1)
    with refused(NodeCode.PROVER_LOST, LocalFault):
        pools.job()
    assert pools.job() == ATTEMPTS_MAX + 1


def test_an_error_of_the_job_is_not_tried_again() -> None:
    failed: Future[int] = Future()
    failed.set_exception(LocalFault(NodeCode.UNKNOWN_CODE, "job"))
    pools = Pools(1)
    with refused(NodeCode.UNKNOWN_CODE, LocalFault):
        pools.steady.run(lambda _: failed).result(600)
    assert pools.made == 1


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
    steady = RestartingPool(KeptPool)
    running, waiting = (steady.run(lambda pool: pool.run()) for _ in range(2))
    KeptPool.made[0].jobs[0].set_exception(BrokenExecutor("a process that held a shard died"))
    assert running.result(600) == 2
    assert waiting.result(600) == 2
    assert KeptPool.made[0].closed.wait(600)
    assert len(KeptPool.made) == 2


Epoch = tuple[RiskSnapshot, dict[int, bytes]]


@pytest.fixture
def epoch(late: Station) -> Epoch:
    """A snapshot of the state machine, with seeds."""
    decide(late, MARKET.epoch_blocks)
    ((_, snapshot),) = late.prover.waiting
    return snapshot, {each.account: bytes([7]) * 32 for each in snapshot.accounts}


@pytest.fixture
def prover() -> Iterator[NodeProver]:
    prover = NodeProver(1, lambda workers: LocalProverPool(workers, DOMAIN))
    yield prover
    prover.close()


def test_a_killed_worker_is_replaced_and_its_commitments_are_the_same(epoch: Epoch, prover: NodeProver) -> None:
    first = prover.commit(*epoch)
    until_now(active_children)
    for child in active_children():
        os.kill(child.pid or 0, signal.SIGKILL)
    expected = commit_epoch(*epoch, DOMAIN)
    assert first.result(600) == expected
    assert prover.commit(*epoch).result(600) == expected


def test_stopping_does_not_wait_for_work_under_way(epoch: Epoch, prover: NodeProver) -> None:
    jobs = [prover.commit(*epoch) for _ in range(50)]
    jobs[0].result(600)
    prover.close()
    assert not active_children()
    with pytest.raises(CancelledError):
        jobs[-1].result(600)


@dataclass
class Proving:
    """A station that stands where its first epoch is carried, and its package service."""

    station: Station
    packages: PackageService
    committed: CommittedBlock

    def decided(self, packages: PackageService | None = None, *, fetched: bool = False) -> None:
        (packages or self.packages).decided(Decided(self.committed, 1, 0, fetched=fetched))


def _service(station: Station) -> PackageService:
    home = station.home
    folder = home.path / "packages"
    known = {home.genesis.validators.hash: home.genesis.validators}
    service = PackageService(
        station.epochs,
        station.store,
        home.path,
        folder,
        known.get,
        home.network,
        station.blocks,
        lambda: time_of(CARRIED),
    )
    service._verify = lambda data, validators_hash: SimpleNamespace(ok=True)
    return service


@pytest.fixture
def proving(tmp_path: Path) -> Any:
    with new_station(tmp_path) as station:
        yield Proving(station, _service(station), decide(station, CARRIED))


async def _run_until(packages: PackageService, done: Callable[[], bool]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(packages.run)
        await until(done)
        nursery.cancel_scope.cancel()


async def test_an_epoch_is_proven_when_a_header_carries_it_and_once(proving: Proving) -> None:
    packages, prover, store = proving.packages, proving.station.prover, proving.station.store
    for _ in range(2):
        proving.decided()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(packages.run)
        await until(lambda: prover.proofs)
        prover.proofs[-1].set_result(b"package")
        await until(store.package)
        nursery.cancel_scope.cancel()
    assert len(prover.proofs) == 1
    record = store.package(1)
    assert (proving.station.home.path / record.path).read_bytes() == b"package"
    assert record.height == MARKET.epoch_blocks


async def test_a_package_that_a_restart_interrupted_is_proven_after_it(proving: Proving) -> None:
    again = Station(proving.station.home, proving.station.store)
    packages = _service(again)
    packages.resume()
    await _run_until(packages, lambda: len(again.prover.proofs) == 1)


def restarted(proving: Proving) -> tuple[PackageService, QuickProver]:
    """The node after a restart that executes no height which carries an epoch."""
    again = Station(proving.station.home, proving.station.store)
    again.epochs._provable.clear()
    packages = _service(again)
    packages.resume()
    return packages, again.prover


async def _saved(proving: Proving) -> PackageService:
    """The first epoch is decided and on disk, and its proof is under way."""
    proving.decided()
    await _run_until(proving.packages, lambda: proving.packages._unproven.epochs == (1,))
    return proving.packages


async def test_an_epoch_that_waited_is_proven_after_a_restart_from_a_later_state(proving: Proving) -> None:
    """As when all validators restart: nobody else has proven it, and no replayed height carries it."""
    await _saved(proving)
    packages, prover = restarted(proving)
    assert packages.waiting == (1,)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(packages.run)
        await until(lambda: prover.proofs)
        prover.proofs[-1].set_result(b"package")
        await until(lambda: not packages.waiting)
        nursery.cancel_scope.cancel()
    assert proving.station.store.package(1).height == MARKET.epoch_blocks
    assert packages._unproven.epochs == ()
    assert restarted(proving)[0].waiting == ()


async def test_an_epoch_is_on_disk_while_another_is_being_proven(proving: Proving) -> None:
    packages = await _saved(proving)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(packages.run)
        await until(lambda: len(proving.station.prover.proofs) == 2)
        packages._waiting[2] = _Waiting(_numbered(packages, 2))
        packages._wake()
        await until(lambda: packages._unproven.epochs == (1, 2))
        nursery.cancel_scope.cancel()
    assert packages._unproven._path(1).stat().st_mode & 0o777 == 0o600


def _numbered(packages: PackageService, epoch: int) -> UnprovenEpoch:
    """The first epoch under another number."""
    first = packages._unproven.load(1)
    assert first is not None
    statement = msgspec.structs.replace(first.snapshot.statement, epoch=epoch)
    return UnprovenEpoch(first.height, msgspec.structs.replace(first.snapshot, statement=statement))


async def test_what_waits_says_for_how_long_and_keeps_the_block_that_it_needs(proving: Proving) -> None:
    assert (proving.packages.waited_seconds, proving.packages.needed_from) == (0.0, 2**63 - 1)
    await _saved(proving)
    proving.packages._clock_ms = lambda: time_of(CARRIED) + 5_000
    assert (proving.packages.waited_seconds, proving.packages.needed_from) == (5.0, CARRIED)
    packages, prover = restarted(proving)
    assert packages.needed_from == 0, "of what waits since before nothing is known until it is read"
    await _run_until(packages, lambda: bool(prover.proofs))
    assert packages.needed_from == CARRIED


async def test_an_epoch_that_a_restart_tries_again_keeps_its_block(proving: Proving) -> None:
    packages = await _saved(proving)

    async def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    packages._found = fails  # type: ignore[assignment]
    for _ in range(ATTEMPTS_OF_PACKAGES):
        await packages._prove(1, packages._waiting[1], trio.current_time)
    assert (packages.waiting, packages.needed_from) == ((), CARRIED)
    assert restarted(proving)[0].waiting == (1,)


async def test_the_newest_epoch_is_proven_first(proving: Proving) -> None:
    before = await _saved(proving)
    for epoch in (2, 3):
        before._unproven.save(_numbered(before, epoch))
    packages, prover = restarted(proving)
    order: list[int] = []
    prove = prover.prove

    def noted(snapshot: RiskSnapshot, *of: Any) -> "Future[bytes]":
        order.append(snapshot.statement.epoch)
        return prove(snapshot, *of)

    prover.prove = noted  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(packages.run)
        for count in (1, 2, 3):
            await until(lambda count=count: len(prover.proofs) == count)
            prover.proofs[-1].set_result(b"package")
        await until(lambda: not packages.waiting)
        nursery.cancel_scope.cancel()
    assert order == [3, 2, 1]


async def test_what_waits_is_bounded_and_what_is_given_up_is_told(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _saved(proving)
    monkeypatch.setattr("node.epochs.unproven.UNPROVEN_MAX", 1)
    packages, _ = restarted(proving)
    packages._waiting[2] = _Waiting(_numbered(packages, 2))
    await _run_until(packages, lambda: bool(packages.lost))
    assert packages.lost == {1: "too many epochs wait"}
    assert (packages.waiting, packages._unproven.epochs) == ((2,), (2,))


@pytest.mark.parametrize("damage", [b"", b"\x93\x01", None])
async def test_an_epoch_whose_file_is_damaged_is_told(proving: Proving, damage: bytes | None) -> None:
    await _saved(proving)
    packages, _ = restarted(proving)
    file = packages._unproven._path(1)
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    await _run_until(packages, lambda: bool(packages.lost))
    assert packages.lost == {1: "its snapshot or its block is gone"}
    assert packages.waiting == ()


async def test_a_proof_is_tried_again_then_told_and_tried_again_after_a_restart(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.epochs.packages.RETRY_SECONDS", 0.0)
    packages, prover = proving.packages, proving.station.prover
    proving.decided()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(packages.run)
        for count in range(1, 1 + ATTEMPTS_OF_PACKAGES):
            await until(lambda count=count: len(prover.proofs) == count)
            prover.proofs[-1].set_exception(LocalFault(NodeCode.PROVER_LOST, "prover"))
        await until(lambda: bool(packages.lost))
        await until(lambda: packages._unproven.epochs == (1,))
        nursery.cancel_scope.cancel()
    assert packages.lost == {1: "3 proofs failed"}
    assert restarted(proving)[0].waiting == (1,)


async def test_a_package_that_is_there_is_not_proven_again(proving: Proving) -> None:
    home, store = proving.station.home, proving.station.store
    store.save_package(write_package(home.path / "packages", home.path, 1, MARKET.epoch_blocks, b"first"))
    again = Station(home, store)
    packages = _service(again)
    packages.resume()
    proving.decided(packages)
    assert packages.waiting == ()


@pytest.mark.parametrize(("age_ms", "waiting"), [(RECENT_MS, (1,)), (RECENT_MS + 1, ())])
async def test_fetched_heights_are_left_to_those_who_decided_them_unless_they_are_recent(
    proving: Proving, age_ms: int, waiting: tuple[int, ...]
) -> None:
    """When all restart, some fetch the last heights from others who may not be the ones that prove."""
    proving.packages._clock_ms = lambda: proving.committed.block.header.time_ms + age_ms
    proving.decided(fetched=True)
    assert proving.packages.waiting == waiting


FAILURES = (
    LocalFault(NodeCode.PROVER_LOST, "prover"),
    OSError("no space left"),
    MemoryError(),
    TypeError("cannot unpickle 4242424242"),
)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
async def test_a_failed_proof_does_not_end_the_service(proving: Proving, error: Exception) -> None:
    packages, prover = proving.packages, proving.station.prover
    proving.decided()
    with capture_logs() as logged:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(packages.run)
            await until(lambda: prover.proofs)
            prover.proofs[-1].set_exception(error)
            await until(lambda: any(each["log_level"] == "error" for each in logged))
            assert len(nursery.child_tasks) == 1
            nursery.cancel_scope.cancel()
    assert packages.newest_epoch == 0
    assert [each["event"] for each in logged if each["log_level"] == "error"] == ["epoch not proven"]
    assert "4242424242" not in str(logged), "what a library says may be of holdings"


def test_every_epoch_is_some_validators_turn_and_turns_are_shared() -> None:
    for count in range(1, 8):
        validators = ValidatorSet(tuple(unproven_validator(_key(index), bytes(48)) for index in range(count)))
        services = [EpochService(QuickProver(), AccountSeeds(bytes(32)), 3, _key(each)) for each in range(count + 1)]
        turns = [0] * count
        for epoch in range(1, 4 * count + 1):
            ours = [index for index, service in enumerate(services) if service.is_ours(epoch, validators)]
            assert len(ours) == min(count, PROVERS_PER_EPOCH)
            for index in ours:
                turns[index] += 1
        assert len(set(turns)) == 1


def _key(index: int) -> bytes:
    return bytes([index + 1]) * 32


async def test_the_log_tells_how_far_a_long_proof_is(proving: Proving, monkeypatch: pytest.MonkeyPatch) -> None:
    packages, prover = proving.packages, proving.station.prover
    monkeypatch.setattr("node.epochs.service.PROGRESS_SECONDS", 0.01)
    monkeypatch.setattr(prover, "progress", ProofProgress(7, 20))
    proving.decided()
    with capture_logs() as logged:
        await _run_until(packages, lambda: any(entry["event"] == "epoch is being proven" for entry in logged))
    assert next((entry["done"], entry["of"]) for entry in logged if entry["event"] == "epoch is being proven") == (
        7,
        20,
    )
    assert packages.progress == ProofProgress(7, 20)
    assert packages.proving() == ProvingView(done=7, total=20)


async def test_the_time_that_a_proof_still_takes_is_in_log_and_api(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten rounds of twenty took ten seconds."""
    packages, prover, now = proving.packages, proving.station.prover, [0.0]
    monkeypatch.setattr("node.epochs.service.PROGRESS_SECONDS", 0.01)
    monkeypatch.setattr("node.epochs.service.Pace", lambda: Pace(lambda: now[0]))
    monkeypatch.setattr(prover, "progress", ProofProgress(10, 20))
    seen: list[ProvingView | None] = []

    def is_logged() -> bool:
        now[0] = 10.0 * len(prover.proofs)
        seen.append(packages.proving())
        return any(entry["event"] == "epoch is being proven" and entry["seconds_left"] == 10 for entry in logs)

    proving.decided()
    with capture_logs() as logs:
        await _run_until(packages, is_logged)
    assert ProvingView(done=10, total=20, seconds_left=10) in seen
    monkeypatch.setattr(prover, "progress", ProofProgress())
    assert packages.proving() is None


async def test_workers_that_were_lost_or_lied_are_in_the_log_of_the_proof(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages, prover = proving.packages, proving.station.prover
    prove = prover.prove

    def losing(*given: Any) -> "Future[bytes]":
        prover.progress = ProofProgress(lost=2, refused=1)
        found = prove(*given)
        found.set_exception(LocalFault(ProofCode.WORKERS_LOST, "dask://127.0.0.1:1"))
        return found

    monkeypatch.setattr(prover, "prove", losing)
    proving.decided()
    with capture_logs() as logs:
        await _run_until(packages, lambda: any(entry["event"] == "workers of the proof failed" for entry in logs))
    found = next(entry for entry in logs if entry["event"] == "workers of the proof failed")
    assert (found["lost"], found["shares_refused"]) == (2, 1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """It has decided all blocks."""
    with new_station(tmp_path_factory.mktemp("source")) as station:
        decide(station, 4 * MARKET.epoch_blocks)
        assert len(station.prover.heights) == 4
    return station


@pytest.fixture(scope="module")
def blocks(source: Station) -> list[CommittedBlock]:
    return source.decided


@pytest.fixture
def station(source: Station, tmp_path: Path) -> Iterator[Station]:
    with Store(tmp_path / "node.sqlite", source.home.network) as store:
        yield Station(source.home, store)


def follow(station: Station, committed: CommittedBlock) -> None:
    """As block sync does it."""
    station.executor.check(station.chain, committed.block, certified=True)
    save_committed(station.blocks, committed)
    station.chain = station.executor.apply(station.chain, committed.block, committed.certificate, committed.extensions)


def test_nothing_is_committed_while_blocks_are_fetched(station: Station, blocks: list[CommittedBlock]) -> None:
    station.prover.held_back = True
    for committed in blocks:
        follow(station, committed)
    assert station.chain.parent == blocks[-1].block.header.hash
    assert station.prover.heights == []


def test_what_waits_is_begun_with_the_first_judged_block(station: Station, blocks: list[CommittedBlock]) -> None:
    epoch, delay = MARKET.epoch_blocks, MARKET.snapshot_delay_blocks
    for committed in blocks[: 3 * epoch]:
        follow(station, committed)
    assert station.prover.heights == []
    for committed in blocks[3 * epoch :]:
        station.executor.check(station.chain, committed.block)
        station.follow(committed)
    assert station.prover.heights == [3 * epoch, 4 * epoch]
    assert station.epochs.record().height == 3 * epoch
    assert blocks[-1].block.header.height >= 3 * epoch + delay


def test_a_root_that_is_stated_of_another_snapshot_is_computed_and_refused(
    station: Station, blocks: list[CommittedBlock]
) -> None:
    for committed in blocks[:7]:
        follow(station, committed)
    good = blocks[7].block
    header = msgspec.structs.replace(good.header, commitments_height=4)
    with pytest.raises(RemoteFault, match="wrong_roots"):
        station.executor.check(station.chain, msgspec.structs.replace(good, header=header), certified=True)
    assert station.prover.heights != []


def test_saving_states_takes_a_tenth_of_the_time_of_the_way_back(
    station: Station, blocks: list[CommittedBlock]
) -> None:
    """A clock that moves by one second each time it is read: encoding a state takes a second of it."""
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    station.recorder._clock = clock
    for committed in blocks:
        follow(station, committed)
        now[0] += 1.0
    saved = [station.recorder._receive.receive_nowait().saved for _ in blocks]
    assert [each[0] for each in saved if each is not None] == [5, 15]
