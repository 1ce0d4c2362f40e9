"""One question to a node from code that does not run under trio: commands and scripts.

Rule: the network id that a member signs for is the one that the node states; a request signed for another network is
worth nothing at this one.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from clearing.base.ids import ZERO_HASH, NetworkId
from member.client.node_client import NodeClient

T = TypeVar("T")


def ask_node(url: str, question: Callable[[NodeClient], Awaitable[T]]) -> T:
    """The answer to a question that anybody may ask. Raises LocalFault and RemoteFault as `NodeClient`."""

    async def asked() -> T:
        async with NodeClient(url, NetworkId(ZERO_HASH)) as client:
            return await question(client)

    return trio.run(asked)


def ask_as_member(url: str, secret: bytes, question: Callable[[NodeClient], Awaitable[T]]) -> T:
    """The answer to a question signed with a trade key. Raises LocalFault and RemoteFault as `NodeClient`."""

    async def asked() -> T:
        async with NodeClient(url, NetworkId(ZERO_HASH)) as anonymous:
            network = NetworkId(bytes.fromhex((await anonymous.state()).network[2:]))
        async with NodeClient(url, network, secret) as client:
            return await question(client)

    return trio.run(asked)
