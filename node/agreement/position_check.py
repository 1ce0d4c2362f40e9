"""`PositionWatch`: validators gossip the positions that moved, and report at once when two of them disagree.

Rule: agreement is the work of consensus; this gives an early warning and names the height. A height at which a peer has
other positions is recorded with both roots; gossip changes nothing else.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import structlog
import trio

from clearing.base.codec import I64, U32, U63, Bytes32, Wire, decode, encode
from clearing.base.errors import RemoteFault
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.settlement import Settled
from clearing.schema.receipts.trades import TradeNovated
from clearing.state.modules import Module
from clearing.state.state import State
from node.agreement.application import DecidedHeight
from node.p2p.network import Incoming, Network, Topic, carries

GOSSIP_BYTES_MAX = 32 << 10
BOOKS_BYTES_MAX = GOSSIP_BYTES_MAX - 256
"""Of the books in one message: what is longer, peers refuse."""
HEIGHTS_KEPT = 256
DISAGREEMENTS_KEPT = 256

log = structlog.get_logger(__name__)


class AccountPositions(Wire, frozen=True):
    """All positions of one account: (instrument, signed lots)."""

    account: U63
    lots: tuple[tuple[U32, I64], ...]


class PositionGossip(Wire, frozen=True):
    """Positions after one height: the root of all, and the books of the accounts that traded in it."""

    height: U63
    root: Bytes32
    books: tuple[AccountPositions, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A peer has other positions after a height than this node."""

    height: int
    peer: bytes
    own_root: bytes
    peer_root: bytes


class PositionWatch:
    """Remembers own roots of recent heights and compares those of peers."""

    def __init__(self) -> None:
        self._own: OrderedDict[int, bytes] = OrderedDict()
        self.heard: dict[bytes, PositionGossip] = {}
        """Newest gossip of each peer; peers are the validators."""
        self.disagreements: deque[Disagreement] = deque(maxlen=DISAGREEMENTS_KEPT)
        """The newest, one for each height and peer."""
        self.disagreed = 0
        """How many there were."""

    def decided(self, decided: DecidedHeight, network: Network) -> None:
        """Note the own root; gossip it when positions moved."""
        height, root = decided.header.height, decided.header.module_roots[Module.POSITIONS]
        self._own[height] = root
        if len(self._own) > HEIGHTS_KEPT:
            self._own.popitem(last=False)
        for peer, gossip in self.heard.items():
            if gossip.height == height:
                self._judge(peer, gossip)
        moved = sorted({account for receipt in decided.result.receipts for account in _moved(receipt)})
        if moved:
            books = tuple(_within(BOOKS_BYTES_MAX, (_account_positions(decided.state, account) for account in moved)))
            network.publish(Topic.POSITIONS, encode(PositionGossip(height, root, books)))

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Compare for ever."""
        async for message in incoming:
            try:
                gossip = decode(message.data, PositionGossip, GOSSIP_BYTES_MAX)
            except RemoteFault as fault:
                log.warning("position gossip refused", peer=message.sender.hex(), fault=str(fault))
                continue
            self.compare(message.sender, gossip)

    def compare(self, peer: bytes, gossip: PositionGossip) -> None:
        """Compare a peer's root with the own one of that height: now, or once we are there if it is ahead."""
        self.heard[peer] = gossip
        self._judge(peer, gossip)

    def _judge(self, peer: bytes, gossip: PositionGossip) -> None:
        own = self._own.get(gossip.height)
        if own is None or own == gossip.root:
            return
        if any(
            disagreement.height == gossip.height and disagreement.peer == peer for disagreement in self.disagreements
        ):
            return
        self.disagreed += 1
        self.disagreements.append(Disagreement(gossip.height, peer, own, gossip.root))
        log.error("a peer has other positions", height=gossip.height, peer=peer.hex(), root=gossip.root.hex())


valid_positions = carries(PositionGossip, GOSSIP_BYTES_MAX)
"""Gossip validator: whether the bytes are a `PositionGossip`."""


def _account_positions(state: State, account: int) -> AccountPositions:
    book = state.books.get(account)
    return AccountPositions(account, book.lots if book else ())


def _within(limit: int, books: Iterable[AccountPositions]) -> Iterator[AccountPositions]:
    left = limit
    for book in books:
        left -= len(encode(book))
        if left < 0:
            return
        yield book


def _moved(receipt: Receipt) -> tuple[int, ...]:
    if isinstance(receipt, TradeNovated):
        return receipt.buyer, receipt.seller
    if isinstance(receipt, Liquidated):
        return 0, receipt.account
    # An expired instrument leaves every holder; the root says so without naming them.
    return (0,) if isinstance(receipt, Settled) else ()
