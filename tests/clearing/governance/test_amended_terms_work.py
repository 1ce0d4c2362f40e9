"""What an amendment lists or gives another shape works from that block on, for all alike; a dry run foretells it.

Feeds, chains, assets, instruments, groups, members and venues are listed; grids, credits, charges and guards change.
"""

import msgspec
import pytest

from clearing.apply_block import apply_block
from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.base.secp256k1 import address
from clearing.epochs.snapshot import take_snapshot
from clearing.governance.dry_run import AmendmentImpact, amendment_impact
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.governance import AmendmentEnacted, ProposalMade
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import SPAN_SIXTEEN, JointCredit, RiskGroup, Scenario, collapse
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Asset, Feed
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.collateral import DepegTerms, HaircutTerms, ScenarioTerms, SkewTerms
from clearing.schema.terms.genesis import AccountKind, AccountTerms, MemberTerms, VenueTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.prices import FundingTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, margin_book
from clearing.state.indexes import CURRENCY_HOLDERS, holders
from clearing.trades.session_keys import session_keys
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.detached import GONE, stuck, waited
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_PERP, CAROL, DOLLAR, ETH_PERP, USD, WETH_1
from tests.kit.clearing.requests import SESSION_SECRET
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import DEPOSITOR, World, of_kind

SOL, SOL_PERP, SOL_CALL, SOL_TOKEN = 7, 20, 21, 30
VAULT_3 = b"\xa3" * 20
FEED = ("feeds.7", Feed(SOL, "SOL"))
GROUP = ("risk.groups.7", RiskGroup(7, "SOL", SOL, 300_000, 900_000, 200_000))
PERP = ("instruments.20", Instrument(SOL_PERP, "SOL-PERP", InstrumentKind.PERPETUAL, SOL, 7, USD, 10))
CHAIN = ("chains.3", ChainTerms(3, "chain-3", VAULT_3, 4))
TOKEN = ("assets.30", Asset(SOL_TOKEN, "SOL-3", 3, VAULT_3, b"\xc9" * 20, 9, 6, 0, SOL, 200_000, 10**12))


def agreed_everywhere(house: World) -> None:
    """The state read back has the same roots, terms, margins and answers."""
    copy = house.read_back()
    assert copy.terms.genesis == house.state.terms.genesis
    for account in (0, 1, 2, 3):
        margin = house.margin(account)
        assert holdings_margin(current_arrays(copy), current_holdings(copy, account)) == margin
        assert not account or margin_book(house.state).margin(account) == margin
    block = house.make_block()
    assert apply_block(house.state, block)[1] == apply_block(copy, block)[1]


def test_a_feed_a_group_and_a_perpetual_are_listed_together_and_traded_once_there_is_a_price(house: World) -> None:
    house.block(house.perp_trade(ALICE, BOB, 3))
    assert of_kind(house.amend(FEED, GROUP, PERP), AmendmentEnacted)
    trade = house.trade(ALICE, BOB, SOL_PERP, 5, 10_000)
    assert house.refusals(trade) == [ClearingCode.PRICE_MISSING]
    house.ticks[SOL] = 10_000
    assert not house.refusals(trade)
    assert house.lots(ALICE, SOL_PERP) == 5
    before = house.cash(ALICE)
    house.ticks[SOL] = 10_100
    house.block()
    assert house.cash(ALICE) == before + 5 * 100 * 10
    agreed_everywhere(house)


def test_an_option_on_a_known_feed_is_marked_in_the_block_that_lists_it(house: World) -> None:
    option = Instrument(
        SOL_CALL, "BTC-NEW-C", InstrumentKind.CALL, 1, 1, USD, 10, house.time_ms + 86_400_000, 800_000, 1_000_000
    )
    house.amend(("instruments.21", option))
    mark = house.state.marks[SOL_CALL].ticks
    assert mark > 0
    assert not house.refusals(house.trade(ALICE, BOB, SOL_CALL, 2, mark))
    agreed_everywhere(house)


