"""Whoever has receipts and book works the fund out again: sizes, target, parts, calls. Written anew, by hand."""

import random
from fractions import Fraction
from math import ceil

import msgspec
import pytest

from clearing.schema.receipts.default_fund import FundCalled, FundSized
from clearing.schema.terms.default import FundSizing, FundTerms
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, positions_of
from clearing.state.ledger import can_hold
from tests.kit.clearing.fund import CRASH, RALLY, TERMS, fund_genesis, fund_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_FUT, BTC_PERP, CAROL, ETH_PERP
from tests.kit.clearing.world import World, of_kind


def by_hand(world: World) -> tuple[dict[str, dict[int, Fraction]], dict[int, int]]:
    """Of marked instruments alone: losses of every member in each scenario, beyond cash that is not free; margins."""
    state, arrays = world.state, current_arrays(world.state)
    moves = {"crash": (Fraction(-60, 100), Fraction(-70, 100)), "rally": (Fraction(60, 100), Fraction(70, 100))}
    assert [each.name for each in (CRASH, RALLY)] == list(moves)
    lacking: dict[str, dict[int, Fraction]] = {name: {} for name in moves}
    exposures: dict[int, int] = {}
    for account, record in state.accounts.ordered():
        if not can_hold(state, account) or record.member == 0:
            continue
        margin = holdings_margin(arrays, current_holdings(state, account))
        exposures[record.member] = exposures.get(record.member, 0) + margin.initial
        cash = world.cash(account)
        free = min(max(margin.equity - margin.initial, 0), max(cash, 0))
        for name, (btc, eth) in moves.items():
            worth = Fraction(cash)
            for number, lots in positions_of(state, account).lots:
                instrument = state.terms.instruments[number]
                move = btc if instrument.feed == BTC else eth
                change = int(move * state.marks[number].ticks)
                worth += lots * change * instrument.micros_per_tick
            found = lacking[name]
            found[record.member] = found.get(record.member, Fraction(0)) + max(Fraction(0), free - worth)
    return lacking, exposures


def parts_by_hand(target: int, exposures: dict[int, int], terms: FundTerms) -> dict[int, int]:
    """The least that is proportional to exposure but for the minimum: by trying every set that pays the minimum."""
    least = terms.minimum_micros
    weights = exposures if any(exposures.values()) else dict.fromkeys(exposures, 1)
    ordered = sorted(weights, key=lambda each: (weights[each], each))
    for count in range(len(ordered) + 1):
        others, rest = ordered[count:], target - least * count
        whole = sum(weights[each] for each in others)
        if all(Fraction(max(rest, 0) * weights[each], whole) >= least for each in others if whole) and (
            whole or not others
        ):
            raw = dict.fromkeys(ordered[:count], Fraction(least)) | {
                each: Fraction(max(rest, 0) * weights[each], whole) for each in others
            }
            return {
                each: ceil(Fraction(ceil(raw[each]), terms.step_micros)) * terms.step_micros for each in sorted(raw)
            }
    raise AssertionError("nobody pays")


@pytest.mark.parametrize("seed", range(8))
def test_the_receipt_of_a_sizing_is_what_the_book_makes(seed: int) -> None:
    chance = random.Random(seed)
    terms = msgspec.structs.replace(
        TERMS,
        sizing=chance.choice(list(FundSizing)),
        buffer_ppm=chance.choice((0, 77_777)),
        lookback_epochs=2,
        exposure_memory_ppm=chance.choice((0, 700_003)),
        step_micros=chance.choice((1, 1_000_003)),
    )
    world = fund_world(fund_genesis(terms))
    sizes: list[int] = []
    exposures: dict[int, int] = {}
    for _ in range(18):
        buyer, seller = chance.sample((ALICE, BOB, CAROL), 2)
        number, price = chance.choice(((BTC_PERP, 790_000), (BTC_FUT, 790_000), (ETH_PERP, 20_000)))
        world.stride += 4
        trade = world.trade(buyer, seller, number, chance.randrange(1, 20_000), price)
        result = world.block(trade, facts=world.custody_facts(world.stride))
        for sized in of_kind(result, FundSized):
            judge(world, sized, terms, sizes, exposures)
            for called in of_kind(result, FundCalled):
                (part,) = [each for each in sized.parts if each.member == called.member]
                assert called.micros == part.required - part.micros > 0
    assert len(sizes) >= 3


def judge(world: World, sized: FundSized, terms: FundTerms, sizes: list[int], exposures: dict[int, int]) -> None:
    lacking, margins = by_hand(world)
    for member, margin in margins.items():
        exposures[member] = max(margin, ceil(Fraction(exposures.get(member, 0) * terms.exposure_memory_ppm, 10**6)))
    assert {each.member: each.margin for each in sized.parts} == margins
    asked = []
    for scenario in sized.scenarios:
        losses = sorted(lacking[scenario.name].values(), reverse=True)
        told = {member: micros for member, micros in lacking[scenario.name].items() if micros}
        assert dict(scenario.shortfalls).items() <= told.items()
        assert scenario.cover_two == losses[0] + losses[1]
        assert scenario.largest_or_next_two == max(losses[0], losses[1] + losses[2])
        asked.append(scenario.cover_two if terms.sizing is FundSizing.COVER_TWO else scenario.largest_or_next_two)
    sizes.append(ceil(Fraction(max(asked) * (10**6 + terms.buffer_ppm), 10**6)))
    assert list(sized.sizes) == sizes[-2:]
    assert sized.target == max(sizes[-2:])
    assert {each.member: each.exposure for each in sized.parts} == exposures
    assert {each.member: each.required for each in sized.parts} == parts_by_hand(sized.target, exposures, terms)
