"""Tests that are plain functions, run without pytest: for the first look at a mutant, where pytest's start costs most.

Rule: a test runs with each case that `parametrize` gives it; one that needs a fixture is left to pytest.
"""

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

Case = tuple[str, Callable[..., object], dict[str, Any]]
"""Name, function and arguments."""


def cases(module: ModuleType) -> Iterator[Case]:
    """All cases of a module's tests, in the order of the file."""
    file = f"{module.__name__.rpartition('.')[2]}.py"
    for name, function in vars(module).items():
        if not name.startswith("test_") or not callable(function):
            continue
        marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
        wanted = set() if hasattr(function, "hypothesis") else set(inspect.signature(function).parameters)
        for number, chosen in enumerate(itertools.product(*(list(_rows(*mark.args[:2])) for mark in marks))):
            given = {key: value for row in chosen for key, value in row.items()}
            if wanted <= given.keys():
                yield f"{file}::{name}[{number}]" if marks else f"{file}::{name}", function, given


def _rows(names: str | tuple[str, ...], values: Any) -> Iterator[Mapping[str, Any]]:
    """The arguments that one mark gives, case by case."""
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for value in values:
        row = value.values if hasattr(value, "marks") else value
        yield {keys[0]: row} if len(keys) == 1 else dict(zip(keys, row, strict=True))


def failing_case(
    modules: Sequence[ModuleType],
    found_before: Mapping[str, int],
    left_out: Sequence[str],
    before_each: Callable[[], None],
) -> str:
    """The first case that fails, those that failed before first; empty when none does. `left_out`: parts of names."""
    every = [case for module in modules for case in cases(module) if not any(part in case[0] for part in left_out)]
    for name, function, given in sorted(every, key=lambda case: -found_before.get(case[0], 0)):
        before_each()
        try:
            function(**given)
        except Exception:
            return name
    return ""
