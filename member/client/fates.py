"""The fate of a request: asked of a node until a block has it, or never will."""

import time

import trio

from clearing.base.errors import LocalFault
from clearing.schema.blocks.transaction import Transaction
from member.api.submit import SubmitResult
from member.api.transactions import TransactionView
from member.api.types import octets
from member.client.node_client import REQUEST_VALID_MS, NodeClient
from member.client.node_refusal import NodeRefusal
from member.codes import NodeCode

POLL_SECONDS = 0.3
RECEIPT_POLLS = 5
"""How often receipts of an applied request are asked for again."""
GRACE_MS = 60_000
"""After its not-after a request is given up by the node; a clock may differ by so much."""


async def fate_of(client: NodeClient, hash_: str, not_after_ms: int) -> TransactionView:
    """The transaction once it is applied, refused, dropped or expired. Raises LocalFault CLIENT_NO_FATE a minute after
    its not-after, and as `NodeClient.transaction`."""
    while True:
        view = await _look(client, octets(hash_))
        if view.state != "pending":
            return await _with_receipts(client, view)
        if time.time_ns() // 1_000_000 > not_after_ms + GRACE_MS:
            raise LocalFault(NodeCode.CLIENT_NO_FATE, "transaction", hash=hash_)
        await trio.sleep(POLL_SECONDS)


async def _with_receipts(client: NodeClient, view: TransactionView) -> TransactionView:
    """A node stores receipts a moment after it knows the fate; some kinds of requests have none, and strangers see
    none."""
    for _ in range(RECEIPT_POLLS if view.state == "applied" else 0):
        if view.receipts:
            break
        await trio.sleep(POLL_SECONDS)
        view = await _look(client, octets(view.hash))
    return view


async def _look(client: NodeClient, hash_: bytes) -> TransactionView:
    """As a party where the node knows this client's key: it knows trade keys, and no session or client's keys."""
    try:
        return await client.transaction(hash_)
    except NodeRefusal as refusal:
        if refusal.code is not NodeCode.API_UNAUTHENTICATED:
            raise
        return await client.transaction(hash_, as_party=False)


async def fate_now(client: NodeClient, hash_: str) -> TransactionView:
    """As `fate_of`, of a request that was made just now and is valid for `REQUEST_VALID_MS`."""
    return await fate_of(client, hash_, time.time_ns() // 1_000_000 + REQUEST_VALID_MS)


async def submit_and_wait(client: NodeClient, request: Transaction) -> tuple[SubmitResult, TransactionView | None]:
    """Submit a signed request and wait for its fate; None where the node refused it at once."""
    (result,) = (await client.submit((request,))).results
    if result.status == "refused":
        return result, None
    return result, await fate_of(client, result.hash, request.not_after_ms)
