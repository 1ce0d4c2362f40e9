"""Who bears a loss: the worked cases, what holds for any figures, and the examples of docs/explanation/waterfall.md.

A line of an example is a verb of the page with its words; what is expected stands last, one line a share: layer, payer,
dollars.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

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
from clearing.schema.receipts.default import DefaultEnded, Deleveraged, LossAllocated, PositionsTornUp, WaterfallLayer
from clearing.schema.terms.default import DefaultTerms
from tests.kit.clearing.defaults import default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import NAMED
from tests.kit.clearing.genesis import BTC_PERP, DOLLAR, USDC_1, WETH_1
from tests.kit.table import dollars as number

PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "waterfall.md"
MEMBERS = {"house": 0, "alice": 1, "bob": 2, "carol": 3, "dave": 4}
LOTS_PER_BTC = 1_000


def examples() -> dict[str, list[list[str]]]:
    """Title of the section to the words of the example's lines."""
    text = PAGE.read_text()
    found = re.findall(r"^### (.+?)$(?:(?!^### ).)*?^```example\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return {title: [line.split() for line in block.splitlines() if line.strip()] for title, block in found}


class Teller:
    """Carries one example out."""

    def __init__(self, terms: list[str]) -> None:
        given = dict(zip(terms[::2], terms[1::2], strict=True))
        self.world = default_world(
            DefaultTerms(
                enabled=True,
                house_capital_micros=number(given.get("house", "500")),
                assessment_ppm=int(given.get("assessments", "0")) * 10_000,
                assessment_blocks=2,
                auction_blocks=2,
                replenishment_blocks=5,
            ),
            FUND,
            dollars=1_000,
        )
        self.world.fund_paid_in()

    def cash(self, *words: str) -> None:
        for name, dollars in zip(words[::2], words[1::2], strict=True):
            self.world.bring(**{name: number(dollars) // DOLLAR})

    def weth(self, name: str, units: str) -> None:
        self.world.deposit(NAMED[name], WETH_1, int(units) * 10**6)

    def trade(self, buyer: str, seller: str, btc: str) -> None:
        ticks = self.world.state.marks[BTC_PERP].ticks
        trade = self.world.perp_trade(NAMED[buyer], NAMED[seller], int(btc) * LOTS_PER_BTC, ticks=ticks)
        assert not self.world.refusals(trade)

    def price(self, dollars: str) -> None:
        self.world.fall(number(dollars) * 100 // DOLLAR)

    def bid(self, name: str, slices: str, ask: str) -> None:
        assert not self.world.refusals(self.world.default_bid(NAMED[name], 1, int(slices), number(ask)))

    def withdraw(self, name: str, dollars: str) -> None:
        assert not self.world.refusals(self.world.withdrawal(NAMED[name], USDC_1, number(dollars)))

    def steps(self) -> list[tuple[str, str, int]]:
        """Every share of the loss that is not nothing, in order, and what positions ended."""
        if not self.world.default().ended_height:
            self.world.until_ended()
        members = {id_: name for name, id_ in MEMBERS.items()}
        accounts = {id_: name for name, id_ in NAMED.items()}
        found: list[tuple[str, str, int]] = []
        for each in (receipt for result in self.world.results for receipt in result.receipts):
            match each:
                case LossAllocated():
                    for step in each.steps:
                        names = accounts if step.layer in (WaterfallLayer.GAINS, WaterfallLayer.CLAIMS) else members
                        shares = ((names[share.payer], share.amount) for share in step.shares if share.amount)
                        found += [(step.layer.name, payer, amount) for payer, amount in shares]
                case Deleveraged():
                    sides = each.counterparties
                    found += [("DELEVERAGED", accounts[account], abs(lots)) for account, *_, lots, _ in sides]
                case PositionsTornUp():
                    found += [("TORN_UP", accounts[account], abs(lots)) for account, lots, _ in each.positions]
                case DefaultEnded() if each.house:
                    found.append(("HOUSE", "house", each.house))
        return found


def carry_out(lines: list[list[str]]) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, int]]]:
    """(what the state machine told, what the page expects)."""
    first, *rest = lines
    assert first[0] == "genesis"
    teller = Teller(first[1:])
    expected: list[tuple[str, str, int]] = []
    for verb, *words in rest:
        if verb.isupper():
            btc = verb in ("DELEVERAGED", "TORN_UP")
            amount = int(words[1]) * LOTS_PER_BTC if btc else number(words[1])
            expected.append((verb, words[0], amount))
        else:
            act: Callable[..., None] = getattr(teller, verb)
            act(*words)
    return teller.steps(), expected


amounts = st.integers(0, 10**12)
survivors = st.lists(st.tuples(amounts, amounts, st.integers(0, 2), st.integers(0, 10**6)), max_size=6).map(
    lambda found: tuple(Survivor(100 + at, *figures) for at, figures in enumerate(found))
)
gainers = st.lists(st.tuples(st.integers(1, 10**12), amounts), max_size=6).map(
    lambda found: tuple(GainingAccount(200 + at, *figures) for at, figures in enumerate(found))
)
losses = st.builds(
    DefaultLoss, st.just(1), amounts, amounts, amounts, amounts, survivors, st.integers(0, 2_000_000), gainers
)


@pytest.mark.parametrize(
    ("collected", "claims", "paid"),
    [
        pytest.param(5_080, [80, 8_000], [50, 5_030], id="c3_in_proportion_to_claims"),
        pytest.param(125, [1_250, 5], [124, 1], id="c4_the_remainder_is_the_lasts"),
    ],
)
def test_what_was_collected_is_paid_out_whole(collected: int, claims: list[int], paid: list[int]) -> None:
    assert allocate_collected(collected, claims) == paid


def test_c17_a_loss_goes_through_margin_contribution_house_and_survivors_and_the_rest_is_assessed() -> None:
    asked = tuple(Survivor(member, part, part) for member, part in ((2, 1_500), (3, 1_000), (4, 500)))
    steps = run_waterfall(DefaultLoss(1, 10_000, 4_000, 1_000, 500, asked, assessment_ppm=1_000_000))
    assert [(step.layer, step.loss_before, step.loss_borne) for step in steps] == [
        (WaterfallLayer.OWN_MARGIN, 10_000, 4_000),
        (WaterfallLayer.OWN_CONTRIBUTION, 6_000, 1_000),
        (WaterfallLayer.HOUSE_CAPITAL, 5_000, 500),
        (WaterfallLayer.SURVIVORS, 4_500, 3_000),
        (WaterfallLayer.ASSESSMENTS, 1_500, 1_500),
    ]
    assert [share.amount for share in steps[-1].shares] == [750, 500, 250]


def test_c18_gains_are_cut_in_proportion() -> None:
    gains = (12_000, 8_000, 333)
    steps = run_waterfall(
        DefaultLoss(1, 5_000, gainers=tuple(GainingAccount(at, each, 10**9) for at, each in enumerate(gains, 2)))
    )
    assert [gain - share.amount for gain, share in zip(gains, steps[0].shares, strict=True)] == [9_049, 6_033, 251]
    assert sum(gains) - steps[0].loss_borne == 15_333


def test_c19_remainders_go_to_the_largest_fraction_then_to_the_first() -> None:
    assert allocate_capped(100, [1, 1, 1], [100, 100, 100]) == [34, 33, 33]


def test_nobody_is_cut_below_its_initial_margin_and_the_others_bear_the_more() -> None:
    gainers = (GainingAccount(2, 1_000, 10), GainingAccount(3, 1_000, 5_000), GainingAccount(4, 500, 0))
    steps = run_waterfall(DefaultLoss(1, 600, gainers=gainers))
    assert [share.amount for share in steps[0].shares] == [10, 590, 0]
    assert len(steps) == 1


def test_those_who_did_not_bid_pay_everything_before_the_others() -> None:
    asked = (Survivor(2, 300, 300, 1), Survivor(3, 200, 200, 0), Survivor(4, 100, 100, 0))
    steps = run_waterfall(DefaultLoss(1, 450, survivors=asked))
    assert [(step.layer, step.loss_borne, tuple(share.amount for share in step.shares)) for step in steps] == [
        (WaterfallLayer.SURVIVORS, 300, (200, 100)),
        (WaterfallLayer.SURVIVORS, 150, (150,)),
    ]


def test_what_was_assessed_before_counts_against_the_cap() -> None:
    asked = (Survivor(2, 0, 1_000, assessed=900), Survivor(3, 0, 1_000))
    steps = run_waterfall(DefaultLoss(1, 5_000, survivors=asked, assessment_ppm=1_000_000))
    assert [share.amount for share in steps[0].shares] == [100, 1_000]
    assert (steps[-1].layer, steps[-1].loss_before) == (WaterfallLayer.TEAR_UP, 3_900)


def test_the_defaulters_own_contribution_is_not_asked_for_twice() -> None:
    asked = (Survivor(1, 500, 500), Survivor(2, 500, 500))
    steps = run_waterfall(DefaultLoss(1, 800, own_contribution=500, survivors=asked))
    assert [share.payer for share in steps[-1].shares] == [2]
    assert steps[-1].loss_borne == 300


@given(losses)
def test_every_unit_of_a_loss_is_borne_once_in_the_order_of_the_layers(loss: DefaultLoss) -> None:
    steps = run_waterfall(loss)
    left = loss.loss
    for step in steps:
        assert step.loss_before == left
        assert step.loss_borne == sum(share.amount for share in step.shares)
        assert all(0 <= share.amount <= share.cap for share in step.shares)
        left -= step.loss_borne
    assert left == (steps[-1].loss_before if steps and steps[-1].layer is WaterfallLayer.TEAR_UP else 0)
    assert [step.layer for step in steps] == sorted(step.layer for step in steps)
    for step, after in pairwise(steps):
        assert after.loss_before == 0 or all(share.amount == share.cap or not share.weight for share in step.shares), (
            "a layer pays nothing while one before it has something left"
        )


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=8), amounts)
def test_shares_are_in_proportion_but_for_caps_and_a_unit(payers: list[tuple[int, int]], total: int) -> None:
    weights, caps = [each[0] for each in payers], [each[1] for each in payers]
    shares = allocate_capped(total, weights, caps)
    assert sum(shares) == min(total, sum(cap for weight, cap in payers if weight))
    free = [at for at in range(len(payers)) if weights[at] and shares[at] < caps[at]]
    for first in free:
        for second in free:
            scale = max(weights[first], weights[second])
            assert abs(shares[first] * weights[second] - shares[second] * weights[first]) <= 2 * scale
        for at in range(len(payers)):
            if weights[at] and at not in free:
                assert (shares[at] - 1) * weights[first] <= (shares[first] + 1) * weights[at]


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), max_size=8))
def test_nobody_is_paid_more_than_its_claim_and_nothing_collected_is_kept(collected: int, claims: list[int]) -> None:
    paid = allocate_collected(collected, claims)
    assert sum(paid) == min(collected, sum(claims))
    for part, claim in zip(paid, claims, strict=True):
        assert 0 <= part <= claim
        assert part * sum(claims) >= claim * min(collected, sum(claims)) - sum(claims)


@pytest.mark.parametrize("title", examples())
def test_the_page_tells_what_the_state_machine_does(title: str) -> None:
    shares, expected = carry_out(examples()[title])
    assert shares == expected


def test_there_is_an_example_for_every_layer() -> None:
    shown = {words[0] for lines in examples().values() for words in lines}
    assert {layer.name for layer in WaterfallLayer} - shown == {WaterfallLayer.TEAR_UP.name, WaterfallLayer.CLAIMS.name}
    assert {"TORN_UP", "DELEVERAGED"} <= shown
    assert len(examples()) == 8
