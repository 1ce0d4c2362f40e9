"""Frozen places, bounds, and everything that genesis would refuse: refused when proposed, and again when due."""

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.base.ids import FUND_ACCOUNT
from clearing.genesis.paths import UnknownPathError, change_genesis, type_at, value_at
from clearing.governance.bounds import bounds
from clearing.governance.effects import validate_terms
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.governance import ProposalClosed
from clearing.schema.requests.governance import NO_VALUE, TermsAmendment, TermsChange
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import RiskGroup, Scenario
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.risk.volatility_surface import VolPillar
from clearing.schema.terms.assets import Feed
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import AccountKind, AccountTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.prices import FundingTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, USD
from tests.kit.clearing.world import World, of_kind
from tests.sim.clearing.crisis_terms import STRESS

STALE, FROZEN, REFUSED, BAD = (
    ClearingCode.AMENDMENT_STALE,
    ClearingCode.AMENDMENT_FROZEN,
    ClearingCode.AMENDMENT_REFUSED,
    ClearingCode.BAD_AMENDMENT,
)
HOUSE = parliament_world()


def perpetual(number: int, name: str) -> Instrument:
    return Instrument(number, name, InstrumentKind.PERPETUAL, 1, 1, USD, 10)


def judged(*places: tuple[str, object]) -> int | None:
    """The code of the refusal."""
    refused = HOUSE.judged(*places)
    return int(refused.code) if refused else None


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("name", "another"),
        ("time_ms", 1),
        ("version", 2),
        ("crisis.governance.timelock_floor_ms", 1_500),
        ("ranges.interval_ms", 1_000),
        ("market.request_ms_max", 900_000),
        ("market.snapshot_delay_blocks", 3),
        ("chains.1.vault", b"\x66" * 20),
        ("chains.1", None),
        ("feeds.1.name", "other"),
        ("assets.1.cash_group", 0),
        ("assets.3.token", b"\x66" * 20),
        ("assets.3.unit_decimals", 7),
        ("assets.3.feed", 1),
        ("instruments.1.micros_per_tick", 11),
        ("instruments.2.expiry_ms", 1),
        ("instruments.3.strike_ticks", 1),
        ("instruments.1.group", 2),
        ("risk.groups.1.feed", 2),
        ("members.1", None),
        ("members.0.accounts.77", AccountTerms(77, AccountKind.HOUSE)),
        ("members.1.accounts.4.key", b"\x01" * 20),
        ("members.1.accounts.4", None),
        ("cash_groups.1", None),
    ],
)
def test_what_balances_positions_and_proofs_hang_on_is_frozen(path: str, after: object) -> None:
    assert judged((path, after)) == FROZEN


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("risk.groups.1.range_ppm", 9_999),
        ("risk.groups.1.range_ppm", 0),
        ("risk.groups.1.volatility_range_ppm", 0),
        ("risk.scenarios", (Scenario(1, 1, 0),)),
        ("risk.groups.1.scenarios", (Scenario(1, 1, 0), Scenario(-1, 1, 0, 1))),
        ("risk.groups.2.scenarios", (Scenario(1, 3, 0), Scenario(-1, 3, 0))),
        ("risk.maintenance_numerator", 2),
        ("risk.maintenance_numerator", 6),
        ("risk.maintenance_numerator", 0),
        ("risk.cash_limit_micros", 10**13 + 1),
        ("assets.3.haircut_ppm", 4_999),
        ("assets.3.haircut_ppm", 0),
        ("assets.3.soft_credit_ppm", 500_001),
        ("market.trade_fee_ppm", 10_001),
        ("market.liquidation_penalty_ppm", 100_001),
        ("market.liquidations_per_block", 0),
        ("market.move_cap_ppm", 500_001),
        ("market.confidence_ppm_max", 0),
        ("market.report_age_ms_max", 0),
        ("market.withdrawal_valid_ms", 1),
        ("market.epoch_blocks", 100_001),
        ("market.deposit_window", 0),
        ("chains.1.custody_stride", 0),
        ("chains.1.custody_stride", 100_001),
        ("crisis.governance.timelock_ms", 1_999),
        ("crisis.governance.timelock_ms", 0),
        ("crisis.governance.vote_ms", 0),
        ("crisis.governance.vote_ms", 59_999),
        ("crisis.default.assessment_ppm", 2_000_001),
        ("crisis.default.auction_worst_ppm", 1_000_001),
        ("crisis.default.auction_absence_ppm", 500_001),
        ("crisis.default.porting_blocks", 100_001),
        ("crisis.fund.minimum_micros", 10**13 + 1),
        ("crisis.fund.buffer_ppm", 1_000_001),
        ("crisis.fund.call_blocks", 9),
        ("crisis.liquidation.end_ppm", 200_001),
        ("crisis.liquidation.block_notional_max", 1),
        ("crisis.gates", WithdrawalControlTerms(assets=(AssetWithdrawalLimits(1, window_units_max=1),))),
        ("crisis.gates", WithdrawalControlTerms(assets=(AssetWithdrawalLimits(1, owner_units_max=1),))),
        ("crisis.gates", WithdrawalControlTerms(assets=(AssetWithdrawalLimits(1, delay_blocks=100_001),))),
        ("crisis.governance.halt_blocks_max", 31),
        # What would void a protection without naming it: no time in a call, a cap without a period, a queue of one,
        # a chain that is always silent, a price that is always off, a report that is fresh for weeks.
        ("crisis.calls.urgent_ppm", 900_001),
        ("crisis.default.assessment_period_blocks", 9_999),
        ("crisis.gates.waiting_max", 63),
        ("chains.1.heartbeat_ms_max", 9_999),
        ("assets.1.depeg", DepegTerms(feed=1, band_ppm=4_999, unit_decimals=2)),
        ("assets.1.depeg", DepegTerms(feed=1, halt_ms=9_999, unit_decimals=2)),
        ("market.report_ahead_ms_max", 60_001),
        ("market.reopen_blocks", 100_001),
        # A price that nobody tells any more liquidates for good, or ends every position at once.
        ("market.prices.grace_blocks", 101),
        ("market.prices.settle_blocks", 99),
        ("market.prices.settle_blocks", 100_001),
        ("market.prices.sources_min", 9),
        ("market.prices.auction_blocks", 100_001),
        ("market.prices.auction_band_ppm", 200_001),
        # What leaves no price good, or no time to open again: then everything settles.
        ("market.move_cap_ppm", 9_999),
        ("market.confidence_ppm_max", 499),
        ("market.report_age_ms_max", 999),
        # Marks that follow trades, carry or volatility as far as a vote likes.
        ("instruments.1.funding.premium_cap_ppm", 100_001),
        ("risk.rate_ppm", 200_001),
        ("risk.groups.1.volatility_ppm", 49_999),
        ("risk.groups.1.volatility_ppm", 5_000_001),
        ("risk.groups.1.surface", (VolPillar(86_400_000, 6_250_001),)),
        ("risk.groups.1.shock.down_ppm", 99_999),
        # Deadlines without an end, some by many steps.
        ("cash_groups.1.call.deadline_blocks", 100_001),
        ("cash_groups.1.call.auction_blocks", 100_001),
        ("soft_credit.recall_blocks", 100_001),
        ("soft_credit.restriction_blocks", 100_001),
        ("crisis.calls.congestion_step_blocks", 10_001),
        ("crisis.liquidation.cooldown_blocks", 5_001),
        ("chains.1.heartbeat_ms_max", 7 * 86_400_000 + 1),
        ("assets.1.depeg", DepegTerms(feed=1, halt_ms=7 * 86_400_000 + 1, unit_decimals=2)),
        # What takes money in small bites, often, or at the door.
        ("cash_groups.1.skew.rate_ppm", 20_001),
        ("instruments.1.funding", FundingTerms(interval_ms=1_000, period_ms=1_000, rate_cap_ppm=50_000)),
        # What no view has room for, or a terminal would obey.
        ("instruments.9", perpetual(9, "y" * 65)),
        ("instruments.9", perpetual(9, "")),
        ("instruments.9", perpetual(9, "\x1b[2J")),
        ("feeds.3", Feed(3, "\u202e")),
        ("members.1.name", "m" * 65),
        # What would make a block, or what all keep, as long as somebody likes.
        ("cash_groups.1.interest.interval_ms", 999),
        ("market.liquidations_per_block", 10_001),
        ("market.deposit_window", (1 << 16) + 1),
        ("market.statement_days", 93),
        ("market.member_accounts_max", (1 << 14) + 1),
        ("instruments.1.band_ppm", 0),
        ("instruments.4.funding.interval_ms", 5),
    ],
)
def test_no_vote_passes_a_bound(path: str, after: object) -> None:
    assert judged((path, after)) == REFUSED


