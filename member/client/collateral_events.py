"""Submitting the events of one transaction to a node, and following them to their end.

Rule: a node is followed only while an event goes on. A receipt proof is made from any endpoint, because it proves
itself; the node takes it only for a block that its own endpoints call final.
"""

from collections.abc import Awaitable, Callable

import trio

from bridge.codes import BridgeCode
from bridge.evm.events import SubmittedEvent
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from bridge.rpc.proofs import prove_events
from clearing.base.errors import LocalFault
from member.api.collateral_events import (
    ENDS,
    CollateralEventBody,
    CollateralEventResult,
    CollateralEventView,
    ReceiptProofBody,
)
from member.api.types import hexed
from member.client.node_client import NodeClient
from member.client.node_refusal import NodeRefusal

ASK_SECONDS = 1.0


async def submit_transaction(
    client: NodeClient, chain_id: int, transaction: bytes, token: str | None = None
) -> CollateralEventResult:
    """Submit a transaction by its hash: the node finds the vault's events in it."""
    return await client.submit_event(CollateralEventBody(chain_id=chain_id, transaction_hash=hexed(transaction)), token)


async def submit_proofs(
    client: NodeClient, rpc: str, chain_id: int, transaction: bytes, token: str | None = None
) -> tuple[CollateralEventResult, ...]:
    """Submit each of the vault's events in a transaction with a receipt proof made from the endpoint `rpc`.

    Raises LocalFault WRONG_CHAIN for a chain that the network does not list, and as `prove_events`.
    """
    vaults = {chain.chain_id: chain.vault for chain in (await client.terms()).chains}
    if chain_id not in vaults:
        raise LocalFault(BridgeCode.WRONG_CHAIN, "chain", chain_id=chain_id, listed=", ".join(map(str, vaults)))
    layout = profile_of(chain_id).layout
    async with Endpoint(rpc) as endpoint:
        events = await prove_events(endpoint, layout, chain_id, vaults[chain_id], transaction)
    return tuple([await client.submit_event(proof_body(event), token) for event in events])


def proof_body(event: SubmittedEvent) -> CollateralEventBody:
    """The JSON body of a receipt proof."""
    return CollateralEventBody(
        chain_id=event.chain_id,
        receipt_proof=ReceiptProofBody(
            block_hash=hexed(event.block_hash),
            receipt_index=event.receipt_index,
            log_index=event.log_index,
            proof=tuple(map(hexed, event.proof)),
        ),
    )


async def follow_event(
    client: NodeClient,
    chain_id: int,
    reference: str,
    sleep: Callable[[float], Awaitable[None]] = trio.sleep,
) -> CollateralEventView:
    """The status of a submission once it is credited or refused: by the node's stream, else by asking again."""
    while True:
        try:
            view = (await client.event_steps(chain_id, reference))[-1]
        except NodeRefusal:
            # Too many streams are open, or the node has none.
            await sleep(ASK_SECONDS)
            view = await client.event_status(chain_id, reference)
        if view.progress in ENDS:
            return view
