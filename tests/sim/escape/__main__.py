"""Run stories of the escape: `python -m tests.sim.escape --seeds 0:1000`, or find planted faults: `--plants`.

With a plant the vault is compiled with this fault, and deployed in its place.
"""

import argparse
import sys
import time

from lab.engine import ENGINE_HELP, engine_at
from tests.sim.escape.planted import PLANTED, find
from tests.sim.escape.story import failures_of

SEEDS_AT_ONCE = 10


def main() -> int:
    """1 when a story breaks a rule, or a fault is not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.escape", description=__doc__)
    parser.add_argument("--seeds", default="0:20", help="first:last, last excluded")
    parser.add_argument("--engine", default="processes:2", help=ENGINE_HELP)
    parser.add_argument("--plants", nargs="*", choices=sorted(PLANTED), help="find these faults, by default all")
    options = parser.parse_args()
    first, last = (int(part) for part in options.seeds.split(":"))
    if options.plants is not None:
        return _find(options.plants or sorted(PLANTED), range(first, last))
    began, failed = time.monotonic(), 0
    parts = [range(at, min(at + SEEDS_AT_ONCE, last)) for at in range(first, last, SEEDS_AT_ONCE)]
    with engine_at(options.engine) as engine:
        for found in engine.run(failures_of, parts):
            for seed, fault in found:
                failed += 1
                print(f"seed {seed}: {fault}", flush=True)
    print(f"{last - first} stories in {time.monotonic() - began:.0f} s, {failed} failed")
    return 1 if failed else 0


def _find(names: list[str], seeds: range) -> int:
    missed = 0
    for name, found in find(names, seeds):
        missed += found is None
        print(f"{name}: " + (f"found by seed {found[0]}: {found[1]}" if found else "not found"), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