def test_a_limit_is_a_brake_for_what_is_held_whatever_the_cap_was_voted_down_to_before(house: World) -> None:
    gate = WithdrawalControlTerms(assets=(AssetWithdrawalLimits(1, window_units_max=1),))
    together = house.changes(("assets.1.cap_units", 0), ("crisis.gates", gate))
    house.amend(("assets.1.cap_units", 0))
    assert house.state.terms.assets[1].cap_units == 0
    stale, refused = validate_terms(house.state, together), house.judged(("crisis.gates", gate))
    assert isinstance(stale, Rejected)
    assert stale.code in (REFUSED, STALE)
    assert refused is not None
    assert (refused.code, refused.at) == (REFUSED, "bounds.crisis.gates.assets.1.window_units_max")
    slow = WithdrawalControlTerms(assets=(AssetWithdrawalLimits(1, window_units_max=10**9),))
    assert house.judged(("crisis.gates", slow)) is None


def test_stress_scenarios_are_told_anew_when_another_risk_group_takes_the_place_of_one() -> None:
    groups = HOUSE.genesis.risk.groups
    third = msgspec.structs.replace(groups[1], id=3, name="third")
    three = tuple(msgspec.structs.replace(each, moves=(*each.moves, each.moves[-1])) for each in STRESS)
    risk = msgspec.structs.replace(HOUSE.genesis.risk, groups=(*groups, third), stress=three)
    house = parliament_world(msgspec.structs.replace(governed_genesis(), risk=risk))
    fourth = msgspec.structs.replace(third, id=4, name="fourth")
    # The second group stays for its instruments; the third, the highest id, goes only after another has come.
    four = tuple(msgspec.structs.replace(each, moves=(*each.moves, each.moves[-1])) for each in three)
    house.amend(("risk.groups.4", fourth), ("risk.stress", four))
    assert [group.id for group in house.state.terms.risk.groups] == [1, 2, 3, 4]
    swap = (("risk.groups.3", None), ("risk.groups.5", msgspec.structs.replace(fourth, id=5, name="fifth")))
    refused = house.judged(*swap)
    assert refused is not None
    assert dict(refused.values)["path"] == "risk.stress"
    anew = (msgspec.structs.replace(four[0], name="stated anew"), *four[1:])
    assert house.judged(*swap, ("risk.stress", anew)) is None


