"""Every example of docs/explanation/calls.md and liquidation.md does what it says there."""

import contextlib
import io
import re
from itertools import pairwise

import pytest

from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from tests.kit.clearing.call_examples import EXPLANATION, carried_out, example_of
from tests.kit.clearing.crisis import leveraged
from tests.kit.clearing.genesis import CAROL, DOLLAR, USDC_1
from tests.kit.clearing.world import World

PAGES = ("calls.md", "liquidation.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_arithmetic_is_what_the_page_prints(page: str) -> None:
    text = (EXPLANATION / page).read_text()
    blocks = re.findall(r"```(python|text)\n(.*?)```", text, re.DOTALL)
    ran = 0
    for (kind, code), (_, printed) in pairwise(blocks):
        if kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(code, {})  # noqa: S102 - our own page
            assert out.getvalue() == printed
            ran += 1
    assert ran == text.count("```python") > 0


def early() -> World:
    return leveraged(
        CallTerms(
            deadline_blocks=3, early_ppm=400_000, early_release_ppm=250_000, early_blocks=5, early_leaves_blocks=0
        )
    )


def lasting() -> World:
    return leveraged(CallTerms(deadline_blocks=3, early_ppm=400_000, early_release_ppm=250_000, early_blocks=5))


def auction() -> World:
    terms = LiquidationTerms(auction_blocks=4, start_ppm=0, end_ppm=9_000, bidder_share_ppm=400_000)
    return leveraged(liquidation=terms)


def backed() -> World:
    terms = LiquidationTerms(backstop_account=CAROL, step_ppm=500_000, whole_notional=3_000 * DOLLAR, cooldown_blocks=1)
    world = leveraged(liquidation=terms)
    world.block(world.withdrawal(CAROL, USDC_1, 99_000 * DOLLAR))
    return world


WORLDS = {
    ("calls.md", "lapses"): lasting,
    ("calls.md", "shortened"): early,
    ("calls.md", "met"): lasting,
    ("liquidation.md", "sale"): auction,
    ("liquidation.md", "steps"): backed,
}


@pytest.mark.parametrize(("page", "name"), WORLDS)
def test_the_state_machine_does_what_the_page_tells(page: str, name: str) -> None:
    example = example_of(page, name)
    assert carried_out(WORLDS[page, name](), example) == example


def test_no_example_is_left_out() -> None:
    shown = [
        (page, each) for page in PAGES for each in re.findall(r"```example (\w+)", (EXPLANATION / page).read_text())
    ]
    assert shown == list(WORLDS)


@pytest.mark.parametrize(("page", "terms"), [("calls.md", CallTerms()), ("liquidation.md", LiquidationTerms())])
def test_every_term_is_told(page: str, terms: CallTerms | LiquidationTerms) -> None:
    text = (EXPLANATION / page).read_text()
    assert [field for field in terms.__struct_fields__ if f"`{field}`" not in text] == []
