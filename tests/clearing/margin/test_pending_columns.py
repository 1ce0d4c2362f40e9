"""What awaits recomputation is read back distinct and rising, however it was added."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clearing.margin.requirement.pending_columns import ColumnSet, PendingColumns

ADDITIONS = st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 60), max_size=8)), max_size=20)


@given(ADDITIONS, st.integers(1, 20))
def test_every_column_is_read_once_and_in_order(additions: list[tuple[int, list[int]]], repeated: int) -> None:
    pending, expected = PendingColumns(), dict[int, set[int]]()
    for _ in range(repeated):
        for row, columns in additions:
            pending.add(row, np.array(columns, np.int64))
            if columns:
                expected.setdefault(row, set()).update(columns)
    assert bool(pending) is bool(expected)
    assert pending.rows() == sorted(expected)
    assert {row: pending.of(row).tolist() for row in pending.rows()} == {row: sorted(expected[row]) for row in expected}
    if expected:
        assert pending.of_all_rows().tolist() == sorted(set().union(*expected.values()))
    pending.clear()
    assert not pending
    assert not pending.rows()


def test_many_single_additions_are_merged_on_the_way() -> None:
    pending = PendingColumns()
    for column in range(10_000):
        pending.add(0, np.array([column % 3]))
    assert pending.of(0).tolist() == [0, 1, 2]


@given(ADDITIONS)
def test_columns_that_are_known_to_rise_are_read_like_all_others(additions: list[tuple[int, list[int]]]) -> None:
    found, pending = ColumnSet(), PendingColumns()
    for row, columns in additions:
        distinct = sorted(set(columns))
        found.add_rising(np.array(distinct, np.int64))
        pending.add_rising(row, np.array(distinct, np.int64))
        if row == 0:
            found.add(np.array(columns[::-1], np.int64))
            pending.add(row, np.array(columns[::-1], np.int64))
    assert found.columns().tolist() == sorted({column for _, columns in additions for column in columns})
    for row in pending.rows():
        assert pending.of(row).tolist() == sorted(
            {at for number, columns in additions if number == row for at in columns}
        )
    found.clear()
    assert found.columns().size == 0
