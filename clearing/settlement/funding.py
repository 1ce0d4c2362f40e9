"""Premium and funding of perpetuals: the arithmetic, in integers.

Rule: pure functions of integers, each rounding as its docstring says. The house never pays for rounding. Premia and
rates are in ppb, 10^-9 of the index, signed. It must not know accounts or the state.
"""

from collections.abc import Sequence

PPB = 1_000_000_000

PPB_PER_PPM = 1_000

VOLUME_MAX = 2**33 - 1
"""Limit of lots that count within one update of a premium. Times the largest premium it stays below 2^62."""


def clamp(value: int, limit: int) -> int:
    """`value` within plus and minus `limit` >= 0."""
    return max(-limit, min(value, limit))


def premium_ppb(trade_ticks: int, index_ticks: int, cap_ppm: int) -> int:
    """The premium of a trade at `trade_ticks`: (trade - index) / index, towards zero, within the cap."""
    if index_ticks <= 0:
        raise ValueError(f"index must be positive, got {index_ticks}")
    return clamp(_towards_zero((trade_ticks - index_ticks) * PPB, index_ticks), cap_ppm * PPB_PER_PPM)


def next_premium_ppb(premium: int, weighted: int, volume: int, depth_lots: int, elapsed_ms: int, window_ms: int) -> int:
    """The moving average after `elapsed_ms` in which `volume` lots were traded, at premia that sum to `weighted`.

    The sample is weighted / (volume + depth). The depth represents lots at the index, so a small volume has little
    effect and without any trade the premium fades. The average moves by elapsed / (elapsed + window) of its distance to
    the sample. Both divisions round towards zero. `weighted`: sum of lots x premium in ppb.
    """
    if depth_lots <= 0 or window_ms <= 0 or elapsed_ms < 0 or volume < 0:
        raise ValueError(f"depth {depth_lots}, window {window_ms}, elapsed {elapsed_ms}, volume {volume}")
    sample = _towards_zero(weighted, volume + depth_lots)
    return _towards_zero(premium * window_ms + sample * elapsed_ms, elapsed_ms + window_ms)


def perpetual_mark_ticks(index_ticks: int, premium: int, cap_ppm: int) -> int:
    """The mark: index x (1 + premium), the premium within the cap; the distance rounds towards zero, at least 1."""
    within = clamp(premium, cap_ppm * PPB_PER_PPM)
    return max(index_ticks + _towards_zero(index_ticks * within, PPB), 1)


def average_premium_ppb(weighted_ms: int, covered_ms: int) -> int:
    """Time average, towards zero, of premia in ppb whose products with milliseconds sum to `weighted_ms`."""
    return _towards_zero(weighted_ms, covered_ms) if covered_ms else 0


def funding_rate_ppb(premium: int, interest_ppm: int, dampener_ppm: int, cap_ppm: int) -> int:
    """The rate of a period: premium + clamp(interest - premium, dampener), within the cap. Positive: longs pay.

    So within the dampener of the interest the rate is the interest, and beyond it the premium less the dampener.
    """
    pulled = premium + clamp(interest_ppm * PPB_PER_PPM - premium, dampener_ppm * PPB_PER_PPM)
    return clamp(pulled, cap_ppm * PPB_PER_PPM)


def funding_payments(
    lots: Sequence[int], index_ticks: int, micros_per_tick: int, rate_ppb: int, covered_ms: int, period_ms: int
) -> tuple[list[int], int]:
    """What each position receives in micros (negative: pays), and the remainder, 0 or more.

    A position of q lots pays q x index x micros a tick x rate x covered / period. Payments round up, receipts round
    down. Payments and remainder sum to zero when the lots do.
    """
    if period_ms <= 0 or covered_ms < 0:
        raise ValueError(f"period {period_ms} ms, covered {covered_ms} ms")
    per_lot = index_ticks * micros_per_tick * rate_ppb * covered_ms
    payments = [-position * per_lot // (PPB * period_ms) for position in lots]
    return payments, -sum(payments)


def _towards_zero(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)
