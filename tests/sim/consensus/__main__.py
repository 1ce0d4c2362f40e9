"""Run seeds: `python -m tests.sim.consensus --seeds 0:1000`, or find a planted bug: `--plant unlock`."""

import argparse
import sys
import time
from collections import Counter

from consensus.core.rules import Rule
from lab.engine import ENGINE_HELP, LOCAL, engine_at
from tests.sim.consensus.outcome import Outcome, outcome_of, quiet
from tests.sim.consensus.planted import PLANTED, find

PAPER = tuple(int(rule) for rule in Rule)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.consensus", description=__doc__)
    parser.add_argument("--seeds", help="first:last, last excluded; 0:20, with --plant 0:500")
    parser.add_argument("--verbose", action="store_true", help="one line a seed")
    parser.add_argument("--engine", default=LOCAL, help=ENGINE_HELP)
    parser.add_argument("--plant", choices=sorted(PLANTED), help="run seeds with this bug until it is found")
    options = parser.parse_args()
    quiet()
    first, last = (int(part) for part in (options.seeds or ("0:500" if options.plant else "0:20")).split(":"))
    if options.plant:
        return search(options.plant, range(first, last))
    figures = Figures()
    with engine_at(options.engine) as engine:
        for outcome in engine.run(outcome_of, range(first, last)):
            if outcome.failure:
                print(f"seed {outcome.seed} {outcome.failure}", flush=True)
            figures.add(outcome)
            if options.verbose:
                print(f"seed {outcome.seed} {outcome.line}", flush=True)
    print(figures.report(last - first))
    return 1 if figures.failed else 0


def search(name: str, seeds: range) -> int:
    began = time.process_time()
    found = find(name, seeds)
    spent = time.process_time() - began
    if found is None:
        print(f"{name}: not found in {len(seeds)} seeds, {spent:.0f} s of CPU")
        return 1
    seed, violation = found
    print(f"{name}: found after {seed - seeds.start + 1} seeds, {spent:.1f} s of CPU: seed {seed}: {violation}")
    return 0


class Figures:
    """Sums over seeds."""

    def __init__(self) -> None:
        self._began, self._cpu_seconds = time.monotonic(), 0.0
        self.failed: list[int] = []
        self._sums: Counter[str] = Counter()
        self._rules: set[int] = set()
        self._recoveries: list[tuple[int, int]] = []

    def add(self, outcome: Outcome) -> None:
        if outcome.failure:
            self.failed.append(outcome.seed)
        self._sums += outcome.sums
        self._rules |= outcome.rules
        self._cpu_seconds += outcome.cpu_seconds
        self._recoveries.append((outcome.recovery_ms, outcome.seed))

    def report(self, seeds: int) -> str:
        wall, cpu = time.monotonic() - self._began, self._cpu_seconds
        heights = self._sums["heights"]
        recoveries = sorted(self._recoveries)
        sums = ", ".join(f"{count} {name}" for name, count in self._sums.items())
        return (
            f"{seeds} seeds, {len(self.failed)} failed {self.failed}: {sums}\n"
            f"{cpu:.1f} s of CPU ({wall:.1f} s of the wall): {seeds / cpu:.1f} seeds/s, {heights / cpu:.0f} heights/s "
            f"of CPU; four heights after healing: median {recoveries[len(recoveries) // 2][0]} ms, "
            f"worst (ms of virtual time, seed) {recoveries[-5:]}\n"
            f"rules fired: {sorted(int(rule) for rule in self._rules)} (below 100 lines of the paper), "
            f"missing: {[rule.name for rule in Rule if rule not in self._rules]}"
        )


if __name__ == "__main__":
    sys.exit(main())
