"""The default waterfall: the allocation of a loss over the layers, as a function of figures.

Rule: a layer bears nothing while an earlier one has something left. Layers in order:

1. the defaulter's margin;
2. its contribution;
3. the house's stated capital;
4. the survivors' contributions (those that did not help in the auction first);
5. capped assessments;
6. the gains of accounts that the losing positions paid;
7. all claims on the clearing house, pro rata.

Shares are pro rata to the weights, none above its cap, in whole units, every unit allocated. It moves no money and
knows no state.
"""

from collections.abc import Sequence

from clearing.base.codec import U32, U63, Wire
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM, allocate, mul_div_down
from clearing.schema.receipts.default import LayerAllocation, LossShare, WaterfallLayer


class Survivor(Wire, frozen=True):
    """A member that has not defaulted, and its contribution to the default fund."""

    member: U63
    contribution: U63
    """Micros available for use."""
    required: U63
    """Required contribution in micros: assessments are capped by a multiple of it, and weighted by it."""
    seniority: U32 = 0
    """Lower ranks pay everything before any higher rank: members that did not bid competitively pay first."""
    assessed: U63 = 0
    """Micros already assessed in the current period."""


class GainingAccount(Wire, frozen=True):
    """An account that gained since the defaulter was last fully margined."""

    account: U63
    gains: U63
    """Micros of net variation received in that time; positive."""
    equity: U63
    """Micros of equity, margin included: a haircut never brings an account below zero."""


class Claim(Wire, frozen=True):
    """What the clearing house owes an account in cash of one group."""

    account: U63
    micros: U63
    """Micros of cash without soft credit: a haircut takes no more."""
    withdrawn: U63
    """Micros that the account withdrew since the loss began: they count in its share."""


class DefaultLoss(Wire, frozen=True):
    """The loss to allocate, and its possible payers."""

    defaulter: U63
    loss: U63
    own_margin: U63 = 0
    own_contribution: U63 = 0
    house_capital: U63 = 0
    survivors: tuple[Survivor, ...] = ()
    """Ordered by member."""
    assessment_ppm: U32 = 0
    """The cap on assessments in one period, as a fraction of the required contribution."""
    gainers: tuple[GainingAccount, ...] = ()
    """Ordered by account."""
    claims: tuple[Claim, ...] = ()
    """Ordered by account."""


def run_waterfall(loss: DefaultLoss) -> tuple[LayerAllocation, ...]:
    """The layers that bear something, in order. Their sums are the loss, except for what nobody listed can bear.

    The last step is a TEAR_UP without shares when something is left.
    """
    steps: list[LayerAllocation] = []
    left = loss.loss
    for layer, shares in _layer_payers(loss):
        if not left:
            break
        paid = allocate_capped(left, [share.weight for share in shares], [share.cap for share in shares])
        borne = sum(paid)
        if borne:
            allocated = tuple(
                LossShare(share.payer, share.weight, share.cap, amount)
                for share, amount in zip(shares, paid, strict=True)
            )
            steps.append(LayerAllocation(layer, left, borne, allocated))
        left -= borne
    if left:
        steps.append(LayerAllocation(WaterfallLayer.TEAR_UP, left, 0, ()))
    return tuple(steps)


def _assessable_micros(survivor: Survivor, assessment_ppm: int) -> int:
    """How much more a member may be assessed in this period; rounded down."""
    return max(mul_div_down(survivor.required, assessment_ppm, PPM) - survivor.assessed, 0)


def _layer_payers(loss: DefaultLoss) -> list[tuple[WaterfallLayer, list[LossShare]]]:
    """Every layer with its possible payers; survivors once per seniority."""
    survivors = [survivor for survivor in loss.survivors if survivor.member != loss.defaulter]
    layers = [
        (WaterfallLayer.OWN_MARGIN, [_sole_payer(loss.defaulter, loss.own_margin)]),
        (WaterfallLayer.OWN_CONTRIBUTION, [_sole_payer(loss.defaulter, loss.own_contribution)]),
        (WaterfallLayer.HOUSE_CAPITAL, [_sole_payer(HOUSE_ACCOUNT, loss.house_capital)]),
    ]
    for seniority in sorted({survivor.seniority for survivor in survivors}):
        asked = [survivor for survivor in survivors if survivor.seniority == seniority]
        layers.append(
            (
                WaterfallLayer.SURVIVORS,
                [LossShare(payer.member, payer.contribution, payer.contribution, 0) for payer in asked],
            )
        )
    assessed = [
        LossShare(payer.member, payer.required, _assessable_micros(payer, loss.assessment_ppm), 0)
        for payer in survivors
    ]
    layers.append((WaterfallLayer.ASSESSMENTS, assessed))
    layers.append(
        (
            WaterfallLayer.GAINS,
            [LossShare(gainer.account, gainer.gains, min(gainer.gains, gainer.equity), 0) for gainer in loss.gainers],
        )
    )
    layers.append(
        (
            WaterfallLayer.CLAIMS,
            [LossShare(claim.account, claim.micros + claim.withdrawn, claim.micros, 0) for claim in loss.claims],
        )
    )
    return layers


def _sole_payer(payer: int, amount: int) -> LossShare:
    return LossShare(payer, 1, amount, 0)


def allocate_capped(total: int, weights: Sequence[int], caps: Sequence[int]) -> list[int]:
    """Capped pro-rata shares of `total` >= 0 by `weights`; they sum to the total, or to the sum of the caps.

    A payer above its cap pays the cap, and the rest is shared again among the others, until none is above. Then
    remainders go to the largest fractions, lowest index first among equals, as in `allocate`, to payers with room. A
    payer without weight pays nothing. At most one pass per payer. Raises ValueError for a negative number.
    """
    if total < 0 or any(number < 0 for number in (*weights, *caps)):
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
    """What each claim is paid from the collected amount: pro rata, rounded down, the remainder to the last.

    No claim is paid more than its amount: what exceeds the last goes to the one before it. All claims are paid in full
    when enough was collected. Raises ValueError for a negative number.
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
