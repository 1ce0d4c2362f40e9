"""What is settled for good has no mark: nobody's word is needed, and an honest package stands when a feed reopens."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.units import YEAR_MS
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.risk_arrays.reference_arrays import model_mark
from clearing.margin.statement.rulebook import read_rulebook, write_rulebook
from clearing.schema.records.prices import PriceStatus
from clearing.schema.terms.instruments import InstrumentKind
from clearing.state.holdings import current_arrays
from proofs.epoch.package import read_package
from proofs.statement.price_bounds import mark_bounds
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.genesis import BTC, BTC_FUT, BTC_PERP, ETH_PERP, EVERYBODY
from tests.kit.proofs import reopened_feed
from tests.kit.proofs.made_market import FUTURE, listed
from tests.kit.proofs.reopened_feed import OPENED_AT, reopened
from tests.kit.proofs.stressed import MEMBERS, PREMIUM, RULEBOOK, snapshot_of
from tests.vectors.proofs.runner.verify import failed_check

replace = msgspec.structs.replace
SETTLED = (BTC_PERP, BTC_FUT)
FUNDING_OFF = listed(1, "X", FUTURE, 1).funding


def rulebook_of(state):
    return read_rulebook(take_snapshot(state).statement.rules, 10**6)


@pytest.mark.parametrize("btc", [600_000, 790_000, OPENED_AT])
def test_a_statement_after_a_feed_has_opened_again_follows_from_its_rulebook(btc):
    world = reopened(btc)
    assert world.state.feeds[BTC].price_status == PriceStatus.USABLE
    assert all(world.state.marks[each].settled and world.state.marks[each].ticks < 800_000 for each in SETTLED)
    assert all(world.lots(account, each) == 0 for account in EVERYBODY for each in SETTLED)
    statement = take_snapshot(world.state).statement
    assert isinstance(check_rulebook(statement, world.genesis), str)
    assert [mark.instrument for mark in rulebook_of(world.state).marks] == [ETH_PERP]


def test_risk_arrays_and_rulebook_leave_the_same_marks_out():
    state = reopened().state
    book = rulebook_of(state)
    assert book.arrays().rows == current_arrays(state).rows
    kept = replace(
        book, marks=(*(replace(book.marks[0], instrument=each, ticks=790_000) for each in SETTLED), *book.marks)
    )
    assert kept.arrays().rows != current_arrays(state).rows, "the last mark of what is settled moves rows"


def test_both_independent_verifiers_accept_the_package_of_a_settled_perpetual_strictly():
    data = reopened_feed.package()
    verdict = verify_package(data)
    assert verdict.ok, verdict.checks[-1]
    assert failed_check(data) == ("", "")
    assert next(check.complete for check in verdict.checks if check.name == "rules"), "nothing is left to accept"
    named = dict(verdict.attested)
    assert named["index:BTC"] == OPENED_AT
    assert [name for name in named if name.startswith("mark:")] == ["mark:ETH-PERP"]
    assert read_package(data).statement.prices == rulebook_of(reopened().state).prices


def test_a_quorum_that_takes_a_live_instruments_mark_away_hides_no_position():
    """Its positions count as at a mark that the rulebook allows anyway."""
    vectors = {1: (10**11, 2_000_000, 400, -20, 90), 2: (5 * 10**10, 0, -300, 10, 40)}
    without = replace(RULEBOOK, marks=())
    at_index = replace(RULEBOOK, marks=(replace(RULEBOOK.marks[0], ticks=RULEBOOK.index[1]),))
    assert without.slots_and_rows() == at_index.slots_and_rows()
    statement = snapshot_of(vectors, MEMBERS, without).statement
    assert check_rulebook(statement)
    assert statement.rows != snapshot_of(vectors, MEMBERS).statement.rows
    claimed = replace(statement, rules=write_rulebook(at_index), prices=at_index.prices)
    assert check_rulebook(claimed), "the same rows, with the mark stated"


@given(
    kind=st.sampled_from((InstrumentKind.PERPETUAL, InstrumentKind.FUTURE, InstrumentKind.FORWARD)),
    ticks=st.integers(1, 10**9),
    rate=st.integers(0, 500_000),
    expiry=st.integers(1, 2 * YEAR_MS),
    averaging=st.integers(0, YEAR_MS),
    times=st.tuples(st.integers(0, 3 * YEAR_MS), st.integers(0, 3 * YEAR_MS)).map(sorted),
)
def test_an_instrument_without_a_mark_counts_at_one_within_the_bounds(kind, ticks, rate, expiry, averaging, times):
    listed_ms, now_ms = times
    dated = kind is not InstrumentKind.PERPETUAL
    made = replace(
        listed(1, "X", FUTURE, 1),
        kind=kind,
        expiry_ms=expiry if dated else 0,
        averaging_ms=averaging if dated else 0,
        funding=PREMIUM if not dated else FUNDING_OFF,
    )
    lowest, highest = mark_bounds(made, ticks, rate, latest_ms=now_ms, listed_ms=listed_ms)
    used = model_mark(made, ticks, rate, now_ms)
    assert lowest <= used
    assert highest is None or used <= highest
