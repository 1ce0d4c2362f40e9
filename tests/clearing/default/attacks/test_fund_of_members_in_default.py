"""A default ends with no loss that nobody bore: contributions of other members in default bear it, too, in the end.

Before the rules a member saved its contribution by being in default when another's loss was allocated. In story 70434
of the simulation a default ended with 2.25 million dollars that nobody bore, beside a fund of 10 million.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import Bug
from clearing.context.block_context import BlockContext
from clearing.default.claims_haircut import check_loss_borne
from clearing.default.late_contributions import use_beyond_present_loss
from clearing.default.loss_allocation import allocate_remainder
from clearing.default_fund.contributions import contribution_micros
from clearing.invariants import check_fund_balance
from clearing.schema.receipts.default import AssessmentTaken, DefaultEnded, WaterfallLayer
from clearing.schema.receipts.default_fund import FundDrawn
from clearing.schema.records.default import DefaultPhase, DefaultRecord
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import FUND_ACCOUNT, balance, cash_currency, external_account
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, USD, USDC_1
from tests.kit.clearing.world import World

INTO_FUND = 20_000
"""Dollars that every member contributes."""
RISEN = 1_106_000
ASSESSED = msgspec.structs.replace(TERMS, assessment_ppm=1_000_000, assessment_blocks=6, auction_blocks=4)


def two_in_default(alices: int, bobs: int) -> World:
    """Alice and Bob are short so many lots against Dave and fail at one price."""
    fund = msgspec.structs.replace(FUND, minimum_micros=INTO_FUND * DOLLAR)
    world = World(default_genesis(ASSESSED, fund), fresh=True)
    world.prices(790_000)
    world.bring(house=500, alice=INTO_FUND, bob=INTO_FUND, carol=INTO_FUND + 100_000, dave=INTO_FUND + 200_000)
    world.fund_paid_in()
    world.bring(alice=alices * 79 // 100 * 23 // 100 * 10, bob=bobs * 2)
    assert not world.refusals(world.perp_trade(DAVE, ALICE, alices), world.perp_trade(DAVE, BOB, bobs))
    world.fall(RISEN, 2)
    return world


def drawn(world: World, defaulter: int) -> dict[int, int]:
    """Dollars of contributions that bore this member's loss, by member."""
    found: dict[int, int] = {}
    for each in world.every(FundDrawn):
        if each.cause == defaulter:
            found[each.member] = found.get(each.member, 0) + each.micros // DOLLAR
    return found


def test_what_a_small_default_leaves_of_a_contribution_bears_anothers_loss_before_assessments() -> None:
    """Bob owes 1,160 dollars for one BTC. Before, his other 18,840 stayed his, and Carol and Dave were assessed for
    10,040 each."""
    world = two_in_default(60_000, 1_000)
    world.until_ended(1)
    assert drawn(world, 2) == {2: 1_160}
    assert drawn(world, 1) == {1: INTO_FUND, 2: 18_840, 3: INTO_FUND, 4: INTO_FUND}
    assert [each.micros for each in world.every(AssessmentTaken)] == [620 * DOLLAR] * 2
    (ended,) = [each for each in world.every(DefaultEnded) if each.number == 1]
    assert dict(ended.by_layer) == {
        WaterfallLayer.OWN_CONTRIBUTION: INTO_FUND * DOLLAR,
        WaterfallLayer.HOUSE_CAPITAL: 500 * DOLLAR,
        WaterfallLayer.SURVIVORS: (2 * INTO_FUND + 18_840) * DOLLAR,
        WaterfallLayer.ASSESSMENTS: 1_240 * DOLLAR,
    }
    assert not contribution_micros(world.state, 2)


def with_open_default(lots: int) -> tuple[BlockContext, DefaultRecord]:
    """Alice's default at its end, with what she owes above all else, and Bob's, still open with so many lots short.

    Vaults have paid out nearly all claims, as if members had left first: 1,000 dollars of Carol's are left.
    """
    world = two_in_default(60_000, lots)
    context = world.context()
    first, second = (context.state.defaults[number] for number in (1, 2))
    cash, outside = cash_currency(USD), external_account(USDC_1)
    for account in (HOUSE, CAROL, DAVE):
        left = balance(context.state, account, cash) - (1_000 * DOLLAR if account == CAROL else 0)
        context.journal.transfer(account, outside, cash, left, TransferCode.WITHDRAWAL, account)
    assert second.phase is DefaultPhase.OPEN
    return context, msgspec.structs.replace(first, allocated_height=context.block.height)


