"""`Store`: blocks, snapshots, receipts and packages of one node.

Rule: blocks are saved height by height and never change; saving the same again is a no-op, saving another value under
the same key is refused. What belongs to one height goes into one transaction. It decodes nothing.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from clearing.base.errors import LocalFault
from clearing.base.hashing import sha256
from member.codes import NodeCode
from node.store.database import SCHEMA, VERSION, Database, FrozenDatabase
from node.store.records import BlockRecord, PackageRecord, ReceiptRecord, ReceiptsAsked

RECEIPTS_PAGE_MAX = 1000
PACKAGES_PAGE_MAX = 1000
SNAPSHOTS_KEPT = 3
_Write = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True, slots=True)
class Commit:
    """What is saved together for one height."""

    block: BlockRecord
    receipts: tuple[ReceiptRecord, ...] = ()
    snapshot: bytes | None = None
    """Of the state after the block, where one is taken."""


class Store:
    """One node's database. `network` binds it: a store of another network is refused. Raises LocalFault."""

    def __init__(self, path: Path, network: bytes, snapshots_kept: int = SNAPSHOTS_KEPT) -> None:
        """`snapshots_kept`: how many of the newest saved states stay."""
        self._snapshots_kept = snapshots_kept
        self._database = Database(path, SCHEMA)
        try:
            self._database.write(lambda connection: _bind(connection, network))
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is queued and close. Idempotent."""
        self._database.close()

    # Blocks

    def height(self) -> int:
        """Highest saved height; 0 for none."""
        return int(self._database.read("SELECT COALESCE(MAX(height), 0) FROM blocks")[0][0])

    def first_height(self) -> int:
        """Lowest saved height (above 1 after a state sync); 0 for none."""
        return int(self._database.read("SELECT COALESCE(MIN(height), 0) FROM blocks")[0][0])

    def block(self, height: int) -> BlockRecord | None:
        """One height. Raises LocalFault STORE_CORRUPT when it differs from its digest."""
        rows = self._database.read(
            "SELECT block, certificate, extended_commit, digest FROM blocks WHERE height = ?", (height,)
        )
        if not rows:
            return None
        block, certificate, extended_commit, digest = rows[0]
        if sha256(block + certificate + extended_commit) != digest:
            raise LocalFault(NodeCode.STORE_CORRUPT, "blocks", height=height)
        return BlockRecord(height=height, block=block, certificate=certificate, extended_commit=extended_commit)

    def save(self, commit: Commit) -> None:
        """Save one height, durable on return. Raises LocalFault STORE_GAP, STORE_CONFLICT."""
        self._database.write(_saving(commit, self._snapshots_kept))

    def save_blocks(self, records: Sequence[BlockRecord]) -> None:
        """Save consecutive heights in one transaction. Raises LocalFault STORE_GAP, STORE_CONFLICT."""

        def write(connection: sqlite3.Connection) -> None:
            for record in records:
                _save_block(connection, record)

        self._database.write(write)

    def save_results(self, receipts: Sequence[ReceiptRecord], snapshot: tuple[int, bytes] | None = None) -> None:
        """Save what executing a block gave, durable on return; saving it again (a replay) changes nothing."""
        self._database.write(lambda connection: _save_results(connection, receipts, snapshot, self._snapshots_kept))

    async def save_results_async(
        self, receipts: Sequence[ReceiptRecord], snapshot: tuple[int, bytes] | None = None
    ) -> None:
        """As `save_results`, without blocking the event loop."""
        await self._database.write_async(
            lambda connection: _save_results(connection, receipts, snapshot, self._snapshots_kept)
        )

    def blocks(self, first: int = 1) -> Iterator[BlockRecord]:
        """Blocks from a height on, one at a time."""
        for height in range(max(first, self.first_height()), self.height() + 1):
            record = self.block(height)
            if record is not None:
                yield record

    def remove_newest(self, height: int) -> None:
        """Forget the newest block, its receipts and the state after it, together. Raises LocalFault STORE_GAP."""
        self._database.write(lambda connection: _remove_newest(connection, height))

    async def forget_blocks_async(self, below: int, heights: int) -> None:
        """Forget the lowest blocks below a height, at most so many, with their receipts. The newest block stays."""
        await self._database.write_async(lambda connection: _forget_blocks(connection, below, heights))

    async def forget_receipt_accounts_async(self, after: int, below: int, accounts: int) -> int | None:
        """Forget which receipts below a height concern the next accounts above `after`; the last one of them."""
        return await self._database.write_async(
            lambda connection: _forget_receipt_accounts(connection, after, below, accounts)
        )

    # Validator sets

    def save_validator_set(self, hash_: bytes, data: bytes) -> None:
        """Keep a set under its hash, durable on return."""
        self._database.write(
            lambda connection: connection.execute("INSERT OR IGNORE INTO validator_sets VALUES (?, ?)", (hash_, data))
        )

    def validator_set(self, hash_: bytes) -> bytes | None:
        """The set of this hash, in its canonical encoding."""
        rows = self._database.read("SELECT data FROM validator_sets WHERE hash = ?", (bytes(hash_),))
        return bytes(rows[0][0]) if rows else None

    # Snapshots of the state

    def save_snapshot(self, height: int, data: bytes) -> None:
        """Save the state after `height`, keep the newest ones, durable on return."""
        self._database.write(lambda connection: _save_snapshot(connection, height, data, self._snapshots_kept))

    def snapshot(self, at_most: int = 2**63 - 1) -> tuple[int, bytes] | None:
        """The newest snapshot at or below a height. Raises LocalFault STORE_CORRUPT."""
        rows = self._database.read(
            "SELECT height, data, digest FROM snapshots WHERE height <= ? ORDER BY height DESC LIMIT 1", (at_most,)
        )
        if not rows:
            return None
        height, data, digest = rows[0]
        if sha256(data) != digest:
            raise LocalFault(NodeCode.STORE_CORRUPT, "snapshots", height=height)
        return int(height), data

    def snapshot_heights(self) -> tuple[int, ...]:
        """Heights of the saved snapshots, the newest first."""
        return tuple(int(row[0]) for row in self._database.read("SELECT height FROM snapshots ORDER BY height DESC"))

    def snapshot_at(self, height: int) -> bytes | None:
        """The snapshot of exactly this height. Raises LocalFault STORE_CORRUPT."""
        found = self.snapshot(height)
        return found[1] if found is not None and found[0] == height else None

    def save_joined(self, commit: Commit, sets: Mapping[bytes, bytes]) -> None:
        """Begin with a height above 1: its block, the state after it, and the sets that it names, in one transaction.

        Raises LocalFault STORE_CONFLICT when there are blocks already.
        """

        def write(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM blocks LIMIT 1").fetchone() is not None:
                raise LocalFault(NodeCode.STORE_CONFLICT, "joined", height=commit.block.height)
            connection.executemany("INSERT OR IGNORE INTO validator_sets VALUES (?, ?)", sorted(sets.items()))
            _saving(commit, self._snapshots_kept)(connection)

        self._database.write(write)

    # Receipts

    def receipts_at(self, height: int) -> tuple[bytes, ...]:
        """All receipts of one height, in order."""
        rows = self._database.read("SELECT data FROM receipts WHERE height = ? ORDER BY position", (height,))
        return tuple(row[0] for row in rows)

    def receipts_between(self, height: int, first: int, last: int) -> tuple[ReceiptRecord, ...]:
        """The receipts of a height from one position to another, both included, in order."""
        rows = self._database.read(
            "SELECT position, data FROM receipts WHERE height = ? AND position BETWEEN ? AND ? ORDER BY position",
            (height, first, last),
        )
        return tuple(ReceiptRecord(height, int(position), (), data) for position, data in rows)

    def receipts_of(self, account: int, page: ReceiptsAsked) -> tuple[ReceiptRecord, ...]:
        """The receipts of a page (its limit is capped) that concern an account."""
        beyond, direction = ("<", " DESC") if page.newest_first else (">", "")
        rows = self._database.read(
            "SELECT r.height, r.position, r.data FROM receipt_accounts a"  # noqa: S608 - two constants
            " JOIN receipts r ON r.height = a.height AND r.position = a.position"
            f" WHERE a.account = ? AND (a.height, a.position) {beyond} (?, ?)"
            f" ORDER BY a.height{direction}, a.position{direction} LIMIT ?",
            (account, *page.after, min(page.limit, RECEIPTS_PAGE_MAX)),
        )
        return tuple(ReceiptRecord(int(h), int(i), (account,), data) for h, i, data in rows)

    # Epoch packages

    def save_package(self, package: PackageRecord) -> None:
        """Note a finished package. Raises LocalFault STORE_CONFLICT for another of that epoch."""
        self._database.write(lambda connection: _save_package(connection, package))

    async def save_package_async(self, package: PackageRecord) -> None:
        """As `save_package`, without blocking the event loop."""
        await self._database.write_async(lambda connection: _save_package(connection, package))

    def package(self, epoch: int | None = None) -> PackageRecord | None:
        """The package of an epoch, or the newest."""
        where, parameters = ("", ()) if epoch is None else (" WHERE epoch = ?", (epoch,))
        rows = self._database.read(
            "SELECT epoch, height, path, size, digest FROM packages" + where + " ORDER BY epoch DESC LIMIT 1",  # noqa: S608
            parameters,
        )
        return PackageRecord(*rows[0]) if rows else None

    def packages(self, after: int, limit: int) -> tuple[PackageRecord, ...]:
        """At most `limit` packages of epochs later than `after`, in order."""
        rows = self._database.read(
            "SELECT epoch, height, path, size, digest FROM packages WHERE epoch > ? ORDER BY epoch LIMIT ?",
            (after, min(limit, PACKAGES_PAGE_MAX)),
        )
        return tuple(PackageRecord(*row) for row in rows)

    def packages_beyond(self, kept: int, limit: int) -> tuple[PackageRecord, ...]:
        """At most `limit` packages other than the newest `kept`, the oldest first."""
        rows = self._database.read(
            "SELECT epoch, height, path, size, digest FROM packages"
            " WHERE epoch NOT IN (SELECT epoch FROM packages ORDER BY epoch DESC LIMIT ?) ORDER BY epoch LIMIT ?",
            (kept, limit),
        )
        return tuple(PackageRecord(*row) for row in rows)

    async def forget_packages_async(self, last: int) -> None:
        """Forget the packages of epochs up to this one."""
        await self._database.write_async(
            lambda connection: connection.execute("DELETE FROM packages WHERE epoch <= ?", (last,))
        )

    # Anything else, small

    def put(self, name: str, value: bytes) -> None:
        """Set a named value, durable on return."""
        self._database.write(
            lambda connection: connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"user/{name}", value))
        )

    def get(self, name: str) -> bytes | None:
        """A named value."""
        rows = self._database.read("SELECT value FROM meta WHERE name = ?", (f"user/{name}",))
        return bytes(rows[0][0]) if rows else None


class FrozenStore(Store):
    """A store in a file that nobody writes. Only what reads works. Raises LocalFault."""

    def __init__(self, path: Path, network: bytes) -> None:
        self._database = FrozenDatabase(path)
        try:
            _check_binding(dict(self._database.read("SELECT name, value FROM meta")), network)
        except BaseException:
            self._database.close()
            raise


def network_of_store(path: Path) -> bytes | None:
    """The network that a store belongs to, read without a lock or a write; None where there is no store yet.

    Raises LocalFault STORE_CORRUPT.
    """
    return _read_only(path, "SELECT value FROM meta WHERE name = 'network'")


def snapshot_of_store(path: Path) -> bytes | None:
    """The newest saved state of a store, read alike; None where there is none. Raises LocalFault STORE_CORRUPT."""
    return _read_only(path, "SELECT data FROM snapshots ORDER BY height DESC LIMIT 1")


def _read_only(path: Path, query: str) -> bytes | None:
    if not path.exists():
        return None
    # Without a log nobody writes, and a connection that may be written to would leave one behind.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True)) as connection:
            found = connection.execute(query).fetchone()
    except sqlite3.DatabaseError as error:
        raise LocalFault(NodeCode.STORE_CORRUPT, str(path), why=str(error)) from None
    return bytes(found[0]) if found else None


def _bind(connection: sqlite3.Connection, network: bytes) -> None:
    found = dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('version', 'network')").fetchall())
    if found:
        _check_binding(found, network)
    else:
        connection.executemany("INSERT INTO meta VALUES (?, ?)", {"version": VERSION, "network": network}.items())


def _check_binding(found: Mapping[str, bytes], network: bytes) -> None:
    """Raises LocalFault STORE_VERSION, STORE_OTHER_NETWORK."""
    if found.get("version") != VERSION:
        raise LocalFault(NodeCode.STORE_VERSION, "store", found=found.get("version", b""), wanted=VERSION)
    if found.get("network") != network:
        raise LocalFault(NodeCode.STORE_OTHER_NETWORK, "store", found=found.get("network", b""), wanted=network)


def _saving(commit: Commit, snapshots_kept: int) -> _Write:
    def write(connection: sqlite3.Connection) -> None:
        if _save_block(connection, commit.block):
            _save_receipts(connection, commit.receipts)
        if commit.snapshot is not None:
            _save_snapshot(connection, commit.block.height, commit.snapshot, snapshots_kept)

    return write


def _save_block(connection: sqlite3.Connection, block: BlockRecord) -> bool:
    """Whether the block was new."""
    digest = sha256(block.block + block.certificate + block.extended_commit)
    top = connection.execute("SELECT MAX(height) FROM blocks").fetchone()[0]
    if top is not None and block.height <= top:
        row = connection.execute("SELECT block FROM blocks WHERE height = ?", (block.height,)).fetchone()
        # Two valid certificates of one block may differ in their signers: the first stays.
        if row is None or row[0] != block.block:
            raise LocalFault(NodeCode.STORE_CONFLICT, "blocks", height=block.height, top=top)
        return False
    if top is not None and block.height != top + 1:
        raise LocalFault(NodeCode.STORE_GAP, "blocks", height=block.height, top=top)
    connection.execute(
        "INSERT INTO blocks VALUES (?, ?, ?, ?, ?)",
        (block.height, block.block, block.certificate, block.extended_commit, digest),
    )
    return True


def _remove_newest(connection: sqlite3.Connection, height: int) -> None:
    top = connection.execute("SELECT MAX(height) FROM blocks").fetchone()[0]
    if top != height:
        raise LocalFault(NodeCode.STORE_GAP, "remove", height=height, top=top or 0)
    for table in ("blocks", "receipts", "receipt_accounts", "snapshots"):
        connection.execute(f"DELETE FROM {table} WHERE height >= ?", (height,))  # noqa: S608 - the names above


def _forget_blocks(connection: sqlite3.Connection, below: int, heights: int) -> None:
    first, top = connection.execute("SELECT MIN(height), MAX(height) FROM blocks").fetchone()
    if first is None:
        return
    until = min(below, first + heights, top)
    for table in ("blocks", "receipts"):
        connection.execute(f"DELETE FROM {table} WHERE height < ?", (until,))  # noqa: S608 - the names above


def _forget_receipt_accounts(connection: sqlite3.Connection, after: int, below: int, accounts: int) -> int | None:
    """By account, which is how the table is ordered."""
    last: int | None = None
    for _ in range(accounts):
        row = connection.execute(
            "SELECT account FROM receipt_accounts WHERE account > ? ORDER BY account LIMIT 1",
            (after if last is None else last,),
        ).fetchone()
        if row is None:
            return last
        last = int(row[0])
        connection.execute("DELETE FROM receipt_accounts WHERE account = ? AND height < ?", (last, below))
    return last


def _save_results(
    connection: sqlite3.Connection,
    receipts: Sequence[ReceiptRecord],
    snapshot: tuple[int, bytes] | None,
    snapshots_kept: int,
) -> None:
    _save_receipts(connection, receipts)
    if snapshot is not None:
        _save_snapshot(connection, *snapshot, snapshots_kept)


def _save_receipts(connection: sqlite3.Connection, receipts: Sequence[ReceiptRecord]) -> None:
    saved: dict[tuple[int, int], bytes] = {}
    for height in sorted({receipt.height for receipt in receipts}):
        rows = connection.execute("SELECT position, data FROM receipts WHERE height = ?", (height,))
        saved.update(((height, position), data) for position, data in rows)
    for receipt in receipts:
        if saved.get((receipt.height, receipt.index), receipt.data) != receipt.data:
            raise LocalFault(NodeCode.STORE_CONFLICT, "receipts", height=receipt.height, index=receipt.index)
    connection.executemany(
        "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?)", [(r.height, r.index, r.data) for r in receipts]
    )
    connection.executemany(
        "INSERT OR IGNORE INTO receipt_accounts VALUES (?, ?, ?)",
        [(account, r.height, r.index) for r in receipts for account in sorted(set(r.accounts))],
    )


def _save_snapshot(connection: sqlite3.Connection, height: int, data: bytes, kept: int) -> None:
    connection.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (height, data, sha256(data)))
    connection.execute(
        "DELETE FROM snapshots WHERE height NOT IN (SELECT height FROM snapshots ORDER BY height DESC LIMIT ?)",
        (kept,),
    )


def _save_package(connection: sqlite3.Connection, package: PackageRecord) -> None:
    values = (package.epoch, package.height, package.path, package.size, package.digest)
    row = connection.execute("SELECT * FROM packages WHERE epoch = ?", (package.epoch,)).fetchone()
    if row is None:
        connection.execute("INSERT INTO packages VALUES (?, ?, ?, ?, ?)", values)
    elif row != values:
        raise LocalFault(NodeCode.STORE_CONFLICT, "packages", epoch=package.epoch)
