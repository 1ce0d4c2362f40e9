"""Rules of coming back: whatever the disk holds of what executing told, the node goes on as if it had never stopped."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from clearing.base.errors import LocalFault
from clearing.base.ids import ZERO_HASH
from clearing.base.validators import ValidatorSet
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.receipts.collateral import EpochClosed
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.requests.validators import ValidatorChange, with_approval
from clearing.validators.validator_sets import validator_sets
from member.codes import NodeCode
from member.signing.requests import sign_approval
from node.agreement.application import DecidedHeight
from node.store.store import Store
from node.sync.restore import encode_saved
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World
from tests.kit.node.proving import decided
from tests.kit.node.recorded import Recorded
from tests.kit.node.station import MARKET, Station, make_home, new_station
from tests.kit.refusals import refused
from tests.kit.until import until

HEIGHTS = 30
CUSTODY_KNOWN = 11
ALL = 9
DELAY, EPOCH = MARKET.snapshot_delay_blocks, MARKET.epoch_blocks


def deposits(words: World, height: int) -> tuple[Fact, ...]:
    return tuple(words.deposit_fact(each, USDC_1, 100_000 * DOLLAR) for each in (HOUSE, ALICE, BOB) if height == 2)


def trades(words: World, height: int) -> tuple[Transaction, ...]:
    return (words.trade(ALICE, BOB, BTC_PERP, height, 790_000),) if height > 5 else ()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Prices from the start, deposits, a trade, and custody evidence that is late: the first epoch waits for it."""
    folder = tmp_path_factory.mktemp("story")
    with new_station(folder) as station:
        story = Recorded(station, folder)
        assert len(list(decided(station, HEIGHTS, deposits, trades, custody_from=CUSTODY_KNOWN))) == HEIGHTS
    assert len(story.of_kind(TradeNovated)) == HEIGHTS - 5
    return story


def test_headers_carry_the_newest_snapshot_that_is_old_enough(story: Recorded) -> None:
    closed = [each.height for each in story.of_kind(EpochClosed)]
    assert closed[0] > 2 * EPOCH, "the first epochs waited for custody"
    assert len(closed) >= 3
    for header in (committed.block.header for committed in story.blocks):
        due = [height for height in closed if height + DELAY <= header.height]
        assert header.commitments_height == (due[-1] if due else 0)
        assert (header.commitments_root == ZERO_HASH) == (not due)


@pytest.mark.parametrize(
    ("height", "lost"),
    [(height, 0) for height in range(HEIGHTS)]
    + [(height, lost) for height in range(15, HEIGHTS, 3) for lost in (1, ALL)],
)
def test_a_node_restored_at_any_height_carries_the_same_roots(
    story: Recorded, tmp_path: Path, height: int, lost: int
) -> None:
    """`lost`: how many saved states were lost on the way down."""
    kept = [each for each in sorted(story.saved) if each <= height]
    at = kept[-1 - lost] if len(kept) > lost else 0
    executed: dict[int, tuple[Receipt, ...]] = {}

    def note(decided: DecidedHeight) -> None:
        executed[decided.header.height] = decided.result.receipts

    with story.disk(tmp_path / "node.sqlite", height, at) as store:
        station = Station(story.home, store, listeners=(note,))
        assert (station.restored.height, station.application.height) == (at, height)
        for committed in story.blocks[height:]:
            station.follow(committed)  # executes and compares the whole header: a Bug if it differs
    assert list(executed) == list(range(at + 1, HEIGHTS + 1)), "each height once"
    assert executed == {each: story.receipts[each] for each in executed}, "in full"


