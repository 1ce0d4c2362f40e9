"""Run stories: `python -m tests.sim.clearing --seeds 0:100`, or find a planted bug: `--plant stale`."""

import argparse
import sys
import time
from collections import Counter
from functools import partial

from lab.engine import ENGINE_HELP, engine_at
from tests.sim.clearing.planted import PLANTED, find
from tests.sim.clearing.story import told_of

BLOCKS = 300


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.clearing", description=__doc__)
    parser.add_argument("--seeds", default="0:10", help="first:last, last excluded")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="blocks a story")
    parser.add_argument("--engine", default="processes:2", help=ENGINE_HELP)
    parser.add_argument("--plant", choices=sorted(PLANTED), help="run seeds with this bug until it is found")
    options = parser.parse_args()
    first, last = (int(part) for part in options.seeds.split(":"))
    if options.plant:
        found = find(options.plant, range(first, last), options.blocks)
        print(f"{options.plant}: " + (f"found by seed {found[0]}: {found[1]}" if found else "not found"))
        return 0 if found else 1
    began, failed = time.monotonic(), 0
    sums: tuple[Counter[str], Counter[str], Counter[str]] = (Counter(), Counter(), Counter())
    with engine_at(options.engine) as engine:
        for seed, fault, *counted in engine.run(partial(told_of, blocks=options.blocks), range(first, last)):
            if fault:
                failed += 1
                print(f"seed {seed}: {fault}", flush=True)
            for total, more in zip(sums, counted, strict=True):
                total.update(more)
            print(f"seed {seed}: {sum(sums[0].values()):,} accepted so far", file=sys.stderr, flush=True)
    accepted, refused, counts = sums
    for title, counter in (("accepted", accepted), ("refused", refused), ("receipts", counts)):
        print(f"{title}: {sum(counter.values()):,}")
        for name, count in counter.most_common():
            print(f"  {count:>9,} {name}")
    print(f"{last - first} stories of {options.blocks} blocks in {time.monotonic() - began:.0f} s, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
