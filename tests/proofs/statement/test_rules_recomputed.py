"""Slots, rows and prices are those of the stated rulebook, and this is the genesis': every other one is refused.

So a quorum bends no rule without bending a row: no move that the genesis forbids, no price left out.
"""

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import ASSUMPTIONS, UNTESTED_ASSUMPTION, read_rulebook, write_rulebook
from clearing.margin.statement.snapshot import RULES_BYTES_MAX, Slot, SlotKind
from clearing.schema.records.collateral import HaircutRecord
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import (
    JointCredit,
    JointScenario,
    RiskGroup,
    RiskParameters,
    Scenario,
    StressScenario,
    collapse,
)
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import RATE_TIMES_MAX
from clearing.schema.terms.instruments import InstrumentKind
from clearing.state.effective_parameters import current_rulebook
from proofs.epoch.package import read_package, write_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.claim_text import ASSUMPTION_TEXT, assumptions_of
from proofs.verify.file_view import view_of
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, ETH, WETH_1, make_genesis
from tests.kit.clearing.world import World, funded
from tests.kit.proofs.cheated_cover import Forger, lying
from tests.kit.proofs.stressed import snapshot_of

replace = msgspec.structs.replace
PARAMETERS = RiskParameters(
    (
        RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000, short_option_ppm=30_000),
        RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000, scenarios=(Scenario(1, 1, 1), Scenario(-1, 1, 1))),
    ),
    cash_limit_micros=10**9,
    rate_ppm=20_000,
    joint=JointCredit(collapse([(11, 1), (12, 2), (13, 2), (5, 0)]), tail=2, keep_largest=True),
    charges=(LotCharge(1, 5_000, 0, 300, 0, 20_000), LotCharge(3, 0, 10_000)),
    concentration=(ConcentrationTier(3, 1_000_000, 100_000),),
    stress=(StressScenario("crash", (Scenario(-40, 100, 1, of_index=True), Scenario(-50, 100, 1, of_index=True))),),
    default_fund_micros=10**9,
)
(BTC_GROUP, ETH_GROUP), CREDIT = PARAMETERS.groups, PARAMETERS.joint


