"""Random days of a world whose blocks are added up for statements."""

import random
from collections.abc import Callable

from clearing.base.codec import decode, encode
from clearing.base.units import DAY_MS
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import balance, cash_currency, token_currency
from clearing.state.state import State
from member.statements.days import StatementDays
from member.statements.saved_days import SavedDays, resume_days, save_days
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH_PERP,
    HOUSE,
    USD,
    USDC_1,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.margined import FULL
from tests.kit.clearing.world import World

ACCOUNTS = (HOUSE, ALICE, BOB, CAROL, ALICE_CLIENT)


CURRENCIES = {"USD": cash_currency(USD), "WETH-1": token_currency(WETH_1)}


class Followed(World):
    """A world whose blocks are added up, and whose truth after each day is kept from the state itself."""

    def __init__(
        self, kept: int = 10, lines_max: int | None = None, restarts: Callable[[], bool] = lambda: False
    ) -> None:
        """`restarts`: whether statements are saved and read again after a block."""
        super().__init__(make_genesis(risk=FULL), check=False)
        self._restarts, self._kept, self._lines_max = restarts, kept, lines_max
        self.days = StatementDays(self.state, kept=kept, lines_max=lines_max)
        self.closes: dict[int, dict[str, object]] = {}

    def apply(self, block: BlockInput) -> BlockResult:
        result = super().apply(block)
        self.days.decided(block.time_ms, result, self.state)
        self.closes[block.time_ms // DAY_MS] = truth(self.state)
        if self._restarts():
            saved = decode(encode(save_days(self.days, self.state.now.epoch)), SavedDays, 1 << 30)
            self.days = resume_days(saved, self.state, kept=self._kept, lines_max=self._lines_max)
        return result


def truth(state: State) -> dict[str, object]:
    arrays = current_arrays(state)
    return {
        "balances": {(a, name): balance(state, a, each) for a in ACCOUNTS for name, each in CURRENCIES.items()},
        "lots": {a: dict(book.lots) if (book := state.books.get(a)) else {} for a in ACCOUNTS},
        "margins": {a: holdings_margin(arrays, current_holdings(state, a)) for a in ACCOUNTS},
        "height": state.now.height,
    }


def random_run(seed: int, blocks: int = 60, lines_max: int | None = None, restarts: bool = False) -> Followed:
    rng, stops = random.Random(seed), random.Random(f"restarts {seed}")
    world = Followed(lines_max=lines_max, restarts=lambda: restarts and stops.random() < 0.3)
    btc, eth = 790_000, 20_000
    world.prices(btc, eth)
    facts = [world.deposit_fact(each, USDC_1, 40_000 * DOLLAR) for each in (HOUSE, ALICE, BOB, CAROL)]
    world.block(facts=[*facts, world.deposit_fact(ALICE, WETH_1, 20 * 10**18)])
    for _ in range(blocks):
        btc = max(300_000, btc + rng.randrange(-60_000, 60_001))
        eth = max(8_000, eth + rng.randrange(-1_500, 1_501))
        some = []
        after_ms = rng.choice((1_000, 2_000, 2_000, 50_000, 9_000_000))  # requests made now don't live through the last
        for _ in range(rng.randrange(4)):
            buyer, seller = rng.sample((HOUSE, ALICE, BOB, CAROL), 2)
            instrument = rng.choice((BTC_PERP, BTC_FUT, BTC_CALL, ETH_PERP))
            mark = world.state.marks[instrument].ticks
            some.append(
                world.trade(buyer, seller, instrument, rng.randrange(1, 9_000), max(mark + rng.randrange(-9, 9), 1))
            )
        if rng.random() < 0.3:
            some.append(world.withdrawal(rng.choice((ALICE, BOB)), USDC_1, rng.randrange(1, 500 * DOLLAR)))
        if rng.random() < 0.3:
            some.append(world.transfer(ALICE, ALICE_CLIENT, rng.randrange(1, 50 * DOLLAR)))
        deposit = (
            [world.deposit_fact(rng.choice((ALICE, BOB)), USDC_1, rng.randrange(10**6))] if rng.random() < 0.2 else []
        )
        world.block(*some, prices=((1, btc), (2, eth)), facts=deposit, after_ms=after_ms)
    return world
