"""Options that settle at a time average are valued by what that average is so far."""

import random
from math import exp, sqrt

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.units import YEAR_MS
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import AverageSoFar, MarkPrice, read_rulebook, write_rulebook
from clearing.margin_explanation import arrays_of_inputs, collect_margin_inputs
from clearing.margin_simulation import at_index
from clearing.pricing.averages import deviation_factor
from clearing.pricing.marks import mark_ticks
from clearing.schema.risk.known_average import KnownAverage, blended_ticks
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.genesis import FIRST_FIELDS, network_id
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import current_arrays
from proofs.errors import VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_CALL, ETH, EXPIRY_MS, RISK, START_MS, make_genesis
from tests.kit.clearing.world import World

change = msgspec.structs.replace
WINDOW_MS = 1_800_000
GROUP = RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000)


def averaged_genesis(*, on: bool = True):
    plain = make_genesis({"report_age_ms_max": 600_000}, change(RISK, averaged_options=on))
    listed = tuple(change(each, averaging_ms=WINDOW_MS) if each.id == BTC_CALL else each for each in plain.instruments)
    return change(plain, instruments=listed)


def world(**more: bool) -> World:
    made = World(averaged_genesis(**more), fresh=True)
    made.block()
    made.endow(1_000_000)
    made.block(made.trade(ALICE, BOB, BTC_CALL, 100, made.state.marks[BTC_CALL].ticks))
    return made


def into_window(made: World, after_ms: int, step_ms: int = 300_000) -> None:
    """Blocks until so long after the window began."""
    end_ms = EXPIRY_MS - WINDOW_MS + after_ms
    while made.time_ms < end_ms:
        made.block(after_ms=min(step_ms, end_ms - made.time_ms))


def agrees_with_its_package(made: World) -> None:
    book = current_rulebook(made.state)
    assert book.arrays().rows == current_arrays(made.state).rows
    assert read_rulebook(write_rulebook(book), 10_000) == book
    inputs = collect_margin_inputs(made.state, ALICE)
    arrays, _ = arrays_of_inputs(inputs)
    assert arrays.rows[0] == current_arrays(made.state).rows[made.state.terms.array_index[BTC_CALL]]
    assert at_index(inputs, BTC, made.ticks[BTC]).marks[BTC_CALL] == made.state.marks[BTC_CALL].ticks


def test_in_its_window_an_option_follows_the_average_and_not_the_index() -> None:
    made, plain = world(), world(on=False)
    for each in (made, plain):
        into_window(each, WINDOW_MS - 60_000)
        each.go(btc=1_000_000)
        each.go(btc=1_000_000, after_ms=30_000)
    average = made.state.settlement_averages[BTC_CALL]
    assert average.covered_ms > WINDOW_MS - 60_000
    settling = int.from_bytes(average.weighted_ticks, "big") // average.covered_ms
    assert settling < 800_000, "it is out of the money, and a minute does not bring it in"
    assert made.state.marks[BTC_CALL].ticks < 2_000
    assert plain.state.marks[BTC_CALL].ticks > 190_000
    agrees_with_its_package(made)
    agrees_with_its_package(plain)


def test_marks_and_rows_move_in_every_block_of_the_window_though_the_index_stands_still() -> None:
    made, marks = world(), []
    made.go(btc=799_000)
    into_window(made, 0)
    for _ in range(4):
        made.block(after_ms=200_000)
        marks.append(made.state.marks[BTC_CALL].ticks)
        agrees_with_its_package(made)
    assert marks == sorted(marks, reverse=True)
    assert len(set(marks)) == 4
    made.check_replay()


def test_a_fork_that_is_read_back_has_the_same_rows() -> None:
    made = world()
    into_window(made, 600_000)
    assert current_arrays(made.read_back()).rows == current_arrays(made.state).rows


def test_the_mark_is_what_the_average_pays_when_the_window_ends() -> None:
    made = world()
    into_window(made, WINDOW_MS - 1_000)
    made.go(btc=900_000, after_ms=500)
    mark = made.state.marks[BTC_CALL].ticks
    made.go(btc=900_000, after_ms=500)
    settled = made.state.marks[BTC_CALL]
    assert settled.settled
    assert abs(settled.ticks - mark) <= 40


def test_the_deviation_is_continuous_where_the_window_begins() -> None:
    known = KnownAverage(WINDOW_MS)
    before = deviation_factor(known, 1, 1, WINDOW_MS)
    inside = deviation_factor(known, 790_000, 790_000, WINDOW_MS - 1)
    assert before == pytest.approx(sqrt(1 / 3), rel=1e-12)
    assert inside == pytest.approx(before, rel=1e-12)
    assert deviation_factor(known, 1, 1, 1_000 * WINDOW_MS) > 0.999
    assert deviation_factor(None, 1, 1, 5) == 1.0


