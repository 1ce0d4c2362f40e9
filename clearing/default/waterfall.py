"""The default waterfall: who bears a loss, layer after layer, as a function of figures.

Rule: a layer bears nothing while one before it has something left. The defaulter's own margin, its contribution to the
default fund, the house's stated capital, the survivors' contributions (who did not help in the auction first), capped
assessments, the gains of those whom the losing positions paid, and last a tear-up at the mark. What one payer bears is
rounded by `allocate_capped`; nothing is made or lost. It moves no money and knows no state.
"""

from enum import IntEnum

from clearing.base.codec import U32, U63, Wire
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM, mul_div_down
from clearing.default.sharing import allocate_capped


class Layer(IntEnum):
    """In the order in which they pay."""

    OWN_MARGIN = 1
    OWN_CONTRIBUTION = 2
    HOUSE_CAPITAL = 3
    SURVIVORS = 4
    ASSESSMENTS = 5
    GAINS = 6
    TEAR_UP = 7


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


class Gainer(Wire, frozen=True):
    """An account that gained since the defaulter was last fully margined."""

    account: U63
    gains: U63
    """Micros of variation received in that time, in sum; more than nothing."""
    free_equity: U63
    """Micros above its initial margin: no haircut brings anybody below."""


class Loss(Wire, frozen=True):
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
    gainers: tuple[Gainer, ...] = ()
    """Ordered by account."""


class Share(Wire, frozen=True):
    """What one payer bears in a layer: in proportion to `weight`, at most `most`."""

    payer: U63
    """A member; an account in GAINS and TEAR_UP."""
    weight: U63
    most: U63
    amount: U63


class Step(Wire, frozen=True):
    """One layer, whole or in part."""

    layer: Layer
    before: U63
    """What was still to be borne."""
    borne: U63
    shares: tuple[Share, ...]
    """Of every payer that was asked, those that bear nothing included; ordered by payer."""


def run_waterfall(loss: Loss) -> tuple[Step, ...]:
    """The layers that bear something, in order; their sums are the loss, but for what a tear-up has to end.

    The last step is a TEAR_UP without shares when something is left: positions end at the last mark.
    """
    steps: list[Step] = []
    left = loss.loss
    for layer, shares in _layers(loss):
        if not left:
            break
        paid = allocate_capped(left, [each.weight for each in shares], [each.most for each in shares])
        borne = sum(paid)
        if borne:
            told = tuple(
                Share(each.payer, each.weight, each.most, amount) for each, amount in zip(shares, paid, strict=True)
            )
            steps.append(Step(layer, left, borne, told))
        left -= borne
    if left:
        steps.append(Step(Layer.TEAR_UP, left, 0, ()))
    return tuple(steps)


def assessable(survivor: Survivor, assessment_ppm: int) -> int:
    """How much more a member may be assessed in this period; rounded down."""
    return max(mul_div_down(survivor.required, assessment_ppm, PPM) - survivor.assessed, 0)


def _layers(loss: Loss) -> list[tuple[Layer, list[Share]]]:
    """Every layer with those who may be asked; survivors once for each seniority."""
    survivors = [each for each in loss.survivors if each.member != loss.defaulter]
    layers = [
        (Layer.OWN_MARGIN, [_alone(loss.defaulter, loss.own_margin)]),
        (Layer.OWN_CONTRIBUTION, [_alone(loss.defaulter, loss.own_contribution)]),
        (Layer.HOUSE_CAPITAL, [_alone(HOUSE_ACCOUNT, loss.house_capital)]),
    ]
    for seniority in sorted({each.seniority for each in survivors}):
        asked = [each for each in survivors if each.seniority == seniority]
        layers.append((Layer.SURVIVORS, [Share(e.member, e.contribution, e.contribution, 0) for e in asked]))
    assessed = [Share(e.member, e.required, assessable(e, loss.assessment_ppm), 0) for e in survivors]
    layers.append((Layer.ASSESSMENTS, assessed))
    layers.append((Layer.GAINS, [Share(e.account, e.gains, min(e.gains, e.free_equity), 0) for e in loss.gainers]))
    return layers


def _alone(payer: int, amount: int) -> Share:
    return Share(payer, 1, amount, 0)
