"""Feeds, chains, assets, instruments, groups, members and venues that an amendment lists work from that block on."""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.base.secp256k1 import address
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.governance import AmendmentEnacted, ProposalMade
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Asset, Feed
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.genesis import AccountKind, AccountTerms, MemberTerms, VenueTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.holdings import margin_book
from tests.kit.clearing.chamber import PRICES, governed_genesis, parliament_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, USD
from tests.kit.clearing.listing import agreed_everywhere
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes, of_kind, reports

SOL, SOL_PERP, SOL_CALL, SOL_TOKEN = 7, 20, 21, 30
VAULT_3 = b"\xa3" * 20
FEED = ("feeds.7", Feed(SOL, "SOL"))
GROUP = ("risk.groups.7", RiskGroup(7, "SOL", SOL, 300_000, 900_000, 200_000))
PERP = ("instruments.20", Instrument(SOL_PERP, "SOL-PERP", InstrumentKind.PERPETUAL, SOL, 7, USD, 10))
CHAIN = ("chains.3", ChainTerms(3, "chain-3", VAULT_3, 4))
TOKEN = ("assets.30", Asset(SOL_TOKEN, "SOL-3", 3, VAULT_3, b"\xc9" * 20, 9, 6, 0, SOL, 200_000, 10**12))


def priced(house: World, *transactions: object, facts: tuple[object, ...] = (), sol: int = 10_000) -> object:
    said = VoteExtension(reports(*PRICES, (SOL, sol), time_ms=house.state.now.time_ms + 1_000), facts)  # type: ignore[arg-type]
    return house.hear(dict.fromkeys(house.speakers(), said), *transactions)  # type: ignore[arg-type]


def test_a_feed_a_group_and_a_perpetual_are_listed_together_and_traded_once_there_is_a_price() -> None:
    house = parliament_world()
    house.block(house.trade(ALICE, BOB, BTC_PERP, 3, 790_000))
    assert of_kind(house.amend(FEED, GROUP, PERP), AmendmentEnacted)
    trade = house.trade(ALICE, BOB, SOL_PERP, 5, 10_000)
    assert codes(house.block(trade)) == [ClearingCode.PRICE_MISSING]
    assert codes(priced(house, trade)) == []  # type: ignore[arg-type]
    assert house.lots(ALICE, SOL_PERP) == 5
    before = house.cash(ALICE)
    priced(house, sol=10_100)
    assert house.cash(ALICE) == before + 5 * 100 * 10
    agreed_everywhere(house)


def test_an_option_on_a_known_feed_is_marked_in_the_block_that_lists_it() -> None:
    house = parliament_world()
    option = Instrument(
        SOL_CALL, "BTC-NEW-C", InstrumentKind.CALL, 1, 1, USD, 10, house.time_ms + 86_400_000, 800_000, 1_000_000
    )
    house.amend(("instruments.21", option))
    mark = house.state.marks[SOL_CALL].ticks
    assert mark > 0
    assert codes(house.block(house.trade(ALICE, BOB, SOL_CALL, 2, mark))) == []
    agreed_everywhere(house)


def test_an_instrument_between_others_moves_no_position() -> None:
    """Risk arrays are by place: whatever is listed, everybody's margin is of what they hold."""
    house = parliament_world()
    house.block(house.trade(ALICE, BOB, BTC_PERP, 3, 790_000), house.trade(BOB, ALICE, 4, 7, 20_000))
    before = {each: house.lots(ALICE, each) for each in (1, 2, 3, 4)}
    margin = margin_book(house.state).margin(ALICE)
    house.amend(FEED, GROUP, PERP, ("assets.30", msgspec.structs.replace(TOKEN[1], chain_id=1, vault=b"\xa1" * 20)))
    assert {each: house.lots(ALICE, each) for each in (1, 2, 3, 4)} == before
    assert margin_book(house.state).margin(ALICE).initial == margin.initial
    agreed_everywhere(house)


