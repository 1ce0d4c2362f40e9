"""Which faults a seed means."""

from tests.adversaries.registry import ADVERSARIES
from tests.sim.consensus.network import Faults

LIES = (None, *ADVERSARIES)


def faults_of(seed: int) -> Faults:
    """4 or 7 nodes; none or one liar of four, none, one or two of seven."""
    nodes = 7 if seed % 3 == 2 else 4
    lie = LIES[seed % len(LIES)]
    liars: list[tuple[int, str]] = []
    if lie is not None:
        liars.append((seed % nodes, lie))
        second = LIES[(seed // 5) % len(LIES)]
        if nodes == 7 and second is not None:
            liars.append(((seed + 3) % nodes, second))
    heal = 3000 if nodes == 7 else 5000
    return Faults(nodes=nodes, liars=tuple(liars), heal_ms=heal, loss_percent=(0, 5, 10, 25)[seed % 4])
