"""Every intermediate of a verification, as plain JSON: bytes in hex, numbers as decimal text.

The modules call `note` where a page defines a value. Outside of `traced` that does nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LISTENERS: list[list[dict[str, Any]]] = []


def note(what: str, **values: Any) -> None:
    """Record values under the name of what they belong to."""
    for notes in _LISTENERS:
        notes.append({"what": what, **{name: plain(value) for name, value in values.items()}})


@contextmanager
def listening() -> Iterator[list[dict[str, Any]]]:
    """What is noted meanwhile."""
    notes: list[dict[str, Any]] = []
    _LISTENERS.append(notes)
    try:
        yield notes
    finally:
        _LISTENERS.remove(notes)


def plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return bytes(value.to_compressed_bytes()).hex()


def traced(package: bytes, standalone: bytes | None = None) -> dict[str, Any]:
    """The notes of one package, or of a standalone proof beside it, in the order of the checks."""
    from tests.vectors.proofs.runner.verify import failed_check, failed_standalone

    with listening() as notes:
        name, code = failed_check(package) if standalone is None else failed_standalone(standalone, package)
    return {"refused_by": name, "code": code, "notes": notes}
