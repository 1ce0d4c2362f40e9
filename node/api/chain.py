"""Certified headers and light blocks, and evidence of an attack.

Rule: anybody may ask, for nothing here is secret; evidence costs the node signature checks, so few are taken in a
second, from all senders together, and only what has the form of an attack on this network is looked at. Its signatures
are checked in a thread first: consensus, which judges it, must not wait hundreds of checks for what a stranger made up.
"""

import trio
from starlette.responses import Response

from clearing.base.certificate import Certificate, signer_indices
from clearing.base.codec import decode, encode
from clearing.base.errors import BaseCode, CrossclearError, RemoteFault
from clearing.base.header import Header
from consensus.evidence.attack import LightClientAttack, check_attack, conflict
from consensus.light_client import CurveLightVerifier, LightBlock, check_block
from member.api.chain import EVIDENCE_BYTES_MAX, AccusedView, EvidenceResult, HeaderView, LightBlockView
from member.api.types import hexed
from member.codes import NodeCode
from node.api.calls import ApiCall, ApiRefusal, Turnstile, number_or_latest, respond


def header_view(header: Header, certificate: Certificate) -> HeaderView:
    """A certified header as the API shows it."""
    return HeaderView(
        height=header.height,
        hash=hexed(header.hash),
        time_ms=header.time_ms,
        state_root=hexed(header.state_root),
        signers=signer_indices(certificate.signers),
        header=hexed(encode(header)),
        certificate=hexed(encode(certificate)),
    )


EVIDENCE_EVERY_S = 2.0

_turnstile = Turnstile(EVIDENCE_EVERY_S)


def light_block(call: ApiCall) -> object:
    """Header, certificate and both sets."""
    text = call.parameters["height"]
    found = call.view.light_block(None if text == "latest" else int(text))
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "height", height=text)
    return light_block_view(found)


def light_block_view(block: LightBlock) -> LightBlockView:
    """As it is shown."""
    header = block.header
    return LightBlockView(
        height=header.height,
        hash=hexed(header.hash),
        time_ms=header.time_ms,
        validators_hash=hexed(header.validators_hash),
        next_validators_hash=hexed(header.next_validators_hash),
        block=hexed(encode(block)),
    )


async def evidence(call: ApiCall) -> Response:
    """Judge an attack that a light client saw; 422 when it proves nothing, or nothing new."""
    try:
        attack = decode(call.body, LightClientAttack, EVIDENCE_BYTES_MAX)
        conflict(attack.common, attack.first, attack.second)
        for block in (attack.first, attack.second):
            if block.header.network != call.view.network:
                raise RemoteFault(BaseCode.WRONG_NETWORK, "evidence", stated=block.header.network)
            check_block(block)
    except RemoteFault as fault:
        raise ApiRefusal(400, fault.code, fault.at, **fault.values) from None
    wait_ms = _turnstile.wait_ms()
    if wait_ms:
        refusal = ApiRefusal(429, NodeCode.API_RATE, "evidence", wait_ms=wait_ms)
        refusal.headers["Retry-After"] = str(-(-wait_ms // 1000))
        raise refusal
    try:
        await trio.to_thread.run_sync(check_attack, attack, CurveLightVerifier())
        accused = call.view.submit_attack(attack)
    except CrossclearError as fault:
        raise ApiRefusal(422, fault.code, fault.at, **fault.values) from None
    shown = tuple(
        AccusedView(envelope_key=hexed(each.envelope_key), height=each.height, round=each.round, kind=each.kind.name)
        for each in accused
    )
    return respond(EvidenceResult(accused=shown), 202)


def header(call: ApiCall) -> object:
    """A certified header."""
    found = call.view.header(number_or_latest(call.parameters["height"]))
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "height", height=call.parameters["height"])
    return found
