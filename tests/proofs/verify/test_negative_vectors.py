"""Every vector of `v2` is judged as it says, by the verifier here and by the one that was written from the pages.

Both must name the same check and code. A check without a negative vector, or a code that none gives, is a failure.
"""

import hashlib
import json

import pytest

from clearing.base.errors import CrossclearError
from docs.check_tables import may_give, package_checks, standalone_functions
from proofs.algebra.transcript import Transcript
from proofs.epoch.package import read_package
from proofs.errors import ProofCode
from proofs.onchain.file import check_account_file, check_file, read_account_file, read_epoch_file
from proofs.onchain.keys import check_keys
from proofs.onchain.presentation import check_presentation
from proofs.onchain.verifier import verify_account
from proofs.verify.package_verifier import verify_package
from proofs.verify.signed_inclusion import accuse, read_answer
from proofs.verify.standalone import verify_standalone
from proofs.verify.verdict import Verdict
from tests.kit.clearing.genesis import make_genesis
from tests.kit.proofs.counted import SUMS, VECTORS
from tests.kit.proofs.vector_files import Trust, applied, edits_of, read_trust
from tests.vectors.proofs.runner import vectors as specified
from tests.vectors.proofs.runner.inclusion import opening
from tests.vectors.proofs.runner.prover import commit, digits
from tests.vectors.proofs.runner.statement import layout_of
from tests.vectors.proofs.write import BAD, FILES, made_files, traces, written

GOOD_VECTORS, BAD_VECTORS = specified.read("good"), specified.read("bad")
EVERY = [*GOOD_VECTORS, *BAD_VECTORS]
BASES = {path.name: path.read_bytes() for path in VECTORS.iterdir() if path.suffix in FILES}
SOME_GENESIS = make_genesis()
ONCHAIN_VECTORS = [*specified.read("good", "onchain.json"), *specified.read("bad", "onchain.json")]
ONCHAIN_UNREACHED = {"BAD_CHALLENGE", "BAD_LAYOUT", "BAD_MERKLE_PROOF", "BAD_SIGNATURE", "WRONG_SRS"}
"""A wrong path and a wrong signature are named by the check that uses them: WRONG_ROOT and NOT_PRESENTED."""
BYTES_MAX = 1_500_000
ISSUE = {
    "mark-of-0": "rules",
    "statement-of-a-later-epoch": "roots",
    "equal-commitments": "roots",
    "another-owner": "inclusion",
    "answer-with-another-owner": "",
    "answer-with-two-amounts-of-a-slot": "encoding",
    "many-accounts-no-proof": "sizes",
    "stale-header": "freshness",
    "retired-set-signs-anew": "freshness",
    "strict-stripped-house": "house",
    "strict-stripped-custody": "custody",
    "strict-without-an-anchor": "certificate",
}
"""Attacks that were once accepted, and the check that refuses each now; an answer is contradicted instead."""
UNREACHED = {
    "cover": {"BAD_CHALLENGE", "BAD_LAYOUT"},
    "house": {"BAD_CHALLENGE", "BAD_LAYOUT"},
    "inclusion": {"BAD_LENGTH", "BAD_STATEMENT"},
    "listed": {"BLINDERS_REUSED"},
    "matched_book": {"BAD_LENGTH"},
    "ranges_and_rows": {"BAD_CHALLENGE"},
    "solvency": {"BAD_CHALLENGE"},
}


def ours(vector) -> dict[str, str]:
    """What the verifier here says of a vector."""
    package, trust = made(vector["package"]), read_trust(vector["trusted"], SOME_GENESIS)
    anchor = {"network": trust.network, "validators_hash": trust.validators_hash}
    if vector["kind"] == "answer":
        return of_answer(made(vector["file"]), package, {**anchor, "freshness": trust.freshness})
    known = {**anchor, "genesis": trust.genesis, "freshness": trust.freshness}
    if vector["kind"] == "standalone":
        return of_verdict(verify_standalone(made(vector["file"]), package, **known), trust)
    return of_verdict(verify_package(package, own=trust.own, **known), trust)


def of_verdict(verdict: Verdict, trust: Trust) -> dict[str, str]:
    last = verdict.checks[-1]
    if not last.ok:
        return {"refused_by": last.name, "code": last.code.name}
    still_open = [each.name for each in verdict.checks if not each.complete and each.name not in trust.allowed]
    if trust.strict and still_open:
        return {"refused_by": still_open[0], "code": ProofCode.CHECK_OPEN.name}
    return {"refused_by": "", "code": ""}


