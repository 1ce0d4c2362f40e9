"""The requirement from history: exact moves of price and volatility, their expected shortfall, and what it is to the
sum of groups."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given

from clearing.base.codec import encode, encode_trimmed
from clearing.base.errors import LocalFault
from clearing.base.units import PPM, mul_div_up
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.statement.rows import build_rows, build_slots, count_rows
from clearing.margin.statement.snapshot import SlotKind
from clearing.schema.risk.history import HistoricalMove, HistoricalRequirement, HistoricalScenario
from clearing.schema.risk.parameters import RiskParameters, Scenario, check_parameters
from clearing.schema.risk.volatility_surface import VolShock
from clearing.schema.terms.genesis import FIRST_FIELDS
from tests.kit.margin.books import (
    BTC,
    CHARGED,
    ETH,
    HISTORY,
    INDEX,
    JOINT,
    PARAMETERS,
    arrays_of,
    modest_holdings,
)

replace = msgspec.structs.replace
ARRAYS = CHARGED["history"]


def required(*moves: tuple[tuple[int, int], ...], **terms: object) -> RiskParameters:
    """Parameters under these historical scenarios, as (price, volatility) of each group."""
    scenarios = tuple(HistoricalScenario(tuple(HistoricalMove(*move) for move in each)) for each in sorted(moves))
    return replace(PARAMETERS, history=HistoricalRequirement(scenarios, **terms))


def test_a_price_moves_by_the_exact_millionths_and_not_to_a_point_of_the_grid():
    arrays = arrays_of(parameters=required(((-41_003, 0), (7, 0))))
    (btc, eth) = arrays.rows[0], arrays.rows[1]
    column = 1 + arrays.scenarios
    assert btc[column] == -mul_div_up(790_000, 41_003, PPM) * 10  # away from the mark
    assert eth[column] == 100  # 19,400 ticks x 7 ppm is less than a tick
    assert len(btc) == 1 + PARAMETERS.width + 1


def test_volatility_moves_by_the_exact_fraction_scaled_by_the_time_to_expiry():
    shock = VolShock(short_power_ppm=300_000, down_ppm=550_000, up_floor_ppm=450_000)
    groups = (replace(BTC, shock=shock), replace(ETH, shock=shock))
    parameters = replace(required(((0, 123_456), (0, -200_001))), groups=groups)
    arrays = arrays_of(parameters=parameters)
    call, put, column = arrays.rows[3], arrays.rows[4], 1 + arrays.scenarios
    up = mul_div_up(900_000, 123_456, PPM)  # the call has 30 days, so the factor is one
    assert call[column] == option_of(3, 900_000 + up)
    factor = round((30 / 7) ** 0.3 * PPM)
    down = mul_div_up(mul_div_up(1_100_000, 200_001, PPM), factor, PPM)
    assert put[column] == option_of(4, 1_100_000 - down)  # neither the part for falls nor the floor applies


def option_of(place: int, volatility_ppm: int) -> int:
    """Micros of one lot of the small world's option at a volatility, by a listing that is marked at it."""
    groups = tuple(replace(group, volatility_ppm=volatility_ppm) for group in (BTC, ETH))
    return arrays_of(parameters=replace(PARAMETERS, groups=groups)).rows[place][0]


