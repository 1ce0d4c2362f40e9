"""What a haircut is made of: base, volatility, liquidity, finality, the oracle's doubt, an outage of the chain.

Rule: a function of the state and the block's time, in integers, every part rounded up, the sum rounded up to its step
and capped at 100 %. Only what changes is kept; then the risk arrays are built anew and holders re-margined.
"""

from clearing.assets import Asset
from clearing.base.units import PPM, mul_div_up
from clearing.collateral.receipts import HaircutChanged
from clearing.collateral.silence import silent_ms
from clearing.ledger import token_currency
from clearing.ranges.effective import effective_parameters
from clearing.run import Run
from clearing.state.indexes import CURRENCY, holders
from clearing.state.records import Haircut
from clearing.state.state import State


def refresh_haircuts(run: Run) -> None:
    """Work out every haircut that moves; on a change, note it and have its holders looked at."""
    for token in run.terms.tokens:
        if not token.haircut.moves:
            continue
        parts = haircut_parts(run, token)
        haircut_ppm = summed(parts, token.haircut.step_ppm)
        held = run.state.haircuts.get(token.id)
        before = held.haircut_ppm if held else token.haircut_ppm
        if held is not None and haircut_ppm == before:
            continue
        run.state.haircuts.put(token.id, Haircut(haircut_ppm))
        if haircut_ppm == before:
            continue
        run.receipts.append(HaircutChanged(token.id, haircut_ppm, before, parts))
        run.touched.update(holders(run.state, CURRENCY, token_currency(token.id)))
        run.rebuild_arrays()


def summed(parts: tuple[tuple[str, int], ...], step_ppm: int) -> int:
    """The haircut out of its parts: rounded up to a multiple of the step, at most 100 %."""
    whole = sum(ppm for _, ppm in parts)
    return min(-(-whole // step_ppm) * step_ppm, PPM)


def haircut_parts(run: Run, token: Asset) -> tuple[tuple[str, int], ...]:
    """(name, parts per million) of everything that a haircut is made of, those at zero left out."""
    terms = token.haircut
    parts = (
        ("base", token.haircut_ppm),
        ("volatility", volatility_part(run.state, token)),
        ("liquidity", terms.liquidity_ppm),
        ("finality", terms.finality_ppm),
        ("confidence", mul_div_up(confidence_ppm(run.state, token.feed), terms.confidence_share_ppm, PPM)),
        ("outage", outage_part(token, silent_ms(run.state, token.chain_id))),
    )
    return tuple((name, ppm) for name, ppm in parts if ppm)


def volatility_part(state: State, token: Asset) -> int:
    """The asset's share of the widest range in force of a risk group on its feed; the fixed figure without one."""
    terms = token.haircut
    if not terms.range_share_ppm:
        return terms.volatility_ppm
    ranges = [group.range_ppm for group in effective_parameters(state).groups if group.feed == token.feed]
    return mul_div_up(max(ranges), terms.range_share_ppm, PPM) if ranges else terms.volatility_ppm


def confidence_ppm(state: State, feed: int) -> int:
    """The feed's own uncertainty as a fraction of its price: of its last good one, while it has none."""
    held = state.feeds.get(feed)
    return mul_div_up(held.confidence_ticks, PPM, held.ticks) if held is not None and held.ticks else 0


def outage_part(token: Asset, silence_ms: int) -> int:
    """A step for every step of silence begun beyond what is without effect."""
    terms = token.haircut
    beyond = silence_ms - terms.outage_ms
    if not terms.outage_ms or beyond <= 0:
        return 0
    return min(-(-beyond // terms.outage_step_ms) * terms.outage_step_ppm, PPM)
