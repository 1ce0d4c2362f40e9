"""Plain text: what a stranger wrote, without characters that steer a terminal, a log or a reader of printed JSON.

Rule: this is the one place that escapes. Only the characters of `SHOWN` stay as they are: letters, digits, punctuation
and symbols that are visible, stand from left to right and combine with nothing. The list is of numbers and not of
properties, so that no version of Unicode changes it and every program escapes alike. Each other character (controls,
line ends, marks of direction, letters from right to left, blanks that are no space, combining and invisible marks, lone
surrogates) becomes `\\u` and its number in hex; the result of JSON contains that as six plain characters, so a reader
of the JSON does not get the character back. It is for output only: nothing that is hashed, signed or sent may go
through it.
"""

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

SHOWN = (
    (0x20, 0x7E),  # Basic Latin
    (0xA1, 0xAC),
    (0xAE, 0x24F),  # Latin, without the soft hyphen
    (0x370, 0x373),
    (0x376, 0x377),
    (0x37B, 0x37F),
    (0x384, 0x38A),
    (0x38C, 0x38C),
    (0x38E, 0x3A1),
    (0x3A3, 0x482),  # Greek and Cyrillic
    (0x48A, 0x52F),
    (0x1E00, 0x1EFF),  # Latin with marks
    (0x2010, 0x2027),
    (0x2030, 0x205E),  # punctuation
    (0x2070, 0x2071),
    (0x2074, 0x208E),  # digits above and below the line
    (0x20A0, 0x20BF),  # currencies
    (0x2190, 0x22FF),  # arrows and operators
    (0x2308, 0x230B),
    (0x2500, 0x25FF),  # boxes, blocks and shapes
    (0x2713, 0x2717),
    (0x27E6, 0x27EB),
    (0x3041, 0x3096),
    (0x30A1, 0x30FA),
    (0x30FC, 0x30FC),  # Kana
    (0x4E00, 0x9FFF),  # Han
    (0xAC00, 0xD7A3),  # Hangul
)
"""(first, last) code point of each range."""
_RANGES = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in SHOWN)
_HIDDEN = re.compile(f"[^{_RANGES}]")
_HIDDEN_IN_LINES = re.compile(f"[^{_RANGES}\\n\\t]")


def one_line(text: str) -> str:
    """The text on one line, whatever is in it; a plain string, whatever kind of string it was."""
    return _HIDDEN.sub(_escaped, str(text))


def several_lines(text: str) -> str:
    """The text with its own line ends and tabs; everything else that is not shown is escaped."""
    return _HIDDEN_IN_LINES.sub(_escaped, text)


def plain(value: T) -> T:
    """The same value with every string in it on one line, at any depth: structures, lists, dictionaries with keys."""
    made: Any = _plain(value)
    return made  # type: ignore[no-any-return]


def plain_json(encoded: str) -> str:
    """JSON whose strings hold only shown characters even when they are read; white space between values stays.

    `encoded` is as msgspec writes it, or `json` with `ensure_ascii=False`: no pair of surrogates stands for a letter.
    """
    text = _JSON_ESCAPE.sub(_twice, encoded)
    return _HIDDEN_IN_LINES.sub(lambda found: "\\" + _escaped(found), text)


_JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([bfnrt"\\/]))')
_SHORT = {"b": 8, "t": 9, "n": 10, "f": 12, "r": 13}


def _twice(found: re.Match[str]) -> str:
    if found[2] in ('"', "\\", "/"):
        return found[0]
    return f"\\\\u{int(found[1], 16) if found[1] else _SHORT[found[2]]:04x}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


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
