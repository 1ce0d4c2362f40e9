"""Databases for a history, each in both kinds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.node.databases import KINDS, postgresql


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    with postgresql(tmp_path_factory.mktemp("pg")) as new:
        yield new


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path, server: Callable[[], str]) -> str:
    return server() if request.param == "postgresql" else f"sqlite:///{tmp_path / 'history.db'}"
