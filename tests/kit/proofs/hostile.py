"""Every place of an encoded package, and the package with one place changed."""

from hypothesis import strategies as st

EXTREMES = (0, 1, -1, 2, 255, 256, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 1 - 2**63)


def places(value, path=()):
    """Paths to all integers, byte strings and lists inside nested lists."""
    if isinstance(value, list):
        yield path
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    elif isinstance(value, (int, bytes)):
        yield path


def changed(value, path, data):
    """The same tree with what is at `path` replaced, dropped, doubled or reversed."""
    if path:
        copy = list(value)
        copy[path[0]] = changed(copy[path[0]], path[1:], data)
        return copy
    if isinstance(value, list):
        return data.draw(st.sampled_from([[], value[:-1], value + value[-1:], value[::-1]]))
    if isinstance(value, bytes):
        return data.draw(st.sampled_from([bytes(len(value)), b"", value + b"\0", b"\xff" * len(value)]))
    return data.draw(st.sampled_from(EXTREMES))
