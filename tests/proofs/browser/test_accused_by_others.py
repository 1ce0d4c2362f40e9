"""A contradiction says whether the accused validator signed the list: else a quorum could certify one to frame it."""

from pathlib import Path

import msgspec
import pytest

from clearing.base import bls, ed25519
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.validators import ValidatorSet
from member.verifying.accusations import accuse_files
from member.verifying.package import FileBytes, TrustAnchor
from proofs.epoch.package import read_package, write_package
from proofs.verify.freshness import Freshness
from tests.kit.certificates import make_certificate
from tests.kit.proofs import small_market as market
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.kit.proofs.signed_answer import ALICE, NODE, answer_of
from tests.kit.validator_records import made_validator

SECRETS = [bls.secret_from_seed(bytes([each]) * 32) for each in range(1, 5)]
KEYS = [*(bytes([each]) * 32 for each in range(3)), ed25519.public_key(NODE)]
VALIDATORS = ValidatorSet(tuple(made_validator(key, secret, 10) for key, secret in zip(KEYS, SECRETS, strict=True)))
NOW_MS = 1_584_000_001_000
OTHERS = "the list is the word of the validators that signed it: this one did not"


def signed_by(*signers: int) -> bytes:
    """The small market's package, certified by some of four validators; the last one is the node that answered."""
    package = read_package(market.honest(market.snapshot()))
    header = msgspec.structs.replace(
        package.header, validators_hash=VALIDATORS.hash, next_validators_hash=VALIDATORS.hash
    )
    digest = vote_digest(header.network, VALIDATORS.hash, VoteKind.PRECOMMIT, header.height, 1, header.hash)
    shares = {each: bls.sign(SECRETS[each], digest) for each in signers}
    certificate = make_certificate(VoteKind.PRECOMMIT, header.height, 1, header.hash, VALIDATORS, shares)
    return write_package(
        msgspec.structs.replace(package, header=header, certificate=certificate, validators=VALIDATORS)
    )


@pytest.mark.parametrize(("signers", "itself"), [((0, 1, 2), False), ((0, 1, 3), True)])
def test_a_validator_that_did_not_sign_the_list_is_accused_on_the_word_of_others(
    tmp_path: Path, second: SecondVerifier, signers: tuple[int, ...], itself: bool
) -> None:
    answer = tmp_path / "answer.cci"
    answer.write_bytes(answer_of(ALICE, NODE, bytes([99]) * 32))
    data = signed_by(*signers)
    anchor = TrustAnchor(market.NETWORK, VALIDATORS.hash, freshness=Freshness(NOW_MS, set_known_ms=NOW_MS))
    report = accuse_files(answer, FileBytes("epoch.ccp", data), anchor)
    assert report.is_evidence, report.detail
    assert (report.has_signed, OTHERS in report.detail) == (itself, not itself)
    trusted = {"network": market.NETWORK.hex(), "validators_hash": VALIDATORS.hash.hex()}
    times = {"now_ms": str(NOW_MS), "set_known_ms": str(NOW_MS), "max_age_ms": "any"}
    answered = second.ask(file=data, answer=answer.read_bytes(), **trusted, **times)
    assert answered["contradiction"] == "commitment"
    assert (OTHERS in answered["checks"][-1]["detail"]) == (not itself)
