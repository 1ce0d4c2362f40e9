"""Run seeds: `python -m tests.sim.consensus --seeds 0:1000`, or find a planted bug: `--plant unlock`."""

import argparse
import logging
import sys
import time
from collections import Counter

import structlog

from consensus.core.rules import Rule
from tests.sim.consensus.network import SimNetwork
from tests.sim.consensus.planted import PLANTED, find
from tests.sim.consensus.scenarios import faults_of

PAPER = tuple(int(rule) for rule in Rule)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.consensus", description=__doc__)
    parser.add_argument("--seeds", help="first:last, last excluded; 0:20, with --plant 0:500")
    parser.add_argument("--verbose", action="store_true", help="one line a seed")
    parser.add_argument("--plant", choices=sorted(PLANTED), help="run seeds with this bug until it is found")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    first, last = (int(part) for part in (options.seeds or ("0:500" if options.plant else "0:20")).split(":"))
    if options.plant:
        return search(options.plant, range(first, last))
    figures = Figures()
    for seed in range(first, last):
        network = SimNetwork(seed, faults_of(seed))
        try:
            network.run()
        except Exception as error:
            figures.failed.append(seed)
            print(f"seed {seed} {faults_of(seed)}: {type(error).__name__}: {error}", flush=True)
        figures.add(seed, network)
        if options.verbose:
            print(f"seed {seed} {line_of(network)}", flush=True)
    print(figures.told(last - first))
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


def line_of(network: SimNetwork) -> str:
    faults = network.faults
    wrong = [lie for _, lie in faults.liars] + ["rotten"] * len(faults.rotten)
    best = max(node.height for node in network.nodes)
    restarts, repairs = (sum(getattr(node, name) for node in network.nodes) for name in ("restarts", "repairs"))
    market = network.market
    trades = f"trades {len(market.novated)} changes {len(market.changes)}" if market else ""
    return (
        f"{faults.nodes} nodes {wrong} heights {best} events {network.events} restarts {restarts} repairs {repairs} "
        f"rounds {network.monitor.rounds} {trades} recovery {network.recovery_ms} ms trace {network.trace_hash[:16]}"
    )


class Figures:
    """Sums over seeds."""

    def __init__(self) -> None:
        self._began = (time.monotonic(), time.process_time())
        self.failed: list[int] = []
        self._sums: Counter[str] = Counter()
        self._rules: set[int] = set()
        self._recoveries: list[tuple[int, int]] = []

    def add(self, seed: int, network: SimNetwork) -> None:
        best = max(node.height for node in network.nodes)
        market = network.market
        self._sums += Counter(
            heights=best,
            events=network.events,
            restarts=sum(node.restarts for node in network.nodes),
            repairs=sum(node.repairs for node in network.nodes),
            replays=network.monitor.replays,
            accused=network.monitor.accused,
            opened_locks=network.monitor.opened,
            trades=len(market.novated) if market else 0,
            changes=len(market.changes) if market else 0,
        )
        self._rules |= network.monitor.rules
        self._recoveries.append((network.recovery_ms, seed))

    def told(self, seeds: int) -> str:
        wall, cpu = time.monotonic() - self._began[0], time.process_time() - self._began[1]
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
