"""Slots, rows and prices are those of the stated rulebook, and this is the genesis': every other one is refused."""

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import ASSUMPTIONS, UNTESTED_ASSUMPTION, read_rulebook
from clearing.margin.statement.snapshot import RULES_BYTES_MAX, Slot, SlotKind
from clearing.schema.records.collateral import HaircutRecord
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import JointCredit, JointScenario, Scenario
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.instruments import InstrumentKind
from clearing.state.effective_parameters import current_rulebook
from proofs.epoch.package import read_package, write_package
from proofs.errors import ProofCode
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.claim_text import ASSUMPTION_TEXT, assumptions_of
from proofs.verify.file_view import view_of
from tests.kit.clearing.genesis import WETH_1, make_genesis
from tests.kit.clearing.world import World
from tests.kit.proofs.recomputed import PARAMETERS, changed, refused, replace, world_of


@pytest.fixture(scope="module")
def world() -> World:
    return world_of()


@pytest.fixture(scope="module")
def statement(world):
    return take_snapshot(world.state).statement


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
    first, *others = statement.slots
    refused(replace(statement, slots=(replace(first, name="cash:EUR"), *others)))
    refused(replace(statement, slots=(*statement.slots, Slot("spare", SlotKind.TOKEN))))
    refused(replace(statement, groups=statement.groups[::-1]))
    refused(replace(statement, scenarios=statement.scenarios + 1))
    refused(replace(statement, prices=statement.prices[1:]))
    refused(replace(statement, prices=(replace(statement.prices[0], ticks=1), *statement.prices[1:])))
    refused(replace(statement, assumptions=statement.assumptions[1:]))


LOOSER = {
    "a smaller range": {"groups": (replace(PARAMETERS.groups[0], range_ppm=100_000), PARAMETERS.groups[1])},
    "no minimum": {"groups": (replace(PARAMETERS.groups[0], short_option_ppm=0), PARAMETERS.groups[1])},
    "a lower maintenance level": {"maintenance_numerator": 3},
    "a larger overdraft": {"cash_limit_micros": 10**12},
    "no charges": {"charges": ()},
    "a cheaper charge": {"charges": (replace(PARAMETERS.charges[0], contingency_ppm=1), PARAMETERS.charges[1])},
    "no concentration limit": {"concentration": ()},
    "more credit": {"joint": replace(PARAMETERS.joint, weight_ppm=999_999)},
    "a longer tail": {"joint": replace(PARAMETERS.joint, tail=3)},
    "milder joint scenarios": {"joint": replace(PARAMETERS.joint, scenarios=(JointScenario((5, 0), 4),))},
    "a milder stress": {"stress": (replace(PARAMETERS.stress[0], moves=(Scenario(-1, 9, 0), Scenario(-1, 9, 0))),)},
    "no stress": {"stress": (), "default_fund_micros": 0},
    "another fund": {"default_fund_micros": 10**10},
    "fewer scenarios": {
        "scenarios": PARAMETERS.scenarios[:13],
        "joint": replace(PARAMETERS.joint, scenarios=PARAMETERS.joint.scenarios),
    },
    "another rate": {"rate_ppm": 0},
}


@pytest.mark.parametrize("what", LOOSER)
def test_a_rulebook_of_looser_parameters_is_told_by_the_genesis(world, statement, what):
    looser = changed(statement, parameters=replace(PARAMETERS, **LOOSER[what]))
    assert check_rulebook(looser)
    refused(looser, genesis=world.genesis)


def test_a_rulebook_of_another_listing_is_told_by_the_genesis(world, statement):
    book = current_rulebook(world.state)
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


RANGES = RangeParameters(
    interval_ms=1_000,
    range_min_ppm=50_000,
    range_max_ppm=400_000,
    volatility_weight_ppm=10**6,
    joint_scenarios=4,
    window_min=4,
)


