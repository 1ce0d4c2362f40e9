"""Signed requests and collateral events on their way in.

Rule: each transaction of a request has its own result; one refusal does not stop the others.
"""

import msgspec
import trio
from starlette.responses import Response

from clearing.base.codec import decode
from clearing.base.errors import Rejected, RemoteFault
from clearing.schema.blocks.transaction import TRANSACTION_BYTES_MAX, Transaction
from member.api.submit import (
    TRANSACTIONS_MAX,
    CollateralEventBody,
    CollateralEventResult,
    SubmitResult,
    SubmitResults,
    TransactionList,
)
from member.api.transaction_json import SubmitBody, transaction_of
from member.api.types import hexed
from member.codes import NodeCode
from node.api.calls import ApiCall, ApiRefusal, problem_of, read_json, respond
from node.api.view import NodeView
from node.pool.mempool import transaction_hash

CHECKED_AT_ONCE = 4
"""Checking a request costs about 0.1 ms of the event loop: votes must not wait for a hundred of them."""


async def submit(call: ApiCall) -> Response:
    """Each transaction on its own; idempotent by transaction hash. What is accepted is durable before it is said."""
    results: list[SubmitResult] = []
    for number, each in enumerate(_transactions(call), start=1):
        results.append(_submit_one(call.view, each))
        if number % CHECKED_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    await call.view.journaled()
    refused = all(result.status == "refused" for result in results)
    return respond(SubmitResults(results=tuple(results)), 422 if refused else 202)


def collateral_event(call: ApiCall) -> Response:
    """Hand the pointer to the bridge."""
    body = read_json(call.body, CollateralEventBody)
    told = call.view.submit_collateral_event(body.chain_id, bytes.fromhex(body.transaction_hash[2:]))
    if isinstance(told, Rejected):
        raise ApiRefusal(422, told.code, told.at, **dict(told.values))
    result = CollateralEventResult(
        chain_id=body.chain_id, transaction_hash=body.transaction_hash, status="accepted" if told else "known"
    )
    return respond(result, 202)


def _transactions(call: ApiCall) -> tuple[Transaction, ...]:
    if call.media == "application/msgpack":
        try:
            found = decode(call.body, TransactionList, TRANSACTIONS_MAX * TRANSACTION_BYTES_MAX).transactions
        except RemoteFault as fault:
            raise ApiRefusal(400, fault.code, fault.at, **fault.values) from None
        if not 0 < len(found) <= TRANSACTIONS_MAX:
            raise ApiRefusal(400, NodeCode.API_BODY, "transactions", count=len(found), limit=TRANSACTIONS_MAX)
        return found
    body = read_json(call.body, SubmitBody)
    try:
        return tuple(transaction_of(transaction) for transaction in body.transactions)
    except msgspec.ValidationError as error:
        raise ApiRefusal(400, NodeCode.API_BODY, "body", why=str(error)) from None


def _submit_one(view: NodeView, transaction: Transaction) -> SubmitResult:
    told = view.submit(transaction)
    if isinstance(told, Rejected):
        shown = hexed(transaction_hash(transaction))
        return SubmitResult(hash=shown, status="refused", problem=problem_of(told))
    return SubmitResult(hash=hexed(told.hash), status="known" if told.known else "accepted")
