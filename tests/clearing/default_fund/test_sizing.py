"""How large the default fund has to be and who contributes how much: figures in, figures out, and the receipts worked
out again by hand from the book.
"""

import random
from fractions import Fraction
from itertools import pairwise
from math import ceil

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.apply_block import apply_block
from clearing.default_fund.cover_rules import (
    contribution_parts,
    cover_two,
    largest_or_next_two,
    recent_sizes,
    required_fund_size,
    stress_size,
)
from clearing.default_fund.sizing import stressed_equities
from clearing.margin.statement.stress import StressArrays, stressed_equity
from clearing.schema.receipts.default_fund import FundCalled, FundSized
from clearing.schema.terms.default import FundSizing, FundTerms
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin, positions_of
from clearing.state.ledger import can_hold
from tests.kit.clearing.defaults import default_world
from tests.kit.clearing.fund import CRASH, RALLY, fund_genesis, fund_world
from tests.kit.clearing.fund import TERMS as BLOCK_TERMS
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_FUT, BTC_PERP, CAROL, ETH_PERP
from tests.kit.clearing.world import World, of_kind

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
    other = msgspec.structs.replace(TERMS, sizing=FundSizing.LARGEST_OR_NEXT_TWO)
    assert required_fund_size(scenarios, 0, other) == 160


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
    exposed = {1: 30, 2: 10, 3: 60}
    minimum = msgspec.structs.replace(TERMS, minimum_micros=20)
    assert contribution_parts(100, exposed, TERMS) == exposed
    assert contribution_parts(100, exposed, minimum) == {1: 27, 2: 20, 3: 54}
    stepped = msgspec.structs.replace(minimum, step_micros=25)
    assert contribution_parts(100, exposed, stepped) == {1: 50, 2: 25, 3: 75}
    assert contribution_parts(5, {1: 30, 2: 0}, minimum) == {1: 20, 2: 20}
    assert contribution_parts(100, {1: 0, 2: 0, 3: 0}, TERMS) == {1: 34, 2: 34, 3: 34}


@given(st.integers(0, 10**13), exposures, st.integers(0, 10**9), st.integers(1, 10**6))
def test_parts_reach_the_target_and_nobody_pays_more_than_its_share_step_and_minimum(
    target: int, exposed: dict[int, int], minimum: int, step: int
) -> None:
    terms = msgspec.structs.replace(TERMS, minimum_micros=minimum, step_micros=step)
    parts = contribution_parts(target, exposed, terms)
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


sizes = st.tuples(st.integers(1, 2), st.integers(0, 2), st.integers(0, 3), st.integers(1, 3))
wide = st.integers(-(2**62), 2**62) | st.integers(-100, 100)
units = st.integers(0, 2**56) | st.integers(0, 100)
lots = st.integers(-(2**39), 2**39) | st.integers(-100, 100)


@given(st.data(), sizes)
def test_many_accounts_stressed_at_once_are_worth_what_each_is_by_itself(
    data: st.DataObject, sizes: tuple[int, int, int, int]
) -> None:
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
    columns = (rows(wide, cash, count), rows(units, tokens, count), rows(lots, instruments, count))
    held = [Holdings(*each) for each in zip(*columns, strict=True)]
    expected = [stressed_equity(stress, own.cash, own.tokens, own.lots) for own in held]
    assert stressed_equities(stress, held) == expected


def test_stressed_sums_beyond_64_bits_are_exact() -> None:
    stress = StressArrays(("x",), ((2**61,),), ((),))
    held = [Holdings([2**62], [], [2**39]), Holdings([-1], [], [-1])]
    assert stressed_equities(stress, held) == [[2**62 + 2**100], [-1 - 2**61]]


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
        BLOCK_TERMS,
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
        shortfalls = {member: micros for member, micros in lacking[scenario.name].items() if micros}
        assert dict(scenario.shortfalls).items() <= shortfalls.items()
        assert scenario.cover_two == losses[0] + losses[1]
        assert scenario.largest_or_next_two == max(losses[0], losses[1] + losses[2])
        asked.append(scenario.cover_two if terms.sizing is FundSizing.COVER_TWO else scenario.largest_or_next_two)
    sizes.append(ceil(Fraction(max(asked) * (10**6 + terms.buffer_ppm), 10**6)))
    assert list(sized.sizes) == sizes[-2:]
    assert sized.target == max(sizes[-2:])
    assert {each.member: each.exposure for each in sized.parts} == exposures
    assert {each.member: each.required for each in sized.parts} == parts_by_hand(sized.target, exposures, terms)


def test_the_fund_is_sized_after_an_account_was_closed_as_by_who_never_knew_of_it() -> None:
    """Any member can open an account, use it and close it again: no later block may stop for that."""
    world = default_world()
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    other = world.open_account(ALICE)
    for request in (world.transfer(ALICE, other, 7), world.transfer(other, ALICE, 7), world.closing(other)):
        assert not world.refusals(request)
    assert other not in world.state.accounts
    (sized,) = of_kind(world.pass_epoch(), FundSized)
    assert sized.target > 0
    world.pass_epoch()
    world.state.fund_sizes.put(0, msgspec.structs.replace(world.state.fund_sizes[0], epoch=0))
    stranger, block = world.read_back(), world.make_block()
    (fork, result), (other_fork, other_result) = apply_block(world.state, block), apply_block(stranger, block)
    assert of_kind(result, FundSized), "sized again"
    assert (result, fork.module_roots()) == (other_result, other_fork.module_roots())
