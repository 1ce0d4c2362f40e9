"""The rules against deliberate strategies, each with its switches, as data.

Rule: a switch names a field of genesis by its path, and the values that are on and off. What no genesis switches has
stand-ins: functions that take the place of the product's while the rule is off.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.house import HouseTerms
from tests.kit.clearing.genesis import DOLLAR
from tests.sim.adversary import stand_ins
from tests.sim.adversary.stand_ins import StandIn, standing_in


@dataclass(frozen=True, slots=True)
class Switch:
    """One field of genesis that switches a rule. A number in the path is a place in a tuple."""

    path: str
    on: Any
    off: Any


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, the exploit that it ends, the scenario in which the search finds it, and the switches."""

    exploit: str
    scenario: str
    switches: tuple[Switch, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()
    """Functions while the rule is off."""
    not_found: str = ""
    """Why no sequence of two members is known that profits from its absence."""


HOUSE = HouseTerms(
    capital_micros=5_000 * DOLLAR,
    covers_margin=True,
    inventory_margin_max=100_000 * DOLLAR,
    inventory_notional_max=1_000_000 * DOLLAR,
    disposal_blocks=8,
    disposal_end_ppm=5_000,
    own_default=True,
    recovery_blocks=200,
)
LIMITS = (
    "capital_micros",
    "covers_margin",
    "inventory_margin_max",
    "inventory_notional_max",
    "disposal_blocks",
    "disposal_end_ppm",
)


def _of_house(*fields: str) -> tuple[Switch, ...]:
    """Fields of the house's terms: as in `HOUSE`, and off."""
    off = HouseTerms()
    return tuple(Switch(f"crisis.house.{name}", on=getattr(HOUSE, name), off=getattr(off, name)) for name in fields)


RULES: dict[str, Rule] = {
    "insolvent-reserve": Rule(
        "an account without equity is for sale at no discount while a gainer withdraws",
        "insolvent",
        (Switch("crisis.liquidation.insolvent_to_default", on=True, off=False),),
        (("clearing.context.unresolved_losses:insolvent_micros", stand_ins.nobody_is_insolvent),),
    ),
    "gains-at-declaration": Rule(
        "gains are parked as margin or swapped for a token before they are cut",
        "gains",
        stand_ins=(
            ("clearing.default.gains_liabilities:_own_equity", stand_ins.free_cash_only),
            ("clearing.default.variation_gains:value_received_since", stand_ins.nothing_received),
            ("clearing.withdrawals.deficit_reserve:gains_reserve", stand_ins.no_gains_reserve),
        ),
    ),
    "waterfall-ends": Rule(
        "the house owes what no layer bears, and who withdraws first is paid",
        "claims",
        stand_ins=(
            ("clearing.default.claims_haircut:cut_claims", stand_ins.claims_stay),
            ("clearing.default.claims_haircut:cut_other_claims", stand_ins.claims_stay),
            ("clearing.default.claims_haircut:check_loss_borne", stand_ins.nobody_checks),
            ("clearing.default.late_contributions:use_whole_fund", stand_ins.claims_stay),
        ),
    ),
    "house-limits": Rule(
        "the house takes over more than its capital carries, and others bear what it loses",
        "house takes over",
        _of_house(*LIMITS),
    ),
    "house-default": Rule(
        "the house owes what it lost, and who withdraws first is paid",
        "house fails",
        _of_house("own_default"),
    ),
    "recoveries": Rule(
        "the house keeps what a defaulter's tokens yield above what they counted for",
        "recoveries",
        _of_house("recovery_blocks"),
    ),
    "partial-tear-up": Rule(
        "everything in a losing instrument ends at the mark",
        "tear-up",
        stand_ins=(("clearing.default.partial_tear_up:restore_margins", stand_ins.tear_up_all),),
        not_found="a position that ends at the mark is worth what it was worth held",
    ),
    "same-owner": Rule(
        "the loser is the member, the gainer its client, who is the same person",
        "client",
        (
            Switch("members.1.accounts.1.affiliated", on=True, off=False),
            Switch("crisis.default.pool_affiliates", on=True, off=False),
            Switch("crisis.fund.cover_growth", on=True, off=False),
            Switch("crisis.fund.net_affiliates", on=True, off=False),
        ),
    ),
    "lone-bidder": Rule(
        "the only bidder for a friend's portfolio asks what it likes",
        "auction",
        (
            Switch("crisis.default.auction_reserve_ppm", on=3_000_000, off=0),
            Switch("crisis.default.auction_own_money", on=True, off=False),
        ),
    ),
    "funding-of-impact": Rule(
        "two members trade with each other until the others' funding pays them",
        "funding",
        (Switch("instruments.0.funding.wash_cover_ppm", on=2_000_000, off=0),),
    ),
    "assessed-stays": Rule(
        "a member withdraws before it is assessed",
        "assessment",
        (Switch("crisis.default.hold_assessments", on=True, off=False),),
    ),
}


def with_rules(genesis: Genesis, off: Iterable[str] = ()) -> Genesis:
    """The genesis with every rule on, but those named in `off`."""
    unknown = set(off) - set(RULES)
    if unknown:
        raise KeyError(f"no such rule: {', '.join(sorted(unknown))}; rules: {', '.join(RULES)}")
    for name, rule in RULES.items():
        for switch in rule.switches:
            genesis = _replaced(genesis, switch.path.split("."), switch.off if name in off else switch.on)
    return genesis


def without_rules(off: Iterable[str]) -> AbstractContextManager[None]:
    """The functions of the rules named in `off` are their stand-ins."""
    return standing_in(stand_in for name in sorted(set(off)) for stand_in in RULES[name].stand_ins)


def _entry(value: Any, name: str) -> Any:
    return value[int(name)] if isinstance(value, tuple) else getattr(value, name)


def _replaced(value: Any, path: list[str], new: Any) -> Any:
    """`value` with the field at `path` changed."""
    if not path:
        return new
    first, *rest = path
    changed = _replaced(_entry(value, first), rest, new)
    if isinstance(value, tuple):
        return (*value[: int(first)], changed, *value[int(first) + 1 :])
    return msgspec.structs.replace(value, **{first: changed})
