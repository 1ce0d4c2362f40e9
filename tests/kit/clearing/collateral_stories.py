"""Random stories over collateral on two chains, from one seed."""

import random

import msgspec

from clearing.base.codec import decode, encode
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.collateral.cash_tokens import current_assets
from clearing.context.block_context import BlockContext
from clearing.epochs.snapshot import is_snapshot_possible
from clearing.liquidation.takeover import may_liquidate
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.terms.genesis import MarketParameters
from clearing.state.holdings import current_holdings
from clearing.state.ledger import FEE_POT_ACCOUNT, inventory_units, soft_credit_of
from tests.kit.clearing.fuzz import check_provable
from tests.kit.clearing.genesis import ACCOUNTS, BTC, BTC_PERP, CAROL, ETH, ETH_PERP, HOUSE, USD, USDC_1, USDC_2, WETH_1
from tests.kit.clearing.inside import with_tokens_inside
from tests.kit.clearing.vaults import RATE_FEED, STETH_2, USDC_FEED, genesis_of_everything, opened
from tests.kit.clearing.world import World, executed
from tests.kit.complete import COMPLETE

BLOCKS = 200 if COMPLETE else 50
CURRENCIES = (USD, 2**32 + WETH_1, 2**32 + STETH_2, 2**32 + USDC_1)


class Story:
    """One story out of one seed, with all terms on."""

    def __init__(self, seed: int, inside: bool) -> None:
        self.chance = random.Random(seed)
        market = MarketParameters(move_cap_ppm=300_000, epoch_blocks=5, trade_fee_ppm=100, request_ms_max=60_000)
        genesis = genesis_of_everything(seed, market)
        self.world: World = opened(with_tokens_inside(genesis, seed) if inside else genesis, dollars=20_000)
        self.coming: list[Fact] = []
        self.silent: tuple[int, ...] = ()

    def request(self) -> Transaction:
        chance, world = self.chance, self.world
        kind, who, other = chance.random(), chance.choice(ACCOUNTS), chance.choice(ACCOUNTS)
        if kind < 0.35:
            instrument = chance.choice((BTC_PERP, ETH_PERP))
            mark = world.state.marks[instrument].ticks
            return world.trade(who, other, instrument, chance.randint(1, 9_000), mark + chance.randint(-500, 500))
        if kind < 0.55:
            return world.withdrawal(who, chance.choice((USDC_1, USDC_2, WETH_1, STETH_2)), chance.randint(1, 10**10))
        if kind < 0.65:
            return world.limited(who, chance.choice((USDC_1, USDC_2)), chance.randint(1, 10**10), 10**8)
        if kind < 0.8:
            given, taken = chance.sample(CURRENCIES, 2)
            return world.swap(who, other, (given, chance.randint(0, 10**7)), (taken, chance.randint(0, 10**7)))
        if kind < 0.95:
            asset = chance.choice((WETH_1, STETH_2, USDC_1))
            return world.collateral_bid(who, other, asset, chance.randint(1, 10**8), chance.choice((150, 190, 10**6)))
        return world.transfer(who, other, chance.randint(1, 10**10))

    def facts(self) -> list[Fact]:
        chance, world = self.chance, self.world
        facts: list[Fact] = []
        if chance.random() < 0.3:
            asset = chance.choice((USDC_1, USDC_2, WETH_1, STETH_2))
            amount = chance.randint(1, 9_999_999_999) if asset in (USDC_1, USDC_2) else chance.randint(1, 20_000_000)
            head = world.heads[world.state.terms.assets[asset].chain_id]
            seen, final = world.sighted(chance.choice((*ACCOUNTS, 999)), asset, amount, block=head + 2)
            self.coming.append(final)
            if chance.random() < 0.8:
                facts.append(seen)
        while self.coming and chance.random() < 0.4:
            final = self.coming.pop(0)
            facts.append(final if chance.random() < 0.8 else msgspec.structs.replace(final, account=CAROL))
        if chance.random() < 0.1:
            facts.append(executed(chance.choice((1, 2)), chance.randint(0, 20)))
        if chance.random() < 0.3:
            facts += world.custody_facts(4 * world.state.now.height)
        return facts

    def step(self) -> None:
        chance, world = self.chance, self.world
        for feed, spread in ((BTC, 60_000), (ETH, 80_000), (RATE_FEED, 5_000)):
            world.ticks[feed] = max(world.ticks[feed] * chance.randint(10**6 - spread, 10**6 + spread) // 10**6, 1)
        if chance.random() < 0.15:
            world.ticks[USDC_FEED] = chance.choice((1_000_000, 1_000_000, 985_000, 950_000, 400_000))
        if chance.random() < 0.1:
            self.silent = chance.choice(((), (), (1,), (2,)))
        unpriced = chance.choice(((), (), (), (USDC_FEED,), (RATE_FEED,), (ETH,)))
        requests = [self.request() for _ in range(chance.randint(0, 4))]
        after_ms = chance.choice((1_000, 1_000, 1_000, 4_000, 3_700_000 if chance.random() < 0.1 else 500))
        copy = world.restored()
        # Checked against every invariant.
        result = world.block(*requests, facts=self.facts(), silent=self.silent, after_ms=after_ms, unpriced=unpriced)
        assert decode(encode(result), BlockResult, 1 << 24) == result
        world.check_replay(copy, -1)
        self.check()

    def check(self) -> None:
        state = self.world.state
        assert self.world.cash(FEE_POT_ACCOUNT) >= 0
        loans = {account: soft_credit_of(state, account, USD) for account in ACCOUNTS}
        assert loans[HOUSE] == sum(loans[each] for each in ACCOUNTS if each != HOUSE)
        assert loans[HOUSE] == sum(credit.micros for _, credit in state.soft_credits.ordered())
        cash = sum(self.world.cash(account) for account, _ in state.accounts.ordered())
        assert cash == sum(inventory_units(state, asset) for asset in current_assets(state) if asset.is_cash)
        context = BlockContext(state, self.world.blocks[-1])
        for account in ACCOUNTS:
            if account != HOUSE_ACCOUNT and not self.world.margin(account).maintenance_ok:
                own = current_holdings(state, account)
                assert not may_liquidate(context, own), f"account {account} is left short"
        if is_snapshot_possible(state):
            check_provable(state)


def story_of(seed: int, blocks: int = BLOCKS, *, inside: bool = False) -> World:
    """`inside`: the tokens move in the scenarios of risk groups."""
    story = Story(seed, inside)
    for _ in range(blocks):
        story.step()
    return story.world
