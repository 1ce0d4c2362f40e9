"""An encoded package, statement or rulebook with one place changed."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

EXTREMES = (0, 1, -1, 2, 255, 256, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 1 - 2**63)


def changed_anywhere(tree: Any, data: st.DataObject, numbers: Sequence[int] = ()) -> Any:
    """The same tree with one number, byte string or list replaced, cut, repeated or reversed."""
    return _changed(tree, data.draw(st.sampled_from(sorted(_places(tree)))), data, (*EXTREMES, *numbers))


def _places(value, path=()):
    """Paths to all integers, byte strings and lists inside nested lists."""
    if isinstance(value, list):
        yield path
        for index, item in enumerate(value):
            yield from _places(item, (*path, index))
    elif isinstance(value, (int, bytes)):
        yield path


def _changed(value, path, data, numbers):
    if path:
        copy = list(value)
        copy[path[0]] = _changed(copy[path[0]], path[1:], data, numbers)
        return copy
    if isinstance(value, list):
        return data.draw(st.sampled_from([[], value[:-1], value + value[-1:], value * 3, value[::-1]]))
    if isinstance(value, bytes):
        return data.draw(st.sampled_from([bytes(len(value)), b"", value + b"\0", b"\xff" * len(value)]))
    return data.draw(st.sampled_from((*numbers, value + 1, value - 1, 2 * value)))
