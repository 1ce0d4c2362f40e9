"""The table language: what a story may say, and that it fails where something else happens."""

import pytest

from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.world import World, funded
from tests.kit.table import StoryError, amount, tell

STORY = """
price     BTC    7_900  ETH 200                 -> applied feed 1, applied feed 2
deposit   alice  eth:USDC      20_000.00        -> credited account alice units 20_000.00
deposit   bob    base:USDC     20_000.00        -> credited
trade     alice  bob  BTC-PERP +2 @ 7_900       -> novated, no margin_called
margin    alice  initial 3_160.00  equity 20_000.00
position  alice  BTC-PERP +2
position  bob    BTC-PERP -2
withdraw  alice  eth:USDC      16_840.000_001   -> refused R0203 collateral_needed_for_margin
withdraw  alice  eth:USDC      16_840.00        -> released account alice
cash      alice  3_160.00      # what is left is the margin
trade     alice  bob  BTC-PERP -2 @ 7_900       -> novated
& transfer alice client 60.00                   -> transferred micros 60.00
wait      2                                     -> no trade_novated
margin    alice  initial 0  equity 3_100.00
"""


def fresh() -> World:
    return World(fresh=True)


def test_a_story_that_is_so() -> None:
    world = tell(fresh(), STORY)
    assert world.lots(1, 1) == 0
    assert len(world.results) == 9, "a line joined to another makes no block of its own"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("-> credited account alice units 20_000.00", "-> credited account bob", "did not come; came: credited"),
        ("-> credited account alice units 20_000.00", "-> credited units 20_000.01", "did not come"),
        ("-> credited account alice units 20_000.00", "-> credited, credited", "did not come"),
        ("-> credited account alice units 20_000.00", "-> nothing", "came: credited"),
        ("novated, no margin_called", "no trade_novated", "came: novated"),
        ("novated, no margin_called", "one novated lots 2_001", "did not come"),
        ("withdraw  alice  eth:USDC      16_840.00 ", "wait 1", "did not come; came: nothing"),
        ("initial 3_160.00", "initial 3_160.01", "is: initial 3160000000"),
        ("position  bob    BTC-PERP -2", "position bob BTC-PERP +2", "is: lots -2000"),
        ("R0203", "R0204", "came: refused R0203 collateral_needed_for_margin"),
        ("released account alice", "refused R0203", "came: released"),
        ("cash      alice  3_160.00", "cash alice 3_160.01", "is: cash 3160000000"),
        ("eth:USDC      16_840.00 ", "eth:DAI 1.00", "not understood"),
        ("wait      2 ", "sleep 2 ", "not understood"),
        ("+2 @ 7_900", "+2 at 7_900", "not understood"),
        ("+2 @ 7_900", "+2.000_1 @ 7_900", "no whole number of units"),
        ("60.00  ", "60.000_000_1  ", "not understood"),
        ("margin    alice  initial 0", "margin nobody initial 0", "not understood"),
    ],
)
def test_a_line_that_is_not_so_ends_the_story_and_is_named(before: str, after: str, why: str) -> None:
    assert before in STORY
    with pytest.raises(StoryError) as found:
        tell(fresh(), STORY.replace(before, after, 1))
    assert why in str(found.value)
    assert after.split("#")[0].split()[0] in str(found.value)


def test_what_may_not_come_may_not_come_in_any_block_of_a_wait() -> None:
    world = tell(fund_world(), "epoch -> fund_called")
    with pytest.raises(StoryError, match=r"came: fund_debited|came: .*paid"):
        tell(world, "wait 6 -> no fund_paid, no fund_debited")
    with pytest.raises(StoryError, match="did not come"):
        tell(fund_world(), "epoch -> one fund_called")


def test_a_price_leaves_the_others_as_they_were() -> None:
    world = tell(funded(fresh=True), "price BTC 7_800 -> applied feed 1 ticks 780_000")
    assert world.ticks == {1: 780_000, 2: 20_000}


def test_a_fund_is_paid_in_a_story() -> None:
    tell(
        fund_world(),
        """
        epoch                   -> fund_sized, fund_called member 3 micros 1_000.00
        pay   carol 999.00      -> paid missing 1.00
        pay   carol 2.00        -> refused R0265
        pay   carol 1.00        -> paid missing 0
        fund  3_000.00          # at the deadline the others are debited
        """,
    )


def test_an_amount_is_exact() -> None:
    assert amount("-1_000.000_001", 10**6) == -1_000_000_001
    with pytest.raises(ValueError, match="whole"):
        amount("0.0000001", 10**6)
