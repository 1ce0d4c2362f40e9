"""Hostile blocks at random behind gates: cancellations of anything, both facts on any withdrawal, dust on the way."""

from collections import Counter
from functools import cache

import pytest

from clearing.base.codec import u256
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import ChainHeartbeat, Fact, WithdrawalNotExecuted
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed, WithdrawalRefunded
from clearing.schema.terms.genesis import MarketParameters
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.state.ledger import inventory_units
from tests.kit.clearing.exits import promised_at_exit
from tests.kit.clearing.fuzz import BLOCKS, Fuzz
from tests.kit.clearing.gated import gated_genesis, not_executed
from tests.kit.clearing.genesis import DOLLAR, VAULTS, make_genesis
from tests.kit.clearing.world import executed, funded
from tests.kit.complete import COMPLETE

SEEDS = range(200 if COMPLETE else 8)
MARKET = MarketParameters(
    move_cap_ppm=300_000, epoch_blocks=5, trade_fee_ppm=100, request_ms_max=60_000, withdrawal_valid_ms=3_000
)


class GatedFuzz(Fuzz):
    """As its parent, behind gates of a size that its requests often meet."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        gates = [
            AssetWithdrawalLimits(asset, 3_000 * DOLLAR, 5_000 * DOLLAR, 500 * DOLLAR, self.chance.randint(1, 6))
            for asset in (1, 2, 3)
        ]
        terms = {
            "waiting_max": 6,
            "waiting_per_owner_max": 3,
            "waiting_grace_blocks": 4,
            "deficit_reserve": True,
            "give_back_expired": True,
            "deposit_hold_blocks": self.chance.randint(0, 6),
        }
        self.world = funded(genesis=gated_genesis(*gates, base=make_genesis(MARKET), **terms), dollars=20_000)
        self.back: set[tuple[bool, int]] = set()
        self.paid: set[int] = set()

    def request(self) -> Transaction:
        kind = self.chance.random()
        if kind < 0.2:
            clock = self.world.state.delayed_withdrawal_counter.get(0)
            number = self.some(0, clock.next_number if clock else 1)
            return self.world.withdrawal_cancellation(self.account(), number)
        if kind < 0.45:
            dollars = self.chance.choice((1, 100, 400, 600, 2_500))
            return self.world.withdrawal(self.account(), self.chance.choice((1, 2, 3)), dollars * DOLLAR)
        return super().request()

    def fact(self) -> Fact:
        count = self.world.state.now.withdrawals_released
        kind = self.chance.random()
        if count and kind < 0.35:
            nonce = self.chance.randrange(count)
            late = self.chance.choice((-1, 0, 1, 1, 1, 9))
            released = self.world.state.withdrawals[nonce]
            return not_executed(self.world, nonce, block_time_s=released.not_after_s + late)
        if count and kind < 0.5:
            return executed(self.chance.choice((1, 2)), self.chance.randrange(count))
        if kind < 0.55:
            chain, vault = self.chance.choice((*VAULTS.items(), (7, bytes(20))))
            words = (self.some(0, 9), self.some(0, 2**40), self.some(0, 999), bytes(32), self.some(0, 2**41))
            return WithdrawalNotExecuted(chain, vault, *words)
        if kind < 0.6:
            return ChainHeartbeat(1, self.some(0, 1000), u256(1))
        return super().fact()

    def step(self) -> None:
        before = len(self.world.results)
        super().step()
        for receipt in (each for result in self.world.results[before:] for each in result.receipts):
            if isinstance(receipt, WithdrawalRefunded):
                key = (receipt.reason.name == "NOT_PAID", receipt.number)
                assert key not in self.back, "given back twice"
                self.back.add(key)
            elif isinstance(receipt, WithdrawalConfirmed):
                self.paid.add(receipt.nonce)
        assert not self.paid & {number for unpaid, number in self.back if unpaid}
        self.check_queue()

    def check_queue(self) -> None:
        state = self.world.state
        waiting = [each for _, each in state.delayed_withdrawals.ordered()]
        assert len(waiting) <= 6
        refunded = {nonce for nonce, each in state.expired_withdrawals.ordered() if each.refunded_height}
        queued, out, promised = Counter[int](), Counter[int](), Counter[int]()
        for each in waiting:
            queued[each.asset] += int.from_bytes(each.amount, "big")
        for nonce, each in state.withdrawals.ordered():
            out[each.asset] += int.from_bytes(each.amount, "big") * (nonce not in refunded)
        if state.now.snapshot_height == state.now.height:
            promised = promised_at_exit(state)
        for asset in state.terms.assets.values():
            released, inventory = state.asset_flows[asset.id].amounts().released, inventory_units(state, asset)
            assert released == queued[asset.id] + out[asset.id]
            assert inventory <= asset.cap_units
            assert promised[asset.id] <= asset.to_amount(inventory) + queued[asset.id]


@cache
def story(seed: int) -> GatedFuzz:
    fuzz = GatedFuzz(seed)
    for _ in range(BLOCKS):
        fuzz.step()
    return fuzz


@pytest.mark.parametrize("seed", SEEDS)
def test_behind_gates_nothing_is_made_lost_or_given_back_twice(seed: int) -> None:
    story(seed).check_restart()


def test_the_stories_reach_every_way_out_of_a_gate() -> None:
    """Not a rule of the ledger: that the stories above are about something."""
    receipts = [each for seed in range(6) for result in story(seed).world.results for each in result.receipts]
    reasons = {each.reason.name for each in receipts if isinstance(each, WithdrawalRefunded)}
    assert reasons >= {"CANCELLED", "NOT_PAID", "MARGIN"}
    kinds = {type(each).__name__ for each in receipts}
    assert kinds >= {"WithdrawalDelayed", "WithdrawalRefunded", "WithdrawalExpired"}