def test_a_chain_with_a_token_takes_deposits() -> None:
    house = parliament_world()
    house.amend(FEED, CHAIN, TOKEN)
    fact = DepositSeen(3, VAULT_3, 1, b"\xc9" * 20, ALICE, u256(5 * 10**9), 100, b"\x0b" * 32, b"\x01" * 32)
    result = priced(house, facts=(fact,))
    credited = of_kind(result, DepositCredited)  # type: ignore[arg-type]
    assert [(each.account, each.units) for each in credited] == [(ALICE, 5 * 10**6)]
    assert margin_book(house.state).margin(ALICE).equity > house.cash(ALICE)
    assert [each.nonce for each in house.results[-1].deposit_cursors] == [4, 0, 1]
    agreed_everywhere(house)


def test_a_member_is_admitted_with_its_accounts_and_trades() -> None:
    house = parliament_world()
    newcomer = MemberTerms(9, "member-9", address(secret(9)), (AccountTerms(90, AccountKind.HOUSE),))
    house.amend(("members.9", newcomer))
    house.owner[90] = 9
    house.block(facts=[house.deposit_fact(90, 1, 50_000 * DOLLAR)])
    assert codes(house.block(house.trade(90, BOB, BTC_PERP, 1, 790_000))) == []
    assert house.lots(90, BTC_PERP) == 1
    agreed_everywhere(house)


def test_a_member_gets_another_key_and_the_old_one_is_worth_nothing() -> None:
    house = parliament_world()
    house.amend(("members.1.trade_address", address(secret(44))))
    assert codes(house.block(house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))) == [ClearingCode.WRONG_SIGNER]
    house.owner[ALICE] = 44
    assert codes(house.block(house.trade(ALICE, BOB, BTC_PERP, 1, 790_000))) == []


def test_a_venue_is_listed() -> None:
    house = parliament_world()
    house.amend(("venues.5", VenueTerms(5, "venue", b"\x99" * 20, fee_ppm=10)))
    assert house.state.terms.venues[5].fee_ppm == 10
    agreed_everywhere(house)


def test_what_nobody_holds_can_be_taken_off_and_what_somebody_holds_cannot() -> None:
    house = parliament_world()
    house.block(house.trade(ALICE, BOB, 2, 1, 790_000))
    refused = house.block(house.proposal(house.changes(("instruments.2", None))))
    assert codes(refused) == [ClearingCode.AMENDMENT_REFUSED]
    house.amend(("instruments.3", None))
    assert 3 not in house.state.terms.instruments
    assert 3 not in house.state.marks
    agreed_everywhere(house)
    # The highest id stays, so that no id ever means two things; for the same reason none comes back.
    for amendment in (("instruments.4", None), ("instruments.3", house.genesis.instruments[2])):
        assert codes(house.block(house.proposal(house.changes(amendment)))) == [ClearingCode.AMENDMENT_FROZEN]


def test_a_feed_that_was_never_priced_and_stops_epochs_can_be_taken_off_again() -> None:
    house = parliament_world()
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
    held = [record for _, record in house.state.returns.ordered()]
    assert all(len(each.moves) == 3 for each in held)
    for at in range(30):
        priced(house, sol=10_000 + at)
    held = [record for _, record in house.state.returns.ordered()]
    assert len(held) <= window
    assert len({each.time_ms for each in held}) == len(held)
    assert sorted(each.time_ms for each in held)[-1] == house.time_ms
    assert 7 in house.state.price_ranges
    agreed_everywhere(house)


def test_interest_that_is_turned_on_begins_now() -> None:
    house = parliament_world()
    house.wait(30)
    before = house.cash(ALICE)
    house.amend(("cash_groups.1.interest.interval_ms", 1_000), ("cash_groups.1.interest.debit_ppm", 100_000),
                ("cash_groups.1.interest.credit_ppm", 100_000))  # fmt: skip
    house.block()
    earned = house.cash(ALICE) - before
    assert 0 < earned <= 100_000 * DOLLAR // 10 * 3_000 // (365 * 86_400_000)


def test_a_proposal_is_judged_before_anybody_votes() -> None:
    house = parliament_world()
    good = house.changes(FEED, GROUP, PERP)
    for at in range(len(good.changes) - 1):
        partial = msgspec.structs.replace(good, changes=good.changes[at + 1 :])
        assert codes(house.block(house.proposal(partial))) == [ClearingCode.AMENDMENT_REFUSED]
    assert of_kind(house.block(house.proposal(good)), ProposalMade)
