"""The example queries: SQL for both databases, each with what it answers and its parameters."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "queries"
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Example:
    """One query. `parameters` are integers."""

    name: str
    answers: str
    sql: str
    parameters: tuple[str, ...]


@cache
def examples() -> dict[str, Example]:
    """By name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.sql"))}


def _read(path: Path) -> Example:
    text = path.read_text(encoding="utf-8")
    first, _, sql = text.partition("\n")
    return Example(path.stem, first.removeprefix("-- "), sql.strip(), tuple(dict.fromkeys(_PARAMETER.findall(sql))))
