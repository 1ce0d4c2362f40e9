"""`HistoryDatabase`: the history of one network in PostgreSQL or SQLite.

Rule: a height is written in one transaction, after the one below it, so a crash leaves whole heights and a writer goes
on where it was. Two writers don't mix: the second finds the height taken and is refused.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import create_engine, event, func, insert, inspect, select, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.history.rows import Rows
from node.history.tables import ABOUT, BLOCKS, METADATA, VERSION, VIEWS

DRIVERS = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite"}


class HistoryDatabase:
    """Open with the network's id; close it, or use it in `with`."""

    def __init__(self, url: str, network: bytes) -> None:
        """Create what is missing. `url`: `postgresql://user@host/name`, or `sqlite:///file`.

        Raises LocalFault HISTORY_URL, HISTORY_DATABASE, HISTORY_OTHER for another network or version.
        """
        self._engine = engine_of(url)
        try:
            _make_private(self._engine)
            with self._engine.begin() as connection:
                if not inspect(connection).has_table(ABOUT.name):
                    METADATA.create_all(connection)
                    for name, query in VIEWS.items():
                        connection.execute(text(f"CREATE VIEW {name} AS {query}"))
                    about = {"version": str(VERSION), "network": network.hex()}
                    connection.execute(insert(ABOUT), [{"name": name, "value": value} for name, value in about.items()])
                found = {row.name: row.value for row in connection.execute(select(ABOUT.c.name, ABOUT.c.value))}
        except (SQLAlchemyError, OSError) as error:
            self._engine.dispose()
            raise LocalFault(NodeCode.HISTORY_DATABASE, "history", why=_reason(error)) from None
        for name, wanted in (("version", str(VERSION)), ("network", network.hex())):
            if found.get(name) != wanted:
                self._engine.dispose()
                raise LocalFault(NodeCode.HISTORY_OTHER, f"history.{name}", found=found.get(name, ""), wanted=wanted)

    def __enter__(self) -> "HistoryDatabase":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @property
    def first_height(self) -> int:
        """The lowest height; 0 for none."""
        return self._height(func.min(BLOCKS.c.height))

    @property
    def last_height(self) -> int:
        """The highest height; 0 for none."""
        return self._height(func.max(BLOCKS.c.height))

    def block_hash(self, height: int) -> str:
        """In hex; empty for none."""
        with self._engine.connect() as connection:
            return str(connection.execute(select(BLOCKS.c.hash).where(BLOCKS.c.height == height)).scalar() or "")

    def write(self, blocks: Sequence[Rows]) -> None:
        """Write consecutive heights in one transaction, durable on return.

        Raises LocalFault HISTORY_TAKEN when one of them is there already, HISTORY_DATABASE.
        """
        merged: Rows = {}
        for rows in blocks:
            for name, added in rows.items():
                merged.setdefault(name, []).extend(added)
        try:
            with self._engine.begin() as connection:
                for table in METADATA.sorted_tables:
                    if of_table := merged.get(table.name):
                        connection.execute(insert(table), of_table)
        except IntegrityError:
            first = merged[BLOCKS.name][0]["height"]
            raise LocalFault(NodeCode.HISTORY_TAKEN, "history", height=first, last=self.last_height) from None
        except SQLAlchemyError as error:
            raise LocalFault(NodeCode.HISTORY_DATABASE, "history", why=_reason(error)) from None

    def _height(self, of: Any) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.coalesce(of, 0))).scalar_one())


def answer(url: str, sql: str, parameters: Mapping[str, int]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of the columns, and all rows, of a query on a history. Raises LocalFault HISTORY_URL, HISTORY_DATABASE."""
    engine = engine_of(url)
    try:
        with engine.connect() as connection:
            result = connection.execute(text(sql), dict(parameters))
            return list(result.keys()), [tuple(row) for row in result]
    except SQLAlchemyError as error:
        raise LocalFault(NodeCode.HISTORY_DATABASE, "history", why=_reason(error)) from None
    finally:
        engine.dispose()


def engine_of(url: str) -> Engine:
    """Connections to a database. Raises LocalFault HISTORY_URL for a URL of another kind."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LocalFault(NodeCode.HISTORY_URL, "database") from None
    if parsed.drivername not in DRIVERS:
        raise LocalFault(NodeCode.HISTORY_URL, "database", kind=parsed.drivername)
    engine = create_engine(parsed.set(drivername=DRIVERS[parsed.drivername]), json_serializer=_json_text)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _json_text(value: Any) -> str:
    """PostgreSQL stores a zero byte in JSON and then fails every query that reads it: U+FFFD in its place."""
    encoded = json.dumps(value)
    return json.dumps(_without_zero(value)) if "\\u0000" in encoded else encoded


def _without_zero(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, Mapping):
        return {_without_zero(name): _without_zero(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_zero(each) for each in value]
    return value


def _make_private(engine: Engine) -> None:
    """A new file is for the operator alone: a history has every account."""
    path = engine.url.database
    if engine.dialect.name == "sqlite" and path:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Readers beside the writer; durable when the machine loses its power."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _reason(error: Exception) -> str:
    """Without the statement and its values, which may be long; a URL's password is never in it."""
    reason = error if isinstance(error, OSError) else getattr(error, "orig", None) or type(error).__name__
    return str(reason).split("\n")[0][:200]
