"""`FateTable`: what became of transactions, by hash, in a database of its own beside the store.

Rule: what is in a block can be read from the blocks again, so this file is never needed to agree on anything: a damaged
one, or one of another network, is put aside and begun anew. It is a database of its own because blocks must not wait
behind it.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType

import structlog

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.store.database import Database

VERSION = b"crossclear/fates/v1"
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    # Numbers rise: the oldest are forgotten by a range of them.
    "CREATE TABLE IF NOT EXISTS fates (number INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, state INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL, height INTEGER NOT NULL, position INTEGER NOT NULL, first_receipt INTEGER NOT NULL,"
    " last_receipt INTEGER NOT NULL, code INTEGER NOT NULL, place TEXT NOT NULL)",
)
_SAVE = (
    "INSERT INTO fates (hash, state, time_ms, height, position, first_receipt, last_receipt, code, place)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET state = excluded.state,"
    " time_ms = excluded.time_ms, height = excluded.height, position = excluded.position,"
    " first_receipt = excluded.first_receipt, last_receipt = excluded.last_receipt, code = excluded.code,"
    # As `supersedes`.
    " place = excluded.place WHERE fates.state >= 3 OR (fates.state = 2 AND excluded.state <= 2)"
)
_COLUMNS = "hash, state, time_ms, height, position, first_receipt, last_receipt, code, place"

log = structlog.get_logger(__name__)


class FateState(IntEnum):
    """What became of a transaction. The numbers are on disk."""

    PENDING = 0
    """It waits in this node's pool; never stored."""
    APPLIED = 1
    REFUSED = 2
    """In a block, which it did not change."""
    DROPPED = 3
    """This node gave it up before a block had it."""
    EXPIRED = 4
    """Its not-after passed before a block had it."""


@dataclass(frozen=True, slots=True)
class FateRecord:
    """One transaction's fate. In a block: its height, its index, and where its receipts are among those of the height.

    `code` and `place`: of the refusal, else 0 and empty. `last_receipt` is below `first_receipt` where it has none.
    """

    hash: bytes
    state: FateState
    time_ms: int
    height: int = 0
    index: int = 0
    first_receipt: int = 0
    last_receipt: int = -1
    code: int = 0
    place: str = ""


def supersedes(newer: FateRecord, older: FateRecord | None) -> bool:
    """Whether a newer fate counts. What was applied stays so, and a block's refusal is replaced by a block only."""
    if older is None or older.state >= FateState.DROPPED:
        return True
    return older.state == FateState.REFUSED and newer.state <= FateState.REFUSED


class FateTable:
    """One file. Its writes are durable, and made by a thread of their own."""

    def __init__(self, path: Path, network: bytes) -> None:
        """Open or create. Raises LocalFault when the folder cannot be written."""
        try:
            self._database = _opened(path, network)
        except LocalFault as fault:
            log.warning("fates of transactions are not readable: put aside", path=str(path), fault=str(fault))
            for suffix in ("", "-wal", "-shm"):
                part = path.with_name(path.name + suffix)
                if part.exists():
                    part.replace(path.with_name(f"{path.name}.damaged{suffix}"))
            self._database = _opened(path, network)

    def __enter__(self) -> "FateTable":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is queued and close. Idempotent."""
        self._database.close()

    def height(self) -> int:
        """The height up to which blocks were noted; 0 for none."""
        rows = self._database.read("SELECT value FROM meta WHERE name = 'height'")
        return int.from_bytes(rows[0][0], "big") if rows else 0

    def find(self, hash_: bytes) -> FateRecord | None:
        """The fate of the transaction of this hash; one indexed row."""
        rows = self._database.read(f"SELECT {_COLUMNS} FROM fates WHERE hash = ?", (hash_,))  # noqa: S608
        if not rows:
            return None
        found, state, *others = rows[0]
        return FateRecord(found, FateState(state), *others)

    def count(self) -> int:
        """How many are kept."""
        return int(self._database.read("SELECT COUNT(*) FROM fates")[0][0])

    def save(self, records: Sequence[FateRecord], height: int | None, oldest_ms: int, count_max: int) -> None:
        """Keep these, durable on return, and forget the oldest. `height`: up to which blocks are noted now."""
        self._database.write(lambda connection: _save(connection, records, height, oldest_ms, count_max))

    async def save_async(
        self, records: Sequence[FateRecord], height: int | None, oldest_ms: int, count_max: int
    ) -> None:
        """As `save`, without blocking the event loop."""
        await self._database.write_async(lambda connection: _save(connection, records, height, oldest_ms, count_max))

    def cut(self, top: int) -> None:
        """Forget the blocks above `top`, which a rollback took away."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM fates WHERE height > ?", (top,))
            _set_height(connection, top)

        if self.height() > top:
            self._database.write(write)


def _opened(path: Path, network: bytes) -> Database:
    database = Database(path, SCHEMA)
    try:
        database.write(lambda connection: _bind(connection, network))
    except sqlite3.DatabaseError as error:
        database.close()
        raise LocalFault(NodeCode.STORE_CORRUPT, path.name, why=str(error)) from error
    except BaseException:
        database.close()
        raise
    return database


def _bind(connection: sqlite3.Connection, network: bytes) -> None:
    wanted = {"version": VERSION, "network": network}
    found = dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('version', 'network')").fetchall())
    if not found:
        connection.executemany("INSERT INTO meta VALUES (?, ?)", wanted.items())
    elif found != wanted:
        raise LocalFault(NodeCode.STORE_OTHER_NETWORK, "fates", found=found.get("network", b""), wanted=network)


def _save(
    connection: sqlite3.Connection, records: Sequence[FateRecord], height: int | None, oldest_ms: int, count_max: int
) -> None:
    connection.executemany(
        _SAVE,
        [
            (r.hash, r.state, r.time_ms, r.height, r.index, r.first_receipt, r.last_receipt, r.code, r.place)
            for r in records
        ],
    )
    if height is not None:
        _set_height(connection, height)
    newest = connection.execute("SELECT MAX(number) FROM fates").fetchone()[0] or 0
    young = connection.execute(
        "SELECT number FROM fates WHERE time_ms >= ? ORDER BY number LIMIT 1", (oldest_ms,)
    ).fetchone()
    first = max(newest - count_max, (young[0] if young else newest + 1) - 1)
    connection.execute("DELETE FROM fates WHERE number <= ?", (first,))


def _set_height(connection: sqlite3.Connection, height: int) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('height', ?)", (height.to_bytes(8, "big"),))