def test_every_bound_of_a_genesis_has_a_name_of_its_own() -> None:
    names = [field for field, _, _ in bounds(HOUSE.genesis)]
    assert len(set(names)) == len(names)
    # By default a fund, which is off, has a block for its calls.
    assert [field for field, _, good in bounds(HOUSE.genesis) if not good] == ["crisis.fund.call_blocks.least"]


def test_what_was_beyond_a_bound_at_genesis_stands_in_nobodys_way_but_may_not_get_worse() -> None:
    low = msgspec.structs.replace(HOUSE.genesis.assets[2], haircut_ppm=1_000)
    genesis = msgspec.structs.replace(governed_genesis(), assets=(*HOUSE.genesis.assets[:2], low))
    house = parliament_world(genesis)
    assert house.judged(("market.trade_fee_ppm", 5)) is None
    refused = [house.judged(("assets.3.haircut_ppm", haircut)) is not None for haircut in (999, 2_000, 5_000)]
    assert refused == [True, True, False]


@pytest.mark.parametrize(
    "places",
    [
        # Carry beyond what risk arrays and rulebooks may state.
        [("risk.rate_ppm", 1_000_000), ("instruments.9", Instrument(9, "FAR", InstrumentKind.FUTURE, 1, 1, USD, 65_536,
                                                                    10**15))],
        # A charge whose lines leave their range.
        [("risk.charges.1", LotCharge(1, contingency_ppm=1_000_001))],
        # More joint scenarios, slots or rows than a proof has room for.
        [("risk.groups.1.scenarios", tuple(Scenario(1, 1, 0) for _ in range(65)))],
        [("instruments", tuple(Instrument(1 + at, f"I{at}", InstrumentKind.PERPETUAL, 1, 1, USD, 1)
                                for at in range(300)))],
        # Two of one name: a statement's slots would be ambiguous.
        [("feeds.3", Feed(3, "BTC"))],
        [("instruments.9", Instrument(9, "BTC-PERP", InstrumentKind.PERPETUAL, 1, 1, USD, 10))],
        # An instrument in a group of another feed, or without one.
        [("instruments.9", Instrument(9, "X", InstrumentKind.PERPETUAL, 2, 1, USD, 10))],
        [("instruments.9", Instrument(9, "X", InstrumentKind.PERPETUAL, 9, 1, USD, 10))],
        # A group that is needed.
        [("risk.groups.1", None)],
        # A dated instrument that is over before it begins.
        [("instruments.9", Instrument(9, "X", InstrumentKind.FUTURE, 1, 1, USD, 10, 1_700_000_000_001))],
        # Ranges that a surface was not checked for, windows that cannot be filled.
        [("ranges", RangeParameters(window=5, window_min=6))],
        # Caps of a cash group whose balances could leave their range.
        [("assets.1.cap_units", 2**62)],
        # An account of somebody else.
        [("members.1.accounts.2", AccountTerms(2, AccountKind.HOUSE))],
        [("members.1.accounts.281474976710656", AccountTerms(2**48, AccountKind.HOUSE))],
        [("members.1.trade_address", bytes(20))],
    ],
)  # fmt: skip
def test_what_genesis_would_refuse_is_refused(places: list[tuple[str, object]]) -> None:
    assert judged(*places) in (REFUSED, FROZEN)


