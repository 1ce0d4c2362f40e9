"""Deleveraging many accounts costs what the other side is long, once, and not once for each of them."""

import pytest

from clearing.default import ranks
from clearing.default.gains import gains_of
from clearing.default.receipts import Deleveraged
from tests.clearing.default.defaults_world import DAVE, KEYED_CLIENT, NO_FUND, NOTHING, DefaultWorld
from tests.clearing.state.world import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, USDC_1, codes, of_kind


def closed(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Deleveraged], int]:
    """Alice and both of her clients ended against three shorts; how often gains were worked out."""
    asked: list[int] = []

    def counted(state: object, instrument: int, height: int, then: int) -> dict[int, int]:
        asked.append(instrument)
        return gains_of(state, instrument, height, then)  # type: ignore[arg-type]

    monkeypatch.setattr(ranks, "gains_of", counted)
    world = DefaultWorld(NOTHING, fund=NO_FUND)
    world.bring(client=50_000, keyed=50_000)
    assert codes(world.block(world.withdrawal(0, USDC_1, 99_000 * DOLLAR))) == []
    assert not codes(
        world.block(
            world.trades(ALICE, BOB, 20_000),
            world.trades(ALICE, CAROL, 20_000),
            world.trades(ALICE_CLIENT, DAVE, 3_000),
            world.trades(KEYED_CLIENT, DAVE, 2_000),
        )
    )
    world.fall(500_000)
    told = [each for result in world.results for each in of_kind(result, Deleveraged)]
    assert [each.account for each in told] == [ALICE, ALICE_CLIENT, KEYED_CLIENT]
    assert not any(world.lots(each, BTC_PERP) for each in (ALICE, BOB, CAROL, DAVE, ALICE_CLIENT, KEYED_CLIENT))
    return told, len(asked)


def test_each_side_is_ranked_once_for_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked = closed(monkeypatch)
    assert asked == 1


def test_who_was_asked_in_part_is_ranked_anew_by_what_it_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = closed(monkeypatch)
    for each in told:
        keys = [(-(profit * worth // max(equity, 1)), account) for account, profit, equity, worth, _, _ in each.by]
        assert keys == sorted(keys)
        assert sum(lots for *_, lots, _ in each.by) == each.lots
    lots: dict[int, int] = {}
    for each in told:
        for account, _, _, _, taken, _ in each.by:
            lots[account] = lots.get(account, 0) + taken
    assert lots == {BOB: 20_000, CAROL: 20_000, DAVE: 5_000}
