"""Genesis as JSON: objects with field names, bytes as hex, enumerations as numbers.

Rule: bytes in, value out; this module opens no file. It checks the form; `check_genesis` checks the meaning.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from clearing.base.codec import Wire, stated_fields
from clearing.base.errors import RemoteFault
from clearing.base.known_types import known_type
from clearing.base.plain_json import read_json
from clearing.schema.codes import ClearingCode
from clearing.schema.terms.genesis import FIRST_FIELDS, Genesis

GenesisPart = TypeVar("GenesisPart", bound=Wire)
GENESIS_BYTES_MAX = 4 << 20


def genesis_to_json(genesis: Genesis) -> bytes:
    """Readable JSON: objects with the fields' names, bytes as hex with 0x, enumerations as their numbers.

    Terms that later releases added and that are off are left out, as from the network id.
    """
    fields = genesis_part_to_json(genesis, FIRST_FIELDS)
    return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"


def genesis_from_json(data: bytes) -> Genesis:
    """Read what `genesis_to_json` wrote, or a hand-written file that leaves out fields with a default.

    Does not check the meaning: `check_genesis` does. Raises RemoteFault BAD_GENESIS.
    """
    if len(data) > GENESIS_BYTES_MAX:
        raise RemoteFault(ClearingCode.BAD_GENESIS, "genesis.json", bytes=len(data), limit=GENESIS_BYTES_MAX)
    try:
        return genesis_part_from_json(Genesis, read_json(data), "genesis")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RemoteFault(ClearingCode.BAD_GENESIS, "genesis.json", why=str(error)) from None


def genesis_part_from_json(kind: type[GenesisPart], value: Any, at: str) -> GenesisPart:
    """A part of genesis from decoded JSON or TOML with field names. Raises ValueError naming the place."""
    built: Any = _to_wire_order(msgspec.inspect.type_info(known_type(kind)), value, at)
    return msgspec.convert(built, known_type(kind), builtin_types=(bytes,))


def genesis_part_to_json(value: Any, kept: Mapping[type, int] | None = None) -> Any:
    """A value of genesis as plain JSON types. `kept`: as of `encode_trimmed`; by default every field is written."""
    if isinstance(value, Wire):
        names = value.__struct_fields__ if kept is None else stated_fields(value, kept)
        return {name: genesis_part_to_json(getattr(value, name), kept) for name in names}
    if isinstance(value, tuple):
        return [genesis_part_to_json(element, kept) for element in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _to_wire_order(info: msgspec.inspect.Type, value: Any, at: str) -> Any:
    """Convert named JSON values to the array form of `Wire` structs. Raises ValueError naming the place."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _to_wire_order(info.type, value, at)
    if isinstance(info, msgspec.inspect.StructType):
        fields = {field.name: field for field in info.fields}
        if not isinstance(value, dict) or not value.keys() <= fields.keys():
            raise ValueError(f"{at}: expected an object with fields {', '.join(fields)}")
        missing = [name for name, field in fields.items() if field.required and name not in value]
        if missing:
            raise ValueError(f"{at}: {missing[0]} is missing")
        return [
            _to_wire_order(field.type, value[name], f"{at}.{name}") if name in value else _default(field)
            for name, field in fields.items()
        ]
    if isinstance(info, msgspec.inspect.VarTupleType):
        if not isinstance(value, list):
            raise ValueError(f"{at}: expected a list")
        return [_to_wire_order(info.item_type, item, f"{at}[{index}]") for index, item in enumerate(value)]
    if isinstance(info, msgspec.inspect.BytesType):
        if not isinstance(value, str) or not value.startswith("0x") or any(map(str.isspace, value)):
            raise ValueError(f"{at}: expected hex with 0x")  # `fromhex` skips spaces
        return bytes.fromhex(value[2:])
    return value


def _default(field: msgspec.inspect.Field) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default, builtin_types=(bytes,))
    raise ValueError(f"{field.name} is missing")
