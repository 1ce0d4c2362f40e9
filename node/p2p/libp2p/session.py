"""`Session`: one connection with one peer, from hello to close; a frame is a 4-byte big-endian length and the bytes."""

import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.token_bucket import TokenBucket
from node.ending import shielded
from node.p2p.codes import P2pCode
from node.p2p.config import HELLO_BYTES_MAX, NetworkConfig, PeerHello, check_hello
from node.p2p.heartbeats import Heartbeats
from node.p2p.libp2p.muxer import quick_state
from node.p2p.network import LIMITS, ChannelLimits, Overflow, PeerChannel
from node.p2p.peers import PeerStats
from node.p2p.queues import Outbox

CONTROL = "/crossclear/control/1"
PROTOCOLS: dict[str, PeerChannel | None] = {
    CONTROL: None,
    **{f"/crossclear/{channel.name.lower()}/1": channel for channel in PeerChannel},
}
WRITE_BYTES = 32 << 10
"""Bytes of one write: one yamux frame and one noise message. A vote waits for at most one of them per other stream."""
READ_BYTES = 64 << 10
HEARTBEATS_MISSED_MAX = 3
FLOOD_SECONDS = 0.5
"""A peer that has sent so much more than it may is charged with a flood, once a second."""
PAUSE_SECONDS_MAX = 2.0
"""How long at most a stream is not read: libp2p resets one that lies unread for 5 s."""
_CONTROL_LIMITS = ChannelLimits(64, 64, 4096, Overflow.DROP_OLDEST, 100)
_PING, _PONG = b"\x01", b"\x02"

log = logging.getLogger("crossclear.p2p")


@dataclass(frozen=True, slots=True)
class SessionUser:
    """Callbacks of a session to its network."""

    ready: Callable[["Session"], bool]
    """Streams stand and the hello was good; False refuses it, because another connection of the peer is kept."""
    message: Callable[["Session", PeerChannel, bytes], None]
    room: Callable[["Session", PeerChannel, int], Awaitable[None]]
    """Waits, not for long, until a message of so many bytes fits the queue of its consumer."""
    fault: Callable[["Session", RemoteFault], None]
    """The peer did what no honest peer does."""


