"""The small network with terms of calls and liquidation turned on, and prices for every feed in every block."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.default import DefaultTerms
from clearing.schema.terms.genesis import CrisisParameters, Genesis, MarketParameters, crisis_checks
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from tests.kit.clearing.world import (
    ALICE,
    BOB,
    BTC,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    HOUSE,
    USDC_1,
    World,
    make_genesis,
)

FALLEN = 725_000
"""Ticks at which Alice's 4.5 BTC on 8,000 dollars are below maintenance margin."""


def genesis_in_crisis(
    calls: CallTerms | None = None,
    liquidation: LiquidationTerms | None = None,
    default: DefaultTerms | None = None,
    ranges: RangeParameters | None = None,
    **market: Any,
) -> Genesis:
    """The small genesis with these terms."""
    crisis = CrisisParameters(
        calls=calls or CallTerms(),
        liquidation=liquidation or LiquidationTerms(),
        default=default or DefaultTerms(),
    )
    genesis = make_genesis(MarketParameters(**{"move_cap_ppm": 400_000, "epoch_blocks": 5} | market))
    assert all(good for _, _, good in crisis_checks(crisis))
    return msgspec.structs.replace(genesis, crisis=crisis, ranges=ranges or RangeParameters())


class CrisisWorld(World):
    """A world that tells both prices in every block."""

    btc, eth = 790_000, 20_000

    def go(
        self, *transactions: Transaction, btc: int = 0, facts: Sequence[Fact] = (), after_ms: int = 1_000
    ) -> BlockResult:
        """One block, at the last prices unless others are named."""
        self.btc = btc or self.btc
        return self.block(*transactions, prices=((BTC, self.btc), (ETH, self.eth)), facts=facts, after_ms=after_ms)

    def pay_in(self, account: int, dollars: int) -> BlockResult:
        """A deposit of cash, in a block of its own."""
        return self.go(facts=(self.deposit_fact(account, USDC_1, dollars * DOLLAR),))

    def margin(self, account: int) -> AccountMargin:
        """The account's margin now."""
        return holdings_margin(current_arrays(self.state), current_holdings(self.state, account))

    def bid(self, account: int, liquidated: int = ALICE, slice_ppb: int = 10**9, **changes: Any) -> LiquidationBid:
        """A signed bid for a slice, by default for all that may be taken, at any discount."""
        record = self.state.liquidations.get(liquidated)
        opened = record.opened_height if record else 0
        return self.request(LiquidationBid, account, liquidated, opened, slice_ppb, 0, **changes)


def leveraged(
    calls: CallTerms | None = None, liquidation: LiquidationTerms | None = None, dollars: int = 8_000, **more: Any
) -> CrisisWorld:
    """Alice long 4.5 BTC on 8,000 dollars; Bob, well funded, short; Carol and the house have 100,000 in cash."""
    world = CrisisWorld(genesis_in_crisis(calls, liquidation, **more))
    world.go()
    cash = {ALICE: dollars, BOB: 100_000, CAROL: 100_000, HOUSE: 100_000}
    world.go(facts=[world.deposit_fact(each, USDC_1, has * DOLLAR) for each, has in cash.items()])
    world.go(world.trade(ALICE, BOB, BTC_PERP, 4_500, 790_000))
    return world