def test_what_the_market_moves_may_differ_within_the_genesis_bounds():
    """Ranges, volatilities and joint scenarios; and the haircut of a token whose terms let it grow."""
    genesis = make_genesis(risk=PARAMETERS)
    assets = tuple(
        replace(each, haircut=replace(each.haircut, range_share_ppm=100_000)) if not each.is_cash else each
        for each in genesis.assets
    )
    moving = world_of(ranges=RANGES, assets=assets)
    moving.state.haircuts.put(WETH_1, HaircutRecord(170_000))
    moving.state.arrays_cache = moving.state.previous_arrays = None
    stated = take_snapshot(moving.state).statement
    assert check_rulebook(stated, moving.genesis)

    def under(**changes):
        return changed(stated, parameters=replace(PARAMETERS, **changes))

    def ranged(ppm):
        return (replace(PARAMETERS.groups[0], range_ppm=ppm, volatility_ppm=900_000), PARAMETERS.groups[1])

    joint = replace(PARAMETERS.joint, scenarios=(JointScenario((11, 1), 2), JointScenario((12, 2), 2)), tail=1)
    for good in ({"groups": ranged(50_000)}, {"groups": ranged(400_000)}, {"joint": joint}):
        assert check_rulebook(under(**good), moving.genesis)
    for bad in (
        {"groups": ranged(49_999)},
        {"groups": ranged(400_001)},
        {"groups": (replace(PARAMETERS.groups[0], short_option_ppm=0), PARAMETERS.groups[1])},
        {"joint": replace(joint, tail=2)},
        {"joint": replace(joint, weight_ppm=900_000)},
        {"joint": replace(joint, keep_largest=False)},
        {"joint": replace(joint, scenarios=joint.scenarios[:1])},
        {"joint": replace(joint, scenarios=tuple(JointScenario((n, 0), 1) for n in range(6)))},
        {"joint": JointCredit()},
        {"maintenance_numerator": 3},
    ):
        refused(under(**bad), genesis=moving.genesis)


def hostile(statement, **fields):
    book = replace(read_rulebook(statement.rules, 10**6), **fields)
    return replace(statement, rules=encode(book))


def test_a_rulebook_that_is_none_is_refused(world, statement):
    book = current_rulebook(world.state)
    token, group = book.tokens[0], PARAMETERS.groups[0]
    refused(replace(statement, rules=b""))
    for rules in (b"\0", statement.rules + b"\0", statement.rules[:-1], bytes(RULES_BYTES_MAX + 1)):
        refused(replace(statement, rules=rules), ProofCode.BAD_STATEMENT)
    for fields in (
        {"version": 2},
        {"instruments": book.instruments[::-1]},
        {"instruments": (replace(book.instruments[0], group=9), *book.instruments[1:])},
        {"instruments": (replace(book.instruments[0], micros_per_tick=2**62), *book.instruments[1:])},
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
        {"parameters": replace(PARAMETERS, groups=(group, group))},
        {"parameters": replace(PARAMETERS, scenarios=())},
        {"parameters": replace(PARAMETERS, joint=replace(PARAMETERS.joint, scenarios=(JointScenario((99, 0)),)))},
        {"parameters": replace(PARAMETERS, charges=(LotCharge(1, 1, depth_lots=1, sizes_ppm=()),))},
    ):
        refused(hostile(statement, **fields), ProofCode.BAD_STATEMENT)


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
    few = replace(statement, slots=statement.slots[:3])
    refused(few, ProofCode.BAD_STATEMENT)


def test_every_rule_outside_has_its_sentence_and_an_unknown_one_its_name(statement):
    assert set(ASSUMPTION_TEXT) == {*ASSUMPTIONS, UNTESTED_ASSUMPTION}
    assert statement.assumptions == ASSUMPTIONS
    assert (
        UNTESTED_ASSUMPTION
        in changed(statement, parameters=replace(PARAMETERS, stress=(), default_fund_micros=0)).assumptions
    )
    assert assumptions_of(replace(statement, assumptions=("later_rule",))) == ("Not proven: later_rule.",)
    assert list(ASSUMPTIONS) == sorted(ASSUMPTIONS)


def test_a_feed_that_is_said_to_be_settled_is_named_among_what_is_not_proven(world, statement):
    """What it prices is worth nothing and risks nothing: its positions could be anything."""
    assert not any("Settled" in limit for limit in assumptions_of(statement))
    feeds = current_rulebook(world.state).feeds
    settled = changed(statement, feeds=(replace(feeds[0], used=False), *feeds[1:]))
    assert check_rulebook(settled, world.genesis)
    assert any(limit.startswith("Settled") and feeds[0].name in limit for limit in assumptions_of(settled))


def test_a_shown_package_tells_its_rulebook_by_names(package):
    shown = view_of(package)["statement"]
    book = shown["rules"]["rulebook"]
    assert book["parameters"]["groups"][0]["name"] == "BTC"
    assert [each["name"] for each in book["instruments"]] == ["BTC-PERP", "ETH-PERP"]
    assert shown["assumptions"][0] == "auction_liquidity"
    bare = read_package(package)
    unread = write_package(replace(bare, statement=replace(bare.statement, rules=b"\1")))
    assert view_of(unread)["statement"]["rules"]["bytes"] == "0x01"
