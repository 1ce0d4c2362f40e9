"""The tests of a file by name, for lists that say which test keeps which rule."""

import ast
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "proofs"


def functions(file: str) -> dict[str, ast.FunctionDef]:
    """Top-level functions of `test_<file>.py`, wherever it stands in `tests/proofs`."""
    (path,) = FOLDER.rglob(f"test_{file}.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
