"""Plain text: what a stranger wrote, without characters that steer a terminal, a log or a reader of printed JSON.

Rule: this is the one place that escapes. Every character that Python does not call printable (C0, DEL and C1 controls,
line and paragraph separators, bidirectional marks, zero-width marks, lone surrogates) becomes `\\u` and its number in
hex; the result of JSON contains that as six plain characters, so a reader of the JSON does not get the character back.
It is for output only: nothing that is hashed, signed or sent may go through it.
"""

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def one_line(text: str) -> str:
    """The text on one line, whatever is in it; a plain string, whatever kind of string it was."""
    return str(text) if text.isprintable() else "".join(map(_escaped, text))


def several_lines(text: str) -> str:
    """The text with its own line ends and tabs; everything else that is not printable is escaped."""
    return "".join(letter if letter in "\n\t" else _escaped(letter) for letter in text)


def plain(value: T) -> T:
    """The same value with every string in it on one line, at any depth: structures, lists, dictionaries with keys."""
    made: Any = _plain(value)
    return made  # type: ignore[no-any-return]


def plain_json(encoded: str) -> str:
    """JSON whose strings hold only printable characters even when they are read; white space between values stays.

    `encoded` is as msgspec writes it, or `json` with `ensure_ascii=False`: no pair of surrogates stands for a letter.
    """
    text = _JSON_ESCAPE.sub(_twice, encoded)
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\\" + _escaped(letter) for letter in text)


_JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([bfnrt"\\/]))')
_SHORT = {"b": 8, "t": 9, "n": 10, "f": 12, "r": 13}


def _twice(found: re.Match[str]) -> str:
    if found[2] in ('"', "\\", "/"):
        return found[0]
    return f"\\\\u{int(found[1], 16) if found[1] else _SHORT[found[2]]:04x}"


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else f"\\u{ord(letter):04x}"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value) if type(value) is str else value
    if isinstance(value, msgspec.Struct):
        found = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {name: made for name, old in found.items() if (made := _plain(old)) is not old}
        return msgspec.structs.replace(value, **changed) if changed else value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.init})
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if type(value) in (tuple, list):
        made = [_plain(item) for item in value]
        same = all(new is old for new, old in zip(made, value, strict=True))
        return value if same else type(value)(made)
    return value
