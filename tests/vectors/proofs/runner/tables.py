"""The tables of the specification as data: the fields of each structure, and the kinds of slots and rows.

They are read out of the pages. So what decodes a vector here is what the pages say.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PAGES = Path(__file__).resolve().parents[4] / "docs" / "specification"


@dataclass(frozen=True)
class Field:
    """One field of a structure."""

    name: str
    kind: str
    default: str


@cache
def text() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md")))


@cache
def table(name: str) -> list[list[str]]:
    """The cells of a table's rows."""
    found = re.search(rf"<!-- table: {re.escape(name)} -->\n(.*?)<!-- end -->", text(), re.DOTALL)
    if found is None:
        raise KeyError(name)
    lines = [line for line in found[1].splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@cache
def fields(structure: str) -> tuple[Field, ...]:
    return tuple(Field(name.strip("`"), kind, default) for _, name, kind, default, _ in table(f"structure {structure}"))


@cache
def members(enumeration: str) -> dict[int, str]:
    """Names by number."""
    if enumeration == "SlotKind":
        return {int(row[1]): row[0].strip("`") for row in table("slots")}
    if enumeration == "RowKind":
        return {int(row[1]): row[0].strip("`") for row in table("rows")}
    return {int(number): name.strip("`") for number, name, _ in table(f"numbers {enumeration}")}


@cache
def ranges() -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    """(width, offset) of each kind of slot, and the width of each kind of row."""
    slots = {row[0].strip("`"): (int(row[2]), number(row[3])) for row in table("slots")}
    return slots, {row[0].strip("`"): int(row[2]) for row in table("rows")}


@cache
def series(name: str) -> tuple[float, ...]:
    return tuple(float.fromhex(row[2].strip("`")) for row in table(f"series {name}"))


@cache
def constants() -> dict[str, float]:
    return {row[0].strip("`"): float.fromhex(row[2].strip("`")) for row in table("constants")}


@cache
def limits() -> dict[str, int]:
    return {what: number(value) for what, value, _ in table("limits") if re.fullmatch(r"[\d^,− ]+", value)}


def number(shown: str) -> int:
    """`2^63 − 1`, `−(2^63 − 1)`, `1,024`."""
    plain = shown.replace("−", "-").replace(",", "").replace(" ", "")
    found = re.fullmatch(r"(-?)\(?(?:2\^(\d+)|(\d+))([+-]\d+)?\)?", plain)
    if found is None:
        raise ValueError(shown)
    size = (2 ** int(found[2]) if found[2] else int(found[3])) + int(found[4] or 0)
    return -size if found[1] else size


def default_of(structure: str, field: Field) -> Any:
    """The default of a field, as decoding would give it."""
    shown = field.default
    if shown.endswith("of defaults"):
        inner = shown.split("`")[1]
        return {each.name: default_of(inner, each) for each in fields(inner)}
    if shown == "stated in the text":
        return SPAN
    if shown == "empty":
        return b"" if "bytes" in field.kind.split() else []
    if shown.endswith("zero bytes"):
        return bytes(int(shown.split()[0]))
    if shown in ("true", "false"):
        return shown == "true"
    if shown.startswith("("):
        return [number(item) for item in shown[1:-1].split(";")]
    if shown.startswith('"'):
        return shown[1:-1]
    return number(shown.split(" `")[0])


def _span() -> list[dict[str, Any]]:
    """The default of `scenarios`, which the text states."""
    moves = [(0, 1), (1, 3), (-1, 3), (2, 3), (-2, 3), (1, 1), (-1, 1)]
    listed = [(a, b, d, 10**6) for a, b in moves for d in (1, -1)] + [(2, 1, 0, 350_000), (-2, 1, 0, 350_000)]
    names = ("move_numerator", "move_denominator", "volatility_direction", "weight_ppm")
    rest = {"of_index": False, "skew_linear": 0, "skew_absolute": 0, "volatility_ppm": 0}
    return [dict(zip(names, each, strict=True)) | rest for each in listed]


SPAN = _span()
