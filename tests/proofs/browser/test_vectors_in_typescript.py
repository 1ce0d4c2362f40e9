"""The verifier in TypeScript accepts every good vector, in the words of the command, and refuses what was changed."""

import json
import random
import subprocess
from pathlib import Path

import msgspec
import pytest

from clearing.base import ed25519
from clearing.base.codec import decode
from clearing.base.errors import RemoteFault
from clearing.base.hashing import tagged_hash
from devnet.toolchain import BROWSER, node_path
from proofs.epoch.package import EpochPackage, read_package
from proofs.verify.claim_text import MEANINGS
from proofs.verify.package_verifier import verify_package
from proofs.verify.signed_inclusion import ANSWER_TAG, SignedInclusion, read_answer
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.second_verifier import SecondVerifier, refused_by

GOOD = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "v2" / "good"
COMMITMENTS, PROOF = 7, 8
PACKAGES = [
    *("three-accounts.ccp", "every-part.ccp", "every-rule.ccp", "every-charge.ccp", "history.ccp"),
    *("live-surface.ccp", "averaged-option.ccp"),
]


def read(name: str) -> bytes:
    return (GOOD / name).read_bytes()


def decode_package(name: str) -> EpochPackage:
    return read_package(read(name))


def test_the_sources_are_strictly_typed(built_verifier: None) -> None:
    compiler = BROWSER / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        [str(node_path()), str(compiler), "--noEmit", "--strict", "-p", "."],
        cwd=BROWSER,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_a_good_package_passes_in_the_words_of_the_command(second: SecondVerifier, name: str) -> None:
    package = decode_package(name)
    trusted = {"network": package.header.network, "validators_hash": package.validators.hash}
    verdict = second.ask(file=read(name), **{what: value.hex() for what, value in trusted.items()})
    first = verify_package(read(name), **trusted)
    assert verdict["ok"]
    assert first.ok
    assert verdict["complete"] == all(check.complete for check in first.checks)
    for ours, theirs in zip(first.checks, verdict["checks"], strict=True):
        assert (ours.name, ours.complete, ours.detail) == (theirs["name"], theirs["complete"], theirs["detail"])
        assert MEANINGS[ours.name] == theirs["meaning"]
    assert verdict["claim"] == first.claim
    assert verdict["attested"] == {name: str(value) for name, value in first.attested}


def test_all_that_the_command_calls_not_proven_is_said(second: SecondVerifier) -> None:
    for name in PACKAGES:
        said = second.ask(file=read(name))["notProven"]
        wanted = [line for line in verify_package(read(name)).not_proven if not line[0].isdigit() and "--" not in line]
        assert [line for line in wanted if line not in said] == []


def test_the_primitives_are_those_of_the_vector(second: SecondVerifier) -> None:
    computed = second.ask(primitives=True, file="")
    del computed["cpu_seconds"]
    assert computed == json.loads(read("primitives.json"))


def test_the_standalone_proof_passes_beside_its_package_only(second: SecondVerifier) -> None:
    proof = read("account-1.ccs")
    verdict = second.ask(file=read("three-accounts.ccp"), standalone=proof)
    assert verdict["ok"], verdict["checks"]
    assert [check["name"] for check in verdict["checks"]][-2:] == ["listed", "solvency"]
    assert refused_by(second.ask(file=read("every-part.ccp"), standalone=proof)) == "listed"
    assert refused_by(second.ask(file=read("three-accounts.ccp"), standalone=proof[:-1])) == "encoding"
    changed = bytearray(proof)
    changed[-1] ^= 1
    assert refused_by(second.ask(file=read("three-accounts.ccp"), standalone=bytes(changed))) == "solvency"


def test_a_standalone_proof_is_told_in_the_words_of_the_command(second: SecondVerifier) -> None:
    proof, package = read("account-1.ccs"), read("three-accounts.ccp")
    known = {"network": bytes([7]) * 32, "validators_hash": decode_package("three-accounts.ccp").validators.hash}
    first = verify_standalone(proof, package, **known)
    verdict = second.ask(file=package, standalone=proof, **{what: value.hex() for what, value in known.items()})
    assert first.claim
    assert verdict["claim"] == first.claim
    assert verdict["notProven"] == list(first.not_proven)
    assert list(verdict["attested"].items()) == [(name, str(value)) for name, value in first.attested]


