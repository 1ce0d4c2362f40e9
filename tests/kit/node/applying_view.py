"""A node behind the API of which every accepted request is in a block of a world at once, with fate and receipts."""

from collections.abc import Sequence

from clearing.base.errors import Rejected
from clearing.base.ids import NetworkId
from clearing.schema.blocks.receipt import Receipt, Refused
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.state.state import State
from member.api.receipts import ReceiptAt
from member.explaining.receipt_index import receipt_accounts
from node.app.clock import clock_ms
from node.pool.mempool import Accepted
from node.store.fate_table import FateRecord, FateState
from node.store.records import ReceiptsAsked
from tests.kit.clearing.world import World, codes
from tests.kit.node.fake_view import FakeView
from tests.kit.node.receipt_page import page_of_receipts


class ApplyingView(FakeView):
    """The world's time is brought to the clock's before it is asked. `refused`: codes of the blocks' refusals."""

    def __init__(self, world: World) -> None:
        super().__init__(world.state)
        self.world = world
        self.refused: list[int] = []
        self._fates: dict[bytes, tuple[FateRecord, Transaction, list[Receipt]]] = {}
        self._receipts: list[ReceiptAt] = []
        world.block(after_ms=clock_ms() - world.time_ms)

    @property
    def network(self) -> NetworkId:
        return self.world.network

    @property
    def state(self) -> State:
        return self.world.state

    def submit(self, transaction: Transaction) -> Accepted | Rejected:
        self.submitted.append(transaction)
        result, hash_ = self.world.block(transaction), transaction_hash(transaction)
        self.refused += codes(result)
        self._note(hash_, transaction, list(result.receipts))
        return Accepted(hash_, known=False)

    def _note(self, hash_: bytes, transaction: Transaction, receipts: list[Receipt]) -> None:
        height, refusal = self.state.now.height, next((each for each in receipts if isinstance(each, Refused)), None)
        self._receipts += [ReceiptAt(height, index, receipt) for index, receipt in enumerate(receipts)]
        state = FateState.APPLIED if refusal is None else FateState.REFUSED
        code, place = (0, "") if refusal is None else (refusal.code, refusal.at)
        fate = FateRecord(hash_, state, self.state.now.time_ms, height, 0, 0, len(receipts) - 1, code, place)
        self._fates[hash_] = (fate, transaction, receipts)

    def fate(self, hash_: bytes) -> FateRecord | None:
        found = self._fates.get(hash_)
        return found and found[0]

    def outcome(self, fate: FateRecord) -> tuple[Transaction, list[Receipt]]:
        return self._fates[fate.hash][1:]

    def receipts(self, key: int, page: ReceiptsAsked) -> Sequence[ReceiptAt]:
        """Of requests and of blocks that were made through this view."""
        own = [each for each in self._receipts if key in receipt_accounts(each.receipt)]
        return page_of_receipts(own, page)

    def pass_block(self, after_ms: int = 1_000) -> None:
        """A block without requests."""
        result = self.world.block(after_ms=after_ms)
        height = self.state.now.height
        self._receipts += [ReceiptAt(height, index, receipt) for index, receipt in enumerate(result.receipts)]
