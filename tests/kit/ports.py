"""Ports of loopback for processes that must be told theirs before they listen.

Rule: none lies where the system takes the near ends of outgoing connections from, so that no dial of anybody's takes it
before its process does; none is given twice by one process; test processes beside each other begin far apart.
"""

import os
from collections.abc import Iterator

from devnet.network import is_free

FIRST_PORT, LAST_PORT = 10_000, 26_000
"""Below 32768, where Linux begins, and below where a devnet looks for its own."""
STRIDE = 64


def _walk() -> Iterator[int]:
    start = os.getpid() * STRIDE % (LAST_PORT - FIRST_PORT)
    while True:
        yield from (FIRST_PORT + (start + at) % (LAST_PORT - FIRST_PORT) for at in range(LAST_PORT - FIRST_PORT))


_PORTS = _walk()


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens on."""
    found: list[int] = []
    for _ in range(LAST_PORT - FIRST_PORT):
        if len(found) == count:
            return found
        port = next(_PORTS)
        if is_free(port):
            found.append(port)
    raise RuntimeError(f"of {count} ports only {len(found)} are free")


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
