"""Rules of coming back: whatever the disk holds of what executing told, the node goes on as if it had never stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import trio

from clearing.base.errors import LocalFault
from clearing.base.ids import ZERO_HASH
from clearing.base.validators import Validator, ValidatorSet
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.receipts.collateral import EpochClosed
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.requests.validators import ValidatorChange, with_approval
from clearing.validators.validator_sets import validator_sets
from consensus.blocks.store import save_committed
from consensus.messages import CommittedBlock
from member.codes import NodeCode
from member.signing.requests import sign_approval
from node.agreement.application import DecidedHeight
from node.store.blocks import StoredBlocks
from node.store.records import ReceiptRecord, receipt_at, receipt_records
from node.store.store import Store
from node.sync.restore import encode_saved
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, DOLLAR, ETH, HOUSE, USDC_1
from tests.kit.clearing.world import World, reports
from tests.kit.node.station import MARKET, Home, Station, make_home, time_of
from tests.kit.until import until

HEIGHTS = 30
CUSTODY_KNOWN = 11
ALL = 9
DELAY, EPOCH = MARKET.snapshot_delay_blocks, MARKET.epoch_blocks


@dataclass(frozen=True)
class Story:
    """What a node that never stopped decided and wrote."""

    home: Home
    blocks: list[CommittedBlock]
    saved: dict[int, bytes]
    receipts: dict[int, tuple[bytes, ...]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Prices from the start, deposits, a trade, and custody evidence that is late: the first epoch waits for it."""
    home = make_home(tmp_path_factory.mktemp("story") / "net")
    words = World(home.genesis)  # signs and makes facts; its own state is not used
    receipts: dict[int, tuple[bytes, ...]] = {}
    saved: dict[int, bytes] = {}
    with Store(home.path / "story.sqlite", home.network) as store:
        station = Station(home, store)

        def note(decided: DecidedHeight) -> None:
            receipts[decided.header.height] = tuple(each.data for each in receipt_records(decided.result))
            if decided.result.snapshot_due:
                height = decided.header.height
                saved[height] = encode_saved(height, decided.state, station.epochs.record())

        station.application.listen(note)
        blocks = []
        for height in range(1, HEIGHTS + 1):
            words.state, words.time_ms = station.state, time_of(height)
            prices = reports((BTC, 790_000), (ETH, 20_000), time_ms=time_of(height))
            facts = [words.deposit_fact(each, USDC_1, 100_000 * DOLLAR) for each in (HOUSE, ALICE, BOB) if height == 2]
            if height >= CUSTODY_KNOWN and height % 2:
                facts += words.custody_facts(4 * height)
            trades = (words.trade(ALICE, BOB, BTC_PERP, height, 790_000),) if height > 5 else ()
            blocks.append(station.decide(VoteExtension(prices, tuple(facts)), trades))
    assert sum(isinstance(each, TradeNovated) for each in _receipts(receipts)) == HEIGHTS - 5
    return Story(home, blocks, saved, receipts)


def _receipts(receipts: dict[int, tuple[bytes, ...]]) -> list[object]:
    rows = [ReceiptRecord(0, 0, (), data) for lines in receipts.values() for data in lines]
    return [receipt_at(row).receipt for row in rows]


def test_headers_carry_the_newest_snapshot_that_is_old_enough(story: Story) -> None:
    closed = [each.height for each in _receipts(story.receipts) if isinstance(each, EpochClosed)]
    assert closed[0] > 2 * EPOCH, "the first epochs waited for custody"
    assert len(closed) >= 3
    for committed in story.blocks:
        header = committed.block.header
        due = [height for height in closed if height + DELAY <= header.height]
        assert header.commitments_height == (due[-1] if due else 0)
        assert (header.commitments_root == ZERO_HASH) == (not due)


def _disk(story: Story, path: Path, height: int, saved: int) -> Store:
    """What a node that died after `height` left: blocks are always there, the rest up to some height."""
    store = Store(path, story.home.network)
    for committed in story.blocks[:height]:
        save_committed(StoredBlocks(store), committed)
    if saved:
        store.save_snapshot(saved, story.saved[saved])
    return store


def _cases() -> list[tuple[int, int]]:
    """(blocks on disk, how many saved states were lost on the way down)."""
    every = [(height, 0) for height in range(HEIGHTS)]
    return every + [(height, lost) for height in range(15, HEIGHTS, 3) for lost in (1, ALL)]


@pytest.mark.parametrize(("height", "lost"), _cases())
def test_a_node_restored_at_any_height_carries_the_same_roots(
    story: Story, tmp_path: Path, height: int, lost: int
) -> None:
    kept = [each for each in sorted(story.saved) if each <= height]
    at = kept[-1 - lost] if len(kept) > lost else 0
    told: dict[int, tuple[bytes, ...]] = {}
    with _disk(story, tmp_path / "node.sqlite", height, at) as store:
        station = Station(
            story.home,
            store,
            listeners=(
                lambda decided: told.update(
                    {decided.header.height: tuple(each.data for each in receipt_records(decided.result))}
                ),
            ),
        )
        assert (station.restored.height, station.application.height) == (at, height)
        for committed in story.blocks[height:]:
            station.follow(committed)  # executes and compares the whole header: a Bug if it differs
    assert told == {each: story.receipts[each] for each in range(at + 1, HEIGHTS + 1)}, "each height once, in full"
    assert list(told) == sorted(told)


