"""Sharing a loss among payers none of whom pays more than a cap, and what was collected among claims.

Rule: in proportion to the weights among those who are not at their cap, whole units, every unit somebody's. It knows no
accounts.
"""

from collections.abc import Sequence

from clearing.base.units import allocate


def allocate_capped(total: int, weights: Sequence[int], caps: Sequence[int]) -> list[int]:
    """Shares of `total` >= 0 by `weights`, none above its cap; they sum to the total, or to all that the caps let.

    Who would pay more than its cap pays the cap, and the rest is shared anew among the others, until nobody would; then
    remainders go to the largest fractions, then to the lowest index, as in `allocate`, and on to who has room. Who has
    no weight pays nothing. At most one pass per payer. Raises ValueError for a negative number.
    """
    if total < 0 or any(each < 0 for each in (*weights, *caps)):
        raise ValueError("total, weights and caps must not be negative")
    shares = [0] * len(weights)
    open_ = [at for at, weight in enumerate(weights) if weight and caps[at]]
    left = min(total, sum(caps[at] for at in open_))
    while open_:
        whole = sum(weights[at] for at in open_)
        full = [at for at in open_ if left * weights[at] >= caps[at] * whole]
        if not full:
            break
        for at in full:
            shares[at] = caps[at]
            left -= caps[at]
        open_ = [at for at in open_ if not shares[at]]
    for at, share in zip(open_, allocate(left, [weights[at] for at in open_]), strict=True):
        shares[at] = share
    return shares


def share_collected(collected: int, claims: Sequence[int]) -> list[int]:
    """What each claim is paid out of what was collected: in proportion, rounded down, what is left to the last.

    Nobody is paid more than its claim: what is too much for the last goes to the one before it. All claims are paid in
    full when enough was collected. Raises ValueError for a negative number.
    """
    if collected < 0 or any(each < 0 for each in claims):
        raise ValueError("what was collected and claims must not be negative")
    whole = sum(claims)
    if collected >= whole:
        return list(claims)
    paid = [each * collected // whole for each in claims]
    left = collected - sum(paid)
    for at in reversed(range(len(paid))):
        more = min(left, claims[at] - paid[at])
        paid[at] += more
        left -= more
    return paid
