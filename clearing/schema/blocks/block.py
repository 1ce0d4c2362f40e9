"""`BlockInput`, `VoteExtension` and `BlockResult`: the input and output of the state machine.

Rule: all are canonical values, so a block log can be replayed anywhere. They contain no votes, rounds or network bytes.
A vote extension attests prices, bridge facts and surfaces in at most `EXTENSION_BYTES_MAX` bytes. `decode_extension`
decodes every extension, also the node's own, and checks syntax only; the state machine decides from all extensions of a
height what is accepted. An extension without surfaces keeps the form of two fields that it had before there were any.
"""

from itertools import pairwise

from clearing.base.codec import U32, U63, Bytes32, Wire, decode, encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.header import DepositCursor
from clearing.schema.blocks.deposit_batch import WrittenFact, check_batches
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.risk.live_surface import FORWARD_MAX_PPB, LEVEL_MAX_PPM, RATE_MAX_PPM
from clearing.schema.risk.live_surface import ExpiryQuote as ExpiryQuote
from clearing.schema.risk.volatility_surface import SKEW_MAX_PPM, VOLATILITY_MIN_PPM, WING_MAX_PPM
from clearing.schema.transfers import Transfer

EXTENSION_BYTES_MAX = 4096
FACTS_MAX = 12
REPORTS_MAX = 32
SURFACES_MAX = 4
"""Per extension. The state keeps a report until it is too old, so a validator with more groups reports them in turn."""
SURFACE_EXPIRIES_MAX = 16


class PriceReport(Wire, frozen=True):
    """One validator's report on one feed."""

    feed: U32
    ticks: U63
    confidence_ticks: U63
    sources: U32
    """How many independent sources agree."""
    time_ms: U63


class SurfaceReport(Wire, frozen=True):
    """One validator's forwards and volatility surface of one risk group."""

    group: U32
    """`RiskGroup.id`."""
    time_ms: U63
    sources: U32
    """How many independent sources agree."""
    expiries: tuple[ExpiryQuote, ...]
    """Rising by expiry, at most `SURFACE_EXPIRIES_MAX`."""


class VoteExtension(Wire, frozen=True):
    """All that one validator reports at one height. Reports are ordered by feed, each feed at most once."""

    prices: tuple[PriceReport, ...] = ()
    facts: tuple[WrittenFact, ...] = ()
    surfaces: tuple[SurfaceReport, ...] = ()
    """Ordered by group, each group at most once."""


class _PlainExtension(Wire, frozen=True):
    """An extension without surfaces."""

    prices: tuple[PriceReport, ...]
    facts: tuple[WrittenFact, ...]


def _prices_bytes_max() -> int:
    """The size of an extension with as many prices as large as they may be, and nothing else."""
    largest = PriceReport(2**32 - 1, 2**63 - 1, 2**63 - 1, 2**32 - 1, 2**63 - 1)
    return len(encode(VoteExtension((largest,) * REPORTS_MAX)))


FACTS_AND_SURFACES_BYTES_MAX = EXTENSION_BYTES_MAX - _prices_bytes_max()
"""What every set of prices leaves of an extension."""
SURFACES_BYTES_MAX = FACTS_AND_SURFACES_BYTES_MAX // 2
"""What surfaces take of it at most, so that neither they nor the facts of chains silence the other."""
_PLAIN_HEAD = 0x92
"""First byte of an array of two."""


def encode_extension(extension: VoteExtension) -> bytes:
    """Canonical bytes: an array of three, or of two without surfaces."""
    return encode(extension if extension.surfaces else _PlainExtension(extension.prices, extension.facts))


def decode_extension(data: bytes) -> VoteExtension:
    """Read and check limits and order. Raises RemoteFault."""
    if data[:1] == bytes([_PLAIN_HEAD]):
        plain = decode(data, _PlainExtension, EXTENSION_BYTES_MAX)
        extension = VoteExtension(plain.prices, plain.facts)
    else:
        extension = decode(data, VoteExtension, EXTENSION_BYTES_MAX)
        if not extension.surfaces:
            raise RemoteFault(BaseCode.NON_CANONICAL, "extension.surfaces", count=0)
    check_extension(extension)
    return extension


def check_extension(extension: VoteExtension) -> None:
    """Check counts, order and ranges. Raises RemoteFault."""
    feeds = [report.feed for report in extension.prices]
    if len(feeds) > REPORTS_MAX or any(a >= b for a, b in pairwise(feeds)):
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.prices", count=len(feeds))
    if len(extension.facts) > FACTS_MAX:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.facts", count=len(extension.facts))
    check_batches(extension.facts)
    if any(report.ticks == 0 for report in extension.prices):
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.prices.ticks", ticks=0)
    groups = [report.group for report in extension.surfaces]
    if len(groups) > SURFACES_MAX or any(a >= b for a, b in pairwise(groups)):
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.surfaces", count=len(groups))
    for surface in extension.surfaces:
        _check_surface(surface)


def _check_surface(surface: SurfaceReport) -> None:
    expiries = [quote.expiry_ms for quote in surface.expiries]
    if not 1 <= len(expiries) <= SURFACE_EXPIRIES_MAX or any(a >= b for a, b in pairwise(expiries)):
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.surfaces.expiries", count=len(expiries))
    for quote in surface.expiries:
        checks = (
            ("expiry_ms", quote.expiry_ms, quote.expiry_ms < 2**62),
            ("forward_ppb", quote.forward_ppb, 1 <= quote.forward_ppb <= FORWARD_MAX_PPB),
            ("rate_ppm", quote.rate_ppm, abs(quote.rate_ppm) <= RATE_MAX_PPM),
            ("level_ppm", quote.level_ppm, VOLATILITY_MIN_PPM <= quote.level_ppm <= LEVEL_MAX_PPM),
            ("skew_ppm", quote.skew_ppm, abs(quote.skew_ppm) <= SKEW_MAX_PPM),
            ("wing_ppm", quote.wing_ppm, quote.wing_ppm <= WING_MAX_PPM),
        )
        for field, value, good in checks:
            if not good:
                raise RemoteFault(BaseCode.OUT_OF_RANGE, f"extension.surfaces.{field}", value=value)


class BlockExtension(Wire, frozen=True):
    """One validator's vote extension of the previous height. None when its bytes could not be decoded."""

    validator: U32
    power: U63
    extension: VoteExtension | None


class ProvenOffence(Wire, frozen=True):
    """Misbehaviour of one validator, verified by consensus and reported once. `kind` as in consensus."""

    envelope_key: Bytes32
    kind: U32
    height: U63
    round: U32
    power: U63


class BlockInput(Wire, frozen=True):
    """One height, as consensus decided it. The order of `extensions` does not matter; transactions are ordered."""

    height: U63
    time_ms: U63
    extensions: tuple[BlockExtension, ...]
    total_power: U63
    """Total power of the validator set that the extensions come from."""
    transactions: tuple[Transaction, ...]
    misbehaviour: tuple[ProvenOffence, ...] = ()
    """Ordered by (key, height, round, kind)."""


class BlockResult(Wire, frozen=True):
    """The result of one block: what happened, and the roots for the header."""

    height: U63
    receipts: tuple[Receipt, ...]
    transfers: tuple[Transfer, ...]
    """Every movement of money, in order."""
    module_roots: tuple[Bytes32, ...]
    withdrawals_root: Bytes32
    withdrawals_count: U63
    exit_root: Bytes32
    epoch: U63
    snapshot_due: bool
    """Whether the state after this block becomes the snapshot of `epoch`."""
    deposit_cursors: tuple[DepositCursor, ...]
