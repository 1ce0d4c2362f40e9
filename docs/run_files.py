"""The input files of `crossclear margin run` and its like, described out of their types: JSON Schema and a page.

Rule: field descriptions are the docstrings in the source; nothing is said twice.
"""

import ast
import dataclasses
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from lab.evaluation import charges, spreads
from lab.evaluation.evaluate import AccountResult, LevelResult, TermResult
from lab.evaluation.holdings import CollateralValue, PositionValue
from lab.evaluation.lesser import LesserAmount
from lab.evaluation.liquidation_price import ModelLiquidationPrice
from lab.evaluation.open_orders import OrderLosses
from lab.evaluation.price_bands import PriceBand
from lab.evaluation.rules import RuleResult
from lab.evaluation.scan import PositionLosses, ScanResult
from lab.models.named import FILE_BYTES_MAX, ITEMS_MAX, TEXT_MAX
from lab.models.numbers import NUMBER_PATTERN
from lab.runs.liquidation import LiquidationRun
from lab.runs.margin import MarginRun
from lab.runs.settle_file import SettleRun
from lab.runs.waterfall import WaterfallRun

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = "configs/examples"
NUMBER = {
    "description": 'An integer, a decimal literal, or a string: a decimal ("0.25") or a ratio ("1/3").',
    "anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "string", "pattern": NUMBER_PATTERN}],
}

KINDS: dict[str, type[msgspec.Struct]] = {
    "margin": MarginRun,
    "settle": SettleRun,
    "liquidation": LiquidationRun,
    "waterfall": WaterfallRun,
}
INTRODUCTION = f"""\
`crossclear margin run FILE.json` evaluates a risk model on a portfolio, `crossclear settle run FILE.json` runs
settlement steps, `crossclear liquidation run FILE.json` sizes and stages liquidations, `crossclear waterfall run
FILE.json` takes losses through the layers of a default. All need neither node nor network, read standard input with
`-`, print one JSON object (`--pretty` indents it) and exit with 6 when the file is refused; the refusal names code and
path. What the terms mean together is in
[risk models](../explanation/risk-models.md) and [receipts](../explanation/receipts.md).

Limits: {FILE_BYTES_MAX >> 20} MiB a file, {ITEMS_MAX} items a list, {TEXT_MAX} characters a text by default.
A number is an integer, a decimal literal (taken by its digits, never as a float) or a string: a decimal or a ratio,
`"1/3"`. In results every number is a string that reads back exactly. An unknown field is refused, so is a field that
appears twice. A field without a default must be given. In a list of several types each member states its `kind`."""

RESULTS = """\
`margin run` prints `instruments` (each as priced: index, forward, years, discount, volatility, price, mark, delta),
`scans` (each scan's scenarios, and every instrument's price in each), `accounts` (AccountResult), `rules` (RuleResult)
and `liquidation_prices` (ModelLiquidationPrice). The `parts` of a term are of the type that its kind has below.
`settle run` prints `steps`, each with its name, kind and everything that was computed on the way; so do `liquidation
run` and `waterfall run`, which print every share with its `arithmetic` in whole units."""

_RESULTS: tuple[type, ...] = (
    AccountResult,
    PositionValue,
    CollateralValue,
    TermResult,
    LevelResult,
    ScanResult,
    PositionLosses,
    OrderLosses,
    charges.FractionAmount,
    charges.SlippageAmount,
    charges.SideAmount,
    charges.FormulaAmount,
    charges.SizeAmount,
    spreads.CalendarAmount,
    spreads.SpreadCredit,
    spreads.CreditLeg,
    spreads.MinimumAmount,
    spreads.JointAmount,
    LesserAmount,
    RuleResult,
    ModelLiquidationPrice,
    PriceBand,
)


def margin_schema() -> str:
    """JSON Schema of `margin run`'s input."""
    return _schema(MarginRun, "crossclear margin run")


def settle_schema() -> str:
    """JSON Schema of `settle run`'s input."""
    return _schema(SettleRun, "crossclear settle run")


