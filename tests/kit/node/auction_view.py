"""A node behind the API at the height of a world in which a defaulter's portfolio is for sale."""

import msgspec

from clearing.base.header import Header
from clearing.base.ids import NetworkId
from clearing.schema.blocks.transaction import transaction_hash
from node.store.fate_table import FateRecord, FateState
from tests.kit.clearing.world import World
from tests.kit.node.fake_view import FakeView


class AuctionView(FakeView):
    """What it accepts is in its pool, but for what `refuses` says was refused by a block."""

    def __init__(self, world: World) -> None:
        super().__init__(world.state)
        self._height = world.state.now.height
        self.refuses = False

    @property
    def network(self) -> NetworkId:
        return self._state.terms.network

    @property
    def newest(self) -> Header | None:
        header = super().newest
        return header and msgspec.structs.replace(header, height=self._height)

    def fate(self, hash_: bytes) -> FateRecord | None:
        known = hash_ in {transaction_hash(each) for each in self.submitted}
        return FateRecord(hash_, FateState.REFUSED if self.refuses else FateState.PENDING, 0) if known else None
