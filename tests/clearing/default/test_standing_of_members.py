"""How members stand, and what those that are not active may still do; terms that genesis may not have."""

import msgspec
import pytest

from clearing.context.block_context import BlockContext
from clearing.context.member_status import lift_member_restriction, restrict_member, set_member_status
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import MemberStatusChanged, MovedPosition, PortfolioSold
from clearing.schema.records.default import MemberStatus, MemberStatusRecord
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.terms.default import DefaultTerms, default_blocks_max, default_checks
from tests.kit.clearing.defaults import CLIENT_SECRET, NO_FUND, TERMS, default_world
from tests.kit.clearing.funds import DAVE, KEYED_CLIENT
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World, codes, of_kind
from tests.kit.table import tell


def restricted() -> World:
    """Alice is long 1 BTC and restricted."""
    world = default_world(fund=NO_FUND)
    world.bring(client=1_000, keyed=1_000)
    world.block(world.perp_trade(ALICE, BOB, 1_000))
    world.state.member_statuses.put(1, MemberStatusRecord(MemberStatus.RESTRICTED, world.state.now.height))
    return world


def moved(world: World, account: int, recipient: int, micros: int) -> CashTransfer:
    request = world.transfer(account, recipient, micros)
    return world.sign(request, world.key_of(account))


def test_a_restricted_member_reduces_risk_and_brings_collateral_and_no_more() -> None:
    world = tell(
        restricted(),
        """
        trade     alice   bob    BTC-PERP +0.001 @ 7_900  -> refused R0257 member_not_active
        trade     bob     alice  BTC-PERP +0.4   @ 7_900  -> novated
        withdraw  alice   eth:USDC  1.00                  -> refused R0257 member_not_active
        withdraw  client  eth:USDC  1.00                  -> refused R0257 member_not_active
        transfer  alice   client    1.00                  -> transferred
        deposit   alice   eth:USDC  5.00                  -> credited units 5.00
        """,
    )
    assert codes(world.block(world.withdrawal(KEYED_CLIENT, USDC_1, DOLLAR, key=CLIENT_SECRET))) == []


def test_a_restricted_member_opens_no_account_and_carries_no_new_client() -> None:
    world = restricted()
    with pytest.raises(ValueError, match="not enough values"):
        world.open_account(ALICE)
    refused = [each.code for each in world.results[-1].receipts if type(each).__name__ == "Refused"]
    assert refused == [ClearingCode.MEMBER_NOT_ACTIVE]


def test_a_restriction_is_put_and_lifted_with_a_receipt_each_and_never_on_the_house() -> None:
    world = default_world(fund=NO_FUND)
    context = BlockContext(world.state.fork(), world.make_block())
    restrict_member(context, 2)
    restrict_member(context, 2)
    lift_member_restriction(context, 2)
    set_member_status(context, 0, MemberStatus.DEFAULTED)
    told = [
        (each.member, each.before, each.after) for each in context.receipts if isinstance(each, MemberStatusChanged)
    ]
    assert told == [
        (2, MemberStatus.ACTIVE, MemberStatus.RESTRICTED),
        (2, MemberStatus.RESTRICTED, MemberStatus.ACTIVE),
    ]


def test_options_pass_to_a_bidder_for_their_value_at_the_mark() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(bob=100_000, dave=900_000, house=900_000)
    mark = world.state.marks[BTC_CALL].ticks
    world.block(world.perp_trade(BOB, ALICE, 40_000, BTC_CALL, mark))
    world.prices(1_100_000)
    for _ in range(2):
        if world.state.default_counters.get(0):
            break
        world.block()
    assert world.status(1) is MemberStatus.DEFAULTING
    assert codes(world.block(world.default_bid(DAVE, 1, 100, 0))) == []
    results = world.until_ended()
    (sold,) = [each for one in results for each in of_kind(one, PortfolioSold)]
    (passed,) = sold.positions
    assert isinstance(passed, MovedPosition)
    assert (passed.instrument, passed.lots) == (BTC_CALL, -40_000)
    assert passed.received > 0, "who takes a debt over is paid its value"
    assert world.lots(DAVE, BTC_CALL) == -40_000
    assert world.cash(CAROL) == 100_000 * DOLLAR
    assert world.cash(HOUSE) >= 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("auction_blocks", 1_000_001),
        ("porting_blocks", 2**32 - 1),
        ("halt_blocks", 1_000_001),
        ("assessment_blocks", 1_000_001),
        ("replenishment_blocks", 1_000_001),
        ("assessment_period_blocks", 0),
        ("assessment_ppm", 10_000_001),
        ("auction_slices", 0),
        ("auction_slices", 10_001),
        ("auction_worst_ppm", 10_000_001),
        ("auction_tolerance_ppm", 10_000_001),
        ("house_capital_micros", 2**60),
    ],
)
def test_terms_beyond_their_bounds_are_named(field: str, value: int) -> None:
    bad = msgspec.structs.replace(DefaultTerms(), **{field: value})
    assert [name for name, _, good in default_checks(bad) if not good] == [field]
    assert all(good for _, _, good in default_checks(DefaultTerms()))


def test_a_default_has_a_bound_that_counts_those_before_it() -> None:
    assert default_blocks_max(TERMS) == 6 + 5 + 3 + 1
    assert default_blocks_max(TERMS, 4) == default_blocks_max(TERMS) + 2
