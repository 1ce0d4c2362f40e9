"""The notes speak of what is there: each test, name and file that they cite; and their figures are the code's."""

import ast
import importlib
import re
from functools import lru_cache
from math import log2
from pathlib import Path

import pytest

from proofs.algebra.domain import SIZE_MAX, TABLE_SIZE
from proofs.algebra.field import ORDER
from proofs.algebra.srs import POWERS
from tests.machine.sources import theorems

ROOT = Path(__file__).resolve().parents[2]
NOTES = sorted((ROOT / "proofs" / "notes").glob("*.md"))
PACKAGES = ("clearing", "consensus", "bridge", "node", "proofs")
TEST = re.compile(r"^(test_\w+\.py)::(\w+)$")
NAME = re.compile(r"^[a-z_]+(?:\.\w+)*$")
FILE = re.compile(r"^[\w./]+\.(?:py|md|sol|txt)$")
OTHERS = ("zk_prover/README.md", "prover/README.md", "README.md")
"""Files of other projects."""
LABELS = {
    *("bytes", "integer", "scalar", "point", "challenge", "tagged(tag, data)", "parent", "weight"),
    *("srs", "n", "layout", "context", "accounts", "account", "sigma", "C_W", "auxiliary", "slot", "total", "R"),
    *("alpha", "y", "beta", "delta", "gamma", "zeta", "D(zeta)", "S(omega zeta)", "G(omega zeta)", "r", "mu"),
    *("pi_1", "pi_2"),
}
"""Labels and types of transcripts."""


def cited() -> list[tuple[str, str]]:
    return [(note.name, found) for note in NOTES for found in re.findall(r"`([^`]+)`", note.read_text("utf-8"))]


@lru_cache(maxsize=128)
def functions_of(file: str) -> frozenset[str]:
    found = list((ROOT / "tests").rglob(file))
    if len(found) != 1:
        return frozenset()
    tree = ast.parse(found[0].read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_there(name: str) -> bool:
    """Whether `a.b.C.d` is a name of the code, under proofs/ unless its first part is another package."""
    if not NAME.match(name):
        return False
    parts = name.split(".")
    parts = parts if parts[0] in PACKAGES else ["proofs", *parts]
    for split in range(len(parts), 1, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
                return False
            found = getattr(found, part, None)
        return True
    return False


def stands(word: str) -> bool:
    if match := TEST.match(word):
        return match[2] in functions_of(match[1])
    if FILE.match(word):
        return word in OTHERS or (ROOT / word).is_file() or bool(functions_of(word))
    return word in LABELS or (ROOT / word).is_dir() or is_there(word) or word in theorems()


def test_whatever_the_notes_cite_is_there():
    missing = [f"{note}: {word}" for note, word in cited() if not stands(word)]
    assert not missing


def test_every_lemma_of_soundness_cites_a_test_that_attacks_it():
    text = (ROOT / "proofs" / "notes" / "soundness.md").read_text("utf-8")
    lemmas = re.split(r"\*\*Lemma ", text)[1:]
    assert [lemma.split()[0] for lemma in lemmas] == [str(i) for i in range(1, len(lemmas) + 1)]
    sections = re.split(r"\n## ", lemmas[-1])[1:]
    parts = [lemma.split("\n## ")[0] for lemma in lemmas] + sections
    assert len(sections) >= 4
    assert not [part.split("\n")[0] for part in parts if "::test_" not in part]


def test_a_word_that_is_not_there_is_found():
    assert not stands("test_linear_proof.py::test_of_nothing")
    assert not stands("linear.verifier.Nothing")
    assert not stands("proofs/nothing.py")
    assert stands("linear.verifier.Equation.collect")


@pytest.mark.parametrize(
    ("accounts", "columns", "constraints"), [(1, 1, 304), (1000, 1, 304), (1000, 3, 1000), (2**20, 1, 304)]
)
def test_the_error_terms_of_the_notes_are_those_of_their_formulas(accounts, columns, constraints):
    both, n, d = accounts * columns, SIZE_MAX, POWERS - 1
    errors = [both * n + constraints + TABLE_SIZE, 2 * (both - 1), 1, 2 * d + n - n // TABLE_SIZE, both, 1]
    shown = [f"2^−{log2(ORDER) - log2(error):.1f}" if error else "0" for error in (*errors, sum(errors))]
    text = (ROOT / "proofs" / "notes" / "soundness.md").read_text("utf-8")
    assert f"| {' | '.join(shown)} |" in text


def test_the_error_of_a_whole_package_is_that_of_its_formula():
    """1,000 accounts of one column, eight stresses in one column each, 50 members."""
    n, d, rows, stresses, members = SIZE_MAX, POWERS - 1, 304, 8, 50
    quotient = 2 * d + n - n // TABLE_SIZE

    def linear(columns, rows_of_one):
        return (columns * n + rows_of_one + TABLE_SIZE - 1) + (columns - 1) + 1 + quotient + columns + 1

    joint = linear(1_000, rows)
    stress = linear(stresses, 2 * members + 1 + 1)
    link = (stresses + members - 2) + (d + n) + 1
    whole = joint + 1 + stress + link + 2 * linear(1, rows)
    shown = [f"2^−{log2(ORDER) - log2(error):.1f}" for error in (joint, whole)]
    text = (ROOT / "proofs" / "notes" / "security.md").read_text("utf-8")
    assert f"the joint proof has {shown[0]} and all parts together {shown[1]}." in text
    assert whole < 1.04 * (1_000 * n + TABLE_SIZE - 1)
    contexts = 1 / (2 * ORDER) + 1 / 2**257
    assert 1 / 2**256 < contexts < 1 / 2**255
