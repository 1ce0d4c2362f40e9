"""Validators as processes: started through the command line, watched, and ended by their id.

Rule: the starter of a process owns it; leaving the `async with` ends it, gently first. A process that ends by itself is
a failure of the devnet, unless it was asked to.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode

STOP_SECONDS = 60
"""Of an orderly stop; a loaded machine is slow."""
LAUNCHER = (sys.executable, "-m", "cli")


class NodeProcess:
    """One `crossclear start`, restartable, with its log appended to one file."""

    def __init__(self, name: str, home: Path, log_file: Path, launcher: Sequence[str] = LAUNCHER) -> None:
        """`launcher`: the program up to its first argument; another one may watch over it, as a profiler does."""
        self.name = name
        self.home = home
        self._log_file = log_file
        self._launcher = launcher
        self._process: trio.Process | None = None
        self._asked_to_end = False

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it; returns at once."""
        with self._log_file.open("ab") as log:
            process = await trio.lowlevel.open_process(
                [
                    *(*self._launcher, "start"),
                    *("--config", str(self.home / "node.toml"), "--until-stdin-closes"),
                ],
                # However the devnet ends, the pipe closes with it, and so does the node.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Its own group: Ctrl-C reaches the devnet, which then ends its nodes in order.
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        # Together: a check while it starts sees the process before it, which was asked to end.
        self._process, self._asked_to_end = process, False

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it lives."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after a minute."""
        await self._end(signal.SIGTERM)

    def check(self) -> None:
        """Raises LocalFault NODE_DIED when it ended by itself."""
        if self._process is not None and not self._asked_to_end and self._process.poll() is not None:
            raise LocalFault(
                DevnetCode.NODE_DIED, self.name, exit_code=self._process.returncode or 0, log=str(self._log_file)
            )

    async def _end(self, how: signal.Signals) -> None:
        self._asked_to_end = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        with trio.move_on_after(STOP_SECONDS) as scope:
            await process.wait()
        if scope.cancelled_caught:
            process.kill()
            await process.wait()


@asynccontextmanager
async def node_processes(
    homes: dict[str, Path], logs: Path, launcher: Sequence[str] = LAUNCHER
) -> AsyncIterator[dict[str, NodeProcess]]:
    """Start a process per home; on leaving, end all of them in any case."""
    nodes = {name: NodeProcess(name, home, logs / f"{name}.log", launcher) for name, home in homes.items()}
    try:
        for node in nodes.values():
            await node.start()
        yield nodes
    finally:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for node in nodes.values():
                    nursery.start_soon(node.stop)
