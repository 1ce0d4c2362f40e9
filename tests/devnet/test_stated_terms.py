"""A market file states every field of genesis that its figures do not give, by one rule; what it cannot is refused by
name."""

import copy
import inspect
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from clearing.base.codec import U32, Wire
from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS
from clearing.genesis.json import genesis_part_to_json
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.volatility_surface import VolShock
from devnet import genesis as devnet_genesis
from devnet import market as market_file
from devnet.codes import DevnetCode
from devnet.live_surfaces import surface_configs, surface_terms
from devnet.market import CONFIGS, GroupFigures, Market
from devnet.stated_terms import TermsTable, part_of, tables_of
from tests.kit.margin.books import HISTORY, NET
from tests.kit.market_genesis import genesis_of

SHIPPED: dict[str, Any] = tomllib.loads((CONFIGS / "market.toml").read_text(encoding="utf-8"))
TABLES = (
    "",
    "feeds.0",
    "groups.0",
    "groups.0.smiles.0",
    "groups.0.shock",
    "tokens.0.gate",
    "tokens.1",
    "tokens.1.concentration.0",
    "tokens.1.haircut",
    "tokens.1.scenarios",
    "cash",
    "cash.skew",
    "cash.interest",
    "cash.call",
    "instruments.0",
    "instruments.0.charge",
    "instruments.0.funding",
    "risk",
    "risk.joint",
    "risk.stress.0",
    "market",
    "market.prices",
    "ranges",
    "chains",
)
"""One of each kind of table that becomes a part of genesis."""


def file_with(place: str, **stated: Any) -> Market:
    """The shipped file with these keys in one of its tables."""
    file = copy.deepcopy(SHIPPED)
    file["tokens"][1]["scenarios"] = {"group": "ETH", "haircut_ppm": 30_000}
    table_at(file, place).update(stated)
    return tables_of(Market, file)


def table_at(file: Any, place: str) -> Any:
    for name in place.split(".") if place else ():
        file = file[int(name)] if isinstance(file, list) else file[name]
    return file


def another(info: msgspec.inspect.Type, default: Any = None) -> Any:
    """A value of a type in the form of genesis.json, other than the default."""
    if isinstance(info, msgspec.inspect.Metadata):
        return another(info.type, default)
    if isinstance(info, msgspec.inspect.StructType):
        return {field.name: another(field.type, field.default) for field in info.fields}
    if isinstance(info, msgspec.inspect.VarTupleType):
        return [another(info.item_type)]
    if isinstance(info, msgspec.inspect.TupleType):
        return [another(each) for each in info.item_types]
    if isinstance(info, msgspec.inspect.BytesType):
        return "0x" + "07" * (info.min_length or 1)
    if isinstance(info, msgspec.inspect.EnumType):
        return int(next(iter(info.cls)))
    if isinstance(info, msgspec.inspect.StrType):
        return "other"
    return (not default) if isinstance(info, msgspec.inspect.BoolType) else 1 if default != 1 else 2


def typed_at(place: str) -> TermsTable:
    table: Any = file_with("")
    for name in place.split(".") if place else ():
        table = table[int(name)] if isinstance(table, tuple) else getattr(table, name)
    assert isinstance(table, TermsTable)
    return table


def fields() -> Iterator[tuple[str, str, Any]]:
    """(table, field, a value) of every field of every part that is no key of its table yet."""
    for place in TABLES:
        table = typed_at(place)
        info = msgspec.inspect.type_info(table.part)
        assert isinstance(info, msgspec.inspect.StructType)
        for field in info.fields:
            if field.name not in table.__struct_fields__:
                yield place, field.name, another(field.type, field.default)


def parts_of(value: Any, kind: type[Wire]) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    if isinstance(value, Wire):
        for name in value.__struct_fields__:
            yield from parts_of(getattr(value, name), kind)
    if isinstance(value, tuple):
        for each in value:
            yield from parts_of(each, kind)


