"""Governance as text: proposals, what an amendment changes, and its effect on margins.

Rule: an amendment is described from its own bytes, whole, and compared with the terms in force.
"""

from typing import Any

from clearing.base.errors import Rejected
from clearing.base.plain_text import one_line
from clearing.base.protocol import RELEASE_VERSIONS
from clearing.base.validators import Validator
from clearing.genesis.paths import UnknownPathError, change_at, change_genesis
from clearing.governance.dry_run import AmendmentImpact
from clearing.schema.requests.governance import Amendment, TermsAmendment, TermsChange
from clearing.schema.terms.genesis import Genesis
from member.api.governance import EffectView, GovernanceView, ProtocolView
from member.signing.governance import after_json, differences, kind_of, present_json
from proofs.verify.verdict import printable


def dry_run_fields(found: AmendmentImpact) -> dict[str, Any]:
    """The margins of every account before and after a change, as data."""
    return {
        "height": found.height,
        "initial_before": str(found.initial_before),
        "initial_after": str(found.initial_after),
        "called": list(found.called_accounts),
        "liquidated": list(found.liquidated_accounts),
        "accounts": [
            {
                "account": account.account,
                "member": account.member,
                "equity_before": str(account.before.equity),
                "equity_after": str(account.after.equity),
                "initial_before": str(account.before.initial),
                "initial_after": str(account.after.initial),
                "initial_ok": account.after.initial_ok,
                "maintenance_ok": account.after.maintenance_ok,
            }
            for account in found.accounts
        ],
    }


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


def _describe_change(change: TermsChange, genesis: Genesis | None) -> list[str]:
    after = after_json(change)
    if genesis is None:
        return [f"    then  {after or 'removed from the list'}"]
    now = present_json(genesis, change.path)
    lines = [] if _names(change, genesis) else ["    THE PRESENT VALUE IS NOT THE ONE THAT THE PROPOSAL NAMES"]
    # A value that cannot be read at its place is printed in hex; it is no JSON, and cannot take effect.
    differing = list(differences(now, after)) if now and after and not after.startswith("0x") else []
    if not differing:
        return [
            *lines,
            f"    now   {now or 'nothing is listed there'}",
            f"    then  {after or 'removed from the list'}",
        ]
    for place, was, then in differing:
        at = [f"    {place}"] if place else []
        lines += [*at, f"    now   {was or 'nothing'}", f"    then  {then or 'nothing'}"]
    return lines


def _names(change: TermsChange, genesis: Genesis) -> bool:
    """Whether the present value is the one that the change names."""
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
        return ", ".join(map(_describe_value, value)) or "none"
    return str(value)


def _on_one_line(text: str) -> str:
    """The whole text, since a vote is on all of it, without characters that could steer a terminal."""
    return one_line(text)


def describe_dry_run(found: AmendmentImpact) -> list[str]:
    """Every account whose margin differs, and the sums."""
    changed = [account for account in found.accounts if account.changes]
    lines = [f"tried at height {found.height}: {len(changed)} of {len(found.accounts)} accounts differ"]
    lines.append(f"initial margin of all: {found.initial_before} micros, then {found.initial_after}")
    for account in changed:
        before, after = account.before, account.after
        fate = "below maintenance" if not after.maintenance_ok else "called" if not after.initial_ok else "covered"
        lines.append(
            f"  account {account.account:>16}  equity {before.equity} -> {after.equity}"
            f"  initial {before.initial} -> {after.initial}  {fate}"
        )
    lines.append(
        f"newly called: {_describe_value(found.called_accounts)}; "
        f"newly below maintenance: {_describe_value(found.liquidated_accounts)}"
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


def _describe_protocol(protocol: ProtocolView) -> str:
    here = f"; the node has {protocol.release}, this program {RELEASE_VERSIONS}" if protocol.release else ""
    text = f"protocol {protocol.version} since height {protocol.since_height}"
    if protocol.next_height:
        text += f", protocol {protocol.next_version} from height {protocol.next_height} on, frozen above height "
        text += str(protocol.frozen_above)
    return text + here


def describe_governance(view: GovernanceView) -> str:
    """Proposals, amendments, halts."""
    lines = [f"height {view.height}: {view.amendments_count} amendments, head {view.head}"]
    lines.append(_describe_protocol(view.protocol))
    if not view.enabled:
        lines.append("this network has no governance")
    for proposal in view.proposals:
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
    for amendment in view.amendments:
        lines.append(
            f"amendment {amendment.number} at height {amendment.height}: {amendment.kind} {', '.join(amendment.paths)}"
        )
    lines += [
        f"instrument {halt.instrument} is halted until height {halt.until_height}"
        for halt in view.halts
        if halt.until_height > view.height
    ]
    lines += [f"vault {vault.vault} on chain {vault.chain_id} was detached at {vault.height}" for vault in view.struck]
    lines += [
        f"order {order.nonce}, released at {order.height}: the vault on chain {order.chain_id} gets guardian"
        f" {order.guardian}"
        for order in view.orders
    ]
    return "\n".join(map(printable, lines))
