"""Pages say what there is: everything that they name exists, and what the code has they tell."""

import importlib
import re
from functools import reduce
from pathlib import Path

import msgspec
import pytest

from benchmarks.march2020.__main__ import LINES, parser
from benchmarks.march2020.settings import SETTINGS
from clearing import apply_block
from docs.generate import drifted
from node.config import NodeConfig
from tests.kit.sources import PRODUCT, ROOT, sources
from tests.sim.clearing.planted import PLANTED

DOCS = ROOT / "docs"
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return ARCHITECTURE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("what", ["deposit", "price", "trade", "withdrawal", "proof"])
def test_each_path_through_the_code_is_told_by_functions(what: str) -> None:
    rows = re.findall(r"^\| (\d+) \| `[a-z_.0-9]+:[\w.]+` \|", section(f"The path of a {what}"), re.M)
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


GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^### (.+)$", GLOSSARY, re.M)
ENTRIES = dict(zip(TERMS, re.split(r"^### .+$", GLOSSARY, flags=re.M)[1:], strict=True))
VOCABULARY = """
    assumption, attestation, attestation pool, auto-deleveraging ranking, auxiliary witness, available resources,
    block context, claim, contribution, contribution call, cross-account check, draw, effective terms, enactment,
    expired withdrawal, height context, house solvency, immutable field, inbox, inclusion, loss allocation, masking,
    outbox, pending deposit, pending trade, persister, price scan range, price status, pro rata, receipt index, record,
    refund, release, settlement, sizing, transaction handler, validation, validator-set transition,
    variation-margin gains haircut, vote extension, withdrawal controls
"""


def test_each_term_stands_once_and_in_order() -> None:
    assert len(TERMS) > 100
    assert len({term.lower() for term in TERMS}) == len(TERMS)
    assert sorted(TERMS, key=lambda term: re.sub(r"[^a-z0-9 ]", "", term.lower())) == TERMS


def test_each_term_stands_under_its_letter() -> None:
    for section in re.split(r"^## ", GLOSSARY, flags=re.M)[1:]:
        letter = section.split("\n")[0]
        assert {term[0].upper() for term in re.findall(r"^### (.+)$", section, re.M)} == {letter}


@pytest.mark.parametrize("term", ENTRIES)
def test_each_term_is_defined_with_a_page_to_read_and_a_source(term: str) -> None:
    definition, references = ENTRIES[term].strip().split("\n\n")[:2]
    assert len(definition) > 20
    assert re.fullmatch(r"Read: \[.+\]\(.+\)\. Source: .+\.", references)
    for page in re.findall(r"\]\(([^)#]+)", references):
        assert (DOCS / page).is_file(), page


def test_the_words_of_the_code_are_explained() -> None:
    words = {" ".join(word.split()) for word in VOCABULARY.split(",")}
    assert words - {term.lower() for term in ENTRIES} == set()


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = ("an instrument", "a request", "a metric", "an API route", "a chain")
EXACT = ("a request", "a metric", "an API route")
"""Recipes whose example is in the listed files and nowhere else."""


def recipe(title: str) -> str:
    return CONTRIBUTING.split(f"\n## Add {title}\n", 1)[1].split("\n## ", 1)[0]


def files_of(title: str) -> list[str]:
    cells = re.findall(r"^\| (`[^|]+`) \|", recipe(title), re.MULTILINE)
    return [path for cell in cells for path in re.findall(r"`([^`]+)`", cell)]


def example_of(title: str) -> str:
    return re.findall(r"Example: `(\w+)`\.", recipe(title))[0]


def files_with(name: str) -> set[str]:
    return {file for file, source in sources().items() if re.search(rf"\b{name}\b", source)}


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


def test_no_reference_page_differs_from_the_code() -> None:
    assert drifted() == [], "run `make docs`"


def test_the_readme_names_the_two_commands_and_the_prerequisites() -> None:
    readme = (ROOT / "README.md").read_text()
    for line in ("make demo", "make test", "apt install make git python3 python3-venv ca-certificates"):
        assert line in readme


def test_every_decision_is_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


MARCH = (DOCS / "explanation/march-2020.md").read_text(encoding="utf-8")


def test_every_planted_bug_is_told() -> None:
    documented = re.findall(r"^\| `([a-z-]+)` \|", (DOCS / "explanation/strategies.md").read_text(), re.MULTILINE)
    assert documented == list(PLANTED)


def test_the_tables_of_march_have_every_line_and_setting() -> None:
    tables = re.findall(r"```text\n(.*?)```", MARCH, re.DOTALL)
    assert len(tables) == 2
    for table in tables:
        assert table.split("\n")[0].split() == list(SETTINGS)
        assert all(any(line.startswith(title) for line in table.splitlines()) for _, title in LINES)


@pytest.mark.parametrize(
    "command",
    re.findall(r"^python -m benchmarks\.march2020(.*)$", (DOCS / "explanation/march-2020.md").read_text(), re.M),
)
def test_every_command_of_the_page_is_one(command: str) -> None:
    options = parser().parse_args(command.split("#")[0].split())
    assert set(options.settings.split(",")) <= set(SETTINGS)


PACKAGES = (*PRODUCT, "benchmarks", "tests")
PAGES = sorted(
    [
        *(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "reference"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ]
)
NAME = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)(?::([\w.]+))?[`(]")
"""Of a module or of what is in it; behind a colon that of a function."""
PATH = re.compile(rf"`((?:{'|'.join(PACKAGES)}|configs|docs)/[\w./-]+)`")
PAGE = re.compile(r"\bdocs/[\w/-]+\.md\b|\bdocs/decisions/\d{4}\b")
TEST = re.compile(r"\btests/[\w/-]+\.(?:py|toml)\b")
FILES = {"node.toml", "node.sqlite"}
NODE_SETTINGS = {f"{section.name}.{key}" for section in msgspec.structs.fields(NodeConfig) for key in dir(section.type)}
"""Keys of node.toml, some of whose sections have a package's name."""


def found(name: str) -> object:
    """What a name stands for, None for nothing."""
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        return reduce(lambda each, part: getattr(each, part, None), parts[split:], module)
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_name_of_the_code_on_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names = {(name, function) for name, function in NAME.findall(text) if name not in FILES | NODE_SETTINGS}
    assert sorted(name for name, function in names if not function and found(name) is None) == []
    assert sorted(each for each in names if each[1] and not callable(found(".".join(each)))) == []
    paths = {*PATH.findall(text), *TEST.findall(text)}
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_each_page_that_the_code_names_exists() -> None:
    sources = [path for package in (*PACKAGES, "docs", "configs") for path in (ROOT / package).rglob("*")]
    missing = [
        (path.relative_to(ROOT).as_posix(), named)
        for path in sources
        if path.suffix in (".py", ".toml", ".sol") and "node_modules" not in path.parts
        for named in PAGE.findall(path.read_text(encoding="utf-8"))
        if not list(ROOT.glob(named if named.endswith(".md") else f"{named}-*.md"))
    ]
    assert missing == []


def test_a_name_that_does_not_exist_is_found() -> None:
    assert found("clearing.apply_block.apply_block") is apply_block.apply_block
    assert found("clearing.apply_block.nothing") is found("clearing.nothing") is None
    assert "proofs.workers" in NODE_SETTINGS
