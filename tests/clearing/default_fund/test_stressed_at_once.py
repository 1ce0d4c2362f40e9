"""Many accounts at once are worth in a stress what each is by itself, whatever the sizes."""

from hypothesis import given
from hypothesis import strategies as st

from clearing.default_fund.sizing import stressed_equities
from clearing.margin.statement.stress import StressArrays, stressed_equity
from clearing.state.holdings import Holdings

sizes = st.tuples(st.integers(1, 2), st.integers(0, 2), st.integers(0, 3), st.integers(1, 3))
wide = st.integers(-(2**62), 2**62) | st.integers(-100, 100)
units = st.integers(0, 2**56) | st.integers(0, 100)
lots = st.integers(-(2**39), 2**39) | st.integers(-100, 100)


@given(st.data(), sizes)
def test_all_at_once_is_each_by_itself(data: st.DataObject, sizes: tuple[int, int, int, int]) -> None:
    cash, tokens, instruments, scenarios = sizes

    def rows(each: st.SearchStrategy[int], width: int, count: int) -> list[list[int]]:
        row = st.lists(each, min_size=width, max_size=width)
        return data.draw(st.lists(row, min_size=count, max_size=count))

    stress = StressArrays(
        names=tuple(map(str, range(scenarios))),
        instruments=tuple(map(tuple, rows(wide, instruments, scenarios))),
        tokens=tuple(map(tuple, rows(units, tokens, scenarios))),
    )
    count = data.draw(st.integers(0, 4))
    held = [
        Holdings(*each)
        for each in zip(
            rows(wide, cash, count), rows(units, tokens, count), rows(lots, instruments, count), strict=True
        )
    ]
    expected = [stressed_equity(stress, own.cash, own.tokens, own.lots) for own in held]
    assert stressed_equities(stress, held) == expected


def test_sums_beyond_64_bits_are_exact() -> None:
    stress = StressArrays(("x",), ((2**61,),), ((),))
    held = [Holdings([2**62], [], [2**39]), Holdings([-1], [], [-1])]
    assert stressed_equities(stress, held) == [[2**62 + 2**100], [-1 - 2**61]]
