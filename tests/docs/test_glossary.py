"""The glossary has each term once, in order, with its source and the page to read."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "glossary.md").read_text(encoding="utf-8")
ENTRIES = dict(zip(re.findall(r"^### (.+)$", TEXT, re.M), re.split(r"^### .+$", TEXT, flags=re.M)[1:], strict=True))
NEW_VOCABULARY = """
    assumption, attestation, attestation pool, auto-deleveraging ranking, auxiliary witness, available resources,
    block context, claim, contribution, contribution call, cross-account check, draw, effective terms, enactment,
    expired withdrawal, height context, house solvency, immutable field, inbox, inclusion, loss allocation, masking,
    outbox, pending deposit, pending trade, persister, price scan range, price status, pro rata, receipt index, record,
    refund, release, settlement, sizing, transaction handler, validation, validator-set transition,
    variation-margin gains haircut, vote extension, withdrawal controls
"""


def sort_key(term: str) -> str:
    return re.sub(r"[^a-z0-9 ]", "", term.lower())


def test_each_term_stands_once_and_in_order() -> None:
    terms = re.findall(r"^### (.+)$", TEXT, re.M)
    assert len(terms) > 100
    assert len({term.lower() for term in terms}) == len(terms)
    assert terms == sorted(terms, key=sort_key)


def test_each_term_stands_under_its_letter() -> None:
    for section in re.split(r"^## ", TEXT, flags=re.M)[1:]:
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
    wanted = {" ".join(word.split()) for word in NEW_VOCABULARY.split(",")}
    assert wanted - {term.lower() for term in ENTRIES} == set()
