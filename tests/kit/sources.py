"""The source files of the repository, for tests that read them."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("clearing", "consensus", "proofs", "bridge", "node", "member", "lab", "devnet", "cli")


@cache
def sources(*folders: str) -> dict[str, str]:
    """The text of every Python file of these folders (default: the product) by its path in the repository."""
    paths = sorted(path for folder in folders or PRODUCT for path in (ROOT / folder).rglob("*.py"))
    files = {path.relative_to(ROOT).as_posix(): path for path in paths if "node_modules" not in path.parts}
    return {name: path.read_text(encoding="utf-8") for name, path in files.items()}


@cache
def imported(source: str) -> tuple[str, ...]:
    """Every module, or name of a module, that a source imports, wherever the import stands."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(names)
