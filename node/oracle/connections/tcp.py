"""`open_stream`: the TCP connection under a WebSocket, with TLS for wss.

Rule: its opener closes it. The library closes it only at the end of a whole closing handshake.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

from clearing.base.errors import LocalFault
from node.oracle.source import OracleCode


@dataclass(frozen=True, slots=True)
class Address:
    """Of a WebSocket: host and port, what the `Host` header states, and the resource with its query."""

    host: str
    port: int
    is_tls: bool
    header: str
    resource: str


def address_of(url: str) -> Address:
    """Of a ws or wss URL. Raises LocalFault PRICE_SOURCE_UNUSABLE: no host, or a port that is none."""
    try:
        parts = urlsplit(url)
        host, stated = parts.hostname or "", parts.port
    except ValueError as error:
        raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, "oracle.sources", url=url, why=str(error)) from None
    if not host:
        raise LocalFault(OracleCode.PRICE_SOURCE_UNUSABLE, "oracle.sources", url=url, why="no host")
    is_tls = parts.scheme == "wss"
    port = stated or (443 if is_tls else 80)
    name = f"[{host}]" if ":" in host else host
    header = name if port in (80, 443) else f"{name}:{port}"
    return Address(host, port, is_tls, header, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


async def open_stream(address: Address) -> "trio.abc.Stream":
    """Raises OSError; with TLS the handshake comes with the first bytes."""
    if address.is_tls:
        return await trio.open_ssl_over_tcp_stream(address.host, address.port, https_compatible=True)
    return await trio.open_tcp_stream(address.host, address.port)
