"""Calls, auctions and liquidations reach members with their figures, and others' accounts stay masked."""

import pytest

from clearing.state.account_masks import MASKED, account_mask
from tests.kit.clearing.genesis import ALICE, BOB
from tests.kit.clearing.signer import secret
from tests.kit.member.crisis_view import CrisisView
from tests.kit.member.driven_page import NARROW, Step, signed_in, view
from tests.kit.member.page_view import shown

pytestmark = pytest.mark.usefixtures("built_page")
RISK: list[Step] = [["click", "nav a:has-text('Risk')"], ["see", "h2", "Auctions now"]]


def rows(caption: str) -> Step:
    return ["text", f"table:has(caption:text('{caption}')) tbody"]


def test_calls_and_slices_for_sale_are_shown_under_one_mask() -> None:
    crisis = CrisisView()
    mask = f"masked {account_mask(crisis.state.salt, ALICE) - MASKED:010x}"
    read: list[Step] = [
        *RISK,
        ["see", "td", "masked"],
        rows("Calls under way"),
        rows("Slices for sale"),
        rows("Receipts"),
    ]
    other, own = shown(crisis, [*signed_in(BOB, secret(2)), *read], [*signed_in(ALICE, secret(1)), *RISK, *read[-3:]])
    calls, slices, receipts = other.notes[-3:]
    assert all(mask in each and f"account {ALICE} " not in each for each in (calls, slices, receipts))
    assert "lapsed" in calls
    assert f"account {ALICE}" in own.notes[-2]


def test_what_happened_is_said_in_a_sentence_with_its_figures() -> None:
    (scene,) = shown(CrisisView(), [*signed_in(BOB, secret(2)), *RISK, ["see", "summary", "took"], rows("Receipts")])
    assert "took 5% of masked" in scene.notes[-1]
    assert "at a discount of" in scene.notes[-1]
    assert "BTC-PERP 225 of 4,500 lots at 7,250.00" in scene.notes[-1]


def test_the_waterfall_is_a_picture_that_is_said_in_words() -> None:
    (scene,) = shown(CrisisView(), [*view("risk"), ["attribute", "svg.waterfall", "aria-label"]])
    assert scene.notes[-1].startswith("1. The defaulter's margin: all that it has; 2.")


def test_a_member_s_risk_is_accessible_and_fits_a_narrow_screen() -> None:
    steps: list[Step] = [*signed_in(BOB, secret(2)), *RISK, ["see", "summary", "took"], ["axe"], ["width"]]
    for scene in shown(CrisisView(), {"steps": steps}, {"viewport": NARROW, "dark": True, "steps": steps}):
        findings, beyond = scene.notes[-2:]
        assert [each for each in findings if each["impact"] in ("serious", "critical")] == []
        assert beyond == 0
