"""The generator's figures are those of the chain that it loads; samples are told by component."""

import pickle
import time
from pathlib import Path

import pytest
import trio

from benchmarks.kvstore import TRANSACTION_BYTES, KeyValueApplication, framed, split
from benchmarks.load import measure
from benchmarks.sampler import component, report
from tests.kit.consensus.crypto import validator_set

HEIGHT_SECONDS = 0.1
CPU_SECONDS = 0.02


class FixedChain:
    """A block each tenth of a second of trio's clock, with all that came before it."""

    nodes = (0, 1)

    def __init__(self) -> None:
        self.blocks: dict[int, tuple[float, tuple[int, ...]]] = {}
        self.waiting: list[int] = []
        self.asked: list[int] = []

    async def submit(self, node, numbers) -> None:
        self.asked.append(node)
        self.waiting += numbers

    async def cpu(self) -> float:
        return CPU_SECONDS * len(self.blocks)

    async def run(self) -> None:
        while True:
            await trio.sleep(HEIGHT_SECONDS)
            self.blocks[len(self.blocks) + 1] = (time.time(), tuple(self.waiting))
            self.waiting = []


@pytest.mark.parametrize("rate", [0, 100])
async def test_load_goes_to_one_node_after_another_and_every_transaction_is_found(rate, autojump_clock) -> None:
    chain = FixedChain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(chain.run)
        seen = await measure(chain, 2, rate, 5.0)
        nursery.cancel_scope.cancel()
    assert (seen.missing, len(seen.waits_ms)) == (0, 5 * rate)
    assert seen.heights == pytest.approx(50, abs=2)
    assert seen.cpu_ms == pytest.approx(1000 * CPU_SECONDS / 2)
    assert chain.asked[:4] == ([0, 1, 0, 1] if rate else [])


class DeafChain(FixedChain):
    """Takes everything and keeps nothing."""

    async def submit(self, node, numbers) -> None:
        self.asked.append(node)


async def test_transactions_that_never_come_into_a_block_are_told(autojump_clock) -> None:
    chain = DeafChain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(chain.run)
        assert (await measure(chain, 2, 100, 1.0)).missing == 100
        nursery.cancel_scope.cancel()


def test_a_stack_belongs_to_the_first_component_that_it_is_in() -> None:
    assert component(["hashlib:x", "clearing/base/bls.py:sign", "node/agreement/engine.py:run"]).startswith(
        "signatures"
    )
    assert component(["trio/_core/_run.py:x", "node/agreement/engine.py:run"]) == "consensus, other"
    assert component(["trio/_core/_run.py:x"]) == "event loop"
    assert component(["somewhere.py:x"]) == "other"


def test_a_profile_tells_milliseconds_a_height_and_process(tmp_path: Path) -> None:
    for name in "ab":
        stacks = {(("clearing/base/bls.py", "sign"),): 3, (("trio/x.py", "run"),): 1}
        (tmp_path / f"{name}.samples").write_bytes(pickle.dumps((2.0, stacks)))
    printed = report(tmp_path, 100)
    assert "2 processes, 100 heights, 20.00 ms CPU a height and process" in printed
    assert "15.00 ms  signatures of validators (BLS)" in printed
    assert "5.00 ms  event loop" in printed


def test_the_benchmarks_application_keeps_each_transaction_once() -> None:
    application = KeyValueApplication(validator_set(4))
    data = b"".join(number.to_bytes(8, "big").ljust(TRANSACTION_BYTES, b".") for number in (1, 2, 3))
    application.add(data)
    application.add(data[:TRANSACTION_BYTES])
    assert list(application.pool) == [1, 2, 3]
    assert b"".join(split(data).values()) == data
    assert framed(b"T") == b"\x00\x00\x00\x01T"
