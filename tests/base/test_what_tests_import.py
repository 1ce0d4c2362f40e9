"""What several tests need stands in `tests/kit`: no test module imports another one, nor a conftest."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("tests.kit", "tests.sim", "tests.testnets")
"""The kit, and the programs that simulate the network and run testnets."""


def imported(source: str) -> Iterator[str]:
    """Every module and every name of one that a source imports, wherever the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


def wrong(source: str) -> list[str]:
    """Imports of tests' modules that may not be."""
    names = [name for name in imported(source) if name.split(".")[0] == "tests"]
    return [name for name in names if not name.startswith(SHARED) or is_test(name)]


def is_test(name: str) -> bool:
    """Whether a dotted name leads into a test module or a conftest."""
    steps = name.split(".")
    modules = [ROOT.joinpath(*steps[:count]).with_suffix(".py") for count in range(2, len(steps) + 1)]
    return any(each.is_file() and each.stem.startswith(("test_", "conftest")) for each in modules)


def test_no_test_imports_another_test_module() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert len(files) > 400
    found = {file.relative_to(ROOT).as_posix(): wrong(file.read_text(encoding="utf-8")) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


def test_the_kit_imports_no_program_of_tests() -> None:
    files = sorted((ROOT / "tests/kit").rglob("*.py"))
    names = {name for file in files for name in imported(file.read_text(encoding="utf-8"))}
    assert sorted(name for name in names if name.startswith(("tests.sim", "tests.testnets"))) == []


def test_an_import_of_a_test_module_is_seen() -> None:
    assert wrong("from tests.base.test_what_tests_import import wrong") == ["tests.base.test_what_tests_import.wrong"]
    assert wrong("def f():\n    import tests.conftest") == ["tests.conftest"]
    assert wrong("from tests import conftest") == ["tests.conftest"]
    assert wrong("from tests.testnets.test_manifests import FOLDER") == ["tests.testnets.test_manifests.FOLDER"]
    assert wrong("from tests.kit.ports import free_port\nimport clearing.schema.codes") == []
