"""How large the default fund has to be, and who contributes how much: figures in, figures out."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.default_fund.cover_rules import (
    contribution_parts,
    cover_two,
    largest_or_next_two,
    recent_sizes,
    required_fund_size,
    stress_size,
)
from clearing.schema.terms.default import FundSizing, FundTerms

C16 = {
    "A": {1: 120, 2: 80, 3: 60, 4: 10},
    "B": {1: 90, 2: 95, 3: 20, 4: 70},
    "C": {1: 40, 2: 130, 3: 0, 4: 50},
}
TERMS = FundTerms(cash_group=1)
exposures = st.dictionaries(st.integers(1, 50), st.integers(0, 10**12), max_size=12)


def test_c16_both_sizes_of_the_fund_over_members_and_scenarios() -> None:
    scenarios = [stress_size(name, lacking) for name, lacking in C16.items()]
    assert [each.cover_two for each in scenarios] == [200, 185, 180]
    assert [each.largest_or_next_two for each in scenarios] == [140, 160, 130]
    assert required_fund_size(scenarios, 0, TERMS) == 200
    assert (
        required_fund_size(scenarios, 0, msgspec.structs.replace(TERMS, sizing=FundSizing.LARGEST_OR_NEXT_TWO)) == 160
    )


def test_a_receipt_names_those_that_the_sizes_are_made_of() -> None:
    assert stress_size("A", C16["A"]).shortfalls == ((1, 120), (2, 80), (3, 60))
    assert stress_size("C", C16["C"]).shortfalls == ((2, 130), (4, 50), (1, 40))
    assert stress_size("even", {5: 7, 3: 7, 4: 7, 2: 0}).shortfalls == ((3, 7), (4, 7), (5, 7))


@pytest.mark.parametrize("losses", [[], [5], [5, 3], [3, 5]])
def test_few_members_have_sizes_too(losses: list[int]) -> None:
    assert cover_two(losses) == sum(losses)
    assert largest_or_next_two(losses) == max(losses, default=0)


@given(st.lists(st.integers(0, 10**15), max_size=8))
def test_cover_two_is_never_the_smaller_size(losses: list[int]) -> None:
    assert cover_two(losses) >= largest_or_next_two(losses) >= max(losses, default=0)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 500_000))
def test_the_house_pays_first_and_the_buffer_rounds_up(asked: int, house: int, buffer: int) -> None:
    terms = msgspec.structs.replace(TERMS, buffer_ppm=buffer)
    got = required_fund_size([stress_size("x", {1: asked})], house, terms)
    assert got * 1_000_000 >= max(asked - house, 0) * (1_000_000 + buffer) > (got - 1) * 1_000_000 or not got


def test_the_largest_of_the_last_epochs_counts() -> None:
    terms = msgspec.structs.replace(TERMS, lookback_epochs=3)
    kept: tuple[int, ...] = ()
    targets = []
    for size in (5, 9, 1, 2, 3):
        kept = recent_sizes(kept, size, terms)
        targets.append(max(kept))
    assert (kept, targets) == ((1, 2, 3), [5, 9, 9, 9, 3])
    assert recent_sizes((7, 8), 1, TERMS) == (1,)


def test_parts_are_in_proportion_to_exposure_with_a_minimum_and_rounded_up() -> None:
    assert contribution_parts(100, {1: 30, 2: 10, 3: 60}, TERMS) == {1: 30, 2: 10, 3: 60}
    minimum = msgspec.structs.replace(TERMS, minimum_micros=20)
    assert contribution_parts(100, {1: 30, 2: 10, 3: 60}, minimum) == {1: 27, 2: 20, 3: 54}
    stepped = msgspec.structs.replace(minimum, step_micros=25)
    assert contribution_parts(100, {1: 30, 2: 10, 3: 60}, stepped) == {1: 50, 2: 25, 3: 75}
    assert contribution_parts(5, {1: 30, 2: 0}, minimum) == {1: 20, 2: 20}
    assert contribution_parts(100, {1: 0, 2: 0, 3: 0}, TERMS) == {1: 34, 2: 34, 3: 34}


@given(st.integers(0, 10**13), exposures, st.integers(0, 10**9), st.integers(1, 10**6))
def test_parts_reach_the_target_and_nobody_pays_more_than_its_share_step_and_minimum(
    target: int, exposed: dict[int, int], minimum: int, step: int
) -> None:
    parts = contribution_parts(
        target, exposed, msgspec.structs.replace(TERMS, minimum_micros=minimum, step_micros=step)
    )
    assert list(parts) == sorted(exposed)
    if not exposed:
        return
    assert sum(parts.values()) >= target
    whole = sum(exposed.values())
    for member, part in parts.items():
        share = target * exposed[member] / whole if whole else target / len(exposed)
        assert part >= minimum
        assert part % step == 0
        assert part <= max(minimum, share * (1 + 1e-9) + 1) + step


@given(st.integers(0, 10**13), exposures, st.integers(0, 10**9))
def test_more_exposure_never_means_a_smaller_part(target: int, exposed: dict[int, int], minimum: int) -> None:
    parts = contribution_parts(target, exposed, msgspec.structs.replace(TERMS, minimum_micros=minimum))
    by_exposure = sorted(exposed, key=lambda each: exposed[each])
    assert all(parts[a] <= parts[b] for a, b in pairwise(by_exposure))


def test_no_size_goes_beyond_what_there_can_be_of_cash() -> None:
    largest = {1: 2**61, 2: 2**61}
    terms = msgspec.structs.replace(TERMS, buffer_ppm=10_000_000, step_micros=2**60 - 1)
    assert stress_size("end of the world", largest).cover_two < 2**63
    size = required_fund_size([stress_size("end of the world", largest)], 0, terms)
    assert size == 2**60
    assert max(contribution_parts(size, {1: 1, 2: 2**61}, terms).values()) < 2**62
