"""What a member sees of the calls of its account: kind, time left, and whether slices of it are for sale."""

from clearing.schema.records.margin_calls import LiquidationRecord
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from member.api.accounts import CallUnderWay
from node.api.accounts import calls_of
from node.api.receipts import SALES_MAX, slice_sales
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import ALICE, BOB

TERMS = CallTerms(deadline_blocks=3, early_ppm=400_000, early_release_ppm=250_000, early_blocks=5)


def test_a_call_is_shown_with_its_kind_and_time() -> None:
    world = leveraged(TERMS, LiquidationTerms(auction_blocks=5))
    assert calls_of(world.state, ALICE) == ()
    early = world.go(btc=775_000).height
    assert calls_of(world.state, ALICE) == (CallUnderWay("early", early, early + 5, lapsed=False),)
    world.block()
    world.go(btc=FALLEN)
    assert calls_of(world.state, ALICE) == (CallUnderWay("margin", early, early + 5, lapsed=False),)
    for _ in range(3):
        world.block()
    assert calls_of(world.state, ALICE) == (CallUnderWay("margin", early, early + 5, lapsed=True),)
    assert calls_of(world.state, BOB) == ()
    assert ALICE in world.state.liquidations


def test_of_very_many_sales_those_that_end_first_are_shown() -> None:
    """One member's request must not make the node tell of ten thousand portfolios while it agrees on blocks."""
    world = leveraged(TERMS, LiquidationTerms(auction_blocks=5))
    height = world.state.now.height
    for number in range(2 * SALES_MAX):
        account, last = 1_000 + number, height + (9 if number % 2 else 5)
        world.state.liquidations.put(account, LiquidationRecord(height, height, last, height))
    world.state.liquidations.put(5_000, LiquidationRecord(height, height, height, height))
    shown = slice_sales(world.state)
    assert [each.account for each in shown] == [1_000 + 2 * at for at in range(SALES_MAX)]
    assert {each.last_height for each in shown} == {height + 5}
