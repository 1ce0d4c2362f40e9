"""One node's process: `crossclear start`, or the same with a liar between its core and its network.

Rule: it is ended by its own id, gently or not; leaving `all_ended` ends whatever still runs. A process that ends by
itself is a failure, unless it was told to.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from tests.testnets.ground import ROOT, Place
from tests.testnets.manifest import NodeTerms

STOP_SECONDS = 60
"""Of an orderly stop; a loaded machine is slow, and a killed node would hide that."""


@dataclass(slots=True)
class RunningNode:
    """One node of the network, running or not."""

    name: str
    index: int
    home: Path
    place: Place
    terms: NodeTerms
    log: Path
    seed: int
    checkout: Path = ROOT
    """The sources it runs from."""
    settings: dict[str, str] = field(default_factory=dict)
    """Told on the command line, over node.toml."""
    held: bool = False
    """Stopped by a signal, not ended."""
    starts: int = 0
    _process: trio.Process | None = None
    _told_to_end: bool = field(default=False)

    @property
    def running(self) -> bool:
        """Whether the process lives; a held one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def able(self) -> bool:
        return self.running and not self.held

    @property
    def pid(self) -> int:
        """Of the process. Raises LocalFault when there is none."""
        if self._process is None:
            raise LocalFault(DevnetCode.NODE_DIED, self.name, why="never started")
        return self._process.pid

    @property
    def cpu_seconds(self) -> float:
        """What the running process has used; 0 when there is none."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def start(self) -> None:
        """Start it; returns at once."""
        self.held = False
        self.starts += 1
        with self.log.open("ab") as log:
            process = await trio.lowlevel.open_process(
                [*self.place.prefix, sys.executable, *self._program(), "--config", str(self.home / "node.toml")],
                # However the runner ends, the pipe closes with it, and so does the node.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.checkout,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(self.checkout)},
            )
        # Together: until here the process that was told to end is the one that is looked at.
        self._process, self._told_to_end = process, False

    def _program(self) -> list[str]:
        if self.terms.adversary:
            chosen = ["--adversary", self.terms.adversary, "--seed", str(self.seed + self.index)]
            return ["-m", "tests.testnets.byzantine", *chosen]
        options = [word for key, value in self.settings.items() for word in ("--set", f"{key}={value}")]
        return ["-m", "cli", "start", "--until-stdin-closes", *options]

    def hold(self) -> None:
        """SIGSTOP: the process stands still, its connections stay."""
        os.kill(self.pid, signal.SIGSTOP)
        self.held = True

    def release(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)
        self.held = False

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM. Raises LocalFault when it does not end with 0 in time."""
        await self._end(signal.SIGTERM)
        status = self._process.returncode if self._process is not None else 0
        if status:
            raise LocalFault(DevnetCode.NODE_DIED, self.name, exit_code=status, log=str(self.log))

    def check(self) -> None:
        """Raises LocalFault NODE_DIED when it ended by itself."""
        if self._process is not None and not self._told_to_end and self._process.poll() is not None:
            status = self._process.returncode or 0
            raise LocalFault(DevnetCode.NODE_DIED, self.name, exit_code=status, log=str(self.log))

    async def _end(self, how: signal.Signals) -> None:
        self._told_to_end = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        if self.held:
            self.release()
        process.send_signal(how)
        with trio.move_on_after(STOP_SECONDS) as scope:
            await process.wait()
        if scope.cancelled_caught:
            process.kill()
            await process.wait()


@asynccontextmanager
async def all_ended(nodes: Iterable[RunningNode]) -> AsyncIterator[None]:
    """End every process at the end, whatever happened."""
    chosen = list(nodes)
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for node in chosen:
                    nursery.start_soon(node._end, signal.SIGTERM)
