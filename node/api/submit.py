"""Signed requests on their way in.

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
    SubmitBody,
    SubmitResult,
    SubmitResults,
    TransactionList,
    transaction_of,
)
from member.api.types import hexed
from member.codes import NodeCode
from node.api.calls import JSON, MSGPACK, ApiCall, ApiRefusal, Routes, problem_of, read_json, respond
from node.api.view import NodeView
from node.pool.mempool import transaction_hash

routes = Routes()
CHECKED_AT_ONCE = 4
"""Checking a request costs about 0.1 ms of the event loop: votes must not wait for a hundred of them."""


@routes.post("/v1/submit", body=SubmitBody, body_media=(JSON, MSGPACK), answer=SubmitResults, statuses=(202, 422))
async def submit(call: ApiCall) -> Response:
    """Signed transactions. 202 when at least one is pending, 422 when all are refused."""
    results: list[SubmitResult] = []
    for number, transaction in enumerate(_transactions(call), start=1):
        results.append(_submit_one(call.view, transaction))
        if number % CHECKED_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    # What is accepted is durable before the answer.
    await call.view.journaled()
    refused = all(result.status == "refused" for result in results)
    return respond(SubmitResults(results=tuple(results)), 422 if refused else 202)


def _transactions(call: ApiCall) -> tuple[Transaction, ...]:
    if call.media == MSGPACK:
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
    result = view.submit(transaction)
    if isinstance(result, Rejected):
        return SubmitResult(hash=hexed(transaction_hash(transaction)), status="refused", problem=problem_of(result))
    return SubmitResult(hash=hexed(result.hash), status="known" if result.known else "accepted")
