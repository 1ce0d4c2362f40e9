"""Stations that close epochs and prove them: prices and custody at every height, and a prover that answers at once."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from clearing.base.certificate import Certificate
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.state.holdings import Holdings
from consensus.messages import CommittedBlock
from node.epochs.service import write_package
from proofs.epoch.package import read_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from tests.kit.clearing.genesis import BTC, ETH, USDC_1, WETH_1
from tests.kit.clearing.world import World, reports
from tests.kit.node.station import MARKET, QuickProver, Station, secret_file, time_of

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


def nothing(words: World, height: int) -> tuple[()]:
    """Said, or asked for, at a height."""
    return ()


def first_deposits(words: World, height: int) -> tuple[Fact, ...]:
    """Of Alice at height 1."""
    return (words.deposit_fact(1, USDC_1, 9_000), words.deposit_fact(1, WETH_1, 10**18)) if height == 1 else ()


def decided(
    station: Station,
    heights: int,
    facts: Callable[[World, int], tuple[Fact, ...]] = nothing,
    requests: Callable[[World, int], tuple[Transaction, ...]] = nothing,
    custody_from: int = 1,
) -> Iterator[CommittedBlock]:
    """So many heights, each decided when it is asked for; `facts` besides custody, and `requests`, at a height."""
    words = World(station.home.genesis)  # signs and makes facts; its own state is not used
    for height in range(station.application.height + 1, station.application.height + heights + 1):
        words.state, words.time_ms = station.state, time_of(height)
        prices = reports((BTC, 790_000 + height), (ETH, 20_000), time_ms=time_of(height))
        custody = words.custody_facts(4 * height) if height >= custody_from else ()
        yield station.decide(VoteExtension(prices, (*facts(words, height), *custody)), requests(words, height))


def decide(station: Station, heights: int, facts: Callable[[World, int], tuple[Fact, ...]] = nothing) -> CommittedBlock:
    """So many heights; the last block."""
    *_, last = decided(station, heights, facts)
    return last


def write_epochs(
    station: Station,
    folder: Path,
    epochs: int,
    closed: Callable[[int], None] = lambda _: None,
    requests: Callable[[World, int], tuple[Transaction, ...]] = nothing,
) -> None:
    """Decide until so many epochs are carried, and write each one's package below `folder`.

    `closed` gets the number of each epoch, while the state is still the one that it closes with.
    """
    for committed in decided(station, (epochs - 1) * MARKET.epoch_blocks + CARRIED, requests=requests):
        header = committed.block.header
        if header.height % MARKET.epoch_blocks == 0:
            closed(header.height // MARKET.epoch_blocks)
        snapshot = station.epochs.provable(header.height)
        if snapshot is not None:
            data = prove_now(station, snapshot, committed)
            write_package(folder / "packages", folder, snapshot.statement.epoch, header.height, data)


def prove_now(station: Station, snapshot: RiskSnapshot, committed: CommittedBlock) -> bytes:
    """The package of an epoch that this block carries."""
    epoch = snapshot.statement.epoch
    seeds = {each.account: station.epochs.seed_of(each.account, epoch, each.sealed_seed) for each in snapshot.accounts}
    head = (committed.block.header, committed.certificate, station.home.genesis.validators)
    return station.prover.prove(snapshot, seeds, *head).result()


def own_options(folder: Path, package: Path, seed: bytes, holdings: Holdings, owner: bytes) -> list[str]:
    """Of commands that prove account 1 of a package; its seed and what it held are put into files of the folder."""
    names = [slot.name for slot in read_package(package.read_bytes()).statement.slots if slot.is_public]
    amounts = map(str, [*holdings.cash, *holdings.tokens, *holdings.lots])
    file = folder / "holdings.json"
    file.write_text(json.dumps(dict(zip(names, amounts, strict=True))))
    own = ["--account", "1", "--owner", "0x" + owner.hex()]
    return [*own, "--seed-file", str(secret_file(folder / "seed", seed)), "--holdings", str(file)]
