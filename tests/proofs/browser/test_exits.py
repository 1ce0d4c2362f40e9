"""Exit files: both verifiers judge each with the same checks, codes and openness, whatever was changed in it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from py_arkworks_bls12381 import G1Point, Scalar

from clearing.base import bls
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.codec import encode
from clearing.base.errors import CrossclearError
from clearing.base.validators import ValidatorSet
from consensus.light_client import LightBlock
from member.verifying.exits import block_of, read_exit_file, verify_exit
from member.verifying.package import TrustAnchor
from proofs.verify.freshness import Freshness
from tests.kit.certificates import make_certificate
from tests.kit.proofs import small_market
from tests.kit.proofs.made_exits import made_exit_file
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.kit.validator_records import made_validator

NETWORK, SET = small_market.NETWORK, small_market.validator_set().hash
TIME_MS = 1_584_000_000_000
DAY_MS = 86_400_000
Tree = dict[str, Any]


def changed(field: str, value: Any, *at: str | int) -> Callable[[Tree], None]:
    """Set a field of the exit; `at`: where it is in it."""

    def change(file: Tree) -> None:
        place = file["exit"]
        for step in at:
            place = place[step]
        place[field] = value

    return change


def other_block(file: Tree) -> None:
    """A byte of the signature, of which the last 96 before the sets are."""
    block = file["block"]
    at = block.index(small_market.validator_set().validators[0].bls_key.hex()) - 400
    file["block"] = block[:at] + ("0" if block[at] != "0" else "1") + block[at + 1 :]


def twice(name: str) -> Callable[[Tree], None]:
    def change(file: Tree) -> None:
        file["exit"][name] *= 2

    return change


CHANGES: dict[str, Callable[[Tree], None]] = {
    "nothing": lambda _: None,
    "amount": changed("amount", "10000000000001", "leaves", 0),
    "amount of 2^256": changed("amount", str(2**256), "leaves", 0),
    "amount of 2^256 - 1": changed("amount", str(2**256 - 1), "leaves", 0),
    "sum of 2^256": changed("seniors", str(2**256), "totals", 0),
    "to": changed("to", "0x" + "66" * 20, "leaves", 0),
    "kind": changed("kind", "deposit", "leaves", 0),
    "number": changed("number", 8, "leaves", 0),
    "salt": changed("salt", "0x" + "00" * 32, "leaves", 0),
    "index": changed("index", 0, "leaves", 0),
    "path": changed("path", [], "leaves", 0),
    "token": changed("token", "0x" + "66" * 20, "leaves", 0),
    "account": changed("account", 8),
    "epoch": changed("epoch", 5),
    "height": changed("height", 44),
    "leaf_count": changed("leaf_count", 3),
    "exit_root": changed("exit_root", "0x" + "11" * 32),
    "salt of the record": changed("salt", "0x" + "11" * 32, "opening"),
    "path of the record": changed("path", [], "opening"),
    "another leaf of the bucket": changed("below", ["0x" + "11" * 32], "opening"),
    "no leaves": changed("leaves", []),
    "a leaf twice": twice("leaves"),
    "totals twice": twice("totals"),
    "no totals": changed("totals", []),
    "sum of totals": changed("accounts", "1", "totals", 0),
    "cursor of totals": changed("deposit_cursor", 2, "totals", 0),
    "certificate": other_block,
}
TRUST = {
    "a genesis": (NETWORK, SET, TIME_MS),
    "nothing": (None, None, TIME_MS),
    "another set": (NETWORK, bytes(32), TIME_MS),
    "another network": (bytes(32), SET, TIME_MS),
    "a set that has retired": (NETWORK, SET, TIME_MS - 15 * DAY_MS),
}


@pytest.mark.parametrize("trust", TRUST)
@pytest.mark.parametrize("change", CHANGES)
def test_both_verifiers_judge_an_exit_file_alike(second: SecondVerifier, change: str, trust: str) -> None:
    file: Tree = json.loads(made_exit_file(10**13))
    CHANGES[change](file)
    data = json.dumps(file).encode()
    assert theirs(second, data, *TRUST[trust]) == ours(data, *TRUST[trust])


def ours(data: bytes, network: bytes | None, set_hash: bytes | None, known_ms: int) -> Any:
    try:
        file = read_exit_file(data)
        block = block_of(file)
    except CrossclearError:
        return "no such file"
    anchor = TrustAnchor(network=network, validators_hash=set_hash, freshness=Freshness(TIME_MS, set_known_ms=known_ms))
    report = verify_exit(file, len(data), anchor, block)
    checks = [(each.name, each.ok, each.complete, each.code) for each in report.checks]
    return checks, report.claim, list(report.not_run)


def theirs(second: SecondVerifier, data: bytes, network: bytes | None, set_hash: bytes | None, known_ms: int) -> Any:
    trusted = {"network": network and network.hex(), "validators_hash": set_hash and set_hash.hex()}
    given = {name: value for name, value in trusted.items() if value}
    verdict = second.ask(exit=data, now_ms=str(TIME_MS), set_known_ms=str(known_ms), **given)
    if "refused" in verdict:
        return "no such file"
    checks = [(each["name"], each["ok"], each["complete"], each["code"]) for each in verdict["checks"]]
    return checks, verdict["claim"], verdict["notRun"]


def certified_by(validators: ValidatorSet, signature: Callable[[bytes], bytes]) -> bytes:
    """The exit file under another set, all of which are named as signers of one signature."""
    file: Tree = json.loads(made_exit_file(10**13))
    block = block_of(read_exit_file(json.dumps(file).encode()))
    header = replace(block.header, validators_hash=validators.hash, next_validators_hash=validators.hash)
    digest = vote_digest(header.network, validators.hash, VoteKind.PRECOMMIT, header.height, 1, header.hash)
    shares = {index: bls.sign(small_market.SECRETS[0], digest) for index in range(len(validators.validators))}
    whole = make_certificate(VoteKind.PRECOMMIT, header.height, 1, header.hash, validators, shares)
    signed = replace(whole, aggregate=signature(digest))
    file["block"] = "0x" + encode(LightBlock(header, signed, validators, validators)).hex()
    return json.dumps(file).encode()


def with_a_rogue_key(secret: int) -> ValidatorSet:
    """The small market's set, and a validator whose key is that of a secret less all other keys."""
    validators = small_market.validator_set().validators
    key = G1Point() * Scalar(secret)
    for each in validators:
        key = key - G1Point.from_compressed_bytes(each.bls_key)
    rogue = made_validator(bytes([9]) * 32, secret)
    return ValidatorSet((*validators, replace(rogue, bls_key=bytes(key.to_compressed_bytes()))))


