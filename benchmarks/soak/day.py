"""A simulated day: validators that run the whole clearing house, in virtual time, with faults that come and go.

Rule: everything follows from the seed. The faults last until ten minutes before the end; then all must be level again.
The first validator never restarts, so what it keeps in memory must be flat. Signatures are hashes, as in all
simulations.
"""

import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

import msgspec

from benchmarks.slopes import growth
from benchmarks.soak.samples import GROWTH_MAX, WARM_UP_SHARE
from clearing.state.export import export_state
from clearing.state.state import State
from clearing.validators.validator_sets import set_numbers, stored_set
from consensus.replica.replica import ReplicaConfig
from node.pool import mempool
from tests.sim.consensus.disk import simulated_disks
from tests.sim.consensus.house import ClearingHouse
from tests.sim.consensus.network import CALM, SimNetwork
from tests.sim.consensus.node import SimNode

NODES, STEADY = 7, 0
HOUR_MS = 3_600_000
CALM_MS = 600_000
REQUEST_MS = 20_000
# Mean times between faults, and how long each lasts at most.
CRASH_MS, DOWN_MS_MAX = 300_000, 120_000
PARTITION_MS, PARTED_MS_MAX = 1_200_000, 120_000
LINK_MS, BROKEN_MS_MAX = 900_000, 1_800_000
SWAP_MS = HOUR_MS
HEIGHTS_LEVEL = 4
"""Everybody must be so much higher after the last fault."""
WEIGH_MS, WEIGHTS_MIN = 900_000, 16
DONE_MAX = 256
"""Hashes of decided transactions that a pool keeps here: full within the warm-up."""


class Weight(msgspec.Struct, frozen=True):
    """What the steady validator keeps."""

    hour: float
    height: int
    replica_kib: float
    """Consensus, with all it reaches but the application and the blocks."""
    application_kib: float
    """Pool, epochs and facts, without the state."""
    state_kib: float
    """The agreed state in its canonical encoding: what members hold and are owed, not judged."""


class DayReport(msgspec.Struct, frozen=True):
    """The JSON file."""

    hours: float
    interval_ms: int
    seed: int
    heights: int
    slots: int
    """Heights that fit into the time without any fault."""
    recovery_ms: int
    rounds_max: int
    faults: dict[str, int]
    trades: int
    cpu_seconds: float
    events: int
    growth: dict[str, float]
    """After the warm-up, as a share of the level."""
    trace: str
    weights: list[Weight]

    @property
    def good(self) -> bool:
        """The run itself raises when agreement or progress fails."""
        return all(self.growth[name] <= GROWTH_MAX for name in ("replica_kib", "application_kib"))