class Session:
    """One connection. `closed` is set at its end, with `reason` saying why."""

    def __init__(
        self,
        connection: Any,
        key: bytes,
        config: NetworkConfig,
        boot: bytes,
        stats: PeerStats,
        user: SessionUser,
        rates: dict[PeerChannel | None, TokenBucket],
    ) -> None:
        """`rates` are the peer's over all of its connections, or a new one would begin with a new burst."""
        self.connection = connection
        self.key = key
        self.dialed = bool(connection.muxed_conn.is_initiator)
        self.peer_boot = b""
        self.ready = False
        self.was_ready = False
        self.settled = trio.Event()
        """Set when it is ready or closed."""
        self.closed = trio.Event()
        self.reason: P2pCode | None = None
        self._config = config
        self._boot = boot
        self._stats = stats
        self._user = user
        self._rates = rates
        self._streams: dict[PeerChannel | None, Any] = {}
        self._arrived = trio.Event()
        self._end = trio.Event()
        self._heard = math.inf
        self._writing: dict[PeerChannel | None, float] = {}
        self._heartbeats = Heartbeats(config.heartbeat_seconds)
        self._control_reader = FrameReader("CONTROL", HELLO_BYTES_MAX)
        self._outboxes: dict[PeerChannel | None, Outbox] = {
            None: Outbox(_CONTROL_LIMITS, WRITE_BYTES),
            **{channel: Outbox(LIMITS[channel], WRITE_BYTES) for channel in PeerChannel},
        }

    @property
    def alive(self) -> bool:
        """Ready, and nothing has asked for its end."""
        return self.ready and not self._end.is_set()

    def send(self, channel: PeerChannel, framed: bytes) -> bool:
        """Queue a frame; False when it was refused."""
        lost = self._outboxes[channel].put(framed)
        if lost:
            self._stats.dropped_out[channel.name] += lost
        refused = bool(lost) and LIMITS[channel].overflow is Overflow.REFUSE_NEWEST
        if not refused:
            self._stats.messages_out[channel.name] += 1
        return not refused

    def close(self, reason: P2pCode) -> None:
        """Ask for the end; the first reason is kept."""
        if self.reason is None:
            self.reason = reason
        self._end.set()

    def offer(self, protocol: str, stream: Any) -> None:
        """Take a stream that the peer opened."""
        channel = PROTOCOLS[protocol]
        if self.dialed or channel in self._streams:
            self.close(P2pCode.UNEXPECTED_STREAM)
            self._user.fault(self, RemoteFault(P2pCode.UNEXPECTED_STREAM, protocol))
            return
        self._streams[channel] = stream
        self._arrived.set()

    async def run(self) -> None:
        """Shake hands, then serve until something ends it; always ends with the connection closed."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, nursery)
                await self._end.wait()
                nursery.cancel_scope.cancel()
        finally:
            if self.reason is None:
                self.reason = P2pCode.STREAM_ENDED
            self.ready = False
            self.settled.set()
            self.closed.set()
            self._stats.closed[self.reason.label] += 1
            with shielded():
                await close_connection(self.connection)

    async def _serve(self, nursery: trio.Nursery) -> None:
        try:
            with trio.fail_after(self._config.handshake_seconds):
                await self._shake_hands()
        except trio.TooSlowError:
            self.close(P2pCode.HANDSHAKE_TIMEOUT)
            return
        except RemoteFault as fault:
            log.warning("peer %s refused: %s", self.key.hex(), fault)
            self._user.fault(self, fault)
            await trio.sleep(0.2)  # so that our hello arrives and the other side can name the reason, too
            self.close(P2pCode(fault.code))
            return
        except Exception as error:  # any failure of the connection, in libp2p's many shapes
            log.debug("hello with %s failed: %r", self.key.hex(), error)
            self.close(P2pCode.STREAM_ENDED)
            return
        if self._end.is_set() or not self._user.ready(self):
            self.close(P2pCode.REPLACED)
            return
        self._heard = trio.current_time()
        self.ready = self.was_ready = True
        self.settled.set()
        for channel in self._streams:
            nursery.start_soon(self._write, channel)
            nursery.start_soon(self._read, channel)
        nursery.start_soon(self._watch)

    async def _shake_hands(self) -> None:
        if self.dialed:
            self._streams[None] = await open_stream(self.connection, CONTROL)
        else:
            await self._arrival_of(None)
        control = self._streams[None]
        ours = PeerHello(version=self._config.version, network=self._config.network, boot=self._boot)
        await control.write(frame(encode(ours)))
        messages: list[bytes] = []
        while not messages:
            messages += self._control_reader.feed(await control.read(READ_BYTES))
        self.peer_boot = check_hello(messages[0], self._config.network, self._config.version).boot
        for early in messages[1:]:
            self._control(early)
        for protocol, channel in PROTOCOLS.items():
            if channel is not None:
                if self.dialed:
                    self._streams[channel] = await open_stream(self.connection, protocol)
                else:
                    await self._arrival_of(channel)

    async def _arrival_of(self, channel: PeerChannel | None) -> None:
        while channel not in self._streams:
            self._arrived = trio.Event()
            await self._arrived.wait()

    async def _write(self, channel: PeerChannel | None) -> None:
        stream, outbox, name = self._streams[channel], self._outboxes[channel], _name(channel)
        try:
            while True:
                data = await outbox.next_write()
                self._writing[channel] = trio.current_time()
                await stream.write(data)
                del self._writing[channel]
                self._heartbeats.note_sent(trio.current_time())
                self._stats.bytes_out[name] += len(data)
        except Exception as error:
            log.debug("writing %s to %s ended: %r", name, self.key.hex(), error)
            self.close(P2pCode.STREAM_ENDED)

    async def _read(self, channel: PeerChannel | None) -> None:
        stream, name = self._streams[channel], _name(channel)
        limits = _CONTROL_LIMITS if channel is None else LIMITS[channel]
        reader = self._control_reader if channel is None else FrameReader(name, limits.message_bytes)
        bucket, flooded = self._rates[channel], -math.inf
        try:
            while True:
                data = await stream.read(READ_BYTES)
                now = self._heard = trio.current_time()
                self._stats.bytes_in[name] += len(data)
                debt = 0.0
                for message in reader.feed(data):
                    debt = bucket.charge(now, 1 + len(message) // limits.token_bytes)
                    await self._take(channel, name, message)
                if debt:
                    if debt > FLOOD_SECONDS and now - flooded > 1:
                        flooded = now
                        self._user.fault(self, RemoteFault(P2pCode.FLOOD, name, limit_per_second=limits.per_second))
                    await trio.sleep(min(debt, PAUSE_SECONDS_MAX))
        except RemoteFault as fault:
            log.warning("peer %s disconnected: %s", self.key.hex(), fault)
            self.close(P2pCode(fault.code))
            self._user.fault(self, fault)
        except Exception as error:
            log.debug("reading %s of %s ended: %r", name, self.key.hex(), error)
            self.close(P2pCode.STREAM_ENDED)

    async def _take(self, channel: PeerChannel | None, name: str, message: bytes) -> None:
        if channel is None:
            self._control(message)
            return
        self._stats.messages_in[name] += 1
        if LIMITS[channel].overflow is Overflow.REFUSE_NEWEST:
            await self._user.room(self, channel, len(message))
        self._user.message(self, channel, message)

    def _control(self, message: bytes) -> None:
        kind, sent = message[:1], message[1:]
        if kind == _PING:
            self._outboxes[None].put(frame(_PONG + sent))
        elif kind == _PONG and len(sent) == 8:
            self._stats.rtt_ms = max(0.0, trio.current_time() * 1000 - int.from_bytes(sent, "big") / 1000)

    async def _watch(self) -> None:
        """Send heartbeats where nothing else goes; close when nothing comes or nothing gets through."""
        period = self._config.heartbeat_seconds
        last = trio.current_time()
        while True:
            if self._heartbeats.is_due(trio.current_time()):
                self._outboxes[None].put(frame(_PING + int(trio.current_time() * 1_000_000).to_bytes(8, "big")))
            await trio.sleep(period)
            now = trio.current_time()
            if now - last > 2 * period:  # this process stood still: what they sent meanwhile is still to be read
                self._heard = max(self._heard, now - period)
                self._writing = dict.fromkeys(self._writing, now)
            last = now
            if now - self._heard > HEARTBEATS_MISSED_MAX * period:
                self.close(P2pCode.HEARTBEAT_LOST)
            if any(now - since > self._config.write_seconds for since in self._writing.values()):
                self.close(P2pCode.WRITE_STALLED)


def new_rates(now: float) -> dict[PeerChannel | None, TokenBucket]:
    """What a peer may send, by channel; None is control."""
    return {
        channel: TokenBucket(limits.per_second, limits.burst_seconds * limits.per_second, now)
        for channel, limits in (*LIMITS.items(), (None, _CONTROL_LIMITS))
    }


async def open_stream(connection: Any, protocol: str) -> Any:
    """A new stream on this very connection (the host's own way would take any connection of the peer)."""
    stream = await connection.new_stream()
    quick_state(stream)
    await MultiselectClient().select_one_of((protocol,), MultiselectCommunicator(stream))
    stream.set_protocol(protocol)
    return stream


async def close_connection(connection: Any) -> None:
    """Close the socket first: an orderly goodbye would wait behind a write that a stalled peer never takes."""
    for close in (connection.muxed_conn.secured_conn.close, connection.close):
        try:
            await close()
        except Exception as error:
            log.debug("closing: %r", error)


def _name(channel: PeerChannel | None) -> str:
    return "CONTROL" if channel is None else channel.name


LENGTH_BYTES = 4


def frame(data: bytes) -> bytes:
    """One message with its length."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


class FrameReader:
    """Bytes in, messages out; no I/O."""

    def __init__(self, at: str, limit: int) -> None:
        self._at = at
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add what was read; yield each complete message. Raises RemoteFault OVERSIZE_FRAME."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= LENGTH_BYTES:
                length = int.from_bytes(buffer[start : start + LENGTH_BYTES], "big")
                if length > self._limit:
                    raise RemoteFault(P2pCode.OVERSIZE_FRAME, self._at, bytes=length, limit=self._limit)
                end = start + LENGTH_BYTES + length
                if len(buffer) < end:
                    break
                message = bytes(buffer[start + LENGTH_BYTES : end])
                start = end
                yield message
        finally:
            del buffer[:start]
