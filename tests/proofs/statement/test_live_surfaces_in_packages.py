"""A live surface in a package: rows follow from it, bounds are the genesis', and the rest is the quorum's word."""

import msgspec
import pytest

from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import MarkPrice, Rulebook, read_rulebook, write_rulebook
from clearing.margin.statement.snapshot import RiskStatement
from clearing.schema.records.prices import FeedStatus
from clearing.schema.risk.live_surface import ExpiryCarry
from clearing.schema.terms.instruments import InstrumentKind
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.attestations import _of_rulebook
from tests.kit.clearing.genesis import ALICE, BOB, BTC, ETH, make_genesis
from tests.kit.clearing.surfaced import BTC_CALL, FAR, FAR_PUT, NEAR, QUOTES, SurfacedWorld, surfaced_genesis

replace = msgspec.structs.replace


def snapshot(world: SurfacedWorld) -> RiskStatement:
    world.block(facts=world.custody_facts(400), prices=tuple(world.ticks.items()))
    return take_snapshot(world.state).statement


@pytest.fixture(scope="module")
def world() -> SurfacedWorld:
    made = SurfacedWorld(surfaced_genesis({"level_max_ppm": 2_000_000, "basis_max_ppm": 50_000}))
    made.quote()
    made.endow(100_000)
    made.quote(QUOTES, made.trade(ALICE, BOB, BTC_CALL, 100, made.state.marks[BTC_CALL].ticks))
    return made


@pytest.fixture(scope="module")
def honest(world: SurfacedWorld) -> RiskStatement:
    return snapshot(world)


def bent(honest: RiskStatement, book: Rulebook) -> RiskStatement:
    """All is computed from this rulebook, as a quorum that lies would."""
    slots, rows = book.slots_and_rows()
    return replace(honest, slots=slots, rows=rows, prices=book.prices, rules=write_rulebook(book))


def with_group(book: Rulebook, **changes: object) -> Rulebook:
    first, second = book.parameters.groups
    return replace(book, parameters=replace(book.parameters, groups=(replace(first, **changes), second)))


def test_a_package_on_a_live_surface_is_good(world, honest):
    book = read_rulebook(honest.rules, 10**6)
    assert book.parameters.groups[0].curve
    assert check_rulebook(honest, world.genesis)
    assert check_rulebook(honest)


def test_a_package_on_the_voted_surface_is_good_too():
    made = SurfacedWorld()
    made.quote(())
    made.endow(1_000)
    statement = snapshot(made)
    assert not read_rulebook(statement.rules, 10**6).parameters.groups[0].curve
    assert check_rulebook(statement, made.genesis)


def test_an_expired_put_that_waits_for_its_price_keeps_a_mark_above_its_strike():
    """At a rate below zero it was worth more than its strike; its feed has halted, and its expiry left the curve."""
    genesis = surfaced_genesis()
    *others, put = genesis.instruments
    deep = replace(put, strike_ticks=40_000_000)
    made = SurfacedWorld(replace(genesis, instruments=(*others, deep)))
    made.quote(tuple(replace(each, rate_ppm=-500_000) for each in QUOTES))
    made.endow(1_000)
    mark = made.state.marks[FAR_PUT]
    assert mark.ticks > deep.strike_ticks
    made.block(facts=made.custody_facts(400), prices=((ETH, 20_001),))
    made.block(prices=((ETH, 20_002),), after_ms=FAR.expiry_ms - made.state.now.time_ms)
    assert made.state.marks[FAR_PUT] == mark
    statement = take_snapshot(made.state).statement
    book = read_rulebook(statement.rules, 10**6)
    assert not book.parameters.groups[0].curve
    assert book.time_ms == FAR.expiry_ms
    assert check_rulebook(statement, made.genesis)
    above = tuple(
        replace(each, ticks=2 * deep.strike_ticks + 1) if each.instrument == FAR_PUT else each for each in book.marks
    )
    with pytest.raises(VerificationFailed) as refused:
        check_rulebook(bent(statement, replace(book, marks=above)), made.genesis)
    assert refused.value.code == ProofCode.PRICE_OUT_OF_BOUNDS


RICH = {
    "put": (InstrumentKind.PUT, 40_000_000, replace(NEAR, rate_ppm=-500_000)),
    "call": (InstrumentKind.CALL, 1, replace(NEAR, forward_ppb=1_090_000_000, rate_ppm=0)),
}


@pytest.mark.parametrize("open_feed", [False, True], ids=["halted", "open"])
@pytest.mark.parametrize("kind", RICH)
def test_an_option_ahead_follows_its_surface_when_a_quote_passes(kind, open_feed):
    """It was worth more than its index or strike on a quote that has expired since; its price has not moved since."""
    option, strike, quote = RICH[kind]
    genesis = surfaced_genesis()
    *others, far = genesis.instruments
    made = SurfacedWorld(replace(genesis, instruments=(*others, replace(far, kind=option, strike_ticks=strike))))
    made.quote((quote,))
    made.endow(1_000)
    mark = made.state.marks[FAR_PUT].ticks
    made.block(facts=made.custody_facts(400), prices=tuple(made.ticks.items()))
    prices = tuple(made.ticks.items()) if open_feed else ((ETH, 20_002),)
    made.block(prices=prices, after_ms=quote.expiry_ms - made.state.now.time_ms)
    assert (made.state.feeds[BTC].status == FeedStatus.OPEN) == open_feed
    statement = take_snapshot(made.state).statement
    book = read_rulebook(statement.rules, 10**6)
    assert not book.parameters.groups[0].curve
    assert check_rulebook(statement, made.genesis)
    assert made.state.marks[FAR_PUT].ticks < mark
    last = tuple(replace(each, ticks=mark) if each.instrument == FAR_PUT else each for each in book.marks)
    with pytest.raises(VerificationFailed) as refused:
        check_rulebook(bent(statement, replace(book, marks=last)), made.genesis)
    assert refused.value.code == ProofCode.PRICE_OUT_OF_BOUNDS


