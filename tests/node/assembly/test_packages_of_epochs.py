"""Rules of packages: proven once, in turn, again after a restart, and no failure of proving stops the node."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from clearing.base.errors import LocalFault
from clearing.base.validators import Validator, ValidatorSet
from consensus.messages import CommittedBlock
from consensus.outputs import Decided
from member.codes import NodeCode
from node.epochs.packages import PackageService
from node.epochs.service import PROVERS_PER_EPOCH, AccountSeeds, EpochService, write_package
from node.store.store import Store
from proofs.epoch.remote_shard import ProofProgress
from tests.kit.node.proving import CARRIED, decide
from tests.kit.node.station import MARKET, QuickProver, Station, make_home
from tests.kit.until import until


@dataclass
class Proving:
    """A station that stands where its first epoch is carried, and its package service."""

    station: Station
    packages: PackageService
    committed: CommittedBlock


def _service(station: Station) -> PackageService:
    home = station.home
    folder = home.path / "packages"
    known = {home.genesis.validators.hash: home.genesis.validators}
    service = PackageService(station.epochs, station.store, home.path, folder, known.get, home.network)
    service._verify = lambda data, validators_hash: _Good()  # type: ignore[assignment,method-assign,return-value]
    return service


class _Good:
    ok = True


@pytest.fixture
def proving(tmp_path: Path) -> Any:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        station = Station(home, store)
        yield Proving(station, _service(station), decide(station, CARRIED))


async def _run_until(packages: PackageService, done: Callable[[], bool]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(packages.run)
        await until(done)
        nursery.cancel_scope.cancel()


async def test_an_epoch_is_proven_when_a_header_carries_it_and_once(proving: Proving) -> None:
    packages, prover, store = proving.packages, proving.station.prover, proving.station.store
    for _ in range(2):
        packages.decided(Decided(proving.committed, 1, 0, fetched=False))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(packages.run)
        await until(lambda: prover.proofs)
        prover.proofs[-1].set_result(b"package")
        await until(store.package)
        nursery.cancel_scope.cancel()
    assert len(prover.proofs) == 1
    record = store.package(1)
    assert record is not None
    assert (proving.station.home.path / record.path).read_bytes() == b"package"
    assert record.height == MARKET.epoch_blocks


async def test_a_package_that_a_restart_interrupted_is_proven_after_it(proving: Proving) -> None:
    again = Station(proving.station.home, proving.station.store)
    packages = _service(again)
    packages.resume(again.blocks)
    await _run_until(packages, lambda: len(again.prover.proofs) == 1)


async def test_a_package_that_is_there_is_not_proven_again(proving: Proving) -> None:
    home, store = proving.station.home, proving.station.store
    store.save_package(write_package(home.path / "packages", home.path, 1, MARKET.epoch_blocks, b"first"))
    again = Station(home, store)
    packages = _service(again)
    packages.resume(again.blocks)
    packages.decided(Decided(proving.committed, 1, 0, fetched=False))
    assert packages._receive.statistics().current_buffer_used == 0


async def test_fetched_heights_are_left_to_those_who_decided_them(proving: Proving) -> None:
    proving.packages.decided(Decided(proving.committed, 1, 0, fetched=True))
    assert proving.packages._receive.statistics().current_buffer_used == 0


FAILURES = (
    LocalFault(NodeCode.PROVER_LOST, "prover"),
    OSError("no space left"),
    MemoryError(),
    TypeError("cannot unpickle 4242424242"),
)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
async def test_a_failed_proof_does_not_end_the_service(proving: Proving, error: Exception) -> None:
    packages, prover = proving.packages, proving.station.prover
    packages.decided(Decided(proving.committed, 1, 0, fetched=False))
    with capture_logs() as told:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(packages.run)
            await until(lambda: prover.proofs)
            prover.proofs[-1].set_exception(error)
            await until(lambda: any(each["log_level"] == "error" for each in told))
            assert len(nursery.child_tasks) == 1
            nursery.cancel_scope.cancel()
    assert packages.newest_epoch == 0
    assert [each["event"] for each in told if each["log_level"] == "error"] == ["epoch not proven"]
    assert "4242424242" not in str(told), "what a library says may be of holdings"


def test_every_epoch_is_some_validators_turn_and_turns_are_shared() -> None:
    for count in range(1, 8):
        validators = ValidatorSet(tuple(Validator(_key(index), bytes(48), 1, bytes(96)) for index in range(count)))
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
    packages.decided(Decided(proving.committed, 1, 0, fetched=False))
    with capture_logs() as told:
        await _run_until(packages, lambda: any(entry["event"] == "epoch is being proven" for entry in told))
    assert next((entry["done"], entry["of"]) for entry in told if entry["event"] == "epoch is being proven") == (7, 20)
    assert packages.progress == ProofProgress(7, 20)
