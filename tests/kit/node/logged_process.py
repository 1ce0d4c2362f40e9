"""A process whose log is read all the time, and that is waited for without a limit.

Rule: while it doesn't do what is waited for, the end of its log is written to where nothing captures it, once an
interval. A process that should end is asked for its stacks by SIGUSR1, too, if it has registered `faulthandler` for it.
"""

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tests.kit.still_running import say

ROOT = Path(__file__).resolve().parents[3]
NOTICE_SECONDS = 60.0
STACKS_SECONDS = 2.0
"""So long the stacks may take to arrive: what comes later is in the next notice."""
LINES_SHOWN = 20
STACK_LINES_SHOWN = 200


class LoggedProcess:
    """A program of this kit. It ends by itself, or in order when its standard input does, or by `kill`."""

    def __init__(self, command: Sequence[str], notice_seconds: float = NOTICE_SECONDS) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stderr is not None
        self._pipe = f"pipe:[{os.fstat(self.process.stderr.fileno()).st_ino}]"
        self.lines: list[str] = []
        self._notice_seconds = notice_seconds
        self._unread: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def next_line(self) -> str:
        """The next line of its log that was not asked for; empty at the end."""
        waited = 0.0
        while True:
            try:
                return self._unread.get(timeout=self._notice_seconds)
            except queue.Empty:
                waited += self._notice_seconds
                self._notify(f"is silent since {waited:.0f} s", self.lines[-LINES_SHOWN:])

    def wait(self) -> int:
        """Its exit code, once it has ended and its log is read."""
        waited = 0.0
        while self._is_read_until(self._notice_seconds):
            waited += self._notice_seconds
            code = self.process.poll()
            if code is None:
                self._notify(f"has not ended after {waited:.0f} s", self._with_stacks())
            else:
                shown = [*self.lines[-LINES_SHOWN:], *self._holders()]
                self._notify(f"ended with {code}; its log is held open since {waited:.0f} s", shown)
        self._close()
        return self.process.wait()

    def kill(self) -> None:
        """SIGKILL. Afterwards `lines` has all that it said."""
        self.process.kill()
        self.process.wait()
        self.wait()

    def stop(self) -> None:
        """End it in order."""
        self._close()
        self.wait()

    def _is_read_until(self, seconds: float) -> bool:
        """Whether its log is still open after so many seconds."""
        self._reader.join(seconds)
        return self._reader.is_alive()

    def _with_stacks(self) -> list[str]:
        """The end of its log, and the stacks that it dumps now."""
        before = len(self.lines)
        if self._catches(signal.SIGUSR1):  # any other would be ended by it
            self.process.send_signal(signal.SIGUSR1)
            self._is_read_until(min(STACKS_SECONDS, self._notice_seconds))
        return [*self.lines[max(0, before - LINES_SHOWN) : before], *self.lines[before:][:STACK_LINES_SHOWN]]

    def _catches(self, number: signal.Signals) -> bool:
        with suppress(OSError):  # it may have ended
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
        return False

    def _holders(self) -> Iterator[str]:
        """The processes that have the other end of its log's pipe."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it may have ended
                links = {str(link.readlink()) for link in (process / "fd").iterdir()}
                if self._pipe in links and int(process.name) != os.getpid():
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    yield f"held by {process.name}: {command[:200]}\n"

    def _notify(self, what: str, lines: Sequence[str]) -> None:
        say(f"\nprocess {self.process.pid} {what}; the end of its log:\n{''.join(lines)}")

    def _close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as errors:
            for line in errors:
                self.lines.append(line)
                self._unread.put(line)
        self._unread.put("")
