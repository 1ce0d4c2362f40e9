"""The arrays of whoever verifies are those of the engine, whatever the surface, shocks, grids, marks and prices."""

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.risk_arrays.reference_arrays import PricedListing, build_reference_arrays
from clearing.margin.statement.rows import build_rows, build_slots
from tests.kit.margin.books import ASSETS, CASH_GROUPS, DAY_MS, INDEX, INSTRUMENTS, NOW_MS
from tests.kit.margin.charged import CHARGED, ONLY
from tests.kit.margin.surfaces import LISTED, parameters

prices = st.one_of(st.integers(1, 2_000_000), st.integers(1, 2**40 - 1))


def both(of, marks, index, time_ms, instruments=INSTRUMENTS):
    listed = (instruments, ASSETS, CASH_GROUPS, marks, index, of, time_ms)
    return build_reference_arrays(PricedListing(*listed)), build_risk_arrays(*listed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    parameters(),
    st.dictionaries(st.sampled_from([1, 2, 3, 4]), prices),
    st.dictionaries(st.sampled_from([1, 2]), prices),
    st.integers(0, 100 * DAY_MS),
)
def test_plain_arrays_are_the_engines(of, marks, index, later_ms):
    plain, fast = both(of, marks, index, NOW_MS + later_ms, LISTED)
    assert plain.rows == fast.rows
    assert plain.token_prices == fast.token_prices
    assert plain.index_ticks == fast.index_ticks
    assert (plain.scenarios, plain.groups) == (fast.scenarios, fast.groups)
    assert all(plain.members(group) == fast.members(group) for group in plain.groups)


@pytest.mark.parametrize("name", ONLY)
def test_slots_and_rows_of_plain_arrays_are_the_engines(name):
    plain, fast = both(ONLY[name], {}, INDEX, NOW_MS)
    assert fast.rows == CHARGED[name].rows
    assert plain.tariff == fast.tariff
    assert build_slots(plain) == build_slots(fast)
    assert build_rows(plain, ONLY[name]) == build_rows(fast, ONLY[name])


def test_rows_of_a_listing_without_options_need_no_numpy():
    code = "import sys, clearing.margin.statement.rulebook; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
