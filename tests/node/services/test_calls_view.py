"""What a member sees of the calls of its account: kind, time left, and whether slices of it are for sale."""

from clearing.calls.terms import CallTerms
from clearing.liquidation.terms import LiquidationTerms
from node.api.shapes import CallUnderWay
from node.views.calls import calls_of
from tests.clearing.calls.crisis_world import FALLEN, leveraged
from tests.clearing.state.world import ALICE, BOB

TERMS = CallTerms(deadline_blocks=3, early_ppm=400_000, early_release_ppm=250_000, early_blocks=5)


def test_a_call_is_shown_with_its_kind_and_time() -> None:
    world = leveraged(TERMS, LiquidationTerms(auction_blocks=5))
    assert calls_of(world.state, ALICE) == ()
    early = world.go(btc=775_000).height
    assert calls_of(world.state, ALICE) == (CallUnderWay("early", early, early + 5, lapsed=False),)
    world.go()
    world.go(btc=FALLEN)
    assert calls_of(world.state, ALICE) == (CallUnderWay("margin", early, early + 5, lapsed=False),)
    for _ in range(3):
        world.go()
    assert calls_of(world.state, ALICE) == (CallUnderWay("margin", early, early + 5, lapsed=True),)
    assert calls_of(world.state, BOB) == ()
    assert ALICE in world.state.liquidations
