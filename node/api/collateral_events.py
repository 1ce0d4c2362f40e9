"""Collateral events that others submit, and how far each is.

Rule: a submission points at an event and is never believed. A submitter has a member's key or a token that the
operator listed; the status of an event anybody may ask for, because all of it is on its chain.
"""

from typing import Literal

import msgspec
from starlette.responses import Response

from bridge.codes import BridgeCode
from bridge.evm.events import SubmittedEvent, submission_reference
from clearing.base.errors import Rejected
from clearing.schema.facts import DepositSeen, ValidatorsRotated, VaultFact
from clearing.state.state import State
from clearing.validators.validator_sets import attesting_set
from member.api.collateral_events import (
    ENDS,
    CollateralEventBody,
    CollateralEventResult,
    CollateralEventView,
    ReceiptProofBody,
    VaultEventView,
)
from member.api.types import Problem, hexed
from member.codes import NodeCode
from node.api.calls import NUMBER, ApiCall, ApiRefusal, Parameter, Routes, known, problem_of, read_json, respond
from node.api.event_stream import EVENT_ID, EVENT_STREAM, LAST_EVENT_ID, StreamStep, stream_of
from node.chains.event_progress import EventProgress
from node.chains.submissions import CollateralEvent, Submission

routes = Routes()


@routes.post(
    "/v1/collateral-events",
    body=CollateralEventBody,
    answer=CollateralEventResult,
    statuses=(202,),
    signed=True,
    takes_token=True,
    refusals=(422, 503),
)
def collateral_event(call: ApiCall) -> Response:
    """Points the node at a vault's event, by its transaction or with its receipt proof; the node proves it itself.

    Submitting it again is harmless. Refused with 422 for a chain that the network does not list, and with 503 where
    this node does not watch it or too many events wait: another node may.
    """
    event = _event_of(read_json(call.body, CollateralEventBody), call.submitter)
    if event.chain_id not in call.state.terms.chains:
        raise ApiRefusal(422, BridgeCode.WRONG_CHAIN, "chain_id", chain_id=event.chain_id)
    submission = call.view.look_for_event(event)
    if submission in _NOT_TAKEN:
        raise ApiRefusal(503, _NOT_TAKEN[submission], "chain_id", chain_id=event.chain_id)
    status: Literal["accepted", "known"] = "accepted" if submission is Submission.ACCEPTED else "known"
    result = CollateralEventResult(chain_id=event.chain_id, reference=hexed(event.reference), status=status)
    return respond(result, 202)


_NOT_TAKEN = {
    Submission.NOT_WATCHED: NodeCode.CHAIN_NOT_WATCHED,
    Submission.NO_ROOM: NodeCode.SUBMISSIONS_FULL,
}


@routes.get(
    "/v1/collateral-events/{chain_id}/{reference}",
    Parameter("chain_id", "path", NUMBER, "the event's chain"),
    Parameter("reference", "path", "0x[0-9a-f]{64}", "`reference` of the submission: of a transaction its hash"),
    refusals=(404,),
)
def collateral_event_status(call: ApiCall) -> CollateralEventView:
    """How far a submitted event is, until it is credited or refused.

    404 where the node does not remember it: it remembers the last 4,096 that were submitted to it since it started.
    Submit it again then.
    """
    chain_id, reference = int(call.parameters["chain_id"]), call.parameters["reference"]
    return _view(call, chain_id, reference)


@routes.get(
    "/v1/collateral-events/{chain_id}/{reference}/stream",
    Parameter("chain_id", "path", NUMBER, "the event's chain"),
    Parameter("reference", "path", "0x[0-9a-f]{64}", "`reference` of the submission: of a transaction its hash"),
    Parameter(LAST_EVENT_ID, "header", EVENT_ID, "`id` of the last event that was received", required=False),
    answer=CollateralEventView,
    statuses=(200, 204),
    refusals=(404,),
    media=EVENT_STREAM,
)
def collateral_event_stream(call: ApiCall) -> Response:
    """The same as server-sent events: one now, one at each step, the last when it is credited or refused.

    The `data` of each is the JSON of the status. A stream ends by itself, after 20 seconds at the latest: ask again, as
    browsers do, with the last `id` in `Last-Event-ID`. Then come the later steps that streams of this node showed, at
    most 16; without it, or after a restart, the newest. 204 when the last step was received: do not ask again. At most
    64 are open at a node; more are refused with 429: ask for the status instead.
    """
    chain_id, reference = int(call.parameters["chain_id"]), call.parameters["reference"]

    def look() -> StreamStep:
        view = _view(call, chain_id, reference)
        return StreamStep(msgspec.structs.replace(view, height=0), msgspec.json.encode(view), view.progress in ENDS)

    return stream_of((chain_id, reference), look, call.parameters.get(LAST_EVENT_ID, ""))


def _view(call: ApiCall, chain_id: int, reference: str) -> CollateralEventView:
    """Raises ApiRefusal 404."""
    found = call.view.submission_status(chain_id, bytes.fromhex(reference[2:]), call.state)
    status = known(found, "reference", chain_id=chain_id, reference=reference)
    return CollateralEventView(
        chain_id=chain_id,
        reference=reference,
        height=call.state.now.height,
        progress=status.progress.value,
        total_power=_total_power(call.state),
        events=tuple(_shown(fact, progress) for fact, progress in status.events),
        problem=_problem(status.problem),
    )


def _event_of(body: CollateralEventBody, submitter: str) -> CollateralEvent:
    """What a body points at. Raises ApiRefusal 400 unless it is exactly one of transaction and proof."""
    if (body.transaction_hash is None) is (body.receipt_proof is None):
        raise ApiRefusal(400, NodeCode.API_BODY, "body", why="either transaction_hash or receipt_proof")
    if body.receipt_proof is not None:
        proof = _proof_of(body.chain_id, body.receipt_proof)
        return CollateralEvent(body.chain_id, submission_reference(proof), submitter, proof)
    return CollateralEvent(body.chain_id, bytes.fromhex((body.transaction_hash or "")[2:]), submitter)


def _proof_of(chain_id: int, body: ReceiptProofBody) -> SubmittedEvent:
    return SubmittedEvent(
        chain_id=chain_id,
        block_hash=bytes.fromhex(body.block_hash[2:]),
        receipt_index=body.receipt_index,
        log_index=body.log_index,
        proof=tuple(bytes.fromhex(node[2:]) for node in body.proof),
    )


def _shown(fact: VaultFact, at: EventProgress) -> VaultEventView:
    kind: Literal["deposit", "withdrawal", "rotation"] = "withdrawal"
    if isinstance(fact, DepositSeen):
        kind = "deposit"
    elif isinstance(fact, ValidatorsRotated):
        kind = "rotation"
    return VaultEventView(
        kind=kind,
        number=fact.height if isinstance(fact, ValidatorsRotated) else fact.nonce,
        block_number=fact.block_number,
        block_hash=hexed(fact.block_hash),
        account=fact.account if isinstance(fact, DepositSeen) else None,
        token=hexed(fact.token) if isinstance(fact, DepositSeen) else "",
        amount=str(int.from_bytes(fact.amount, "big")) if isinstance(fact, DepositSeen) else "0",
        progress=at.progress.value,
        attested_power=at.power,
        problem=_problem(at.problem),
    )


def _problem(problem: Rejected | None) -> Problem | None:
    return problem_of(problem) if problem is not None else None


def _total_power(state: State) -> int:
    return attesting_set(state).total_power
