"""Every function, package and file that the page on the architecture names exists."""

import importlib
import re
from pathlib import Path

import pytest

from clearing import apply_block

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FUNCTIONS = re.findall(r"`([a-z_]+(?:\.[a-z_0-9]+)+):([\w.]+)`", PAGE)
PATHS = re.findall(r"`([a-z_]+(?:/[a-z_0-9]+)+(?:\.py|/))`", PAGE)
PATHS_OF = ("a deposit", "a price", "a trade", "a withdrawal", "a proof")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(("module", "name"), sorted(set(FUNCTIONS)))
def test_each_function_exists(module: str, name: str) -> None:
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found)


@pytest.mark.parametrize("path", sorted(set(PATHS)))
def test_each_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("what", PATHS_OF)
def test_each_path_through_the_code_is_told_by_functions(what: str) -> None:
    rows = re.findall(r"^\| (\d+) \| `[a-z_.0-9]+:[\w.]+` \|", section(f"The path of {what}"), re.M)
    assert [int(row) for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 8


def test_every_folder_of_the_rulebook_has_a_row() -> None:
    rows = section("Folders of the rulebook")
    folders = {path.parent.name for path in (ROOT / "clearing").glob("*/__init__.py")}
    assert folders - set(re.findall(r"`([a-z_]+)`", rows)) == set()


def test_the_phases_of_a_block_are_those_of_the_code() -> None:
    phases = re.findall(r"^ ?(\d+)\. (\w[\w ]*): (.+)$", apply_block.__doc__ or "", re.MULTILINE)
    shown = re.findall(r"^(\d+)\. \*\*(\w[\w ]*)\*\*: (.+)$", section("Folders of the rulebook"), re.MULTILINE)
    assert len(phases) > 5
    assert shown == [(number, title, text[0].lower() + text[1:]) for number, title, text in phases]


def test_every_package_has_a_row() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "docs"}
    assert packages - set(re.findall(r"^\| `([a-z]+)` \|", section("Packages"), re.M)) == set()
