"""Custody terms and exits against a plain count of receipts, over random stories with all terms of collateral on."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from clearing.base.codec import u256
from clearing.collateral.cash_tokens import current_asset, current_assets
from clearing.deposits.custody import custody_terms
from clearing.epochs.exit_close_out import close_out
from clearing.schema.facts import CustodySeen
from clearing.schema.receipts.collateral import CashLeftGroup, DepositCredited, DepositStray
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.collateral import CustodyRecord
from clearing.state.ledger import SUSPENSE_ACCOUNT, inventory_units
from clearing.state.state import State
from tests.kit.clearing.collateral_stories import COMPLETE, story_of
from tests.kit.clearing.world import World

SEEDS = range(500, 560 if COMPLETE else 504)
LATER = 77
"""Base units that came to each vault and were not taken in yet."""


def number(word: bytes) -> int:
    return int.from_bytes(word, "big")


@dataclass
class Count:
    """Base units by asset, out of receipts alone."""

    world: World
    taken: Counter[int] = field(default_factory=Counter)
    owed: Counter[int] = field(default_factory=Counter)
    strays: Counter[int] = field(default_factory=Counter)
    dust: Counter[int] = field(default_factory=Counter)
    released: Counter[int] = field(default_factory=Counter)
    left: set[int] = field(default_factory=set)

    def unit(self, asset: int) -> int:
        terms = self.world.state.terms
        return (terms.collateral_after_leaving if asset in self.left else terms.assets)[asset].base_units

    def take(self, receipt: object) -> None:
        if isinstance(receipt, DepositCredited):
            self.deposit(receipt.asset, receipt.units * self.unit(receipt.asset) + receipt.dust)
        elif isinstance(receipt, DepositStray):
            assets = self.world.state.terms.assets.values()
            asset = next(each.id for each in assets if (each.chain_id, each.token) == (receipt.chain_id, receipt.token))
            if receipt.account == SUSPENSE_ACCOUNT:
                self.deposit(asset, number(receipt.amount))
            else:
                self.taken[asset] += number(receipt.amount)
                self.strays[asset] += number(receipt.amount)
        elif isinstance(receipt, WithdrawalReleased):
            self.released[receipt.asset] += number(receipt.amount)
            self.owed[receipt.asset] -= number(receipt.amount)
        elif isinstance(receipt, CashLeftGroup):
            before = receipt.inventory_micros * self.unit(receipt.asset)
            self.left.add(receipt.asset)
            self.dust[receipt.asset] += before - receipt.units * self.unit(receipt.asset)
            self.owed[receipt.asset] += receipt.units * self.unit(receipt.asset) - before

    def deposit(self, asset: int, amount: int) -> None:
        self.taken[asset] += amount
        self.dust[asset] += amount % self.unit(asset)
        self.owed[asset] += amount - amount % self.unit(asset)


@pytest.mark.parametrize("seed", SEEDS)
def test_custody_terms_are_what_receipts_add_up_to(seed: int) -> None:
    world = story_of(seed)
    count = Count(world)
    for receipt in (each for result in world.results for each in result.receipts):
        count.take(receipt)
    state = world.state.fork()
    for asset in state.terms.assets.values():
        counters = (count.taken[asset.id] + LATER, count.released[asset.id] // 2, count.taken[asset.id] + LATER)
        place = (asset.chain_id, asset.vault, asset.token, 10**6, bytes(32))
        state.custody.put(asset.id, CustodyRecord(CustodySeen(*place, *map(u256, counters))))
    terms = {(term.chain_id, term.token): term for term in custody_terms(state) or ()}
    for asset in state.terms.assets.values():
        term = terms[asset.chain_id, asset.token]
        told = (term.held * term.unit, number(term.strays), number(term.dust), number(term.later))
        assert told == (count.owed[asset.id], count.strays[asset.id], count.dust[asset.id], LATER)
        assert number(term.released) == count.released[asset.id] - count.released[asset.id] // 2
        assert term.accounted == term.owed
        assert current_asset(state, asset).base_units == term.unit == count.unit(asset.id)
    check_exits(state, count)


def check_exits(state: State, count: Count) -> None:
    """Nobody is promised what is not there."""
    promised = Counter[int]()
    for payout in close_out(state):
        assert payout.amount > 0
        promised[payout.asset] += payout.amount
    for asset in current_assets(state):
        assert promised[asset.id] <= inventory_units(state, asset) * asset.base_units == count.owed[asset.id]
