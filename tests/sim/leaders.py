"""Heights with dead validators, in virtual time: `python -m tests.sim.leaders [--json FILE]`.

Rule: calm links and the toy, whose work pauses one second of three. `--json FILE` writes a list of `{"case", "heights",
"live"}`: what the set decides with some down, and with nobody down.
"""

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tests.sim.consensus.network import CALM, SimNetwork

DELAY_MS_MAX = 10
"""Of one link."""


@dataclass(frozen=True)
class Case:
    """Who is down, for how long it is watched, and how many heights are wanted."""

    name: str
    nodes: int
    down: tuple[int, ...]
    seconds: int
    wanted_percent: int
    """Of the heights with nobody down."""


CASES = (
    Case("four nodes, one down", 4, (0,), 60, 90),
    Case("thirty-one nodes, ten down, first by key", 31, tuple(range(10)), 30, 40),
)


def heights(case: Case, down: tuple[int, ...], seed: int = 1) -> int:
    """Decided by all that run."""
    network = SimNetwork(seed, replace(CALM, nodes=case.nodes, down=down, delay_ms_max=DELAY_MS_MAX))
    network.run_for(case.seconds * 1000)
    return min(node.height for node in network.honest)


@dataclass(frozen=True)
class Figures:
    """One case."""

    case: Case
    heights: int
    live: int

    @property
    def met(self) -> bool:
        return self.heights * 100 >= self.live * self.case.wanted_percent


def measure(case: Case) -> Figures:
    """With the dead ones, and without."""
    return Figures(case, heights(case, case.down), heights(case, ()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.leaders", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    found = []
    for case in CASES:
        figures = measure(case)
        found.append(figures)
        print(f"{case.name}: {figures.heights} heights in {case.seconds} s, {figures.live} with all up", flush=True)
    if options.json:
        rows = [{"case": each.case.name, "heights": each.heights, "live": each.live} for each in found]
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(each.met for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
