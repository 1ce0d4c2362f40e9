"""The table of machine-checked proofs names what exists and leaves no lemma of the notes out; nothing is left unproven.

`make prove` runs Coq itself; these need none.
"""

import re

import pytest

from tests.machine import __main__ as prove
from tests.machine import sources

NOTES = sources.FOLDER.parent / "notes"
TABLE = (NOTES / "machine-proofs.md").read_text("utf-8")
NOTE = re.compile(r"^\| (soundness|completeness|zero|on chain|transition|security)")
ROWS = [line.split(" | ") for line in TABLE.splitlines() if NOTE.match(line)]
THEOREM = re.compile(r"`([a-z_]+\.[A-Za-z_0-9]+)`")


def headings() -> list[str]:
    """What the notes prove, by note and name: each lemma, each section after the last one, each step, each round."""
    found = []
    for note in ("soundness", "completeness", "zero-knowledge", "on-chain", "transition", "security"):
        text = (NOTES / f"{note}.md").read_text("utf-8")
        name = note.replace("-", " ")
        found += [f"{name}, Lemma {number}" for number in re.findall(r"\*\*Lemma (\d+)", text)]
        if note == "soundness":
            found += [f"{name}, {title}" for title in re.findall(r"^## (.+)$", text.split("**Lemma 10")[1], re.M)]
        if note == "completeness":
            found += [f"{name}, {number}" for number in re.findall(r"^(\d+)\. ", text, re.M)]
        if note == "on-chain":
            rounds = text.split("\n## Soundness\n")[1].split("\n## ")[0]
            found += [f"{name}, {title}" for title in re.findall(r"^- \*\*([^*]+?)\.?\*\*", rounds, re.M)]
        if note == "security":
            why = text.split("\n## Extraction\n")[1].split("\n## Theorem (a package reveals")[0]
            found += [f"{name}, {title}" for title in re.findall(r"^(?:- )?\*\*([^*]+?)\.?\*\*", why, re.M)]
    return found


def test_every_lemma_of_the_notes_has_a_row() -> None:
    assert len(headings()) > 25
    assert [row[0].removeprefix("| ") for row in ROWS] == headings()


def test_every_theorem_that_the_table_names_exists() -> None:
    named = THEOREM.findall(TABLE)
    assert len(set(named)) > 30
    assert [name for name in named if name not in sources.theorems()] == []


def test_a_row_without_a_machine_proof_says_why_not() -> None:
    assert [row[0] for row in ROWS if not THEOREM.search(row[2]) and not row[1].startswith("none: ")] == []


def test_nothing_is_left_unproven_and_nothing_is_assumed_outside_a_section() -> None:
    assert {file: sources.unproven(sources.text(file)) for file in sources.files()} == {f: [] for f in sources.files()}


def test_every_file_of_the_folder_is_compiled() -> None:
    assert sorted(sources.files()) == sorted(path.stem for path in sources.FOLDER.glob("*.v"))


def test_every_theorem_is_in_the_list_of_assumptions_and_none_assumes_anything() -> None:
    assert list(sources.assumptions()) == sources.theorems()
    assert set(sources.assumptions().values()) == {"nothing"}


@pytest.mark.parametrize(
    "planted",
    [
        "Lemma l : 0 = 1.\nProof. Admitted.",
        "Lemma l : 0 = 1.\nProof. admit. Qed.",
        "Axiom a : False.",
        "Section S.\nEnd S.\nVariable a : False.",
        "Hypothesis a : False.",
        "Parameter a : False.",
        "Section S.\nConjecture a : False.\nEnd S.",
        "Unset Guard Checking.",
    ],
)
def test_a_planted_gap_is_found(planted: str) -> None:
    assert sources.unproven(planted)


@pytest.mark.parametrize(
    "sound",
    [
        "(* Admitted, and (* no *) Axiom. *)\nLemma l : 0 = 0.\nProof. by []. Qed.",
        "Section S.\nVariable n : nat.\nSection T.\nHypothesis h : n = 0.\nEnd T.\nVariable m : nat.\nEnd S.",
    ],
)
def test_what_a_comment_or_a_section_says_is_no_gap(sound: str) -> None:
    assert sources.unproven(sound) == []


def test_an_axiom_that_coq_prints_is_read_and_compared() -> None:
    closed = prove.read_answer("rows.bad_y\nClosed under the global context\n")
    open_ = prove.read_answer("rows.E_at\nAxioms:\nclassic : forall P : Prop, P \\/ ~ P\nepsilon_statement\n  : True\n")
    assert closed == ("rows.bad_y", "nothing")
    assert open_ == ("rows.E_at", "classic, epsilon_statement")
    listed = {"rows.bad_y": "nothing", "rows.E_at": "nothing"}
    assert prove.differences(dict([closed]), dict([closed])) == []
    assert len(prove.differences(dict([closed, open_]), listed)) == 1
    assert len(prove.differences(dict([closed]), listed)) == 1


def test_what_is_missing_is_named_and_nothing_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prove.shutil, "which", lambda _: None)
    monkeypatch.setattr("sys.argv", ["tests.machine"])
    assert prove.main() == prove.MISSING
    said = capsys.readouterr().err
    assert all(package in said for package in ("coq", "libcoq-mathcomp-algebra", "libcoq-mathcomp-zify"))
