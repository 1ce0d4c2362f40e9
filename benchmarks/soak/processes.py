"""A devnet of node processes under half the load that it carries, for as long as is asked for.

Rule: the rate is half of what the network carried in short trials before, so that the share is right on any machine.
At the end the nodes' databases are read: every height must be on every disk, and every accepted trade in a block.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec
import trio

from benchmarks.network import process_ids, waiting
from benchmarks.soak.load import PairedLoad
from benchmarks.soak.samples import Sample, Trend, take, trends
from clearing.base.certificate import Certificate
from clearing.base.codec import decode
from clearing.schema.requests.trades import Trade
from consensus.messages import BLOCK_BYTES_MAX, Block
from devnet.demo.story import DevnetStory
from devnet.market import hours_file
from devnet.members import now_ms
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from node.agreement.application import PAYLOAD_BYTES_MAX, Payload
from node.oracle.source import HOUR_MS, Schedule, load_hours, write_schedule

TRIALS = (100, 200, 400, 800, 1600, 3200)
TRIAL_SECONDS = 15.0
CARRIED_SHARE = 0.9
LOAD_SHARE = 0.5
SAMPLE_SECONDS = 10.0
DRAIN_SECONDS = 120.0
MEMBERS = 12
LAUNCHER = (sys.executable, "-m", "benchmarks.soak.small_tables")


class Heights(msgspec.Struct, frozen=True):
    """What the databases hold at the end."""

    top: int
    lost: int
    """Heights that some node lacks below the lowest top."""
    behind_max: int
    """How far the last node is behind the first."""
    later_rounds: int
    """Heights that were decided after the first round."""
    longest_gap_ms: int
    """Between the times of two blocks."""
    accepted: int
    lost_trades: int
    """Accepted, and in no block."""


class Report(msgspec.Struct, frozen=True):
    """The JSON file."""

    minutes: float
    rate: float
    heights: Heights
    refused: dict[str, int]
    trends: list[Trend]
    samples: dict[str, list[Sample]]

    @property
    def good(self) -> bool:
        flat = all(each.flat for each in self.trends if each.judged)
        return flat and not self.heights.lost and not self.heights.lost_trades


async def soak(folder: Path, minutes: float, rate: float | None, say: Callable[[str], None]) -> Report:
    """`rate` None: half of what is carried. Raises LocalFault when the network does not start, or a node ends."""
    async with running_devnet(DevnetOptions(folder / "net", members=MEMBERS, launcher=LAUNCHER)) as devnet:
        await DevnetStory(devnet, lambda _: None).fund()
        hours = len(load_hours(hours_file(devnet.market)))
        write_schedule(devnet.schedule_path, Schedule(now_ms(), max(1.0, hours * HOUR_MS / 60_000 / (minutes + 5))))
        load, samples = PairedLoad(devnet, devnet.options.seed), {name: list[Sample]() for name in devnet.nodes}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run)
            load.rate = rate or LOAD_SHARE * await _carried(devnet, load, say)
            say(f"{load.rate:.0f} trades a second for {minutes:.0f} minutes")
            began = trio.current_time()
            while trio.current_time() < began + 60 * minutes:
                await trio.sleep(SAMPLE_SECONDS)
                await trio.to_thread.run_sync(_sample, devnet, samples, trio.current_time() - began)
                _tell(samples, load, say)
            chosen, load.rate = load.rate, 0.0
            with trio.move_on_after(DRAIN_SECONDS):
                while await waiting(devnet):  # noqa: ASYNC110 - the nodes are other processes
                    await trio.sleep(0.5)
            await trio.sleep(2 * SAMPLE_SECONDS)
            nursery.cancel_scope.cancel()
        homes = [node.home for node in devnet.nodes.values()]
    found = [trend for name, taken in samples.items() for trend in trends(name, taken)]
    return Report(minutes, chosen, heights_of(homes, load.accepted), dict(load.refused), found, samples)


async def _carried(devnet: Devnet, load: PairedLoad, say: Callable[[str], None]) -> float:
    """Trades a second that were accepted at the first rate at which nodes refused a part of them.

    What is accepted is what the network decides, but for what waits: at most three heights (`node.pool.admission`).
    """
    path, carried = next(iter(devnet.nodes.values())).home / "node.sqlite", 0.0
    for offered in TRIALS:
        first, before, load.rate = _height(path), len(load.accepted), float(offered)
        await trio.sleep(TRIAL_SECONDS)
        load.rate = 0.0
        with trio.move_on_after(DRAIN_SECONDS):
            while await waiting(devnet):  # noqa: ASYNC110 - the nodes are other processes
                await trio.sleep(0.1)
        carried = (len(load.accepted) - before) / TRIAL_SECONDS
        say(f"offered {offered}/s, accepted {carried:.0f}/s in {_height(path) - first} heights")
        if carried < CARRIED_SHARE * offered:
            break
    return carried


def _sample(devnet: Devnet, samples: dict[str, list[Sample]], second: float) -> None:
    processes = process_ids(devnet)
    for name, node in devnet.nodes.items():
        node.check()
        samples[name].append(take(processes[name], node.home, second, _height(node.home / "node.sqlite")))


def _tell(samples: dict[str, list[Sample]], load: PairedLoad, say: Callable[[str], None]) -> None:
    if any(len(taken) % 6 for taken in samples.values()):
        return
    last = [taken[-1] for taken in samples.values()]
    say(
        f"{last[0].second / 60:.0f} min: heights {[each.height for each in last]}, "
        f"MiB {[round(each.memory_mib) for each in last]} + {[round(each.workers_mib) for each in last]}, "
        f"handles {[each.handles for each in last]}, disk MiB {[round(each.disk_mib) for each in last]}, "
        f"accepted {len(load.accepted)}, refused {dict(load.refused)}"
    )


def _height(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        return int(connection.execute("SELECT COALESCE(MAX(height), 0) FROM blocks").fetchone()[0])


def heights_of(homes: list[Path], accepted: set[int]) -> Heights:
    """Read the databases of ended nodes."""
    rows = [_count(home / "node.sqlite") for home in homes]
    tops = [top for _, top, _ in rows]
    lost = sum(top - first + 1 - count for first, top, count in rows)
    left, times, later = set(accepted), [], 0
    for block, certificate in _blocks(homes[tops.index(max(tops))] / "node.sqlite"):
        later += certificate.round > 0
        times.append(block.header.time_ms)
        payload = decode(block.payload, Payload, PAYLOAD_BYTES_MAX)
        left -= {each.venue_trade_id for each in payload.transactions if isinstance(each, Trade)}
    return Heights(
        top=max(tops),
        lost=lost,
        behind_max=max(tops) - min(tops),
        later_rounds=later,
        longest_gap_ms=max((b - a for a, b in pairwise(times)), default=0),
        accepted=len(accepted),
        lost_trades=len(left),
    )


def _count(database: Path) -> tuple[int, int, int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        first, top, count = connection.execute("SELECT MIN(height), MAX(height), COUNT(*) FROM blocks").fetchone()
    return int(first or 1), int(top or 0), int(count)


def _blocks(database: Path) -> Iterator[tuple[Block, Certificate]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for block, certificate in connection.execute("SELECT block, certificate FROM blocks ORDER BY height"):
            yield decode(block, Block, 2 * BLOCK_BYTES_MAX), decode(certificate, Certificate)
