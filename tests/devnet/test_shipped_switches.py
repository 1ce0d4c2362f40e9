"""Every rule against a deliberate strategy is on in what is shipped: in the risk parameters and in a new draft.

The switches are those of the adversary's table of rules, and what the devnet switches on; nothing is listed here.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from clearing.schema.terms.genesis import CrisisParameters, Genesis
from devnet.market import load_market
from devnet.network_draft import MARKET, new_draft
from devnet.risk_set import read_risk_set
from lab.margin_period import margin_periods
from tests.kit.market_genesis import genesis_of
from tests.sim.adversary.rules import RULES

FACTS = "members."
"""Switches that state who somebody is, which no parameter does."""
PERPETUAL = "instruments.0."
SWITCHED = ("default", "fund", "house", "gates")
"""Parts of the crisis terms with rules that the devnet has; what paces calls and sales is chosen for each network."""
DEVNET = load_market()
BLOCK_MS = {"devnet": 250, "draft": read_risk_set().block_ms}


class Field(NamedTuple):
    """A field of genesis, and its value with the rule off."""

    path: str
    off: Any


def switches() -> Iterator[Field]:
    """Of the adversary's rules, those within a part of the terms one by one."""
    for rule in RULES.values():
        for switch in rule.switches:
            if isinstance(switch.on, msgspec.Struct):
                for name in switch.on.__struct_fields__:
                    if getattr(switch.on, name) != getattr(switch.off, name):
                        yield Field(f"{switch.path}.{name}", getattr(switch.off, name))
            elif not switch.path.startswith(FACTS):
                yield Field(switch.path, switch.off)


def devnet_rules() -> Iterator[Field]:
    """What the devnet has other than off, where off is the default."""
    crisis, off = genesis_of(DEVNET).crisis, CrisisParameters()
    for part in SWITCHED:
        ours, default = getattr(crisis, part), getattr(off, part)
        for name in ours.__struct_fields__:
            if getattr(ours, name) != getattr(default, name) and (part, name) != ("gates", "assets"):
                yield Field(f"crisis.{part}.{name}", getattr(default, name))


def value_at(terms: Any, path: str) -> Any:
    for name in path.split("."):
        terms = terms[int(name)] if isinstance(terms, tuple) else getattr(terms, name)
    return terms


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Genesis:
    """The genesis of what `crossclear genesis new` writes."""
    folder = tmp_path_factory.mktemp("draft") / "network"
    new_draft(folder, "example", "0x" + "11" * 20)
    return genesis_of(load_market(folder / MARKET))


@pytest.mark.parametrize("field", [*switches(), *devnet_rules()], ids=lambda field: field.path)
def test_every_switch_is_on_in_the_risk_parameters_and_in_a_new_draft(field: Field, draft: Genesis) -> None:
    risk = read_risk_set()
    path = field.path.removeprefix(PERPETUAL)
    assert value_at(risk, path) != field.off
    assert value_at(draft, field.path) == value_at(risk, path)


def test_switches_are_found_in_every_part_of_the_terms() -> None:
    parts = {field.path.split(".")[1] for field in switches() if field.path.startswith("crisis.")}
    assert parts == {"liquidation", "default", "fund", "house"}
    assert any(field.path.startswith(PERPETUAL) for field in switches())


def test_a_new_draft_has_the_shipped_funding_on_every_perpetual(draft: Genesis) -> None:
    funding = read_risk_set().funding
    perpetuals = [each for each in draft.instruments if each.expiry_ms == 0]
    assert [each.funding for each in perpetuals] == [funding] * 2


@pytest.mark.parametrize("name", ["devnet", "draft"])
def test_the_shipped_margin_covers_the_slowest_way_to_close_out(name: str, draft: Genesis) -> None:
    found = margin_periods({"devnet": genesis_of(DEVNET), "draft": draft}[name], BLOCK_MS[name])
    assert found.instruments
    assert found.warnings == ()
