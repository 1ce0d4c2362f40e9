"""Rules of stable codes: each has a remedy, no two share a number, none is forgotten."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.schema.codes import ClearingCode
from cli.explain import CODE_MODULES, all_explanations, code_books, explanations_of
from member.codes import NodeCode, remedy_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("clearing", "consensus", "bridge", "proofs", "node", "member", "lab", "devnet", "cli")


def test_every_code_has_a_remedy_and_nothing_else_has() -> None:
    for module, (book, remedies) in code_books().items():
        assert set(remedies) == set(book), module
        assert all(len(text.strip()) > 10 for text in remedies.values()), module


def test_no_two_codes_share_a_number() -> None:
    seen: dict[int, str] = {}
    shared = []
    for module, (book, _) in code_books().items():
        for code in book:
            if code.value in seen:
                shared.append(f"{code.label}: {seen[code.value]} and {module}.{code.name}")
            seen[code.value] = f"{module}.{code.name}"
    assert shared == []


def test_every_code_book_in_the_source_is_listed() -> None:
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if "CodeBook)" not in (text := path.read_text()):
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "CodeBook" for base in node.bases):
                    found.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert found == set(CODE_MODULES)


@pytest.mark.parametrize("wanted", ["R0203", "r0203", "203", "collateral_needed_for_margin", " R0203 "])
def test_a_code_is_found_by_number_label_or_name(wanted: str) -> None:
    (found,) = explanations_of(wanted)
    assert (found.label, found.package) == ("R0203", "clearing")
    assert found.remedy == remedy_of(ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN)


@given(st.text(max_size=30))
def test_an_unknown_code_is_refused_and_never_crashes(wanted: str) -> None:
    try:
        assert explanations_of(wanted)
    except LocalFault as refusal:
        assert refusal.code is NodeCode.UNKNOWN_CODE


def test_all_explanations_come_by_number() -> None:
    labels = [each.label for each in all_explanations()]
    assert labels == sorted(labels)
    assert "R0101" in labels
