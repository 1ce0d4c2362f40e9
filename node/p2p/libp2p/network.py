"""`LibP2PNetwork`: the `Network` over py-libp2p, and the loop that keeps every configured peer connected.

Rule: one session a peer. Of two, the newer wins, unless both processes dialed each other at the same moment: then both
sides keep the one that the lower key dialed. A lost peer is dialed again, without end.
"""

import logging
import math
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import trio
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.token_bucket import TokenBucket
from node.ending import ShieldedTask, shielded
from node.p2p.codes import P2pCode
from node.p2p.config import NetworkConfig, Peer
from node.p2p.libp2p.connections import Dialer, Notifee, address_of, close_all, resolved, run_services, welcome_in
from node.p2p.libp2p.gossip import Gossip, TopicConsumer, open_feed
from node.p2p.libp2p.host import build_host, check_port_free, envelope_key, peer_id
from node.p2p.libp2p.session import PROTOCOLS, Session, SessionUser, frame, new_rates, open_stream
from node.p2p.network import LIMITS, Incoming, PeerChannel, Topic, Validator, check_message
from node.p2p.peers import NetworkStats, PeerStatus, Roster, status_of
from node.p2p.queues import FairInbox
from node.p2p.scores import FaultResponse, PeerScores

DIAL_SECONDS = 5.0
CURRENT_SECONDS = 60.0
"""So long after the last height decided here, the own state may be behind."""
FOUND_REDIAL_SECONDS = 30.0
"""Longest pause between attempts at an announced address: it may be anybody's."""
ROOM_SECONDS = 1.0
"""How long a reader of bulk waits for a consumer whose queue is full, before it refuses."""

log = logging.getLogger("crossclear.p2p")


