"""What every test may use: where other people's vectors and market data are; no deadlines."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.kit")

# Read when numpy and scipy are loaded. The threads of linear algebra wait for each other on busy cores: with two of
# them a small decomposition took fifty times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What is registered first explains its assertions.
from tests.kit.log_settings import log_settings_kept  # noqa: E402
from tests.kit.outside import outside  # noqa: E402
from tests.kit.spreading import FilesInOrder, place_of  # noqa: E402
from tests.kit.still_running import still_running  # noqa: E402

# A loaded machine is no fault: no test has a time limit, nor does drawing examples. A commit passes or fails by what it
# holds: every run draws the same examples and remembers none. `--hypothesis-profile=search` draws others each time.
settings.register_profile("search", deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "crossclear", settings.get_profile("search"), derandomize=True, database=None, print_blob=True
)
settings.load_profile("crossclear")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Name a test that seems to hang, on the output that nothing captures; keep the log as it is."""
    with still_running(item.nodeid, item.config.stash[fault_handler_stderr_fd_key]), log_settings_kept():
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones; within a place the order stays."""
    items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesInOrder | None:
    """Spread the files by our rule where they are spread by file."""
    return FilesInOrder(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def vectors_dir() -> Path:
    """Vectors that other people wrote (CROSSCLEAR_VECTORS)."""
    return outside("CROSSCLEAR_VECTORS", "../shared/vectors", "test vectors of other projects")


@pytest.fixture(scope="session")
def market_data_dir() -> Path:
    """Market data for replays (CROSSCLEAR_MARKET_DATA)."""
    return outside("CROSSCLEAR_MARKET_DATA", "../shared/data", "market data")
