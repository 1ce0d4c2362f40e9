"""A node that catches up takes commitments from certified headers, and computes them again once it judges blocks."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from clearing.base.errors import RemoteFault
from clearing.schema.blocks.block import VoteExtension
from consensus.blocks.store import save_committed
from consensus.messages import CommittedBlock
from node.store.store import Store
from tests.kit.clearing.genesis import BTC, ETH
from tests.kit.clearing.world import World, reports
from tests.kit.node.station import MARKET, Home, Station, make_home, time_of

HEIGHTS = 4 * MARKET.epoch_blocks


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("net") / "net")


@pytest.fixture(scope="module")
def blocks(home: Home, tmp_path_factory: pytest.TempPathFactory) -> list[CommittedBlock]:
    words, decided = World(home.genesis), []
    with Store(tmp_path_factory.mktemp("source") / "node.sqlite", home.network) as store:
        station = Station(home, store)
        for height in range(1, HEIGHTS + 1):
            words.state, words.time_ms = station.state, time_of(height)
            prices = reports((BTC, 790_000), (ETH, 20_000), time_ms=time_of(height))
            decided.append(station.decide(VoteExtension(prices, words.custody_facts(4 * height) if height % 2 else ())))
        assert len(station.prover.heights) == 4
    return decided


@pytest.fixture
def station(home: Home, tmp_path: Path) -> Iterator[Station]:
    with Store(tmp_path / "node.sqlite", home.network) as store:
        yield Station(home, store)


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