def of_answer(file: bytes, package: bytes, anchor: dict) -> dict[str, str]:
    """The library raises without the name of the check: the code says whether it is the answer's."""
    try:
        found = accuse(read_answer(file), read_package(package), **anchor)
    except CrossclearError as fault:
        return {"code": fault.code.name}
    return {"code": "", "contradicted": str(found.contradicted)}


def made(file) -> bytes:
    return applied(BASES[file["base"]], file["edits"])


@pytest.mark.parametrize("vector", EVERY, ids=lambda vector: vector["name"])
def test_both_verifiers_name_the_check_that_a_vector_names(vector):
    expected = specified.expected(vector)
    assert specified.judged(vector) == expected
    found = ours(vector)
    if vector["kind"] == "answer":
        expected.pop("refused_by")
        contradiction = expected.pop("contradiction")
        if not expected["code"]:
            expected["contradicted"] = str(bool(contradiction))
    assert found == expected


def test_there_are_enough_vectors_with_names_of_their_own():
    names = [vector["name"] for vector in EVERY]
    assert len(set(names)) == len(names)
    assert len(BAD_VECTORS) >= 60
    assert all(vector["refused_by"] or vector["contradiction"] for vector in BAD_VECTORS)
    assert not any(vector["refused_by"] or vector.get("contradiction") for vector in GOOD_VECTORS)
    assert len({vector["changed"] for vector in BAD_VECTORS}) > len(BAD_VECTORS) * 9 // 10


def test_every_check_has_a_negative_vector_for_every_code_that_it_may_give():
    """But for codes that no file can cause: a challenge on a forbidden point, or what an earlier check refuses."""
    found: dict[str, set[str]] = {}
    for vector in BAD_VECTORS:
        found.setdefault(vector["refused_by"], set()).add(vector["code"])
    checks = dict([*package_checks(), *standalone_functions()])
    assert len(checks) == 16
    for name, check in checks.items():
        wanted = {code.name for code in may_give(name, check)}
        missing = wanted - found[name]
        assert missing == UNREACHED.get(name, set()), name
    assert found["answer"] == {"BAD_ANSWER"}
    says = {vector.get("contradiction") for vector in BAD_VECTORS if vector["kind"] == "answer"}
    assert says >= {"height", "account", "holdings", "commitment"}


@pytest.fixture(scope="module")
def absorbed():
    """What the transcripts here absorb and draw in verifying a file: (protocol, label, type, data or challenge)."""
    items: list[tuple[str, str, str, str]] = []
    protocols: dict[int, str] = {}
    begin, absorb, draw = Transcript.__init__, Transcript._absorb, Transcript.challenge

    def starting(self, protocol):
        protocols[id(self)] = protocol
        begin(self, protocol)

    def absorbing(self, label, kind, data):
        if kind != "challenge":
            items.append((protocols[id(self)], label, kind, data.hex()))
        absorb(self, label, kind, data)

    def drawing(self, label):
        value = draw(self, label)
        items.append((protocols[id(self)], label, "challenge", str(value)))
        return value

    def recorded(*files: bytes) -> list[tuple[str, str, str, str]]:
        items.clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Transcript, "__init__", starting)
            patched.setattr(Transcript, "_absorb", absorbing)
            patched.setattr(Transcript, "challenge", drawing)
            assert (verify_package(*files) if len(files) == 1 else verify_standalone(files[1], files[0])).ok
        return list(items)

    return recorded


TRACED = (
    "three-accounts",
    "every-part",
    "every-rule",
    "collateral-inside",
    "every-charge",
    "history",
    "listed-custody",
    "live-surface",
    "averaged-option",
    "account-1",
)


