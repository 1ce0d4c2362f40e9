"""No price lies outside of what the rulebook allows beside its index; what is left open is listed by name and value."""

import msgspec
import pytest

from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import MarkPrice, read_rulebook, write_rulebook
from clearing.margin.statement.snapshot import SlotKind
from clearing.schema.terms.instruments import Instrument, InstrumentKind, forward_ticks
from clearing.schema.terms.prices import FundingTerms
from clearing.settlement.funding import perpetual_mark_ticks
from clearing.settlement.settlement_prices import TimeAverage, expected_average_ticks
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.price_bounds import mark_bounds
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, make_genesis
from tests.kit.clearing.world import funded
from tests.kit.proofs.made_market import FUTURE, listed
from tests.kit.proofs.stressed import MEMBERS, PREMIUM, RULEBOOK, snapshot_of

replace = msgspec.structs.replace
VECTORS = {1: (10**11, 2_000_000, 400, -20, 90), 2: (5 * 10**10, 0, -300, 10, 40)}
DAY_MS = 86_400_000
INDEX, CAP = 800_000, PREMIUM.premium_cap_ppm


def marked(ticks: int, instrument: int = 1):
    others = [mark for mark in RULEBOOK.marks if mark.instrument != instrument]
    marks = sorted((*others, MarkPrice(instrument, ticks)), key=lambda mark: mark.instrument)
    return replace(RULEBOOK, marks=tuple(marks))


