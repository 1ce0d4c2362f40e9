"""Certified headers, light blocks and validator sets, and evidence of an attack.

Rule: everything here is public. Evidence costs signature checks, so its form is checked first, one piece is taken every
two seconds from all senders together, and the signatures are checked in a thread before consensus judges it.
"""

from typing import Any

import trio
from starlette.responses import Response

from clearing.base.certificate import signer_indices
from clearing.base.codec import decode, encode
from clearing.base.errors import BaseCode, CrossclearError, RemoteFault
from clearing.state.state import State
from clearing.validators.validator_sets import set_numbers, validator_sets
from consensus.application import MisbehaviourKind
from consensus.evidence.attack import LightClientAttack, check_attack, conflict
from consensus.light_client import CurveLightVerifier, LightBlock, check_block
from member.api.chain import (
    EVIDENCE_BYTES_MAX,
    AccusedView,
    ChangeView,
    EntryView,
    EvidenceResult,
    HeaderView,
    LightBlockView,
    OffenceView,
    ValidatorsView,
    VaultWaiting,
    validator_view,
)
from member.api.types import hexed
from node.api.calls import (
    HEIGHT,
    MSGPACK,
    ApiCall,
    ApiRefusal,
    Routes,
    Turnstile,
    check_wait,
    known,
    number_or_latest,
    respond,
)

routes = Routes()
EVIDENCE_EVERY_S = 2.0
_turnstile = Turnstile(EVIDENCE_EVERY_S)


@routes.get("/v1/headers/{height}", HEIGHT, refusals=(404,))
def header(call: ApiCall) -> HeaderView:
    """A certified header."""
    return _header_view(_light_block(call))


def _header_view(block: LightBlock) -> HeaderView:
    """Readable, and with the canonical bytes."""
    header = block.header
    return HeaderView(
        height=header.height,
        hash=hexed(header.hash),
        time_ms=header.time_ms,
        state_root=hexed(header.state_root),
        signers=signer_indices(block.certificate.signers),
        round=block.certificate.round,
        header=hexed(encode(header)),
        certificate=hexed(encode(block.certificate)),
    )


@routes.get("/v1/light/{height}", HEIGHT, refusals=(404,))
def light_block(call: ApiCall) -> LightBlockView:
    """A height for light clients: header, certificate and both validator sets."""
    return light_block_view(_light_block(call))


def _light_block(call: ApiCall) -> LightBlock:
    text = call.parameters["height"]
    return known(call.view.light_block(number_or_latest(text)), "height", height=text)


def light_block_view(block: LightBlock) -> LightBlockView:
    """Readable, and with the canonical bytes that are checked."""
    header = block.header
    return LightBlockView(
        height=header.height,
        hash=hexed(header.hash),
        time_ms=header.time_ms,
        validators_hash=hexed(header.validators_hash),
        next_validators_hash=hexed(header.next_validators_hash),
        block=hexed(encode(block)),
    )


@routes.post("/v1/evidence", body=Any, body_media=(MSGPACK,), answer=EvidenceResult, statuses=(202,), refusals=(422,))
async def evidence(call: ApiCall) -> Response:
    """Submit evidence of an attack on a light client: MessagePack of common, first and second light block."""
    try:
        attack = decode(call.body, LightClientAttack, EVIDENCE_BYTES_MAX)
        conflict(attack.common, attack.first, attack.second)
        for block in (attack.first, attack.second):
            if block.header.network != call.view.network:
                raise RemoteFault(BaseCode.WRONG_NETWORK, "evidence", stated=block.header.network)
            check_block(block)
    except RemoteFault as fault:
        raise ApiRefusal(400, fault.code, fault.at, **fault.values) from None
    check_wait(_turnstile.wait_ms(), "evidence")
    try:
        await trio.to_thread.run_sync(check_attack, attack, CurveLightVerifier())
        accused = call.view.submit_attack(attack)
    except CrossclearError as fault:
        raise ApiRefusal(422, fault.code, fault.at, **fault.values) from None
    named = tuple(
        AccusedView(
            envelope_key=hexed(offence.envelope_key), height=offence.height, round=offence.round, kind=offence.kind.name
        )
        for offence in accused
    )
    return respond(EvidenceResult(accused=named), 202)


@routes.get("/v1/validators")
def validators(call: ApiCall) -> ValidatorsView:
    """The validator set, the change under way, and misbehaviour on record."""
    return validators_of(call.state)


def validators_of(state: State) -> ValidatorsView:
    """Sets, the change under way, and misbehaviour on record."""
    sets = validator_sets(state)
    return ValidatorsView(
        network=hexed(state.terms.network),
        height=state.now.height,
        number=set_numbers(state).next,
        hash=hexed(sets.next.hash),
        total_power=sets.next.total_power,
        validators=tuple(validator_view(validator) for validator in sets.next.validators),
        agreeing_hash=hexed(sets.now.hash),
        change=_change(state),
        entry=_entry(state),
        offences=tuple(
            OffenceView(
                envelope_key=hexed(key),
                kind=MisbehaviourKind(kind).name.lower(),
                count=offences.count,
                height=offences.height,
                power=offences.power,
                noted_at=offences.recorded_height,
            )
            for (key, kind), offences in state.offences.ordered()
        ),
    )


def _entry(state: State) -> EntryView | None:
    addition = state.scheduled_additions.get(0)
    if addition is None:
        return None
    present = set(validator_sets(state).next.validators)
    return EntryView(
        number=addition.number,
        after=hexed(addition.after.hash),
        accepted_at=addition.accepted_height,
        due_ms=addition.due_ms,
        validators=tuple(
            validator_view(validator) for validator in addition.after.validators if validator not in present
        ),
    )


def _change(state: State) -> ChangeView | None:
    set_change = state.set_changes.get(0)
    if set_change is None:
        return None
    return ChangeView(
        number=set_change.number,
        made_at=set_change.height,
        effective_at=set_change.height + 2,
        waiting=tuple(
            VaultWaiting(chain_id=chain_id, vault=hexed(vault), astray=(chain_id, vault) in set_change.diverged_vaults)
            for chain_id, vault in set_change.awaited_vaults
        ),
    )