@pytest.mark.parametrize(("covered", "average"), [(0, 0), (900_000, 780_000), (1_500_000, 805_000)])
def test_values_are_those_of_simulated_averages(covered: int, average: int) -> None:
    """Against the mean pay-off of paths of the index, averaged to expiry: within three standard errors."""
    window_ms, strike, index, paths, steps = 86_400_000, 800_000, 790_000, 4_000, 40
    part = covered * window_ms // 1_800_000
    option = Instrument(1, "C", InstrumentKind.CALL, 1, 1, 1, 10, START_MS + window_ms - part, strike,
                        averaging_ms=window_ms)  # fmt: skip
    mark = mark_ticks(option, index, GROUP, 0, START_MS, KnownAverage(window_ms, average * part, part))
    chance, step = random.Random(7), sqrt((window_ms - part) / YEAR_MS / steps) * 0.8
    gains = []
    for _ in range(paths):
        ticks, total = float(index), 0.0
        for _ in range(steps):
            moved = ticks * exp(step * chance.gauss(0.0, 1.0) - step * step / 2)
            total, ticks = total + (ticks + moved) / 2, moved
        mean = (average * part + total / steps * (window_ms - part)) / window_ms
        gains.append(max(mean - strike, 0.0))
    mean = sum(gains) / paths
    error = sqrt(sum((gain - mean) ** 2 for gain in gains)) / paths
    assert abs(mark - mean) <= 3 * error + 1


def test_the_forward_of_an_average_is_its_known_part_and_the_forward_for_the_rest() -> None:
    assert blended_ticks(KnownAverage(1_000, 250 * 80, 250), 100) == 95
    assert blended_ticks(KnownAverage(1_000), 100) == 100
    assert blended_ticks(None, 100) == 100
    assert blended_ticks(KnownAverage(1_000, 2_000 * 80, 2_000), 100) == 80, "a window that went on after expiry"


def test_an_average_that_no_window_can_have_is_refused() -> None:
    made = world()
    into_window(made, 600_000)
    book = current_rulebook(made.state)
    (average,) = book.averages
    ahead = book.time_ms - (EXPIRY_MS - WINDOW_MS) + 1
    for bad in (
        change(average, covered_ms=ahead, weighted_ticks=u256(ahead)), change(average, covered_ms=0),
        change(average, weighted_ticks=u256(2**41 * average.covered_ms)), change(average, weighted_ticks=u256(1)),
        AverageSoFar(1, average.weighted_ticks, average.covered_ms),
    ):  # fmt: skip
        with pytest.raises(RemoteFault, match="averages"):
            read_rulebook(write_rulebook(change(book, averages=(bad,))), 10_000)
    off = change(book, parameters=change(book.parameters, averaged_options=False))
    with pytest.raises(RemoteFault, match="averages"):
        read_rulebook(write_rulebook(off), 10_000)


def test_a_mark_above_index_and_average_is_refused_and_one_below_the_average_is_good() -> None:
    made = World(averaged_genesis(), fresh=True)
    made.go(btc=790_000)
    made.endow(1_000)
    into_window(made, 0)
    made.ticks = {BTC: 950_000, ETH: 20_000}
    made.block()
    into_window(made, 1_200_000)
    made.ticks = {BTC: 760_000, ETH: 20_000}
    made.block()
    made.block(facts=made.custody_facts(400))
    statement = take_snapshot(made.state).statement
    assert check_rulebook(statement, made.genesis)
    book = read_rulebook(statement.rules, 10**6)
    for mark, good in ((800_000, True), (950_001, False)):
        others = [each for each in book.marks if each.instrument != BTC_CALL]
        marks = tuple(sorted((*others, MarkPrice(BTC_CALL, mark)), key=lambda each: each.instrument))
        other = change(book, marks=marks)
        bent = change(statement, prices=other.prices, rules=write_rulebook(other))
        if good:
            assert check_rulebook(bent)
            continue
        with pytest.raises(VerificationFailed, match="mark of BTC-CALL"):
            check_rulebook(bent)


def test_off_it_leaves_the_network_id_as_it_was() -> None:
    assert network_id(averaged_genesis()) != network_id(averaged_genesis(on=False))
    assert len(type(RISK).__struct_fields__) > FIRST_FIELDS[type(RISK)]
