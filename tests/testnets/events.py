"""Performing a manifest's events, one after another, and measuring how long the network takes to be level again.

Rule: an event begins in calm and ends when every honest node that runs is near the top again and the top has moved
since the trouble ended. While a quorum can talk, heights must go on; while none can, no height may be decided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import trio

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from tests.testnets.load import Load
from tests.testnets.manifest import Event
from tests.testnets.membership import change_power
from tests.testnets.network import START_SECONDS, TestNetwork, checkout_of
from tests.testnets.processes import RunningNode
from tests.testnets.watch import LEVEL_HEIGHTS

UNDER_WAY = 2
"""Heights that a cut may find on their way: decided and not durable yet, and voted for with the votes delivered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    event: str
    seconds: float
    """From its begin to its end, as it happened."""
    heights: int
    """Decided in that time."""
    quorum: bool
    """Whether enough honest nodes could talk in that time."""
    longest_height_ms: int
    """The longest time without a new height during it; of a time without a quorum, all of it."""
    behind: int
    """Heights that the node farthest behind had to fetch when it ended."""
    recovery_seconds: float
    """From its end until all were level."""
    recovery_cpu_seconds: float = 0.0
    """CPU that the node which had to come back used in that time; a machine under load needs longer for the same."""


class Director:
    def __init__(self, network: TestNetwork, load: Load, say: Callable[[str], None], repository: Path) -> None:
        self._network = network
        self._load = load
        self._say = say
        self._repository = repository
        self.outcomes: list[Outcome] = []

    async def play(self, events: Sequence[Event]) -> None:
        """All of them. Raises LocalFault when the network does not recover in time, or decides what it must not."""
        for event in events:
            await self.calm(event.heights)
            self._say(f"{_told(event)} ...")
            outcome = await self._perform(event)
            self.outcomes.append(outcome)
            self._say(
                f"{outcome.event}: {outcome.heights} heights in {outcome.seconds:.1f} s, "
                f"level again after {outcome.recovery_seconds:.2f} s ({outcome.behind} heights behind, "
                f"{outcome.recovery_cpu_seconds:.2f} s CPU)"
            )

    async def calm(self, heights: int) -> None:
        """So many heights without trouble."""
        await self._network.watch.until_height(self._network.watch.top() + heights, START_SECONDS)

    async def _perform(self, event: Event) -> Outcome:
        if event.do == "upgrade":
            return await self._upgrade(event)
        watch, nodes = self._network.watch, [self._network.nodes[name] for name in event.nodes]
        begin = trio.current_time()
        await self._begin(event, nodes)
        watch.look()
        before, quorum = watch.top(), self._has_quorum(event)
        await self._hold(event, before, quorum=bool(quorum))
        healed = trio.current_time()
        if quorum is False and watch.top() > before + UNDER_WAY:
            raise LocalFault(DevnetCode.STORY_STUCK, event.do, why="decided without a quorum", height=watch.top())
        behind = watch.top() - min(watch.seen[name].top for name in self._expected(event))
        await self._end(event, nodes)
        # A process's start is part of recovering; the time until its end was told to it is not.
        if event.do == "power":
            healed = trio.current_time()
        return await self._outcome(event, begin, healed, before, behind, quorum=bool(quorum))

    async def _outcome(
        self, event: Event, begin: float, healed: float, before: int, behind: int, *, quorum: bool
    ) -> Outcome:
        network, watch = self._network, self._network.watch
        top = watch.top()
        used = {name: network.nodes[name].cpu_seconds for name in self._expected(event)}
        level = await watch.until_level(
            list(used), top + LEVEL_HEIGHTS, network.manifest.recovery_seconds + START_SECONDS
        )
        return Outcome(
            event=_told(event),
            seconds=round(healed - begin, 2),
            heights=top - before,
            quorum=quorum,
            longest_height_ms=self._longest_ms(begin, healed),
            behind=behind,
            recovery_seconds=round(level - healed, 2),
            recovery_cpu_seconds=round(self._used_since(used), 2),
        )

    def _used_since(self, before: dict[str, float]) -> float:
        """The most that any process used since; what was started in between counts from its start."""
        nodes = self._network.nodes
        return max(nodes[name].cpu_seconds - used for name, used in before.items())

    async def _begin(self, event: Event, nodes: Sequence[RunningNode]) -> None:
        match event.do:
            case "kill":
                for node in nodes:
                    await node.kill()
            case "restart":
                async with trio.open_nursery() as nursery:
                    for node in nodes:
                        nursery.start_soon(node.stop)
            case "pause":
                for node in nodes:
                    node.hold()
            case "disconnect" | "partition":
                await self._network.ground.part(self._groups(event))
            case _:
                pass

    async def _hold(self, event: Event, before: int, *, quorum: bool) -> None:
        """Wait for the event's time, and as much longer as a quorum needs to decide more than what was under way.

        Raises LocalFault STORY_STUCK when it decides nothing more.
        """
        await trio.sleep(event.seconds)
        if quorum and event.seconds:
            await self._network.watch.until_height(before + UNDER_WAY, START_SECONDS)

    async def _end(self, event: Event, nodes: Sequence[RunningNode]) -> None:
        match event.do:
            case "start":
                for node in nodes:
                    await self._network.join(node)
            case "power":
                await change_power(self._network, nodes, event.power)
            case "kill" | "restart":
                for node in nodes:
                    await node.start()
            case "pause":
                for node in nodes:
                    node.release()
            case "disconnect" | "partition":
                await self._network.ground.part([range(len(self._network.manifest.names))])
            case _:
                pass

    async def _upgrade(self, event: Event) -> Outcome:
        """One node after another, as operators do; each must be level before the next."""
        network, watch = self._network, self._network.watch
        folder = await trio.to_thread.run_sync(checkout_of, network, event.to, self._repository)
        begin, before = trio.current_time(), watch.top()
        worst, behind = 0.0, 0
        for name in event.nodes:
            node = network.nodes[name]
            await node.stop()
            node.checkout = folder
            started = trio.current_time()
            await node.start()
            behind = max(behind, watch.top() - watch.seen[name].top)
            level = await watch.until_level(
                self._expected(event), watch.top() + LEVEL_HEIGHTS, network.manifest.recovery_seconds + START_SECONDS
            )
            worst = max(worst, level - started)
        ended = trio.current_time()
        longest = self._longest_ms(begin, ended)
        return Outcome(
            event=_told(event),
            seconds=round(ended - begin, 2),
            heights=watch.top() - before,
            quorum=True,
            longest_height_ms=longest,
            behind=behind,
            recovery_seconds=round(worst, 2),
        )

    def _groups(self, event: Event) -> list[tuple[int, ...]]:
        index_of = {name: index for index, name in enumerate(self._network.manifest.names)}
        if event.do == "partition":
            return [tuple(index_of[name] for name in group) for group in event.groups]
        return [tuple(index for name, index in index_of.items() if name not in event.nodes)]

    def _expected(self, event: Event) -> list[str]:
        """Honest nodes that run once the event has ended, and are let in."""
        following = self._network.following
        return sorted(node.name for node in following if node.running or node.name in event.nodes)

    def _has_quorum(self, event: Event) -> bool | None:
        """Whether honest nodes that reach each other are a quorum; None when it takes the liars' help."""
        network, manifest = self._network, self._network.manifest
        names = manifest.names
        groups = self._groups(event) if event.do in ("partition", "disconnect") else [tuple(range(len(names)))]
        answers: list[bool | None] = []
        for group in groups:
            able = [names[index] for index in group if network.nodes[names[index]].able]
            voting = sum(network.powers.get(name, 0) for name in able)
            honest = voting - sum(network.powers.get(name, 0) for name in able if name in manifest.liars)
            total = sum(network.powers.values())
            answers.append(True if 3 * honest > 2 * total else None if 3 * voting > 2 * total else False)
        return True if True in answers else None if None in answers else False

    def _longest_ms(self, begin: float, end: float) -> int:
        """The longest time without a new height anywhere, from begin to end."""
        times = sorted(
            time
            for seen in self._network.watch.seen.values()
            for height, time in zip(seen.heights, seen.times, strict=True)
            if begin <= time <= end and self._first(height) == time
        )
        marks = [begin, *times, end]
        return round(1000 * max(after - before for before, after in pairwise(marks)))

    def _first(self, height: int) -> float:
        reached = [seen.reached(height) for seen in self._network.watch.seen.values()]
        return min(time for time in reached if time is not None)


def _told(event: Event) -> str:
    whom = " | ".join(",".join(group) for group in event.groups) or ",".join(event.nodes)
    length = f" to {event.power}" if event.do == "power" else f" {event.seconds:g} s" if event.seconds else ""
    return f"{event.do} {whom}{length}".strip()
