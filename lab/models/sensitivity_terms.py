"""The term of weighted sensitivities as data: buckets of groups, their weights and correlations.

Rule: data only; `lab.evaluation.sensitivities` evaluates it.
"""

from clearing.base.codec import U8, Wire
from lab.models.numbers import Number
from lab.models.portfolio import Name
from lab.models.scan_terms import EVERYTHING, LevelWeights, Selection


class SensitivityBucket(Wire, frozen=True):
    """Groups that share weights and one correlation."""

    name: Name
    groups: tuple[Name, ...]
    delta_weight: Number
    """On the gain per relative move of the price: 0.25 is a move of 25 %."""
    vega_weight: Number = 0
    """On volatility times vega."""
    correlation: Number = 0
    """Of two groups of the bucket; of their curvatures its square."""
    volatility: Number | None = None
    """That vega is multiplied by. Default: each option's own."""


class BucketCorrelation(Wire, frozen=True):
    """How two buckets move together; of their curvatures its square."""

    one: Name
    other: Name
    correlation: Number


class CurvatureRule(Wire, frozen=True):
    """Curvature out of vega: an option of t days counts with 1/2 * min(1, days / t) of volatility times vega."""

    days: Number = 14
    multiple: Number = "5.634896601021214"
    """Of the root, where all curvature loses: the squared normal quantile at 99.5 %, less 1."""


class Sensitivities(Wire, frozen=True, tag_field="kind", tag="sensitivities"):
    """Delta, vega and curvature of positions, weighted and joined by correlations to the root of a quadratic form."""

    name: Name
    buckets: tuple[SensitivityBucket, ...]
    """Every group with a selected instrument is in exactly one."""
    correlations: tuple[BucketCorrelation, ...] = ()
    """Each pair at most once; 0 where none is stated."""
    curvature: CurvatureRule | None = None
    """Default: no curvature."""
    select: Selection = EVERYTHING
    decimals: U8 = 12
    """Of each root, rounded up."""
    weights: LevelWeights = ()
