"""Which faults a seed means.

Rule: a function of the seed alone. At most a third of the power (rounded down, strictly less) lies or has a rotten
disk; everybody may crash, lose packets, be cut off or have a wrong clock.
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
    return Faults(
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
