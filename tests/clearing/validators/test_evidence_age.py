"""Evidence is too old only when it is so in blocks and in time, and the times that the state keeps are few."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.units import DAY_MS
from clearing.state.state import State
from clearing.validators.evidence_age import (
    EVIDENCE_HEIGHTS,
    EVIDENCE_MS,
    HEIGHT_TIMES_MAX,
    note_height_time,
    oldest_provable_height,
)
from clearing.validators.validator_sets import validators_at
from cli.operator.vaults.deployment import TRUSTING_DAYS_MAX
from node.config import StateSyncConfig
from tests.kit.clearing.chamber import chamber_world


def leap(state: State, marks: int, ms_per_height: int) -> None:
    """So many times the heights between two known times."""
    for _ in range(marks):
        now = state.now
        height = now.height + EVIDENCE_HEIGHTS
        time_ms = now.time_ms + EVIDENCE_HEIGHTS * ms_per_height
        state.clock.put(0, msgspec.structs.replace(now, height=height, time_ms=time_ms))
        note_height_time(state)


@pytest.fixture
def state() -> State:
    """At the first height whose time is kept."""
    state = chamber_world().state
    state.clock.put(0, msgspec.structs.replace(state.now, height=0))
    return state


def test_evidence_outlives_the_trusting_period_of_light_clients() -> None:
    assert StateSyncConfig().trusting_period_s * 1000 < EVIDENCE_MS


def test_at_fifty_ms_a_height_fourteen_days_can_be_proven(state: State) -> None:
    """100,000 heights alone are an hour and 23 minutes then."""
    leap(state, 400, 50)
    heights_of_trust = 14 * 86_400_000 // 50
    assert oldest_provable_height(state) <= state.now.height - heights_of_trust
    assert validators_at(state, state.now.height - heights_of_trust) is not None


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(13, 5000)), min_size=1, max_size=8))
def test_no_height_is_refused_before_it_is_too_old_in_blocks_and_in_time(paces: list[tuple[int, int]]) -> None:
    state = chamber_world().state
    state.clock.put(0, msgspec.structs.replace(state.now, height=0))
    times = [(1, state.terms.original_genesis.time_ms)]
    for marks, ms_per_height in paces:
        for _ in range(marks):
            leap(state, 1, ms_per_height)
            times.append((state.now.height, state.now.time_ms))
            oldest = oldest_provable_height(state)
            assert oldest <= max(1, state.now.height - EVIDENCE_HEIGHTS)
            young = [height for height, time_ms in times if state.now.time_ms < time_ms + EVIDENCE_MS]
            assert oldest <= min(young)
            kept = state.height_times[0].marks
            assert sum(time_ms + EVIDENCE_MS <= state.now.time_ms for _, time_ms in kept) <= 1, "the others are dropped"


def test_a_block_keeps_its_time_where_the_height_asks_for_it() -> None:
    chamber = chamber_world()
    chamber.state.clock.put(0, msgspec.structs.replace(chamber.state.now, height=EVIDENCE_HEIGHTS - 1))
    chamber.hear({})
    now = chamber.state.now
    assert chamber.state.height_times[0].marks[-1] == (now.height, now.time_ms) == (EVIDENCE_HEIGHTS, now.time_ms)
    assert chamber.read_back().height_times[0] == chamber.state.height_times[0]


def test_the_times_kept_are_bounded_however_fast_heights_are(state: State) -> None:
    leap(state, HEIGHT_TIMES_MAX + 50, 1)
    assert len(state.height_times[0].marks) == HEIGHT_TIMES_MAX


def test_a_short_chain_keeps_no_times() -> None:
    """So that blocks recorded before this rule give the same roots."""
    state = chamber_world().state
    for height in (1, 2, EVIDENCE_HEIGHTS - 1, EVIDENCE_HEIGHTS + 1):
        state.clock.put(0, msgspec.structs.replace(state.now, height=height))
        note_height_time(state)
    assert state.height_times.get(0) is None
    assert oldest_provable_height(state) == 1


def test_a_vault_trusts_a_set_for_a_day_less_than_its_misbehaviour_can_be_proven() -> None:
    assert (TRUSTING_DAYS_MAX + 1) * DAY_MS <= EVIDENCE_MS
