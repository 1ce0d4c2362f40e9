"""Gains that paid for a default are out of nobody's reach: whatever a gainer does with them, it bears its share.

Alice owes 16,000 dollars that Bob has won, and nobody else is there to bear it. Before the rule gains were cut from
free cash, so that Bob and his friends kept the 16,000 in these stories, and the house, which means all others, paid.
"""

from collections.abc import Callable

import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.default import DefaultDeclared, DefaultEnded, LossAllocated, WaterfallLayer
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import TransferCode
from tests.kit.clearing.defaults import without_fund
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_CALL, CAROL, DOLLAR, ETH, USD, USDC_1, WETH_1
from tests.kit.clearing.world import World, of_all

LOSS, LOTS, FALLEN = 16_000 * DOLLAR, 40_000, 500_000
PRICES = ((BTC, FALLEN), (ETH, 20_000))
TERMS = DefaultTerms(enabled=True, auction_blocks=4)
"""No capital of the house, no fund, no assessments."""


def world() -> World:
    """Alice is long 40 BTC against Bob. Each has 100,000 dollars."""
    made = without_fund(TERMS)
    made.block(made.perp_trade(ALICE, BOB, LOTS))
    return made


def client_of_bob(made: World) -> int:
    """A client's account of his, which he opens before anything happens."""
    number = made.open_account(BOB, AccountKind.CLIENT)
    made.owner[number] = 2
    return number


def paid_of_gains(made: World) -> dict[int, int]:
    """Micros that each account paid of the loss as a gainer."""
    allocated = of_all(made.results, LossAllocated)
    paid: dict[int, int] = {}
    for each in allocated:
        for layer, account, _, micros in each.paid:
            if layer == WaterfallLayer.GAINS:
                paid[account] = paid.get(account, 0) + micros
    return paid


def the_house_and_others_pay_nothing(made: World) -> None:
    (over,) = made.every(DefaultEnded)
    assert (over.loss, over.house, over.by_layer) == (LOSS, 0, ((int(WaterfallLayer.GAINS), LOSS),))


