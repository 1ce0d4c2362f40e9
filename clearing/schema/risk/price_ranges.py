"""`RangeParameters`: how price ranges follow the market, as governance data.

Rule: data only; all ratios are integers. With `interval_ms` 0 nothing is observed and the ranges of genesis apply. It
must not know prices or state.
"""

from collections.abc import Sequence

from clearing.base.codec import U32, U63, Wire
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.units import PPM, mul_div_up
from clearing.schema.risk.history import HISTORY_MAX
from clearing.schema.risk.parameters import RiskGroup

WINDOW_MAX = 10_000
MOVES_MAX = 20_000
"""Moves in the windows of all risk groups: processing them once an epoch takes a few tenths of a second."""
JOINT_MAX = 64


class RangeParameters(Wire, frozen=True):
    """All range parameters. `docs/explanation/backtest.md` measures the defaults, except for `interval_ms`."""

    interval_ms: U63 = 0
    """Interval between two observed returns; 0: ranges do not move."""
    decay_ppm: U32 = 940_000
    """Lambda of the exponentially weighted variance, per observation."""
    confidence_ppm: U32 = 990_000
    """The fraction of returns over one horizon that the raw range covers."""
    window: U32 = 2_000
    """How many observations are stored for quantiles and joint scenarios."""
    window_min: U32 = 100
    """Observations before the multiple is estimated; until then it is `multiple_ppm`."""
    multiple_ppm: U63 = 3_000_000
    """The raw range in deviations, before there are enough observations."""
    horizon_ms: U63 = 3_600_000
    """Time to close out, without the delay of chains and oracles. The multiple is estimated over as many intervals."""
    lateness_ms_max: U63 = 3_600_000
    """Cap on what the inclusion delay of chains and the age of oracle reports add to the horizon."""
    lateness_decay_ppm: U32 = 900_000
    """Lambda of the averages of both."""
    buffer_ppm: U32 = 250_000
    """Added in calm times, released in stress."""
    release_ppm: U32 = 2_000_000
    """Current over long-run deviation at which the buffer is fully released; at 1_000_000 none is."""
    stress_weight_ppm: U32 = 250_000
    """Weight of the stressed range in the target."""
    stress_quantile_ppm: U32 = 990_000
    """The stressed deviation is this quantile of the deviations in the window."""
    floor_samples: U32 = 8_760
    """Length of the long look-back: the memory of the long-run variance, in observations."""
    rise_ppm: U32 = 500_000
    """Speed limit up: the largest growth of a range in one epoch, as a fraction of itself."""
    fall_ppm: U32 = 10_000
    """Speed limit down."""
    range_min_ppm: U32 = 10_000
    range_max_ppm: U32 = 900_000
    volatility_weight_ppm: U32 = 0
    """How far the volatility of options follows the observed one: 0 not at all, 1_000_000 fully."""
    volatility_multiple_ppm: U63 = 3_000_000
    """The volatility range in deviations of the volatility's own changes; 0: genesis's volatility range applies."""
    joint_scenarios: U32 = 0
    """How many distinct historical joint scenarios may give credit between risk groups; 0: no credit."""
    joint_tail_ppm: U32 = 25_000
    """Expected shortfall is the mean loss over this worst fraction of the window."""
    joint_tail_exact: bool = False
    """Whether a part of one more scenario counts where that fraction of the window is no whole number; otherwise it is
    rounded up, which averages over milder losses."""
    joint_floor: bool = False
    """Whether past moves are scaled to at least the deviation behind each group's published target: with the long
    look-back, the stressed weight and the buffer of its range. Otherwise to the present deviation alone."""
    joint_volatility_ppm: U32 = 0
    """A change of the deviation by less than this fraction of itself leaves volatility as it is in a joint scenario; 0:
    volatility always moves up or down."""
    historical_scenarios: U32 = 0
    """How many past joint moves may be required to be covered on average, each with its exact prices and volatilities;
    milder ones count as no move. 0: history is not required."""

    @property
    def enabled(self) -> bool:
        """Whether ranges move."""
        return self.interval_ms > 0

    def joint_tail(self, count: int) -> tuple[int, int]:
        """(whole, part in ppm): how many of `count` joint scenarios are averaged, at least one."""
        if not self.joint_tail_exact:
            return max(mul_div_up(count, self.joint_tail_ppm, PPM), 1), 0
        whole, part = divmod(count * self.joint_tail_ppm, PPM)
        return (whole, part) if whole else (1, 0)

    @property
    def steps(self) -> int:
        """Observations in the time to close out, at least one."""
        return max(self.horizon_ms // self.interval_ms, 1) if self.enabled else 1


def check_range_parameters(ranges: RangeParameters, groups: Sequence[RiskGroup] = (), live: Sequence[int] = ()) -> None:
    """Check every bound, and that ranges of these risk `groups` may move. Raises LocalFault OUT_OF_RANGE naming the
    field.

    A surface was checked at genesis's volatility only, so a group with a surface must not have a moving volatility. One
    of those with a live surface has another source of it.
    """
    follows = ranges.enabled and ranges.volatility_weight_ppm > 0
    surfaced = any(group.surface or group.id in live for group in groups)
    day, listed = 86_400_000, ranges.historical_scenarios
    checks = (
        ("interval_ms", ranges.interval_ms, ranges.interval_ms <= 30 * day),
        ("decay_ppm", ranges.decay_ppm, 1 <= ranges.decay_ppm < PPM),
        ("confidence_ppm", ranges.confidence_ppm, PPM // 2 <= ranges.confidence_ppm < PPM),
        ("window", ranges.window, 1 <= ranges.window <= WINDOW_MAX),
        ("window_min", ranges.window_min, 1 <= ranges.window_min <= ranges.window),
        ("multiple_ppm", ranges.multiple_ppm, PPM <= ranges.multiple_ppm <= 20 * PPM),
        ("horizon_ms", ranges.horizon_ms, 1 <= ranges.horizon_ms <= 30 * day),
        ("lateness_ms_max", ranges.lateness_ms_max, ranges.lateness_ms_max <= 30 * day),
        ("lateness_decay_ppm", ranges.lateness_decay_ppm, ranges.lateness_decay_ppm < PPM),
        ("buffer_ppm", ranges.buffer_ppm, ranges.buffer_ppm <= PPM),
        ("release_ppm", ranges.release_ppm, PPM < ranges.release_ppm <= 100 * PPM),
        ("stress_weight_ppm", ranges.stress_weight_ppm, ranges.stress_weight_ppm <= PPM),
        ("stress_quantile_ppm", ranges.stress_quantile_ppm, ranges.stress_quantile_ppm <= PPM),
        ("floor_samples", ranges.floor_samples, ranges.floor_samples >= 1),
        ("rise_ppm", ranges.rise_ppm, 1 <= ranges.rise_ppm <= 10 * PPM),
        ("fall_ppm", ranges.fall_ppm, 1 <= ranges.fall_ppm <= PPM),
        ("range_min_ppm", ranges.range_min_ppm, ranges.range_min_ppm >= 1),
        ("range_max_ppm", ranges.range_max_ppm, ranges.range_min_ppm <= ranges.range_max_ppm <= PPM),
        ("volatility_weight_ppm", ranges.volatility_weight_ppm, ranges.volatility_weight_ppm <= PPM),
        ("volatility_multiple_ppm", ranges.volatility_multiple_ppm, ranges.volatility_multiple_ppm <= 20 * PPM),
        ("joint_scenarios", ranges.joint_scenarios, ranges.joint_scenarios <= min(JOINT_MAX, ranges.window)),
        ("window", ranges.window, not ranges.enabled or ranges.window * len(groups) <= MOVES_MAX),
        ("volatility_weight_ppm", ranges.volatility_weight_ppm, not (follows and surfaced)),
        ("window", ranges.window, ranges.steps + ranges.window_min - 1 <= ranges.window),
        ("joint_tail_ppm", ranges.joint_tail_ppm, 1 <= ranges.joint_tail_ppm <= PPM),
        ("historical_scenarios", listed, listed <= min(HISTORY_MAX - 1, ranges.window)),
        ("historical_scenarios", listed, not (listed and ranges.joint_scenarios)),
        ("joint_volatility_ppm", ranges.joint_volatility_ppm, ranges.joint_volatility_ppm <= PPM),
    )
    for field, value, good in checks:
        if not good:
            raise LocalFault(BaseCode.OUT_OF_RANGE, f"ranges.{field}", value=value)