async def _record_until(station: Station, done: Callable[[], bool]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(station.recorder.run)
        await until(done)
        nursery.cancel_scope.cancel()


async def test_what_was_lost_is_written_again_and_nothing_is_written_twice(story: Story, tmp_path: Path) -> None:
    died = 22
    with _disk(story, tmp_path / "node.sqlite", died, max(each for each in story.saved if each <= 15)) as store:
        station = Station(story.home, store)
        await _record_until(station, lambda: store.receipts_at(died) == story.receipts[died])
        for height in range(station.restored.height + 1, died + 1):
            assert store.receipts_at(height) == story.receipts[height]
        newest = max(each for each in story.saved if each <= died)
        assert store.snapshot() == (newest, story.saved[newest]), "bit for bit the state of the node that went on"


async def test_a_recorder_that_stops_between_any_two_writes_leaves_a_store_to_restart_from(
    story: Story, tmp_path: Path
) -> None:
    with Store(tmp_path / "node.sqlite", story.home.network) as store:
        station = Station(story.home, store)
        for committed in story.blocks:
            station.follow(committed)
        writes = 0
        real = store.save_results_async

        async def counted(*args: object) -> None:
            nonlocal writes
            await real(*args)  # type: ignore[arg-type]
            writes += 1
            found = store.snapshot()
            saved = found[0] if found else 0
            for height in range(1, saved + 1):
                assert store.receipts_at(height) == story.receipts[height], "below a saved state nothing is missing"

        store.save_results_async = counted  # type: ignore[method-assign]
        await _record_until(station, lambda: store.receipts_at(HEIGHTS) == story.receipts[HEIGHTS])
        assert writes >= HEIGHTS - 5


def test_a_saved_state_that_is_not_its_headers_is_refused(story: Story, tmp_path: Path) -> None:
    first, second = sorted(story.saved)[:2]
    with _disk(story, tmp_path / "node.sqlite", second, 0) as store:
        store.save_snapshot(second, story.saved[first])
        with pytest.raises(LocalFault) as refusal:
            Station(story.home, store)
    assert refusal.value.code is NodeCode.STORE_CORRUPT


def test_a_saved_state_above_the_newest_block_is_not_used(story: Story, tmp_path: Path) -> None:
    first, second = sorted(story.saved)[:2]
    with _disk(story, tmp_path / "node.sqlite", second - 1, first) as store:
        store.save_snapshot(second, story.saved[second])
        assert Station(story.home, store).restored.height == first


def test_commitments_waiting_at_a_restart_are_begun_again_once(story: Story, tmp_path: Path) -> None:
    first = min(story.saved)
    for height in range(first, first + DELAY):
        with _disk(story, tmp_path / f"{height}.sqlite", height, first) as store:
            station = Station(story.home, store)
            assert station.prover.heights == [first]
            assert [each.statement.height for each in station.epochs.record().waiting] == [first]
    with _disk(story, tmp_path / "after.sqlite", first + DELAY, first) as store:
        record = Station(story.home, store).epochs.record()
    header = story.blocks[first + DELAY - 1].block.header
    assert (record.root, record.height) == (header.commitments_root, first)
    assert first not in [each.statement.height for each in record.waiting]


def test_a_node_restored_in_the_middle_of_a_change_has_the_same_sets(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net", power=10)
    (own,) = home.genesis.validators.validators
    change = _change(home, msgspec.structs.replace(own, power=15))
    for died_at, saves in [(height, saves) for height in range(1, 7) for saves in (False, True)]:
        with Store(tmp_path / f"{died_at}-{saves}.sqlite", home.network) as store:
            station = Station(home, store)
            for height in range(1, died_at + 1):
                station.decide(transactions=(change,) if height == 2 else ())
            if saves:  # else all blocks are executed again
                store.save_snapshot(died_at, encode_saved(died_at, station.state, station.epochs.record()))
            again = Station(home, store)
            assert again.restored.height == (died_at if saves else 0)
            assert again.chain == station.chain
            assert validator_sets(again.state) == validator_sets(station.state)
            hashes = [each.hash for each in (again.chain.last_validators, again.chain.validators)]
            assert hashes[0] == (change.after if died_at >= 4 else change.before)
            assert hashes[1] == (change.after if died_at >= 3 else change.before)
            assert again.chain.next_validators.hash == (change.after if died_at >= 2 else change.before)
            again.decide()


def _change(home: Home, entered: Validator) -> ValidatorChange:
    unsigned = ValidatorChange(
        1, home.genesis.validators.hash, ValidatorSet((entered,)).hash, (), (entered,), 2**60, ()
    )
    return with_approval(unsigned, sign_approval(unsigned, home.network, 0, home.keys.envelope))
