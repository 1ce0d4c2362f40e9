"""Sequences that were found, kept as JSON in `found/`: each is played again by a test.

Rule: a file names its scenario, the rules that end its profit, and what else was off. Amounts in it are only what was
seen when it was found.
"""

from pathlib import Path

import msgspec

from tests.sim.adversary.actions import in_words
from tests.sim.adversary.play import Genome

FOLDER = Path(__file__).parent / "found"


class Regression(msgspec.Struct, frozen=True):
    """One sequence. `closed_by`: the rules of which each ends the profit, in `rules.RULES`; with none of them on it is
    a profit. Empty: it was found with all rules on, and the product was mended."""

    scenario: str
    closed_by: tuple[str, ...]
    off: tuple[str, ...]
    """Rules that were asked to be off."""
    profit_micros: int
    """When it was found."""
    actions: Genome

    @property
    def name(self) -> str:
        """Its file's name, without ending."""
        return self.scenario.replace(" ", "-")


def save(regression: Regression) -> Path:
    """Write a regression with its words, and return its path. An older one of the same scenario is replaced."""
    path = FOLDER / f"{regression.name}.json"
    words = [f"block {block}: {in_words(action)}" for block, action in regression.actions]
    whole = msgspec.structs.asdict(regression) | {"words": words}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    return path


def load(path: Path) -> Regression:
    """Read a regression. Raises msgspec.ValidationError for another shape."""
    return msgspec.json.decode(path.read_bytes(), type=Regression)


def saved() -> list[Path]:
    """All regressions, in order of their names."""
    return sorted(FOLDER.glob("*.json"))
