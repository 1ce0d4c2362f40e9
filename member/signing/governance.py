"""Governance proposals and votes, made where the key is, and the values of the terms as people write and read them.

Rule: a proposal is made against the terms that a node serves, so that a lie only makes it stale; a vote is signed only
for bytes whose hash was computed here. The network id comes from the signer's own genesis, never from the node. Values
are JSON with the names of fields, as in genesis.json.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec

from clearing.base.codec import decode
from clearing.base.errors import BaseCode, LocalFault, Rejected, RemoteFault
from clearing.base.ids import NetworkId
from clearing.base.plain_json import DuplicateNameError, read_json
from clearing.genesis.json import genesis_part_from_json, genesis_part_to_json
from clearing.genesis.paths import UnknownPathError, change_at, change_genesis, decode_value, type_at, value_at
from clearing.schema.requests.governance import (
    AMENDMENT_BYTES_MAX,
    HOUSE_PROPOSER,
    Amendment,
    EmergencyHalt,
    GovernanceProposal,
    GovernanceVote,
    TermsAmendment,
    TermsChange,
)
from clearing.schema.terms.genesis import Genesis
from member.api.chain import ValidatorsView
from member.api.governance import GovernanceView, ProposalView
from member.codes import NodeCode
from member.signing.requests import UNSIGNED, UNSIGNED_BY_VALIDATOR, signed, signed_by_validator

_KINDS = {
    "TermsAmendment": "terms",
    "ValidatorsAmendment": "validators",
    "VaultDetachment": "detachment",
    "InstrumentHalt": "halt",
    "InstrumentResumption": "resumption",
    "SuspenseAssignment": "suspense",
    "AssetRelease": "asset_release",
    "GuardianOrder": "guardian",
    "ProtocolUpgrade": "upgrade",
    "UpgradeCancellation": "upgrade_cancellation",
}


def kind_of(amendment: Amendment) -> str:
    """The kind of an amendment as a noun."""
    return _KINDS[type(amendment).__name__]


def present_json(genesis: Genesis, path: str) -> str:
    """The value at a path; empty where there is none."""
    try:
        value = value_at(genesis, path)
    except UnknownPathError:
        return ""
    return "" if value is None else as_json(value)


def after_json(change: TermsChange) -> str:
    """The value after the change; empty where it is removed."""
    if not change.after:
        return ""
    try:
        kind: Any = type_at(change.path)
        return as_json(decode_value(change.after, kind))
    except (UnknownPathError, RemoteFault):
        return "0x" + change.after.hex()


def as_json(value: Any) -> str:
    """A value of the terms."""
    return msgspec.json.encode(genesis_part_to_json(value)).decode()


def differences(now: str, then: str) -> Iterator[tuple[str, str, str]]:
    """(place inside, value now, value then), in JSON, wherever two values of the same place differ; empty: nothing."""
    yield from _differing("", msgspec.json.decode(now), msgspec.json.decode(then))


def _differing(at: str, now: Any, then: Any) -> Iterator[tuple[str, str, str]]:
    if now == then and type(now) is type(then):
        return
    if isinstance(now, dict) and isinstance(then, dict):
        pairs: list[tuple[str, Any, Any]] = [(f".{name}", now.get(name), then.get(name)) for name in {**now, **then}]
    elif isinstance(now, list) and isinstance(then, list):
        pairs = [(f"[{index}]", *both) for index, both in enumerate(zip_longest(now, then))]
    else:
        yield at, _json_text(now), _json_text(then)
        return
    for step, was, will in pairs:
        yield from _differing(at + step, was, will)


def _json_text(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def read_value(path: str, text: str) -> Any:
    """JSON, or bare text for a string, as the type of the value at `path`. Raises LocalFault MALFORMED."""
    try:
        kind: Any = type_at(path)
        try:
            found = read_json(text)
        except DuplicateNameError:
            raise
        except msgspec.DecodeError:
            found = text
        return genesis_part_from_json(kind, found, path)
    except (UnknownPathError, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise LocalFault(BaseCode.MALFORMED, path, why=str(error)[:200]) from None


@dataclass(frozen=True, slots=True)
class ProposalDescription:
    """A proposal read from its own bytes, and the node's view of it."""

    proposal: GovernanceProposal
    view: ProposalView


