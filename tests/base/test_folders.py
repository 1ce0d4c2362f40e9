"""No two folders of the product import each other, and no circle leads through more: each can be read by itself.

Every import counts, wherever it stands: in a function, or under `TYPE_CHECKING`.
"""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("clearing", "consensus", "proofs", "bridge", "member", "lab", "node", "devnet", "cli")

FACADES = {"proofs": "it names the library's functions and imports each when it is first used"}
"""`__init__` modules whose imports do not count, and why."""

Folders = dict[str, set[str]]
"""For each folder, by its dotted name, the folders that its modules import."""


def product() -> dict[str, str]:
    """The source of every module of the product by its dotted name, a package's as `name.__init__`."""
    files = [
        file for package in PACKAGES for file in (ROOT / package).rglob("*.py") if "node_modules" not in file.parts
    ]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file.read_text(encoding="utf-8") for file in files}


@cache
def imported(source: str) -> tuple[str, ...]:
    """Every module, or name of a module, that a source imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(names)


def folder_graph(sources: Mapping[str, str]) -> Folders:
    """Folders and what they import, without what they import from themselves."""
    graph: Folders = {module.rpartition(".")[0]: set() for module in sources}
    for module, source in sources.items():
        folder, _, name = module.rpartition(".")
        if name == "__init__" and folder in FACADES:
            continue
        targets = {folder_of(target, sources, graph) for target in imported(source)}
        graph[folder] |= {target for target in targets if target} - {folder}
    return graph


def folder_of(target: str, sources: Mapping[str, str], folders: Folders) -> str:
    """The folder of an imported module or of a name in one; empty for what is not of the product."""
    while target and target not in sources and target not in folders:
        target = target.rpartition(".")[0]
    return target if target in folders else target.rpartition(".")[0]


def circles(graph: Folders) -> list[tuple[str, ...]]:
    """Groups of folders that reach each other, the pairs among them; empty if the graph has an order."""
    reached = {folder: reachable(folder, graph) for folder in graph}
    groups = {tuple(sorted(other for other in reached[folder] if folder in reached[other])) for folder in graph}
    return sorted(group for group in groups if group)


def reachable(start: str, graph: Folders) -> set[str]:
    """All folders on a way of imports from a folder; the folder itself only if a way leads back."""
    found: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        folder = ahead.pop()
        if folder not in found:
            found.add(folder)
            ahead.extend(graph[folder])
    return found


def test_no_folders_of_the_product_import_each_other() -> None:
    sources = product()
    assert len(sources) > 450
    graph = folder_graph(sources)
    assert {folder.split(".")[0] for folder in graph} == set(PACKAGES)
    assert circles(graph) == []


def test_each_facade_exists_and_only_names_things() -> None:
    for folder in FACADES:
        source = product()[f"{folder}.__init__"]
        assert "if TYPE_CHECKING:" in source
        assert "import_module(" in source


def test_a_planted_import_back_is_found() -> None:
    sources = product()
    sources["clearing.base.codec"] += "\n\ndef planted():\n    from clearing.state import ledger\n"
    (circle,) = circles(folder_graph(sources))
    assert {"clearing.base", "clearing.state"} <= set(circle)


def test_a_circle_of_three_folders_is_found_under_type_checking_too() -> None:
    sources = {
        "a.one": "from b.two import f",
        "b.two": "if TYPE_CHECKING:\n    import c.three",
        "c.three": "def g():\n    from a import one",
        "d.four": "from a.one import h\nimport json",
    }
    assert folder_graph(sources) == {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert circles(folder_graph(sources)) == [("a", "b", "c")]
