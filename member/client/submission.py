"""Requests submitted to a node by a sender that waits for the verdict: governance and changes of validators.

Rule: what the node refuses is raised with the node's own code; what no block takes in time is raised, too.
"""

import time

import trio

from clearing.base.errors import RemoteFault
from clearing.schema.blocks.transaction import Transaction
from member.api.submit import SubmitResult
from member.client.node_client import NodeClient
from member.codes import NodeCode

LISTED_SECONDS = 30.0
"""A proposal that is in no block by then was most likely refused in one."""

_POLL_SECONDS = 0.5


async def submit_one(client: NodeClient, request: Transaction) -> SubmitResult:
    """Submit one request. Raises RemoteFault CHANGE_FILE with the code and the reason of the node's refusal."""
    result = (await client.submit((request,))).results[0]
    if result.problem is not None:
        raise RemoteFault(NodeCode.CHANGE_FILE, result.problem.at, code=result.problem.code, why=result.problem.message)
    return result


async def proposal_number(client: NodeClient, proposal_hash: str) -> int:
    """Wait until a proposal is in a block; its number. Raises RemoteFault CHANGE_FILE after `LISTED_SECONDS`."""
    deadline = time.monotonic() + LISTED_SECONDS
    while time.monotonic() < deadline:
        for proposal in (await client.governance()).proposals:
            if proposal.hash == proposal_hash:
                return proposal.number
        await trio.sleep(_POLL_SECONDS)
    why = "no block took it: `crossclear governance dry-run` shows why it may be refused"
    raise RemoteFault(NodeCode.CHANGE_FILE, "proposal", hash=proposal_hash, why=why)
