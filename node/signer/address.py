"""Where a signer listens: `unix:PATH` or `tcp:HOST:PORT`.

Rule: a Unix socket is open to its owner only; a path that exists and answers is never taken over.
"""

import os
import socket
from pathlib import Path

from clearing.base.errors import LocalFault
from member.codes import NodeCode

BACKLOG = 8


def dial(address: str, seconds: float) -> socket.socket:
    """A connected socket. Raises LocalFault: SIGNER_SILENT, CONFIG_VALUE for what is no address."""
    family, place = _parsed(address)
    link = socket.socket(family, socket.SOCK_STREAM)
    try:
        link.settimeout(seconds)
        link.connect(place)
        _tune(link)
    except OSError as error:
        link.close()
        raise LocalFault(NodeCode.SIGNER_SILENT, address, why=str(error)) from None
    return link


def listen(address: str) -> socket.socket:
    """A listening socket. Raises LocalFault CONFIG_VALUE when the address is taken or unusable."""
    family, place = _parsed(address)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_UNIX:
            _bind_unix(listener, Path(str(place)))
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise LocalFault(NodeCode.CONFIG_VALUE, "signer.address", address=address, why=str(error)) from None
    except LocalFault:
        listener.close()
        raise
    return listener


def accept(listener: socket.socket) -> socket.socket:
    """The next connection. Raises OSError when the listener is closed."""
    link, _ = listener.accept()
    _tune(link)
    return link


def address_of(listener: socket.socket) -> str:
    """What to dial, with the port that the system chose."""
    name = listener.getsockname()
    return f"unix:{name}" if listener.family == socket.AF_UNIX else f"tcp:{name[0]}:{name[1]}"


def _parsed(address: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    scheme, _, rest = address.partition(":")
    if scheme == "unix" and rest:
        return socket.AF_UNIX, rest
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and host and port.isascii() and port.isdigit() and int(port) <= 65535:
        return socket.AF_INET6 if ":" in host else socket.AF_INET, (host.strip("[]"), int(port))
    raise LocalFault(NodeCode.CONFIG_VALUE, "signer.address", address=address)


def _bind_unix(listener: socket.socket, path: Path) -> None:
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(str(path)) == 0:
                raise LocalFault(NodeCode.CONFIG_VALUE, "signer.address", address=str(path), why="in use")
        path.unlink()  # left by a signer that died
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)


def _tune(link: socket.socket) -> None:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if link.family != socket.AF_UNIX:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
