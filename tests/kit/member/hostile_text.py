"""Text that steers terminals and readers, and answers made of it."""

import enum
import types
import typing
import unicodedata
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
"""C0, DEL, C1."""
BLANK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that show nothing."""
COMBINING = "\u034f\u0336\u17b4\u180b\u20e3\ufe0f\U000e0100"
FROM_THE_RIGHT = "\u05d0\u0627\u07ca"
INVISIBLE = "\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
HOSTILE = {
    "ANSI": "\x1b[2J\x1b]0;title\x07",
    "a line of its own": "x\nok   certificate      header 1 is final",
    "a carriage return": "bad\rgood",
    "another direction": "abc\u202edcba\u2066",
    "separators": "a\u2028b\u2029c\x85d\x0be\x0cf\tg",
    "letters from the right": FROM_THE_RIGHT + " 1 2",
    "blanks and marks": "a" + BLANK + COMBINING,
    "all of them": CONTROLS + INVISIBLE + BLANK + COMBINING + FROM_THE_RIGHT,
    "one line end": "\n",
}


def is_plain(text: str) -> bool:
    """By the properties that Unicode gives: a visible letter that has its place from left to right, or a space."""
    return all(letter == " " or _is_visible(letter) for letter in text)


def _is_visible(letter: str) -> bool:
    from_left = unicodedata.bidirectional(letter) in ("L", "EN", "ES", "ET", "CS", "ON")
    return unicodedata.category(letter)[0] in "LNPS" and from_left and letter not in BLANK


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings_in(key)
            yield from strings_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings_in(item)


def example(kind: Any, text: str) -> Any:
    """A value of this type with this text wherever the type has room for text."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return example(arguments[0], text)
    if origin is typing.Literal:
        return arguments[0]
    if origin in (typing.Union, types.UnionType):
        return example(next(each for each in arguments if each is not type(None)), text)
    if origin is dict:
        return {example(arguments[0], text): example(arguments[1], text)}
    if origin in (tuple, list) or (isinstance(origin, type) and issubclass(origin, tuple | list)):
        several = arguments[:1] if len(arguments) == 2 and arguments[1] is ... else arguments
        return tuple(example(each, text) for each in several)
    if isinstance(kind, typing.NewType):
        return example(kind.__supertype__, text)
    if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or is_dataclass(kind)):
        hints = typing.get_type_hints(kind, include_extras=True)
        names = kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else [each.name for each in fields(kind)]
        return kind(**{name: example(hints[name], text) for name in names})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    leaves = {str: text, bool: True, int: 1, float: 1.0, bytes: bytes(32)}
    return leaves.get(kind, text)