def test_the_requirement_is_the_expected_shortfall_of_the_exact_moves():
    parameters = required(
        ((-231_457, 0), (-287_001, 0)),
        ((52_001, 0), (-12_345, 0)),
        ((187_654, 0), (203_211, 0)),
        tail=1,
        tail_part_ppm=500_000,
        keep_largest=False,
        weight_ppm=999_999,
    )
    margin = account_margin(arrays_of(parameters=parameters), (0, 0), (0,), (100, -50, 0, 0, 0))

    def loss(btc: int, eth: int) -> int:
        sizes = [-(-ticks * abs(ppm) // PPM) for ticks, ppm in ((790_000, btc), (19_400, eth))]
        gains = [size if ppm > 0 else -size for size, ppm in zip(sizes, (btc, eth), strict=True)]
        return -(100 * 10 * gains[0] - 50 * 100 * gains[1])

    losses = sorted((loss(-231_457, -287_001), loss(52_001, -12_345), loss(187_654, 203_211)), reverse=True)
    mean = (losses[0] + Fraction(losses[1], 2)) / Fraction(3, 2)
    assert margin.terms.joint == -(-mean.numerator // mean.denominator)
    assert margin.initial >= margin.terms.joint


def test_history_beyond_the_ranges_is_required_in_full():
    arrays = arrays_of(parameters=required(((-400_000, 0), (-400_000, 0))))
    margin = account_margin(arrays, (0, 0), (0,), (100, 50, 0, 0, 0))
    assert margin.terms.credit < 0
    assert margin.initial == margin.terms.joint == 100 * 10 * 316_000 + 50 * 100 * 7_760
    assert margin.initial > sum(margin.group_losses)


def test_history_has_no_part_in_the_worst_loss_of_a_group():
    plain, past = (account_margin(CHARGED[name], (0, 0), (9,), (9, -4, 3, -2, 7)) for name in ("none", "history"))
    assert plain.group_losses == past.group_losses


@given(modest_holdings)
def test_a_requirement_from_history_is_never_below_its_shortfall(row):
    margin = account_margin(ARRAYS, *row)
    groups = margin.terms.groups(margin.group_losses)
    assert sum(groups) - margin.terms.credit >= margin.terms.joint


def test_each_move_is_a_slot_and_a_row_of_its_own_kind():
    slots = build_slots(ARRAYS)
    of_history = [slot.name for slot in slots if slot.kind is SlotKind.HISTORICAL]
    rows = build_rows(ARRAYS, ARRAYS.parameters)
    assert of_history == [f"history:{number}" for number in range(1, 6)]
    assert [row.name for row in rows if row.name.startswith("history:")] == of_history
    assert len(rows) == count_rows(ARRAYS)
    (least,) = (row for row in rows if row.name == "groups-history")
    names = [slot.name for slot in slots]
    assert dict(least.coefficients) == {names.index("joint"): -1, names.index("groups"): 1}


def test_a_book_sees_a_change_that_only_history_has():
    """The grid's losses of a flat group are the same before and after, those of history are not."""
    still = tuple(replace(group, scenarios=(Scenario(0, 1, 0),)) for group in (BTC, ETH))
    before, after = (
        arrays_of({**INDEX, 1: ticks}, parameters=replace(required(((-100_000, 0), (0, 0))), groups=still))
        for ticks in (790_000, 800_000)
    )
    book = MarginBook(before)
    book.put(7, (10**9, 0), (0,), (5, 0, 0, 0, 0))
    book.remargin()
    book.reprice(after)
    assert book.margin(7).initial == account_margin(after, (10**9, 0), (0,), (5, 0, 0, 0, 0)).initial
    assert book.margins([7]).account(0) == account_margin(after, (10**9, 0), (0,), (5, 0, 0, 0, 0))


def test_without_history_the_bytes_are_what_they_were():
    stated = msgspec.msgpack.decode(encode_trimmed(PARAMETERS, FIRST_FIELDS))
    assert len(stated) == FIRST_FIELDS[RiskParameters]
    assert {len(scenario) for scenario in stated[1]} == {FIRST_FIELDS[Scenario]}
    assert len(msgspec.msgpack.decode(encode(PARAMETERS))) > len(stated)


ONE = HistoricalScenario((HistoricalMove(1), HistoricalMove(2)))
WRONG = {
    "scenarios": HistoricalRequirement((ONE, ONE)),
    "moves": HistoricalRequirement((replace(ONE, moves=ONE.moves[:1]),)),
    "count": HistoricalRequirement((replace(ONE, count=0),)),
    "tail": HistoricalRequirement((ONE,), tail=2),
    "tail_part_ppm": HistoricalRequirement((replace(ONE, count=2),), tail_part_ppm=PPM),
    "weight_ppm": HistoricalRequirement((ONE,), weight_ppm=PPM),
    "price_ppm": HistoricalRequirement((replace(ONE, moves=(HistoricalMove(-3 * PPM - 1), HistoricalMove(2))),)),
    "volatility_ppm": HistoricalRequirement((replace(ONE, moves=(HistoricalMove(1, -PPM - 1), HistoricalMove(2))),)),
}


@pytest.mark.parametrize("field", list(WRONG))
def test_a_history_out_of_bounds_is_refused(field):
    with pytest.raises(LocalFault) as refused:
        check_parameters(replace(PARAMETERS, history=WRONG[field]))
    assert refused.value.at.endswith(field)


def test_history_and_a_credit_by_the_grid_exclude_each_other():
    with pytest.raises(LocalFault) as refused:
        check_parameters(replace(PARAMETERS, history=HISTORY, joint=JOINT))
    assert refused.value.at == "parameters.joint.scenarios"


@pytest.mark.parametrize("stated", [-PPM - 1, 10 * PPM + 1])
def test_a_stated_move_of_volatility_is_bounded(stated):
    grid = (Scenario(0, 1, 0, volatility_ppm=stated),)
    with pytest.raises(LocalFault):
        check_parameters(replace(PARAMETERS, scenarios=grid))


def test_a_scenario_states_volatility_or_a_direction():
    with pytest.raises(LocalFault):
        check_parameters(replace(PARAMETERS, scenarios=(Scenario(0, 1, 1, volatility_ppm=1),)))
