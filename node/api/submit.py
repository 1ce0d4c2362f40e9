"""Signed requests on their way in.

Rule: each transaction of a request has its own result; one refusal does not stop the others. However many requests
arrive at once, one group of transactions is checked in a turn of the event loop: votes wait for no more.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import msgspec
import trio
from starlette.responses import Response

from clearing.base.codec import decode
from clearing.base.errors import Rejected, RemoteFault
from clearing.schema.blocks.transaction import TRANSACTION_BYTES_MAX, Transaction, transaction_hash
from member.api.submit import (
    TRANSACTIONS_MAX,
    SubmitBody,
    SubmitResult,
    SubmitResults,
    TransactionList,
    transaction_of,
)
from member.api.types import Problem, hexed
from member.codes import NodeCode
from node.api.calls import JSON, MSGPACK, ApiCall, ApiRefusal, Routes, problem_of, read_json, respond
from node.pool.mempool import Accepted

routes = Routes()
CHECKED_AT_ONCE = 16
"""Checking a transaction costs about 0.1 ms of the event loop: votes must not wait for hundreds of them. With fewer in
a turn, requests wait for seconds where turns are slow."""
LOOKED_AT_ONCE = 128
"""Refusing one before anything is checked costs some 0.005 ms: a request that is refused needs one turn."""
_turn = trio.Lock()
"""Of all requests: who has it, has this turn of the event loop. Acquiring it waits for another turn, in order."""


@routes.post("/v1/submit", body=SubmitBody, body_media=(JSON, MSGPACK), answer=SubmitResults, statuses=(202, 422))
async def submit(call: ApiCall) -> Response:
    """Signed transactions. 202 when at least one is pending, 422 when all are refused.

    `Retry-After`: when there is room for those that were refused because more is offered than the network decides.
    """
    waiting = deque(_transactions(call))
    answers: list[tuple[Transaction, Accepted | Rejected]] = []
    while waiting:
        async with _turn:
            answers += _submit_some(call, waiting)
    # What is accepted is durable before the answer.
    await call.view.journaled()
    return _answer(answers)


def _submit_some(call: ApiCall, waiting: deque[Transaction]) -> Iterator[tuple[Transaction, Accepted | Rejected]]:
    """Take as many of those that wait as one turn of the event loop may."""
    checked = looked = 0
    while waiting and checked < CHECKED_AT_ONCE and looked < LOOKED_AT_ONCE:
        transaction = waiting.popleft()
        answer = call.view.submit(transaction)
        looked += 1
        checked += not _is_busy(answer)
        yield transaction, answer


def _answer(answers: Sequence[tuple[Transaction, Accepted | Rejected]]) -> Response:
    problem = cache(problem_of)
    results = tuple(_result(transaction, answer, problem) for transaction, answer in answers)
    refused = all(result.status == "refused" for result in results)
    return respond(
        SubmitResults(results=results), 422 if refused else 202, _retry_after(answer for _, answer in answers)
    )


def _is_busy(answer: Accepted | Rejected) -> bool:
    return isinstance(answer, Rejected) and answer.code is NodeCode.POOL_BUSY


def _result(
    transaction: Transaction, answer: Accepted | Rejected, problem: Callable[[Rejected], Problem]
) -> SubmitResult:
    if isinstance(answer, Rejected):
        return SubmitResult(hash=hexed(transaction_hash(transaction)), status="refused", problem=problem(answer))
    return SubmitResult(hash=hexed(answer.hash), status="known" if answer.known else "accepted")


def _retry_after(answers: Iterable[Accepted | Rejected]) -> dict[str, str]:
    waits = [
        int(str(dict(each.values)["wait_ms"])) for each in answers if isinstance(each, Rejected) and _is_busy(each)
    ]
    return {"Retry-After": str(-(-max(waits) // 1000))} if waits else {}


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
