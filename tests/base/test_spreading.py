"""How tests are spread over processes: networks one at a time, long files first."""

from pathlib import Path

import pytest

from tests.kit.spreading import LONG, NETWORKS, place_of, share_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("place", [*NETWORKS, *LONG])
def test_what_is_named_exists(place: str) -> None:
    assert (ROOT / place).exists()


def test_every_file_that_is_marked_to_start_a_network_is_among_the_networks() -> None:
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    marked = [path for path in tests if "mark.network" in path.read_text(encoding="utf-8")]
    assert len(marked) >= 20
    shares = {str(path.relative_to(ROOT)): share_of(f"{path.relative_to(ROOT)}::test") for path in marked}
    assert sorted(name for name, share in shares.items() if share != "networks") == []


def test_every_other_file_has_a_share_of_its_own() -> None:
    assert share_of("tests/base/test_spreading.py::test_one[tests/e2e/::b]") == "tests/base/test_spreading.py"


def test_networks_are_begun_first_and_the_demonstration_before_all() -> None:
    names = [
        "tests/base/test_a.py::a",
        f"{LONG[1]}test_b.py::b",
        "tests/e2e/test_c.py::c",
        "tests/e2e/demo/test_d.py::d",
    ]
    assert sorted(names, key=place_of) == list(reversed(names))
    assert place_of("tests/base/test_a.py::a") == place_of("tests/cli/test_b.py::b")
