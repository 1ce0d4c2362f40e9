"""The libp2p host: TCP, noise only, yamux only, no background services; envelope keys as peer ids."""

import logging
import os
import socket
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import libp2p.network.connection.swarm_connection as swarm_connection
import trio
from libp2p.abc import IRawConnection, ISecureConn
from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as new_noise_key
from libp2p.host.basic_host import BasicHost
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.transport.exceptions import SecurityUpgradeFailure
from libp2p.transport.tcp.tcp import TCP
from libp2p.transport.upgrader import TransportUpgrader

from clearing.base.errors import LocalFault
from clearing.base.token_bucket import TokenBuckets
from node.p2p.codes import P2pCode
from node.p2p.config import NetworkConfig
from node.p2p.libp2p.muxer import BufferedTcp, Muxer, quick_state

INBOUND_MAX = 256
"""Connections from outside at one time, finished or not."""
HANDSHAKES_PER_ADDRESS = 32
"""Of those, unfinished ones from one address: a stranger's sockets must leave room for peers."""
ARRIVALS_PER_SECOND = 10.0
ARRIVALS_BURST_SECONDS = 30.0
"""A handshake costs milliseconds of our one core: so many connections from one address, and a burst for when all nodes
of a machine start at once."""

UPGRADE_SECONDS = 5.0
CONNECT_SECONDS = 1.5
"""For TCP alone. A packet that was lost in a partition is sent again after 1, 3 and 7 s: a new attempt finds the healed
path sooner."""

SOCKET_BUFFER_BYTES = 256 << 10
"""Of each direction. Loopback carries 100 MB/s with it, a path of 100 ms 2.5 MB/s at least."""
STREAMS_MAX = 16
"""Streams of one connection: three channels, control, and gossip both ways are six."""

Admit = Callable[[bytes | None], bool]
"""Whether the owner of an envelope key (None: of another kind of key) may connect. Counts its refusals."""
Refused = Callable[[P2pCode], None]


class _Muxers(MuxerMultistream):  # type: ignore[misc]
    """Negotiates the muxer as libp2p does, which then makes its own yamux whatever class was registered."""

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> Any:
        protocol, _ = await self._selector.select(conn, conn.is_initiator, self.negotiate_timeout)
        return self._annotate_connection(Muxer(conn, peer_id, is_initiator=conn.is_initiator), conn, protocol)


class _Upgrader(TransportUpgrader):  # type: ignore[misc]
    """Refuses by key, right after the noise handshake, before there is a muxer to talk to."""

    def __init__(self, admit: Admit, refused: Refused, **options: Any) -> None:
        super().__init__(**options)
        self.muxer_multistream = _Muxers({YAMUX: Muxer}, int(UPGRADE_SECONDS))
        self._admit = admit
        self._refused = refused

    async def upgrade_security(self, raw_conn: IRawConnection, is_initiator: bool, peer_id: ID | None = None) -> Any:
        try:
            secured: ISecureConn = await super().upgrade_security(raw_conn, is_initiator, peer_id)
        except SecurityUpgradeFailure:
            self._refused(P2pCode.NO_COMMON_PROTOCOL)
            raise
        if not self._admit(envelope_key(secured.get_remote_peer().to_bytes())):
            await secured.close()
            raise SecurityUpgradeFailure("not on the allow-list")
        return secured


class _TCP(TCP):  # type: ignore[misc]
    """libp2p's TCP with short socket buffers on the dialing side."""

    async def dial(self, maddr: Any) -> Any:
        with trio.fail_after(CONNECT_SECONDS):
            raw = await super().dial(maddr)
        _shorten_buffers(raw.stream.stream)
        raw.stream = BufferedTcp(raw.stream.stream)
        return raw


