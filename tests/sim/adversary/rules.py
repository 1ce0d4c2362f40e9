"""The rules against deliberate strategies, each with its switches in genesis, as data.

Rule: a switch names a field of genesis by its path, and the values that are on and off. A rule of whose fields one is
missing is one that this release does not have: it is off whatever is asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import msgspec

from clearing.schema.terms.genesis import Genesis


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
    built_in: str = ""
    """A name that only a release with the rule has, where no genesis switches the rule off."""


RULES: dict[str, Rule] = {
    "insolvent-reserve": Rule(
        "an account without equity is for sale at no discount while a gainer withdraws",
        "insolvent",
        built_in="clearing.context.unresolved_losses:insolvent_micros",
    ),
    "gains-at-declaration": Rule(
        "gains are parked as margin or swapped for a token before they are cut",
        "gains",
        built_in="clearing.default.gains_liabilities",
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
            Switch("crisis.default.auction_contest_ppm", on=500_000, off=0),
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


def exists(rule: Rule, genesis: Genesis) -> bool:
    """Whether the release that reads this genesis has the rule."""
    if rule.built_in:
        return _has_name(rule.built_in)
    return all(_has_field(genesis, switch.path) for switch in rule.switches)


def is_switchable(rule: Rule, genesis: Genesis) -> bool:
    """Whether the rule can be off here: a genesis switches it, or it is not there at all."""
    return bool(rule.switches) or not exists(rule, genesis)


def _has_name(name: str) -> bool:
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def with_rules(genesis: Genesis, off: Iterable[str] = ()) -> Genesis:
    """The genesis with every rule on, but those named in `off`."""
    unknown = set(off) - set(RULES)
    if unknown:
        raise KeyError(f"no such rule: {', '.join(sorted(unknown))}; rules: {', '.join(RULES)}")
    for name, rule in RULES.items():
        for switch in rule.switches if exists(rule, genesis) else ():
            genesis = _replaced(genesis, switch.path.split("."), switch.off if name in off else switch.on)
    return genesis


def _entry(value: Any, name: str) -> Any:
    return value[int(name)] if isinstance(value, tuple) else getattr(value, name)


def _has_field(value: Any, path: str) -> bool:
    for name in path.split("."):
        if not (isinstance(value, tuple) or hasattr(value, name)):
            return False
        value = _entry(value, name)
    return True


def _replaced(value: Any, path: list[str], new: Any) -> Any:
    """`value` with the field at `path` changed."""
    if not path:
        return new
    first, *rest = path
    changed = _replaced(_entry(value, first), rest, new)
    if isinstance(value, tuple):
        return (*value[: int(first)], changed, *value[int(first) + 1 :])
    return msgspec.structs.replace(value, **{first: changed})