def test_gains_parked_as_margin_with_a_friend_bear_their_share() -> None:
    """In the block of the fall Bob loses 16,200 dollars of them to Carol, who needs them as margin."""
    made = world()
    made.block(made.withdrawal(CAROL, USDC_1, 80_000 * DOLLAR))
    made.block(made.perp_trade(CAROL, BOB, 36_000, ticks=FALLEN * 91 // 100), prices=PRICES)
    assert made.last(DefaultDeclared)
    passed = 36_000 * (FALLEN - FALLEN * 91 // 100) * 10
    made.until_ended()
    the_house_and_others_pay_nothing(made)
    paid = paid_of_gains(made)
    assert paid.keys() == {BOB, CAROL}
    exact = LOSS * passed // (116_000 * DOLLAR)
    assert paid[CAROL] in (exact, exact + 1)


def test_gains_swapped_for_a_token_bear_their_share() -> None:
    """Bob gives Dave almost all of his cash for ether."""
    made = world()
    made.deposit(DAVE, WETH_1, 1_025 * 10**6)
    made.block(prices=PRICES)
    swap = made.swap(BOB, DAVE, (USD, 205_000 * DOLLAR), (2**32 + WETH_1, 1_025 * 10**6))
    assert not made.refusals(swap)
    made.until_ended()
    the_house_and_others_pay_nothing(made)
    assert paid_of_gains(made) == {BOB: LOSS}


def test_who_takes_cash_for_a_token_at_its_price_gains_nothing() -> None:
    """Dave sells Bob ether at the market in the block of the fall, and pays nothing for it afterwards."""
    made = world()
    made.deposit(DAVE, WETH_1, 300 * 10**6)
    made.block(made.swap(BOB, DAVE, (USD, 60_000 * DOLLAR), (2**32 + WETH_1, 300 * 10**6)), prices=PRICES)
    made.until_ended()
    assert paid_of_gains(made) == {BOB: LOSS}


def test_gains_moved_to_a_client_of_ones_own_bear_their_share() -> None:
    """In the block of the fall Bob closes his position and pays everything into his client's account."""
    made = world()
    made.bring(carol=100_000)
    client = client_of_bob(made)
    whole = 216_000 * DOLLAR
    made.block(made.perp_trade(BOB, CAROL, LOTS, ticks=FALLEN), made.transfer(BOB, client, whole), prices=PRICES)
    assert made.cash(BOB) == 0
    made.until_ended()
    the_house_and_others_pay_nothing(made)
    assert paid_of_gains(made) == {client: LOSS}
    assert made.cash(client) == whole - LOSS


@pytest.mark.parametrize("way", ["withdrawal", "client", "trade", "swap"])
def test_gains_that_may_have_to_bear_the_loss_stay_while_the_default_is_open(way: str) -> None:
    made = world()
    made.bring(carol=300_000)
    made.deposit(CAROL, WETH_1, 1)
    client = client_of_bob(made)
    made.block(prices=PRICES)
    assert not made.refusals(made.perp_trade(BOB, CAROL, LOTS, ticks=FALLEN))
    whole, code = made.cash(BOB), ClearingCode.DEFICIT_RESERVE
    if way == "trade":  # all that he has in one loss to a friend, within the band
        lots = whole // (FALLEN * 10 // 10)
        code = ClearingCode.GAINS_RESERVED
        request = made.perp_trade(CAROL, BOB, lots, ticks=FALLEN * 90 // 100)
    else:
        requests: dict[str, Callable[[], object]] = {
            "withdrawal": lambda: made.withdrawal(BOB, USDC_1, whole),
            "client": lambda: made.transfer(BOB, client, whole),
            "swap": lambda: made.swap(BOB, CAROL, (USD, whole), (2**32 + WETH_1, 1)),
        }
        request = requests[way]()  # type: ignore[assignment]
    assert made.refusals(request) == [code]
    made.until_ended()
    the_house_and_others_pay_nothing(made)


def test_an_option_that_gained_bears_its_share() -> None:
    """What Bob's calls gained is not paid in cash, but it is what Alice lost."""
    made = without_fund(TERMS, bob=100_000, dave=900_000)
    made.block(made.perp_trade(BOB, ALICE, LOTS, BTC_CALL, made.state.marks[BTC_CALL].ticks))
    made.fall(1_100_000)
    made.block(made.default_bid(DAVE, 1, 100, 0))
    made.until_ended()
    (over,) = made.every(DefaultEnded)
    assert over.by_layer == ((int(WaterfallLayer.GAINS), over.loss),)
    assert paid_of_gains(made) == {BOB: over.loss}
    assert made.cash(CAROL) == 100_000 * DOLLAR


def test_gains_pay_for_two_defaults_no_more_than_once() -> None:
    """Alice and Dave lose to Bob, one after another."""
    made = without_fund(TERMS, bob=100_000)
    made.block(made.perp_trade(ALICE, BOB, LOTS), made.perp_trade(DAVE, BOB, 37_000))
    made.block(prices=PRICES)
    made.go(btc=480_000)
    while not all(made.default(number).ended_height for number in (1, 2)):
        made.block()
    cut = sum(
        move.amount for result in made.results for move in result.transfers if move.code is TransferCode.GAINS_CUT
    )
    assert cut == sum(over.loss for over in made.every(DefaultEnded))
    assert made.cash(CAROL) == 100_000 * DOLLAR
    assert not list(made.state.gains_liabilities.ordered())


def test_an_account_with_gains_at_stake_is_not_closed() -> None:
    """Its money may move to another account of the same owner, which then pays for it."""
    made = without_fund(TERMS)
    second = made.open_account(BOB)
    assert not made.refusals(made.transfer(BOB, second, 40_000 * DOLLAR))
    made.block(made.perp_trade(ALICE, second, 15_000), made.perp_trade(ALICE, BOB, 25_000))
    made.block(prices=PRICES)
    assert not made.refusals(made.perp_trade(second, CAROL, 15_000, ticks=FALLEN))
    assert not made.refusals(made.transfer(second, BOB, made.cash(second)))
    assert made.refusals(made.closing(second)) == [ClearingCode.ACCOUNT_NOT_EMPTY]
    made.until_ended()
    the_house_and_others_pay_nothing(made)
    assert made.cash(BOB) + made.cash(second) == 216_000 * DOLLAR - LOSS
    assert not made.refusals(made.closing(second))
