"""`Database`: one SQLite file in WAL mode, written by one thread of its own, each job one durable transaction.

Rule: a change of layout is a new `VERSION`; a store of another version is refused, never guessed at.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import trio

from clearing.base.errors import LocalFault
from member.codes import NodeCode

T = TypeVar("T")
Row = tuple[Any, ...]
Job = Callable[[sqlite3.Connection], T]
_BUSY_TIMEOUT_S = 10.0
_CACHE_KIB = 16_384
_WAL_BYTES_MAX = 64 << 20
_CHECKPOINT_EVERY = 64
"""Transactions between two moves of the WAL file into the database."""


class Database:
    """A writer thread and a reader. Open with the statements that make the schema; close it, or use it in `with`."""

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"store-{path.name}")
        self._closed = False
        try:
            self._connection = self._writer.submit(_open_writer, path, schema).result()
            self._reader = _connect(path)
            self._reader.execute("PRAGMA query_only=ON")
        except sqlite3.DatabaseError as error:
            self._writer.shutdown()
            raise LocalFault(NodeCode.STORE_CORRUPT, str(path.name), why=str(error)) from error
        self._reading = threading.Lock()
        self._checkpointer = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"checkpoint-{path.name}")
        self._checkpoint: Future[None] | None = None
        self._written = 0
        self._path = path

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, job: Job[T]) -> "Future[T]":
        """Queue a job for the writer. The future resolves once it is durable. Raises LocalFault when closed."""
        if self._closed:
            raise LocalFault(NodeCode.STORE_CLOSED, "submit")
        return self._writer.submit(self._transact, job)

    def write(self, job: Job[T]) -> T:
        """Run a job and block until it is durable (about half a millisecond). For threads, and where order matters."""
        return self.submit(job).result()

    async def write_async(self, job: Job[T]) -> T:
        """Run a job without blocking the event loop; returns once it is durable.

        Cancelling stops the waiting, not the write: a queued job is always run.
        """
        token = trio.lowlevel.current_trio_token()
        durable = trio.Event()
        future = self.submit(job)

        def wake(_: "Future[T]") -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(durable.set)

        future.add_done_callback(wake)
        await durable.wait()
        return future.result()

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows of a query on what is committed. Raises LocalFault when closed."""
        with self._reading:
            if self._closed:
                raise LocalFault(NodeCode.STORE_CLOSED, "read")
            try:
                return self._reader.execute(query, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                raise LocalFault(NodeCode.STORE_CORRUPT, "read", why=str(error)) from error

    def close(self) -> None:
        """Finish the queued jobs, fold the WAL file into the database, close. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._writer.submit(lambda: None).result()
        self._checkpointer.shutdown(wait=True)
        self._writer.submit(_close_writer, self._connection).result()
        self._writer.shutdown(wait=True)
        with self._reading:
            self._reader.close()

    def _transact(self, job: Job[T]) -> T:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = job(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._written += 1
        if self._written % _CHECKPOINT_EVERY == 0:
            self._keep_wal_short()
        return result

    def _keep_wal_short(self) -> None:
        """Have a checkpoint made beside; when those never catch up (no pause between writes), make one here."""
        wal = self._path.with_name(self._path.name + "-wal")
        # The job is durable already: its caller must not see a failure. RuntimeError: closing.
        with suppress(OSError, sqlite3.OperationalError, RuntimeError):
            if wal.stat().st_size > _WAL_BYTES_MAX:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            elif self._checkpoint is None or self._checkpoint.done():
                self._checkpoint = self._checkpointer.submit(_checkpoint_beside, self._path)


class FrozenDatabase(Database):
    """A file that nobody writes, read without a lock and without leaving anything beside it."""

    def __init__(self, path: Path) -> None:
        self._closed = True  # as far as writing goes
        try:
            self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)
        except sqlite3.DatabaseError as error:
            raise LocalFault(NodeCode.STORE_CORRUPT, path.name, why=str(error)) from error

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """As `Database.read`."""
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise LocalFault(NodeCode.STORE_CORRUPT, "read", why=str(error)) from error

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()


def copy_heights(source: Path, target: Path, height: int, progress: Callable[[int], None]) -> None:
    """Copy what belongs to heights up to `height` from a store that may be written meanwhile, to a new one.

    Each step is a short transaction: a long one would keep the writer's log from being cut. Blocks, sets and receipts
    of a height never change, so that the steps are of one state; snapshots, which are replaced, are copied first.
    Heights that the writer forgets meanwhile may be there by half: `keep_whole` cuts them off.
    Raises LocalFault STORE_CORRUPT.
    """
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as connection:
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute("ATTACH DATABASE ? AS source", (f"{source.resolve().as_uri()}?mode=ro",))
            connection.execute("INSERT INTO meta SELECT * FROM source.meta")
            for table, keys, rows in _COPIED:
                _copy_table(connection, table, keys, rows, height, progress)
            connection.execute("DETACH DATABASE source")
    except sqlite3.DatabaseError as error:
        raise LocalFault(NodeCode.STORE_CORRUPT, str(source), why=str(error)) from error


def keep_whole(target: Path, first: int, height: int) -> int:
    """Cut off a copy what lies below a gap, or below `first`: a node that prunes forgets heights while they are copied,
    and receipts of heights whose blocks are copied already. The lowest height that is left. Raises LocalFault."""
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as connection:
            heights = [row[0] for row in connection.execute("SELECT height FROM blocks ORDER BY height DESC")]
            wanted = range(height, height - len(heights), -1)
            whole = [each for each, due in zip(heights, wanted, strict=True) if each == due]
            first = max(first, min(whole, default=height))
            for table in ("blocks", "receipts", "receipt_accounts"):
                connection.execute(f"DELETE FROM {table} WHERE height < ?", (first,))  # noqa: S608 - the names above
    except sqlite3.DatabaseError as error:
        raise LocalFault(NodeCode.STORE_CORRUPT, str(target), why=str(error)) from error
    return first


def check_tables(path: Path) -> None:
    """Check that a file has the tables of a store and nothing else: no trigger, which would run when a node writes, and
    no view in a table's place. Raises LocalFault STORE_CORRUPT."""
    listed = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    try:
        with closing(sqlite3.connect(":memory:")) as own:
            for statement in SCHEMA:
                own.execute(statement)
            wanted = own.execute(listed).fetchall()
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)) as connection:
            found = connection.execute(listed).fetchall()
    except sqlite3.DatabaseError as error:
        raise LocalFault(NodeCode.STORE_CORRUPT, path.name, why=str(error)) from error
    if found != wanted:
        others = sorted({str(row[1]) for row in found} ^ {str(row[1]) for row in wanted})
        raise LocalFault(NodeCode.STORE_CORRUPT, path.name, why="other tables", names=", ".join(others)[:200])


