"""Tables of the specification that follow from types: the fields of each `Wire` structure, enumerations, hash tags.

Rule: order, type, limit and default of a field come from its type, its meaning from the docstring beside it. Nothing is
written twice.
"""

import ast
import hashlib
import inspect
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as types

ROOT = Path(__file__).resolve().parents[1]
TAGGED = (
    "proofs",
    "clearing/base/header.py",
    "clearing/base/certificate.py",
    "clearing/base/validators.py",
    "clearing/base/merkle.py",
    "clearing/margin/statement/snapshot.py",
    "clearing/schema/terms/genesis.py",
)
"""Modules and packages whose domain tags the specification lists."""
POWERS = (8, 32, 39, 40, 53, 56, 60, 62, 63, 64, 96, 137)


def structure(kind: type[msgspec.Struct]) -> str:
    """The fields of a structure, in the order of its array."""
    meanings = field_meanings(kind)
    rows = ["| item | field | type | default | meaning |", "|---:|---|---|---|---|"]
    for place, field in enumerate(_struct_info(kind).fields):
        default = "required" if field.required else _default(field)
        rows.append(f"| {place} | `{field.name}` | {type_text(field.type)} | {default} | {meanings[field.name]} |")
    return "\n".join(rows)


def enumeration(kind: type[IntEnum]) -> str:
    """Numbers and names of an enumeration."""
    meanings = field_meanings(kind)
    rows = ["| number | name | meaning |", "|---:|---|---|"]
    rows += [f"| {member.value} | `{member.name}` | {meanings.get(member.name, '')} |" for member in kind]
    return "\n".join(rows)


def structures_in(*roots: type[msgspec.Struct]) -> tuple[type[msgspec.Struct], ...]:
    """The structures and all structures inside them, each once, outer ones first."""
    found: dict[type[msgspec.Struct], None] = {}

    def walk(info: types.Type) -> None:
        if isinstance(info, types.StructType):
            if info.cls not in found:
                found[info.cls] = None
                for field in info.fields:
                    walk(field.type)
        elif isinstance(info, types.Metadata):
            walk(info.type)
        elif isinstance(info, types.VarTupleType):
            walk(info.item_type)
        elif isinstance(info, types.TupleType):
            for item in info.item_types:
                walk(item)

    for root in roots:
        walk(types.type_info(root))
    return tuple(found)


def tags() -> str:
    """Every domain tag, its first word, and where it is defined."""
    rows = ["| tag | SHA-256 of the tag | module |", "|---|---|---|"]
    for tag, module in sorted(_tags_in_code()):
        rows.append(f"| `{tag}` | `{hashlib.sha256(tag.encode()).hexdigest()}` | `{module}` |")
    return "\n".join(rows)


def type_text(info: types.Type) -> str:
    """A type as the tables name it."""
    if isinstance(info, types.Metadata):
        return type_text(info.type)
    if isinstance(info, types.IntType):
        return _integer_text(info)
    if isinstance(info, types.BytesType):
        return _bytes_text(info)
    if isinstance(info, types.StrType):
        return "text"
    if isinstance(info, types.BoolType):
        return "boolean"
    if isinstance(info, types.EnumType):
        return f"number of `{info.cls.__name__}`"
    if isinstance(info, types.LiteralType):
        return " or ".join(f'the text "{value}"' for value in info.values)
    if isinstance(info, types.StructType):
        return f"`{info.cls.__name__}`"
    if isinstance(info, types.VarTupleType):
        return f"array{_count_text(info)} of {type_text(info.item_type)}"
    if isinstance(info, types.TupleType):
        return f"array ({'; '.join(map(type_text, info.item_types))})"
    raise TypeError(f"{type(info).__name__} has no place in the specification")


def power_text(value: int) -> str:
    """A number, as a power of two where it is one or beside one."""
    for sign, size in ((1, value), (-1, -value)):
        for bits in POWERS:
            for offset, text in ((0, ""), (-1, " − 1"), (1, " + 1")):
                if bits > 8 and size == 2**bits + offset:
                    shown = f"2^{bits}{text}"
                    return shown if sign > 0 else f"−({shown})" if text else f"−{shown}"
    return f"{value:,}".replace("-", "−")


def _integer_text(info: types.IntType) -> str:
    low, high = info.ge, info.le
    if info.gt is not None:
        low = info.gt + 1
    if info.lt is not None:
        high = info.lt - 1
    if low is None and high is None:
        return "integer"
    if high is None:
        return f"integer ≥ {power_text(low or 0)}"
    return f"integer in [{power_text(-(2**63) if low is None else low)}, {power_text(high)}]"


def _bytes_text(info: types.BytesType) -> str:
    if info.min_length is not None and info.min_length == info.max_length:
        return f"{info.min_length} bytes"
    return "bytes" if info.max_length is None else f"at most {info.max_length:,} bytes"


def _count_text(info: types.VarTupleType) -> str:
    low, high = info.min_length, info.max_length
    if low is None and high is None:
        return ""
    return f" of {low or 0} to {high:,} items," if high is not None else f" of at least {low} items,"


def _default(field: types.Field) -> str:
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    return _value_text(value)


def _value_text(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        return f"`{type(value).__name__}` of defaults" if value == type(value)() else "stated in the text"
    if isinstance(value, bytes):
        return "empty" if not value else f"{len(value)} zero bytes" if not any(value) else f"`{value.hex()}`"
    if isinstance(value, tuple):
        return "empty" if not value else _tuple_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, IntEnum):
        return f"{value.value} `{value.name}`"
    return f'"{value}"' if isinstance(value, str) else f"{value:,}"


def _tuple_text(value: tuple[Any, ...]) -> str:
    if all(isinstance(item, int) for item in value):
        return f"({'; '.join(f'{item:,}' for item in value)})"
    return "stated in the text"


def _struct_info(kind: type[msgspec.Struct]) -> types.StructType:
    info = types.type_info(kind)
    if not isinstance(info, types.StructType):
        raise TypeError(f"{kind.__name__} is no structure")
    return info


@cache
def field_meanings(kind: type) -> dict[str, str]:
    """The docstring beside each field or member, on one line; empty where there is none."""
    found: dict[str, str] = dict.fromkeys(getattr(kind, "__struct_fields__", ()), "")
    tree = ast.parse(inspect.getsource(kind))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
    name = ""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = " ".join(str(node.value.value).split()).replace("|", "\\|")
            name = ""
    return found


def _tags_in_code() -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for name in TAGGED:
        path = ROOT / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                value = node.value if isinstance(node, ast.Constant) else None
                text = value.decode() if isinstance(value, bytes) and value.isascii() else value
                if isinstance(text, str) and text.startswith("crossclear/") and " " not in text and text not in seen:
                    seen.add(text)
                    yield text, module