class _Swarm(Swarm):  # type: ignore[misc]
    """libp2p's swarm, but an inbound connection's task ends with the connection, not with the swarm."""

    def __init__(self, refused: Refused, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refused = refused
        self._shaking_hands: Counter[str] = Counter()
        self._arrivals = TokenBuckets(ARRIVALS_PER_SECOND, ARRIVALS_BURST_SECONDS * ARRIVALS_PER_SECOND)

    async def _do_handle_inbound_connection(self, read_write_closer: Any, maddr: Any, failure_event: Any) -> None:  # noqa: ARG002
        raw = RawConnection(BufferedTcp(read_write_closer.stream), initiator=False)
        _shorten_buffers(read_write_closer.stream)
        address = _address_of(read_write_closer.stream)
        try:
            if self._shaking_hands[address] >= HANDSHAKES_PER_ADDRESS:
                raise SecurityUpgradeFailure(f"{HANDSHAKES_PER_ADDRESS} unfinished handshakes from {address}")
            if not self._arrivals.take(address, trio.current_time()):
                self._refused(P2pCode.FLOOD)
                raise SecurityUpgradeFailure(f"too many connections from {address}")
            self._shaking_hands[address] += 1
            try:
                muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
            finally:
                self._shaking_hands[address] -= 1
                self._shaking_hands += Counter()  # drops addresses without any
            await muxed.event_closed.wait()
        except Exception as error:
            logging.getLogger(__name__).debug("inbound connection refused: %r", error)
        finally:
            await raw.close()


class _Host(BasicHost):  # type: ignore[misc]
    """libp2p's host, but a failing stream of one peer does not end the swarm, and nothing is identified."""

    open_gossip_stream: Callable[[ID, Sequence[str]], Awaitable[Any]]
    """Set by the network: gossip uses the connection of the peer's session, libp2p would take any."""

    async def new_stream(self, peer_id: ID, protocol_ids: Sequence[str]) -> Any:
        return await self.open_gossip_stream(peer_id, protocol_ids)

    async def _swarm_stream_handler(self, net_stream: Any) -> None:
        try:
            if len(net_stream.swarm_conn.get_streams()) > STREAMS_MAX:
                await net_stream.reset()
            else:
                quick_state(net_stream)
                await super()._swarm_stream_handler(net_stream)
        except Exception as error:
            logging.getLogger(__name__).debug("stream ended: %r", error)

    def _schedule_identify(self, peer_id: ID, *, reason: str) -> None:  # noqa: ARG002
        return None

    async def _push_identify_to_all_peers(self) -> None:
        return None


def build_host(config: NetworkConfig, admit: Admit, refused: Refused) -> Any:
    """A `BasicHost` that is not running yet."""
    _tame_libraries()
    pair = _key_pair(config.secret)
    upgrader = _Upgrader(
        admit,
        refused,
        secure_transports_by_protocol={NOISE: NoiseTransport(pair, noise_privkey=new_noise_key().private_key)},
        muxer_transports_by_protocol={YAMUX: Muxer},
        negotiate_timeout=int(UPGRADE_SECONDS),
    )
    store = PeerStore()
    own = peer_id(config.key)
    store.add_key_pair(own, pair)
    connections = ConnectionConfig(
        max_connections=INBOUND_MAX,
        min_connections=0,
        low_watermark=0,  # never dial by yourself
        high_watermark=INBOUND_MAX,
        max_connections_per_peer=8,
        inbound_upgrade_timeout=UPGRADE_SECONDS,
        outbound_upgrade_timeout=UPGRADE_SECONDS,
    )
    swarm = _Swarm(
        refused,
        own,
        store,
        upgrader,
        transports=[_TCP()],
        retry_config=RetryConfig(max_retries=0),
        connection_config=connections,
        psk=config.preshared_key.hex() if config.preshared_key else None,
    )
    unused = OrderedDict({"/crossclear/none": _no_handler})  # an empty table would mean identify, push and ping
    return _Host(network=swarm, default_protocols=unused, disable_identify_address_discovery=True)


def check_port_free(host: str, port: int) -> None:
    """Raises LocalFault PORT_TAKEN. libp2p sets SO_REUSEPORT: a second node would silently share the port."""
    if port == 0:
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise LocalFault(P2pCode.PORT_TAKEN, "listen", host=host, port=port, why=str(error)) from None


def _shorten_buffers(stream: Any) -> None:
    """A vote waits behind all bytes that lie in the kernel, so let few lie there: bulk waits in user space."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)


def _address_of(stream: Any) -> str:
    """The other side's IP address, of IPv6 the network of 64 bits; empty when it is gone already."""
    try:
        address = ip_address(str(stream.socket.getpeername()[0]).partition("%")[0])
    except (OSError, ValueError):
        return ""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


async def _no_handler(stream: Any) -> None:
    await stream.reset()


def _tame_libraries() -> None:
    # A window update for every read doubles the CPU of a message.
    os.environ.setdefault("PY_YAMUX_RELEASE_ON_READ", "0")
    # libp2p reports each failing dial as an error. With no handler Python would print it to stderr.
    logger = logging.getLogger("libp2p")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    # This module logs by `logging.debug(…)`, whose first call puts a handler on the root logger of the process.
    swarm_connection.logging = logging.getLogger("libp2p.network.connection")


_PREFIX = bytes.fromhex("002408011220")
"""Identity multihash of 36 bytes: protobuf field 1 (key type) = Ed25519, field 2 (data) of 32 bytes."""


def _key_pair(secret: bytes) -> KeyPair:
    """libp2p's key pair of a 32-byte Ed25519 secret."""
    private = Ed25519PrivateKey.from_bytes(secret)
    return KeyPair(private, private.get_public_key())


def peer_id(key: bytes) -> ID:
    """The peer id of a 32-byte envelope key."""
    return ID(_PREFIX + key)


def envelope_key(peer: bytes) -> bytes | None:
    """The envelope key inside a peer id's bytes; None when it is of another kind."""
    return peer[len(_PREFIX) :] if len(peer) == len(_PREFIX) + 32 and peer.startswith(_PREFIX) else None
