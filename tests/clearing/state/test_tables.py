"""Overlays of tables: what is read through them is what one dict with the same writes holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.state.table import Table

WRITES = st.lists(st.tuples(st.integers(0, 5), st.none() | st.text(max_size=1)), max_size=6)


@given(st.lists(WRITES, min_size=1, max_size=4))
def test_reads_through_overlays_equal_one_dict_with_the_same_writes(layers: list[list[tuple[int, str | None]]]) -> None:
    table: Table[int, str] = Table()
    clear: dict[int, str] = {}
    for at, writes in enumerate(layers):
        table = table.fork() if at else table
        for key, record in writes:
            if record is None:
                table.remove(key)
                clear.pop(key, None)
            else:
                table.put(key, record)
                clear[key] = record
    for key in range(7):
        assert table.get(key) == clear.get(key)
        assert (key in table) == (key in clear)
        if key in clear:
            assert table[key] == clear[key]
        else:
            with pytest.raises(KeyError):
                table[key]
    assert dict(table.ordered()) == clear
