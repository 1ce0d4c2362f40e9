"""Random manifests: one seed, one network with its troubles.

Rule: everything follows from the seed. What comes out is always a network that must survive: fewer than a third lie or
are late, and every trouble ends.
"""

import random
from collections.abc import Sequence

from tests.testnets.manifest import Event, Load, Manifest, NodeTerms, check_manifest

SIZES = (4, 4, 4, 5, 7)
LATENCIES_MS = (0, 0, 2, 10, 40)
EVENTS_MAX = 5
SECONDS = (1, 3, 8)
EPOCH_HEIGHTS = 20
SNAPSHOT_HEIGHTS = 60
"""After so many heights there is a snapshot to join from."""
OBSERVER_SHARE = 0.3
ADVERSARY_SHARE = 0.3
LATE_SHARE = 0.3


def generate(seed: int, adversaries: Sequence[str] = (), *, ref: str = "HEAD") -> Manifest:
    """The manifest of a seed. `adversaries` are names that may be given to nodes, `ref` is what upgrades go to."""
    chance = random.Random(seed)
    validators = chance.choice(SIZES)
    names = [f"n{index}" for index in range(validators)]
    faulty = (validators - 1) // 3
    special, late = [], []
    for name in chance.sample(names, faulty):
        kind = chance.random()
        if adversaries and kind < ADVERSARY_SHARE:
            special.append(NodeTerms(name=name, adversary=chance.choice(list(adversaries))))
        elif kind < ADVERSARY_SHARE + LATE_SHARE:
            special.append(NodeTerms(name=name, late=True, join=chance.choice(("genesis", "snapshot"))))
            late.append(name)
        elif chance.random() < 0.5:
            special.append(NodeTerms(name=name, latency_ms=chance.choice((20, 60, 150))))
    liars = {each.name for each in special if each.adversary}
    able = [name for name in names if name not in liars]
    latency = chance.choice(LATENCIES_MS)
    observers = int(chance.random() < OBSERVER_SHARE)
    if observers:
        special.append(NodeTerms(name=f"n{validators}", join=chance.choice(("genesis", "snapshot"))))
        late.append(f"n{validators}")
    manifest = Manifest(
        name=f"random-{seed}",
        seed=seed,
        validators=validators,
        observers=observers,
        epoch_heights=EPOCH_HEIGHTS,
        ground="relays" if latency or any(each.latency_ms for each in special) else "auto",
        latency_ms=latency,
        jitter_ms=latency // 2,
        load=Load(per_second=chance.choice((5, 20, 50)), members=chance.choice((2, 4, 8))),
        nodes=tuple(sorted(special, key=lambda each: int(each.name[1:]))),
        events=_events(chance, able, late, ref, f"n{validators}" if observers else ""),
    )
    check_manifest(manifest)
    return manifest


def _events(chance: random.Random, able: list[str], late: list[str], ref: str, observer: str) -> tuple[Event, ...]:
    """Troubles of nodes that run; each late node starts somewhere between them, and an observer gets a vote at last."""
    running = [name for name in able if name not in late]
    deeds: list[str] = [chance.choice(_DEEDS) for _ in range(chance.randint(1, EVENTS_MAX))]
    for _ in late:
        deeds.insert(chance.randint(0, len(deeds)), "start")
    waiting = list(late)
    events = []
    for deed in deeds:
        if deed == "start":
            joining = waiting.pop()
            running.append(joining)
            heights = chance.randint(SNAPSHOT_HEIGHTS, 2 * SNAPSHOT_HEIGHTS)
            events.append(Event(do="start", nodes=(joining,), heights=heights))
            if joining == observer:
                events.append(Event(do="power", nodes=(observer,), power=1))
        else:
            events.append(_event(chance, deed, running, ref))
    return tuple(events)


_DEEDS = ("kill", "kill", "pause", "pause", "disconnect", "partition", "restart", "upgrade")


def _event(chance: random.Random, deed: str, running: list[str], ref: str) -> Event:
    seconds, calm = float(chance.choice(SECONDS)), chance.randint(3, 15)
    if deed == "partition":
        mixed = chance.sample(running, len(running))
        cut = chance.randint(1, len(mixed) - 1)
        groups = (tuple(sorted(mixed[:cut])), tuple(sorted(mixed[cut:])))
        return Event(do="partition", groups=groups, seconds=seconds, heights=calm)
    # Mostly one node, sometimes so many that nothing can be decided, sometimes all.
    count = chance.choice((1, 1, 1, 2, len(running)))
    nodes = tuple(sorted(chance.sample(running, min(count, len(running)))))
    if deed == "upgrade":
        return Event(do="upgrade", nodes=nodes, to=ref, heights=calm)
    return Event(do=deed, nodes=nodes, seconds=seconds, heights=calm)  # type: ignore[arg-type]
