"""Validator sets and changes of them, as text and as data.

Rule: figures are computed from the change itself or taken from the node's answer; nothing is decided here.
"""

from typing import Any

from clearing.base.validators import Validator
from member.api.chain import ValidatorsView
from member.signing.validator_changes import CheckedChange


def describe_validator_change(change: CheckedChange) -> tuple[dict[str, Any], str]:
    """What a change does, and how far it is approved: as data, and as text."""
    before, after, request = change.before, change.after, change.request
    gone, come = change.moved
    enough = before.is_quorum(change.approved_power)
    present = {validator.envelope_key: validator for validator in before.validators}
    data = {
        "number": request.number,
        "before": before.hash.hex(),
        "after": after.hash.hex(),
        "left": [key.hex() for key in request.left],
        "entered": {validator.envelope_key.hex(): validator.power for validator in request.entered},
        "changed": {
            each.envelope_key.hex(): {
                name: {"before": before, "after": after}
                for name, (before, after) in _changes(each, present[each.envelope_key]).items()
            }
            for each in request.entered
            if each.envelope_key in present
        },
        "power_gone": gone,
        "power_come": come,
        "power_before": before.total_power,
        "power_after": after.total_power,
        "not_after_ms": request.not_after_ms,
        "approved_by": list(change.approved),
        "approved_power": change.approved_power,
        "enough": enough,
    }
    lines = [
        f"change {request.number} of validator set {before.hash.hex()}",
        *(f"  leaves  {key.hex()} with power {present[key].power}" for key in request.left),
        *(line for each in request.entered for line in _entering(each, present.get(each.envelope_key))),
        f"  makes   {after.hash.hex()}: {len(after.validators)} validators, power {after.total_power}",
        f"power that leaves: {gone} of {before.total_power}, power that enters: {come} of {after.total_power}"
        " (at most a third)",
        f"approved by {len(change.approved)} with power {change.approved_power} of {before.total_power}"
        + (", which is enough" if enough else ": more than two thirds are needed"),
    ]
    return data, "\n".join(lines)


def _entering(each: Validator, present: Validator | None) -> list[str]:
    """A newcomer, or what changes of a validator that stays."""
    if present is None:
        return [f"  enters  {each.envelope_key.hex()} with power {each.power}"]
    changes = _changes(each, present)
    return [
        f"  stays   {each.envelope_key.hex()} and changes:",
        *(f"            {name} from {before} to {after}" for name, (before, after) in changes.items()),
    ]


def _changes(each: Validator, present: Validator) -> dict[str, tuple[str, str]]:
    """By name of the field: before and after. A proof of possession follows its key."""
    fields = {
        "power": (str(present.power), str(each.power)),
        "bls_key": (present.bls_key.hex(), each.bls_key.hex()),
        "evm_address": (present.evm_address.hex(), each.evm_address.hex()),
    }
    return {name: pair for name, pair in fields.items() if pair[0] != pair[1]}


def validators_text(view: ValidatorsView) -> str:
    """The set, the change under way, the delayed addition, misbehaviour on record."""
    lines = [f"height {view.height}: validator set {view.number}, {view.hash}, power {view.total_power}"]
    lines += [
        f"{index:>4}  {validator.envelope_key[2:]}  {validator.power:>12}"
        for index, validator in enumerate(view.validators)
    ]
    if view.change is not None:
        change = view.change
        lines.append(f"change {change.number} made at {change.made_at}, in force from {change.effective_at}")
        lines += [
            f"      {'DIVERGED:' if vault.astray else 'awaits'} vault {vault.vault} on chain {vault.chain_id}"
            for vault in change.waiting
        ]
    if view.entry is not None:
        lines.append(
            f"change {view.entry.number} is delayed until {view.entry.due_ms} ms, signed at {view.entry.accepted_at}"
        )
        lines += [f"      {validator.envelope_key[2:]}  {validator.power:>12}" for validator in view.entry.validators]
    lines += [
        f"      {offence.envelope_key[2:]} {offence.kind} {offence.count} times, last at height {offence.height}"
        for offence in view.offences
    ]
    return "\n".join(lines)
