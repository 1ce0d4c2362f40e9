"""Terms of live surfaces: for which risk groups validators agree on forwards and smiles, within which bounds.

Rule: data only. A group that is not listed keeps the surface of its terms; so every default means "off". Bounds are on
what is agreed: a surface beyond them is not used. It must not know the state.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from clearing.base.codec import U32, U63, Wire
from clearing.base.units import PPM
from clearing.schema.risk.live_surface import RATE_MAX_PPM
from clearing.schema.risk.volatility_surface import LEVEL_MAX_PPM, SKEW_MAX_PPM, VOLATILITY_MIN_PPM, WING_MAX_PPM

Check = tuple[str, int, bool]
AGE_MS_MAX = 3_600_000
BASIS_MAX_PPM = PPM // 2


class SurfaceTerms(Wire, frozen=True):
    """How one risk group's live surface is agreed, and what happens without a fresh one."""

    group: U32
    """`RiskGroup.id`. The group's own volatility and surface apply until a surface is agreed, and after
    `keep_blocks`."""
    age_ms_max: U63 = 30_000
    """A report older than this does not count."""
    sources_min: U32 = 0
    """Reports based on fewer sources are dropped."""
    level_min_ppm: U32 = 50_000
    level_max_ppm: U32 = 5_000_000
    """Bounds of an agreed level at the money. Beyond them the surface is not used."""
    skew_max_ppm: U32 = 950_000
    wing_max_ppm: U32 = 1_500_000
    """An agreed skew (either sign) or wing beyond these counts as these."""
    basis_max_ppm: U32 = 100_000
    """Largest distance of a forward from the index carried at `risk.rate_ppm`, as a fraction of it. Beyond it the
    surface is not used."""
    rate_max_ppm: U32 = 500_000
    """An agreed rate (either sign) beyond this counts as this."""
    level_change_ppm: U32 = 250_000
    """Largest change of a level in one block, as a fraction of the last one; at least one ppm is possible."""
    shape_change_ppm: U32 = 200_000
    """Largest change of a skew or wing in one block."""
    carry_change_ppm: U32 = 10_000
    """Largest change in one block of a forward, as a fraction of the index, and of a rate."""
    grace_blocks: U32 = 0
    """For so many blocks without a fresh surface, options of the group may still be reduced and liquidated."""
    keep_blocks: U32 = 0
    """After so many blocks without a fresh surface, the group's voted surface is in force; 0: never."""


def surface_terms_checks(listed: Sequence[SurfaceTerms], groups: Sequence[int]) -> Iterator[Check]:
    """Order, references and ranges; `groups` are the ids of all risk groups."""
    ids = [terms.group for terms in listed]
    yield "group", len(ids), all(a < b for a, b in pairwise(ids)) and set(ids) <= set(groups)
    for terms in listed:
        at = f"{terms.group}"
        yield f"{at}.age_ms_max", terms.age_ms_max, 1 <= terms.age_ms_max <= AGE_MS_MAX
        yield f"{at}.level_min_ppm", terms.level_min_ppm, terms.level_min_ppm >= VOLATILITY_MIN_PPM
        good = terms.level_min_ppm <= terms.level_max_ppm <= LEVEL_MAX_PPM
        yield f"{at}.level_max_ppm", terms.level_max_ppm, good
        yield f"{at}.skew_max_ppm", terms.skew_max_ppm, terms.skew_max_ppm <= SKEW_MAX_PPM
        yield f"{at}.wing_max_ppm", terms.wing_max_ppm, terms.wing_max_ppm <= WING_MAX_PPM
        yield f"{at}.basis_max_ppm", terms.basis_max_ppm, 1 <= terms.basis_max_ppm <= BASIS_MAX_PPM
        yield f"{at}.rate_max_ppm", terms.rate_max_ppm, terms.rate_max_ppm <= RATE_MAX_PPM
        yield f"{at}.level_change_ppm", terms.level_change_ppm, 1 <= terms.level_change_ppm <= 10 * PPM
        yield f"{at}.shape_change_ppm", terms.shape_change_ppm, 1 <= terms.shape_change_ppm <= 10 * PPM
        yield f"{at}.carry_change_ppm", terms.carry_change_ppm, 1 <= terms.carry_change_ppm <= PPM
        kept = terms.keep_blocks
        yield f"{at}.keep_blocks", kept, kept == 0 or kept > terms.grace_blocks
