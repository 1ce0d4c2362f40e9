"""A world whose options on BTC are valued on a live surface."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clearing.base.units import DAY_MS
from clearing.schema.blocks.block import BlockResult, ExpiryQuote, SurfaceReport, VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.instruments import InstrumentKind
from clearing.schema.terms.surfaces import SurfaceTerms
from clearing.validators.validator_sets import validator_sets
from tests.kit.clearing.genesis import BTC, BTC_CALL, ETH, START_MS, make_genesis
from tests.kit.clearing.world import World, reports

change = msgspec.structs.replace
NEAR_MS, FAR_MS = START_MS + 30 * DAY_MS, START_MS + 60 * DAY_MS
FAR_PUT = 5
GROUP = 1
NEAR = ExpiryQuote(NEAR_MS, 1_010_000_000, 120_000, 700_000, -200_000, 500_000)
FAR = ExpiryQuote(FAR_MS, 1_020_000_000, 120_000, 650_000, -200_000, 450_000)
QUOTES = (NEAR, FAR)
WIDE = {"level_change_ppm": 10_000_000, "shape_change_ppm": 2_000_000, "carry_change_ppm": 1_000_000}
"""No value is held back by its last one."""


def surfaced_genesis(terms: dict[str, int] | None = None, **parts: Any) -> Genesis:
    """Calls on BTC in a month and puts in two; `terms` of the surface, by default without limits of one block."""
    plain = make_genesis(**parts)
    perp, future, call, eth = plain.instruments
    call = change(call, expiry_ms=NEAR_MS)
    put = change(call, id=FAR_PUT, name="BTC-PUT", kind=InstrumentKind.PUT, expiry_ms=FAR_MS, strike_ticks=750_000)
    surface = SurfaceTerms(GROUP, **WIDE | (terms or {}))
    return change(plain, instruments=(perp, future, call, eth, put), surfaces=(surface,))


class SurfacedWorld(World):
    """`quote` gives every validator's surface; `block` alone gives none."""

    def __init__(self, genesis: Genesis | None = None, **more: Any) -> None:
        super().__init__(genesis or surfaced_genesis(), **more)
        self.ticks = {BTC: 790_000, ETH: 20_000}

    def quote(
        self,
        quotes: Sequence[ExpiryQuote] = QUOTES,
        *transactions: Transaction,
        lying: Sequence[ExpiryQuote] | None = None,
        btc: int | None = None,
        after_ms: int = 1_000,
        age_ms: int = 0,
        sources: int = 3,
        silent: int = 0,
    ) -> BlockResult:
        """One block in which all validators tell prices and, but for the last `silent`, these quotes; the first one
        tells those of `lying`."""
        self.ticks[BTC] = btc or self.ticks[BTC]
        now_ms = self.state.now.time_ms + after_ms
        prices = reports(*self.ticks.items(), time_ms=now_ms)
        count = len(validator_sets(self.state).last.validators)
        said = []
        for number in range(count):
            reported = lying if number == 0 and lying is not None else quotes
            surfaces = (SurfaceReport(GROUP, now_ms - age_ms, sources, tuple(reported)),) if reported else ()
            said.append(VoteExtension(prices, (), surfaces if number < count - silent else ()))
        return self.apply(self.make_block(transactions, said, after_ms))

    def unquoted(self, *transactions: Transaction, blocks: int = 1, after_ms: int = 1_000) -> BlockResult:
        """Blocks with prices and without surfaces; the last one has the transactions."""
        for _ in range(blocks - 1):
            self.quote((), after_ms=after_ms)
        return self.quote((), *transactions, after_ms=after_ms)


__all__ = ["BTC_CALL", "FAR", "FAR_PUT", "GROUP", "NEAR", "QUOTES", "SurfacedWorld", "surfaced_genesis"]
