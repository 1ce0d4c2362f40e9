"""No dictionary of the product states a key twice: the second would silently take the place of the first."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("clearing", "consensus", "proofs", "bridge", "node", "member", "lab", "devnet", "cli")


def repeated(source: str) -> list[str]:
    """Keys, as they are written, that stand twice in one dictionary."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            keys = Counter(ast.unparse(key) for key in node.keys if key is not None)
            found += [key for key, count in keys.items() if count > 1]
    return found


def test_no_dictionary_states_a_key_twice() -> None:
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    assert len(files) > 400
    found = {path.relative_to(ROOT).as_posix(): repeated(path.read_text(encoding="utf-8")) for path in files}
    assert {file: keys for file, keys in found.items() if keys} == {}


def test_a_repeated_key_is_seen() -> None:
    assert repeated("{Code.A: 1, Code.B: 2, Code.A: 1}") == ["Code.A"]
    assert repeated("{'a': 1, **{'a': 2}}") == []
