"""What the verifier in Python answers to a file beside a package, in the form in which two verifiers are compared."""

from collections.abc import Callable
from typing import NamedTuple

from clearing.base.errors import CrossclearError
from proofs.epoch.epoch_number import check_epoch_number
from proofs.epoch.package import EpochPackage, read_package
from proofs.errors import ProofCode
from proofs.onchain.file import OnchainAccount, check_file, good_shares, read_account_file, read_epoch_file
from proofs.onchain.presentation import check_presentation
from proofs.onchain.verifier import verify_account
from proofs.verify.package_verifier import PackageChecks
from proofs.verify.signed_inclusion import accuse, decode_answer, read_answer
from proofs.verify.verdict import Verdict

CONTRADICTIONS = {
    "the snapshot is of height": "height",
    "there is no such account": "account",
    "its holdings are none": "holdings",
    "its holdings, seed and owner give": "commitment",
}
"""How the words of an accusation begin, and what they name."""
BEFORE_SIGNATURE = ("encoding", "certificate")
"""Checks that refuse before, or because of, the signature of a package."""


class Answer(NamedTuple):
    """What a verifier answers: empty for what it accepts."""

    check: str
    code: str
    more: str = ""
    """By what an answer is contradicted, or how much power signed keys: a part of the verdict."""
    signed: bool = False
    """Whether the signature was found good: of the certificate, answer, keys by a quorum, or presenter."""


def of_verdict(verdict: Verdict) -> Answer:
    """Of a package, or of a standalone proof."""
    last = verdict.checks[-1]
    if verdict.ok:
        return Answer("", "", signed=True)
    return Answer(last.name, _named(last.code), signed=last.name not in BEFORE_SIGNATURE)


def _named(code: int | None) -> str:
    return "" if code is None else f"R{code:04}"


def _refusal(check: str, run: Callable[[], object]) -> Answer | None:
    """Why a check refuses; None where it does not."""
    try:
        run()
    except CrossclearError as fault:
        return Answer(check, _named(fault.code))
    return None


def _of_package(package: EpochPackage) -> Answer | None:
    for name, check in PackageChecks(package).of_public_part():
        if name != "rules" and (found := _refusal(name, check)):
            return found
    return None


def of_answer(file: bytes, package: bytes) -> Answer:
    """Of a `.cci`. The library reads the answer first, and the package's checks come before its signature."""
    refused = _refusal("encoding", lambda: read_package(package)) or _refusal("encoding", lambda: decode_answer(file))
    refused = refused or _of_package(read_package(package)) or _refusal("answer", lambda: read_answer(file))
    if refused:
        return refused
    try:
        found = accuse(read_answer(file), read_package(package))
    except CrossclearError as fault:
        return Answer("answer", _named(fault.code), signed=True)
    if not found.contradicted:
        return Answer("", "", signed=True)
    why = found.detail.partition("the certified list lacks: ")[2]
    more = next(kind for begins, kind in CONTRADICTIONS.items() if why.startswith(begins))
    return Answer("answer", _named(ProofCode.NOT_INCLUDED), more, signed=True)


def of_keys(file: bytes, package: bytes) -> Answer:
    """Of a `.cco`: the keys are derived again, and the power of good shares is counted."""
    refused = _refusal("encoding", lambda: read_package(package)) or _refusal("encoding", lambda: read_epoch_file(file))
    if refused:
        return refused
    read, epoch = read_package(package), read_epoch_file(file)
    refused = _of_package(read) or _refusal("keys", lambda: check_file(epoch, read))
    if refused:
        return refused
    validators = read.validators
    power = sum(validators.validators[at].power for at in good_shares(epoch, validators))
    return Answer("", "", f"{power} of {validators.total_power}", signed=validators.is_quorum(power))


def of_account(file: bytes) -> Answer:
    """Of a `.cca`: leaf, proof and presentation, each a check."""
    refused = _refusal("encoding", lambda: read_account_file(file))
    if refused:
        return refused
    shown = read_account_file(file)
    leaf = shown.leaf.leaf
    refused = (
        _refusal("leaf", lambda: check_epoch_number(shown.keys.epoch, shown.keys.height, "epoch keys"))
        or _refused_leaf(shown)
        or _refusal("proof", lambda: verify_account(shown.keys, leaf, shown.index, shown.path, shown.proof))
        or _refusal("presentation", lambda: check_presentation(shown.presentation, shown.keys.hash, leaf))
    )
    return refused or Answer("", "", signed=True)


def _refused_leaf(shown: OnchainAccount) -> Answer | None:
    """The leaf alone: a proof of no bytes is looked at only after it, and refused for its length."""
    found = _refusal("leaf", lambda: verify_account(shown.keys, shown.leaf.leaf, shown.index, shown.path, b""))
    return None if found is not None and found.code == _named(ProofCode.BAD_LENGTH) else found