_COPIED = (
    ("snapshots", ("height",), 1),
    ("blocks", ("height",), 64),
    ("receipts", ("height", "position"), 2_000),
    ("receipt_accounts", ("account", "height", "position"), 10_000),
    ("validator_sets", ("hash",), 16),
)
"""Tables with their keys, and how many rows are copied at once. Packages are files beside the store."""


def _copy_table(
    connection: sqlite3.Connection,
    table: str,
    keys: tuple[str, ...],
    rows: int,
    height: int,
    progress: Callable[[int], None],
) -> None:
    named, marks = ", ".join(keys), ", ".join("?" for _ in keys)
    downwards = ", ".join(f"{key} DESC" for key in keys)
    last: tuple[object, ...] | None = None
    while True:
        wanted = [f"({named}) > ({marks})"] if last is not None else []
        wanted += [f"height <= {height:d}"] if "height" in keys else []
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        copied = connection.execute(
            f"INSERT INTO main.{table} SELECT * FROM source.{table} {where} ORDER BY {named} LIMIT {rows:d}",  # noqa: S608
            last or (),
        ).rowcount
        if not copied:
            return
        query = f"SELECT {named} FROM main.{table} ORDER BY {downwards} LIMIT 1"  # noqa: S608 - the names above
        last = connection.execute(query).fetchone()
        if table == "blocks" and last is not None:
            progress(int(str(last[0])))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    return connection


def _open_writer(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    connection = _connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA foreign_keys=ON")
        for statement in schema:
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


def _checkpoint_beside(path: Path) -> None:
    """Move what no reader needs any more out of the WAL file, without holding up the writer."""
    connection = _connect(path)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    finally:
        connection.close()


def _close_writer(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.OperationalError):  # a reader of another process may have the WAL file open
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


VERSION = b"crossclear/store/v1"

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    # Large blobs: rowid tables keep them out of the key pages.
    "CREATE TABLE IF NOT EXISTS blocks (height INTEGER PRIMARY KEY, block BLOB NOT NULL, certificate BLOB NOT NULL,"
    " extended_commit BLOB NOT NULL, digest BLOB NOT NULL)",
    # By hash, as headers name them.
    "CREATE TABLE IF NOT EXISTS validator_sets (hash BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS snapshots (height INTEGER PRIMARY KEY, data BLOB NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS receipts (height INTEGER NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY (height, position)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS receipt_accounts (account INTEGER NOT NULL, height INTEGER NOT NULL,"
    " position INTEGER NOT NULL, PRIMARY KEY (account, height, position)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS packages (epoch INTEGER PRIMARY KEY, height INTEGER NOT NULL, path TEXT NOT NULL,"
    " size INTEGER NOT NULL, digest BLOB NOT NULL)",
)