def test_an_instrument_between_others_moves_no_position(house: World) -> None:
    """Risk arrays are by place: whatever is listed, everybody's margin is of what they hold."""
    house.block(house.perp_trade(ALICE, BOB, 3), house.perp_trade(BOB, ALICE, 7, ETH_PERP, 20_000))
    before = {each: house.lots(ALICE, each) for each in (1, 2, 3, 4)}
    margin = margin_book(house.state).margin(ALICE)
    house.amend(FEED, GROUP, PERP, ("assets.30", msgspec.structs.replace(TOKEN[1], chain_id=1, vault=b"\xa1" * 20)))
    assert {each: house.lots(ALICE, each) for each in (1, 2, 3, 4)} == before
    assert margin_book(house.state).margin(ALICE).initial == margin.initial
    agreed_everywhere(house)


def test_a_chain_with_a_token_takes_deposits(house: World) -> None:
    house.amend(FEED, CHAIN, TOKEN)
    house.ticks[SOL] = 10_000
    fact = DepositSeen(3, VAULT_3, 1, b"\xc9" * 20, ALICE, u256(5 * 10**9), 100, b"\x0b" * 32, b"\x01" * 32, DEPOSITOR)
    credited = of_kind(house.block(facts=[fact]), DepositCredited)
    assert [(each.account, each.units) for each in credited] == [(ALICE, 5 * 10**6)]
    assert margin_book(house.state).margin(ALICE).equity > house.cash(ALICE)
    assert [each.nonce for each in house.results[-1].deposit_cursors] == [4, 0, 1]
    agreed_everywhere(house)


def test_a_member_is_admitted_with_its_accounts_and_trades(house: World) -> None:
    newcomer = MemberTerms(9, "member-9", address(secret(9)), (AccountTerms(90, AccountKind.HOUSE),))
    house.amend(("members.9", newcomer))
    house.owner[90] = 9
    house.pay_in(90, 50_000)
    assert not house.refusals(house.perp_trade(90, BOB))
    assert house.lots(90, BTC_PERP) == 1
    agreed_everywhere(house)


def test_a_member_gets_another_key_and_the_old_one_is_worth_nothing(house: World) -> None:
    house.amend(("members.1.trade_address", address(secret(44))))
    assert house.refusals(house.perp_trade(ALICE, BOB)) == [ClearingCode.WRONG_SIGNER]
    house.owner[ALICE] = 44
    assert not house.refusals(house.perp_trade(ALICE, BOB))


def test_with_a_members_old_key_the_session_keys_that_it_named_end(house: World) -> None:
    """Who stole a key may have named session keys by it."""
    house.block(house.session_key(ALICE))
    trade = house.perp_trade(ALICE, BOB)
    by_session = house.sign(trade, buyer_signature=SESSION_SECRET, seller_signature=house.key_of(BOB))
    house.amend(("members.1.trade_address", address(secret(44))))
    assert house.refusals(by_session) == [ClearingCode.WRONG_SIGNER]
    house.owner[ALICE] = 44
    house.block(house.session_key(ALICE, b"\x5f" * 32))
    assert [each.key for each in session_keys(house.state, ALICE)] == [address(b"\x5f" * 32)]
    assert house.refusals(by_session) == [ClearingCode.WRONG_SIGNER]


def test_with_a_members_old_key_the_seeds_that_it_chose_end(house: World) -> None:
    words = (b"\1" * 32, b"\2" * 32, b"\3" * 32)
    assert not house.refusals(house.seed_rotation(ALICE, words), house.seed_rotation(BOB, words))
    house.amend(("members.1.trade_address", address(secret(44))))
    assert [account for account, _ in house.state.sealed_seeds.ordered()] == [BOB]
    agreed_everywhere(house)


