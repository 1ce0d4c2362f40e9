"""Who is behind an endpoint: several addresses of one provider are one voice in a quorum.

Rule: host and port tell providers apart, whatever the spelling, the path or the key in it. It resolves no names, so two
names of one company count as two: choosing providers that share nothing is the operator's part.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}

_THIS_MACHINE = "this machine"


def provider_of(url: str) -> str:
    """Host and port in one spelling; an address that nobody can dial is itself."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:  # a port beyond the last one, brackets around no address
        return url
    if host == "localhost" or host.endswith(".localhost"):
        host = _THIS_MACHINE
    else:
        try:
            address = ip_address(host)
        except ValueError:
            pass
        else:
            mapped = getattr(address, "ipv4_mapped", None) or address
            host = _THIS_MACHINE if mapped.is_loopback or mapped.is_unspecified else str(mapped)
    return f"{host}:{port}"


def repeated_provider(urls: Sequence[str]) -> str | None:
    """The first endpoint whose provider one before it has too."""
    seen = set[str]()
    for url in urls:
        provider = provider_of(url)
        if provider in seen:
            return url
        seen.add(provider)
    return None


def is_quorum(quorum: int, endpoints: int) -> bool:
    """Whether so many of so many endpoints are a quorum: two of them always have an endpoint in common."""
    return endpoints // 2 < quorum <= endpoints
