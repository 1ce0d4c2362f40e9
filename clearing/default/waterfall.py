"""The default waterfall: who bears a loss, layer after layer, as a function of figures.

Rule: a layer bears nothing while an earlier one has something left: the defaulter's margin, its contribution, the
house's stated capital, the survivors' contributions (those who did not help in the auction first), capped
assessments, the gains of those whom the losing positions paid, and last a tear-up at the mark. Shares are pro rata to
the weights, none above its cap, in whole units, every unit somebody's. It moves no money and knows no state.
"""

from collections.abc import Sequence

from clearing.base.codec import U32, U63, Wire
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM, allocate, mul_div_down
from clearing.schema.receipts.default import LayerAllocation, LossShare, WaterfallLayer


class Survivor(Wire, frozen=True):
    """A member that has not defaulted, and what it has in the default fund."""

    member: U63
    contribution: U63
    """Micros that are there to be used."""
    required: U63
    """Micros that it has to contribute: what assessments are a multiple of, and weighed by."""
    seniority: U32 = 0
    """Who has a lower one pays everything it has before anybody with a higher one: those who did not bid well."""
    assessed: U63 = 0
    """Micros assessed already in the period that the cap is for."""


class GainingAccount(Wire, frozen=True):
    """An account that gained since the defaulter was last fully margined."""

    account: U63
    gains: U63
    """Micros of variation received in that time, in sum; more than nothing."""
    free_equity: U63
    """Micros above its initial margin: no haircut brings anybody below."""


class DefaultLoss(Wire, frozen=True):
    """What is to be borne, and by whom it may be."""

    defaulter: U63
    loss: U63
    own_margin: U63 = 0
    own_contribution: U63 = 0
    house_capital: U63 = 0
    survivors: tuple[Survivor, ...] = ()
    """Ordered by member."""
    assessment_ppm: U32 = 0
    """Of what a member has to contribute, the most that it is assessed in one period."""
    gainers: tuple[GainingAccount, ...] = ()
    """Ordered by account."""


def run_waterfall(loss: DefaultLoss) -> tuple[LayerAllocation, ...]:
    """The layers that bear something, in order; their sums are the loss, but for what a tear-up has to end.

    The last step is a TEAR_UP without shares when something is left: positions end at the last mark.
    """
    steps: list[LayerAllocation] = []
    left = loss.loss
    for layer, shares in _layer_payers(loss):
        if not left:
            break
        paid = allocate_capped(left, [share.weight for share in shares], [share.cap for share in shares])
        borne = sum(paid)
        if borne:
            told = tuple(
                LossShare(each.payer, each.weight, each.cap, amount) for each, amount in zip(shares, paid, strict=True)
            )
            steps.append(LayerAllocation(layer, left, borne, told))
        left -= borne
    if left:
        steps.append(LayerAllocation(WaterfallLayer.TEAR_UP, left, 0, ()))
    return tuple(steps)


def assessable_micros(survivor: Survivor, assessment_ppm: int) -> int:
    """How much more a member may be assessed in this period; rounded down."""
    return max(mul_div_down(survivor.required, assessment_ppm, PPM) - survivor.assessed, 0)


def _layer_payers(loss: DefaultLoss) -> list[tuple[WaterfallLayer, list[LossShare]]]:
    """Every layer with those who may be asked; survivors once for each seniority."""
    survivors = [survivor for survivor in loss.survivors if survivor.member != loss.defaulter]
    layers = [
        (WaterfallLayer.OWN_MARGIN, [_sole_payer(loss.defaulter, loss.own_margin)]),
        (WaterfallLayer.OWN_CONTRIBUTION, [_sole_payer(loss.defaulter, loss.own_contribution)]),
        (WaterfallLayer.HOUSE_CAPITAL, [_sole_payer(HOUSE_ACCOUNT, loss.house_capital)]),
    ]
    for seniority in sorted({survivor.seniority for survivor in survivors}):
        asked = [survivor for survivor in survivors if survivor.seniority == seniority]
        layers.append(
            (WaterfallLayer.SURVIVORS, [LossShare(e.member, e.contribution, e.contribution, 0) for e in asked])
        )
    assessed = [LossShare(e.member, e.required, assessable_micros(e, loss.assessment_ppm), 0) for e in survivors]
    layers.append((WaterfallLayer.ASSESSMENTS, assessed))
    layers.append(
        (WaterfallLayer.GAINS, [LossShare(e.account, e.gains, min(e.gains, e.free_equity), 0) for e in loss.gainers])
    )
    return layers


def _sole_payer(payer: int, amount: int) -> LossShare:
    return LossShare(payer, 1, amount, 0)


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


def allocate_collected(collected: int, claims: Sequence[int]) -> list[int]:
    """What each claim is paid out of what was collected: in proportion, rounded down, what is left to the last.

    Nobody is paid more than its claim: what is too much for the last goes to the one before it. All claims are paid in
    full when enough was collected. Raises ValueError for a negative number.
    """
    if collected < 0 or any(claim < 0 for claim in claims):
        raise ValueError("what was collected and claims must not be negative")
    whole = sum(claims)
    if collected >= whole:
        return list(claims)
    paid = [claim * collected // whole for claim in claims]
    left = collected - sum(paid)
    for at in reversed(range(len(paid))):
        more = min(left, claims[at] - paid[at])
        paid[at] += more
        left -= more
    return paid
