"""`VoteExtension`: the prices and bridge facts that a validator attests.

Rule: at most `EXTENSION_BYTES_MAX` bytes. `decode_extension` reads every extension, the node's own too. It checks
syntax only: the state machine decides from all extensions of a height which prices and facts are accepted.
"""

from itertools import pairwise

from clearing.base.codec import U32, U63, Wire, decode, encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.schema.facts import Fact

EXTENSION_BYTES_MAX = 4096

FACTS_MAX = 12

REPORTS_MAX = 32


class PriceReport(Wire, frozen=True):
    """One validator's report on one feed."""

    feed: U32
    ticks: U63
    confidence_ticks: U63
    sources: U32
    """How many independent sources agree."""
    time_ms: U63


class VoteExtension(Wire, frozen=True):
    """All that one validator reports at one height. Reports are ordered by feed, each feed at most once."""

    prices: tuple[PriceReport, ...] = ()
    facts: tuple[Fact, ...] = ()


def encode_extension(extension: VoteExtension) -> bytes:
    """Canonical bytes."""
    return encode(extension)


def decode_extension(data: bytes) -> VoteExtension:
    """Read and check limits and order. Raises RemoteFault."""
    extension = decode(data, VoteExtension, EXTENSION_BYTES_MAX)
    check_extension(extension)
    return extension


def check_extension(extension: VoteExtension) -> None:
    """Check counts, order and ranges. Raises RemoteFault."""
    feeds = [report.feed for report in extension.prices]
    if len(feeds) > REPORTS_MAX or any(a >= b for a, b in pairwise(feeds)):
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.prices", count=len(feeds))
    if len(extension.facts) > FACTS_MAX:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.facts", count=len(extension.facts))
    if any(report.ticks == 0 for report in extension.prices):
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.prices.ticks", ticks=0)
