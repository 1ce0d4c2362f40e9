"""How tests are spread over processes: the demonstration is played once, and long files are begun first."""

from pathlib import Path

import pytest

from tests.kit.e2e.demo_folder import DemoFolder
from tests.kit.spreading import DEMO, FIRST, place_of, scope_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("place", [DEMO, *FIRST])
def test_what_is_begun_first_exists(place: str) -> None:
    assert (ROOT / place).exists()


def test_all_that_looks_at_the_demonstration_shares_its_process() -> None:
    looks = f"demo_run: {DemoFolder.__name__}"
    looking = [path for path in (ROOT / "tests").rglob("test_*.py") if looks in path.read_text(encoding="utf-8")]
    assert len(looking) >= 6
    assert {scope_of(f"{path.relative_to(ROOT)}::test") for path in looking} == {DEMO}


def test_every_other_file_has_a_process_of_its_own() -> None:
    assert scope_of("tests/e2e/test_crashes.py::test_one[a::b]") == "tests/e2e/test_crashes.py"


def test_the_demonstration_is_begun_before_all_and_what_is_not_named_last() -> None:
    names = ["tests/base/test_a.py::a", f"{FIRST[1]}test_b.py::b", "tests/e2e/test_c.py::c", f"{DEMO}test_d.py::d"]
    assert sorted(names, key=place_of) == list(reversed(names))
    assert place_of("tests/base/test_a.py::a") == place_of("tests/cli/test_b.py::b") == len(FIRST)
