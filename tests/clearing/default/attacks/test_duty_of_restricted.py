"""The duty to bid of a member whose accounts are restricted: nobody is charged for a bid that it may not make.

An account is restricted after its chain reverted a deposit. Before the rule its member was refused every bid, and was
charged a fifth of its required contribution for not having bid.
"""

import pytest

from clearing.schema.receipts.default import BiddersRanked, PortfolioSold
from clearing.schema.records.accounts import RestrictionRecord
from tests.kit.clearing.auctions import FURTHER, INTO_FUND, SHIPPED, auction_world, bid_sealed, wait_for_reveal
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import BOB, CAROL, DOLLAR
from tests.kit.clearing.world import World, of_all

ALL, HALF = SHIPPED.auction_slices, SHIPPED.auction_slices // 2
CHARGE = INTO_FUND * DOLLAR * SHIPPED.auction_absence_ppm // 10**6


def restrict(world: World, account: int, blocks: int = 1_000) -> None:
    """As after a deposit that its chain reverted."""
    record = RestrictionRecord(world.state.now.height + blocks, 1, b"\xa1" * 20, 1)
    world.state.restrictions.put(account, record)


def charged(results: list) -> list[int]:
    """The members that were charged."""
    (ranked,) = of_all(results, BiddersRanked)
    assert {micros for _, micros in ranked.absence_charges} <= {CHARGE}
    return [member for member, _ in ranked.absence_charges]


def test_a_member_whose_only_account_is_restricted_is_not_charged() -> None:
    world = auction_world(ticks=FURTHER)
    restrict(world, BOB)
    assert charged(bid_sealed(world, (DAVE, ALL, 0))) == [3]


def test_a_member_with_another_account_can_bid_from_it_and_must() -> None:
    world = auction_world(ticks=FURTHER)
    world.open_account(BOB)
    restrict(world, BOB)
    assert charged(bid_sealed(world, (DAVE, ALL, 0))) == [2, 3]


@pytest.mark.parametrize("bids", [True, False])
def test_a_restriction_that_ends_before_the_sale_leaves_the_duty_and_a_bid(bids: bool) -> None:
    """A commitment takes no risk, so Bob may make it while he is restricted. Otherwise he could not bid in time."""
    world = auction_world(ticks=FURTHER)
    restrict(world, BOB, SHIPPED.auction_blocks - SHIPPED.reveal_blocks + 1)
    results = bid_sealed(world, (DAVE, ALL, 0), *([(BOB, HALF, -DOLLAR)] if bids else []))
    assert not world.state.restrictions.get(BOB)
    assert charged(results) == ([3] if bids else [2, 3])
    assert [(each.member, each.slices) for each in of_all(results, PortfolioSold)] == (
        [(2, HALF), (4, HALF)] if bids else [(4, ALL)]
    )


@pytest.mark.parametrize("reveals", [True, False])
def test_an_account_that_is_restricted_after_its_commitment_takes_no_risk_over(reveals: bool) -> None:
    """Before, its bid was filled. It is charged only where it does not reveal, which it may."""
    world = auction_world(ticks=FURTHER)
    assert not world.refusals(world.bid_commitment(BOB, 1, HALF, 0), world.bid_commitment(CAROL, 1, ALL, 0))
    restrict(world, BOB)
    wait_for_reveal(world)
    revealed = [world.bid_reveal(CAROL, 1, ALL, 0), *([world.bid_reveal(BOB, 1, HALF, 0)] if reveals else [])]
    assert not world.refusals(*revealed)
    results = world.until_ended()
    assert [(each.member, each.slices) for each in of_all(results, PortfolioSold)] == [(3, ALL)]
    assert charged(results) == ([4] if reveals else [2, 4])
