"""A connection keeps what one event changes whole, or nothing of it."""

from pathlib import Path
from typing import Any

import pytest

from crossclear_fix import tags
from crossclear_fix.connection import Connection
from crossclear_fix.framing import Framer
from crossclear_fix.message import Message, encode
from crossclear_fix.session import Session
from crossclear_fix.session_state import Limits, SessionState
from crossclear_fix.store import BookedReport, Store
from tests.kit.fix import HOUSE, LOGON, NOW_MS, header


class Wire:
    """Takes what is written."""

    def __init__(self) -> None:
        self.written = b""

    async def send(self, data: bytes) -> None:
        self.written += data


def failing(session: str, message: Message) -> tuple[list[Any], BookedReport | None]:
    raise RuntimeError("a fault of ours")


def frame(kind: bytes, number: int, *body: tuple[int, bytes]) -> bytes:
    return encode(b"FIX.4.4", (*header(kind, number)[2:], *body))


async def logged_on(folder: Path) -> tuple[Connection, Wire, Store]:
    store, wire = Store(folder / "store", {}, kept_max=10), Wire()
    session = Session(HOUSE, store.state("S"), Limits(), lambda begin, end: store.sent("S", begin, end))
    now_ms = lambda: NOW_MS  # noqa: E731
    connection = Connection("S", wire, Framer(), session, store, failing, lambda _: None, now_ms)  # type: ignore[arg-type]
    await connection._carry_out(session.connected(NOW_MS))
    await connection._take([frame(tags.LOGON, 1, *LOGON)])
    return connection, wire, store


async def test_nothing_is_kept_or_written_after_a_message_that_failed(tmp_path: Path) -> None:
    """The clock's task may have its turn before the connection has ended."""
    connection, wire, store = await logged_on(tmp_path)
    wire.written = b""
    with pytest.raises(RuntimeError):
        await connection._take([frame(tags.TEST_REQUEST, 2, (tags.TEST_REQ_ID, b"x")), frame(b"AE", 3)])
    await connection.log_out("bye")
    await connection._take([frame(tags.HEARTBEAT, 4)])
    assert store.state("S") == SessionState(2, 2)
    assert wire.written == b""
    store.close()


async def test_a_heartbeat_moves_a_number_that_is_kept(tmp_path: Path) -> None:
    connection, _, store = await logged_on(tmp_path)
    await connection._take([frame(tags.HEARTBEAT, 2)])
    assert store.state("S") == SessionState(3, 2)
    store.close()


async def test_a_number_is_kept_before_its_message_is_written(tmp_path: Path) -> None:
    connection, wire, store = await logged_on(tmp_path)
    kept = []

    async def send(data: bytes) -> None:
        kept.append(store.state("S"))

    wire.send = send  # type: ignore[method-assign]
    await connection._take([frame(tags.TEST_REQUEST, 2, (tags.TEST_REQ_ID, b"x"))])
    assert kept == [SessionState(3, 3)]
    store.close()