def world_of(**changes) -> World:
    world = funded(genesis=replace(make_genesis(risk=PARAMETERS), **changes))
    world.deposit(CAROL, WETH_1, 3_000_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    world.block(facts=world.custody_facts(400))
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return world_of()


@pytest.fixture(scope="module")
def statement(world):
    return take_snapshot(world.state).statement


@pytest.fixture(scope="module")
def book(world):
    return current_rulebook(world.state)


def refused(statement, code=ProofCode.RULES_DIFFER, genesis=None, match=None, **trusted):
    with pytest.raises(VerificationFailed, match=match) as caught:
        check_rulebook(statement, genesis, **trusted)
    assert caught.value.code is code


def changed(statement, **fields):
    """A statement whose rulebook differs and whose slots and rows follow."""
    book = replace(read_rulebook(statement.rules, 10**6), **fields)
    slots, rows = book.slots_and_rows()
    return replace(
        statement,
        slots=slots,
        rows=rows,
        prices=book.prices,
        assumptions=book.assumptions,
        rules=write_rulebook(book),
        groups=tuple(group.name for group in book.parameters.groups),
        scenarios=book.parameters.width,
        cover=statement.cover if book.parameters.stress else (),
    )


def test_a_networks_statement_is_computed_again_and_found_to_be_the_genesis(world, statement):
    assert "under the stated parameters" in check_rulebook(statement)
    assert "under the genesis' parameters" in check_rulebook(statement, world.genesis)
    assert {slot.name.split(":")[0] for slot in statement.slots} == {
        *("cash", "token", "position", "max", "short", "charge", "concentration", "tail", "beyond", "joint", "groups"),
        "uncovered",
    }


def test_every_row_is_held_to_its_coefficients_its_constant_and_its_kind(statement):
    for at, row in enumerate(statement.rows):
        slot, value = row.coefficients[-1]
        for other in (
            replace(row, coefficients=(*row.coefficients[:-1], (slot, value - 1))),
            replace(row, coefficients=row.coefficients[1:]),
            replace(row, constant=row.constant + 1),
            replace(row, shortfall=not row.shortfall),
        ):
            refused(replace(statement, rows=(*statement.rows[:at], other, *statement.rows[at + 1 :])))
        refused(replace(statement, rows=(*statement.rows[:at], *statement.rows[at + 1 :])))


def test_slots_groups_scenarios_prices_and_names_of_what_is_outside_are_the_rulebooks(statement):
    slot, *slots = statement.slots
    price, *prices = statement.prices
    for other in (
        {"slots": (replace(slot, name="cash:EUR"), *slots)},
        {"slots": (slot, *slots, Slot("spare", SlotKind.TOKEN))},
        {"groups": statement.groups[::-1]},
        {"scenarios": statement.scenarios + 1},
        {"prices": tuple(prices)},
        {"prices": (replace(price, ticks=1), *prices)},
        {"assumptions": statement.assumptions[1:]},
    ):
        refused(replace(statement, **other))


LOOSER = {
    "a smaller range": {"groups": (replace(BTC_GROUP, range_ppm=100_000), ETH_GROUP)},
    "no minimum": {"groups": (replace(BTC_GROUP, short_option_ppm=0), ETH_GROUP)},
    "a lower maintenance level": {"maintenance_numerator": 3},
    "a larger overdraft": {"cash_limit_micros": 10**12},
    "no charges": {"charges": ()},
    "a cheaper charge": {"charges": (replace(PARAMETERS.charges[0], contingency_ppm=1), PARAMETERS.charges[1])},
    "no concentration limit": {"concentration": ()},
    "more credit": {"joint": replace(CREDIT, weight_ppm=999_999)},
    "a longer tail": {"joint": replace(CREDIT, tail=3)},
    "milder joint scenarios": {"joint": replace(CREDIT, scenarios=(JointScenario((5, 0), 4),))},
    "a milder stress": {"stress": (replace(PARAMETERS.stress[0], moves=(Scenario(-1, 9, 0), Scenario(-1, 9, 0))),)},
    "no stress": {"stress": (), "default_fund_micros": 0},
    "another fund": {"default_fund_micros": 10**10},
    "fewer scenarios": {"scenarios": PARAMETERS.scenarios[:13]},
    "another rate": {"rate_ppm": 21_000},
}


@pytest.mark.parametrize("what", LOOSER)
def test_a_rulebook_of_looser_parameters_is_told_by_the_genesis(world, statement, what):
    looser = changed(statement, parameters=replace(PARAMETERS, **LOOSER[what]))
    assert check_rulebook(looser)
    refused(looser, genesis=world.genesis)


def test_a_rulebook_of_another_listing_is_told_by_the_genesis(world, statement, book):
    call = next(each for each in book.instruments if each.kind is InstrumentKind.CALL)
    strike = tuple(replace(each, strike_ticks=1) if each is call else each for each in book.instruments)
    token = book.tokens[0]
    for fields in (
        {"instruments": strike},
        {"tokens": (replace(token, haircut_ppm=token.haircut_ppm - 1),)},
        {"tokens": (replace(token, haircut_ppm=token.haircut_ppm + 1),)},
        {"tokens": (replace(token, feed_tokens=2),)},
        {"feeds": tuple(replace(each, name=f"{each.name}2") for each in book.feeds)},
    ):
        other = changed(statement, **fields)
        assert check_rulebook(other)
        refused(other, genesis=world.genesis)
    refused(statement, genesis=replace(world.genesis, name="another"))


def test_what_the_market_moves_may_differ_within_the_genesis_bounds():
    """Ranges, volatilities and joint scenarios; and the haircut of a token whose terms let it grow."""
    assets = tuple(
        replace(each, haircut=replace(each.haircut, range_share_ppm=100_000)) if not each.is_cash else each
        for each in make_genesis(risk=PARAMETERS).assets
    )
    ranges = RangeParameters(
        interval_ms=1_000,
        range_min_ppm=50_000,
        range_max_ppm=400_000,
        volatility_weight_ppm=10**6,
        joint_scenarios=4,
        window_min=4,
    )
    moving = world_of(ranges=ranges, assets=assets)
    moving.state.haircuts.put(WETH_1, HaircutRecord(170_000))
    moving.state.arrays_cache = moving.state.previous_arrays = None
    stated = take_snapshot(moving.state).statement
    assert check_rulebook(stated, moving.genesis)

    def under(**changes):
        return changed(stated, parameters=replace(PARAMETERS, **changes))

    def ranged(ppm):
        return (replace(BTC_GROUP, range_ppm=ppm, volatility_ppm=900_000), ETH_GROUP)

    joint = replace(CREDIT, scenarios=(JointScenario((11, 1), 2), JointScenario((12, 2), 2)), tail=1)
    for good in ({"groups": ranged(50_000)}, {"groups": ranged(400_000)}, {"joint": joint}):
        assert check_rulebook(under(**good), moving.genesis)
    for bad in (
        {"groups": ranged(49_999)},
        {"groups": ranged(400_001)},
        {"groups": (replace(BTC_GROUP, short_option_ppm=0), ETH_GROUP)},
        {"joint": replace(joint, tail=2)},
        {"joint": replace(joint, weight_ppm=900_000)},
        {"joint": replace(joint, keep_largest=False)},
        {"joint": replace(joint, scenarios=joint.scenarios[:1])},
        {"joint": replace(joint, scenarios=tuple(JointScenario((n, 0), 1) for n in range(6)))},
        {"joint": JointCredit()},
        {"maintenance_numerator": 3},
    ):
        refused(under(**bad), genesis=moving.genesis)


def test_a_rulebook_that_is_none_is_refused(statement, book):
    token, instrument, *others = book.tokens[0], *book.instruments
    refused(replace(statement, rules=b""))
    for rules in (b"\0", statement.rules + b"\0", statement.rules[:-1], bytes(RULES_BYTES_MAX + 1)):
        refused(replace(statement, rules=rules), ProofCode.BAD_STATEMENT)
    for fields in (
        {"version": 2},
        {"instruments": book.instruments[::-1]},
        {"instruments": (replace(instrument, group=9), *others)},
        {"instruments": (replace(instrument, micros_per_tick=2**62), *others)},
        {"cash_groups": book.cash_groups * 2},
        {"tokens": (token, token)},
        {"tokens": (replace(token, haircut_ppm=10**6 + 1),)},
        {"tokens": (replace(token, unit_decimals=200),)},
        {"tokens": (replace(token, feed_tokens=0),)},
        {"tokens": (replace(token, yields=replace(token.yields, feed=1, unit_ticks=0)),)},
        {"tokens": (replace(token, cash_group=1),)},
        {"tokens": (replace(token, rate_ticks=2**62, yields=replace(token.yields, feed=1, unit_ticks=1)),)},
        {"feeds": book.feeds[::-1]},
        {"feeds": tuple(replace(each, ticks=0) for each in book.feeds)},
        {"feeds": tuple(replace(each, ticks=2**40) for each in book.feeds)},
        {"marks": (*book.marks, replace(book.marks[-1], instrument=99))},
        {"parameters": replace(PARAMETERS, groups=(BTC_GROUP, BTC_GROUP))},
        {"parameters": replace(PARAMETERS, scenarios=())},
        {"parameters": replace(PARAMETERS, joint=replace(CREDIT, scenarios=(JointScenario((99, 0)),)))},
        {"parameters": replace(PARAMETERS, charges=(LotCharge(1, 1, depth_lots=1, sizes_ppm=()),))},
    ):
        refused(replace(statement, rules=encode(replace(book, **fields))), ProofCode.BAD_STATEMENT)


def test_a_rulebook_of_records_that_had_fewer_fields_is_read_with_their_defaults(world, statement):
    """What a later version will meet: fields that this one has not, off by default."""
    older = msgspec.msgpack.decode(statement.rules)
    for instrument in older[2]:
        del instrument[-2:]
    for token in older[4]:
        del token[-1:]
    stated = replace(statement, rules=msgspec.msgpack.encode(older))
    assert len(stated.rules) < len(statement.rules)
    assert check_rulebook(stated, world.genesis) == check_rulebook(statement, world.genesis)


def test_a_rulebook_of_more_than_the_slots_is_refused_before_it_is_computed(statement):
    refused(replace(statement, slots=statement.slots[:3]), ProofCode.BAD_STATEMENT)


def test_every_rule_outside_has_its_sentence_and_an_unknown_one_its_name(statement):
    assert set(ASSUMPTION_TEXT) == {*ASSUMPTIONS, UNTESTED_ASSUMPTION}
    assert statement.assumptions == ASSUMPTIONS
    untested = changed(statement, parameters=replace(PARAMETERS, **LOOSER["no stress"]))
    assert UNTESTED_ASSUMPTION in untested.assumptions
    assert assumptions_of(replace(statement, assumptions=("later_rule",))) == ("Not proven: later_rule.",)
    assert list(ASSUMPTIONS) == sorted(ASSUMPTIONS)


def test_a_feed_that_is_said_to_be_settled_is_named_among_what_is_not_proven(world, statement, book):
    """What it prices is worth nothing and risks nothing: its positions could be anything."""
    assert not any("Settled" in limit for limit in assumptions_of(statement))
    feed, *others = book.feeds
    settled = changed(statement, feeds=(replace(feed, used=False), *others))
    assert check_rulebook(settled, world.genesis)
    assert any(limit.startswith("Settled") and feed.name in limit for limit in assumptions_of(settled))


def test_a_shown_package_tells_its_rulebook_by_names(package):
    shown = view_of(package)["statement"]
    book = shown["rules"]["rulebook"]
    assert book["parameters"]["groups"][0]["name"] == "BTC"
    assert [each["name"] for each in book["instruments"]] == ["BTC-PERP", "ETH-PERP"]
    assert shown["assumptions"][0] == "auction_liquidity"
    bare = read_package(package)
    unread = write_package(replace(bare, statement=replace(bare.statement, rules=b"\1")))
    assert view_of(unread)["statement"]["rules"]["bytes"] == "0x01"


LEVERED = {  # account: cash, WETH, BTC-PERP, BTC-PUT, ETH-PERP; only the first lacks anything, in a crash
    1: (9 * 10**9, 0, 5_000, 0, 0),
    2: (7 * 10**9, 0, 0, 0, 0),
    3: (6 * 10**9, 0, 0, 0, 0),
}


@pytest.mark.parametrize(
    ("moving", "good", "bad"),
    [
        ({}, {"volatility_range_ppm": 300_000}, {"volatility_ppm": 900_000}),
        ({}, {}, {"volatility_ppm": 1}),
        ({}, {}, {"volatility_range_ppm": 199_999}),
        ({"volatility_multiple_ppm": 0}, {}, {"volatility_range_ppm": 300_000}),
        ({"volatility_weight_ppm": 250_000}, {"volatility_ppm": 600_000}, {"volatility_ppm": 599_999}),
        ({"volatility_weight_ppm": 250_000}, {"volatility_ppm": 2_000_000}, {"volatility_range_ppm": 0}),
        ({"volatility_weight_ppm": 10**6}, {"volatility_ppm": 1}, {"volatility_range_ppm": 199_999}),
    ],
)
def test_a_volatility_moves_no_further_than_the_genesis_lets_it(moving, good, bad):
    world = world_of(ranges=RangeParameters(interval_ms=1_000, **moving))
    stated = take_snapshot(world.state).statement
    first, *others = read_rulebook(stated.rules, 10**6).parameters.groups
    allowed, softened = (
        changed(stated, parameters=replace(PARAMETERS, groups=(replace(first, **group), *others)))
        for group in (good, bad)
    )
    assert check_rulebook(allowed, world.genesis)
    assert check_rulebook(softened)
    refused(softened, genesis=world.genesis)


def test_an_instrument_or_token_whose_feed_has_no_price_is_refused_and_not_worth_nothing(world, statement, book):
    for feed in sorted({each.feed for each in (*book.instruments, *book.tokens)}):
        left = tuple(each for each in book.feeds if each.feed != feed)
        refused(changed(statement, feeds=left), match="no price")
    one_more = replace(book.feeds[-1], feed=99, name="extra")
    refused(changed(statement, feeds=(*book.feeds, one_more)), genesis=world.genesis)


def test_a_tokens_rate_is_the_price_of_its_feed_and_has_a_limit(statement, book):
    feed, rate = book.feeds[0], min(book.feeds[0].ticks, RATE_TIMES_MAX * 1_000)

    def with_rate(ticks, feeds=book.feeds, **yields):
        token, *others = book.tokens
        token = replace(token, rate_ticks=ticks, yields=replace(token.yields, **({"unit_ticks": 1_000} | yields)))
        return changed(statement, tokens=(token, *others), feeds=feeds)

    assert check_rulebook(with_rate(rate, feed=feed.feed))
    assert check_rulebook(with_rate(0))
    for ticks in (rate + 1, rate - 1, 0):
        refused(with_rate(ticks, feed=feed.feed))
    refused(with_rate(1))
    refused(with_rate(0, feed=99), match="no price")
    settled = (replace(feed, used=False), *book.feeds[1:])
    assert check_rulebook(with_rate(0, settled, feed=feed.feed))
    refused(with_rate(rate, settled, feed=feed.feed))


def test_a_fund_of_nothing_leaves_no_member_out_of_the_test(market):
    """Named as the fund's own, an account that lacks a lot is nobody's: a fund of nothing needs no backing."""
    shot = snapshot_of(LEVERED, {}, fund=10**9)
    assert any(shot.statement.cover[0].deficits)
    others = tuple((account, account) for account in (HOUSE_ACCOUNT, 2, 3))
    forger = Forger(shot, lying(shot.statement, fund=0, fund_account=1, members=others))
    last = verify_package(forger.made(market)).checks[-1]
    assert (last.ok, last.code) == (False, ProofCode.RULES_DIFFER)
    assert "account of the fund" in last.detail


def test_a_fund_is_no_larger_than_the_parameters_name():
    stated = snapshot_of(LEVERED, {}).statement
    fund = read_rulebook(stated.rules, 10**6).parameters.default_fund_micros
    assert check_rulebook(lying(stated, fund=fund))
    refused(lying(stated, fund=fund + 1), match="fund")


def test_options_are_valued_at_no_time_after_the_certified_headers(market, package):
    assert verify_package(package).ok
    stated = snapshot_of(LEVERED, {}).statement
    at = read_rulebook(stated.rules, 10**6).time_ms
    assert check_rulebook(stated, certified_ms=at)
    refused(stated, match="after the header", certified_ms=at - 1)
