"""Mutants that no test can kill, each with its reason: `explained.toml`."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.operators import Mutant


@dataclass(frozen=True)
class Explained:
    """A fault that changes nothing. `before` and `after` are those of the mutant."""

    file: str
    before: str
    after: str
    why: str

    def covers(self, mutant: Mutant) -> bool:
        """Whether the mutant is this one."""
        return (self.file, self.before, self.after) == (mutant.file, mutant.before, mutant.after)


FILE = Path(__file__).with_name("explained.toml")


def read_explained(path: Path = FILE) -> tuple[Explained, ...]:
    """The faults that stay. Raises KeyError when an entry has no reason."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
    return tuple(Explained(entry["file"], entry["before"], entry["after"], entry["why"]) for entry in entries)


def idle(explained: Sequence[Explained], mutants: Sequence[Mutant]) -> list[str]:
    """One line for each reason that is about no mutant of these."""
    return [
        f"explained.toml: {entry.file} has no mutant {entry.before} -> {entry.after}"
        for entry in explained
        if not any(entry.covers(mutant) for mutant in mutants)
    ]