def liquidation_schema() -> str:
    """JSON Schema of `liquidation run`'s input."""
    return _schema(LiquidationRun, "crossclear liquidation run")


def waterfall_schema() -> str:
    """JSON Schema of `waterfall run`'s input."""
    return _schema(WaterfallRun, "crossclear waterfall run")


def page() -> str:
    """The reference page of all."""
    lines = [
        "# Run files",
        "",
        *INTRODUCTION.splitlines(),
        "",
        f"Schemas: {', '.join(f'[{kind}-run.schema.json]({kind}-run.schema.json)' for kind in KINDS)}.",
        "",
        "## Examples",
        "",
        "A test executes each and compares its figures.",
        "",
        "| file | what |",
        "|---|---|",
        *_examples(),
        "",
    ]
    described: set[type] = set()
    for title, kind in KINDS.items():
        lines += [f"## {title} run", ""]
        for structure in _structs(kind):
            if structure not in described:
                described.add(structure)
                lines += _table(structure)
    lines += ["## Results", "", *RESULTS.splitlines(), ""]
    for result in _RESULTS:
        lines += _result_table(result)
    return "\n".join(lines)


def _result_table(kind: type) -> list[str]:
    described = _described(kind)
    lines = [f"### {kind.__name__}", "", _first(kind), "", "| field | |", "|---|---|"]
    lines += [f"| `{field.name}` | {described.get(field.name, '')} |" for field in dataclasses.fields(kind)]
    return [*lines, ""]


def _examples() -> list[str]:
    rows = []
    for path in sorted((ROOT / EXAMPLES).glob("*/*.json")):
        note = str(msgspec.json.decode(path.read_bytes())["note"]).replace("|", "\\|")
        rows.append(f"| `{path.relative_to(ROOT)}` | {note} |")
    return rows


def _table(kind: type[msgspec.Struct]) -> list[str]:
    info = _info(kind)
    tag = f', `"kind": "{info.tag}"`' if info.tag is not None else ""
    lines = [f"### {kind.__name__}{tag}", "", _first(kind), ""]
    lines += ["| field | type | default | |", "|---|---|---|---|"]
    described = _described(kind)
    for field in info.fields:
        shown = _shown_default(field)
        lines.append(f"| `{field.name}` | {_type(field.type)} | {shown} | {described.get(field.name, '')} |")
    return [*lines, ""]


def _shown_default(field: msgspec.inspect.Field) -> str:
    if field.required:
        return "required"
    default = field.default
    if isinstance(default, msgspec.Struct):
        return "as its fields"
    return {(): "none", None: "none", "": "empty"}.get(default, f"`{msgspec.json.encode(default).decode()}`")


def _type(info: msgspec.inspect.Type) -> str:
    if _is_number(info):
        return "number"
    if isinstance(info, msgspec.inspect.Metadata):
        return _type(info.type)
    if isinstance(info, msgspec.inspect.StructType):
        return f"[{info.cls.__name__}](#{_anchor(info)})"
    if isinstance(info, msgspec.inspect.VarTupleType):
        return f"list of {_type(info.item_type)}"
    if isinstance(info, msgspec.inspect.LiteralType):
        return ", ".join(f"`{literal}`" for literal in info.values)
    if isinstance(info, msgspec.inspect.UnionType):
        parts = [_type(part) for part in info.types if not isinstance(part, msgspec.inspect.NoneType)]
        return " or ".join(dict.fromkeys(parts))
    return {"IntType": "integer", "StrType": "text", "BoolType": "boolean"}[type(info).__name__]


def _anchor(info: msgspec.inspect.StructType) -> str:
    return info.cls.__name__.lower() + (f"-kind-{info.tag}" if info.tag is not None else "")


