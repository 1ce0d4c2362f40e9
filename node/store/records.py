"""The rows that a store keeps, as typed values, and receipts as rows and back.

Rule: payloads are opaque bytes to the store. Loading compares the stored digest, so that a failing disk and a forgery
are distinguished.
"""

from dataclasses import dataclass
from functools import cache

from clearing.base.codec import U63, Wire, decode, encode
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Receipt
from member.api.receipts import ReceiptAt, Series
from member.explaining.receipt_index import DEFAULTS, FUNDS, LIQUIDATIONS, receipt_accounts


class BlockRecord(Wire, frozen=True):
    """One decided height: block, precommit certificate and extended commit, each in its own canonical encoding."""

    height: U63
    block: bytes
    certificate: bytes
    extended_commit: bytes


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """One receipt. `accounts` are those that may read it."""

    height: int
    index: int
    accounts: tuple[int, ...]
    data: bytes


OLDEST = (0, -1)
"""(height, index) before every receipt."""
NEWEST = (2**63 - 1, 0)
"""(height, index) beyond every receipt."""


@dataclass(frozen=True, slots=True)
class ReceiptsAsked:
    """A page of receipts: at most `limit` of those beyond `after`, a (height, index), in their order; `newest_first`:
    of those before it, from the newest on."""

    limit: int
    after: tuple[int, int] = OLDEST
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """One epoch package: where the file is, relative to the node's home, and what it is."""

    epoch: int
    height: int
    path: str
    size: int
    digest: bytes
    """SHA-256 of the file."""


RECEIPT_BYTES_MAX = 1 << 20


class _Line(Wire, frozen=True):
    """One receipt of the union, so that its tag is read."""

    receipt: Receipt


def receipt_records(result: BlockResult) -> tuple[ReceiptRecord, ...]:
    """All receipts of a height, in order."""
    return tuple(
        ReceiptRecord(
            result.height, index, (*receipt_accounts(receipt), *_series(type(receipt))), encode(_Line(receipt))
        )
        for index, receipt in enumerate(result.receipts)
    )


@cache
def _series(kind: type[Receipt]) -> tuple[int, ...]:
    """Receipts that all members may read are also stored under the number of their series."""
    series = ((Series.LIQUIDATIONS, LIQUIDATIONS), (Series.DEFAULTS, DEFAULTS), (Series.FUND, FUNDS))
    return tuple(int(number) for number, kinds in series if kind in kinds)


def receipt_at(record: ReceiptRecord) -> ReceiptAt:
    """The typed receipt of a row. Raises RemoteFault when the row was not written by `receipt_records`."""
    return ReceiptAt(record.height, record.index, decode(record.data, _Line, RECEIPT_BYTES_MAX).receipt)