@pytest.mark.parametrize("allowed", [[], ["custody"], ["certificate", "custody", "cover"]])
def test_strictly_the_first_open_check_that_is_not_allowed_refuses(second: SecondVerifier, allowed: list[str]) -> None:
    verdict = second.ask(file=read("three-accounts.ccp"), strict={"allowed": allowed})
    refused = {0: "certificate", 1: "certificate", 3: None}[len(allowed)]
    assert verdict.get("refusal", {"check": None})["check"] == refused
    assert verdict["ok"] == (refused is None)
    assert (verdict["claim"] == "") == (refused is not None)
    assert verdict["notProven"]


NO_EVIDENCE = {
    "": "the signer is not in the set",
    "network": "the network is the files' own word",
    "validators_hash": "the package's own validator set was taken",
    "now_ms": "no time was stated",
    "set_known_ms": "rests on the caller's word",
}
"""What a contradiction says of itself, by what its caller did not state; the signer's key is nobody's."""


def test_a_signed_answer_agrees_or_is_refuted(second: SecondVerifier) -> None:
    package = read("three-accounts.ccp")
    assert second.ask(file=package, answer=read("answer.cci"))["ok"]
    refuted = second.ask(file=package, answer=read("refuted.cci"))
    assert refused_by(refuted) == "answer"
    assert refuted["checks"][-1]["code"] == "R0712 not_included"
    assert refuted["contradiction"] == "commitment"
    assert "no evidence: no time was stated" in refuted["checks"][-1]["detail"]
    good = read_package(package)
    asked = {"network": good.header.network.hex(), "validators_hash": good.validators.hash.hex()}
    asked |= {"now_ms": str(TIME_MS), "set_known_ms": str(TIME_MS)}
    for left_out, why in NO_EVIDENCE.items():
        stated = {name: value for name, value in asked.items() if name != left_out}
        assert why in second.ask(file=package, answer=read("refuted.cci"), **stated)["checks"][-1]["detail"]
    forged = bytearray(read("answer.cci"))
    forged[-1] ^= 1
    assert second.ask(file=package, answer=bytes(forged))["checks"][-1]["code"] == "R0746 bad_answer"


SECRET = bytes([7]) * 32
HELD = [["cash:USD", 9_000], ["position:BTC-PERP", -2], ["token:31337:WETH", 40]]
TWICE = ([["cash:USD", 10**9], *HELD], [*HELD, ["cash:USD", 9_000]], HELD[::-1], [*HELD, HELD[2]])


def signed_by(secret: bytes, fields: list) -> bytes:
    """An answer of these first fields, as a node signs it, whatever they say."""
    stated = [*fields, ed25519.public_key(secret), bytes(64)]
    digest = tagged_hash(ANSWER_TAG, msgspec.msgpack.encode(stated))
    return msgspec.msgpack.encode([*stated[:-1], ed25519.sign(secret, digest)])


@pytest.mark.parametrize("said", TWICE)
def test_an_answer_that_says_two_amounts_of_one_slot_is_no_answer(second: SecondVerifier, said: list) -> None:
    """Only one was compared: with the true one last, the answer agreed with the package."""
    data = signed_by(SECRET, [*msgspec.msgpack.decode(read("answer.cci"))[:7], said])
    verdict = second.ask(file=read("three-accounts.ccp"), answer=data)
    assert (refused_by(verdict), verdict["checks"][-1]["code"]) == ("encoding", "R0102 malformed")
    with pytest.raises(RemoteFault, match="malformed"):
        read_answer(data)


def test_names_of_an_answer_rise_by_code_points(second: SecondVerifier) -> None:
    """In UTF-16 the second would come first."""
    data = signed_by(SECRET, [*msgspec.msgpack.decode(read("answer.cci"))[:7], [["\uff5e", 1], ["\U0001f600", 1]]])
    assert read_answer(data).holdings == (("\uff5e", 1), ("\U0001f600", 1))
    assert second.ask(file=read("three-accounts.ccp"), answer=data)["contradiction"] == "holdings"


def own_account(name: str) -> dict[str, object]:
    answer = decode(read(name), SignedInclusion)
    return {
        "account": str(answer.account),
        "owner": answer.owner.hex(),
        "seed": answer.seed.hex(),
        "holdings": {slot: str(amount) for slot, amount in answer.holdings},
    }


def test_the_own_account_is_found_with_exactly_its_holdings(second: SecondVerifier) -> None:
    package, own = read("three-accounts.ccp"), own_account("answer.cci")
    verdict = second.ask(file=package, own=own)
    assert verdict["ok"]
    assert verdict["checks"][-1]["name"] == "inclusion"
    holdings = dict(own["holdings"])  # type: ignore[call-overload]
    name = next(iter(holdings))
    more = {**own, "holdings": {**holdings, name: str(int(holdings[name]) + 1)}}
    for lie in (more, {**own, "owner": "11" * 20}, {**own, "seed": "22" * 32}, {**own, "account": "2"}):
        assert second.ask(file=package, own=lie)["checks"][-1]["code"] == "R0712 not_included"


