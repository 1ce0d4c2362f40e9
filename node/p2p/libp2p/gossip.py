"""Gossip: gossipsub 1.1, with the parts of py-libp2p 0.8.1 replaced that drop, spawn or trust too much.

Rule: a message is delivered or forwarded only with an allowed topic, an allow-listed origin that signed it, a bounded
size and the consent of a synchronous validator; everything else is counted by cause.

Replaced: the read loop (a task a message, no order, no bound), the checks (another peer's address records and peer
exchange are trusted), the rate limit (10 a second, silently), the outbound queue (32) and its writer (a write a
message), the sequence numbers (seconds: a restarted node repeats itself), the second writers of a stream (they cut into
a long write of the first, and the neighbour can read no further), the relay of everything to the whole mesh.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.network.stream.net_stream import NetStream
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import PUBSUB_SIGNING_PREFIX, Pubsub
from libp2p.pubsub.pubsub_notifee import PubsubNotifee
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from clearing.base import ed25519
from clearing.base.errors import RemoteFault
from clearing.base.token_bucket import TokenBucket, TokenBuckets
from node.p2p.codes import P2pCode
from node.p2p.libp2p.gossip_limits import ReplayWindows, bounded_control, wanted_ids
from node.p2p.libp2p.gossip_router import RPC_BYTES_MAX, SEQNO_BYTES, GossipRouter
from node.p2p.libp2p.host import envelope_key, peer_id
from node.p2p.network import TOPIC_MESSAGE_BYTES, TOPIC_QUEUE, Incoming, Topic, Validator
from node.p2p.peers import NetworkStats

WRITE_BYTES = 64 << 10
OUTBOUND_QUEUE = 4096
SUBSCRIPTIONS_PER_RPC = 16
HEARTBEAT_SECONDS = 1
STREAM_CHECK_SECONDS = 0.5
TOKEN_BYTES = 4 << 10
"""A message of so many bytes counts as one more towards a rate."""
RPC_TOKEN_BYTES = 16 << 10
NEIGHBOUR_PER_SECOND_MAX = 2000
BURST_SECONDS = 2.0
OWN_BURST_SECONDS = 1.0
"""Of what we sign: less than others take at once, so that what they get a second late, all together, is no flood."""
MESSAGES_PER_TURN = 8
"""Judged before others have their turn: each costs up to half a millisecond, and votes wait."""
RPC_TOKENS = 0.5
PAUSE_SECONDS_MAX = 2.0
"""How long at most a neighbour is not read that has used up its rate: shorter than its patience with us."""

_FORWARDERS_FAULTS = ("size", "signature", "validator")
"""What an honest neighbour drops itself. Not: an origin that it knows and we do not, for sets change."""
_SIGNED_PREFIX: bytes = PUBSUB_SIGNING_PREFIX.encode()

log = logging.getLogger("crossclear.p2p")


@dataclass(frozen=True, slots=True)
class TopicConsumer:
    """The consumer of one topic."""

    validator: Validator
    to_consumer: trio.MemorySendChannel[Incoming]


class Gossip(Pubsub):  # type: ignore[misc]
    """The gossip of one node.

    `welcome(key)`: whether a neighbour may be connected now, `knows(key)`: whether an origin is on the allow-list,
    `report(key, fault)`: whom to charge, `await_hello(stream)`: waits for the hello of the stream's session.
    """

    def __init__(
        self,
        host: Any,
        *,
        own_key: bytes,
        secret: bytes,
        per_second: int,
        validators: int,
        write_seconds: float,
        stats: NetworkStats,
        welcome: Callable[[bytes], bool],
        knows: Callable[[bytes], bool],
        report: Callable[[bytes, RemoteFault], None],
        await_hello: Callable[[NetStream], Awaitable[bool]],
    ) -> None:
        router = GossipRouter(
            protocols=[PROTOCOL_ID_V11],
            degree=8,
            degree_low=6,
            degree_high=12,
            heartbeat_interval=HEARTBEAT_SECONDS,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
        )
        super().__init__(
            host,
            router,
            max_subscriptions_per_rpc=SUBSCRIPTIONS_PER_RPC,
            max_subscriptions_per_peer=len(Topic),
            max_inbound_rpc_size=RPC_BYTES_MAX,
            allowed_topics={topic.value for topic in Topic},
        )
        self.counter = time.time_ns()
        self.replays = ReplayWindows(self.counter)
        self.feeds: dict[str, TopicConsumer] = {}
        self._own_key = own_key
        self._secret = secret
        # A neighbour that forwards the messages of all validators must not be slowed down.
        neighbour_rate = max(per_second, min(NEIGHBOUR_PER_SECOND_MAX, per_second * max(4, validators)))
        self._neighbours = TokenBuckets(neighbour_rate, BURST_SECONDS * neighbour_rate)
        self._write_seconds = write_seconds
        self._origins = TokenBuckets(per_second, BURST_SECONDS * per_second)
        self._own_rate = TokenBucket(per_second, OWN_BURST_SECONDS * per_second, trio.current_time())
        self._flood_faults = TokenBuckets(1, 1)
        self._writing: dict[ID, float] = {}
        self._stats = stats
        self._welcome = welcome
        self._knows = knows
        self._report = report
        self._await_hello = await_hello
        self._opening: set[ID] = set()
        # A peer counts once its hello was good, not when its socket opens.
        network = host.get_network()
        network.notifees = [notifee for notifee in network.notifees if not isinstance(notifee, PubsubNotifee)]

    def peer_joined(self, key: bytes, boot: bytes, alive: Callable[[], bool], stalled: Callable[[], None]) -> None:
        """A session is ready: gossip with its peer over this connection for as long as it is alive.

        `boot` comes from its hello, `stalled()` ends the session of a peer that takes no more bytes.
        """
        self.replays.booted(key, boot)
        self._forget_peer(peer_id(key))  # what the connection before had
        self.manager.run_task(self._keep_stream, peer_id(key), alive, stalled)

    def peer_left(self, key: bytes) -> None:
        """The last session of a peer ended."""
        self._forget_peer(peer_id(key))

    async def _keep_stream(self, peer: ID, alive: Callable[[], bool], stalled: Callable[[], None]) -> None:
        last = trio.current_time()
        while alive():
            now = trio.current_time()
            if now - last > 4 * STREAM_CHECK_SECONDS:  # this process stood still
                self._writing = dict.fromkeys(self._writing, now)
            last = now
            if now - self._writing.get(peer, now) > self._write_seconds:
                stalled()
            if peer not in self.peers and peer not in self._opening:
                self._opening.add(peer)
                try:
                    await self._handle_new_peer(peer)
                except Exception as error:
                    log.debug("gossip stream to %s: %r", peer, error)
                finally:
                    self._opening.discard(peer)
                if not alive() and peer in self.peers:  # opened on a connection that was replaced meanwhile
                    self._end_stream(peer, self.peers[peer])
            await trio.sleep(STREAM_CHECK_SECONDS)

    def _forget_peer(self, peer: ID) -> None:
        """The connection of a peer ended or was replaced: its subscriptions came over it, its stream stood on it."""
        super()._handle_dead_peer(peer)
        self.router.links.forget(peer)

    def _handle_dead_peer(self, peer_id: ID) -> None:
        """Nothing: libp2p calls it when any write to a peer fails, though the peer may have a newer connection."""

    def _end_stream(self, peer: ID, stream: NetStream) -> None:
        """A stream broke: `_keep_stream` opens another, unless that one has its place already.

        What the peer subscribed to stays: it sends that once, on a stream of its own, and not again.
        """
        if self.peers.get(peer) is stream:
            del self.peers[peer]
            self.peer_queues.pop(peer).close()
            self.router.remove_peer(peer)
            self.router.links.forget(peer)

    async def write_msg(self, stream: NetStream, rpc_msg: Any) -> bool:
        """False when the stream broke."""
        written = bool(await super().write_msg(stream, rpc_msg))
        if not written:
            self._end_stream(stream.muxed_conn.peer_id, stream)
        return written

    def _schedule_peer_stream_retry(self, peer_id: ID) -> None:
        """Nothing: `_keep_stream` does it, once for each session (libp2p's own may open two streams)."""

    def _next_seqno(self) -> bytes:
        """The time of the message, or one more than the last: a restarted process repeats none, see `replays`."""
        self.counter = max(self.counter + 1, time.time_ns())
        return self.counter.to_bytes(SEQNO_BYTES, "big")

    def publish_now(self, topic: Topic, data: bytes) -> None:
        """Sign and queue for all subscribers; never blocks. Dropped and counted above what others let us sign."""
        stats = self._stats.topic(topic.value)
        if not self._own_rate.take(trio.current_time(), 1 + len(data) // TOKEN_BYTES):
            stats.dropped["own rate"] += 1
            return
        message = rpc_pb2.Message(
            data=data, topicIDs=[topic.value], from_id=self.my_id.to_bytes(), seqno=self._next_seqno()
        )
        message.signature = ed25519.sign(self._secret, _signed_bytes(message))
        self._mark_msg_seen(message)
        stats.published += 1
        self.router.forward(self.my_id, message, stats)

    def get_hello_packet(self) -> Any:
        """The subscriptions that open a stream, without libp2p's address record."""
        subscriptions = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in self.topic_ids]
        return rpc_pb2.RPC(subscriptions=subscriptions)

    async def stream_handler(self, stream: NetStream) -> None:
        """Serve a neighbour's stream once its hello was good."""
        key = envelope_key(stream.muxed_conn.peer_id.to_bytes())
        if key is not None and self._welcome(key) and await self._await_hello(stream):
            await self.continuously_read_stream(stream)

    async def continuously_read_stream(self, stream: NetStream) -> None:
        """Read a neighbour's stream until it breaks: in order, no faster than its rate."""
        forwarder = stream.muxed_conn.peer_id
        neighbour = forwarder.to_bytes()
        try:
            while True:
                data = await read_varint_prefixed_bytes_limited(stream, self.max_inbound_rpc_size)
                rpc = rpc_pb2.RPC()
                rpc.ParseFromString(data)
                for subscription in rpc.subscriptions[:SUBSCRIPTIONS_PER_RPC]:
                    self.handle_subscription(forwarder, subscription)
                for number, message in enumerate(rpc.publish, start=1):
                    if number % MESSAGES_PER_TURN == 0:
                        await trio.lowlevel.checkpoint()
                    if not self._welcome(envelope_key(neighbour) or b""):  # an earlier message has cost it a ban
                        break
                    debt = self._neighbours.charge(neighbour, trio.current_time(), 1 + len(message.data) // TOKEN_BYTES)
                    self._take(forwarder, message, allowed=not debt)
                served = await self._take_control(forwarder, rpc)
                # Every RPC costs something; a neighbour with an empty bucket is not read for a time.
                tokens = RPC_TOKENS + (len(data) + served) / RPC_TOKEN_BYTES
                debt = self._neighbours.charge(neighbour, trio.current_time(), tokens)
                if debt:
                    await trio.sleep(min(debt, PAUSE_SECONDS_MAX))
                await trio.lowlevel.checkpoint()
        except Exception as error:  # whatever it sends, and however its connection breaks
            log.debug("gossip from %s ended: %r", forwarder, error)
            await stream.reset()

    async def _take_control(self, forwarder: ID, rpc: Any) -> int:
        """Act on what is left of a control message. Returns the bytes that were sent because of it."""
        if not rpc.HasField("control"):
            return 0
        kept = bounded_control(rpc.control, self.feeds)
        if kept is not None:
            self.router.announced(forwarder, kept)
            await self.router.handle_rpc(rpc_pb2.RPC(control=kept), forwarder)
        return int(self.router.serve(forwarder, wanted_ids(rpc.control)))

    def _take(self, forwarder: ID, message: Any, *, allowed: bool) -> None:
        topic = message.topicIDs[0] if len(message.topicIDs) == 1 else ""
        feed = self.feeds.get(topic)
        if feed is None or len(message.seqno) != SEQNO_BYTES:
            self._stats.topic("other").dropped["shape"] += 1
            self._blame(forwarder, P2pCode.BAD_GOSSIP, "shape")
            return
        stats = self._stats.topic(topic)
        number = int.from_bytes(message.seqno, "big")
        if self.replays.is_seen(_origin(message), number) or self._is_msg_seen(message):
            stats.duplicates += 1
            self.router.repeated(forwarder, message)
            return
        cause = "rate" if not allowed else self._objection(feed, message, number)
        if cause:
            stats.dropped[cause] += 1
            if cause in _FORWARDERS_FAULTS:
                self._blame(forwarder, P2pCode.BAD_GOSSIP, cause)
            elif cause == "origin rate" and message.from_id == forwarder.to_bytes():
                self._blame(forwarder, P2pCode.FLOOD, topic)
            return
        try:
            feed.to_consumer.send_nowait(Incoming(_origin(message), message.data))
            stats.delivered += 1
        except (trio.WouldBlock, trio.BrokenResourceError):
            stats.dropped["consumer"] += 1
        self.router.forward(forwarder, message, stats)

    def _blame(self, forwarder: ID, code: P2pCode, why: str) -> None:
        key = envelope_key(forwarder.to_bytes()) or b""
        # One flood is one fault a second, not one a message.
        if code is not P2pCode.FLOOD or self._flood_faults.take(key, trio.current_time()):
            self._report(key, RemoteFault(code, "gossip", why=why))

    def _objection(self, feed: TopicConsumer, message: Any, number: int) -> str:
        """Why a message is dropped; empty when it is good."""
        origin = _origin(message)
        if len(message.data) > TOPIC_MESSAGE_BYTES:
            return "size"
        if origin == self._own_key or not self._knows(origin):
            return "sender"
        if self.replays.is_stale(origin, number):
            return "stale"
        now, tokens = trio.current_time(), 1 + len(message.data) // TOKEN_BYTES
        if not self._origins.has(origin, now, tokens):  # a signature costs most, and only a valid one is charged
            return "origin rate"
        if not ed25519.verify(origin, _signed_bytes(message), message.signature):
            return "signature"
        self._mark_msg_seen(message)  # from here on its origin is responsible for it: judge it once
        self.replays.take(origin, number)
        self._origins.take(origin, now, tokens)
        try:
            return "" if feed.validator(Incoming(origin, message.data)) else "validator"
        except Exception:  # a validator that fails on a peer's bytes must not end the gossip with all others
            log.exception("validator of %s failed", message.topicIDs[0])
            return "fault"

    async def handle_sending_messages(self, peer_id: ID, stream: NetStream, queue: Any) -> None:
        """Write what waits for a neighbour, as much in one write as waits."""
        queue._queue.max_size = OUTBOUND_QUEUE  # noqa: SLF001
        try:
            while (first := await queue.pop()) is not None:
                rpc = rpc_pb2.RPC()
                rpc.CopyFrom(first)
                while len(queue) and rpc.ByteSize() < WRITE_BYTES:
                    rpc.MergeFrom(await queue.pop())
                self._writing[peer_id] = trio.current_time()
                if not await self.write_msg(stream, rpc):
                    return
                self._writing.pop(peer_id, None)
        except Exception as error:
            log.debug("gossip to %s ended: %r", peer_id, error)
            self._end_stream(peer_id, stream)
        finally:
            self._writing.pop(peer_id, None)


def open_feed(validator: Validator) -> tuple[TopicConsumer, trio.MemoryReceiveChannel[Incoming]]:
    """A feed and its consumer's end."""
    to_consumer, consumer = trio.open_memory_channel[Incoming](TOPIC_QUEUE)
    return TopicConsumer(validator, to_consumer), consumer


def _origin(message: Any) -> bytes:
    return envelope_key(message.from_id) or b""


def _signed_bytes(message: Any) -> bytes:
    bare = rpc_pb2.Message(data=message.data, topicIDs=message.topicIDs, from_id=message.from_id, seqno=message.seqno)
    return _SIGNED_PREFIX + bytes(bare.SerializeToString())
