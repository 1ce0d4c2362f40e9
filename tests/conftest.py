"""What every test may use: where other people's vectors and market data are; no deadlines."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is no fault: no test has a time limit, nor does drawing examples. A commit passes or fails by what it
# holds: every run draws the same examples and remembers none. `--hypothesis-profile=search` draws others each time.
settings.register_profile("search", deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "crossclear", settings.get_profile("search"), derandomize=True, database=None, print_blob=True
)
settings.load_profile("crossclear")

ROOT = Path(__file__).resolve().parent.parent
pytest.register_assert_rewrite("tests.kit")


def _outside(variable: str, default: str, what: str) -> Path:
    folder = Path(os.environ.get(variable) or ROOT / default)
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{what} not found: set {variable}")
        pytest.skip(f"{what} not found: set {variable} to its folder")
    return folder


@pytest.fixture(scope="session")
def vectors_dir() -> Path:
    """Vectors that other people wrote (CROSSCLEAR_VECTORS)."""
    return _outside("CROSSCLEAR_VECTORS", "../shared/vectors", "test vectors of other projects")


@pytest.fixture(scope="session")
def market_data_dir() -> Path:
    """Market data for replays (CROSSCLEAR_MARKET_DATA)."""
    return _outside("CROSSCLEAR_MARKET_DATA", "../shared/data", "market data")
