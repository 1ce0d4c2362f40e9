"""What each route does, given a request whose parameters, size, rate and signature were checked.

Rule: no HTTP but status codes, no state: everything comes from the view. A member sees its own accounts only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import trio
from starlette.responses import Response

from clearing.base import plain_json
from clearing.base.codec import decode
from clearing.base.errors import Rejected, RemoteFault
from clearing.transactions import TRANSACTION_BYTES_MAX, Transaction
from node.api.bodies import SubmitBody, transaction_of
from node.api.problems import ApiRefusal, problem_of, respond
from node.api.render import hexed, receipt_view
from node.api.shapes import (
    PACKAGES_MAX,
    RECEIPTS_MAX,
    TRANSACTIONS_MAX,
    CollateralEventBody,
    CollateralEventResult,
    Health,
    PackagePage,
    Readiness,
    ReceiptPage,
    SubmitResult,
    SubmitResults,
)
from node.api.view import NodeView, ReceiptAt
from node.codes import NodeCode
from node.explaining.concerned import Masks, masked
from node.pool.mempool import transaction_hash
from node.pool.trade_batch import TransactionList
from node.telemetry.metrics import CONTENT_TYPE

_RECEIPTS_PAGE = 100
CHECKED_AT_ONCE = 4
"""Checking a request costs about 0.1 ms of the event loop: votes must not wait for a hundred of them."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A checked request. `signer` is set exactly for signed routes."""

    view: NodeView
    parameters: Mapping[str, str]
    body: bytes = b""
    media: str = ""
    signer: bytes = b""


def state(call: Call) -> object:
    """The newest decided height."""
    found = call.view.state()
    if found is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "state")
    return found


def validators(call: Call) -> object:
    """Who agrees."""
    return call.view.validators()


def account(call: Call) -> object:
    """Holdings and margin."""
    wanted = own_account(call)
    found = call.view.account(wanted)
    if found is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "account")
    return found


def trading(call: Call) -> object:
    """Held trades and mandates."""
    found = call.view.trading(own_account(call))
    if found is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "account")
    return found


def withdrawals(call: Call) -> object:
    """What is on its way out."""
    found = call.view.withdrawals(own_account(call))
    if found is None:
        raise ApiRefusal(503, NodeCode.API_NOT_READY, "account")
    return found


def receipts(call: Call) -> object:
    """One page of receipts."""
    wanted = own_account(call)
    after, limit = page_of(call)
    found = call.view.receipts(wanted, after, limit)
    more = f"{found[-1].height}:{found[-1].index}" if len(found) == limit else ""
    masks = call.view.masks(call.signer)
    return ReceiptPage(receipts=tuple(receipt_view(_others_masked(each, masks)) for each in found), next=more)


def page_of(call: Call) -> tuple[tuple[int, int], int]:
    """Where a page of receipts begins, and how many it has at most."""
    height, _, index = call.parameters.get("after", "").partition(":")
    after = (int(height), int(index)) if height else (0, -1)
    return after, min(int(call.parameters.get("limit", str(_RECEIPTS_PAGE))), RECEIPTS_MAX)


def _others_masked(at: ReceiptAt, masks: Masks) -> ReceiptAt:
    """Who is one of those that a liquidation or default concerns learns no other's account by it: the same receipt
    stands masked in the series of all, so that one name in clear would tell whose all the others are."""
    return ReceiptAt(at.height, at.index, masked(at.receipt, masks))


def header(call: Call) -> object:
    """A certified header."""
    found = call.view.header(_number_or_latest(call.parameters["height"]))
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "height", height=call.parameters["height"])
    return found


def proofs(call: Call) -> object:
    """One page of the packages that this node keeps."""
    after = int(call.parameters.get("after", "-1"))
    found = tuple(call.view.packages(after, PACKAGES_MAX))
    return PackagePage(packages=found, next=str(found[-1].epoch) if len(found) == PACKAGES_MAX else "")


def proof(call: Call) -> Response:
    """The bytes of an epoch package."""
    found = call.view.package(_number_or_latest(call.parameters["epoch"]))
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "epoch", epoch=call.parameters["epoch"])
    headers = {
        "ETag": f'"{found.digest.hex()}"',
        "Crossclear-Epoch": str(found.epoch),
        "Crossclear-Height": str(found.height),
        "Content-Disposition": f'attachment; filename="epoch-{found.epoch}.ccp"',
    }
    return Response(found.data, 200, headers, media_type="application/octet-stream")


async def submit(call: Call) -> Response:
    """Each transaction on its own; idempotent by transaction hash. What is accepted is durable before it is said."""
    results: list[SubmitResult] = []
    for number, each in enumerate(_transactions(call), start=1):
        results.append(_submit_one(call.view, each))
        if number % CHECKED_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    await call.view.kept()
    refused = all(result.status == "refused" for result in results)
    return respond(SubmitResults(results=tuple(results)), 422 if refused else 202)


def collateral_event(call: Call) -> Response:
    """Hand the pointer to the bridge."""
    body = read_json(call.body, CollateralEventBody)
    told = call.view.submit_collateral_event(body.chain_id, bytes.fromhex(body.transaction_hash[2:]))
    if isinstance(told, Rejected):
        raise ApiRefusal(422, told.code, told.at, **dict(told.values))
    result = CollateralEventResult(
        chain_id=body.chain_id, transaction_hash=body.transaction_hash, status="accepted" if told else "known"
    )
    return respond(result, 202)


def health(_: Call) -> object:
    """The process answers."""
    return Health()


def readiness(call: Call) -> Response:
    """All checks, and whether all hold."""
    checks = tuple(call.view.readiness())
    ready = bool(checks) and all(check.ok for check in checks)
    return respond(Readiness(ready=ready, checks=checks), 200 if ready else 503)


def metrics(call: Call) -> Response:
    """Prometheus' text."""
    return Response(call.view.metrics(), media_type=CONTENT_TYPE)


def own_account(call: Call) -> int:
    """The account that the request names, which must be the signer's."""
    wanted = int(call.parameters["account"])
    # An unknown account and another's are told alike: who is a client of whom is nobody's business.
    if call.view.owner(wanted) != call.signer:
        raise ApiRefusal(403, NodeCode.API_FORBIDDEN, "account", account=wanted)
    return wanted


def _number_or_latest(text: str) -> int | None:
    return None if text == "latest" else int(text)


def _transactions(call: Call) -> tuple[Transaction, ...]:
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
        return tuple(transaction_of(each) for each in body.transactions)
    except msgspec.ValidationError as error:
        raise ApiRefusal(400, NodeCode.API_BODY, "body", why=str(error)) from None


def _submit_one(view: NodeView, transaction: Transaction) -> SubmitResult:
    told = view.submit(transaction)
    if isinstance(told, Rejected):
        shown = hexed(transaction_hash(transaction))
        return SubmitResult(hash=shown, status="refused", problem=problem_of(told))
    return SubmitResult(hash=hexed(told.hash), status="known" if told.known else "accepted")


def read_json(data: bytes, kind: type[T]) -> T:
    """A body of this shape. Raises ApiRefusal 400."""
    try:
        return plain_json.read_json(data, kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ApiRefusal(400, NodeCode.API_BODY, "body", why=str(error)) from None