def test_a_key_made_of_the_others_keys_is_no_quorum(second: SecondVerifier) -> None:
    """Its owner alone signs for all of them: a signature of many is sound only for keys with a proof of possession."""
    secret = 7
    validators = with_a_rogue_key(secret)
    data = certified_by(validators, lambda digest: bls.sign(secret, digest))
    found = ours(data, NETWORK, validators.hash, TIME_MS)
    assert found[0] == [("certificate", False, True, "R0112 bad_possession_proof")]
    assert theirs(second, data, NETWORK, validators.hash, TIME_MS) == found


def test_a_set_with_a_validator_without_power_is_refused(second: SecondVerifier) -> None:
    first, other = small_market.validator_set().validators
    validators = ValidatorSet((first, replace(other, power=0)))
    data = certified_by(
        validators, lambda digest: bls.aggregate([bls.sign(each, digest) for each in small_market.SECRETS])
    )
    found = ours(data, NETWORK, validators.hash, TIME_MS)
    assert found[0] == [("certificate", False, True, "R0120 bad_validator_set")]
    assert theirs(second, data, NETWORK, validators.hash, TIME_MS) == found


@pytest.mark.parametrize("known_ms", [None, TIME_MS])
def test_both_verifiers_say_who_says_that_the_set_is_in_force(second: SecondVerifier, known_ms: int | None) -> None:
    """One that has retired loses nothing by signing another exit tree."""
    data = made_exit_file(10**13)
    anchor = TrustAnchor(network=NETWORK, validators_hash=SET, freshness=Freshness(TIME_MS, set_known_ms=known_ms))
    file = read_exit_file(data)
    report = verify_exit(file, len(data), anchor, block_of(file))
    first = report.not_proven
    known = {} if known_ms is None else {"set_known_ms": str(known_ms)}
    asked = {"network": NETWORK.hex(), "validators_hash": SET.hex(), "now_ms": str(TIME_MS), **known}
    verdict = second.ask(exit=data, **asked)
    assert verdict["notProven"] == list(first)
    assert verdict["attested"] == report.attested, "the header's time, too: two files may differ in nothing else"
    assert any("rests on the caller's word" in each for each in first) is (known_ms is None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"format": "crossclear.exit.v1"}',
        b'{"format": "crossclear.exit.v1", "format": "crossclear.exit.v1"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_exit_file_is_refused(second: SecondVerifier, data: bytes) -> None:
    assert theirs(second, data, NETWORK, SET, TIME_MS) == ours(data, NETWORK, SET, TIME_MS) == "no such file"


def test_a_field_too_many_is_refused(second: SecondVerifier) -> None:
    file: Tree = json.loads(made_exit_file(1))
    for place in (file, file["exit"], file["exit"]["leaves"][0], file["exit"]["totals"][0], file["exit"]["opening"]):
        place["more"] = 1
        data = json.dumps(file).encode()
        assert theirs(second, data, NETWORK, SET, TIME_MS) == ours(data, NETWORK, SET, TIME_MS) == "no such file"
        del place["more"]