def test_a_venue_is_listed(house: World) -> None:
    house.amend(("venues.5", VenueTerms(5, "venue", b"\x99" * 20, fee_ppm=10)))
    assert house.state.terms.venues[5].fee_ppm == 10
    agreed_everywhere(house)


def test_what_nobody_holds_can_be_taken_off_and_what_somebody_holds_cannot(house: World) -> None:
    house.block(house.trade(ALICE, BOB, 2, 1, 790_000))
    assert house.refusals(house.proposal(house.changes(("instruments.2", None)))) == [ClearingCode.AMENDMENT_REFUSED]
    house.amend(("instruments.3", None))
    assert 3 not in house.state.terms.instruments
    assert 3 not in house.state.marks
    agreed_everywhere(house)
    # The highest id stays, so that no id ever means two things; for the same reason none comes back.
    for amendment in (("instruments.4", None), ("instruments.3", house.genesis.instruments[2])):
        assert house.refusals(house.proposal(house.changes(amendment))) == [ClearingCode.AMENDMENT_FROZEN]


def test_a_feed_that_was_never_priced_and_stops_epochs_can_be_taken_off_again(house: World) -> None:
    house.amend(FEED)
    house.amend(("feeds.8", Feed(8, "OTHER")))
    house.amend(("feeds.7", None))
    assert [feed for feed, _ in house.state.feeds.ordered()] == [1, 2, 8]


@pytest.mark.parametrize("window", [8, 40])
def test_ranges_go_on_over_a_new_group_and_another_window(window: int) -> None:
    ranges = RangeParameters(interval_ms=1_000, window=20, window_min=5, horizon_ms=2_000, joint_scenarios=4)
    house = parliament_world(msgspec.structs.replace(governed_genesis(), ranges=ranges))
    house.wait(25)
    house.amend(FEED, GROUP, PERP, ("ranges.window", window))
    assert all(len(record.moves) == 3 for _, record in house.state.returns.ordered())
    for at in range(30):
        house.ticks[SOL] = 10_000 + at
        house.block()
    times = [record.time_ms for _, record in house.state.returns.ordered()]
    assert len(set(times)) == len(times) <= window
    assert max(times) == house.time_ms
    assert 7 in house.state.price_ranges
    agreed_everywhere(house)


def test_interest_that_is_turned_on_begins_now(house: World) -> None:
    house.wait(30)
    before = house.cash(ALICE)
    house.amend(("cash_groups.1.interest.interval_ms", 1_000), ("cash_groups.1.interest.debit_ppm", 100_000),
                ("cash_groups.1.interest.credit_ppm", 100_000))  # fmt: skip
    house.block()
    earned = house.cash(ALICE) - before
    assert 0 < earned <= 100_000 * DOLLAR // 10 * 3_000 // (365 * 86_400_000)


def test_a_proposal_is_judged_before_anybody_votes(house: World) -> None:
    good = house.changes(FEED, GROUP, PERP)
    for at in range(len(good.changes) - 1):
        partial = msgspec.structs.replace(good, changes=good.changes[at + 1 :])
        assert house.refusals(house.proposal(partial)) == [ClearingCode.AMENDMENT_REFUSED]
    assert of_kind(house.block(house.proposal(good)), ProposalMade)


