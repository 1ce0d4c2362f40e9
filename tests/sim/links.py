"""Heights of networks whose links are broken for ever, beside those of an ideal flood: `python -m tests.sim.links`.

Rule: the flood is the simulator's and costs nothing. It delivers each message along the shortest path of the graph,
with the delay of every link on it, as if its sender were a direct peer. `--json FILE` writes a list of
`{"case", "heights", "flood"}`; heights are those of the slowest node that runs.
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from consensus.outputs import Lane
from tests.sim.consensus.network import CALM, Faults, SimNetwork

VIRTUAL_MS = 60_000
SHARE_PERCENT = 80
"""Of the flood's heights, which each case must reach."""
DELAY_MS_MAX = 10
"""Of one link."""


@dataclass(frozen=True)
class Case:
    """A graph of validators."""

    name: str
    nodes: int
    cut: tuple[tuple[int, int], ...]
    down: tuple[int, ...] = ()

    @property
    def faults(self) -> Faults:
        return replace(CALM, nodes=self.nodes, cut=self.cut, down=self.down, delay_ms_max=DELAY_MS_MAX)


def _only_steps(nodes: int, *steps: int) -> tuple[tuple[int, int], ...]:
    """A ring with chords: each node is linked to those so many steps on; all other pairs are cut."""
    return tuple(
        (one, other)
        for one in range(nodes)
        for other in range(one + 1, nodes)
        if other - one not in steps and nodes - (other - one) not in steps
    )


CASES = (
    Case("four nodes, links 0-1 and 2-3 cut", 4, ((0, 1), (2, 3))),
    Case("four nodes, one link cut and one node down", 4, ((0, 1),), down=(3,)),
    Case("seven nodes, each without two of its peers", 7, _only_steps(7, 1, 2)),
    Case("ten nodes, each with five of nine links", 10, _only_steps(10, 1, 2, 5)),
)


class Flood(SimNetwork):
    """The same nodes and links with an ideal relay."""

    def __init__(self, seed: int, faults: Faults) -> None:
        super().__init__(seed, faults)
        self._hops = {(sender, to): hops for sender in range(faults.nodes) for to, hops in self._reached(sender)}

    def send(self, sender: int, to: int, lane: Lane, data: bytes) -> None:
        if sender == to or (sender, to) not in self._hops:
            return
        spread = self.faults.delay_ms_max * 1000
        delay = sum(500 + self.random.randrange(spread) for _ in range(self._hops[sender, to]))
        self.schedule(delay, "deliver", to, (sender, int(lane), data))

    def passes_on(self, _: int) -> bool:
        """Whether a node is a relay for others."""
        return True

    def _reached(self, sender: int) -> Iterator[tuple[int, int]]:
        """Breadth first: the nodes that a message reaches, and over how many links."""
        distance, waiting = {sender: 0}, deque([sender])
        while waiting:
            at = waiting.popleft()
            yield at, distance[at]
            if at != sender and not self.passes_on(at):
                continue
            for to in range(self.faults.nodes):
                if to not in distance and self.linked(at, to) and to not in self.faults.down:
                    distance[to] = distance[at] + 1
                    waiting.append(to)


@dataclass(frozen=True)
class Figures:
    """One case."""

    case: str
    heights: int
    flood: int

    @property
    def met(self) -> bool:
        return self.heights * 100 >= self.flood * SHARE_PERCENT


def heights(network: SimNetwork, milliseconds: int) -> int:
    """Those of the slowest node that runs, after so much virtual time."""
    network.run_for(milliseconds)
    return min(node.height for node in network.honest)


def measure(case: Case, milliseconds: int = VIRTUAL_MS, seed: int = 1) -> Figures:
    """The replica's own dissemination, and the flood."""
    own, flood = SimNetwork(seed, case.faults), Flood(seed, case.faults)
    return Figures(case.name, heights(own, milliseconds), heights(flood, milliseconds))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.links", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--seconds", type=int, default=VIRTUAL_MS // 1000, help="of virtual time")
    options = parser.parse_args()
    found = []
    for case in CASES:
        figures = measure(case, options.seconds * 1000)
        found.append(figures)
        print(f"{figures.case}: {figures.heights} heights, flood {figures.flood}", flush=True)
    if options.json:
        rows = [{"case": each.case, "heights": each.heights, "flood": each.flood} for each in found]
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(each.met for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
