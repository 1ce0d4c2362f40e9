"""Which faults a seed means.

Rule: a function of the seed alone. At most a third of the power (rounded down, strictly less) lies or has a rotten
disk; everybody may crash, lose packets, be cut off or have a wrong clock. In every second seed links are missing for
ever, and in every third powers meet exactly two thirds.
"""

from dataclasses import replace
from random import Random

from consensus.replica.replica import ReplicaConfig
from tests.kit.adversaries.registry import ADVERSARIES
from tests.sim.consensus.network import Faults

ROTTEN = "rotten disk"
TROUBLES = (*ADVERSARIES, "lock-splitter", "lock-splitter", ROTTEN)
"""What can be wrong with one. Locks that stand against each other are rare otherwise, hence the share of that one. As
many as a prime number: each then meets all sizes and swaps."""
SIZES = (4, 4, 7, 4, 4, 7, 4, 10, 4, 4)


def faults_of(seed: int) -> Faults:
    """The whole clearing application among 4, 7 or 10 validators, sometimes 13 with collectors; all faults at once."""
    random = Random(f"crossclear/simulation/{seed}")
    nodes = 13 if seed % 50 == 49 else SIZES[seed % len(SIZES)]
    swaps = seed % 4 == 3 and nodes < 10
    outside = (random.randrange(nodes),) if swaps and nodes > 4 else ()
    inside = [index for index in range(nodes) if index not in outside]
    faulty = random.sample(inside, random.randint(0, (len(inside) - 1) // 3))
    liars: list[tuple[int, str]] = []
    rotten: list[int] = []
    for number, index in enumerate(faulty):
        lie = TROUBLES[(seed + number * 5) % len(TROUBLES)]
        if lie == ROTTEN:
            rotten.append(index)
        else:
            liars.append((index, lie))
    heal_ms = {4: 3000, 7: 2000, 10: 1200, 13: 1000}[nodes]
    sure = [index for index in inside if index not in faulty]
    powers = _powers(nodes, sure) if not swaps and seed % 3 == 0 else ()
    faults = Faults(
        nodes=nodes,
        liars=tuple(liars),
        rotten=tuple(rotten),
        heal_ms=heal_ms,
        delay_ms_max=random.choice((5, 30, 80)),
        loss_percent=random.choice((0, 5, 10, 25)),
        stall_percent=random.choice((0, 2, 10)),
        crash_interval_ms=random.choice((0, 700, 1500)),
        torn_write_percent=random.choice((0, 1, 3)),
        partition_interval_ms=random.choice((0, 600, 1200)),
        skew_ms_max=random.choice((0, 200, 5000)),
        sign_state_synced=seed % 5 != 0,
        rotate_bytes=random.choice((20_000, 8 << 20)),
        clearing=True,
        outside=outside,
        swaps=_swaps(random, inside, faulty, outside, heal_ms) if swaps else (),
        config=ReplicaConfig(heartbeat_ms=random.choice((150, 500))),
    )
    moving = {index for _, go, _ in faults.swaps for index in go}
    sure = [index for index in sure if index not in moving]
    return replace(faults, powers=powers, cut=_cuts(random, nodes, sure) if seed % 2 else ())


def _powers(nodes: int, sure: list[int]) -> tuple[int, ...]:
    """Two that are honest have twice the power of the others, so that some meet exactly two thirds, or a third."""
    return tuple(20 if index in sure[:2] else 10 for index in range(nodes))


def _cuts(random: Random, nodes: int, sure: list[int]) -> tuple[tuple[int, int], ...]:
    """Links that are missing for ever. Those that stay honest validators remain a connected graph, and every other node
    has a link to one of them."""
    pairs = [(one, other) for one in range(nodes) for other in range(one + 1, nodes)]
    links = set(pairs)
    for pair in random.sample(pairs, len(pairs)):
        if random.randrange(5) < 2 and _serves(nodes, sure, links - {pair}):
            links.remove(pair)
    return tuple(pair for pair in pairs if pair not in links)


def _serves(nodes: int, sure: list[int], links: set[tuple[int, int]]) -> bool:
    reached = {sure[0]}
    for _ in sure:
        reached |= {index for index in sure for pair in links if index in pair and reached & set(pair)}
    return reached >= set(sure) and all(
        any((min(index, other), max(index, other)) in links for other in sure)
        for index in range(nodes)
        if index not in sure
    )


def _swaps(
    random: Random, inside: list[int], faulty: list[int], outside: tuple[int, ...], heal_ms: int
) -> tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]:
    """One goes or comes, or both; a while later once more. Of three left nobody may be faulty."""
    goes, later = random.sample(inside, 2)
    if len(inside) == 4 and faulty:
        goes = faulty[0]
    at = random.randrange(300, heal_ms)
    if len(inside) <= 4 and not outside:
        return ((at, (goes,), ()), (at + 2500, (), (goes,)))
    first = (at, (), outside) if random.randrange(2) else (at, (goes,), outside)
    return (first, (at + 2500, (later,), ()))


def toy_faults_of(seed: int) -> Faults:
    """The faults of a seed over the toy, which is quicker."""
    return replace(faults_of(seed), clearing=False, swaps=(), outside=())
