"""Results of run files as JSON values.

Rule: exact: a fraction is a string that reads back to the same number. It must not know which results there are.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

import msgspec

from clearing.models.named import to_named
from clearing.models.numbers import shown


def as_json(value: Any) -> Any:
    """Dataclasses and structs as objects, fractions as strings, everything else as JSON has it."""
    if isinstance(value, Fraction):
        return shown(value)
    if isinstance(value, msgspec.Struct):
        return to_named(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(each) for each in value]
    return value
