"""The verifier in TypeScript checks the proofs of possession of a set together: its answer is that of one by one."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from clearing.base import bls
from clearing.base.validators import Validator, ValidatorSet
from proofs.epoch.package import write_package
from proofs.verify.package_verifier import verify_package
from tests.kit.certificates import certified
from tests.kit.proofs.negatives.making import read
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.kit.validator_records import made_validator

replace = msgspec.structs.replace
SECRETS = tuple(range(5001, 5008))
GOOD = tuple(made_validator(bytes([number]) * 32, secret) for number, secret in enumerate(SECRETS))
R = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
MORE, LESS = bls.sign(9, b"difference"), bls.sign(R - 9, b"difference")
"""Two signatures whose sum is infinity."""


def package_of(changes: Mapping[int, Mapping[str, Any]]) -> bytes:
    """The small market's package under a set of which some records are changed, signed by all of it."""
    validators = ValidatorSet(tuple(replace(record, **changes.get(at, {})) for at, record in enumerate(GOOD)))
    header = replace(read().header, validators_hash=validators.hash, next_validators_hash=validators.hash)
    certificate = certified(header, validators, dict(enumerate(SECRETS)))
    return write_package(replace(read(), header=header, certificate=certificate, validators=validators))


def moved(record: Validator, by: bytes) -> dict[str, bytes]:
    return {"possession": bls.aggregate([record.possession, by])}


CASES: dict[str, tuple[dict[int, dict[str, Any]], str]] = {
    "all good": ({}, ""),
    "the first": ({0: {"possession": GOOD[1].possession}}, "R0112"),
    "the last": ({6: {"possession": GOOD[1].possession}}, "R0112"),
    "two exchanged": ({2: {"possession": GOOD[3].possession}, 3: {"possession": GOOD[2].possession}}, "R0112"),
    "two whose sum is right": ({1: moved(GOOD[1], MORE), 4: moved(GOOD[4], LESS)}, "R0112"),
    "no point after one that is wrong": ({2: moved(GOOD[2], MORE), 5: {"possession": bytes(96)}}, "R0112"),
    "no point before one that is wrong": ({2: {"possession": bytes(96)}, 5: moved(GOOD[5], MORE)}, "R0110"),
    "an EVM key before one that is wrong": ({2: {"evm_possession": bytes(65)}, 5: moved(GOOD[5], MORE)}, "R0111"),
    "an EVM key after one that is wrong": ({2: moved(GOOD[2], MORE), 5: {"evm_possession": bytes(65)}}, "R0112"),
}


@pytest.mark.parametrize(("changes", "code"), CASES.values(), ids=CASES.keys())
def test_the_first_bad_record_names_the_code(
    second: SecondVerifier, changes: dict[int, dict[str, Any]], code: str
) -> None:
    data = package_of(changes)
    first = {check.name: check for check in verify_package(data).checks}["certificate"]
    answer = {check["name"]: check for check in second.ask(file=data)["checks"]}["certificate"]
    assert (first.ok, answer["ok"]) == (not code, not code), (first, answer)
    if code:
        assert first.code is not None
        assert (first.code.label, answer["code"].split()[0]) == (code, code)
