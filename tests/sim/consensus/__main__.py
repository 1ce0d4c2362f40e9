"""Run seeds: `python -m tests.sim.consensus --seeds 0:50`."""

import argparse
import sys
import time

from tests.sim.consensus.network import SimNetwork
from tests.sim.consensus.scenarios import faults_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.consensus", description=__doc__)
    parser.add_argument("--seeds", default="0:20", help="first:last, last excluded")
    parser.add_argument("--verbose", action="store_true", help="one line a seed")
    options = parser.parse_args()
    first, last = (int(part) for part in options.seeds.split(":"))
    began, heights, events, failed = time.monotonic(), 0, 0, 0
    rules: set[int] = set()
    for seed in range(first, last):
        network = SimNetwork(seed, faults_of(seed))
        try:
            network.run()
        except Exception as error:
            failed += 1
            print(f"seed {seed} {faults_of(seed)}: {type(error).__name__}: {error}")
        best = max(node.height for node in network.nodes)
        heights, events = heights + best, events + network.events
        rules |= network.monitor.rules
        if options.verbose:
            liars = [lie for _, lie in network.faults.liars]
            restarts = sum(node.restarts for node in network.nodes)
            shown = f"{len(network.nodes)} nodes {liars} heights {best} events {network.events} restarts {restarts}"
            print(f"seed {seed} {shown} rounds {network.monitor.rounds} trace {network.trace_hash[:16]}")
    spent = time.monotonic() - began
    print(
        f"{last - first} seeds, {failed} failed, {heights} heights, {events} events in {spent:.1f} s "
        f"({heights / spent:.0f} heights/s); lines of the paper fired: {sorted(rules)}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
