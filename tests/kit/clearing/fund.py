"""A network with a default fund, and verbs for its calls."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.default import FundContribution
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario, StressScenario
from clearing.schema.terms.default import DefaultTerms, FundTerms
from clearing.schema.terms.genesis import CrisisParameters, Genesis, MarketParameters
from clearing.state.ledger import FUND_ACCOUNT
from tests.kit.clearing.world import (
    ALICE,
    BOB,
    BTC,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    HOUSE,
    USD,
    USDC_1,
    World,
    make_genesis,
)

CRASH = StressScenario("crash", (Scenario(-60, 100, 0, of_index=True), Scenario(-70, 100, 0, of_index=True)))
RALLY = StressScenario("rally", (Scenario(60, 100, 0, of_index=True), Scenario(70, 100, 0, of_index=True)))
GROUPS = (RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000))
TERMS = FundTerms(
    cash_group=USD,
    minimum_micros=1_000 * DOLLAR,
    step_micros=DOLLAR,
    call_blocks=3,
    return_blocks=4,
)
BOLD = 40_000
"""Lots that 100,000 dollars are margin for, and too little in a stress."""


def fund_genesis(
    terms: FundTerms = TERMS, house_dollars: int = 0, default: DefaultTerms | None = None, epoch_blocks: int = 5
) -> Genesis:
    risk = RiskParameters(
        GROUPS,
        cash_limit_micros=1_000 * DOLLAR,
        stress=(CRASH, RALLY),
        default_fund_micros=house_dollars * DOLLAR,
    )
    market = MarketParameters(move_cap_ppm=300_000, epoch_blocks=epoch_blocks, request_ms_max=600_000)
    crisis = CrisisParameters(fund=terms, default=default or DefaultTerms())
    return msgspec.structs.replace(make_genesis(market, risk), crisis=crisis)


class FundWorld(World):
    """A world with a fund. Custody is told whenever an epoch is to close."""

    def __init__(self, genesis: Genesis | None = None, dollars: int = 100_000, check: bool = True) -> None:
        super().__init__(genesis or fund_genesis(), check)
        self.stride = 0
        self.quotes: tuple[tuple[int, int], ...] = ()
        self.prices(790_000)
        facts = [self.deposit_fact(each, USDC_1, dollars * DOLLAR) for each in (HOUSE, ALICE, BOB, CAROL)]
        self.block(facts=facts)

    def block(self, *transactions: Transaction, prices: Sequence[tuple[int, int]] = (), **more: Any) -> BlockResult:
        """As of any world, but prices stay fresh: those last told are told again."""
        self.quotes = tuple(prices) or self.quotes
        return super().block(*transactions, prices=self.quotes, **more)

    def pass_epoch(self) -> BlockResult:
        """Blocks until an epoch has closed and the fund was sized after it; the block of the sizing."""
        before = self.state.now.epoch
        while self.state.now.epoch == before:
            self.stride += 4
            self.block(facts=self.custody_facts(self.stride))
        return self.block()

    def pay(self, account: int, micros: int, **changes: Any) -> FundContribution:
        return self.request(FundContribution, account, micros, **changes)

    def open_positions(self, lots: int = BOLD) -> None:
        self.block(self.trade(ALICE, BOB, BTC_PERP, lots, 790_000))

    def required(self, member: int) -> int:
        record = self.state.contributions.get(member)
        return record.required if record else 0

    @property
    def fund(self) -> int:
        return self.cash(FUND_ACCOUNT)
