"""Gains bear a loss wherever their owner has moved the cash: no transfer between its accounts dodges the cut."""

import pytest

from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.default import DefaultEnded, LossAllocated, WaterfallLayer
from clearing.schema.terms.default import DefaultTerms
from tests.kit.clearing.defaults import NO_FUND, default_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USD
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes, of_kind

TERMS = DefaultTerms(enabled=True, auction_blocks=4)
LOSS = 16_000 * DOLLAR


def ended(move: int, lots: tuple[int, int] = (40_000, 0)) -> tuple[World, int, list[LossAllocated], BlockResult]:
    """Bob, and Carol, gain what Alice loses; then Bob moves dollars to a second account of his own, before the cut.

    The house takes Alice's lots over, so that the gainers' own margin stays bound.
    """
    world = default_world(TERMS, fund=NO_FUND)
    second = world.open_account(BOB)
    trades = [world.perp_trade(ALICE, each, size) for each, size in zip((BOB, CAROL), lots, strict=True) if size]
    assert codes(world.block(*trades)) == []
    world.fall(500_000)
    if move:
        request = world.transfer(BOB, second, move * DOLLAR)
        moved = world.sign(request, secret(2))
        assert codes(world.block(moved)) == []
    results = world.until_ended()
    shared = [each for result in results for each in of_kind(result, LossAllocated)]
    return world, second, shared, results[-1]


@pytest.mark.parametrize("move", [0, 170_000])
def test_what_a_gainer_moved_to_another_account_of_its_own_bears_its_share(move: int) -> None:
    world, second, shared, last = ended(move)
    (over,) = of_kind(last, DefaultEnded)
    assert (over.loss, over.house) == (LOSS, 0)
    assert over.by_layer == ((int(WaterfallLayer.GAINS), LOSS),)
    (step,) = [step for each in shared for step in each.steps if step.layer is WaterfallLayer.GAINS]
    assert [(share.payer, share.amount) for share in step.shares] == [(BOB, LOSS)]
    assert world.cash(BOB) + world.cash(second) == 200_000 * DOLLAR
    paid = [
        (account, micros) for each in shared for layer, account, _, micros in each.paid if layer == WaterfallLayer.GAINS
    ]
    assert sum(micros for _, micros in paid) == LOSS
    assert {account for account, _ in paid} == ({BOB, second} if move else {BOB})


def test_nobody_pays_more_because_another_moved_its_cash() -> None:
    world, second, shared, _ = ended(135_000, (20_000, 20_000))
    (step,) = [step for each in shared for step in each.steps if step.layer is WaterfallLayer.GAINS]
    assert [(share.payer, share.amount) for share in step.shares] == [(BOB, LOSS // 2), (CAROL, LOSS // 2)]
    paid = {account: micros for each in shared for _, account, group, micros in each.paid if group == USD}
    assert paid[CAROL] == LOSS // 2
    assert paid.get(BOB, 0) + paid.get(second, 0) == LOSS // 2
    assert world.everything() + world.cash(second) == 500_000 * DOLLAR