def _schema(kind: type[msgspec.Struct], title: str) -> str:
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "$ref": f"#/$defs/{kind.__name__}",
        "$defs": {"Number": NUMBER} | {structure.__name__: _object(structure) for structure in _structs(kind)},
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _object(kind: type[msgspec.Struct]) -> dict[str, Any]:
    info, described = _info(kind), _described(kind)
    properties: dict[str, Any] = {} if info.tag is None else {"kind": {"const": info.tag}}
    for field in info.fields:
        description = {"description": described[field.name]} if field.name in described else {}
        default = {} if field.required or isinstance(field.default, msgspec.Struct) else {"default": field.default}
        properties[field.name] = description | default | _json_type(field.type)
    required = [field.name for field in info.fields if field.required] + (["kind"] if info.tag is not None else [])
    return {
        "type": "object",
        "description": _first(kind),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _json_type(info: msgspec.inspect.Type) -> dict[str, Any]:
    if _is_number(info):
        number = {"$ref": "#/$defs/Number"}
        return {"anyOf": [number, {"type": "null"}]} if _may_be_nothing(info) else number
    if isinstance(info, msgspec.inspect.Metadata):
        return _json_type(info.type)
    if isinstance(info, msgspec.inspect.StructType):
        return {"$ref": f"#/$defs/{info.cls.__name__}"}
    if isinstance(info, msgspec.inspect.VarTupleType):
        return {"type": "array", "maxItems": ITEMS_MAX, "items": _json_type(info.item_type)}
    if isinstance(info, msgspec.inspect.LiteralType):
        return {"enum": list(info.values)}
    if isinstance(info, msgspec.inspect.UnionType):
        return {"anyOf": [_json_type(part) for part in info.types]}
    if isinstance(info, msgspec.inspect.IntType):
        return {"type": "integer", "minimum": info.ge, "maximum": info.le}
    if isinstance(info, msgspec.inspect.StrType):
        least = {} if info.min_length is None else {"minLength": info.min_length}
        return {"type": "string", "maxLength": info.max_length or TEXT_MAX} | least
    return {"type": "boolean"} if isinstance(info, msgspec.inspect.BoolType) else {"type": "null"}


def _is_number(info: msgspec.inspect.Type) -> bool:
    if not isinstance(info, msgspec.inspect.UnionType):
        return False
    names = {type(part).__name__ for part in info.types} - {"NoneType"}
    return names == {"IntType", "StrType"}


def _may_be_nothing(info: msgspec.inspect.Type) -> bool:
    return isinstance(info, msgspec.inspect.UnionType) and any(
        isinstance(part, msgspec.inspect.NoneType) for part in info.types
    )


def _structs(kind: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """A type and all types in it, each after what names it, once."""
    found: dict[type[msgspec.Struct], None] = {kind: None}
    waiting = [kind]
    while waiting:
        for inner in _inside(_info(waiting.pop(0))):
            if inner not in found:
                found[inner] = None
                waiting.append(inner)
    return list(found)


def _inside(info: msgspec.inspect.StructType) -> list[type[msgspec.Struct]]:
    found: list[type[msgspec.Struct]] = []
    waiting: list[msgspec.inspect.Type] = [field.type for field in info.fields]
    while waiting:
        inner = waiting.pop(0)
        if isinstance(inner, msgspec.inspect.StructType):
            found.append(inner.cls)
        elif isinstance(inner, msgspec.inspect.VarTupleType):
            waiting.append(inner.item_type)
        elif isinstance(inner, msgspec.inspect.Metadata):
            waiting.append(inner.type)
        elif isinstance(inner, msgspec.inspect.UnionType):
            waiting.extend(inner.types)
    return found


def _info(kind: type[msgspec.Struct]) -> msgspec.inspect.StructType:
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(kind)
    return info


def _first(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").split())


def _described(kind: type) -> dict[str, str]:
    """The docstring under each field."""
    return _module_fields(kind.__module__).get(kind.__name__, {})


@cache
def _module_fields(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    found: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = {}
            for field, after in zip(node.body, node.body[1:], strict=False):
                if not isinstance(after, ast.Expr) or not isinstance(after.value, ast.Constant):
                    continue
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found[node.name][field.target.id] = " ".join(str(after.value.value).split())
    return found
