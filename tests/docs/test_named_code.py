"""Each module, function, file and decision that a page or the code names in the repository exists."""

import importlib
import re
from pathlib import Path

import msgspec
import pytest

from node.config import NodeConfig

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("clearing", "consensus", "proofs", "bridge", "node", "member", "lab", "devnet", "cli")
PACKAGES = (*PRODUCT, "benchmarks", "tests")
PAGES = sorted(
    [
        *(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "reference"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ]
)
NAME = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)[`(:]")
PATH = re.compile(rf"`((?:{'|'.join(PACKAGES)}|configs|docs)/[\w./-]+)`")
PAGE = re.compile(r"\bdocs/[\w/-]+\.md\b|\bdocs/decisions/\d{4}\b")
TEST = re.compile(r"\btests/[\w/-]+\.(?:py|toml)\b")
FILES = {"node.toml", "node.sqlite"}
SETTINGS = {f"{section.name}.{key}" for section in msgspec.structs.fields(NodeConfig) for key in dir(section.type)}
"""Keys of node.toml, some of whose sections have a package's name."""


def exists(name: str) -> bool:
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_name_of_the_code_on_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names = set(NAME.findall(text)) - FILES - SETTINGS
    assert sorted(name for name in names if not exists(name)) == []
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
    assert exists("clearing.apply_block.apply_block")
    assert not exists("clearing.apply_block.nothing")
    assert not exists("clearing.nothing")
    assert "proofs.workers" in SETTINGS
