"""A network of four processes that are killed at random moments, and what must hold of their disks afterwards.

Rule: a moment is random from the start of a process on, so that kills hit opening, restoring and joining as well as
deciding. What a process logged as decided must be on its disk; all disks have the same blocks; no validator is accused.
"""

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import msgspec

from clearing.schema.terms.genesis import MarketParameters
from consensus.blocks.store import load_committed
from consensus.codes import ConsensusCode
from consensus.messages import Block, Evidence
from devnet.testnet import Testnet, create_testnet
from node.store.blocks import StoredBlocks
from node.store.store import Store
from tests.kit.node.house_alone import house_alone
from tests.kit.node.verb_process import VerbProcess, start_words
from tests.kit.ports import free_ports

NODES = 4
LIFE_SECONDS = 8.0
"""The longest life of a process: a start takes two seconds, and a height fewer than one."""
MARKET = MarketParameters(epoch_blocks=8, snapshot_delay_blocks=3)


@dataclass
class Ordeal:
    """What was done, and what the processes said before they were killed."""

    net: Testnet
    ports: list[int]
    kills: int = 0
    decided: dict[int, int] = field(default_factory=dict)
    """By node, the highest height that it logged as decided."""

    def start(self, index: int) -> VerbProcess:
        return VerbProcess(*start_words(self.net, self.ports, index))

    def note(self, index: int, process: VerbProcess) -> None:
        """Read what a process said that was killed."""
        for line in process.lines:
            with suppress(msgspec.DecodeError):
                record = msgspec.json.decode(line)
                if record.get("event") == "decided":
                    self.decided[index] = max(self.decided.get(index, 0), record["height"])


def kill_at_random(folder: Path, kills: int, seed: int) -> tuple[Ordeal, list[str]]:
    """Kill so many processes; what is wrong with their disks afterwards."""
    net = create_testnet(
        folder / "net",
        partial(house_alone, time_ms=time.time_ns() // 1_000_000, market=MARKET),
        validators=NODES,
        devnet=True,
        seed=seed,
    )
    rng, ordeal, wrong = random.Random(seed), Ordeal(net, free_ports(NODES)), list[str]()
    running = {index: ordeal.start(index) for index in range(NODES)}
    due = {index: time.monotonic() + rng.uniform(0, LIFE_SECONDS) for index in running}
    try:
        while ordeal.kills < kills and not wrong:
            index = min(due, key=lambda each: due[each])
            time.sleep(max(0.0, due[index] - time.monotonic()))
            if running[index].process.poll() is not None:
                wrong.append(f"node {index} ended by itself: {''.join(running[index].lines[-20:])}")
                break
            running[index].kill()
            ordeal.kills += 1
            ordeal.note(index, running[index])
            running[index] = ordeal.start(index)
            due[index] = time.monotonic() + rng.uniform(0, LIFE_SECONDS)
        top = max(ordeal.decided.values(), default=0)
        for process in running.values() if not wrong else ():
            while process.until("decided")["height"] <= top:
                """Wait until all decide again, above all that was decided before."""
            # Once more: one that was killed before its first block, or joined by a peer's state, then has two blocks.
            process.until("decided")
    finally:
        for process in running.values():
            process.stop()
    for index, process in running.items():
        ordeal.note(index, process)
        if any(ConsensusCode.DOUBLE_SIGN.label in line for line in process.lines):
            wrong.append(f"node {index} wanted to sign twice")
    return ordeal, wrong or wrong_on_disks([node.home for node in net.nodes], net.network, ordeal.decided)


def wrong_on_disks(homes: Sequence[Path], network: bytes, decided: dict[int, int]) -> list[str]:
    """What is lost, what differs, and who is accused; empty when all is well."""
    wrong = []
    chains = [_chain(home, network) for home in homes]
    for index, chain in enumerate(chains):
        if max(chain, default=0) < decided.get(index, 0):
            wrong.append(f"node {index} said to have decided {decided[index]} and has {max(chain, default=0)}")
        for before, after in pairwise(sorted(chain)):
            if after != before + 1 or chain[after].header.parent != chain[before].header.hash:
                wrong.append(f"node {index} has no chain from {before} to {after}")
    for height in sorted(set().union(*chains)):
        if len({chain[height].header.hash for chain in chains if height in chain}) > 1:
            wrong.append(f"two blocks of height {height}")
        wrong += [f"misbehaviour in block {height}" for chain in chains if height in chain and _accuses(chain[height])]
    return wrong


def _chain(home: Path, network: bytes) -> dict[int, Block]:
    with Store(home / "node.sqlite", network) as store:
        blocks = StoredBlocks(store)
        heights = range(max(1, store.first_height()), store.height() + 1)
        found = {height: load_committed(blocks, height) for height in heights}
    return {height: committed.block for height, committed in found.items() if committed is not None}


def _accuses(block: Block) -> bool:
    return block.evidence != Evidence()
