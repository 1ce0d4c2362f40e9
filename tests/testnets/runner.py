"""`run_manifest`: start the network, load it, perform the events, end everything, judge.

Rule: a failure on the way ends the events, not the judging: what the disks hold is told in any case.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import trio

from clearing.base.errors import CrossclearError, LocalFault
from devnet.demo.story import until
from tests.testnets.events import Director
from tests.testnets.ground import ROOT
from tests.testnets.load import Load
from tests.testnets.manifest import Manifest, dump_manifest
from tests.testnets.network import START_SECONDS, TestNetwork, running_network
from tests.testnets.processes import RunningNode
from tests.testnets.verdict import Verdict, judge, write_verdict

DRAIN_SECONDS = 120
"""How long what was accepted may take to be in a block, after the load has ended."""
WAITING_METRIC = "crossclear_mempool_size"


async def run_manifest(
    manifest: Manifest, folder: Path, say: Callable[[str], None], repository: Path = ROOT
) -> Verdict:
    """Everything; `folder` must not exist. Raises LocalFault when the network does not even start."""
    folder = _begin(manifest, folder)
    broken: list[str] = []
    played: tuple[TestNetwork, Load, Director] | None = None
    try:
        async with running_network(manifest, folder) as network:
            say(f"{manifest.validators} nodes run on {network.ground.kind}")
            asked = [node for node in network.honest if node.name in manifest.voters]
            load = Load(network.testnet.network, network.members, asked, network.clients, manifest.load.per_second)
            director = Director(network, load, say, repository)
            played = (network, load, director)
            await _play(network, load, director)
            say("the events are over; ending the processes")
    except* CrossclearError as faults:
        broken += [str(fault) for fault in _leaves(faults)]
        if played is None:
            raise LocalFault(next(_leaves(faults)).code, "start", why="; ".join(broken)) from None
    network, load, director = played
    verdict = await trio.to_thread.run_sync(judge, network, load, director.outcomes, broken)
    say(f"written: {write_verdict(verdict, folder)}")
    return verdict


def _begin(manifest: Manifest, folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(dump_manifest(manifest), encoding="utf-8")
    return folder.resolve()


async def _play(network: TestNetwork, load: Load, director: Director) -> None:
    manifest = network.manifest
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load.run)
        if load.per_second:
            await until("a trade to be accepted", START_SECONDS, load.begun)
        await director.play(manifest.events)
        await director.calm(manifest.heights)
        nursery.cancel_scope.cancel()
    await _drain(network)


async def _drain(network: TestNetwork) -> None:
    """Until no honest node has anything waiting and all are level; then end them, each orderly."""
    names = [node.name for node in network.following]
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:

        async def empty() -> bool | None:
            return None if any([await _waiting(http, node) for node in network.following]) else True

        await until("every pool to be empty", DRAIN_SECONDS, empty)
    await network.watch.until_level(names, network.watch.top() + 2, DRAIN_SECONDS)
    async with trio.open_nursery() as nursery:
        for node in network.honest:
            nursery.start_soon(node.stop)


async def _waiting(http: httpx.AsyncClient, node: RunningNode) -> int:
    """How many transactions wait in a node's pool, by its metrics; 1 when it does not answer."""
    try:
        text = (await http.get(f"http://{node.place.api_host}:{node.place.api_port}/metrics")).text
    except httpx.HTTPError:
        return 1
    lines = [line.split() for line in text.splitlines() if line.startswith(WAITING_METRIC + " ")]
    return int(float(lines[0][1])) if lines else 1


def _leaves(group: BaseExceptionGroup[CrossclearError]) -> Iterator[CrossclearError]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
