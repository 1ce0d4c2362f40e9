"""Agreement alone: heights per second and latency; real curves, log and sign state files, all nodes in one process.

    python benchmarks/consensus_core.py --nodes 4 --heights 200 --payload 20000

The in-memory network carries bytes without delay, so this is the CPU and disk cost of consensus on one core; the
application does nothing but hash. Prints one line of JSON.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import Figure
from clearing.base.ids import Hash32
from consensus.application import AppRoots, ExecutionContext
from consensus.outputs import Decided
from consensus.replica.replica import ReplicaConfig
from node.agreement.engine import ConsensusGenesis, Engine, Hooks
from node.signer.local import LocalSigner
from node.signer.sign_state import SignStateFile
from node.store.wal import WalFile
from tests.kit.consensus.crypto import secrets_of, validator_set
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.toy import MAGIC, ToyApplication
from tests.kit.node.memory_network import Hub

NETWORK = bytes(32)


class LoadedApplication(ToyApplication):
    """Proposes payloads of one size, and extensions as long as a price report of twelve feeds."""

    payload = MAGIC

    def prepare(self, context: ExecutionContext) -> tuple[bytes, AppRoots]:
        return self.payload, self.process(context, self.payload)

    def extend(self, height: int, value: Hash32) -> bytes:  # noqa: ARG002 - the same at all heights
        return MAGIC + bytes(400)


async def run(nodes: int, heights: int, payload: int, folder: Path) -> dict[str, object]:
    validators = validator_set(nodes)
    hub = Hub()
    LoadedApplication.payload = MAGIC + bytes(payload)
    durations: list[int] = []
    decided_at: list[float] = []
    enough = trio.Event()

    def note(decided: Decided) -> None:
        durations.append(decided.duration_ms)
        decided_at.append(time.perf_counter())
        if decided.committed.block.header.height >= heights:
            enough.set()

    async with trio.open_nursery() as nursery:
        for index, (envelope_secret, bls_secret) in enumerate(secrets_of(nodes)):
            application = LoadedApplication(validators, index, 10**9)
            network = hub.join(validators.validators[index].envelope_key)
            guard = SignStateFile(folder / f"{index}.sign", sync=False)
            engine = Engine(
                ConsensusGenesis(NETWORK, 1_700_000_000_000),
                application.position,
                application,
                MemoryBlockStore(),
                LocalSigner(NETWORK, envelope_secret, bls_secret, guard),
                WalFile(folder / f"{index}.wal"),
                network,
                ReplicaConfig(block_interval_ms_min=0),
                Hooks(on_decided=note if index == 0 else lambda _: None, has_work=lambda: True),
            )
            await nursery.start(network.run)
            await nursery.start(engine.run)
        began, cpu = time.perf_counter(), time.process_time()
        await enough.wait()
        spent, cpu = time.perf_counter() - began, time.process_time() - cpu
        nursery.cancel_scope.cancel()
    gaps = [1000 * (b - a) for a, b in pairwise(decided_at)]
    return {
        "nodes": nodes,
        "heights": heights,
        "payload_bytes": payload,
        "heights_per_second": round(heights / spent, 1),
        "cpu_ms_per_height_and_node": round(1000 * cpu / heights / nodes, 2),
        "height_ms_p50": round(statistics.median(gaps), 1),
        "height_ms_p99": round(sorted(gaps)[int(len(gaps) * 0.99)], 1),
        "start_to_decision_ms_p50": statistics.median(durations),
        "rounds_beyond_first": engine.stats.rounds_beyond_first,
    }


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    measured = []
    for nodes, heights in ((4, 30),) if quick else ((4, 100), (32, 6)):
        with tempfile.TemporaryDirectory() as folder:
            found = trio.run(run, nodes, heights, 20_000, Path(folder))
        goal = "" if nodes == 4 else "< 400"
        of = f"{nodes} nodes, 20 kB blocks"
        measured += [
            Figure(f"heights, {of}", number(found["heights_per_second"]), "1/s"),
            Figure(f"height p50, {of}", number(found["height_ms_p50"]), "ms", goal=goal),
            Figure(f"height p99, {of}", number(found["height_ms_p99"]), "ms"),
            Figure(f"CPU a height and node, {of}", number(found["cpu_ms_per_height_and_node"]), "ms"),
        ]
    return measured


def number(value: object) -> float:
    return float(str(value))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--heights", type=int, default=100)
    parser.add_argument("--payload", type=int, default=20_000, help="bytes in each block")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(trio.run(run, options.nodes, options.heights, options.payload, Path(folder))))


if __name__ == "__main__":
    main()
