"""Check the Solidity sources by forge, halmos and slither: `python -m bridge.contracts.check`.

Rule: invariants and symbolic checks hold, and each finding of slither is named in `slither.toml` with its reason.
Works offline once the programs are installed; `make contracts-check` installs them. All it writes is under `build`.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.contracts import FOLDER
from bridge.contracts.compile import CompileError, node_path

#: Where `make contracts-check` installs `checks/package-lock.json`.
FORGE = FOLDER / "checks" / "node_modules" / "@foundry-rs" / "forge-linux-amd64" / "bin"
#: And `requirements-checks.lock`.
ANALYSERS = FOLDER.parent.parent / "build" / "checks" / "bin"
OUTPUT = "../../build/forge"


@dataclass(frozen=True)
class SlitherFinding:
    """One finding of slither: its detector, and the name of what it is about."""

    check: str
    at: str


@dataclass(frozen=True)
class AcceptedFinding:
    """Findings that stay. `at` is empty for all of the detector."""

    check: str
    at: str
    why: str

    def covers(self, finding: SlitherFinding) -> bool:
        """Whether the finding is one of these."""
        return self.check == finding.check and self.at in ("", finding.at)


def read_accepted(path: Path = FOLDER / "slither.toml") -> tuple[AcceptedFinding, ...]:
    """The findings that stay. Raises KeyError when an entry has no reason."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["accepted"]
    return tuple(AcceptedFinding(entry["check"], entry.get("at", ""), entry["why"]) for entry in entries)


def complaints(findings: Sequence[SlitherFinding], accepted: Sequence[AcceptedFinding]) -> list[str]:
    """One line for each finding without a reason, and for each reason without a finding."""
    unexplained = [found for found in findings if not any(entry.covers(found) for entry in accepted)]
    idle = [entry for entry in accepted if not any(entry.covers(found) for found in findings)]
    return [
        *(f"slither: {found.check} at {found.at} is neither mended nor explained" for found in unexplained),
        *(f"slither.toml: {entry.check} at {entry.at or 'any place'} is found no more" for entry in idle),
    ]


def _slither_complaints() -> list[str]:
    done = _run(["slither", ".", "--filter-paths", "node_modules|/test/", "--fail-none", "--json", "-"], capture=True)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        answer = {"success": False, "error": done.stderr.decode(errors="replace")}
    if not answer["success"]:
        return [f"slither: {answer['error']}"]
    found = [SlitherFinding(entry["check"], _place(entry)) for entry in answer["results"].get("detectors", [])]
    return complaints(found, read_accepted())


def _place(entry: dict[str, Any]) -> str:
    return str(entry["elements"][0]["name"]) if entry["elements"] else ""


def _run(command: Sequence[str], *, capture: bool = False) -> subprocess.CompletedProcess[bytes]:
    folders = (str(FORGE), str(ANALYSERS), str(Path(node_path()).parent), os.environ.get("PATH", os.defpath))
    environment = {**os.environ, "PATH": os.pathsep.join(folders)}
    return subprocess.run(command, cwd=FOLDER, env=environment, capture_output=capture, check=False)


def main() -> int:
    """Run all three; 1 when one of them finds something, 69 when a program is missing."""
    try:
        failed = [f"{command[0]} failed" for command in _PROVERS if _run(command).returncode != 0]
        failed += _slither_complaints()
    except (CompileError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 69
    for line in failed:
        sys.stderr.write(f"{line}\n")
    return 1 if failed else 0


_PROVERS = (
    ("forge", "test"),
    ("halmos", "--match-contract", "SymbolicTest|CountersTest", "--forge-build-out", OUTPUT),
)

if __name__ == "__main__":
    sys.exit(main())
