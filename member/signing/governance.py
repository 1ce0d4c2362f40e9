"""Governance proposals and votes, made where the key is; values of terms as people write and read them.

Rule: a proposal is made against the terms that a node shows, so that a lie only makes it stale; a vote is signed only
for bytes whose hash was computed here. The network id comes from the signer's own genesis, never from the node. Values
are JSON with the fields' names, as in genesis.json.
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
from clearing.base.validators import Validator
from clearing.genesis.json import genesis_part_from_json, genesis_part_to_json
from clearing.genesis.paths import UnknownPathError, change_at, change_genesis, type_at, value_at
from clearing.governance.dry_run import AmendmentImpact
from clearing.schema.requests.amendments import (
    AMENDMENT_BYTES_MAX,
    VALUE_BYTES_MAX,
    Amendment,
    TermsAmendment,
    TermsChange,
)
from clearing.schema.requests.governance import HOUSE_PROPOSER, GovernanceProposal, GovernanceVote
from clearing.schema.terms.genesis import Genesis
from member.api.chain import ValidatorsView
from member.api.governance import EffectView, GovernanceView, ProposalView
from member.codes import NodeCode
from member.signing.requests import UNSIGNED, UNSIGNED_BY_VALIDATOR, signed, signed_by_validator
from proofs.verify.verdict import printable


@dataclass(frozen=True, slots=True)
class ProposalDescription:
    """A proposal as its bytes say it is."""

    proposal: GovernanceProposal
    view: ProposalView


def terms_amendment(genesis: Genesis, places: Sequence[tuple[str, str]], gone: Sequence[str]) -> TermsAmendment:
    """Changes of these places, to values in JSON, and of what is to be taken off. Raises LocalFault."""
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


def seat_of(shown: ValidatorsView, key: bytes) -> int:
    """Index of an envelope key in the set in force. Raises LocalFault NOT_IN_THE_SET."""
    for index, each in enumerate(shown.validators):
        if each.envelope_key == "0x" + key.hex():
            return index
    raise LocalFault(NodeCode.NOT_IN_THE_SET, "envelope", key=key)


def find_proposal(shown: GovernanceView, number: int, network: NetworkId) -> ProposalDescription:
    """A proposal that a node shows, its hash computed again. Raises LocalFault CHANGE_FILE where that is another."""
    view = next((each for each in shown.proposals if each.number == number), None)
    if view is None:
        raise LocalFault(NodeCode.CHANGE_FILE, "proposal", number=number, why="none with this number is under way")
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
    shown: ProposalDescription,
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
        (ballot.revision for ballot in shown.view.ballots if ballot.envelope_key == "0x" + key.hex()), default=0
    )
    plain = GovernanceVote(shown.proposal.content(network), seat, approve, before + 1, until_ms, UNSIGNED_BY_VALIDATOR)
    return signed_by_validator(network, plain, secret)


def describe_amendment(amendment: Amendment, genesis: Genesis | None) -> list[str]:
    """What it changes, line by line and whole, out of its own bytes. `genesis`: the terms in force, for what is now."""
    if not isinstance(amendment, TermsAmendment):
        fields = ((name, getattr(amendment, name)) for name in amendment.__struct_fields__)
        return [kind_of(amendment), *(f"  {name} {_describe_value(value)}" for name, value in fields)]
    lines = [f"terms: {len(amendment.changes)} places"]
    for change in amendment.changes:
        lines.append(f"  {change.path}")
        lines += _describe_change(change, genesis)
        genesis = _after(genesis, change)
    return [_on_one_line(line) for line in lines]


def check_names_what_is(amendment: Amendment, genesis: Genesis) -> None:
    """Raise LocalFault CHANGE_FILE where an amendment was not made of these terms: either it cannot take effect any
    more, or who showed them lied about what stands there now."""
    if isinstance(amendment, TermsAmendment):
        changed = change_genesis(genesis, amendment.changes)
        if isinstance(changed, Rejected):
            raise LocalFault(NodeCode.CHANGE_FILE, "amendment", code=changed.code.label, why=str(changed)[:200])


def _describe_change(change: TermsChange, genesis: Genesis | None) -> list[str]:
    after = after_json(change)
    if genesis is None:
        return [f"    then  {after or 'taken off the list'}"]
    now = present_json(genesis, change.path)
    lines = [] if _names(change, genesis) else ["    WHAT IS SHOWN AS NOW IS NOT WHAT THE PROPOSAL NAMES"]
    # What cannot be read at its place is told in hex; it is no JSON, and cannot take effect.
    differing = list(differences(now, after)) if now and after and not after.startswith("0x") else []
    if not differing:
        return [*lines, f"    now   {now or 'nothing is listed there'}", f"    then  {after or 'taken off the list'}"]
    for place, was, then in differing:
        at = [f"    {place}"] if place else []
        lines += [*at, f"    now   {was or 'nothing'}", f"    then  {then or 'nothing'}"]
    return lines


def _names(change: TermsChange, genesis: Genesis) -> bool:
    """Whether what stands there is what the change says stands there."""
    try:
        return change_at(genesis, change.path, None).before == change.before
    except UnknownPathError:
        return False


def _after(genesis: Genesis | None, change: TermsChange) -> Genesis | None:
    """The terms that the next change of the same amendment meets."""
    changed = change_genesis(genesis, (change,)) if genesis is not None else None
    return genesis if isinstance(changed, Rejected) else changed


def _describe_value(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Validator):
        return f"{value.envelope_key.hex()} with power {value.power} and voting key {value.bls_key.hex()}"
    if isinstance(value, tuple):
        return ", ".join(map(_describe_value, value)) or "nobody"
    return str(value)


def _on_one_line(text: str) -> str:
    """Whole, for what is cut off is not what was voted on; without what could steer a terminal."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def describe_dry_run(found: AmendmentImpact) -> list[str]:
    """Every account whose margin differs, and the sums."""
    changed = [account for account in found.accounts if account.changes]
    lines = [f"tried at height {found.height}: {len(changed)} of {len(found.accounts)} accounts differ"]
    lines.append(f"initial margin of all: {found.initial_before} micros, then {found.initial_after}")
    for each in changed:
        before, after = each.before, each.after
        fate = "below maintenance" if not after.maintenance_ok else "called" if not after.initial_ok else "covered"
        lines.append(
            f"  account {each.account:>16}  equity {before.equity} -> {after.equity}"
            f"  initial {before.initial} -> {after.initial}  {fate}"
        )
    lines.append(
        f"newly called: {_describe_value(found.called_accounts)}; newly below maintenance: {_describe_value(found.liquidated_accounts)}"
    )
    return lines


