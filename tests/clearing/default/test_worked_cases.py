"""Worked cases C3, C4 and C16 to C19, by the functions that the state machine itself calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.default.waterfall import (
    DefaultLoss,
    GainingAccount,
    Survivor,
    allocate_capped,
    allocate_collected,
    run_waterfall,
)
from clearing.default_fund.cover_rules import required_fund_size, stress_size
from clearing.schema.receipts.default import WaterfallLayer
from clearing.schema.terms.default import FundSizing, FundTerms

SCENARIOS = {"A": (120, 80, 60, 10), "B": (90, 95, 20, 70), "C": (40, 130, 0, 50)}


def test_c3_what_was_collected_is_paid_in_proportion_and_the_grand_total_is_unchanged() -> None:
    gains = [80, 8_000]
    paid = allocate_collected(5_080, gains)
    assert gains[1] - paid[1] == 2_970
    assert sum(paid) == 5_080


def test_c4_the_remainder_is_the_lasts() -> None:
    assert allocate_collected(125, [1_250, 5]) == [124, 1]


@pytest.mark.parametrize(("sizing", "size"), [(FundSizing.LARGEST_OR_NEXT_TWO, 160), (FundSizing.COVER_TWO, 200)])
def test_c16_the_fund_is_sized_by_what_members_lack_under_stress(sizing: FundSizing, size: int) -> None:
    sized = [stress_size(name, dict(enumerate(losses, 1))) for name, losses in SCENARIOS.items()]
    assert required_fund_size(sized, 0, FundTerms(cash_group=1, sizing=sizing)) == size


def test_c17_a_loss_of_10_000_goes_through_the_layers_and_1_500_are_assessed() -> None:
    asked = tuple(Survivor(member, weight, weight) for member, weight in ((2, 1_500), (3, 1_000), (4, 500)))
    steps = run_waterfall(DefaultLoss(1, 10_000, 4_000, 1_000, 500, asked, assessment_ppm=1_000_000))
    assert [(step.layer, step.loss_borne) for step in steps] == [
        (WaterfallLayer.OWN_MARGIN, 4_000),
        (WaterfallLayer.OWN_CONTRIBUTION, 1_000),
        (WaterfallLayer.HOUSE_CAPITAL, 500),
        (WaterfallLayer.SURVIVORS, 3_000),
        (WaterfallLayer.ASSESSMENTS, 1_500),
    ]
    assert [share.amount for share in steps[-1].shares] == [750, 500, 250]


def test_c18_gains_of_three_are_cut_by_5_000() -> None:
    gains = (12_000, 8_000, 333)
    (step,) = run_waterfall(
        DefaultLoss(1, 5_000, gainers=tuple(GainingAccount(at, each, 10**9) for at, each in enumerate(gains, 2)))
    )
    assert [gain - share.amount for gain, share in zip(gains, step.shares, strict=True)] == [9_049, 6_033, 251]


def test_c19_100_among_three() -> None:
    assert allocate_capped(100, [1, 1, 1], [100, 100, 100]) == [34, 33, 33]


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), max_size=8))
def test_nobody_is_paid_more_than_its_claim_and_nothing_collected_is_kept(collected: int, claims: list[int]) -> None:
    paid = allocate_collected(collected, claims)
    assert sum(paid) == min(collected, sum(claims))
    assert all(0 <= part <= claim for part, claim in zip(paid, claims, strict=True))
    for part, claim in zip(paid, claims, strict=True):
        assert part * sum(claims) >= claim * min(collected, sum(claims)) - sum(claims)
