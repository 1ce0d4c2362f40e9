"""A node's view for the page of a network in which an account was called, and slices of another are for sale."""

from collections.abc import Sequence

from clearing.schema.blocks.block import BlockResult
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from member.api.receipts import ReceiptAt, Series
from member.explaining.receipt_index import LIQUIDATIONS
from node.store.records import ReceiptsAsked
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import CAROL
from tests.kit.member.page_view import PageView
from tests.kit.node.receipt_page import page_of_receipts

CALLS = CallTerms(deadline_blocks=2)
SALE = LiquidationTerms(
    auction_blocks=6, start_ppm=1_000, end_ppm=9_000, slice_max_ppm=50_000, bidder_share_ppm=400_000
)


class CrisisView(PageView):
    """Alice's call has lapsed; Carol took a slice of her portfolio, and more is for sale."""

    def __init__(self) -> None:
        world = leveraged(CALLS, SALE)
        results: list[tuple[int, BlockResult]] = []

        def decide(*requests: object) -> None:
            results.append((world.state.now.height + 1, world.block(*requests)))

        world.prices(FALLEN)
        for _ in range(4):
            decide()
        decide(world.liquidation_bid(CAROL))
        self._receipts = [
            ReceiptAt(height, index, receipt)
            for height, result in results
            for index, receipt in enumerate(result.receipts)
            if type(receipt) in LIQUIDATIONS
        ]
        super().__init__(state=world.state)

    def receipts(self, key: int, page: ReceiptsAsked) -> Sequence[ReceiptAt]:
        found = self._receipts if key == Series.LIQUIDATIONS else []
        return page_of_receipts(found, page)
