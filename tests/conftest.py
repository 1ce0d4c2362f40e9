"""What every test may use: where other people's vectors and market data are; no deadlines."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.kit")

from tests.kit.outside import outside  # noqa: E402 - what is registered first explains its assertions

# A loaded machine is no fault: no test has a time limit, nor does drawing examples. A commit passes or fails by what it
# holds: every run draws the same examples and remembers none. `--hypothesis-profile=search` draws others each time.
settings.register_profile("search", deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "crossclear", settings.get_profile("search"), derandomize=True, database=None, print_blob=True
)
settings.load_profile("crossclear")


@pytest.fixture(scope="session")
def vectors_dir() -> Path:
    """Vectors that other people wrote (CROSSCLEAR_VECTORS)."""
    return outside("CROSSCLEAR_VECTORS", "../shared/vectors", "test vectors of other projects")


@pytest.fixture(scope="session")
def market_data_dir() -> Path:
    """Market data for replays (CROSSCLEAR_MARKET_DATA)."""
    return outside("CROSSCLEAR_MARKET_DATA", "../shared/data", "market data")
