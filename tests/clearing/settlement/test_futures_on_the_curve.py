"""Dated futures off the agreed forwards: their marks, the ladder of the surface, and what stays as it was."""

import msgspec
import pytest

from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.governance.immutable_fields import check_immutable
from clearing.margin.statement.rulebook import Rulebook, read_rulebook, write_rulebook
from clearing.margin_explanation import collect_margin_inputs
from clearing.margin_simulation import at_index
from clearing.schema.risk.live_surface import PPB
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.schema.terms.instruments import forward_ticks
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import current_arrays
from proofs.errors import VerificationFailed
from proofs.statement.price_bounds import check_price_bounds
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, RISK
from tests.kit.clearing.surfaced import FAR, GROUP, NEAR, NEAR_MS, QUOTES, SurfacedWorld, surfaced_genesis

change = msgspec.structs.replace


def on_curve(expiry_ms: int = NEAR_MS, *, on: bool = True, averaging_ms: int = 0, **terms: int) -> SurfacedWorld:
    """A future on BTC that expires with the near options; carry at three per cent a year."""
    plain = surfaced_genesis(terms, risk=change(RISK, rate_ppm=30_000, futures_on_curve=on))
    perp, future, *rest = plain.instruments
    future = change(future, expiry_ms=expiry_ms, averaging_ms=averaging_ms)
    made = SurfacedWorld(change(plain, instruments=(perp, future, *rest)))
    made.quote()
    made.endow(100_000)
    made.quote()
    return made


def forward(made: SurfacedWorld, forward_ppb: int = NEAR.forward_ppb) -> int:
    index = made.ticks[1]
    return index + index * (forward_ppb - PPB) // PPB


def carried(made: SurfacedWorld, expiry_ms: int = NEAR_MS) -> int:
    return forward_ticks(made.ticks[1], expiry_ms, 30_000, made.state.now.time_ms)


def mark(made: SurfacedWorld) -> int:
    return made.state.marks[BTC_FUT].ticks


def test_a_future_is_marked_at_the_agreed_forward_of_its_expiry() -> None:
    made = on_curve()
    assert mark(made) == forward(made) != carried(made)
    made.quote(btc=801_000)
    assert mark(made) == forward(made)
    made.check_replay()


def test_a_moved_forward_is_paid_while_the_index_stands_still() -> None:
    made = on_curve()
    made.quote(QUOTES, made.trade(ALICE, BOB, BTC_FUT, 100, mark(made)))
    before, cash = mark(made), made.cash(ALICE)
    made.quote((change(NEAR, forward_ppb=1_015_000_000), FAR))
    assert mark(made) == forward(made, 1_015_000_000) > before
    assert made.cash(ALICE) - cash == 100 * (mark(made) - before) * 10
    made.check_replay()


def test_without_the_switch_futures_are_carried_at_the_rate() -> None:
    made = on_curve(on=False)
    assert mark(made) == carried(made)


def test_validators_agree_on_the_expiry_of_a_future_too() -> None:
    between = NEAR_MS + 86_400_000
    for on in (True, False):
        made = on_curve(between, on=on)
        made.quote((NEAR, change(NEAR, expiry_ms=between, forward_ppb=1_012_000_000), FAR))
        assert (between in {each.expiry_ms for each in made.state.surfaces[GROUP].expiries}) is on
        assert mark(made) == (forward(made, 1_012_000_000) if on else carried(made, between))


def test_at_an_expiry_that_the_curve_does_not_state_futures_are_carried_at_the_rate() -> None:
    between = NEAR_MS + 86_400_000
    made = on_curve(between)
    assert mark(made) == carried(made, between)


def test_a_stale_forward_falls_down_the_ladder_of_its_surface() -> None:
    made = on_curve(age_ms_max=1, grace_blocks=2, keep_blocks=4)
    for _ in range(4):
        made.unquoted()
        assert mark(made) == forward(made), "the last agreed one, at the present index"
    made.ticks[1] = 795_000
    made.unquoted()
    assert mark(made) == carried(made), "the voted rate"
    made.quote()
    assert mark(made) == forward(made)


def test_inside_its_averaging_window_the_rest_counts_at_the_forward() -> None:
    made = on_curve(averaging_ms=3_600_000)
    made.quote(after_ms=NEAR_MS - 1_800_000 - made.time_ms)
    half = mark(made)
    made.quote((change(NEAR, forward_ppb=1_015_000_000), FAR), after_ms=1)
    assert half < mark(made) < forward(made, 1_015_000_000)
    check_price_bounds(current_rulebook(made.state))


def test_settlement_is_at_the_index_as_before() -> None:
    made = on_curve()
    made.quote((FAR,), after_ms=NEAR_MS - made.time_ms)
    settled = made.state.marks[BTC_FUT]
    assert settled.settled
    assert settled.ticks == made.ticks[1]


def test_rows_and_package_are_of_the_same_mark() -> None:
    made = on_curve()
    for _ in range(2):
        book = current_rulebook(made.state)
        assert current_arrays(made.state).rows == book.arrays().rows
        assert read_rulebook(write_rulebook(book), 10_000) == book
        unmarked = change(book, marks=tuple(each for each in book.marks if each.instrument != BTC_FUT))
        assert unmarked.arrays().rows == book.arrays().rows, "the forward is the mark of one that has none"
        check_price_bounds(book)
        made.quote((change(NEAR, forward_ppb=980_000_000), FAR), btc=801_000)


def test_a_mark_beyond_forward_and_carry_is_out_of_bounds() -> None:
    made = on_curve()
    book, listed_ms = current_rulebook(made.state), made.genesis.time_ms
    low, high = made.ticks[1], max(forward(made), forward_ticks(made.ticks[1], NEAR_MS, 30_000, listed_ms))
    check_price_bounds(marked(book, low), listed_ms=listed_ms)
    check_price_bounds(marked(book, high), listed_ms=listed_ms)
    for ticks in (low - 1, high + 1):
        with pytest.raises(VerificationFailed, match="BTC-FUT"):
            check_price_bounds(marked(book, ticks), listed_ms=listed_ms)


def marked(book: Rulebook, ticks: int) -> Rulebook:
    marks = (change(each, ticks=ticks) if each.instrument == BTC_FUT else each for each in book.marks)
    return change(book, marks=tuple(marks))


def test_a_what_if_moves_the_future_with_its_forward() -> None:
    made = on_curve()
    moved = at_index(collect_margin_inputs(made.state, ALICE), 1, 800_000)
    assert moved.marks[BTC_FUT] == 800_000 + 800_000 * (NEAR.forward_ppb - PPB) // PPB


def test_the_switch_is_part_of_the_network_and_no_vote_changes_it() -> None:
    off, on = surfaced_genesis(), switched(surfaced_genesis())
    assert b"futures_on_curve" not in genesis_to_json(off)
    assert network_id(on) != network_id(off)
    assert genesis_from_json(genesis_to_json(on)) == on
    assert check_immutable(off, on) is not None
    assert check_immutable(on, off) is not None


def switched(genesis: Genesis) -> Genesis:
    return change(genesis, risk=change(genesis.risk, futures_on_curve=True))