@pytest.mark.parametrize("ticks", [0, 1, INDEX - INDEX * CAP // 10**6 - 1, INDEX + INDEX * CAP // 10**6 + 1])
def test_a_package_whose_marks_lie_below_or_above_the_rulebooks_bounds_is_refused(market, ticks):
    """All is proven and certified for these marks, and margin is what they make of it."""
    verdict = verify_package(market.honest(snapshot_of(VECTORS, MEMBERS, marked(ticks))))
    last = verdict.checks[-1]
    assert (last.name, last.ok, last.code) == ("rules", False, ProofCode.PRICE_OUT_OF_BOUNDS)
    for word in ("BTC-PERP", f"stated={ticks}", f"index={INDEX}", "lowest=796000", "highest=804000"):
        assert word in last.detail


@pytest.mark.parametrize("ticks", [796_000, 800_000, 804_000])
def test_marks_at_the_bounds_are_good(market, ticks):
    assert verify_package(market.honest(snapshot_of(VECTORS, MEMBERS, marked(ticks)))).ok


def test_a_perpetual_without_a_premium_is_marked_at_its_index():
    for ticks in (19_999, 20_001):
        with pytest.raises(VerificationFailed, match="mark of ETH-PERP"):
            check_rulebook(snapshot_of(VECTORS, MEMBERS, marked(ticks, 3)).statement)
    assert check_rulebook(snapshot_of(VECTORS, MEMBERS, marked(20_000, 3)).statement)


def test_with_the_genesis_its_own_cap_bounds_the_mark():
    """A quorum that states a wider cap beside a lower mark is found out by the genesis."""
    world = funded(genesis=make_genesis())
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    world.block(facts=world.custody_facts(400))
    honest = take_snapshot(world.state).statement
    assert check_rulebook(honest, world.genesis)
    book = read_rulebook(honest.rules, 10**6)
    wide = FundingTerms(premium_cap_ppm=50_000, window_ms=1, depth_lots=1)
    instruments = tuple(replace(each, funding=wide) if each.id == BTC_PERP else each for each in book.instruments)
    low = tuple(
        replace(mark, ticks=mark.ticks * 96 // 100) if mark.instrument == BTC_PERP else mark for mark in book.marks
    )
    for listing, code in ((book.instruments, ProofCode.PRICE_OUT_OF_BOUNDS), (instruments, ProofCode.RULES_DIFFER)):
        other = replace(book, instruments=listing, marks=low)
        slots, rows = other.slots_and_rows()
        bent = replace(honest, slots=slots, rows=rows, prices=other.prices, rules=write_rulebook(other))
        with pytest.raises(VerificationFailed) as refused:
            check_rulebook(bent, world.genesis)
        assert refused.value.code is code


def instrument(kind: InstrumentKind, **fields) -> Instrument:
    dated = kind is not InstrumentKind.PERPETUAL
    return Instrument(1, "X", kind, 1, 1, 1, 1, **{"expiry_ms": 100 * DAY_MS if dated else 0, **fields})


@pytest.mark.parametrize("index", [1, 2, 199, 200, 12_345, 10**9])
@pytest.mark.parametrize("cap", [0, 1, 5_000, 999_999])
def test_the_bounds_of_a_perpetual_are_the_extremes_of_the_engines_own_mark(index, cap):
    terms = FundingTerms(premium_cap_ppm=cap, window_ms=1, depth_lots=1) if cap else FundingTerms()
    lowest, highest = mark_bounds(instrument(InstrumentKind.PERPETUAL, funding=terms), index, 0, latest_ms=0)
    assert lowest == perpetual_mark_ticks(index, -(10**12), cap)
    assert highest == perpetual_mark_ticks(index, 10**12, cap)


def test_a_future_is_marked_between_the_index_and_the_index_carried_over_its_life():
    future = instrument(InstrumentKind.FUTURE)
    lowest, highest = mark_bounds(future, 10_000, 50_000, latest_ms=DAY_MS, listed_ms=DAY_MS // 2)
    marks = [forward_ticks(10_000, future.expiry_ms, 50_000, at) for at in (DAY_MS // 2, DAY_MS)]
    assert lowest == 10_000
    assert all(lowest <= mark <= highest for mark in marks)
    assert highest == marks[0]


def test_a_future_in_its_averaging_window_is_bounded_by_the_part_that_is_not_covered():
    future = instrument(InstrumentKind.FUTURE, averaging_ms=DAY_MS)
    at = future.expiry_ms - DAY_MS // 4
    lowest, highest = mark_bounds(future, 10_000, 0, latest_ms=at)
    crashed = TimeAverage(weighted_ticks=DAY_MS * 3 // 4, covered_ms=DAY_MS * 3 // 4)  # at one tick all the time
    assert (lowest, highest) == (2_500, None)
    assert expected_average_ticks(crashed, DAY_MS, 10_000) >= lowest
    assert mark_bounds(future, 10_000, 0, latest_ms=future.expiry_ms) == (1, None)


@pytest.mark.parametrize("mark", [1, 799_999])
def test_a_header_dated_at_a_futures_expiry_frees_no_mark_of_it(market, mark):
    """What an expired future is worth follows from no index of today; when it is valued says whether it has expired."""
    expiry_ms = RULEBOOK.time_ms + 3 * DAY_MS
    future = listed(1, "BTC-FUT", FUTURE, 1)
    future = replace(future, expiry_ms=expiry_ms)
    book = replace(RULEBOOK, instruments=(future, *RULEBOOK.instruments[1:]), marks=(MarkPrice(1, mark),))
    statement = snapshot_of(VECTORS, MEMBERS, book).statement
    for certified_ms in (book.time_ms, expiry_ms - 1, expiry_ms, expiry_ms + DAY_MS):
        with pytest.raises(VerificationFailed) as fault:
            check_rulebook(statement, certified_ms=certified_ms)
        assert fault.value.code is ProofCode.PRICE_OUT_OF_BOUNDS
    settled = replace(book, time_ms=expiry_ms)
    assert check_rulebook(snapshot_of(VECTORS, MEMBERS, settled).statement, certified_ms=expiry_ms)


def test_an_option_is_worth_no_more_than_its_index_or_its_strike():
    call, put = (instrument(kind, strike_ticks=700) for kind in (InstrumentKind.CALL, InstrumentKind.PUT))
    assert mark_bounds(call, 500, 0, latest_ms=0) == (0, 500)
    assert mark_bounds(put, 500, 0, latest_ms=0) == (0, 700)


def test_a_verdict_lists_by_name_and_value_what_is_the_quorums_word(market):
    shot = snapshot_of(VECTORS, MEMBERS, marked(801_000))
    verdict = verify_package(market.honest(shot))
    listed = dict(verdict.attested)
    assert len(listed) == len(verdict.attested)
    book, terms = read_rulebook(shot.statement.rules, 10**6), shot.statement.custody
    assert listed["valuation_time_ms"] == book.time_ms
    assert listed["mark:BTC-PERP"] == 801_000
    assert [listed[f"index:{name}"] for name in ("BTC", "ETH")] == [800_000, 20_000]
    assert listed["haircut_ppm:31337:WETH"] == 150_000
    assert listed["range_ppm:BTC"] == 200_000
    for term in terms:
        for name in ("released", "later", "strays", "dust"):
            place = f"{name}:{term.chain_id}:0x{term.vault.hex()}:0x{term.token.hex()}"
            assert listed[place] == int.from_bytes(getattr(term, name), "big")
    assert any(slot.kind is SlotKind.TOKEN for slot in shot.statement.slots)
    assert any(f"{len(listed) - 1} values" in limit for limit in verdict.not_proven), "and one is the file's word"
    assert not verify_package(market.honest(shot)[:-1]).attested
