"""Ports of loopback that nobody listens on.

Rule: looks, and holds nothing: whoever is told of a port may still be too late.
"""

import socket

from clearing.base.errors import LocalFault
from node.devnet.codes import DevnetCode
from node.testnet import API_PORT_OFFSET


def free_base_port(validators: int) -> int:
    """A port from which on, and 100 above, as many are free. Raises LocalFault when there are none."""
    for base in range(26_600, 60_000, 2 * API_PORT_OFFSET):
        wanted = [base + above + index for above in (0, API_PORT_OFFSET) for index in range(validators)]
        if all(is_free(port) for port in wanted):
            return base
    raise LocalFault(DevnetCode.NODE_NOT_READY, "ports", why="no free range")


def is_free(port: int) -> bool:
    """Whether a process could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