def claims_and_fund(context: BlockContext) -> tuple[int, int]:
    claims = sum(max(balance(context.state, account, cash_currency(USD)), 0) for account in (HOUSE, CAROL, DAVE))
    return claims, balance(context.state, FUND_ACCOUNT, cash_currency(USD))


def test_a_contribution_is_kept_for_what_its_own_default_lacks_until_claims_are_cut() -> None:
    context, first = with_open_default(1_000)
    steps = use_beyond_present_loss(context, 1, first)
    assert [(share.payer, share.amount) for step in steps for share in step.shares] == [(2, 18_840 * DOLLAR)]
    assert contribution_micros(context.state, 2) == 1_160 * DOLLAR


@pytest.mark.parametrize("clients", [0, 100_000])
def test_clients_with_covered_positions_save_no_contribution(clients: int) -> None:
    """Alice fails for a moment, and lacks nothing. Before, what her client might have lost at worse prices kept her
    20,000 dollars back. Carol and Dave were assessed for 10,040 each instead of 40, and she left with all of it."""
    fund = msgspec.structs.replace(FUND, minimum_micros=INTO_FUND * DOLLAR)
    world = World(default_genesis(TERMS, fund), fresh=True)
    world.prices(790_000)
    world.bring(house=500, alice=INTO_FUND, bob=INTO_FUND, carol=INTO_FUND + 100_000, dave=INTO_FUND + 4_000_000)
    world.fund_paid_in()
    world.bring(bob=109_020, alice=5_760, keyed=1_000_000)
    assert not world.refusals(world.perp_trade(DAVE, BOB, 60_000), world.perp_trade(DAVE, ALICE, 1_000))
    if clients:
        assert not world.refusals(world.perp_trade(DAVE, KEYED_CLIENT, clients))
    world.fall(RISEN)
    world.prices(1_380_000)
    world.prices(RISEN)
    world.until_ended(1)
    world.until_ended(2)
    assert drawn(world, 2) == {1: INTO_FUND, 2: INTO_FUND, 3: INTO_FUND, 4: INTO_FUND}
    assert [each.micros for each in world.every(AssessmentTaken)] == [40 * DOLLAR] * 2


def test_who_was_a_survivor_pays_no_second_contribution_because_it_is_in_default_later() -> None:
    """Its first one was used at the allocation. What it paid in since is for its own loss."""
    context, first = with_open_default(1_000)
    declared = context.state.defaults[2].declared_height
    first = msgspec.structs.replace(first, allocated_height=declared - 1)
    assert use_beyond_present_loss(context, 1, first) == ()
    assert contribution_micros(context.state, 2) == INTO_FUND * DOLLAR
    assert allocate_remainder(context, 1, first)[1] == 0 or claims_and_fund(context) == (0, 0)


@pytest.mark.parametrize("lots", [100, 1_000, 5_000])
def test_no_default_ends_with_an_unborne_loss_beside_money_in_the_fund(lots: int) -> None:
    """Alice owes 80,580 dollars. All that is left bears it, Bob's contribution at last: his own loss is unborne then,
    and no claim is above zero."""
    context, first = with_open_default(lots)
    _, rest = allocate_remainder(context, 1, first)
    check_fund_balance(context.state)
    assert rest == 0 or claims_and_fund(context) == (0, 0)


@given(carol=st.integers(0, 3), lots=st.integers(1, 6), spread=st.integers(0, 10**6))
def test_a_loss_is_unborne_only_where_nothing_is_left(carol: int, lots: int, spread: int) -> None:
    context, first = with_open_default(lots * 1_000)
    cash, outside = cash_currency(USD), external_account(USDC_1)
    context.journal.transfer(outside, CAROL, cash, carol * 20_000 * DOLLAR + spread, TransferCode.DEPOSIT, CAROL)
    _, rest = allocate_remainder(context, 1, first)
    assert not rest or not any(claims_and_fund(context))
    check_fund_balance(context.state)


def test_an_end_that_leaves_a_loss_beside_claims_or_the_fund_stops_the_network() -> None:
    context, first = with_open_default(1_000)
    with pytest.raises(Bug, match="nobody bore"):
        check_loss_borne(context, 1, first)
