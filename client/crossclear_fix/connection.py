"""`Connection`: one socket driven through a session: bytes to messages, effects to the store, then to the wire.

Rule: everything that one read or one event changes is one transaction; bytes leave after it. A failed transaction ends
the connection, and the next one begins from what was kept. One task at a time moves the session.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import anyio
from anyio.abc import ByteStream

from crossclear_fix.answers import Answer
from crossclear_fix.framing import Framer
from crossclear_fix.log import log
from crossclear_fix.message import FieldFault, Message, decode, encode
from crossclear_fix.session import Session
from crossclear_fix.session_state import Deliver, Disconnect, Effect, Phase, Reset, Send
from crossclear_fix.store import BookedReport, Store

TICK_SECONDS = 0.2
WRITE_SECONDS = 10.0
READ_BYTES = 16_384
GARBLED_MAX = 100
"""Garbled pieces in a row after which nobody sensible is on the other side."""
QUEUED_AT_ONCE = 100


class Delivery(Protocol):
    """What takes application messages, such as `Desk.deliver`."""

    def __call__(self, session: str, message: Message) -> tuple[list[Answer], BookedReport | None]:
        """Answers, and a report to follow. Raises FieldFault."""


class Connection:
    """`follow` is given each report that was booked, after it is kept."""

    def __init__(
        self,
        name: str,
        stream: ByteStream,
        framer: Framer,
        session: Session,
        store: Store,
        deliver: Delivery,
        follow: Callable[[BookedReport], None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._stream = stream
        self._framer = framer
        self._session = session
        self._store = store
        self._deliver = deliver
        self._follow = follow
        self._clock_ms = clock_ms
        self._turn = anyio.Lock()
        self._wake = anyio.Event()
        self._saved = replace(session.state)
        self._failed = False
        """The session is ahead of what is kept: nothing more of it may be kept or written."""
        self._scope = anyio.CancelScope()
        self.ended = anyio.Event()
        """Set when the session may log on again."""

    async def run(self, frames: list[bytes]) -> None:
        """Until either side ends it. `frames`: what was read of the stream before, the logon first."""
        with self._scope:
            async with anyio.create_task_group() as tasks:
                async with self._turn:
                    await self._carry_out(self._session.connected(self._clock_ms()))
                await self._take(frames)
                tasks.start_soon(self._tick)
                tasks.start_soon(self._send_queued)
                await self._read()
                tasks.cancel_scope.cancel()

    def wake(self) -> None:
        """There are answers that wait."""
        self._wake.set()

    async def log_out(self, why: str) -> None:
        """Begin to end the session."""
        async with self._turn:
            await self._carry_out(self._session.log_out(why, self._clock_ms()))

    async def _read(self) -> None:
        while True:
            try:
                data = await self._stream.receive(READ_BYTES)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                log("disconnected", session=self._name, why="the other side is gone")
                return
            await self._take(self._framer.feed(data))
            if self._framer.garbled > GARBLED_MAX:
                log("disconnected", session=self._name, why="nothing but garbled messages")
                return

    async def _take(self, frames: list[bytes]) -> None:
        """What came at once is one transaction, however many messages it is."""
        async with self._turn:
            effects: list[Effect] = []
            for frame in frames:
                message = decode(frame)
                if message is None:
                    log("garbled", session=self._name)
                else:
                    effects += self._session.received(message, self._clock_ms())
            await self._carry_out(effects)

    async def _tick(self) -> None:
        while True:
            await anyio.sleep(TICK_SECONDS)
            async with self._turn:
                await self._carry_out(self._session.tick(self._clock_ms()))

    async def _send_queued(self) -> None:
        while True:
            if self._session.logged_on:
                self._wake = anyio.Event()
                async with self._turn:
                    while await self._carry_out([], queued=QUEUED_AT_ONCE):
                        pass
                await self._wake.wait()
            else:
                await anyio.sleep(TICK_SECONDS)

    async def _carry_out(self, effects: list[Effect], *, queued: int = 0) -> int:
        """Keep, then write; how many queued answers were among it. The caller has the turn."""
        if self._failed or (not effects and not queued and self._session.state == self._saved):
            return 0
        sending, booked, taken = bytearray(), [], 0
        self._failed = True
        with self._store.transaction():
            if queued and self._session.logged_on:
                for kind, body in self._store.take_queued(self._name, queued):
                    effects += self._session.send(kind, body, self._clock_ms())
                    taken += 1
            for effect in effects:  # grows while it is carried out
                match effect:
                    case Send():
                        if effect.kept:
                            self._store.keep_sent(self._name, effect)
                        sending += encode(self._session.identity.begin_string, effect.fields)
                    case Deliver(message):
                        booked += self._deliver_one(message, effects)
                    case Reset():
                        self._store.forget_sent(self._name)
                    case Disconnect(why):
                        log("disconnected", session=self._name, why=why)
            self._store.save_state(self._name, self._session.state)
        self._failed, self._saved = False, replace(self._session.state)
        for report in booked:
            self._follow(report)
        await self._write(bytes(sending))
        if self._session.phase is Phase.CLOSED:
            self._scope.cancel()
        return taken

    def _deliver_one(self, message: Message, effects: list[Effect]) -> list[BookedReport]:
        try:
            found, report = self._deliver(self._name, message)
        except FieldFault as fault:
            effects += self._session.reject(message, fault, self._clock_ms())
            return []
        for kind, body in found:
            if self._session.logged_on:
                effects += self._session.send(kind, body, self._clock_ms())
            else:
                self._store.queue(self._name, kind, body)
        return [report] if report is not None else []

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        try:
            with anyio.fail_after(WRITE_SECONDS):
                await self._stream.send(data)
        except (TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            self._scope.cancel()
