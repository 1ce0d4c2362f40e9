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

VERSION = b"crossclear/fates/v2"
PARTS = 16
"""Tables that are filled one after the other. Hashes come in no order, so an insertion rewrites a page of an index: a
small one is rewritten less often, and the oldest part is forgotten as a whole."""
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    *(
        f"CREATE TABLE IF NOT EXISTS fates_{part} (number INTEGER PRIMARY KEY, prefix INTEGER NOT NULL, hash BLOB NOT"
        " NULL, state INTEGER NOT NULL, time_ms INTEGER NOT NULL, height INTEGER NOT NULL, position INTEGER NOT NULL,"
        " first_receipt INTEGER NOT NULL, last_receipt INTEGER NOT NULL, code INTEGER NOT NULL, place TEXT NOT NULL)"
        for part in range(PARTS)
    ),
    *(f"CREATE INDEX IF NOT EXISTS fates_{part}_by_prefix ON fates_{part} (prefix)" for part in range(PARTS)),
)
_COLUMNS = "state, time_ms, height, position, first_receipt, last_receipt, code, place"
_FIND = " UNION ALL ".join(
    f"SELECT {_COLUMNS}, number FROM fates_{part} WHERE prefix = ? AND hash = ?"  # noqa: S608 - the names above
    for part in range(PARTS)
)

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
        """The fate of the transaction of this hash; a few indexed rows."""
        found = None
        for state, *others in sorted(
            self._database.read(_FIND, (_prefix(hash_), hash_) * PARTS), key=lambda row: row[-1]
        ):
            newer = FateRecord(hash_, FateState(state), *others[:-1])
            if supersedes(newer, found):
                found = newer
        return found

    def count(self) -> int:
        """How many are kept; one that was saved twice counts twice."""
        return sum(int(self._database.read(f"SELECT COUNT(*) FROM fates_{part}")[0][0]) for part in range(PARTS))  # noqa: S608

    def save(self, records: Sequence[FateRecord], height: int | None, oldest_ms: int, count_max: int) -> None:
        """Keep these, durable on return, and forget the oldest, a sixteenth of `count_max` at once.

        `height`: up to which blocks are noted now.
        """
        self._database.write(lambda connection: _save(connection, records, height, oldest_ms, count_max))

    async def save_async(
        self, records: Sequence[FateRecord], height: int | None, oldest_ms: int, count_max: int
    ) -> None:
        """As `save`, without blocking the event loop."""
        await self._database.write_async(lambda connection: _save(connection, records, height, oldest_ms, count_max))

    def cut(self, top: int) -> None:
        """Forget the blocks above `top`, which a rollback took away."""

        def write(connection: sqlite3.Connection) -> None:
            for part in range(PARTS):
                connection.execute(f"DELETE FROM fates_{part} WHERE height > ?", (top,))  # noqa: S608
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
    if height is not None:
        _set_height(connection, height)
    room = max(1, count_max // PARTS)
    newest = [
        connection.execute(f"SELECT COALESCE(MAX(number), 0) FROM fates_{part}").fetchone()[0]  # noqa: S608
        for part in range(PARTS)
    ]
    number = max(newest)
    part = newest.index(number)
    for first in range(0, len(records), room):
        filled = connection.execute(f"SELECT COUNT(*) FROM fates_{part}").fetchone()[0]  # noqa: S608
        if filled + len(records[first : first + room]) > room:
            part = (part + 1) % PARTS
            connection.execute(f"DELETE FROM fates_{part}")  # noqa: S608
        rows = [
            (number + place, *_row(record)) for place, record in enumerate(records[first : first + room], first + 1)
        ]
        connection.executemany(
            f"INSERT INTO fates_{part} (number, prefix, hash, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            rows,
        )
    for each in range(PARTS):
        _forget_old(connection, each, oldest_ms)


def _forget_old(connection: sqlite3.Connection, part: int, oldest_ms: int) -> None:
    """Forget those at the beginning of a part that are older."""
    young = connection.execute(
        f"SELECT number FROM fates_{part} WHERE time_ms >= ? ORDER BY number LIMIT 1",  # noqa: S608
        (oldest_ms,),
    ).fetchone()
    if young is None:
        connection.execute(f"DELETE FROM fates_{part}")  # noqa: S608
    else:
        connection.execute(f"DELETE FROM fates_{part} WHERE number < ?", young)  # noqa: S608


def _row(record: FateRecord) -> tuple[object, ...]:
    """Prefix, hash, and the others in the order of `_COLUMNS`."""
    block = (record.height, record.index, record.first_receipt, record.last_receipt)
    return (_prefix(record.hash), record.hash, int(record.state), record.time_ms, *block, record.code, record.place)


def _prefix(hash_: bytes) -> int:
    """What the index has of a hash; few share it, unless somebody searches for them."""
    return int.from_bytes(hash_[:8], "big", signed=True)


def _set_height(connection: sqlite3.Connection, height: int) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('height', ?)", (height.to_bytes(8, "big"),))
