"""Receipts as rows of the store, and back.

Rule: what is stored is the receipt's canonical bytes with the accounts that it names, which are those that may read it.
"""

from clearing.base.codec import Wire, decode, encode
from clearing.blocks import BlockResult
from clearing.receipts import Receipt
from node.api.render import receipt_accounts
from node.api.view import ReceiptAt, Series
from node.explaining.concerned import DEFAULTS, FUNDS, LIQUIDATIONS
from node.store.records import ReceiptRecord

RECEIPT_BYTES_MAX = 1 << 20


class _Line(Wire, frozen=True):
    """One receipt of the union, so that its tag is read."""

    receipt: Receipt


def receipt_records(result: BlockResult) -> tuple[ReceiptRecord, ...]:
    """All receipts of a height, in order."""
    return tuple(
        ReceiptRecord(result.height, index, (*receipt_accounts(receipt), *_series(receipt)), encode(_Line(receipt)))
        for index, receipt in enumerate(result.receipts)
    )


def _series(receipt: Receipt) -> tuple[int, ...]:
    """What all members may read stands under the number of its series, too."""
    series = ((Series.LIQUIDATIONS, LIQUIDATIONS), (Series.DEFAULTS, DEFAULTS), (Series.FUND, FUNDS))
    return tuple(int(each) for each, kinds in series if type(receipt) in kinds)


def receipt_at(record: ReceiptRecord) -> ReceiptAt:
    """The typed receipt of a row. Raises RemoteFault when the row was not written by `receipt_records`."""
    return ReceiptAt(record.height, record.index, decode(record.data, _Line, RECEIPT_BYTES_MAX).receipt)
