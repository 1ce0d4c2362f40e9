"""Protections keep a part of what the network began with, and what makes marks moves in steps, however many votes."""

from typing import Any

import msgspec
import pytest

from clearing.governance.immutable_fields import KEPT_DIVISOR, safeguards
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.schema.terms.collateral import CashCallTerms
from clearing.schema.terms.default import DefaultTerms, FundTerms
from clearing.schema.terms.genesis import CrisisParameters, Genesis
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.margin_calls import CallTerms
from clearing.schema.terms.prices import PriceTerms
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.world import World

change = msgspec.structs.replace
DAY = 86_400_000


def protected_genesis() -> Genesis:
    base = governed_genesis()
    crisis = CrisisParameters(
        calls=CallTerms(deadline_blocks=40),
        default=DefaultTerms(
            enabled=True,
            house_capital_micros=1_001,
            assessment_blocks=40,
            auction_blocks=40,
            porting_blocks=40,
            halt_blocks=40,
            replenishment_blocks=40,
        ),
        governance=base.crisis.governance,
        house=HouseTerms(
            capital_micros=1_001, covers_margin=True, disposal_blocks=40, own_default=True, recovery_blocks=40
        ),
    )
    groups = tuple(change(each, short_option_ppm=20_000) for each in base.risk.groups)
    return change(
        base,
        crisis=crisis,
        risk=change(base.risk, groups=groups, rate_ppm=50_000),
        cash_groups=tuple(change(each, call=CashCallTerms(deadline_blocks=40)) for each in base.cash_groups),
        chains=tuple(change(each, heartbeat_ms_max=60_000) for each in base.chains),
        market=change(base.market, prices=PriceTerms(settle_blocks=4_000)),
    )


def refused_at(house: World, *places: tuple[str, object]) -> str:
    refused = house.judged(*places)
    return refused.at if refused else ""


@pytest.fixture(scope="module")
def house() -> World:
    return parliament_world(protected_genesis())


# `gates.…` and the rules about affiliates and growth are booleans, and the fund is off in this genesis: tested where
# they are on. So are sealed bids, and charges on net amounts in `test_market_safeguards.py`.
ON = [field for field, value in safeguards(protected_genesis()) if value > 1 and ".charges." not in field]


