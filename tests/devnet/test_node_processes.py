"""Rules of a devnet's processes: one that ends by itself is told; one that was told to end, or returns, is not."""

import signal
import sys
from pathlib import Path

import pytest
import trio

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from devnet.processes import NodeProcess, node_processes

SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path


async def test_who_looks_while_a_killed_one_starts_again_sees_no_death(logs: Path) -> None:
    async with node_processes({"n0": logs}, logs, SLEEPS) as nodes:
        node = nodes["n0"]
        for _ in range(5):
            await node.kill()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.start)
                while not node.running:
                    node.check()
                    await trio.lowlevel.checkpoint()
            node.check()


async def test_one_that_ends_by_itself_is_told(logs: Path) -> None:
    async with node_processes({"n0": logs}, logs, SLEEPS) as nodes:
        node = nodes["n0"]
        node.send_signal(signal.SIGKILL)
        while node.running:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)
        with pytest.raises(LocalFault) as fault:
            node.check()
        assert (fault.value.code, fault.value.at) == (DevnetCode.NODE_DIED, "n0")


async def test_leaving_ends_all_and_a_second_end_does_no_harm(logs: Path) -> None:
    left: list[NodeProcess] = []
    async with node_processes({"n0": logs, "n1": logs}, logs, SLEEPS) as nodes:
        left += nodes.values()
        await nodes["n1"].stop()
        await nodes["n1"].kill()
    assert not any(node.running for node in left)
    for node in left:
        node.check()
