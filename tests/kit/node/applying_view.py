"""A node behind the API of which every accepted request is in a block of a world at once."""

from clearing.base.errors import Rejected
from clearing.base.ids import NetworkId
from clearing.schema.blocks.transaction import Transaction
from clearing.state.state import State
from node.app.node import clock_ms
from node.pool.mempool import Accepted, transaction_hash
from tests.kit.clearing.world import World, codes
from tests.kit.node.fake_view import FakeView


class ApplyingView(FakeView):
    """The world's time is brought to the clock's before it is asked. `refused`: codes of the blocks' refusals."""

    def __init__(self, world: World) -> None:
        super().__init__(world.state)
        self.world = world
        self.refused: list[int] = []
        world.block(after_ms=clock_ms() - world.time_ms)

    @property
    def network(self) -> NetworkId:
        return self.world.network

    @property
    def state(self) -> State:
        return self.world.state

    def submit(self, transaction: Transaction) -> Accepted | Rejected:
        self.submitted.append(transaction)
        self.refused += codes(self.world.block(transaction))
        return Accepted(transaction_hash(transaction), known=False)