class LibP2PNetwork:
    """Construct, `subscribe`, then `nursery.start(network.run)` or `async with network.running()`."""

    def __init__(self, config: NetworkConfig) -> None:
        config.check()
        self.config = config
        self.key = config.key
        self.port = config.port
        """Where it listens, once it runs."""
        self.stats = NetworkStats()
        self.roster = Roster(config.key, [peer.key for peer in config.peers], config.observers)
        self.scores = PeerScores()
        self.scores.admit(self.roster.validators, self.roster.keys)
        self._current_at = -math.inf
        self._boot = secrets.token_bytes(32)
        self._sessions: dict[bytes, Session] = {}
        self._changed: defaultdict[bytes, trio.Event] = defaultdict(trio.Event)
        self._all: dict[Any, Session] = {}
        self._rates: dict[bytes, dict[PeerChannel | None, TokenBucket]] = {}
        self._inboxes = {channel: FairInbox(LIMITS[channel], self._lost(channel)) for channel in PeerChannel}
        self._feeds: dict[Topic, TopicConsumer] = {}
        self._host: Any = None
        self._gossip: Gossip | None = None
        self._nursery: trio.Nursery | None = None
        self._found: dict[bytes, Peer] = {}
        """Addresses that validators announced."""
        self._dialed: set[bytes] = set()
        """Keys that a task keeps connected."""
        for peer in config.peers:
            self.stats.peer(peer.key)

    @property
    def peers(self) -> frozenset[bytes]:
        """Envelope keys of the connected peers."""
        return frozenset(self._sessions)

    def send(self, to: bytes, channel: PeerChannel, data: bytes) -> bool:
        """See `Network.send`."""
        check_message(channel, data)
        session = self._sessions.get(to)
        return session is not None and session.send(channel, frame(data))

    def broadcast(self, channel: PeerChannel, data: bytes) -> None:
        """See `Network.broadcast`."""
        check_message(channel, data)
        framed = frame(data)
        for session in self._sessions.values():
            session.send(channel, framed)

    def publish(self, topic: Topic, data: bytes) -> None:
        """See `Network.publish`. Counted as dropped while the network does not run."""
        check_message(topic, data)
        if self._gossip is None:
            self.stats.topic(topic.value).dropped["not running"] += 1
        else:
            self._gossip.publish_now(topic, data)

    def admit(self, keys: Collection[bytes]) -> None:
        """See `Network.admit`."""
        if not self.roster.would_change(keys):
            return
        for left in self.roster.admit(keys):
            log.warning("peer %s is no validator any more", left.hex())
            self._close(left, P2pCode.NO_LONGER_ADMITTED)
        self.scores.admit(self.roster.validators, self.roster.keys)
        if self._gossip is not None:
            self._gossip.replays.keep(self.roster.keys)
        self._rates = {key: rates for key, rates in self._rates.items() if key in self.roster.keys}
        for key in self.roster.keys:
            self._tell_change(key)

    def learn(self, peer: Peer) -> None:
        """A validator announced this address: dial it there too. Ignored for a key that is no validator."""
        if peer.key in self.roster.validators:
            self._found[peer.key] = peer
            self._keep_connected(peer, replace(self.config, redial_seconds_max=FOUND_REDIAL_SECONDS))

    def note_current(self) -> None:
        """The own state is the newest there is, as of now: a height of about the present time was decided here.

        For `CURRENT_SECONDS` peers that only the configuration names, and no validator set, are not let in.
        """
        self._current_at = trio.current_time()
        if self.roster.closed:
            return
        for left in self.roster.close():
            log.warning("peer %s of the configuration is in no validator set", left.hex())
            self._close(left, P2pCode.NO_LONGER_ADMITTED)

    def report(self, peer: bytes, fault: RemoteFault) -> None:
        """See `Network.report`."""
        now = trio.current_time()
        verdict = self.scores.charge(peer, fault, now)
        if verdict is FaultResponse.KEEP:
            return
        if verdict is FaultResponse.BAN:
            log.warning("peer %s banned for %.0f s: %s", peer.hex(), self.scores.banned_seconds(peer, now), fault)
        else:
            log.warning("peer %s disconnected for its faults: %s", peer.hex(), fault)
        self._close(peer, P2pCode.BANNED if verdict is FaultResponse.BAN else P2pCode.MISBEHAVED)

    def status(self) -> tuple[PeerStatus, ...]:
        """Every peer that may connect."""
        return status_of(self.roster, self.scores, self.stats, trio.current_time())

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages and bytes from peers that wait for their consumers, of all channels."""
        counted = [inbox.waiting for inbox in self._inboxes.values()]
        return sum(messages for messages, _ in counted), sum(size for _, size in counted)

    def receive(self, channel: PeerChannel) -> trio.MemoryReceiveChannel[Incoming]:
        """See `Network.receive`."""
        return self._inboxes[channel].consumer

    def subscribe(self, topic: Topic, validator: Validator) -> trio.MemoryReceiveChannel[Incoming]:
        """See `Network.subscribe`."""
        if topic in self._feeds or self._nursery is not None:
            raise LocalFault(P2pCode.ALREADY_SUBSCRIBED, topic.value, running=int(self._nursery is not None))
        self._feeds[topic], consumer = open_feed(validator)
        return consumer

    @asynccontextmanager
    async def running(self) -> AsyncIterator["LibP2PNetwork"]:
        """Run for the length of an `async with`."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.run)
            try:
                yield self
            finally:
                nursery.cancel_scope.cancel()

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Listen, dial, serve until cancelled; leaves no socket and no task. Raises LocalFault PORT_TAKEN."""
        check_port_free(self.config.host, self.config.port)
        host = self._host = build_host(self.config, self._admit, self.stats.refuse)
        host.open_gossip_stream = self._open_gossip_stream
        host.get_network().register_notifee(Notifee(self._session_of, self._all.get))
        for protocol in PROTOCOLS:
            host.set_stream_handler(protocol, self._stream_handler(protocol))
        gossip = Gossip(
            host,
            own_key=self.key,
            secret=self.config.secret,
            per_second=self.config.gossip_per_second,
            validators=len(self.roster.keys) + 1,
            write_seconds=self.config.write_seconds,
            stats=self.stats,
            welcome=lambda key: not self._welcome_in(key),
            knows=lambda key: key in self.roster.keys,
            report=self.report,
            await_hello=self._await_hello,
        )
        services = ShieldedTask(partial(run_services, (host.get_network(), gossip, gossip.router)))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(services.run)
                try:
                    await services.begun()
                    await self._serve(host, gossip, task_status)
                finally:
                    services.end()
        finally:
            gossip.seen_messages.stop()

    async def _serve(self, host: Any, gossip: Gossip, task_status: Any) -> None:
        swarm = host.get_network()
        for topic, feed in self._feeds.items():
            gossip.feeds[topic.value] = feed
            await gossip.subscribe(topic.value)
        self._gossip = gossip
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                try:
                    is_listening = False
                    with shielded():  # libp2p answers a cancellation as a port in use, and leaves its socket open
                        is_listening = await swarm.listen(address_of(self.config.host, self.config.port))
                    if not is_listening:
                        raise LocalFault(P2pCode.PORT_TAKEN, "listen", host=self.config.host, port=self.config.port)
                    (listener,) = swarm.listeners.values()
                    self.port = int(listener.get_addrs()[0].value_for_protocol("tcp"))
                    self._start_tasks(nursery)
                    task_status.started()
                    await trio.sleep_forever()
                finally:  # before the nursery is left: libp2p still reports connections to the channel
                    self._nursery = None
        finally:
            self._gossip = None
            with shielded():
                await close_all(swarm)

    def _start_tasks(self, nursery: trio.Nursery) -> None:
        for inbox in self._inboxes.values():
            nursery.start_soon(inbox.pump)
        nursery.start_soon(self._open_when_behind)
        self._dialed.clear()
        for peer in (*self.config.peers, *self._found.values()):
            if peer.port:
                self._keep_connected(peer, self.config)

    def _keep_connected(self, peer: Peer, config: NetworkConfig) -> None:
        """One task a key, while the network runs."""
        if self._nursery is not None and peer.key not in self._dialed:
            self._dialed.add(peer.key)
            dialer = Dialer(
                config, self._welcome_in, self._sessions.__contains__, self._changed.__getitem__, self._dial
            )
            self._nursery.start_soon(dialer.keep_connected, peer)

    async def _open_when_behind(self) -> None:
        while True:
            await trio.sleep(CURRENT_SECONDS / 10)
            if trio.current_time() - self._current_at > CURRENT_SECONDS and self.roster.closed:
                self.roster.open()
                for key in self.roster.keys:
                    self._tell_change(key)

    async def _dial(self, peer: Peer) -> P2pCode | None:
        """See `Dialer.dial`. The address of the configuration and the announced one take turns."""
        stats, found = self.stats.peer(peer.key), self._found.get(peer.key)
        if found is not None and (peer not in self.config.peers or stats.dials % 2):
            peer = found
        stats.dials += 1
        try:
            with trio.fail_after(DIAL_SECONDS):
                where = address_of(await resolved(peer.host, peer.port), peer.port)
                connection = await self._host.get_network().dial_addr(where, peer_id(peer.key))
        except Exception as error:
            log.debug("dialing %s failed: %r", peer.key.hex(), error)
            return None
        session = self._session_of(connection)
        if session is None:
            return None
        await session.settled.wait()
        return session.reason

    def _welcome_in(self, key: bytes) -> float:
        seconds = self.scores.banned_seconds(key, trio.current_time())
        return welcome_in(listed=key in self.roster.keys, banned_seconds=seconds)

    def _admit(self, key: bytes | None) -> bool:
        if key is None or key not in self.roster.keys:
            self.stats.refuse(P2pCode.UNKNOWN_PEER)
            return False
        if self.scores.banned_seconds(key, trio.current_time()):
            self.stats.refuse(P2pCode.BANNED)
            return False
        return True

    def _close(self, key: bytes, reason: P2pCode) -> None:
        for session in self._all.values():
            if session.key == key:
                session.close(reason)

    def _session_of(self, connection: Any) -> Session | None:
        """The session of a connection, started now if it is new. None for strangers and when we are ending."""
        session = self._all.get(connection)
        key = envelope_key(connection.muxed_conn.peer_id.to_bytes())
        if session is None and self._nursery is not None and self._admit(key) and not connection.is_closed:
            user = SessionUser(
                self._ready, self._message, self._room, lambda session, fault: self.report(session.key, fault)
            )
            rates = self._rates.setdefault(key or b"", new_rates(trio.current_time()))
            session = Session(connection, key or b"", self.config, self._boot, self.stats.peer(key or b""), user, rates)
            self._all[connection] = session
            self._nursery.start_soon(self._run_session, session)
        return session

    async def _run_session(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            del self._all[session.connection]
            if session.reason not in (None, P2pCode.REPLACED) and not session.was_ready:
                self.stats.refuse(session.reason)
            if self._sessions.get(session.key) is session:
                del self._sessions[session.key]
                self.stats.peer(session.key).connected = False
                self._tell_change(session.key)
                if self._gossip is not None:
                    self._gossip.peer_left(session.key)

    def _ready(self, session: Session) -> bool:
        old = self._sessions.get(session.key)
        if old is not None and old.alive:
            crossed = old.peer_boot == session.peer_boot and old.dialed != session.dialed
            if crossed and session.dialed != (self.key < session.key):
                return False
            old.close(P2pCode.REPLACED)
        self._sessions[session.key] = session
        stats = self.stats.peer(session.key)
        stats.connected = True
        stats.connections += 1
        self._tell_change(session.key)
        if self._gossip is not None:
            self._gossip.peer_joined(
                session.key,
                session.peer_boot,
                lambda: self._sessions.get(session.key) is session,
                lambda: session.close(P2pCode.WRITE_STALLED),
            )
        return True

    def _tell_change(self, key: bytes) -> None:
        self._changed[key].set()
        self._changed[key] = trio.Event()

    def _message(self, session: Session, channel: PeerChannel, data: bytes) -> None:
        if self._sessions.get(session.key) is session and session.alive:
            self._inboxes[channel].put(session.key, data)

    async def _room(self, session: Session, channel: PeerChannel, size: int) -> None:
        await self._inboxes[channel].wait_for_room(session.key, size, ROOM_SECONDS)

    def _lost(self, channel: PeerChannel) -> Any:
        def lost(sender: bytes, count: int) -> None:
            self.stats.peer(sender).dropped_in[channel.name] += count

        return lost

    def _stream_handler(self, protocol: str) -> Any:
        async def handle(stream: Any) -> None:
            session = self._session_of(stream.swarm_conn)
            if session is None:
                await stream.reset()
                return
            session.offer(protocol, stream)
            await session.closed.wait()

        return handle

    async def _await_hello(self, stream: Any) -> bool:
        session = self._session_of(stream.swarm_conn)
        if session is None:
            return False
        await session.settled.wait()
        return session.ready

    async def _open_gossip_stream(self, peer: ID, protocols: Sequence[str]) -> Any:
        session = self._sessions.get(envelope_key(peer.to_bytes()) or b"")
        if session is None or not session.ready:
            raise SwarmException("no session")
        try:
            return await open_stream(session.connection, protocols[0])
        except Exception as error:  # gossipsub tries again after this one only
            raise SwarmException("gossip stream refused") from error
