"""A page of receipts as a store answers it."""

from collections.abc import Sequence

from member.api.receipts import ReceiptAt
from node.store.records import ReceiptsAsked


def page_of_receipts(found: Sequence[ReceiptAt], page: ReceiptsAsked) -> Sequence[ReceiptAt]:
    """`found`: in order."""
    if page.newest_first:
        return [each for each in reversed(found) if (each.height, each.index) < page.after][: page.limit]
    return [each for each in found if (each.height, each.index) > page.after][: page.limit]