@pytest.mark.parametrize("field", ON)
def test_a_protection_keeps_a_quarter_of_what_it_was_at_first(house: World, field: str) -> None:
    first = dict(safeguards(house.genesis))[field]
    least = -(-first // KEPT_DIVISOR)
    assert refused_at(house, (field, 0)) == f"bounds.{field}"
    assert refused_at(house, (field, least - 1)) == f"bounds.{field}"
    assert refused_at(house, (field, least)) == ""
    assert refused_at(house, (field, first + 1)) == ""


def test_every_protection_is_on_in_the_genesis_of_these_rules() -> None:
    off = {field for field, value in safeguards(protected_genesis()) if value <= 1 and ".charges." not in field}
    assert off == {
        "crisis.default.pool_affiliates",
        "crisis.fund.cover_growth",
        "crisis.default.porting_at_maintenance",
        "crisis.default.auction_own_money",
        "crisis.default.reveal_blocks",
        "crisis.fund.minimum_micros",
        "crisis.fund.reduce_blocks",
        "crisis.gates.deficit_reserve",
        "crisis.gates.give_back_expired",
        "crisis.house.covers_margin",
        "crisis.house.own_default",
    }


def test_no_vote_sets_affiliates_or_growth_free() -> None:
    genesis = protected_genesis()
    default = change(genesis.crisis.default, pool_affiliates=True)
    house = parliament_world(change(genesis, crisis=change(genesis.crisis, default=default)))
    field = "crisis.default.pool_affiliates"
    assert refused_at(house, (field, False)) == f"bounds.{field}"
    safe = dict(safeguards(change(genesis, crisis=change(genesis.crisis, fund=FundTerms(cover_growth=True)))))
    assert safe["crisis.fund.cover_growth"] == 1


def test_no_sequence_of_votes_wears_a_protection_away() -> None:
    house = parliament_world(protected_genesis())
    for blocks in (25, 12, 10):
        house.amend(("crisis.calls.deadline_blocks", blocks))
        assert house.state.terms.crisis.calls.deadline_blocks == blocks
    assert refused_at(house, ("crisis.calls.deadline_blocks", 9)) == "bounds.crisis.calls.deadline_blocks"
    assert refused_at(house, ("crisis.calls", CallTerms())) == "bounds.crisis.calls.deadline_blocks"
    # What stands there stays in nobody's way.
    assert refused_at(house, ("market.trade_fee_ppm", 5)) == ""


def test_what_was_switched_on_by_a_vote_is_not_switched_off_by_one() -> None:
    house = parliament_world()
    house.amend(("crisis.calls.deadline_blocks", 40))
    assert refused_at(house, ("crisis.calls.deadline_blocks", 0)) == "bounds.crisis.calls.deadline_blocks"
    assert refused_at(house, ("crisis.calls.deadline_blocks", 5)) == ""


def test_a_chain_that_is_watched_stays_watched(house: World) -> None:
    assert refused_at(house, ("chains.1.heartbeat_ms_max", 0)) == "bounds.chains.1.heartbeat_ms_max"
    assert refused_at(house, ("chains.1.heartbeat_ms_max", 10_000)) == ""


def test_a_feed_opens_again_before_it_settles(house: World) -> None:
    """Two places of which each alone is within its bound."""
    sooner = change(house.genesis.market.prices, settle_blocks=1_000)
    assert refused_at(house, ("market.reopen_blocks", 2_001)) == "bounds.market.reopen_blocks.settle"
    assert refused_at(house, ("market.reopen_blocks", 2_000)) == ""
    both = (("market.reopen_blocks", 501), ("market.prices", sooner))
    assert refused_at(house, *both) == "bounds.market.reopen_blocks.settle"


def test_what_makes_marks_moves_a_step_at_a_time() -> None:
    """A jump of the carry marks every dated position anew, and what one side wins the other has to pay at once."""
    house = parliament_world(protected_genesis())
    assert refused_at(house, ("risk.rate_ppm", 60_001)) == "bounds.risk.rate_ppm.step"
    assert refused_at(house, ("risk.rate_ppm", 39_999)) == "bounds.risk.rate_ppm.step"
    house.amend(("risk.rate_ppm", 60_000))
    assert refused_at(house, ("risk.rate_ppm", 70_000)) == ""


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        ("volatility_ppm", 1_600_000, 1_600_001),
        ("volatility_ppm", 400_000, 399_999),
        ("surface", (VolPillar(DAY, 2_000_000),), (VolPillar(DAY, 2_000_004),)),
        ("surface", (VolPillar(DAY, 500_000), VolPillar(90 * DAY, 1_000_000)), (VolPillar(DAY, 499_998),)),
    ],
)
def test_options_are_marked_at_no_more_than_twice_the_volatility(house: World, path: str, good: Any, bad: Any) -> None:
    place = f"risk.groups.1.{path}"
    assert refused_at(house, (place, good)) == ""
    assert refused_at(house, (place, bad)) == "bounds.risk.groups.1.volatility_ppm.step"
    # Nothing is marked at the volatility of a group without options.
    assert refused_at(house, ("risk.groups.2.volatility_ppm", 4_000_000)) == ""


def test_a_sealed_auction_stays_sealed_with_time_to_commit() -> None:
    genesis = protected_genesis()
    sealed = change(genesis.crisis.default, reveal_blocks=20, auction_own_money=True)
    house = parliament_world(change(genesis, crisis=change(genesis.crisis, default=sealed)))
    at = "bounds.crisis.default"
    assert refused_at(house, ("crisis.default.reveal_blocks", 0)) == f"{at}.reveal_blocks"
    assert refused_at(house, ("crisis.default.reveal_blocks", 36)) == f"{at}.commit_blocks"
    assert refused_at(house, ("crisis.default.auction_own_money", False)) == f"{at}.auction_own_money"
    assert not refused_at(house, ("crisis.default.reveal_blocks", 5))