def test_what_the_caller_trusts_is_compared(second: SecondVerifier) -> None:
    package = read("three-accounts.ccp")
    assert second.ask(file=package, network="07" * 32)["ok"]
    assert second.ask(file=package, network="08" * 32)["checks"][-1]["code"] == "R0124 wrong_network"
    assert second.ask(file=package, validators_hash="08" * 32)["checks"][-1]["code"] == "R0715 wrong_network"


def test_a_validator_set_of_the_file_alone_leaves_the_certificate_open(second: SecondVerifier) -> None:
    alone = {"validators_hash": decode_package("every-part.ccp").validators.hash.hex()}
    for trusted in ({}, alone, {"network": "07" * 32}):
        verdict = second.ask(file=read("every-part.ccp"), **trusted)
        assert verdict["ok"]
        assert not verdict["complete"]
        assert [check["name"] for check in verdict["checks"] if not check["complete"]] == ["certificate"]


TIME_MS = 1_584_000_000_000


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"now_ms": str(TIME_MS + 1_001), "max_age_ms": "1000"}, "R0756 stale"),
        ({"now_ms": str(TIME_MS + 1_000), "max_age_ms": "1000"}, ""),
        ({"now_ms": str(TIME_MS - 300_001), "max_age_ms": "1000"}, "R0757 from_the_future"),
        ({"now_ms": str(TIME_MS - 300_000), "max_age_ms": "1000"}, ""),
        ({"now_ms": str(TIME_MS), "min_height": "41"}, "R0759 below_min_height"),
        ({"now_ms": str(TIME_MS), "min_height": "40"}, ""),
    ],
)
def test_age_and_height_are_compared_where_they_are_given(second: SecondVerifier, asked: dict, code: str) -> None:
    verdict = second.ask(file=read("three-accounts.ccp"), **asked)
    assert verdict["ok"] == (code == "")
    if code:
        assert (verdict["checks"][-1]["name"], verdict["checks"][-1]["code"]) == ("freshness", code)


def test_a_changed_byte_is_refused_by_the_check_that_the_first_verifier_names(second: SecondVerifier) -> None:
    for name in PACKAGES:
        good = read(name)
        chance = random.Random(name)
        for position in chance.sample(range(len(good)), 40):
            changed = bytearray(good)
            changed[position] ^= 1 << chance.randrange(8)
            first = verify_package(bytes(changed))
            assert not first.ok
            assert refused_by(second.ask(file=bytes(changed))) == first.checks[-1].name, position


def test_a_huge_file_with_an_empty_proof_is_refused_by_its_lengths(second: SecondVerifier) -> None:
    """A million commitments, which are no points, and no proof: neither a point nor a hash of a leaf is computed."""
    tree = msgspec.msgpack.decode(read("three-accounts.ccp"))
    tree[COMMITMENTS] = [[account, bytes(48)] for account in range(1 << 20)]
    tree[PROOF] = b""
    huge = msgspec.msgpack.encode(tree)
    verdict = second.ask(file=huge)
    assert (refused_by(verdict), verdict["checks"][-1]["code"]) == ("sizes", "R0703 bad_length")
    assert refused_by(second.ask(file=b"\xc0" * (1 << 20))) == "encoding"


@pytest.mark.parametrize(
    "item", [[1, bytes(47)], [1, bytes(49)], [-1, bytes(48)], [1], [1, bytes(48), 1], [1 << 63, bytes(48)]]
)
def test_a_commitment_of_another_form_is_malformed(second: SecondVerifier, item: list) -> None:
    tree = msgspec.msgpack.decode(read("three-accounts.ccp"))
    tree[COMMITMENTS][1] = item
    changed = msgspec.msgpack.encode(tree)
    assert second.ask(file=changed)["checks"][-1]["code"] == "R0102 malformed"
    assert verify_package(changed).checks[-1].name == "encoding"


@pytest.mark.parametrize("longer", [b"\xcc\x01", b"\xcd\x00\x01", b"\xce\x00\x00\x00\x01", b"\xd0\x01"])
def test_a_commitment_in_a_longer_form_is_not_canonical(second: SecondVerifier, longer: bytes) -> None:
    good = read("three-accounts.ccp")
    account = b"\x92\x01\xc4\x30"
    assert good.count(account) == 1
    changed = good.replace(account, b"\x92" + longer + b"\xc4\x30")
    assert second.ask(file=changed)["checks"][-1]["code"] == "R0103 non_canonical"
