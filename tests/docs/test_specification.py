"""The specification and the code say the same: tables are the code's, and each of them stands on one page.

Prose is checked by a verifier that was written from it (`tests/vectors/proofs/runner`).
"""

import re

import pytest

from clearing.base.errors import BaseCode
from docs import check_tables
from docs.specification_tables import FOLDER, MARK, STRUCTURES, TABLES, drifted, filled, pages
from docs.wire_tables import structure, structures_in
from proofs.algebra.transcript import Transcript
from proofs.epoch.package import EpochPackage, read_package
from proofs.errors import ProofCode
from proofs.verify.freshness import Freshness
from proofs.verify.package_verifier import PackageChecks, verify_package
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.counted import VECTORS

TEXTS = {name: path.read_text(encoding="utf-8") for name, path in pages().items()}
ALL = "\n".join(TEXTS.values())


def test_no_table_differs_from_the_code():
    assert drifted() == [], "run `make docs`"


def test_each_table_stands_on_one_page():
    used = [name for text in TEXTS.values() for _, name, _ in MARK.findall(text)]
    assert sorted(used) == sorted(TABLES)


def test_a_table_that_differs_is_found_and_written_again():
    text = (FOLDER / "certificates.md").read_text(encoding="utf-8")
    bent = text.replace("| 3 | 96–127 | `height` |", "| 3 | 96–127 | `time_ms` |")
    assert bent != text
    assert filled(bent) == text


def _bent_words(self):
    return bytes(32) + self.parent + self.network + bytes(416)


def _bent_label(transcript, c_s):
    transcript.append_encoded_point("C_s", c_s)
    return transcript.challenge("gamma")


@pytest.mark.parametrize(
    ("changed", "value", "page"),
    [
        ("proofs.linear.layout.COLUMNS_MAX", 17, "verification.md"),
        ("clearing.base.header.Header.words", property(_bent_words), "certificates.md"),
        ("proofs.linear.messages.after_sum", _bent_label, "linear-proof.md"),
        ("proofs.cover.terms.PROTOCOL", "crossclear/cover/v2", "linear-proof.md"),
        ("clearing.pricing.elementary.LN2_LOW", 1.9e-10, "options.md"),
        ("proofs.statement.custody.check_reserves", lambda statement: "", None),
    ],
)
def test_a_change_of_the_code_shows_on_its_page(monkeypatch, changed, value, page):
    """But not what is no table: that a check checks is for the verifier that was written from the prose."""
    monkeypatch.setattr(changed, value)
    assert drifted() == ([f"specification/{page}"] if page else [])


def test_a_mark_of_no_table_is_refused():
    with pytest.raises(KeyError):
        filled("<!-- table: of nothing -->\n<!-- end -->\n")


def test_every_structure_of_a_package_has_a_table():
    assert set(structures_in(EpochPackage)) <= set(STRUCTURES)
    for kind in STRUCTURES:
        assert structure(kind) in ALL, kind.__name__


SOURCE = re.compile(r"Modules?: `[^.]+(?:\.\w+)+`(?:, `[\w.]+`)*\. (?:Vectors?: (`.+`)|Test: `(tests/.+\.py)`)\.")


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"specification/overview.md"}))
def test_each_section_names_its_module_and_what_fixes_it(name):
    """That a module exists is tested for every page."""
    sections = re.findall(r"^## .+\n(.+)\n", TEXTS[name], re.M)
    assert len(sections) > 3
    for line in sections:
        found = SOURCE.fullmatch(line)
        assert found is not None, line
        for vector in re.findall(r"`(.+?)`", found[1] or ""):
            assert (VECTORS / vector).is_file(), vector


@pytest.fixture(scope="module")
def absorbed():
    """(protocol, label, type) of everything that transcripts absorb while the vectors are verified."""
    items: set[tuple[str, str, str]] = set()
    protocols: dict[int, str] = {}
    begin, absorb = Transcript.__init__, Transcript._absorb

    def starting(self, protocol):
        protocols[id(self)] = protocol
        begin(self, protocol)

    def absorbing(self, label, kind, data):
        items.add((protocols[id(self)], label, kind))
        absorb(self, label, kind, data)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Transcript, "__init__", starting)
        patched.setattr(Transcript, "_absorb", absorbing)
        assert verify_package((VECTORS / "every-part.ccp").read_bytes()).ok
        alone = (VECTORS / "account-1.ccs").read_bytes()
        assert verify_standalone(alone, (VECTORS / "three-accounts.ccp").read_bytes()).ok
    return items


def test_every_item_that_a_transcript_absorbs_is_in_the_specification(absorbed):
    tables = {
        re.match(r"Protocol: `(.+?)`", text)[1]: set(re.findall(r"^\| \d+ \| `(.+?)` \| `(.+?)` \|", text, re.M))
        for text in (TABLES[name]() for name in TABLES if name.startswith("transcript "))
    }
    assert len(absorbed) > 30
    for protocol, label, kind in absorbed:
        if protocol in tables:
            assert (label, kind) in tables[protocol]
        else:  # a fork that only gives a context, or the weights of a batch
            assert f"| `{protocol}` |" in TABLES["forks"]()
            assert (label, kind) in {("parent", "bytes"), ("context", "challenge"), ("mu", "scalar")}


def test_the_checks_are_those_of_the_verifier_in_its_order():
    names = re.findall(r"^\| \d+ \| `(\w+)` \|", check_tables.checks(), re.M)
    asked = Freshness(2**60, max_age_ms=None)
    ran = [check.name for check in verify_package((VECTORS / "every-part.ccp").read_bytes(), freshness=asked).checks]
    assert names == [*ran, "inclusion"]


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (read_package, BaseCode.NON_CANONICAL),
        (PackageChecks.certificate, BaseCode.BAD_POINT),
        (PackageChecks.statement, ProofCode.COUNTED_TWICE),
        (PackageChecks.rules, ProofCode.RULES_DIFFER),
        (PackageChecks.ranges_and_rows, ProofCode.PROOF_REFUSED),
    ],
)
def test_codes_are_found_behind_functions_modules_and_imports(check, code):
    """In the check itself, through a module's name, through a constant's class, and through an import inside."""
    assert code in check_tables.may_give("", check)


@pytest.mark.parametrize("code", [*BaseCode, *ProofCode])
def test_a_code_that_prose_names_is_in_the_table_of_codes(code):
    if re.search(rf"`{code.name}`", ALL):
        assert f"| {code.label} | `{code.name}` |" in check_tables.codes()