BEYOND = {
    "level": lambda group: {
        "surface": tuple(replace(each, level_ppm=2_000_001) for each in group.surface)
    },
    "skew": lambda group: {"surface": tuple(replace(each, skew_ppm=950_001) for each in group.surface)},
    "wing": lambda group: {"surface": tuple(replace(each, wing_ppm=1_500_001) for each in group.surface)},
    "rate": lambda group: {"curve": (replace(group.curve[0], rate_ppm=500_001), *group.curve[1:])},
    "forward": lambda group: {"curve": (replace(group.curve[0], forward_ppb=1_060_000_000), *group.curve[1:])},
    "volatility": lambda group: {"volatility_ppm": 900_000},
    "smiles": lambda group: {"surface": group.surface[:1]},
    "expiry": lambda group: {"curve": (ExpiryCarry(1, 10**9, 0), *group.curve)},
}  # fmt: skip


@pytest.mark.parametrize("field", BEYOND)
def test_a_surface_beyond_the_terms_of_the_genesis_is_refused(world, honest, field):
    book = read_rulebook(honest.rules, 10**6)
    lie = bent(honest, with_group(book, **BEYOND[field](book.parameters.groups[0])))
    assert check_rulebook(lie), "without the genesis it is the quorum's word"
    with pytest.raises(VerificationFailed, match=f"{field} of the surface of BTC") as refused:
        check_rulebook(lie, world.genesis)
    assert refused.value.code is ProofCode.RULES_DIFFER


def test_a_curve_where_the_genesis_has_no_live_surface_is_refused(world, honest):
    book = read_rulebook(honest.rules, 10**6)
    bare = replace(world.genesis, surfaces=())
    with pytest.raises(VerificationFailed) as refused:
        check_rulebook(honest, bare, network=honest.network)
    assert refused.value.code is ProofCode.RULES_DIFFER
    assert book.parameters.groups[0].curve


def test_a_row_of_another_surface_is_a_difference(honest):
    book = read_rulebook(honest.rules, 10**6)
    first = book.parameters.groups[0]
    other = with_group(book, surface=tuple(replace(each, level_ppm=each.level_ppm + 1_000) for each in first.surface))
    with pytest.raises(VerificationFailed, match="row loss:BTC"):
        check_rulebook(replace(honest, rules=write_rulebook(other)))


@pytest.mark.parametrize(("instrument", "highest"), [(BTC_CALL, 790_000 * 101 // 100), (FAR_PUT, 750_000)])
def test_an_option_is_worth_at_most_its_forward_or_strike(honest, instrument, highest):
    book = read_rulebook(honest.rules, 10**6)
    for mark, good in ((highest, True), (highest + 1, False)):
        marks = tuple(
            MarkPrice(each.instrument, mark) if each.instrument == instrument else each for each in book.marks
        )
        lie = bent(honest, replace(book, marks=marks))
        if good:
            assert check_rulebook(lie)
            continue
        with pytest.raises(VerificationFailed) as refused:
            check_rulebook(lie)
        assert refused.value.code is ProofCode.PRICE_OUT_OF_BOUNDS


def test_at_a_rate_below_zero_an_option_may_be_worth_twice_as_much():
    made = SurfacedWorld()
    made.quote([replace(each, rate_ppm=-300_000) for each in QUOTES])
    made.endow(1_000)
    statement = snapshot(made)
    assert check_rulebook(statement, made.genesis)
    book = read_rulebook(statement.rules, 10**6)
    above = tuple(MarkPrice(each.instrument, 1_500_000) if each.instrument == FAR_PUT else each for each in book.marks)
    assert check_rulebook(bent(statement, replace(book, marks=above)))


def test_every_value_of_the_surface_is_listed_as_the_quorums_word(honest):
    listed = dict(_of_rulebook(read_rulebook(honest.rules, 10**6)))
    for number, each in enumerate((NEAR, FAR), start=1):
        assert listed[f"forward_ppb:BTC:{each.expiry_ms}"] == each.forward_ppb
        assert listed[f"rate_ppm:BTC:{each.expiry_ms}"] == each.rate_ppm
        assert listed[f"level_ppm:BTC:{number}"] == each.level_ppm
        assert listed[f"skew_ppm:BTC:{number}"] == each.skew_ppm
        assert listed[f"wing_ppm:BTC:{number}"] == each.wing_ppm


def test_a_rulebook_without_a_live_surface_has_the_bytes_that_it_had():
    """A record with a further field that is off is written as before, and read with or without it."""
    made = SurfacedWorld(make_genesis())
    made.quote(())
    made.endow(1_000)
    statement = snapshot(made)
    groups = msgspec.msgpack.decode(statement.rules)[1][0]
    assert [len(group) for group in groups] == [10, 10]
    assert read_rulebook(statement.rules, 10**6).parameters.groups == made.genesis.risk.groups
