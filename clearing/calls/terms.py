"""What genesis says about margin calls: deadlines, early calls, and how congestion widens both.

Rule: data only, integers, and every default is "off": a genesis that leaves these fields out behaves as if they were
not there. It must not know balances or prices.
"""

from collections.abc import Iterator

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import DAY_MS, PPM
from clearing.collateral.terms import Check

DEADLINE_BLOCKS_MAX = 100_000
CONGESTION_STEPS_MAX = 1_000
EARLY_PPM_MIN = 1_000
"""Smaller probabilities are told apart too coarsely to act on."""


class CallTerms(Wire, frozen=True):
    """Of margin calls: deadlines, early calls, congestion."""

    deadline_blocks: U32 = 0
    """So many blocks an account below its trigger has to mend it before it is liquidated; 0: none."""
    urgent_ppm: U32 = 500_000
    """Of maintenance margin: an account with less equity than this has no time."""
    early_ppm: U32 = 0
    """An account is called early where maintenance is breached within the horizon with this probability; 0: never."""
    early_release_ppm: U32 = 0
    """An early call is taken back where the probability falls below this; above 0, at most `early_ppm`."""
    early_blocks: U32 = 20
    """So many blocks an early call gives."""
    early_horizon_ms: U63 = 3_600_000
    """How far ahead a breach is looked for; lateness of chains and oracles is added, capped as for ranges."""
    congestion_ms: U63 = 0
    """An observed inclusion delay up to this is normal."""
    congestion_step_ms: U63 = 60_000
    """Every begun step of delay beyond the normal widens deadlines and triggers by what follows."""
    congestion_step_blocks: U32 = 0
    """Longer a deadline by so many blocks a step."""
    congestion_step_ppm: U32 = 0
    """Higher a trigger by so much of maintenance margin a step, never above the initial margin; only with deadlines."""
    congestion_steps_max: U32 = 10
    early_leaves_blocks: U32 = DEADLINE_BLOCKS_MAX
    """Where an early call came before, a margin call lasts as long as that one would have, but at least so many blocks,
    and never longer than without it. By default nobody who was warned has less time than who was not."""


def calls_checks(terms: CallTerms) -> Iterator[Check]:
    """Every bounded field: its name, its value, and whether it is within its range."""
    yield "deadline_blocks", terms.deadline_blocks, terms.deadline_blocks <= DEADLINE_BLOCKS_MAX
    yield "urgent_ppm", terms.urgent_ppm, terms.urgent_ppm <= PPM
    yield "early_ppm", terms.early_ppm, not terms.early_ppm or EARLY_PPM_MIN <= terms.early_ppm < PPM
    released = 1 <= terms.early_release_ppm <= terms.early_ppm
    yield "early_release_ppm", terms.early_release_ppm, released or not terms.early_ppm
    yield "early_blocks", terms.early_blocks, 1 <= terms.early_blocks <= DEADLINE_BLOCKS_MAX
    yield "early_horizon_ms", terms.early_horizon_ms, 1 <= terms.early_horizon_ms <= 30 * DAY_MS
    yield "congestion_step_ms", terms.congestion_step_ms, terms.congestion_step_ms >= 1
    yield "congestion_step_blocks", terms.congestion_step_blocks, terms.congestion_step_blocks <= DEADLINE_BLOCKS_MAX
    yield "congestion_step_ppm", terms.congestion_step_ppm, terms.congestion_step_ppm <= PPM
    yield "congestion_steps_max", terms.congestion_steps_max, terms.congestion_steps_max <= CONGESTION_STEPS_MAX
    yield "early_leaves_blocks", terms.early_leaves_blocks, terms.early_leaves_blocks <= DEADLINE_BLOCKS_MAX
