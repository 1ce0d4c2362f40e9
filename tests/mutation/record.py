"""Verdicts of an earlier run, one in a line of a file, so that a run of hours can be taken up where it ended.

Rule: a fault is known by its whole source, and only found faults are known: a survivor is tried again. Start a new
file after a test was weakened or another source was changed.
"""

import json
from pathlib import Path

from clearing.base.hashing import sha256
from tests.mutation.killing import Verdict
from tests.mutation.operators import Mutant

FINAL = ("killed", "same", "invalid")
"""Outcomes that stay: such a fault is not tried again."""


class Record:
    """The verdicts in a file; without a file there are none, and none are kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []
        self._known: dict[str, tuple[str, str]] = {}
        for line in lines:
            key, outcome, by = json.loads(line)
            self._known[key] = (outcome, by)

    def verdict(self, mutant: Mutant) -> Verdict | None:
        """What became of a mutant when it was tried last; None if it was not."""
        known = self._known.get(_key(mutant))
        return None if known is None else Verdict(mutant, *known)

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        if self._path is None:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps((_key(verdict.mutant), verdict.outcome, verdict.by)) + "\n")


def _key(mutant: Mutant) -> str:
    return sha256(f"{mutant.file}\n{mutant.source}".encode()).hex()
