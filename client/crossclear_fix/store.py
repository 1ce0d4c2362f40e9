"""`Store`: what survives a restart, in one SQLite file: sequence numbers, sent messages, answers that wait, reports.

Rule: what one message changes is in one transaction, and is on the disk before a byte of its answer leaves. One process
has the file. A TradeReportID is never forgotten: it is what keeps a trade from being cleared twice.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from crossclear_fix.errors import STORE, GatewayError
from crossclear_fix.message import Fields
from crossclear_fix.session_state import Send, SentMessage, SessionState
from crossclear_fix.trade_report import Report

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    name TEXT PRIMARY KEY, incoming INTEGER NOT NULL, outgoing INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sent (
    session TEXT NOT NULL, number INTEGER NOT NULL, kind BLOB NOT NULL, body BLOB NOT NULL, sent_ms INTEGER NOT NULL,
    PRIMARY KEY (session, number)) STRICT;
CREATE TABLE IF NOT EXISTS waiting_answers (
    place INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, kind BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS reports (
    session TEXT NOT NULL, report_id TEXT NOT NULL, trade_id INTEGER NOT NULL UNIQUE, is_open INTEGER NOT NULL,
    record BLOB NOT NULL, PRIMARY KEY (session, report_id)) STRICT;
CREATE INDEX IF NOT EXISTS open_reports ON reports (trade_id) WHERE is_open;
"""
VERSION = "1"
_FIELDS = msgspec.msgpack.Decoder(Fields)


class Fate(StrEnum):
    """Of a report."""

    WAITING = "waiting"
    NOVATED = "novated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class BookedReport:
    """A report that was taken. `signed`: the requests that were made of it, as canonical JSON bodies, oldest first.

    `is_open`: its fate is unknown, or a refusal could still be overtaken until the last request's not-after.
    """

    session: str
    report: Report
    repeated: Fields
    trade_id: int
    received_ms: int
    fate: Fate = Fate.WAITING
    is_open: bool = True
    code: str = ""
    why: str = ""
    height: int = 0
    hash: str = ""
    signed: tuple[bytes, ...] = ()
    attempts: int = 0
    """How often a request may have been sent."""


_REPORT = msgspec.msgpack.Decoder(BookedReport)


class Store:
    """`facts`: what the file belongs to, such as venue and network. Raises GatewayError STORE."""

    def __init__(self, path: Path, facts: dict[str, str], *, kept_max: int) -> None:
        self._path = path
        self._kept_max = kept_max
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
                self._db.execute(f"PRAGMA {pragma}")
            with self.transaction():
                for statement in SCHEMA.split(";\n"):
                    self._db.execute(statement)
            self._check_facts({"version": VERSION, **facts})
        except (OSError, sqlite3.Error) as error:
            raise GatewayError(STORE, str(path), f"the store cannot be used: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it is kept, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _check_facts(self, facts: dict[str, str]) -> None:
        with self.transaction():
            for name, value in facts.items():
                self._db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))
        stored = dict(self._db.execute("SELECT name, value FROM facts"))
        for name, value in facts.items():
            if stored[name] != value:
                raise GatewayError(STORE, str(self._path), f"the store is of {name} {stored[name]}, not {value}")

    def state(self, session: str) -> SessionState:
        """The numbers of a session; 1 and 1 before its first logon."""
        row = self._db.execute("SELECT incoming, outgoing FROM sessions WHERE name = ?", (session,)).fetchone()
        return SessionState(*row) if row else SessionState()

    def save_state(self, session: str, state: SessionState) -> None:
        """Keep the numbers."""
        row = (session, state.incoming, state.outgoing)
        self._db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", row)

    def keep_sent(self, session: str, send: Send) -> None:
        """Keep a message for resends, and forget those that are too many."""
        row = (session, send.number, send.kind, msgspec.msgpack.encode(send.body), send.sent_ms)
        self._db.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", row)
        oldest = (session, session, self._kept_max)
        self._db.execute(
            "DELETE FROM sent WHERE session = ? AND number <= "
            "(SELECT number FROM sent WHERE session = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
            oldest,
        )

    def sent(self, session: str, begin: int, end: int) -> Sequence[SentMessage]:
        """Kept messages of a range of numbers, both ends included."""
        rows = self._db.execute(
            "SELECT number, kind, body, sent_ms FROM sent WHERE session = ? AND number BETWEEN ? AND ? ORDER BY number",
            (session, begin, end),
        )
        return [SentMessage(number, kind, _FIELDS.decode(body), at) for number, kind, body, at in rows]

    def forget_sent(self, session: str) -> None:
        """The numbers began again."""
        self._db.execute("DELETE FROM sent WHERE session = ?", (session,))

    def queue(self, session: str, kind: bytes, body: Fields) -> None:
        """Keep an answer until the session is logged on."""
        row = (session, kind, msgspec.msgpack.encode(body))
        self._db.execute("INSERT INTO waiting_answers (session, kind, body) VALUES (?, ?, ?)", row)

    def take_queued(self, session: str, limit: int) -> list[tuple[bytes, Fields]]:
        """The oldest answers that wait; they are the caller's to send in the same transaction."""
        rows = self._db.execute(
            "SELECT place, kind, body FROM waiting_answers WHERE session = ? ORDER BY place LIMIT ?", (session, limit)
        ).fetchall()
        self._db.executemany("DELETE FROM waiting_answers WHERE place = ?", [(place,) for place, _, _ in rows])
        return [(kind, _FIELDS.decode(body)) for _, kind, body in rows]

    def report(self, session: str, report_id: str) -> BookedReport | None:
        """The report that a session made under this TradeReportID."""
        found = self._db.execute(
            "SELECT record FROM reports WHERE session = ? AND report_id = ?", (session, report_id)
        ).fetchone()
        return _REPORT.decode(found[0]) if found else None

    def add_report(
        self, session: str, report: Report, repeated: Fields, received_ms: int, first_id: int
    ) -> BookedReport:
        """Take a report in under the next trade id, at least `first_id`."""
        last = self._db.execute("SELECT max(trade_id) FROM reports").fetchone()[0]
        trade_id = max(first_id, (last or 0) + 1)
        booked = BookedReport(session, report, repeated, trade_id, received_ms)
        row = (session, report.report_id, trade_id, 1, msgspec.msgpack.encode(booked))
        self._db.execute("INSERT INTO reports VALUES (?, ?, ?, ?, ?)", row)
        return booked

    def change_report(self, booked: BookedReport, **changes: object) -> BookedReport:
        """Keep what became of a report."""
        changed = replace(booked, **changes)  # type: ignore[arg-type]
        self._db.execute(
            "UPDATE reports SET is_open = ?, record = ? WHERE trade_id = ?",
            (int(changed.is_open), msgspec.msgpack.encode(changed), changed.trade_id),
        )
        return changed

    def open_reports(self) -> list[BookedReport]:
        """Reports that are still to be followed, by trade id."""
        rows = self._db.execute("SELECT record FROM reports WHERE is_open ORDER BY trade_id")
        return [_REPORT.decode(record) for (record,) in rows]

    def open_count(self) -> int:
        """How many of them."""
        return int(self._db.execute("SELECT count(*) FROM reports WHERE is_open").fetchone()[0])
