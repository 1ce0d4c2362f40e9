"""The terms of one account's requirement besides the group losses: the definition, in Python integers.

Rule: simple, not fast; `add_ons` must equal it. The requirement of groups is the sum of max(loss, short-option
minimum). Where there are joint scenarios, the joint expected shortfall replaces a part of it;
where they are of history, the requirement is at least that shortfall. Next are the charges per
lot, impact, concentration of tokens, and charges on net amounts of groups. Every term is convex in the holdings, so all
of it can be stated as linear rows. The joint term is at least the sum of short-option minimums: an option that no
scenario reaches earns no credit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clearing.margin.risk_arrays.charge_rates import Tariff
from clearing.schema.risk.parameters import tail_sum


@dataclass(frozen=True, slots=True)
class MarginTerms:
    """Terms in micros."""

    option_minimums: tuple[int, ...] = ()
    """Short-option minimum of each risk group; () where no option has one."""
    joint: int = 0
    """Expected shortfall over joint scenarios, at least the sum of short-option minimums and, with `keep_largest`, at
    least the largest group's requirement; 0 without scenarios."""
    credit: int = 0
    """Credit of joint scenarios on the sum of groups, at least 0; below it where history requires more than the sum."""
    charges: int = 0
    """Charge on each lot: contingency and slippage."""
    impact: int = 0
    """Cost of closing positions of this size."""
    concentration: int = 0
    """Charge on tokens above their tiers."""
    net: tuple[int, ...] = ()
    """Charges on net amounts of groups, in the tariff's order; () where there are none."""

    def groups(self, losses: Sequence[int]) -> tuple[int, ...]:
        """Each group's requirement: the larger of its loss and its minimum."""
        if not self.option_minimums:
            return tuple(losses)
        return tuple(max(pair) for pair in zip(losses, self.option_minimums, strict=True))

    def requirement(self, losses: Sequence[int]) -> int:
        """Initial margin from these terms and the group losses."""
        sized = self.charges + self.impact + self.concentration + sum(self.net)
        return sum(self.groups(losses)) - self.credit + sized


NO_MARGIN_TERMS = MarginTerms()


def account_terms(
    tariff: Tariff,
    losses: Sequence[int],
    scenario_losses: Sequence[Sequence[int]],
    groups: Sequence[Sequence[int]],
    positions: Sequence[int],
    tokens: Sequence[int],
) -> MarginTerms:
    """The terms of one account.

    `losses` [g] as charged, `scenario_losses` [g][1 + S] of every column (negative: a gain), `groups` [g] the
    instruments' indices of each risk group, `positions` [m] lots, `tokens` [k] units >= 0.
    """
    plain = plain_terms(tariff, groups, positions, tokens)
    if not tariff.credits_groups:
        return plain
    required = plain.groups(losses)
    largest = max(required, default=0) if tariff.joint.keep_largest else 0
    joint = max(_joint_loss(tariff, scenario_losses), sum(plain.option_minimums), largest)
    whole_part, weight, whole = tariff.credit_weights
    full = sum(required)
    charged = -(-(whole_part * full + weight * joint) // whole)
    if tariff.historical:
        charged = max(charged, joint)
    return replace(plain, joint=joint, credit=full - charged)


def plain_terms(
    tariff: Tariff, groups: Sequence[Sequence[int]], positions: Sequence[int], tokens: Sequence[int]
) -> MarginTerms:
    """The terms without credit between groups: with the same losses they never require less."""
    if tariff.is_off:
        return NO_MARGIN_TERMS
    minimums: tuple[int, ...] = ()
    if tariff.has_short_rates:
        owed = {at: rate * -positions[at] for at, rate in tariff.rated_short if positions[at] < 0}
        minimums = tuple(sum(owed[at] for at in owed.keys() & members) for members in groups)
    return MarginTerms(
        option_minimums=minimums,
        charges=sum(rate * abs(positions[at]) for at, rate in tariff.rated_lots),
        impact=sum(lines.at(abs(positions[at])) for at, lines in tariff.sized_lots if positions[at]),
        concentration=sum(lines.at(tokens[at]) for at, lines in tariff.sized_tokens if tokens[at]),
        net=tuple(charge.at(positions) for charge in tariff.net),
    )


def joint_losses(tariff: Tariff, scenario_losses: Sequence[Sequence[int]]) -> list[int]:
    """The loss of every joint scenario: the sum over groups of the loss in the named column."""
    total = [0] * len(tariff.joint.scenarios)
    for losses, columns in zip(scenario_losses, tariff.joint_columns, strict=True):
        if any(losses):
            total = [partial + losses[column] for partial, column in zip(total, columns, strict=True)]
    return total


def _joint_loss(tariff: Tariff, scenario_losses: Sequence[Sequence[int]]) -> int:
    """Expected shortfall over the joint scenarios, at least 0, rounded up."""
    losses, tail = joint_losses(tariff, scenario_losses), tariff.averaged_losses
    return max(0, -(-tail_sum(losses, tariff.joint_counts, tail) // tail))