class Day(SimNetwork):
    """The simulated network under faults of its own plan."""

    def __init__(self, seed: int, hours: float, interval_ms: int) -> None:
        self.end_ms = int(hours * HOUR_MS)
        self.counts: Counter[str] = Counter()
        self.weights: list[Weight] = []
        faults = replace(
            CALM,
            nodes=NODES,
            outside=(NODES - 1,),
            heal_ms=max(self.end_ms - CALM_MS, 0),
            loss_percent=1,
            duplicate_percent=1,
            stall_percent=1,
            torn_write_percent=1,
            sign_state_synced=True,
            clearing=True,
            requests_interval_ms=REQUEST_MS,
            config=ReplicaConfig(
                block_interval_ms_min=interval_ms, heartbeat_ms=interval_ms, rebroadcast_ms=3_000, status_ms=5_000
            ),
        )
        super().__init__(seed, faults)

    def day(self) -> None:
        """Run to the end. Raises on any violation, and when the network is not level again after the last fault."""
        with simulated_disks(self.faults.rotate_bytes):
            self._run(HEIGHTS_LEVEL, self.end_ms)
            while self.now_us < self.end_ms * 1000:
                self._turn()
            self.monitor.conclude()

    def _plan_faults(self) -> None:
        plan: tuple[tuple[str, int], ...] = (
            ("crash", CRASH_MS),
            ("partition", PARTITION_MS),
            ("break", LINK_MS),
            ("swap", SWAP_MS),
        )
        for kind, mean_ms in plan:
            at = self.random.expovariate(1 / mean_ms)
            while at < self.faults.heal_ms:
                self.schedule(int(at * 1000), kind, self._victim() if kind == "crash" else -1)
                at += self.random.expovariate(1 / mean_ms)
        for at in range(0, self.end_ms, min(WEIGH_MS, self.end_ms // WEIGHTS_MIN)):
            self.schedule(at * 1000, "weigh")
        self.schedule(REQUEST_MS * 1000, "happen")

    def _victim(self) -> int:
        return self.random.choice([node.index for node in self.nodes if node.index != STEADY])

    def _handle(self, event: Any) -> None:
        _, _, kind, index, data = event
        random = self.random
        if kind == "crash":
            node = self.nodes[index]
            if node.alive:
                node.crash(power=random.randrange(2) > 0)
                self._for(DOWN_MS_MAX, "boot", index)
        elif kind == "partition":
            super()._handle(event)
            self._for(PARTED_MS_MAX, "join")
        elif kind == "break":
            one, other = sorted(random.sample(range(NODES), 2))
            self._cut |= {(one, other), (other, one)}
            self._for(BROKEN_MS_MAX, "mend", -1, (one, other))
        elif kind == "mend":
            self._cut -= {(data[0], data[1]), (data[1], data[0])}
        elif kind == "swap":
            self._ask_for_another_set()
        elif kind == "weigh":
            self.weights += weigh(self.nodes[STEADY])
        else:
            super()._handle(event)
        if kind in ("crash", "partition", "break", "swap"):
            self.counts[kind] += 1

    def _for(self, at_most_ms: int, kind: str, node: int = -1, data: tuple[Any, ...] = ()) -> None:
        """The end of a fault, at the latest when the network heals."""
        left = max(0, self.faults.heal_ms * 1000 - self.now_us)
        self.schedule(min(left, self.random.randrange(at_most_ms * 1000)), kind, node, data)

    def _ask_for_another_set(self) -> None:
        """One that is in force goes, and one that is not comes; the steady one stays."""
        best = max((node for node in self.nodes if node.alive), key=lambda node: node.height, default=None)
        if (
            self.market is None
            or best is None
            or not isinstance(best.house, ClearingHouse)
            or best.house.application is None
        ):
            return
        state = best.house.application.state
        inside = {each.envelope_key for each in stored_set(state, set_numbers(state).next).validators}
        goes = [node.key for node in self.nodes if node.key in inside and node.index != STEADY]
        comes = [node.validator for node in self.nodes if node.key not in inside]
        chosen = (self.random.choice(goes),), (self.random.choice(comes),)
        self.market.change(state, *chosen, self.now_us // 1000)
        self._gossip(len(self.market.requests) - 1)


def weigh(node: SimNode) -> Iterator[Weight]:
    """What a running validator keeps in memory now."""
    house = node.house
    if node.replica is None or not isinstance(house, ClearingHouse) or house.application is None:
        return
    application = house.application
    saved = house._saved  # noqa: SLF001 - the state and the epochs as they are on the simulated disk
    around = (node, node.network, node.store, node.disk, house.market, house.market.genesis, node.clock, saved)
    kept = (application, house.pool, house._facts)  # noqa: SLF001 - it is weighed, not used
    yield Weight(
        hour=round(node.network.now_us / 1e6 / 3600, 3),
        height=node.height,
        replica_kib=round(_bytes_of([node.replica], [*around, house, *kept]) / 1024, 1),
        application_kib=round(_bytes_of([*kept], [*around, node.replica]) / 1024, 1),
        state_kib=round(len(export_state(application.state)) / 1024, 1),
    )


def _bytes_of(roots: list[Any], without: list[Any]) -> int:
    """Bytes of all objects that these reach. States, classes, modules and what `without` names are not entered."""
    seen, waiting, total = {id(each) for each in without}, list(roots), 0
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, type | ModuleType | State):
            continue
        seen.add(id(found))
        total += sys.getsizeof(found)
        waiting += (found.__closure__ or ()) if isinstance(found, FunctionType) else gc.get_referents(found)
    return total


def simulate(hours: float, interval_ms: int, seed: int, say: Callable[[str], None]) -> DayReport:
    """Raises on any violation."""
    began, day = time.process_time(), Day(seed, hours, interval_ms)
    say(f"{NODES} validators, {hours:g} hours of virtual time, a height every {interval_ms / 1000:g} s, seed {seed}")
    with patch.object(mempool, "DONE_MAX", DONE_MAX):
        day.day()
    steady = day.nodes[STEADY]
    warm = [each for each in day.weights if each.hour >= WARM_UP_SHARE * hours]
    return DayReport(
        hours=hours,
        interval_ms=interval_ms,
        seed=seed,
        heights=steady.height,
        slots=day.now_us // 1000 // interval_ms,
        recovery_ms=day.recovery_ms,
        rounds_max=day.monitor.rounds,
        faults={
            **day.counts,
            "restarts": sum(node.restarts for node in day.nodes),
            "repairs": sum(node.repairs for node in day.nodes),
            "sets": len(day.market.changes) if day.market else 0,
        },
        trades=len(day.market.novated) if day.market else 0,
        cpu_seconds=round(time.process_time() - began, 1),
        events=day.events,
        growth={
            name: growth([each.hour for each in warm], [float(getattr(each, name)) for each in warm])
            for name in ("replica_kib", "application_kib", "state_kib")
        },
        trace=day.trace_hash,
        weights=day.weights,
    )
