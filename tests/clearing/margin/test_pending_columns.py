"""What awaits recomputation is read back distinct and rising, however it was added."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clearing.margin.requirement.pending_columns import PendingColumns

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