async def _write_until(station: Station, done: Callable[[], bool]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(station.recorder.run)
        await until(done)
        nursery.cancel_scope.cancel()


async def test_what_was_lost_is_written_again_and_nothing_is_written_twice(story: Recorded, tmp_path: Path) -> None:
    died = 22
    with story.disk(tmp_path / "node.sqlite", died, max(each for each in story.saved if each <= 15)) as store:
        station = Station(story.home, store)
        await _write_until(station, lambda: store.receipts_at(died) == story.written(died))
        for height in range(station.restored.height + 1, died + 1):
            assert store.receipts_at(height) == story.written(height)
        newest = max(each for each in story.saved if each <= died)
        assert store.snapshot() == (newest, story.saved[newest]), "bit for bit the state of the node that went on"


async def test_a_recorder_that_stops_between_any_two_writes_leaves_a_store_to_restart_from(
    story: Recorded, tmp_path: Path
) -> None:
    with Store(tmp_path / "node.sqlite", story.home.network) as store:
        station = Station(story.home, store)
        for committed in story.blocks:
            station.follow(committed)
        writes = 0
        real = store.save_results_async

        async def counted(*args: object) -> None:
            nonlocal writes
            await real(*args)
            writes += 1
            saved, _ = store.snapshot() or (0, b"")
            for height in range(1, saved + 1):
                assert store.receipts_at(height) == story.written(height), "below a saved state nothing is missing"

        store.save_results_async = counted
        await _write_until(station, lambda: store.receipts_at(HEIGHTS) == story.written(HEIGHTS))
        assert writes >= HEIGHTS - 5


def test_a_saved_state_that_is_not_its_headers_is_refused(story: Recorded, tmp_path: Path) -> None:
    first, second = sorted(story.saved)[:2]
    with story.disk(tmp_path / "node.sqlite", second) as store:
        store.save_snapshot(second, story.saved[first])
        with refused(NodeCode.STORE_CORRUPT, LocalFault):
            Station(story.home, store)


def test_a_saved_state_above_the_newest_block_is_not_used(story: Recorded, tmp_path: Path) -> None:
    first, second = sorted(story.saved)[:2]
    with story.disk(tmp_path / "node.sqlite", second - 1, first) as store:
        store.save_snapshot(second, story.saved[second])
        assert Station(story.home, store).restored.height == first


def test_commitments_waiting_at_a_restart_are_begun_again_once(story: Recorded, tmp_path: Path) -> None:
    first = min(story.saved)
    for height in range(first, first + DELAY):
        with story.disk(tmp_path / f"{height}.sqlite", height, first) as store:
            station = Station(story.home, store)
            assert station.prover.heights == [first]
            assert [each.statement.height for each in station.epochs.record().waiting] == [first]
    with story.disk(tmp_path / "after.sqlite", first + DELAY, first) as store:
        record = Station(story.home, store).epochs.record()
    header = story.blocks[first + DELAY - 1].block.header
    assert (record.root, record.height) == (header.commitments_root, first)
    assert first not in [each.statement.height for each in record.waiting]


@pytest.mark.parametrize("saves", [True, False], ids=["from_a_saved_state", "by_executing_all_blocks"])
@pytest.mark.parametrize("died_at", range(1, 7))
def test_a_node_restored_in_the_middle_of_a_change_has_the_same_sets(tmp_path: Path, died_at: int, saves: bool) -> None:
    home = make_home(tmp_path / "net", power=10)
    (own,) = home.genesis.validators.validators
    entered = msgspec.structs.replace(own, power=15)
    change = ValidatorChange(1, home.genesis.validators.hash, ValidatorSet((entered,)).hash, (), (entered,), 2**60, ())
    change = with_approval(change, sign_approval(change, home.network, 0, home.keys.envelope))
    with Store(tmp_path / "node.sqlite", home.network) as store:
        station = Station(home, store)
        for height in range(1, died_at + 1):
            station.decide(transactions=(change,) if height == 2 else ())
        if saves:
            store.save_snapshot(died_at, encode_saved(died_at, station.state, station.epochs.record()))
        again = Station(home, store)
        assert again.restored.height == (died_at if saves else 0)
        assert again.chain == station.chain
        assert validator_sets(again.state) == validator_sets(station.state)
        sets = (again.chain.last_validators, again.chain.validators, again.chain.next_validators)
        changed_at = (4, 3, 2)
        assert [each.hash for each in sets] == [change.after if died_at >= at else change.before for at in changed_at]
        again.decide()
