"""Ports of loopback for processes that must be told theirs before they listen.

Rule: none lies where the system takes the near ends of outgoing connections from, so that no dial of anybody's takes it
before its process does; none is given twice by one process. A process takes ports out of ranges of its own: the first
port of a range stays bound as long as the process runs, so that no other process of tests takes the range.
"""

import socket
from collections.abc import Iterator

from devnet.network import is_free

FIRST_PORT, LAST_PORT = 10_000, 26_000
"""Below 32768, where Linux begins, and below where a devnet looks for its own."""
RANGE = 64
REFUSED_BY_FETCH = 10_080
"""By browsers and by `fetch` elsewhere: the only one in these bounds (Fetch standard, "Port blocking")."""
_marks: list[socket.socket] = []


def _own_ports() -> Iterator[int]:
    for first in range(FIRST_PORT, LAST_PORT, RANGE):
        mark = socket.socket()
        try:
            mark.bind(("127.0.0.1", first))
        except OSError:
            mark.close()
            continue
        _marks.append(mark)
        yield from range(first + 1, first + RANGE)


_ports = _own_ports()


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens on. Raises RuntimeError when all ranges are taken."""
    found: list[int] = []
    while len(found) < count:
        port = next(_ports, None)
        if port is None:
            raise RuntimeError(f"of {count} ports only {len(found)} are free")
        if port != REFUSED_BY_FETCH and is_free(port):
            found.append(port)
    return found


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
