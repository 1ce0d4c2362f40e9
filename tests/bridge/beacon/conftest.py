from pathlib import Path

import pytest

from tests.kit.bridge.recorded_beacon import RecordedBeacon


@pytest.fixture(scope="session")
def recorded(vectors_dir: Path) -> RecordedBeacon:
    return RecordedBeacon(vectors_dir)
