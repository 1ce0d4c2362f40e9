"""`PositionWatch`: validators tell each other the positions that moved, and notice at once when two disagree.

Rule: agreement is consensus' work; gossip only warns early and says where. A height whose positions another validator
holds differently is kept with both roots; nothing is ever changed by what is heard.
"""

from collections import OrderedDict
from dataclasses import dataclass

import structlog
import trio

from clearing.base.codec import I64, U32, U63, Bytes32, Wire, decode, encode
from clearing.base.errors import RemoteFault
from clearing.receipts import Liquidated, Receipt, Settled, TradeNovated
from clearing.state.state import Module
from node.application import Decided
from node.p2p.network import Incoming, Network, Topic

GOSSIP_BYTES_MAX = 32 << 10
ACCOUNTS_TOLD_MAX = 256
HEIGHTS_KEPT = 256

log = structlog.get_logger(__name__)


class BookTold(Wire, frozen=True):
    """All positions of one account: (instrument, signed lots)."""

    account: U63
    lots: tuple[tuple[U32, I64], ...]


class PositionGossip(Wire, frozen=True):
    """Positions after one height: the root of all, and the books of the accounts that traded in it."""

    height: U63
    root: Bytes32
    books: tuple[BookTold, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Somebody holds other positions after a height than we do."""

    height: int
    peer: bytes
    own_root: bytes
    told_root: bytes


class PositionWatch:
    """Remembers the own roots of recent heights and compares what peers tell."""

    def __init__(self) -> None:
        self._own: OrderedDict[int, bytes] = OrderedDict()
        self.heard: dict[bytes, PositionGossip] = {}
        """Newest gossip of each peer."""
        self.disagreements: list[Disagreement] = []

    def decided(self, decided: Decided, network: Network) -> None:
        """Note the own root; tell peers when positions moved."""
        root = decided.header.module_roots[Module.POSITIONS]
        self._own[decided.header.height] = root
        if len(self._own) > HEIGHTS_KEPT:
            self._own.popitem(last=False)
        moved = sorted({account for receipt in decided.result.receipts for account in _moved(receipt)})
        if moved:
            books = tuple(
                BookTold(account, book.lots if (book := decided.state.books.get(account)) else ())
                for account in moved[:ACCOUNTS_TOLD_MAX]
            )
            network.publish(Topic.POSITIONS, encode(PositionGossip(decided.header.height, root, books)))

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Compare for ever."""
        async for message in incoming:
            self.compare(message.sender, decode(message.data, PositionGossip, GOSSIP_BYTES_MAX))

    def compare(self, peer: bytes, told: PositionGossip) -> None:
        """Hold one peer's word against the own root of that height, if it is still known."""
        self.heard[peer] = told
        own = self._own.get(told.height)
        if own is not None and own != told.root:
            self.disagreements.append(Disagreement(told.height, peer, own, told.root))
            log.error("a peer holds other positions", height=told.height, peer=peer.hex(), root=told.root.hex())


def valid_positions(message: Incoming) -> bool:
    """Gossip validator: whether the bytes are a `PositionGossip`."""
    try:
        decode(message.data, PositionGossip, GOSSIP_BYTES_MAX)
    except RemoteFault:
        return False
    return True


def _moved(receipt: Receipt) -> tuple[int, ...]:
    if isinstance(receipt, TradeNovated):
        return receipt.buyer, receipt.seller
    if isinstance(receipt, Liquidated):
        return 0, receipt.account
    # An expired instrument leaves every holder; the root says so without naming them.
    return (0,) if isinstance(receipt, Settled) else ()
