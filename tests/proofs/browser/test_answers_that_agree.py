"""An answer that agrees with a package: whose word that is, is named, as it is of a contradiction."""

from pathlib import Path
from typing import Any

import pytest

from clearing.base import ed25519
from member.verifying.accusations import accuse_files
from member.verifying.package import FileBytes, TrustAnchor
from proofs.epoch.package import read_package
from tests.kit.proofs import small_market as market
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.kit.proofs.signed_answer import ALICE, answer_of

PACKAGE = (GOOD / "three-accounts.ccp").read_bytes()
STATED = read_package(PACKAGE)
TIME = str(STATED.header.time_ms)
TRUSTED = {"network": STATED.header.network.hex(), "validators_hash": STATED.validators.hash.hex()}
SEED = market.seeds()[1]
NOBODYS = bytes([0x77]) * 32


def verdict_of(second: SecondVerifier, **trust: str) -> dict[str, Any]:
    verdict = second.ask(file=PACKAGE, answer=answer_of(ALICE, NOBODYS, SEED), **trust)
    assert verdict["ok"], verdict["checks"][-1]
    return verdict


@pytest.mark.parametrize(
    ("trust", "said"),
    [
        ({}, "The validator set is the package's own"),
        ({}, "The network's id is the package's own"),
        (TRUSTED, "nor whether its validator set is still in force"),
        (TRUSTED | {"now_ms": TIME}, "in force rests on the caller's word"),
        (TRUSTED | {"now_ms": TIME, "set_known_ms": TIME}, "there may be a newer package"),
    ],
)
def test_it_says_whom_nobody_vouches_for(second: SecondVerifier, trust: dict[str, str], said: str) -> None:
    """A set that has retired can certify any list, also one that agrees with what a node made up."""
    assert any(said in each for each in verdict_of(second, **trust)["notProven"])


def test_a_key_of_no_validator_is_named(second: SecondVerifier) -> None:
    verdict = verdict_of(second, **TRUSTED)
    assert ed25519.public_key(NOBODYS).hex() in verdict["checks"][-1]["detail"]
    assert any("anybody can make up a key" in each for each in verdict["notProven"])


def test_what_is_the_quorums_word_is_named(second: SecondVerifier) -> None:
    attested = verdict_of(second, **TRUSTED)["attested"]
    header, statement = STATED.header, STATED.statement
    named = [attested[name] for name in ("header_time_ms", "header_height", "snapshot_height", "epoch")]
    assert named == [str(each) for each in (header.time_ms, header.height, statement.height, statement.epoch)]


@pytest.mark.parametrize("seed", [SEED, bytes([99]) * 32], ids=["agrees", "contradicts"])
def test_both_verifiers_name_time_and_heights_as_the_quorums_word(
    tmp_path: Path, second: SecondVerifier, seed: bytes
) -> None:
    """A set dates its header as it likes: who reads that a node's answer agrees must see with which header."""
    answer = tmp_path / "answer.cci"
    answer.write_bytes(answer_of(ALICE, NOBODYS, seed))
    anchor = TrustAnchor(STATED.header.network, STATED.validators.hash)
    report = accuse_files(answer, FileBytes("epoch.ccp", PACKAGE), anchor)
    assert report.attested == verdict_of(second, **TRUSTED)["attested"]
    assert TIME in report.detail
    assert f"of height {STATED.statement.height}" in report.detail