def terms_amendment(genesis: Genesis, places: Sequence[tuple[str, str]], gone: Sequence[str]) -> TermsAmendment:
    """Changes of these places to values in JSON, and removals. Raises LocalFault."""
    try:
        changes = [change_at(genesis, path, read_value(path, text)) for path, text in places]
        changes += [change_at(genesis, path, None) for path in gone]
    except UnknownPathError as fault:
        raise LocalFault(NodeCode.CHANGE_FILE, "path", why=str(fault)) from None
    return TermsAmendment(tuple(changes))


def sign_proposal(
    amendment: Amendment, reason: str, until_ms: int, network: NetworkId, seat: int | None, secret: bytes
) -> GovernanceProposal:
    """The request; `seat`: index of the validator whose envelope secret it is, None for the house's trade secret."""
    if seat is None:
        plain = GovernanceProposal(HOUSE_PROPOSER, amendment, reason, until_ms, UNSIGNED)
        return signed(network, plain, signature=secret)
    plain = GovernanceProposal(seat, amendment, reason, until_ms, UNSIGNED_BY_VALIDATOR)
    return signed_by_validator(network, plain, secret)


def seat_of(validators: ValidatorsView, key: bytes) -> int:
    """Index of an envelope key in the set in force. Raises LocalFault NOT_IN_THE_SET."""
    for index, validator in enumerate(validators.validators):
        if validator.envelope_key == "0x" + key.hex():
            return index
    raise LocalFault(NodeCode.NOT_IN_THE_SET, "envelope", key=key)


def find_proposal(governance: GovernanceView, number: int, network: NetworkId) -> ProposalDescription:
    """A proposal that a node serves. Raises LocalFault CHANGE_FILE where its recomputed hash is another."""
    view = next((proposal for proposal in governance.proposals if proposal.number == number), None)
    if view is None:
        raise LocalFault(NodeCode.CHANGE_FILE, "proposal", number=number, why="no proposal with this number is open")
    try:
        kinds: Any = Amendment
        amendment: Amendment = decode(bytes.fromhex(view.amendment[2:]), kinds, AMENDMENT_BYTES_MAX)
    except (ValueError, RemoteFault) as fault:
        raise LocalFault(NodeCode.CHANGE_FILE, "amendment", why=str(fault)) from None
    proposal = GovernanceProposal(view.seat, amendment, view.reason, view.not_after_ms, UNSIGNED_BY_VALIDATOR)
    found = "0x" + proposal.content(network).hex()
    if found != view.hash:
        raise LocalFault(NodeCode.CHANGE_FILE, "proposal", stated=view.hash, computed=found)
    return ProposalDescription(proposal, view)


def make_vote(
    found: ProposalDescription,
    network: NetworkId,
    seat: int,
    key: bytes,
    secret: bytes,
    until_ms: int,
    *,
    approve: bool,
) -> GovernanceVote:
    """A vote on it with the next revision."""
    before = max(
        (ballot.revision for ballot in found.view.ballots if ballot.envelope_key == "0x" + key.hex()), default=0
    )
    plain = GovernanceVote(found.proposal.content(network), seat, approve, before + 1, until_ms, UNSIGNED_BY_VALIDATOR)
    return signed_by_validator(network, plain, secret)


def check_made_of(amendment: Amendment, genesis: Genesis) -> None:
    """Raise LocalFault CHANGE_FILE where an amendment was not made from these terms: either it can no longer take
    effect, or the node lied about the terms in force."""
    if isinstance(amendment, TermsAmendment):
        changed = change_genesis(genesis, amendment.changes)
        if isinstance(changed, Rejected):
            raise LocalFault(NodeCode.CHANGE_FILE, "amendment", code=changed.code.label, why=str(changed)[:200])


def sign_halt(
    governance: GovernanceView, instrument: int, until_height: int, until_ms: int, network: NetworkId, secret: bytes
) -> EmergencyHalt:
    """An emergency halt with the next number of this instrument, signed with the house's trade key."""
    number = next((halt.halts for halt in governance.halts if halt.instrument == instrument), 0)
    return signed(network, EmergencyHalt(instrument, until_height, number, until_ms, UNSIGNED), signature=secret)