@pytest.mark.parametrize(
    ("place", "name", "value"), list(fields()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_every_field_of_genesis_is_stated_by_its_name_or_refused_by_it(
    place: str, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devnet_genesis, "check_genesis", lambda genesis: None)  # the form, not the meaning
    try:
        built = genesis_of(file_with(place, **{name: value}))
    except LocalFault as fault:
        assert fault.code is DevnetCode.MARKET_FILE_INVALID
        assert fault.at.endswith(name)
        assert "other keys" in str(fault)
    else:
        found = [genesis_part_to_json(getattr(part, name)) for part in parts_of(built, typed_at(place).part)]
        assert value in found


def test_every_table_that_becomes_a_part_of_genesis_is_in_the_list_above() -> None:
    kinds = {each for _, each in inspect.getmembers(market_file, inspect.isclass) if issubclass(each, TermsTable)}
    assert kinds - {TermsTable} == {type(typed_at(place)) for place in TABLES}


def test_the_second_half_of_the_risk_model_can_be_stated() -> None:
    """Moves of history, charges on net amounts, marks off the curve and options by their average."""
    history, charges = genesis_part_to_json(HISTORY), genesis_part_to_json(NET[0])
    file = copy.deepcopy(SHIPPED)
    del file["risk"]["joint"]
    file["groups"][0]["charges"] = charges
    file["risk"] |= {"history": history, "futures_on_curve": True, "averaged_options": True}
    file["surfaces"] = [{"group": 1}, {"group": 2}]
    risk = genesis_of(tables_of(Market, file)).risk
    assert risk.history == HISTORY
    assert [group.charges for group in risk.groups] == [NET[0], RiskGroup(2, "", 1, 1, 1, 1).charges]
    assert risk.futures_on_curve
    assert risk.averaged_options


def test_the_example_of_the_tutorial_can_be_stated() -> None:
    page = (CONFIGS.parents[1] / "docs" / "tutorials" / "first-network.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(\[groups\.charges\]\n.*?)```", page, re.DOTALL)
    charges = tomllib.loads(example)["groups"]["charges"]
    built = genesis_of(file_with("groups.0", charges=charges)).risk.groups[0].charges
    assert [move.shift_ppm(45 * DAY_MS) for move in built.basis] == [5_000]
    assert built.delta.rate_ppm == 200
    assert built.vega.rate_ppm == 20_000


def test_a_field_that_a_later_release_adds_can_be_stated_at_once() -> None:
    class Later(RiskGroup, frozen=True):
        added_ppm: U32 = 0

    figures = msgspec.structs.replace(typed_at("groups.0"), terms={"added_ppm": 5})
    assert isinstance(figures, GroupFigures)
    assert part_of(Later, figures, "groups.BTC", id=1, feed=1, shock=VolShock()).added_ppm == 5


@pytest.mark.parametrize(
    ("place", "stated", "at"),
    [
        ("groups.0", {"charges": {"gamma": 1}}, "groups.BTC.charges"),
        ("groups.0", {"charges": {"delta": {"rate_ppm": "x"}}}, "groups.BTC.charges"),
        ("groups.0", {"id": 7}, "groups.BTC.id"),
        ("groups.0", {"surface": []}, "groups.BTC.surface"),
        ("risk", {"charges": []}, "risk.charges"),
        ("crisis", {"callls": {}}, "crisis.callls"),
        ("crisis.gates", {"assets": [{"asset": 1}]}, "crisis.gates.assets"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_cannot_be_stated_is_refused_by_its_place(place: str, stated: dict[str, Any], at: str) -> None:
    with pytest.raises(LocalFault) as caught:
        genesis_of(file_with(place, **stated))
    assert caught.value.code is DevnetCode.MARKET_FILE_INVALID
    assert caught.value.at == at


@pytest.mark.parametrize(
    ("place", "name"), [("", "nothing"), ("risk", "ratio"), ("groups.0", "chargse"), ("risk", "terms")]
)
def test_a_key_that_is_no_figure_and_no_field_is_refused_when_the_file_is_read(place: str, name: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=name):
        file_with(place, **{name: 1})


def test_a_group_whose_futures_are_on_the_curve_has_a_surface_to_report() -> None:
    file = copy.deepcopy(SHIPPED)
    file["instruments"] = [each for each in file["instruments"] if not each.get("strike_ticks")]
    assert surface_terms(tables_of(Market, file)) == ()
    file["risk"]["futures_on_curve"] = True
    dated = {each["group"] for each in file["instruments"] if each["kind"] == "future"}
    assert len(surface_terms(tables_of(Market, file))) == len(dated) > 0
    assert len(surface_configs(tables_of(Market, file))) == len(dated)


def test_surfaces_that_the_file_states_take_the_place_of_the_devnets() -> None:
    assert surface_terms(file_with("", surfaces=[{"group": 1}])) == ()
