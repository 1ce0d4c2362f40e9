"""`BlockInput`, `VoteExtension` and `BlockResult`: the input and output of the state machine.

Rule: all are canonical values, so a block log can be replayed anywhere. They contain no votes, rounds or network bytes.
A vote extension attests prices and bridge facts in at most `EXTENSION_BYTES_MAX` bytes. `decode_extension` decodes
every extension, also the node's own, and checks syntax only; the state machine decides from all extensions of a height
which prices and facts are accepted.
"""

from itertools import pairwise

from clearing.base.codec import U32, U63, Bytes32, Wire, decode, encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.header import DepositCursor
from clearing.schema.blocks.deposit_batch import WrittenFact, check_batches
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.transfers import Transfer

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
    facts: tuple[WrittenFact, ...] = ()


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
    check_batches(extension.facts)
    if any(report.ticks == 0 for report in extension.prices):
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.prices.ticks", ticks=0)


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