WIDE = (*SPAN_SIXTEEN, Scenario(9, 100, 1, of_index=True), Scenario(-9, 100, -1, of_index=True))
FUNDED = FundingTerms(
    premium_cap_ppm=10_000, window_ms=60_000, depth_lots=100, interval_ms=4_000, period_ms=600_000, rate_cap_ppm=5_000
)
SHAPES: dict[str, list[tuple[str, object]]] = {
    "wider grid": [("risk.scenarios", WIDE)],
    "narrower grid": [("risk.scenarios", SPAN_SIXTEEN[10:])],
    "own grid": [("risk.groups.2.scenarios", WIDE[:14])],
    "joint credit": [("risk.joint", JointCredit(collapse([(11, 1), (12, 2), (13, 2), (5, 0)]), tail=2))],
    "charges": [
        ("risk.charges.1", LotCharge(1, 5_000, 1_000, 300, 10_000, 20_000)),
        ("risk.concentration", (ConcentrationTier(3, 1_000, 100_000),)),
        ("risk.groups.1.short_option_ppm", 30_000),
    ],
    "guard": [("assets.2.depeg", DepegTerms(feed=2, feed_tokens=200))],
    "moving haircut": [("assets.3.haircut", HaircutTerms(liquidity_ppm=20_000, step_ppm=5_000))],
    "collateral inside": [("assets.3.scenarios", ScenarioTerms(2, 30_000))],
    "collateral falling along": [("assets.3.scenarios", ScenarioTerms(1, 50_000, fall_share_ppm=900_000))],
    "collateral inside a wider grid": [("assets.3.scenarios", ScenarioTerms(2, 30_000)), ("risk.scenarios", WIDE)],
    "skew": [("cash_groups.1.skew", SkewTerms(rate_ppm=10_000, depth_micros=10**9))],
    "funding": [("instruments.1.funding", FUNDED)],
    "gates": [("crisis.gates", WithdrawalControlTerms(assets=(AssetWithdrawalLimits(1, window_units_max=10**14),)))],
    "maintenance": [("risk.maintenance_numerator", 9), ("risk.maintenance_denominator", 10)],
    "everything": [
        ("risk.scenarios", WIDE),
        ("risk.charges.1", LotCharge(1, 5_000)),
        ("assets.2.depeg", DepegTerms(feed=2, feed_tokens=200)),
        ("instruments.3", None),
        ("instruments.9", Instrument(9, "ETH-9", InstrumentKind.PERPETUAL, 2, 2, USD, 10)),
    ],
}


def positioned() -> World:
    house = parliament_world(dollars=50_000)
    house.deposit(ALICE, WETH_1, 2_000_000)
    house.block(house.perp_trade(ALICE, BOB, 300), house.perp_trade(CAROL, ALICE, 200, ETH_PERP, 20_000))
    return house


@pytest.mark.parametrize("name", SHAPES)
def test_books_stay_whole_under_another_shape(name: str) -> None:
    house = positioned()
    books = [house.state.books[each].lots for each in (ALICE, BOB, CAROL)]
    assert of_kind(house.amend(*SHAPES[name]), AmendmentEnacted)
    assert [house.state.books[each].lots for each in (ALICE, BOB, CAROL)] == books
    agreed_everywhere(house)
    assert not house.refusals(house.perp_trade(BOB, CAROL, 10))
    house.deposit(BOB, WETH_1, 1_000_000)
    assert BOB in holders(house.state, CURRENCY_HOLDERS, 2**32 + WETH_1)
    house.wait(6)
    agreed_everywhere(house)
    house.block(facts=house.custody_facts(400))
    verdict = check_rulebook(take_snapshot(house.state).statement, house.state.terms.genesis, network=house.network)
    assert "under the genesis' parameters" in verdict


def test_collateral_that_enters_the_scenarios_may_leave_them_again() -> None:
    house = positioned()
    before = [margin_book(house.state).margin(each) for each in (ALICE, BOB, CAROL)]
    house.amend(("assets.3.scenarios", ScenarioTerms(2, 30_000)))
    inside = margin_book(house.state).margin(ALICE)
    assert (inside.equity > before[0].equity, inside.initial < before[0].initial) == (True, True), "WETH behind a short"
    house.amend(("assets.3.scenarios", ScenarioTerms()))
    assert [margin_book(house.state).margin(each) for each in (ALICE, BOB, CAROL)] == before
    agreed_everywhere(house)


