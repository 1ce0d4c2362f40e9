"""Hostile blocks over a market with everything about prices on: funding, averages, deliveries, halts, dead feeds."""

import random

import msgspec
import pytest

from clearing.schema.blocks.transaction import Transaction
from clearing.schema.receipts.prices import AuctionCleared, AuctionOrderTaken, OutliersDropped, PriceStatusChanged
from clearing.schema.receipts.settlement import Delivered, DeliveryFailed, FundingPaid, Settled
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.prices import PriceTerms
from tests.kit.clearing.fuzz import MEMBERS, Fuzz
from tests.kit.clearing.genesis import BTC, START_MS
from tests.kit.clearing.priced import FUNDING, priced_genesis
from tests.kit.clearing.world import funded
from tests.kit.complete import COMPLETE
from tests.kit.hash_seeds import digest_of, printed

SEEDS = range(1_000, 1_200 if COMPLETE else 1_008)
BLOCKS = 150 if COMPLETE else 50


def short_lived() -> Genesis:
    """Expiries within the story, funding often, feeds dead after twenty blocks."""
    terms = PriceTerms(3, 1_000, grace_blocks=2, settle_blocks=20, auction_blocks=1, auction_band_ppm=200_000)
    funding = msgspec.structs.replace(FUNDING, interval_ms=5_000, period_ms=60_000)
    genesis = priced_genesis(terms, funding, trade_fee_ppm=100, request_ms_max=60_000, move_cap_ppm=140_000)
    instruments = tuple(
        msgspec.structs.replace(each, expiry_ms=START_MS + 15_000 * each.id) if each.expiry_ms else each
        for each in genesis.instruments
    )
    return msgspec.structs.replace(genesis, instruments=instruments)


class PricedFuzz(Fuzz):
    """One story out of one seed; most requests are trades in anything."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.chance = random.Random(seed)
        self.world = funded(genesis=short_lived(), dollars=20_000)

    def request(self) -> Transaction:
        if self.chance.random() < 0.5:
            return super().request()
        if self.world.state.feeds[BTC].status == FeedStatus.HALTED and self.chance.random() < 0.6:
            near = self.btc * self.chance.randint(950_000, 1_050_000) // 1_000_000
            lots = self.chance.choice((0, *range(-500, 500, 50)))
            return self.world.order(self.chance.choice(MEMBERS), lots, self.some(near, near), self.some(1, 2))
        instrument = self.chance.randint(1, len(self.world.genesis.instruments))
        mark = self.world.state.marks.get(instrument)
        ticks = (mark.ticks if mark else 5) * self.chance.randint(950_000, 1_050_000) // 1_000_000
        sides = self.chance.choice(MEMBERS), self.chance.choice(MEMBERS)
        return self.world.trade(*sides, instrument, self.chance.randint(1, 500), ticks)


def played(seed: int) -> PricedFuzz:
    fuzz = PricedFuzz(seed)
    for _ in range(BLOCKS):
        fuzz.step()
    return fuzz


@pytest.mark.parametrize("seed", SEEDS)
def test_no_block_stops_a_market_with_funding_averages_and_deliveries(seed):
    fuzz = played(seed)
    fuzz.check_restart()
    fuzz.world.check_replay()


def test_the_stories_reach_what_they_are_about():
    seen = {type(receipt) for seed in SEEDS for result in played(seed).world.results for receipt in result.receipts}
    assert {FundingPaid, Settled, Delivered, DeliveryFailed, PriceStatusChanged, OutliersDropped} <= seen
    assert {AuctionOrderTaken, AuctionCleared} <= seen


def test_roots_and_receipts_do_not_depend_on_the_hash_seed():
    assert printed("tests.clearing.prices.test_fuzz_prices", "played(1_001).world.results") == {
        digest_of(played(1_001).world.results)
    }
