"""`LightStore`: the heights that one light client trusts, in a file.

Rule: only what was verified is written, all of one step together and durable; each row carries a digest, so a failing
disk is reported and not trusted. The file is bound to one network and readable by its owner only. It keeps the first
height, where trust began, and the newest `KEPT`. It verifies no signature, but keeps no two headers that contradict
each other, whichever process wrote them.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.hashing import sha256
from clearing.base.header import Header
from consensus.codes import ConsensusCode
from consensus.light_client import LightBlock
from member.codes import NodeCode
from member.light.neighbours import contradiction

VERSION = b"crossclear/light-store/v1"
KEPT = 1000
BLOCK_BYTES_MAX = 1 << 17
_BUSY_S = 10.0


class LightStore:
    """Open with `LightStore(path)`; close it, or use it in `with`."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Raises LocalFault: LIGHT_STORE_UNUSABLE; LIGHT_NO_TRUST when there is none and none is to be made."""
        if not path.exists():
            if not create:
                raise LocalFault(NodeCode.LIGHT_NO_TRUST, str(path), why="there is no such store")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        self._path = path
        try:
            self._rows = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            self._rows.execute("PRAGMA synchronous=FULL")
            self._rows.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)")
            self._rows.execute(
                "CREATE TABLE IF NOT EXISTS blocks"
                " (height INTEGER PRIMARY KEY, hash BLOB NOT NULL, data BLOB NOT NULL, digest BLOB NOT NULL)"
            )
            self._rows.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (VERSION,))
        except sqlite3.DatabaseError as error:
            raise self._unusable(str(error)) from None
        if self._meta("version") != VERSION:
            raise self._unusable("written by another version")

    def __enter__(self) -> "LightStore":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._rows.close()

    @property
    def network(self) -> bytes | None:
        """Of all blocks here; None for an empty store."""
        return self._meta("network")

    def newest(self) -> LightBlock | None:
        """The highest."""
        return self._one("ORDER BY height DESC", ())

    def lowest(self) -> LightBlock | None:
        """The lowest."""
        return self._one("ORDER BY height", ())

    def at(self, height: int) -> LightBlock | None:
        """Exactly there."""
        return self._one("WHERE height = ?", (height,))

    def at_or_below(self, height: int) -> LightBlock | None:
        """The highest that is not above."""
        return self._one("WHERE height <= ? ORDER BY height DESC", (height,))

    def above(self, height: int) -> LightBlock | None:
        """The lowest that is higher."""
        return self._one("WHERE height > ? ORDER BY height", (height,))

    def heights(self) -> tuple[int, ...]:
        """All, ascending."""
        return tuple(int(row[0]) for row in self._read("SELECT height FROM blocks ORDER BY height", ()))

    def add(self, blocks: Sequence[LightBlock]) -> None:
        """Keep verified blocks, all or none, durable on return.

        Raises LocalFault LIGHT_STORE_UNUSABLE for a second of a height, RemoteFault BROKEN_LINK for one that
        contradicts a header next to it.
        """
        try:
            self._rows.execute("BEGIN IMMEDIATE")
            try:
                for block in blocks:
                    self._add(block)
                self._prune()
                self._rows.execute("COMMIT")
            except BaseException:
                self._rows.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:
            raise self._unusable(str(error)) from None

    def _add(self, block: LightBlock) -> None:
        header, data = block.header, encode(block)
        network = self._meta("network")
        if network is None:
            self._rows.execute("INSERT INTO meta VALUES ('network', ?)", (bytes(header.network),))
        elif network != header.network:
            raise self._unusable("of another network")
        found = self._read("SELECT hash FROM blocks WHERE height = ?", (header.height,))
        if not found:
            self._check_neighbours(header)
            row = (header.height, bytes(header.hash), data, sha256(data))
            self._rows.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", row)
        elif found[0][0] != header.hash:
            raise self._unusable(f"another header of height {header.height} is trusted")

    def _check_neighbours(self, header: Header) -> None:
        """In the transaction that writes: another process may have written since the caller looked."""
        below, above = self.at_or_below(header.height), self.above(header.height)
        wrong = contradiction(None if below is None else below.header, header, None if above is None else above.header)
        if wrong:
            raise RemoteFault(ConsensusCode.BROKEN_LINK, "light block", height=header.height, why=wrong)

    def _prune(self) -> None:
        self._rows.execute(
            "DELETE FROM blocks WHERE height NOT IN (SELECT height FROM blocks ORDER BY height DESC LIMIT ?)"
            " AND height > (SELECT MIN(height) FROM blocks)",
            (KEPT,),
        )

    def _one(self, where: str, parameters: tuple[object, ...]) -> LightBlock | None:
        query = f"SELECT height, data, digest FROM blocks {where} LIMIT 1"  # noqa: S608 - from above
        rows = self._read(query, parameters)
        if not rows:
            return None
        height, data, digest = rows[0]
        if not isinstance(data, bytes) or sha256(data) != digest:
            raise self._unusable("a block differs from its digest")
        try:
            block = decode(data, LightBlock, BLOCK_BYTES_MAX)
        except RemoteFault as fault:
            raise self._unusable(str(fault)) from None
        if (block.header.height, block.header.network) != (height, self._meta("network")):
            raise self._unusable("a block is in the place of another")
        return block

    def _meta(self, name: str) -> bytes | None:
        rows = self._read("SELECT value FROM meta WHERE name = ?", (name,))
        return bytes(rows[0][0]) if rows else None

    def _read(self, query: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._rows.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._unusable(str(error)) from None
        return rows

    def _unusable(self, why: str) -> LocalFault:
        return LocalFault(NodeCode.LIGHT_STORE_UNUSABLE, str(self._path), why=why[:200])
