"""The default auction: nobody is paid for a default of its own making, nor ranked for a bid that answers others' bids.

Before the rules bids were open until the last block, and one bid was enough: a lone bidder named the price. Alice, who
had lost 42,000 dollars of margin to Dave, defaulted owing 320, and Dave asked the highest price that was allowed. The
two together gained 14,448 dollars on 42,000 where the house bore it, and 9,546 where members did. Gains before are of
the same blocks with open bids, executed by the rules before.
"""

import msgspec
import pytest

from clearing.default_fund.contributions import contribution_micros
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import (
    BiddersRanked,
    DefaultBidTaken,
    LossAllocated,
    PortfolioSold,
    WaterfallLayer,
)
from clearing.schema.requests.auctions import bid_commitment
from clearing.state.export import export_state
from tests.kit.clearing.auctions import (
    FURTHER,
    INTO_FUND,
    SHIPPED,
    ask_bounds,
    auction_world,
    bid_sealed,
    money,
    wait_for_reveal,
    worst_ask,
)
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE
from tests.kit.clearing.world import World, of_all

ALL, HALF = SHIPPED.auction_slices, SHIPPED.auction_slices // 2
OTHER_SALT = b"\x5a" * 32
CHARGE = INTO_FUND * DOLLAR * SHIPPED.auction_absence_ppm // 10**6


def ranks(results: list) -> dict[int, int]:
    (ranked,) = of_all(results, BiddersRanked)
    return {member: rank for member, *_, rank in ranked.members}