@pytest.mark.parametrize("name", TRACED)
def test_a_trace_has_what_the_transcripts_here_absorb_and_draw(absorbed, name):
    """In the same order within each protocol; the weights of a batch are a verifier's own affair."""
    files = [BASES["three-accounts.ccp"], BASES["account-1.ccs"]] if name == "account-1" else [BASES[f"{name}.ccp"]]
    here, traced = dict.fromkeys(absorbed(*files)), dict[tuple[str, str, str, str], None]()
    for note in json.loads((VECTORS / f"{name}.trace.json").read_text())["notes"]:
        if note["what"] == "absorb":
            traced[note["protocol"], note["label"], note["type"], note["data"]] = None
        elif note["what"] == "draw":
            traced[note["protocol"], note["label"], "challenge", note["challenge"]] = None
    protocols = {each[0] for each in traced}
    assert len(protocols) >= 1
    for protocol in protocols:
        assert [each for each in traced if each[0] == protocol] == [each for each in here if each[0] == protocol]
    assert {each[0] for each in here} - protocols <= {"crossclear/linear/batch/v1"}


def test_a_trace_says_what_a_prover_computes_of_each_account():
    """The pages give the same values, blinders, digits and commitment by holdings, seed and owner."""
    package = specified.Package(BASES["three-accounts.ccp"])
    layout = layout_of(package.stated, package.n)
    accounts = json.loads((VECTORS / "three-accounts.trace.json").read_text())["accounts"]
    assert [int(each["account"]) for each in accounts] == [account for account, _ in package.commitments]
    for each, (account, c_w) in zip(accounts, package.commitments, strict=True):
        owner, seed = bytes.fromhex(each["owner"]), bytes.fromhex(each["seed"])
        holdings = {name: int(amount) for name, amount in each["holdings"]}
        values, hiding = opening(package.stated, account, owner, seed, holdings)
        assert [list(map(str, values)), list(map(str, hiding))] == [each["values"], each["blinders"]]
        assert [bytes(column).hex() for column in digits(layout, values, int(each["shortfall"]))] == each["digits"]
        assert commit(values, hiding, package.n) == c_w


def test_every_check_that_may_stay_open_is_refused_strictly():
    strict = {vector["refused_by"] for vector in BAD_VECTORS if vector["code"] == ProofCode.CHECK_OPEN.name}
    assert strict == {"certificate", "custody", "cover", "house", "rules"}


@pytest.mark.parametrize("name", ISSUE)
def test_the_attacks_that_were_once_accepted_are_among_them(name):
    (vector,) = [each for each in BAD_VECTORS if each["name"] == name]
    assert vector["refused_by"] == ISSUE[name]


def test_the_script_still_writes_each_vector():
    for path, vectors in made_files().items():
        found = {vector.name: written(vector, BASES) for vector in vectors}
        for vector in json.loads(path.read_text())["vectors"]:
            if vector["name"] in found:
                assert found.pop(vector["name"]) == vector
        assert found == {}, "run python -m tests.vectors.proofs.write"


@pytest.mark.parametrize("vector", ONCHAIN_VECTORS, ids=lambda vector: vector["name"])
def test_both_judge_a_file_for_a_contract_as_its_vector_says(vector):
    expected, data = {"code": vector["code"]}, made(vector["file"])
    assert specified.judged(vector) == expected
    code = ""
    try:
        if vector["kind"] == "onchain_epoch":
            check_file(read_epoch_file(data), read_package(made(vector["package"])))
        else:
            check_account_file(read_account_file(data))
    except CrossclearError as fault:
        code = fault.code.name
    assert code == vector["code"]


def test_every_code_of_a_contracts_verifier_has_a_negative_vector():
    found = {vector["code"] for vector in ONCHAIN_VECTORS}
    for check in (check_keys, verify_account, check_presentation):
        assert {code.name for code in may_give("on chain", check)} - ONCHAIN_UNREACHED <= found, check


def test_the_traces_are_what_the_pages_compute():
    for name, found in traces().items():
        frozen = json.loads((VECTORS / name).read_text())
        assert {"format": frozen["format"], **found} == frozen


@pytest.mark.parametrize("folder", [VECTORS, BAD], ids=["good", "bad"])
def test_vectors_are_the_ones_that_were_frozen_and_small(folder):
    sums = dict(reversed(line.split("  ")) for line in (folder / SUMS).read_text().splitlines())
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != SUMS}
    assert {name: hashlib.sha256(data).hexdigest() for name, data in files.items()} == sums
    assert sum(map(len, files.values())) < BYTES_MAX


def test_edits_make_the_file_that_they_were_made_from():
    for old in BASES.values():
        for new in (*BASES.values(), b"", old[:-1], old[1:], old + b"\0", old[: len(old) // 2]):
            assert applied(old, edits_of(old, new)) == new
