"""The recipes of CONTRIBUTING name the files that their examples touch, and no others."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PRODUCT = ("clearing", "consensus", "proofs", "bridge", "node", "member", "lab", "devnet", "cli")
RECIPES = ("an instrument", "a request", "a metric", "an API route", "a chain")
EXACT = ("a request", "a metric", "an API route")
"""Recipes whose example is in the listed files and nowhere else."""


def recipe(title: str) -> str:
    return PAGE.split(f"\n## Add {title}\n", 1)[1].split("\n## ", 1)[0]


def files_of(title: str) -> list[str]:
    cells = re.findall(r"^\| (`[^|]+`) \|", recipe(title), re.MULTILINE)
    return [path for cell in cells for path in re.findall(r"`([^`]+)`", cell)]


def example_of(title: str) -> str:
    return re.findall(r"Example: `(\w+)`\.", recipe(title))[0]


def files_with(name: str) -> set[str]:
    word = re.compile(rf"\b{name}\b")
    return {
        path.relative_to(ROOT).as_posix()
        for package in PRODUCT
        for path in (ROOT / package).rglob("*.py")
        if word.search(path.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("title", RECIPES)
def test_each_recipe_lists_files_that_exist(title: str) -> None:
    files = files_of(title)
    assert 2 <= len(files) <= 10
    assert len(files) == len(set(files))
    for path in files:
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("title", EXACT)
def test_the_example_is_in_the_listed_files_and_nowhere_else(title: str) -> None:
    assert set(files_of(title)) == files_with(example_of(title))


def test_each_file_of_the_recipe_for_instruments_knows_their_kinds() -> None:
    assert set(files_of("an instrument")) <= files_with(example_of("an instrument"))


def test_every_path_in_the_text_exists() -> None:
    for path in re.findall(r"`((?:[a-z_]+/)+[a-z_]+(?:\.py)?)`", PAGE):
        assert (ROOT / path).exists(), path