def used(world: World, *members: int) -> list[int]:
    """What of each member's contribution has borne the loss, in dollars."""
    return [INTO_FUND - contribution_micros(world.state, member) // DOLLAR for member in members]


@pytest.mark.parametrize("house_dollars", [500, 300_000])
@pytest.mark.parametrize("bound", ["worst", "reserve", "own", "above own", "nothing"])
def test_a_defaulter_and_its_only_bidder_gain_nothing_together(house_dollars: int, bound: str) -> None:
    """Gain before: 9,546 dollars with a house of 500, 14,448 with one of 300,000."""
    world = auction_world(house_dollars)
    reserve, own = ask_bounds(world)
    ask = {"worst": worst_ask(world), "reserve": reserve, "own": own, "above own": own + 1, "nothing": 0}[bound]
    before = money(world, ALICE, DAVE)
    results = bid_sealed(world, (DAVE, ALL, ask))
    assert [each.slices for each in of_all(results, PortfolioSold)] == ([ALL] if ask <= own else [])
    assert money(world, ALICE, DAVE) - before <= 0


@pytest.mark.parametrize("slices", [1, HALF - 1])
def test_a_few_slices_of_another_bidder_are_of_no_use_to_colluders(slices: int) -> None:
    """Gain before: 8,789 dollars beside one slice of Bob's, 2,738 beside nine."""
    world = auction_world()
    reserve, _ = ask_bounds(world)
    before = money(world, ALICE, DAVE)
    results = bid_sealed(world, (DAVE, ALL, reserve), (BOB, slices, reserve))
    assert not of_all(results, PortfolioSold)
    assert money(world, ALICE, DAVE) - before <= 0


def test_bids_that_nobody_can_carry_are_of_no_use_to_colluders() -> None:
    """A friend without money bids for everything, so that there seem to be two."""
    world = auction_world(carol=2_000)
    reserve, _ = ask_bounds(world)
    before = money(world, ALICE, CAROL, DAVE)
    results = bid_sealed(world, (DAVE, ALL, reserve), (CAROL, ALL, reserve))
    assert not of_all(results, PortfolioSold)
    assert money(world, ALICE, CAROL, DAVE) - before <= 0


def test_what_nobody_knows_of_affiliates_makes_no_difference() -> None:
    """Dave's affiliate bids for the other half, declared or not."""
    after = []
    for declared in (True, False):
        world = auction_world()
        if declared:
            assert not world.refusals(world.affiliation(DAVE, CAROL, affiliate_key=world.key_of(CAROL)))
        _, own = ask_bounds(world)
        results = bid_sealed(world, (DAVE, HALF, own), (CAROL, HALF, own))
        after.append([(each.member, each.slices, each.ask_micros) for each in of_all(results, PortfolioSold)])
    assert after[0] == after[1] == [(3, HALF, own), (4, HALF, own)]


def test_where_the_rule_is_off_bidders_are_paid_what_they_ask_up_to_the_reserve() -> None:
    world = auction_world(terms=msgspec.structs.replace(SHIPPED, auction_own_money=False))
    reserve, paid = ask_bounds(world)
    assert paid == reserve < worst_ask(world)
    results = bid_sealed(world, (BOB, HALF, reserve // 2), (CAROL, HALF, reserve), (DAVE, HALF, reserve + 1))
    sold = [(each.member, each.slices, each.ask_micros) for each in of_all(results, PortfolioSold)]
    assert sold == [(2, HALF, reserve // 2), (3, HALF, reserve)]
    assert ranks(results) == {2: 2, 3: 2, 4: 0}
    assert world.lots(BOB, BTC_PERP) + world.lots(CAROL, BTC_PERP) == 23_000


def test_nobody_learns_from_a_commitment_what_is_bid() -> None:
    """Two bids of different price and size leave the same behind, but for their hashes."""
    seen = []
    for slices, ask in ((ALL, 5 * DOLLAR), (1, -DOLLAR)):
        world = auction_world()
        commitment = bid_commitment(DAVE, 1, slices, ask, OTHER_SALT)
        world.block(world.bid_commitment(DAVE, 1, slices, ask, OTHER_SALT))
        (taken,) = world.last(DefaultBidTaken)
        assert (taken.slices, taken.ask_micros, taken.commitment, taken.revealed) == (0, 0, commitment, False)
        wait_for_reveal(world)
        seen.append(export_state(world.state).replace(commitment, bytes(32)))
    assert seen[0] == seen[1]


def test_a_commitment_that_was_copied_is_of_no_use() -> None:
    """Bob commits to Dave's hash, and reveals what Dave reveals."""
    world = auction_world()
    own = world.bid_commitment(DAVE, 1, ALL, 0)
    copied = world.sign(msgspec.structs.replace(own, account=BOB, nonce=own.nonce + 10**6))
    assert not world.refusals(own, copied)
    world.nonce += 2 * 10**6
    wait_for_reveal(world)
    assert world.refusals(world.bid_reveal(BOB, 1, ALL, 0)) == [ClearingCode.NO_SUCH_COMMITMENT]
    assert not world.refusals(world.bid_reveal(DAVE, 1, ALL, 0))


def sold_out(*late: int) -> World:
    """Dave takes the portfolio for nothing, and in the last block these accounts try to get the good rank by a bid."""
    world = auction_world(ticks=FURTHER)
    assert not world.refusals(world.bid_commitment(DAVE, 1, ALL, 0))
    wait_for_reveal(world)
    assert not world.refusals(world.bid_reveal(DAVE, 1, ALL, 0))
    while world.state.now.height < world.default().auction_height - 1:
        world.block()
    kinds = (world.bid_commitment, world.bid_reveal, world.default_bid)
    refused = world.refusals(*(kind(account, 1, HALF, 0) for account in late for kind in kinds))
    assert refused == [
        ClearingCode.COMMIT_PHASE_OVER,
        ClearingCode.NO_SUCH_COMMITMENT,
        ClearingCode.BIDS_ARE_SEALED,
    ] * len(late)
    world.until_ended()
    return world


def test_a_bid_of_the_last_block_ranks_as_no_bid() -> None:
    """Bob bids in the last block, when all slices are sold, so dear that he gets none and is ranked like the buyer.

    Gain before: 500 dollars of 560 that his contribution bore without that bid. Carol's bore all of hers instead.
    """
    honest, attack = sold_out(), sold_out(BOB)
    assert ranks(attack.results) == {2: 0, 3: 0, 4: 2}
    assert used(honest, 2, 3, 4) == used(attack, 2, 3, 4) == [560, 560, 0]
    assert money(attack, BOB) - money(honest, BOB) <= 0


def test_a_bid_above_the_dearest_that_was_filled_ranks_as_no_bid() -> None:
    """It took nothing over. Gain before: the rank of a buyer, for an ask within a tenth of a slice's margin."""
    world = auction_world()
    reserve, _ = ask_bounds(world)
    results = bid_sealed(world, (CAROL, HALF, 0), (DAVE, HALF, 0), (BOB, HALF, 1))
    assert reserve > 1
    assert ranks(results) == {2: 0, 3: 2, 4: 2}


def test_a_member_of_size_that_does_not_bid_bears_the_loss_before_those_that_do() -> None:
    """Dave buys, Carol bids and gets nothing, Bob does not bid. Of 1,120 dollars Bob's contribution bears its charge
    first, then his and Carol's bear the rest in proportion.

    Gain before: 49 dollars. His contribution and Carol's bore 560 each.
    """
    world = auction_world(ticks=FURTHER)
    results = bid_sealed(world, (DAVE, ALL, 0), (CAROL, HALF, ask_bounds(world)[0]))
    (ranked,) = of_all(results, BiddersRanked)
    assert ranked.absence_charges == ((2, CHARGE),)
    assert ranks(results) == {2: 0, 3: 0, 4: 2}
    steps = [step for step in of_all(results, LossAllocated)[0].steps if step.layer is WaterfallLayer.SURVIVORS]
    assert [[(each.payer, each.cap // DOLLAR) for each in step.shares] for step in steps] == [
        [(2, 200)],
        [(2, 800), (3, 1_000)],
    ]
    assert used(world, 2, 3, 4) == [609, 512, 0]


@pytest.mark.parametrize("slices", [1, 5])
def test_less_than_its_share_is_not_what_a_member_must_bid_for(slices: int) -> None:
    world = auction_world()
    results = bid_sealed(world, (BOB, slices, 0), (CAROL, HALF, 0), (DAVE, HALF, 0))
    (ranked,) = of_all(results, BiddersRanked)
    assert dict(ranked.absence_charges) == {2: CHARGE}


def test_a_member_fulfils_its_duty_by_its_share_at_no_more_than_the_reserve() -> None:
    world = auction_world()
    reserve, _ = ask_bounds(world)
    results = bid_sealed(world, (BOB, 6, reserve), (CAROL, 6, reserve + 1), (DAVE, ALL, 0))
    (ranked,) = of_all(results, BiddersRanked)
    assert dict(ranked.absence_charges) == {3: CHARGE}


def test_a_commitment_that_is_not_revealed_is_no_bid_and_is_charged_at_any_size() -> None:
    """Else a member would commit, wait for others' bids, and reveal only what pays."""
    world = auction_world(terms=msgspec.structs.replace(SHIPPED, auction_duty_ppm=0))
    assert not world.refusals(world.bid_commitment(BOB, 1, ALL, 0))
    wait_for_reveal(world)
    results = world.until_ended()
    (ranked,) = of_all(results, BiddersRanked)
    assert (ranked.unrevealed, ranked.absence_charges) == ((2,), ((2, CHARGE),))
    assert ranks(results)[2] == 0
    assert not of_all(results, PortfolioSold)


def test_a_charge_is_never_more_than_the_contribution_and_nothing_without_a_loss() -> None:
    everything = msgspec.structs.replace(SHIPPED, auction_absence_ppm=1_000_000)
    world = auction_world(house_dollars=0, terms=everything)
    results = bid_sealed(world, (CAROL, HALF, 0), (DAVE, HALF, 0))
    (ranked,) = of_all(results, BiddersRanked)
    assert ranked.absence_charges == ((2, INTO_FUND * DOLLAR),)
    assert used(world, 2, 3, 4) == [0, 0, 0], "Alice's contribution covers what she owes"


def test_bids_are_refused_outside_of_their_phase() -> None:
    world = auction_world()
    assert world.refusals(
        world.default_bid(BOB, 1, 1, 0), world.bid_reveal(BOB, 1, 1, 0), world.bid_commitment(HOUSE, 1, 1, 0)
    ) == [ClearingCode.BIDS_ARE_SEALED, ClearingCode.REVEAL_TOO_EARLY, ClearingCode.OWN_DEFAULT]
    assert not world.refusals(world.bid_commitment(BOB, 1, 2, 0), world.bid_commitment(BOB, 1, 3, 0))
    wait_for_reveal(world)
    revealed = [world.bid_reveal(BOB, 1, slices, 0) for slices in (2, ALL + 1, 3, 3)]
    assert world.refusals(world.bid_commitment(CAROL, 1, 1, 0), *revealed) == [
        ClearingCode.COMMIT_PHASE_OVER,
        ClearingCode.NO_SUCH_COMMITMENT,
        ClearingCode.BAD_SIZE,
        ClearingCode.BID_REVEALED,
    ]


def test_open_auctions_take_no_commitments() -> None:
    world = auction_world(terms=msgspec.structs.replace(SHIPPED, reveal_blocks=0))
    assert world.refusals(world.bid_commitment(BOB, 1, 1, 0)) == [ClearingCode.BIDS_ARE_OPEN]
    assert world.default().reveal_height == 0


def test_an_auction_is_no_longer_for_being_sealed() -> None:
    default = auction_world().default()
    assert default.auction_height == default.declared_height + SHIPPED.auction_blocks
    assert default.reveal_height == default.auction_height - SHIPPED.reveal_blocks + 1
    open_ = auction_world(terms=msgspec.structs.replace(SHIPPED, reveal_blocks=0)).default()
    assert default.deadline_height == open_.deadline_height
