"""Accusations: a node's signed answer about a leaf against the certified package, from files."""

from pathlib import Path

import msgspec

from clearing.base.errors import CrossclearError
from member.verifying.package import TrustAnchor, read_limited
from proofs.epoch.package import PACKAGE_BYTES_MAX, read_package
from proofs.verify.signed_inclusion import ANSWER_BYTES_MAX, accuse, read_answer
from proofs.verify.verdict import printable


class AccusationReport(msgspec.Struct, frozen=True):
    """What `--output json` prints."""

    contradicted: bool
    """Whether the node signed a leaf that the certified list lacks."""
    detail: str
    is_validator: bool = False
    """Whether the node is in the set that certified the package."""
    anchored: bool = False
    """Whether that set is one that the caller trusts."""

    @property
    def is_evidence(self) -> bool:
        """Whether a validator of a trusted set signed what the set's list refutes: a key that anybody can make up
        proves nothing of anybody."""
        return self.contradicted and self.anchored and self.is_validator


def accuse_files(answer: Path, package: Path, anchor: TrustAnchor) -> AccusationReport:
    """Check both files. Raises LocalFault for an unreadable path only."""
    signed, certified = read_limited(answer, ANSWER_BYTES_MAX), read_limited(package, PACKAGE_BYTES_MAX)
    try:
        found = accuse(
            read_answer(signed),
            read_package(certified),
            network=anchor.network,
            validators_hash=anchor.validators_hash,
        )
    except CrossclearError as fault:
        return AccusationReport(contradicted=False, detail=printable(str(fault)))
    anchored = anchor.validators_hash is not None
    notes = "" if found.is_validator else "; no evidence: the signer is not in the set that certified the package"
    notes += "" if anchored else "; the package's own validator set was taken, which anybody can make up"
    return AccusationReport(
        contradicted=found.contradicted,
        detail=printable(found.detail + notes),
        is_validator=found.is_validator,
        anchored=anchored,
    )
