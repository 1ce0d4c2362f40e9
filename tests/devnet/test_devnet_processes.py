"""Rules of a running devnet: deaths are told, waits are bounded, no signal is lost and cleaning up is not cut short."""

import signal
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from devnet.demo import main as devnet
from devnet.demo.main import ENDING_SIGNALS, run_interruptibly
from devnet.demo.story import until
from devnet.options import DevnetOptions
from devnet.processes import NodeProcess, node_processes
from member.codes import NodeCode
from tests.kit.refusals import refused
from tests.kit.until import until as wait_until

SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Mapping[str, NodeProcess]]:
    async with node_processes({"n0": tmp_path, "n1": tmp_path}, tmp_path, SLEEPS) as nodes:
        yield nodes


async def test_who_looks_while_a_killed_one_starts_again_sees_no_death(nodes: Mapping[str, NodeProcess]) -> None:
    node = nodes["n0"]
    for _ in range(5):
        await node.kill()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.start)
            while not node.running:
                node.check()
                await trio.lowlevel.checkpoint()
        node.check()


async def test_one_that_ends_by_itself_is_told(nodes: Mapping[str, NodeProcess]) -> None:
    nodes["n0"].send_signal(signal.SIGKILL)
    await wait_until(lambda: not nodes["n0"].running)
    with refused(DevnetCode.NODE_DIED, LocalFault, "n0"):
        nodes["n0"].check()


async def test_leaving_ends_all_and_a_second_end_does_no_harm(tmp_path: Path) -> None:
    async with node_processes({"n0": tmp_path, "n1": tmp_path}, tmp_path, SLEEPS) as nodes:
        left = list(nodes.values())
        await nodes["n1"].stop()
        await nodes["n1"].kill()
    assert not any(node.running for node in left)
    for node in left:
        node.check()


def looking(*answers: int | LocalFault | None) -> Callable[[], Awaitable[int | None]]:
    """Look at something that gives these answers, the last one for ever."""
    left = list(answers)

    async def look() -> int | None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, LocalFault):
            raise answer
        return answer

    return look


SILENT = LocalFault(NodeCode.NODE_UNREACHABLE, "n0")


async def test_a_node_that_does_not_answer_is_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    assert await until("seven", 10, looking(None, SILENT, 7)) == 7


async def test_every_other_fault_ends_the_wait(autojump_clock: trio.testing.MockClock) -> None:
    with refused(NodeCode.NODE_ANSWER, LocalFault):
        await until("an answer", 10, looking(LocalFault(NodeCode.NODE_ANSWER, "n0")))


async def test_what_does_not_come_is_named(autojump_clock: trio.testing.MockClock) -> None:
    with refused(DevnetCode.STORY_STUCK, LocalFault, "a sign of life"):
        await until("a sign of life", 10, looking(SILENT))


class Dropped:
    """Something that a weak reference watches."""


async def be_signalled_in_a_callback(number: signal.Signals) -> None:
    """Python drops whatever is raised inside the callback of a weak reference."""
    dropped = Dropped()
    watch = weakref.ref(dropped, lambda _: signal.raise_signal(number))
    del dropped
    assert watch() is None
    await trio.testing.wait_all_tasks_blocked()
    raise AssertionError("the signal was lost")


@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_a_signal_in_the_callback_of_a_weak_reference_ends_the_work(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        trio.run(run_interruptibly, partial(be_signalled_in_a_callback, number))


@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_a_signal_in_the_callback_of_a_weak_reference_ends_a_devnet(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def signalled(_: DevnetOptions) -> AsyncIterator[None]:
        await be_signalled_in_a_callback(number)
        yield

    monkeypatch.setattr(devnet, "running_devnet", signalled)
    assert devnet.main(DevnetOptions(output_dir=tmp_path / "devnet")) == 0
    with pytest.raises(KeyboardInterrupt):
        devnet.main(DevnetOptions(output_dir=tmp_path / "demo", demo=True))


def test_a_second_signal_does_not_cut_cleaning_up_short() -> None:
    cleaned = []

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)
                await trio.testing.wait_all_tasks_blocked()
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        trio.run(run_interruptibly, work)
    assert cleaned == [True]


def test_results_and_faults_pass_as_they_are_and_the_handlers_are_given_back() -> None:
    async def seven() -> int:
        return 7

    async def fail() -> None:
        raise LocalFault(DevnetCode.NODE_DIED, "n0")

    before = [signal.getsignal(number) for number in ENDING_SIGNALS]
    assert trio.run(run_interruptibly, seven) == 7
    with pytest.raises(LocalFault):
        trio.run(run_interruptibly, fail)
    assert [signal.getsignal(number) for number in ENDING_SIGNALS] == before
