"""The gateway's process: one listener, one connection a session, and the reports that are open.

Rule: nobody learns anything before it is authenticated: a wrong first message, an unknown CompID and a wrong password
all end in a closed connection, after the same pause. A second connection of a session is closed (1S b).
"""

import hashlib
import hmac
import ssl
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import ByteStream, Listener, TaskGroup
from anyio.streams.tls import TLSListener

from crossclear_client import Client, ClientError
from crossclear_fix import tags
from crossclear_fix.clearing_house import ClearingHouse, Signing
from crossclear_fix.connection import READ_BYTES, Connection
from crossclear_fix.desk import Desk
from crossclear_fix.errors import SETTINGS, GatewayError
from crossclear_fix.framing import Framer
from crossclear_fix.log import log
from crossclear_fix.message import FieldFault, Message, decode
from crossclear_fix.session import Session
from crossclear_fix.settings import Counterparty, Settings, read_key, read_secret
from crossclear_fix.store import BookedReport, Store

REFUSED_PAUSE_SECONDS = 1.0
GOODBYE_SECONDS = 2.0


class Server:
    """Serves until it is cancelled. `base`: the folder that paths of the settings are relative to.

    Raises GatewayError.
    """

    def __init__(self, settings: Settings, base: Path, client: Client | None = None) -> None:
        own = settings.gateway
        self._settings = settings
        self._base = base
        self._passwords = {
            each.name: _digest(read_secret(base, each.password_file, "sessions.password_file"))
            for each in settings.sessions
        }
        self._signing = Signing(
            venue=own.venue,
            venue_key=read_key(base, own.venue_key_file, "gateway.venue_key_file"),
            sides={
                each.account: read_key(base, each.key_file, "accounts.key_file")
                for each in settings.accounts
                if each.key_file
            },
            valid_ms=own.valid_seconds * 1000,
            renew_ms=own.renew_seconds * 1000,
        )
        network = bytes.fromhex(own.network.removeprefix("0x")) or None
        self._client = client or Client(own.node, network=network)
        self._open: dict[str, Connection] = {}
        self._connections = 0

    async def run(self, started: Callable[[tuple[str, int]], None] = lambda _: None) -> None:
        """Take connections and follow open reports. `started` is given the address, once it takes connections."""
        own = self._settings.gateway
        async with self._client:
            network = await self._network()
            facts = {"venue": str(own.venue), "network": network.hex()}
            self._store = Store(self._base / own.store, facts, kept_max=own.resend_max)
            try:
                await self._serve(started)
            finally:
                self._store.close()

    async def _serve(self, started: Callable[[tuple[str, int]], None]) -> None:
        own = self._settings.gateway
        names = {each.name: self._settings.names(each) for each in self._settings.sessions}
        limits = {"first_trade_id": own.first_trade_id, "open_reports_max": own.open_reports_max}
        pending = {each.name: each.pending_status for each in self._settings.sessions}
        self._desk = Desk(self._store, names, pending, clock_ms, **limits)
        house = ClearingHouse(self._client, self._store, self._signing, self._notify, clock_ms, own.in_flight_max)
        host, port = self._settings.address
        try:
            tcp = await anyio.create_tcp_listener(local_host=host, local_port=port)
            listener = self._secured(tcp)
        except (OSError, ssl.SSLError) as error:
            raise GatewayError(SETTINGS, "gateway.listen", f"cannot listen: {error}") from None
        try:
            async with anyio.create_task_group() as tasks:
                for booked in self._store.open_reports():
                    tasks.start_soon(house.follow, booked)
                address = tcp.extra(anyio.abc.SocketAttribute.local_address)  # noqa: S610 - no Django
                log("listening", address=f"{address[0]}:{address[1]}")
                started((str(address[0]), int(address[1])))
                await listener.serve(partial(self._connected, tasks, house))
        finally:
            with anyio.move_on_after(GOODBYE_SECONDS, shield=True):
                await listener.aclose()

    async def say_goodbye(self) -> None:
        """Log all sessions out; their counterparties have a moment to answer."""
        for connection in list(self._open.values()):
            with anyio.move_on_after(GOODBYE_SECONDS):
                await connection.log_out("the gateway ends")
                await connection.ended.wait()

    async def _network(self) -> bytes:
        """The network's id; an unreachable node is waited for."""
        while True:
            try:
                return await self._client.network()
            except ClientError as error:
                log("node", code=error.code, why=error.message[:200])
                await anyio.sleep(REFUSED_PAUSE_SECONDS)

    def _secured(self, listener: Listener[anyio.abc.SocketStream]) -> Listener[ByteStream]:
        tls = self._settings.tls
        if not tls.certificate_file:
            return listener
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._base / tls.certificate_file, self._base / tls.key_file)
        if tls.client_ca_file:
            context.load_verify_locations(self._base / tls.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        handshake = self._settings.gateway.logon_seconds
        return TLSListener(listener, context, standard_compatible=False, handshake_timeout=handshake)

    def _notify(self, booked: BookedReport) -> None:
        self._store.queue(booked.session, *self._desk.fate(booked))
        if booked.session in self._open:
            self._open[booked.session].wake()

    async def _connected(self, tasks: TaskGroup, house: ClearingHouse, stream: ByteStream) -> None:
        async with stream:
            if self._connections >= self._settings.gateway.connections_max:
                log("refused", why="as many connections are open as may be")
                return
            self._connections += 1
            try:
                await self._log_on(tasks, house, stream)
            except* (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as group:
                log("disconnected", why=repr(group.exceptions[0])[:200])
            except* Exception as group:
                # Whatever one counterparty makes go wrong, the others go on; nothing of that message was kept.
                log("failed", level="error", why=repr(group.exceptions[0])[:500])
            finally:
                self._connections -= 1

    async def _log_on(self, tasks: TaskGroup, house: ClearingHouse, stream: ByteStream) -> None:
        own = self._settings.gateway
        framer, frames = Framer(own.message_bytes_max), list[bytes]()
        with anyio.move_on_after(own.logon_seconds):
            frames = await _first_frames(stream, framer)
        counterparty = self._authenticated(decode(frames[0])) if frames else None
        if counterparty is None:
            log("refused", why="no logon of a configured session")
            await anyio.sleep(REFUSED_PAUSE_SECONDS)
            return
        name = counterparty.name
        if name in self._open:
            # It may have broken a moment ago.
            with anyio.move_on_after(REFUSED_PAUSE_SECONDS):
                await self._open[name].ended.wait()
        if name in self._open:
            log("refused", session=name, why="logged on already")
            return
        sent = partial(self._store.sent, name)
        session = Session(counterparty.identity, self._store.state(name), self._settings.limits, sent)

        def follow(booked: BookedReport) -> None:
            tasks.start_soon(house.follow, booked)

        connection = Connection(name, stream, framer, session, self._store, self._desk.deliver, follow, steady_clock())
        self._open[name] = connection
        log("connected", session=name)
        try:
            await connection.run(frames)
        finally:
            del self._open[name]
            connection.ended.set()

    def _authenticated(self, message: Message | None) -> Counterparty | None:
        """Who logs on, where CompIDs, username and password are those of a session. The time tells nothing of them."""
        if message is None or message.kind != tags.LOGON:
            return None
        try:
            given = [message.need(tag) for tag in (tags.SENDER_COMP_ID, tags.TARGET_COMP_ID, tags.BEGIN_STRING)]
            user, password = message.need(tags.USERNAME), _digest(message.need(tags.PASSWORD))
        except FieldFault:
            return None
        found = None
        for each in self._settings.sessions:
            wanted = [text.encode() for text in (each.comp_id, each.own_comp_id, each.begin_string)]
            same_user = hmac.compare_digest(_digest(user), _digest(each.username.encode()))
            if hmac.compare_digest(password, self._passwords[each.name]) & same_user & (given == wanted):
                found = each
        return found


async def _first_frames(stream: ByteStream, framer: Framer) -> list[bytes]:
    """The first whole message, and what came with it; nothing where the stream ends or is garbled."""
    while True:
        try:
            data = await stream.receive(READ_BYTES)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return []
        frames = framer.feed(data)
        if frames or framer.garbled:
            return frames


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def clock_ms() -> int:
    """ms since 1970."""
    return time.time_ns() // 1_000_000


def steady_clock() -> Callable[[], int]:
    """ms since 1970 that go on evenly from now, whatever sets the machine's clock: heartbeats depend on it."""
    begun_ms, begun_ns = clock_ms(), time.monotonic_ns()
    return lambda: begun_ms + (time.monotonic_ns() - begun_ns) // 1_000_000
