"""Questions and submissions to a node, from code that does not run under trio: commands and scripts.

Rule: the network id that a member signs for is the one that the node states; a request signed for another network is
worth nothing at this one. A refusal is raised with the node's own code. The strings of an answer are on one line and
printable, because it is printed: what must be exact, such as bytes in hex, is so anyway.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import trio

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.ids import ZERO_HASH, NetworkId
from clearing.base.plain_text import plain
from clearing.schema.blocks.transaction import Transaction
from member.api.state import PeerView, Readiness, StateView
from member.api.submit import SubmitResult
from member.client.node_client import NodeClient
from member.client.node_refusal import NodeRefusal
from member.codes import NodeCode

T = TypeVar("T")


def ask_node(url: str, question: Callable[[NodeClient], Awaitable[T]]) -> T:
    """The answer to a question that anybody may ask. Raises LocalFault and RemoteFault as `NodeClient`."""

    async def asked() -> T:
        async with NodeClient(url, NetworkId(ZERO_HASH)) as client:
            return await question(client)

    return plain(trio.run(asked))


def ask_as_member(url: str, secret: bytes, question: Callable[[NodeClient], Awaitable[T]]) -> T:
    """The answer to a question signed with a trade key. Raises LocalFault and RemoteFault as `NodeClient`."""

    async def asked() -> T:
        async with NodeClient(url, NetworkId(ZERO_HASH)) as anonymous:
            network = NetworkId(bytes.fromhex((await anonymous.state()).network[2:]))
        async with NodeClient(url, network, secret) as client:
            return await question(client)

    return plain(trio.run(asked))


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


class NodeStatus(msgspec.Struct, frozen=True):
    """What a node reports of itself and of its peers."""

    state: StateView | None
    """None before the first height."""
    readiness: Readiness
    peers: tuple[PeerView, ...]


def fetch_status(url: str) -> NodeStatus:
    """Ask a node. Raises LocalFault NODE_UNREACHABLE, also for an answer of unbounded size or of another form."""

    async def asked() -> NodeStatus:
        async with NodeClient(url, NetworkId(ZERO_HASH)) as client:
            readiness = await client.readiness()
            # A node that is asked too often refuses here; its height and readiness are still worth showing.
            state, listed = await _unless_refused(client.state), await _unless_refused(client.peers)
        return NodeStatus(state, readiness, () if listed is None else listed.peers)

    try:
        return plain(trio.run(asked))
    except RemoteFault as fault:
        raise LocalFault(NodeCode.NODE_UNREACHABLE, url, why=str(fault)[:200]) from None


async def _unless_refused(question: Callable[[], Awaitable[T]]) -> T | None:
    try:
        return await question()
    except NodeRefusal:
        return None
    except LocalFault as fault:
        if "status" not in fault.values:
            raise
        return None
