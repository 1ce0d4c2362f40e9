"""Accusations: a node's signed answer about a leaf against the certified package, from files."""

from dataclasses import replace
from pathlib import Path

import msgspec

from clearing.base.errors import CrossclearError
from member.verifying.package import FileBytes, TrustAnchor, read_limited
from proofs.epoch.package import read_package
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
    """Whether network and set are those that the caller trusts: the same set may run a network to try things out."""
    timed: bool = False
    """Whether the set counts at a stated time: one that has retired can certify another list."""
    has_signed: bool = False
    """Whether the node itself signed the header that carries the list: else it is the quorum's word against the
    node's."""
    attested: dict[str, str] = {}
    """What of the certified list is the quorum's word, by name: when and for which state it was certified."""

    @property
    def is_evidence(self) -> bool:
        """Whether a validator of a trusted set signed what the set's list refutes: a key that anybody can make up
        proves nothing of anybody, nor does a list of a set that may have retired."""
        return self.contradicted and self.anchored and self.is_validator and self.timed


def accuse_files(answer: Path, package: FileBytes, anchor: TrustAnchor) -> AccusationReport:
    """Check both files. Raises LocalFault for an unreadable path only."""
    # Evidence may be old: of the freshness only the time at which the set was known to be in force counts.
    judged = None if anchor.freshness is None else replace(anchor.freshness, max_age_ms=None, min_height=0)
    signed = read_limited(answer, ANSWER_BYTES_MAX)
    try:
        found = accuse(
            read_answer(signed),
            read_package(package.data),
            network=anchor.network,
            validators_hash=anchor.validators_hash,
            freshness=judged,
        )
    except CrossclearError as fault:
        return AccusationReport(contradicted=False, detail=printable(str(fault)))
    anchored = anchor.network is not None and anchor.validators_hash is not None
    notes = "" if found.is_validator else "; no evidence: the signer is not in the set that certified the package"
    if found.contradicted and found.is_validator and not found.has_signed:
        notes += "; the list is the word of the validators that signed it: this one did not"
    if anchor.validators_hash is None:
        notes += "; the package's own validator set was taken, which anybody can make up"
    elif not anchored:
        notes += "; no evidence: the network is the files' own word, and the set may run another one to try things out"
    if judged is None:
        notes += "; no evidence: no time was stated, and the set may have retired"
    elif anchor.validators_hash is not None and judged.set_known_ms is None:
        notes += "; that the validator set was in force rests on the caller's word"
    attested = {name: str(value) for name, value in found.attested}
    notes += f"; that header {attested['header_height']} is of {attested['header_time_ms']} ms of Unix time, and the"
    notes += f" list of height {attested['snapshot_height']}, is the validators' word"
    return AccusationReport(
        contradicted=found.contradicted,
        detail=printable(found.detail + notes),
        is_validator=found.is_validator,
        anchored=anchored,
        timed=judged is not None,
        has_signed=found.has_signed,
        attested=attested,
    )
