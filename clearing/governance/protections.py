"""What an amendment may change, but not take away, nor change by much at once.

Rule: compares. What protects somebody may not be switched off once it is on, nor, however many votes it takes, be made
a trifle of what the network began with; what values positions moves by one amendment no further than a bound, so that a
vote does not move money and every step is known for a timelock. It must not know the state.
"""

from collections.abc import Iterator

from clearing.base.errors import Rejected
from clearing.base.units import PPM
from clearing.codes import ClearingCode, reject
from clearing.genesis import Genesis
from clearing.margin.parameters import RiskGroup

PROTECTIONS = {
    "calls": ("deadline_blocks",),
    "default": (
        "house_capital_micros",
        "assessment_blocks",
        "auction_blocks",
        "porting_blocks",
        "halt_blocks",
        "replenishment_blocks",
    ),
    "fund": ("minimum_micros", "reduce_blocks"),
    "gates": ("deficit_reserve", "give_back_expired"),
}
"""What protects somebody, once it is on: time to pay, to be ported, to bid; the house's own part; whole repayment."""
KEPT_DIVISOR = 4
"""Of what the network began with a protection keeps a quarter, or a block of time would be all that is left of it."""
RATE_STEP_PPM = 10_000
"""The carry of dated instruments: a year ahead their marks move by one per cent at most."""
VOLATILITY_FACTOR = 2
"""Options are marked at no more than twice, no less than half the volatility of before."""


def check_protections(origin: Genesis, before: Genesis, after: Genesis) -> Rejected | None:
    """Whether an amendment takes nothing away that protects; `origin`: the first genesis, as no vote changed it."""
    first = dict(protections(origin))
    now = dict(protections(after))
    for field, was in protections(before):
        value = now.get(field, was)
        if was and not value:
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=value, was=was)
        least = -(-first.get(field, 0) // KEPT_DIVISOR)
        if value < least and value != was:
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=value, was=was, least=least)
    silences = {chain.chain_id: chain.heartbeat_ms_max for chain in after.chains}
    for chain in before.chains:
        if chain.heartbeat_ms_max and not silences.get(chain.chain_id, 0):
            field = f"chains.{chain.chain_id}.heartbeat_ms_max"
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=0, was=chain.heartbeat_ms_max)
    return _check_steps(before, after)


def protections(genesis: Genesis) -> Iterator[tuple[str, int]]:
    """(place, value) of everything of which less protects less; of what is not listed there is nothing."""
    for part, fields in PROTECTIONS.items():
        yield from ((f"crisis.{part}.{field}", int(getattr(getattr(genesis.crisis, part), field))) for field in fields)
    yield "market.prices.settle_blocks", genesis.market.prices.settle_blocks
    for cash in genesis.cash_groups:
        yield f"cash_groups.{cash.id}.call.deadline_blocks", cash.call.deadline_blocks
    for group in genesis.risk.groups:
        yield f"risk.groups.{group.id}.short_option_ppm", group.short_option_ppm


def _check_steps(before: Genesis, after: Genesis) -> Rejected | None:
    """Carry and volatility make marks: more than a step at once would be money that a vote moves."""
    was, now = before.risk.rate_ppm, after.risk.rate_ppm
    if abs(now - was) > RATE_STEP_PPM:
        return reject(ClearingCode.AMENDMENT_REFUSED, "bounds.risk.rate_ppm.step", value=now, was=was)
    with_options = {each.group for each in before.instruments if each.is_option}
    groups = {group.id: group for group in after.risk.groups}
    for group in before.risk.groups:
        if group.id not in with_options or group.id not in groups:
            continue
        for old, new in zip(volatilities(group), volatilities(groups[group.id]), strict=True):
            if new > VOLATILITY_FACTOR * old or old > VOLATILITY_FACTOR * new:
                field = f"risk.groups.{group.id}.volatility_ppm"
                return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}.step", value=new, was=old)
    return None


def volatilities(group: RiskGroup) -> tuple[int, int]:
    """The lowest and the highest volatility that options are marked at with the money, over all times to expiry."""
    levels = [each.level_ppm for each in group.surface] or [PPM]
    return min(levels) * group.volatility_ppm // PPM, max(levels) * group.volatility_ppm // PPM
