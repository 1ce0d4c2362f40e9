"""A stream of dust deposits delays no epoch, and the hold that sees to it delays no deposit for long."""

from typing import Any

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.context.block_context import BlockContext
from clearing.deposits.bridge_facts import is_deposit_postponed
from clearing.schema.facts import CustodySeen, DepositSeen
from clearing.schema.receipts.collateral import DepositCredited
from tests.kit.clearing.gated import MARKET, WINDOW, gated_genesis
from tests.kit.clearing.genesis import BOB, USDC_1, VAULTS, make_genesis
from tests.kit.clearing.world import DEPOSITOR, World, of_kind

TOKEN = b"\xc1" * 20
STRIDE = 4


class Dusty:
    """Two chains that make a block in each of ours; somebody pays in one unit in every block of the first.

    Custody of a block is told `late` of our blocks after its deposits, as it is where a node answers slowly.
    """

    def __init__(self, late: int, epoch_blocks: int = WINDOW, **terms: Any) -> None:
        market = msgspec.structs.replace(MARKET, epoch_blocks=epoch_blocks)
        self.world = World(gated_genesis(base=make_genesis(market), **terms))
        self.late = late
        self.head = 0
        self.epochs: list[int] = []
        self.credited: dict[int, int] = {}

    def deposit(self) -> DepositSeen:
        source = self.head.to_bytes(32, "big")
        return DepositSeen(1, VAULTS[1], self.head, TOKEN, BOB, u256(1), self.head, u256(self.head), source, DEPOSITOR)

    def custody(self, number: int) -> list[CustodySeen]:
        facts = []
        for asset in self.world.genesis.assets:
            paid_in = u256(number if asset.id == USDC_1 else 0)
            where = (asset.chain_id, asset.vault, asset.token)
            facts.append(CustodySeen(*where, number, u256(number), paid_in, u256(0), paid_in))
        return facts

    def block(self) -> None:
        self.head += 1
        world, known = self.world, self.head - self.late
        evidence = self.custody(known) if known > 0 and known % STRIDE == 0 else []
        before = world.state.now.epoch
        result = world.block(prices=((1, 790_000), (2, 20_000)), facts=[self.deposit(), *evidence])
        if world.state.now.epoch > before:
            self.epochs.append(world.state.now.height)
        for each in of_kind(result, DepositCredited):
            self.credited[each.nonce] = world.state.now.height

    def go(self, blocks: int) -> "Dusty":
        for _ in range(blocks):
            self.block()
        return self


def test_without_the_hold_dust_in_every_block_keeps_epochs_open_for_ever() -> None:
    assert Dusty(late=1).go(60).epochs == []


@pytest.mark.parametrize("late", [0, 1, 2, 3, 5])
def test_with_the_hold_every_epoch_closes_soon_after_its_boundary(late: int) -> None:
    """Two strides and the time that evidence takes are enough of a hold."""
    hold = 2 * STRIDE + late
    dusty = Dusty(late, epoch_blocks=20, deposit_hold_blocks=hold).go(120)
    boundaries = range(20, 120 - hold, 20)
    assert len(boundaries) >= 4
    for boundary in boundaries:
        assert any(boundary <= height <= boundary + hold for height in dusty.epochs), (boundary, dusty.epochs)


def test_every_deposit_is_credited_once_in_order_and_waits_no_longer_than_the_hold() -> None:
    dusty = Dusty(late=2, deposit_hold_blocks=4).go(100)
    assert list(dusty.credited) == list(range(1, len(dusty.credited) + 1))
    assert max(height - nonce for nonce, height in dusty.credited.items()) <= 4
    assert dusty.world.cash(BOB) == len(dusty.credited)


def test_evidence_that_never_comes_stops_no_deposit_for_good() -> None:
    dusty = Dusty(late=10**6, deposit_hold_blocks=2**31).go(40)
    assert dusty.epochs == []
    assert len(dusty.credited) >= 35
    assert max(height - nonce for nonce, height in dusty.credited.items()) <= WINDOW - 1


def test_what_custody_evidence_has_reached_does_not_wait() -> None:
    dusty = Dusty(late=1, deposit_hold_blocks=4)
    world = dusty.world
    while world.state.now.height % WINDOW:
        world.block()
    world.block(facts=dusty.custody(8))
    fact = dusty.deposit()
    while (world.state.now.height + 1) % WINDOW:
        world.block()
    context = BlockContext(world.state, world.make_block())
    changes = ({"block_number": 8}, {"block_number": 9}, {"block_number": 9, "token": bytes(20)})
    postponed = [is_deposit_postponed(context, msgspec.structs.replace(fact, **change)) for change in changes]
    assert postponed == [False, True, False], "a stray is in no term"