def describe_effect(view: EffectView) -> str:
    """Own accounts before and after."""
    if view.refusal:
        return printable(f"proposal {view.proposal} could not take effect at height {view.height}: {view.refusal}")
    lines = [f"proposal {view.proposal}, if it took effect at height {view.height}:"]
    for account in view.accounts:
        fate = "below maintenance" if account.after.liquidated else "called" if account.after.called else "covered"
        lines.append(
            f"  account {account.account:>16}  equity {account.before.equity} -> {account.after.equity}"
            f"  initial {account.before.initial} -> {account.after.initial}  {fate}"
        )
    return "\n".join(lines)


def describe_governance(shown: GovernanceView) -> str:
    """Proposals, amendments, halts."""
    lines = [f"height {shown.height}: {shown.amendments_count} amendments, head {shown.head}"]
    if not shown.enabled:
        lines.append("this network has no governance")
    for proposal in shown.proposals:
        stage = (
            f"agreed, in force from {proposal.effective_ms}"
            if proposal.agreed
            else f"open until {proposal.vote_until_ms}"
        )
        lines.append(f"proposal {proposal.number} by {proposal.proposer}: {proposal.kind}, {stage}")
        lines.append(
            f"  for {proposal.approving}, against {proposal.rejecting}, of {proposal.total}   {proposal.reason}"
        )
        lines += [f"  {place.path}: {place.present or '-'} -> {place.after or '-'}" for place in proposal.places]
    for amendment in shown.amendments:
        lines.append(
            f"amendment {amendment.number} at height {amendment.height}: {amendment.kind} {', '.join(amendment.paths)}"
        )
    lines += [
        f"instrument {halt.instrument} is halted until height {halt.until_height}"
        for halt in shown.halts
        if halt.until_height > shown.height
    ]
    lines += [f"vault {one.vault} on chain {one.chain_id} was detached at {one.height}" for one in shown.struck]
    return "\n".join(map(printable, lines))


_KINDS = {
    "TermsAmendment": "terms",
    "ValidatorsAmendment": "validators",
    "VaultDetachment": "detachment",
    "InstrumentHalt": "halt",
    "InstrumentResumption": "resumption",
    "SuspenseAssignment": "suspense",
}


def kind_of(amendment: Amendment) -> str:
    """One word."""
    return _KINDS[type(amendment).__name__]


def present_json(genesis: Genesis, path: str) -> str:
    """What stands at a path; empty where nothing does, or nothing can."""
    try:
        value = value_at(genesis, path)
    except UnknownPathError:
        return ""
    return "" if value is None else as_json(value)


def after_json(change: TermsChange) -> str:
    """What is to stand there."""
    if not change.after:
        return ""
    try:
        kind: Any = type_at(change.path)
        return as_json(decode(change.after, kind, VALUE_BYTES_MAX))
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
    """JSON, or a bare word for a string, as what stands at `path`. Raises LocalFault MALFORMED."""
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
