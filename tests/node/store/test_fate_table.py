"""Rules of the table of fates: what counts, how much is kept, and that no file ends a node."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from node.store.fate_table import PARTS, FateRecord, FateState, FateTable, supersedes

NETWORK = b"n" * 32
STORED = [state for state in FateState if state is not FateState.PENDING]
FOREVER = (0, 1_000_000)


def record(number: int, state: FateState = FateState.APPLIED, time_ms: int = 1_000, height: int = 0) -> FateRecord:
    return FateRecord(number.to_bytes(32, "big"), state, time_ms, height, 2, 3, 4, 201, "trade")


def open_table(folder: Path, network: bytes = NETWORK) -> FateTable:
    return FateTable(folder / "fates.sqlite", network)


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    saved = [record(each, state, height=each) for each, state in enumerate(STORED, 1)]
    with open_table(tmp_path) as table:
        assert table.height() == 0
        table.save(saved, 4, *FOREVER)
    with open_table(tmp_path) as table:
        assert [table.find(each.hash) for each in saved] == saved
        assert table.find(bytes(32)) is None
        assert table.height() == 4


@pytest.mark.parametrize(("older", "newer"), list(itertools.product(STORED, STORED)))
def test_what_was_applied_stays_so_and_only_a_block_replaces_a_blocks_refusal(
    tmp_path: Path, older: FateState, newer: FateState
) -> None:
    rank = {FateState.APPLIED: 2, FateState.REFUSED: 1}
    first, second = record(1, older, 1_000), record(1, newer, 2_000)
    counts = rank.get(newer, 0) >= rank.get(older, 0) and older is not FateState.APPLIED
    assert supersedes(second, first) is counts
    with open_table(tmp_path) as table:
        table.save([first], None, *FOREVER)
        table.save([second], None, *FOREVER)
        assert table.find(first.hash) == (second if counts else first)


def test_hashes_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    """Record numbers are small: the first bytes of these hashes are all zero, or all ones."""
    high = replace(record(1, FateState.REFUSED), hash=b"\xff" * 32)
    with open_table(tmp_path) as table:
        table.save([record(1), record(2, FateState.EXPIRED), high], 1, *FOREVER)
        assert table.find(record(1).hash) == record(1)
        assert table.find(record(2).hash) == record(2, FateState.EXPIRED)
        assert table.find(high.hash) == high
        assert table.find(b"\xff" * 31 + b"\x00") is None


def test_of_two_fates_that_are_saved_together_the_same_counts(tmp_path: Path) -> None:
    applied, refused = record(1, FateState.APPLIED, 1_000), record(1, FateState.REFUSED, 2_000)
    with open_table(tmp_path) as table:
        table.save([applied, refused], 1, *FOREVER)
        assert table.find(applied.hash) == applied


def test_no_more_are_kept_than_stated_and_the_newest_are(tmp_path: Path) -> None:
    with open_table(tmp_path) as table:
        for first in range(0, 100, 10):
            table.save([record(each) for each in range(first, first + 10)], first, 0, 3 * PARTS)
            assert table.count() <= 3 * PARTS
        kept = [table.find(record(each).hash) is not None for each in range(100)]
        assert kept == sorted(kept), "the oldest are forgotten first"
        assert sum(kept) == table.count() >= 2 * PARTS


def test_none_is_kept_longer_than_stated(tmp_path: Path) -> None:
    with open_table(tmp_path) as table:
        table.save([record(each, time_ms=1_000 * each) for each in range(10)], 1, *FOREVER)
        table.save([], 2, 6_000, 1_000)
        assert [table.find(record(each).hash) is not None for each in range(10)] == [False] * 6 + [True] * 4
        table.save([], 3, 60_000, 1_000)
        assert table.count() == 0


def test_blocks_that_a_rollback_took_away_are_forgotten(tmp_path: Path) -> None:
    with open_table(tmp_path) as table:
        table.save([record(each, height=each) for each in (1, 2, 3)], 3, *FOREVER)
        table.cut(2)
        assert (table.height(), table.find(record(3).hash)) == (2, None)
        assert table.find(record(2).hash) == record(2, height=2)
        table.cut(5)
        assert table.height() == 2, "nothing was taken away"


def test_a_damaged_file_is_put_aside_and_the_node_begins_anew(tmp_path: Path) -> None:
    with open_table(tmp_path) as table:
        table.save([record(1)], 1, *FOREVER)
    (tmp_path / "fates.sqlite").write_bytes(b"not a database" * 1_000)
    with open_table(tmp_path) as table:
        assert (table.height(), table.count()) == (0, 0)
    assert (tmp_path / "fates.sqlite.damaged").read_bytes().startswith(b"not a database")


def test_fates_of_another_network_are_not_shown(tmp_path: Path) -> None:
    with open_table(tmp_path) as table:
        table.save([record(1)], 1, *FOREVER)
    with open_table(tmp_path, b"o" * 32) as table:
        assert (table.height(), table.find(record(1).hash)) == (0, None)