def test_no_vote_makes_epochs_shorter_than_their_commitments_take() -> None:
    """A header would carry the commitments of another epoch than its own, and every verifier would refuse it."""
    delay = HOUSE.state.terms.market.snapshot_delay_blocks
    assert judged(("market.epoch_blocks", delay)) == REFUSED
    assert judged(("market.epoch_blocks", delay + 2)) is None


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("market", b""),
        ("market.trade_fee_ppm", b"\xcd\x00\x64"),
        ("market.trade_fee_ppm", b"\xff"),
        ("market.trade_fee_ppm", encode("100")),
        ("market.trade_fee_ppm", encode(2**32)),
        ("market.trade_fee_ppm", b""),
        ("market.nothing", b"\x01"),
        ("instruments.1.nothing", b"\x01"),
        ("instruments.01.band_ppm", b"\x01"),
        ("instruments.-1", b""),
        ("instruments.9.band_ppm", b"\x01"),
        ("instruments.9", encode(HOUSE.genesis.instruments[0])),
        ("market.trade_fee_ppm.x", b"\x01"),
        ("__class__", b"\x01"),
        ("", b"\x01"),
        (".", b"\x01"),
        ("instruments.1.", b"\x01"),
        ("instruments.99999999999999999999999", b"\x01"),
    ],
)
def test_a_change_is_typed_canonical_and_of_a_place_that_is(path: str, after: bytes) -> None:
    change = TermsChange(path, NO_VALUE, after)
    present = {"market": HOUSE.genesis.market, "market.trade_fee_ppm": 5}
    if path in present:
        change = msgspec.structs.replace(HOUSE.changes((path, present[path])).changes[0], after=after)
    found = validate_terms(HOUSE.state, TermsAmendment((change,)))
    assert isinstance(found, Rejected)
    assert found.code in (BAD, STALE)


def test_an_amendment_that_no_pool_would_take_is_refused_in_a_block_too(house: World) -> None:
    """A validator whose turn it is to propose could else have everybody keep half a megabyte, and show it to nobody."""
    long = TermsAmendment(tuple(TermsChange(f"instruments.{10 + at}", NO_VALUE, bytes(16 << 10)) for at in range(2)))
    (refused,) = of_kind(house.block(house.proposal(long, 1)), Refused)
    assert (refused.code, refused.at) == (REFUSED, "proposal.bytes")


def test_an_amendment_that_changes_nothing_is_none() -> None:
    assert judged(("market.trade_fee_ppm", 0)) == BAD


