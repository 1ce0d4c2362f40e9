"""Rules of ending on request: no signal is lost, wherever it arrives, and cleaning up is not cut short."""

import signal
import weakref
from collections.abc import AsyncIterator
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
from devnet.options import DevnetOptions


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
