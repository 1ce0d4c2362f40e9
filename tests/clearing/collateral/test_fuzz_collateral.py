"""Everything about collateral at once, at random, from seeds: no block stops the rulebook, nothing is made or lost.

CROSSCLEAR_COMPLETE=1 drives many more seeds and longer stories.
"""

from collections import Counter
from functools import cache

import pytest

from clearing.base.codec import u256
from clearing.collateral.cash_tokens import current_asset, current_assets
from clearing.deposits.custody import custody_terms
from clearing.schema.facts import CustodySeen
from clearing.schema.receipts.collateral import CashLeftGroup, DepositCredited, DepositStray, HaircutChanged
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.collateral import CustodyRecord
from clearing.state.ledger import STRAY_ACCOUNT, inventory_units
from clearing.state.state import State
from tests.kit.clearing.collateral_stories import story_of
from tests.kit.clearing.exits import promised_at_exit
from tests.kit.clearing.world import World
from tests.kit.complete import COMPLETE
from tests.kit.hash_seeds import digest_of, printed

SEEDS = range(200 if COMPLETE else 6)
LATER = 77
"""Base units that came to each vault and were not taken in yet."""
ALWAYS = {"HaircutChanged", "SkewFeePaid"}
SOMETIMES = {
    "ClaimConverted", "CashLeftGroup", "SoftCreditLent", "SoftCreditRepaid", "SoftCreditRecalled", "InterestAccrued",
    "CashCalled", "AuctionOpened", "ClaimsSwapped", "DepegGuardChanged",
}  # fmt: skip
world_of = cache(story_of)


def receipts_of(seed: int) -> set[str]:
    return {type(receipt).__name__ for result in world_of(seed).results for receipt in result.receipts}


@pytest.mark.parametrize("seed", SEEDS)
def test_collateral_stays_whole_whatever_happens(seed: int) -> None:
    assert receipts_of(seed) >= ALWAYS


@pytest.mark.parametrize("seed", SEEDS)
def test_collateral_stays_whole_with_its_tokens_inside_the_scenarios(seed: int) -> None:
    world = story_of(seed, inside=True)
    assert any(token.scenarios.group for token in world.state.terms.tokens)
    assert any(isinstance(receipt, HaircutChanged) for result in world.results for receipt in result.receipts)


def test_stories_reach_every_rule() -> None:
    assert receipts_of(2) | receipts_of(9) >= SOMETIMES


def test_roots_and_receipts_do_not_depend_on_the_hash_seed() -> None:
    results = story_of(1, 12).results
    assert printed("tests.kit.clearing.collateral_stories", "story_of(1, 12).results") == {digest_of(results)}


def number(word: bytes) -> int:
    return int.from_bytes(word, "big")


class Count:
    """Base units by asset, out of receipts alone."""

    def __init__(self, world: World) -> None:
        self.terms = world.state.terms
        self.taken, self.owed, self.strays, self.dust, self.released = (Counter[int]() for _ in range(5))
        self.left: set[int] = set()
        for receipt in (each for result in world.results for each in result.receipts):
            self.take(receipt)

    def unit(self, asset: int) -> int:
        listed = self.terms.collateral_after_leaving if asset in self.left else self.terms.assets
        return listed[asset].base_units

    def take(self, receipt: object) -> None:
        if isinstance(receipt, DepositCredited):
            self.deposit(receipt.asset, receipt.units * self.unit(receipt.asset) + receipt.dust)
        elif isinstance(receipt, DepositStray):
            token = receipt.chain_id, receipt.token
            asset = next(each.id for each in self.terms.assets.values() if (each.chain_id, each.token) == token)
            self.taken[asset] += number(receipt.amount)
            self.strays[asset] += number(receipt.amount)
        elif isinstance(receipt, WithdrawalReleased):
            self.released[receipt.asset] += number(receipt.amount)
            source = self.strays if receipt.account == STRAY_ACCOUNT else self.owed
            source[receipt.asset] -= number(receipt.amount)
        elif isinstance(receipt, CashLeftGroup):
            before = receipt.inventory_micros * self.unit(receipt.asset)
            self.left.add(receipt.asset)
            after = receipt.units * self.unit(receipt.asset)
            self.dust[receipt.asset] += before - after
            self.owed[receipt.asset] += after - before

    def deposit(self, asset: int, amount: int) -> None:
        self.taken[asset] += amount
        self.dust[asset] += amount % self.unit(asset)
        self.owed[asset] += amount - amount % self.unit(asset)


@pytest.mark.parametrize("seed", SEEDS)
def test_custody_terms_are_what_receipts_add_up_to_and_nobody_is_promised_more(seed: int) -> None:
    world = world_of(seed)
    count, state = Count(world), world.state.fork()
    for asset in state.terms.assets.values():
        counters = (count.taken[asset.id] + LATER, count.released[asset.id] // 2, count.taken[asset.id] + LATER)
        place = (asset.chain_id, asset.vault, asset.token, 10**6, bytes(32))
        state.custody.put(asset.id, CustodyRecord(CustodySeen(*place, *map(u256, counters))))
    terms = {(term.chain_id, term.token): term for term in custody_terms(state) or ()}
    for asset in state.terms.assets.values():
        term, at = terms[asset.chain_id, asset.token], asset.id
        found = (term.held * term.unit, *(number(each) for each in (term.strays, term.dust, term.later, term.released)))
        unpaid = count.released[at] - count.released[at] // 2
        assert found == (count.owed[at], count.strays[at], count.dust[at], LATER, unpaid)
        assert term.accounted == term.owed
        assert current_asset(state, asset).base_units == term.unit == count.unit(at)
    check_exits(state, count)


def check_exits(state: State, count: Count) -> None:
    promised = promised_at_exit(state)
    for asset in current_assets(state):
        assert promised[asset.id] <= inventory_units(state, asset) * asset.base_units == count.owed[asset.id]