def test_what_may_be_when_proposed_and_may_not_when_due_is_closed_and_the_network_goes_on(house: World) -> None:
    house.agree(house.changes((f"instruments.{BTC_CALL}", None)))
    mark = house.state.marks[BTC_CALL].ticks
    assert house.refusals(house.trade(ALICE, BOB, BTC_CALL, 1, mark)) == []
    house.wait(4)
    assert [each.code for each in house.last(ProposalClosed)] == [REFUSED]
    assert BTC_CALL in house.state.terms.instruments
    house.block()


PROTECTED = {
    "crisis.calls.deadline_blocks": 5,
    "crisis.default.house_capital_micros": 10**9,
    "crisis.default.porting_blocks": 5,
    "crisis.default.assessment_blocks": 5,
    "crisis.fund.reduce_blocks": 5,
    "crisis.gates.deficit_reserve": True,
    "crisis.gates.give_back_expired": True,
    "cash_groups.1.call.deadline_blocks": 4,
    "risk.groups.1.short_option_ppm": 20_000,
    "market.prices.settle_blocks": 100,
}


@pytest.mark.parametrize("path", PROTECTED)
def test_what_protects_somebody_may_be_voted_for_but_not_away(house: World, path: str) -> None:
    off = value_at(house.genesis, path)
    house.amend((path, PROTECTED[path]))
    assert value_at(house.state.terms.genesis, path) == PROTECTED[path]
    refused = house.judged((path, off))
    assert refused is not None
    assert refused.at == f"bounds.{path}"


def test_default_and_fund_may_be_voted_for_but_not_away() -> None:
    house = parliament_world(
        msgspec.structs.replace(governed_genesis(), risk=msgspec.structs.replace(HOUSE.genesis.risk, stress=STRESS))
    )
    house.amend(("crisis.default.enabled", True), ("crisis.fund.cash_group", 1))
    assert FUND_ACCOUNT in house.state.accounts
    house.block(house.perp_trade(ALICE, BOB, 10))
    house.wait(12)
    for place in (("crisis.default.enabled", False), ("crisis.fund.cash_group", 0)):
        refused = house.judged(place)
        assert refused is not None
        assert refused.code == FROZEN


PATHS = [
    "market", "risk", "ranges", "soft_credit", "crisis", "instruments", "assets", "risk.groups", "risk.joint",
    "market.prices", "instruments.1", "instruments.2", "assets.1", "assets.3", "assets.1.depeg", "assets.3.yields",
    "assets.3.haircut", "cash_groups.1", "cash_groups.1.skew", "chains.1", "members.1", "risk.groups.1.shock",
    "risk.groups.1.surface", "crisis.governance", "instruments.1.funding", "risk.concentration", "venues",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(PATHS), data=st.data())
def test_whatever_of_the_right_type_is_proposed_the_judge_says_yes_or_no(path: str, data: st.DataObject) -> None:
    """Random numbers in every field: no exception gets out, and what is accepted can carry blocks."""
    value = value_at(HOUSE.genesis, path)
    assert type_at(path) is not None
    fields = [(name, getattr(value, name)) for name in getattr(value, "__struct_fields__", ())]
    whole = [(name, present) for name, present in fields if isinstance(present, int) and not isinstance(present, bool)]
    if not whole:
        return
    name, present = data.draw(st.sampled_from(whole))
    numbers = (0, 1, 2, present + 1, max(present - 1, 0), 10**6, 2**31, 2**32 - 1, 2**62, 2**63 - 1)
    place = (f"{path}.{name}", data.draw(st.sampled_from(numbers)))
    changed = change_genesis(HOUSE.genesis, HOUSE.changes(place).changes)
    if isinstance(changed, Rejected) or changed == HOUSE.genesis or HOUSE.judged(place) is not None:
        return
    event(place[0])
    world = parliament_world(governed_genesis(), dollars=1_000)
    world.amend(place)
    world.block(world.perp_trade(ALICE, BOB))
    world.block()


def test_a_path_leads_to_a_place_or_says_where_it_ends() -> None:
    with pytest.raises(UnknownPathError, match="there is no field nowhere"):
        value_at(HOUSE.genesis, "market.nowhere")
    assert value_at(HOUSE.genesis, "instruments.77") is None
    assert type_at("instruments.77") is Instrument
    assert type_at("risk.groups.1") is RiskGroup