def test_a_wider_grid_asks_for_no_less() -> None:
    house = positioned()
    before = [margin_book(house.state).margin(each).initial for each in (ALICE, BOB, CAROL)]
    house.amend(*SHAPES["wider grid"])
    after = [margin_book(house.state).margin(each).initial for each in (ALICE, BOB, CAROL)]
    assert all(more >= less for more, less in zip(after, before, strict=True))


def test_an_option_that_somebody_holds_keeps_its_place_when_another_goes() -> None:
    house = positioned()
    house.block(house.perp_trade(ALICE, BOB, 5, BTC_CALL, house.state.marks[BTC_CALL].ticks))
    house.amend(("instruments.5", msgspec.structs.replace(house.genesis.instruments[0], id=5, name="LATE")))
    house.amend(("instruments.2", None))
    assert house.lots(ALICE, BTC_CALL) == 5
    agreed_everywhere(house)


WIDER = ("risk.groups.1.range_ppm", 400_000)


def leveraged() -> World:
    house = parliament_world(dollars=5_000)
    house.block(house.perp_trade(ALICE, BOB, 2_000), house.perp_trade(CAROL, BOB, 100))
    return house


def tried(house: World, *places: tuple[str, object]) -> AmendmentImpact:
    found = amendment_impact(house.state, house.changes(*places))
    assert isinstance(found, AmendmentImpact)
    return found


def test_what_is_foreseen_is_what_then_happens() -> None:
    house = leveraged()
    found = tried(house, WIDER)
    assert found.called_accounts == (ALICE, BOB)
    assert found.initial_after == 2 * found.initial_before
    result = house.amend(WIDER)
    assert {each.account for each in of_kind(result, MarginCalled)} == set(found.called_accounts)
    for each in found.accounts:
        margin = house.margin(each.account)
        if each.account not in found.liquidated_accounts and each.account != 0:
            assert (margin.equity, margin.initial) == (each.after.equity, each.after.initial)


def test_a_dry_run_changes_nothing() -> None:
    house = leveraged()
    before, terms = house.state.module_roots(), house.state.terms
    block = house.make_block()
    expected = apply_block(house.state, block)[1]
    for _ in range(2):
        tried(house, WIDER)
        assert (house.state.module_roots(), house.state.terms) == (before, terms)
        assert apply_block(house.state, block)[1] == expected
    assert house.apply(block) == expected


def test_a_dry_run_says_why_an_amendment_may_not_be() -> None:
    house = leveraged()
    found = amendment_impact(house.state, house.changes(("risk.groups.1.range_ppm", 1)))
    assert isinstance(found, Rejected)
    assert found.code == ClearingCode.AMENDMENT_REFUSED
    assert ("value", 1) in found.values


def test_of_a_change_of_validators_while_another_is_under_way_it_says_so(house: World) -> None:
    """Members ask for it of a node that agrees on blocks: a Bug there would end the node."""
    house.change([3])
    proposal = house.proposal(house.seats_changed([4]))
    house.block(proposal)
    assert proposal.content(house.network) in house.state.proposals
    found = amendment_impact(house.state, proposal.amendment)
    assert isinstance(found, Rejected)
    assert found.code == ClearingCode.VALIDATOR_CHANGE_UNDER_WAY
    house.settle()
    assert isinstance(amendment_impact(house.state, proposal.amendment), AmendmentImpact)


def test_the_dry_run_of_a_detachment_shows_who_loses_what() -> None:
    house = waited(stuck())
    found = amendment_impact(house.state, GONE)
    assert isinstance(found, AmendmentImpact)
    lost = {each.account: each.before.equity - each.after.equity for each in found.accounts}
    assert sum(lost.values()) == 3_000_000_000
    assert lost[BOB] == 4 * lost[ALICE]


def test_a_listing_costs_nobody_anything() -> None:
    house = leveraged()
    perpetual = msgspec.structs.replace(house.genesis.instruments[0], id=9, name="BTC-2")
    assert not any(each.changes for each in tried(house, ("instruments.9", perpetual)).accounts)
