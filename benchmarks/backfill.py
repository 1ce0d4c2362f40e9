"""How many deposits a validator's adapter takes in per second of its own CPU when it starts far behind a chain.

On a local chain over HTTP: each deposit is a transaction, 200 to a block, proven by all receipts of its block under a
header that the endpoints agree on, and recorded on disk. Only this process is counted, with decoding and hashing; the
chain runs in another. Run: python -m benchmarks.backfill [deposits]
"""

import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import trio

from benchmarks.figures import Figure, print_measured
from bridge.rpc.endpoint import Endpoint
from bridge.watched_chain import FinalityPolicy
from clearing.base.errors import Bug
from devnet.anvil import anvil_chain
from tests.kit.bridge.watched_chain import CHAIN_ID, Chain, Watch

DEPOSITS = 10_000
BEHIND_BLOCKS = 300
"""More than the adapter links one by one: it reads logs in chunks."""
GOAL = "≥ 5,000"


def figures(quick: bool = False) -> list[Figure]:
    """With one endpoint and with three of which two must agree, which here are one chain asked three times."""
    return measured(1_000 if quick else DEPOSITS)


def measured(deposits: int) -> list[Figure]:
    """The same for so many deposits."""
    with tempfile.TemporaryDirectory() as folder, anvil_chain(CHAIN_ID, Path(folder) / "chain") as anvil:
        chain = Chain(anvil)
        chain.profile = chain.deploy_emitter()
        chain.deposits_in_bulk(1, deposits)
        chain.mine(BEHIND_BLOCKS)
        found = []
        for endpoints, quorum in ((1, 1), (3, 2)):
            store = Path(folder) / f"store-{endpoints}"
            seconds = trio.run(_taken_in, chain, endpoints, quorum, deposits, store)
            name = f"backfill, {quorum} of {endpoints} endpoints, {deposits:,} deposits"
            found.append(Figure(name, deposits / seconds, "/CPU s", goal=GOAL))
        return found


async def _taken_in(chain: Chain, endpoints: int, quorum: int, deposits: int, store: Path) -> float:
    """CPU seconds until every deposit is recorded and emitted."""
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(Endpoint(chain.url)) for _ in range(endpoints)]
        watch = Watch(replace(chain.profile, finality=FinalityPolicy(quorum)), sources, store)
        started = time.process_time()
        await watch.until_quiet()
        seconds = time.process_time() - started
    if watch.nonces != list(range(1, deposits + 1)):
        raise Bug(f"{len(watch.nonces)} of {deposits} deposits were taken in")
    return seconds


if __name__ == "__main__":
    print_measured(measured, DEPOSITS)
