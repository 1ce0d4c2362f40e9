"""What systemd is notified of: that it is ready, that it lives, how far it is, and that it stops (sd_notify(3)).

Rule: without NOTIFY_SOCKET nothing happens, and a message that cannot be delivered is no reason to stop a node. Signs
of life come from the event loop itself: a loop that is stuck sends none, and systemd ends the process.
"""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

import trio

STATUS_SECONDS = 5.0
"""Between two messages, where no watchdog asks for more."""


class SystemdNotice:
    """The notification socket that the environment names."""

    def __init__(self, environment: Mapping[str, str], process: int) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        asked = environment.get("WATCHDOG_USEC", "")
        is_asked = environment.get("WATCHDOG_PID", str(process)) == str(process)
        self._watchdog_seconds = int(asked) / 1_000_000 if asked.isascii() and asked.isdigit() and is_asked else 0.0

    async def run(self, status: Callable[[], str]) -> None:
        """Tell that the process is ready, then that it lives, until cancelled; then that it stops."""
        if not self._address:
            return
        self._tell("READY=1", f"STATUS={status()}", f"MAINPID={os.getpid()}")
        # Half of it, as sd_watchdog_enabled(3) recommends.
        pause = min(STATUS_SECONDS, self._watchdog_seconds / 2 or STATUS_SECONDS)
        try:
            while True:
                await trio.sleep(pause)
                self._tell(*(["WATCHDOG=1"] if self._watchdog_seconds else []), f"STATUS={status()}")
        finally:
            self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        # An abstract socket is written with @ for its zero byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sender:
            sender.settimeout(0)
            sender.sendto("\n".join(lines).encode(), address)
