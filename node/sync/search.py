"""`StateSearch`: how the search for a state goes, for the log and the readiness of a node that has no block yet.

Rule: it looks on and decides nothing. A peer that is not connected is dialed once more without a handshake, which tells
one that is away from one that answers and ends the connection: that one does not list this node's key.
"""

from collections.abc import Sequence

import structlog
import trio

from member.api.state import Check
from node.config import NodeConfig, PeerConfig
from node.p2p.codes import P2pCode
from node.p2p.libp2p.network import LibP2PNetwork

FIRST_LOOK_SECONDS = 5.0
"""Peers that are there are connected by then."""
LOOK_SECONDS = 10.0
ANSWER_SECONDS = 3.0
_NAMED = (P2pCode.WRONG_NETWORK, P2pCode.WRONG_VERSION, P2pCode.BAD_HELLO, P2pCode.HANDSHAKE_TIMEOUT)

log = structlog.get_logger(__name__)


class StateSearch:
    """`watch` in a task, while the network runs; `begun` is set when it does."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self._connected = 0
        self._obstacles: tuple[str, ...] = ()

    def checks(self) -> Sequence[Check]:
        """Conditions of readiness; a node that looks for a state is never ready."""
        detail = "no block here: a state is fetched from peers"
        return (
            Check(name="state", ok=False, detail=detail),
            Check(name="peers", ok=self._connected > 0, detail="; ".join((self._count, *self._obstacles))),
        )

    @property
    def _count(self) -> str:
        return f"{self._connected} peers connected"

    async def watch(self, config: NodeConfig, network: LibP2PNetwork) -> None:
        """Look again and again, and log it while no peer is connected; for ever."""
        self.begun.set()
        await trio.sleep(FIRST_LOOK_SECONDS)
        while True:
            await self.look(config, network)
            if not self._connected:
                log.warning("no peer lets this node in", envelope=network.key.hex(), why="; ".join(self._obstacles))
            await trio.sleep(LOOK_SECONDS)

    async def look(self, config: NodeConfig, network: LibP2PNetwork) -> None:
        """Who is connected now, and why the others of the settings are not."""
        missing = [peer for peer in config.p2p.peers if bytes.fromhex(peer.key) not in network.peers]
        found = [await _obstacle(peer, network) for peer in missing]
        self._connected = len(network.peers)
        self._obstacles = tuple(found) or (() if config.p2p.peers else ("p2p.peers names nobody to ask",))


async def _obstacle(peer: PeerConfig, network: LibP2PNetwork) -> str:
    """Why a peer of the settings is not connected."""
    where = f"{peer.key[:16]} at {peer.host}:{peer.port}"
    try:
        with trio.fail_after(ANSWER_SECONDS):
            stream = await trio.open_tcp_stream(peer.host, peer.port)
            await stream.aclose()
    except trio.TooSlowError:
        return f"{where} does not answer in {ANSWER_SECONDS:.0f} s"
    except OSError as error:
        return f"{where} cannot be reached: {error.strerror or str(error)[:100]}"
    closed = network.stats.peer(bytes.fromhex(peer.key)).closed
    named = [str(code.remedy) for code in _NAMED if closed[code.label]]
    own = f"its operator does not list the key {network.key.hex()}, as validator or in p2p.observers"
    return f"{where} answers and refuses this node: {named[0] if named else own}"
