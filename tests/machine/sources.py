"""The machine-checked proofs as text: files in their order, theorems with their statements, words that prove nothing.

Rule: reads `proofs/machine` and starts nothing, so that the tests need no Coq.
"""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "proofs" / "machine"
PROJECT, PACKAGES, ASSUMPTIONS = FOLDER / "_CoqProject", FOLDER / "packages.txt", FOLDER / "assumptions.txt"
LIBRARY = "Crossclear"
STATEMENT = re.compile(r"^\s*(?:Theorem|Lemma|Corollary)\s+(\w+)", re.MULTILINE)
UNPROVEN = re.compile(
    r"\b(?:Admitted|admit|give_up|Axioms?|Parameters?|Conjecture|bypass_check|exact_no_check|Unset\s+\w+\s+Checking)\b"
    r"|-type-in-type|-impredicative-set"
)
ASSUMING = re.compile(r"^\s*(?:Variables?|Hypothes[ie]s|Context)\b")


def files() -> list[str]:
    """Names without ending, in the order of `_CoqProject`, each after what it requires."""
    return [line.removesuffix(".v") for line in lines(PROJECT) if line.endswith(".v")]


def packages() -> list[str]:
    """Debian packages that the proofs need."""
    return lines(PACKAGES)


def assumptions() -> dict[str, str]:
    """What each theorem, as file.name, may assume: axioms with commas between, or "nothing"."""
    return dict(tuple(line.split(": ", 1)) for line in lines(ASSUMPTIONS))  # type: ignore[misc]


def lines(path: Path) -> list[str]:
    """Lines that say something; `#` begins a comment."""
    stripped = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in stripped if line]


def text(file: str) -> str:
    """The source of a file, by its name without ending."""
    return (FOLDER / f"{file}.v").read_text(encoding="utf-8")


def theorems() -> list[str]:
    """Every theorem and lemma as file.name, in order."""
    return [f"{file}.{name}" for file in files() for name in STATEMENT.findall(without_comments(text(file)))]


def without_comments(source: str) -> str:
    """Coq source with its comments, which may be nested, made empty; lines stay where they are."""
    kept: list[str] = []
    depth = 0
    for piece in re.split(r"(\(\*|\*\))", source):
        if piece == "(*":
            depth += 1
        elif piece == "*)":
            depth -= 1
        else:
            kept.append("\n" * piece.count("\n") if depth else piece)
    return "".join(kept)


def unproven(source: str) -> list[str]:
    """Lines with a word that leaves something unproven, or that assume something outside a section."""
    found: list[str] = []
    sections: list[str] = []
    for line in without_comments(source).splitlines():
        if opened := re.match(r"^\s*Section\s+(\w+)\.", line):
            sections.append(opened[1])
        elif sections and re.match(rf"^\s*End\s+{sections[-1]}\.", line):
            sections.pop()
        if UNPROVEN.search(line) or (ASSUMING.match(line) and not sections):
            found.append(line.strip())
    return found
