"""What a market file states by the names of genesis, beside the figures in units for people.

Rule: one rule for every table. A key that is no figure of its table is a field of the part of genesis that the table
becomes, in the form of genesis.json. A field that the part does not have, or that figures give already, is refused by
its place. So a field that a later release adds can be stated at once. It must not know what a market has.
"""

import tomllib
import types
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from clearing.base.codec import Wire
from clearing.base.errors import LocalFault
from clearing.base.known_types import known_type
from clearing.genesis.json import GenesisPart, genesis_part_from_json, genesis_part_to_json
from devnet.codes import DevnetCode

TABLE_TERMS = "$terms"
"""The key of `TermsTable.terms`; a file cannot have it by chance."""


class MarketTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a market file that has its own keys only."""


class TermsTable(MarketTable, frozen=True, kw_only=True):
    """A table that becomes a part of genesis."""

    part: ClassVar[type[Wire]]
    terms: dict[str, Any] = msgspec.field(default_factory=dict, name=TABLE_TERMS)
    """What the file states by the names of genesis."""


File = TypeVar("File", bound=MarketTable)


def read_tables(kind: type[File], text: str) -> File:
    """A file's text as typed tables. Raises tomllib.TOMLDecodeError, msgspec.ValidationError naming the key."""
    return tables_of(kind, tomllib.loads(text))


def tables_of(kind: type[File], file: dict[str, Any]) -> File:
    """A decoded file as typed tables. Raises msgspec.ValidationError naming the key."""
    return msgspec.convert(_gathered(kind, file), known_type(kind))


def _gathered(kind: Any, value: Any) -> Any:
    """The value with the keys that are no figures of their tables under `terms`."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next((each for each in get_args(kind) if each is not type(None)), kind)
    if get_origin(kind) is tuple and isinstance(value, list):
        return [_gathered(get_args(kind)[0], each) for each in value]
    if not (isinstance(kind, type) and issubclass(kind, MarketTable) and isinstance(value, dict)):
        return value
    hints = get_type_hints(kind)
    figures = set(kind.__struct_encode_fields__) - {TABLE_TERMS}
    table = {name: _gathered(hints[name], each) if name in figures else each for name, each in value.items()}
    if not issubclass(kind, TermsTable):
        return table
    terms = {name: each for name, each in table.items() if name in set(kind.part.__struct_fields__) - figures}
    return {name: each for name, each in table.items() if name not in terms} | ({TABLE_TERMS: terms} if terms else {})


def part_of(kind: type[GenesisPart], figures: MarketTable | None, at: str, /, **given: Any) -> GenesisPart:
    """The part of genesis that a table becomes: `given`, then figures of the same names, then what the table states.

    `given`: what figures of other names or units come to. Raises LocalFault MARKET_FILE_INVALID naming the place.
    """
    known = set(kind.__struct_fields__)
    figured = {name: getattr(figures, name) for name in figures.__struct_fields__ if name in known} if figures else {}
    stated = figures.terms if isinstance(figures, TermsTable) else {}
    return with_terms(kind(**(figured | given)), stated, at)


def with_terms(part: GenesisPart, stated: dict[str, Any], at: str) -> GenesisPart:
    """`part` with these fields, in the form of genesis.json. Raises LocalFault MARKET_FILE_INVALID naming the place."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(part)}
    for name, value in sorted(stated.items()):
        place = f"{at}.{name}" if at else name
        if name not in defaults:
            raise LocalFault(DevnetCode.MARKET_FILE_INVALID, place, why="no such key")
        if getattr(part, name) not in (defaults[name], ()):
            raise LocalFault(DevnetCode.MARKET_FILE_INVALID, place, why="other keys of this file give it")
        try:
            part = genesis_part_from_json(type(part), genesis_part_to_json(part) | {name: value}, place)
        except ValueError as error:
            raise LocalFault(DevnetCode.MARKET_FILE_INVALID, place, why=str(error)) from None
    return part
