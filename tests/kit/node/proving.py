"""Stations that close epochs and prove them: prices and custody at every height, and a prover that answers at once."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from clearing.base.certificate import Certificate
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.facts import Fact
from consensus.messages import CommittedBlock
from node.epochs.service import write_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from tests.kit.clearing.genesis import BTC, ETH
from tests.kit.clearing.world import World, reports
from tests.kit.node.station import MARKET, QuickProver, Station, time_of

CARRIED = MARKET.epoch_blocks + MARKET.snapshot_delay_blocks
"""The height whose header carries the first epoch."""
T = TypeVar("T")


class ProverAtOnce(QuickProver):
    """Real commitments and proofs, in this process."""

    def commit(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> "Future[tuple[tuple[int, bytes], ...]]":
        return _done(commit_epoch(snapshot, seeds))

    def prove(
        self,
        snapshot: RiskSnapshot,
        seeds: Mapping[int, bytes],
        header: Header,
        certificate: Certificate,
        validators: ValidatorSet,
    ) -> "Future[bytes]":
        return _done(prove_epoch(snapshot, seeds, header, certificate, validators))


def _done(value: T) -> "Future[T]":
    future: Future[T] = Future()
    future.set_result(value)
    return future


def decided(
    station: Station, heights: int, more: Callable[[World, int], tuple[Fact, ...]] | None = None
) -> Iterator[CommittedBlock]:
    """So many heights, each decided when it is asked for; `more` are facts besides custody, at a height."""
    words = World(station.home.genesis)
    for _ in range(heights):
        height = station.application.height + 1
        words.state = station.state
        prices = reports((BTC, 790_000 + height), (ETH, 20_000), time_ms=time_of(height))
        facts = (*words.custody_facts(4 * height), *(more(words, height) if more else ()))
        yield station.decide(VoteExtension(prices, facts))


def decide(
    station: Station, heights: int, more: Callable[[World, int], tuple[Fact, ...]] | None = None
) -> CommittedBlock:
    """So many heights; the last block."""
    *_, last = decided(station, heights, more)
    return last


def write_epochs(station: Station, folder: Path, epochs: int, closed: Callable[[int], None]) -> None:
    """Decide until so many epochs are carried, and write each one's package below `folder`.

    `closed` is told the number of each epoch, while the state is still the one that it closes with.
    """
    for committed in decided(station, (epochs - 1) * MARKET.epoch_blocks + CARRIED):
        header = committed.block.header
        if header.height % MARKET.epoch_blocks == 0:
            closed(header.height // MARKET.epoch_blocks)
        snapshot = station.epochs.provable(header.height)
        if snapshot is not None:
            data = prove_now(station, snapshot, committed)
            write_package(folder / "packages", folder, snapshot.statement.epoch, header.height, data)


def prove_now(station: Station, snapshot: RiskSnapshot, committed: CommittedBlock) -> bytes:
    """The package of an epoch that this block carries."""
    seeds = {each.account: station.epochs.seed_of(each.account) for each in snapshot.accounts}
    head = (committed.block.header, committed.certificate, station.home.genesis.validators)
    return station.prover.prove(snapshot, seeds, *head).result()
