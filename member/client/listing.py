"""What a network lists, asked of a node: names and units for commands. They are the node's word."""

from member.client.node_client import NodeClient
from member.notation.listing import Listing


async def read_listing(client: NodeClient) -> Listing:
    """Terms in force and units of prices. Raises LocalFault and RemoteFault as `NodeClient`."""
    terms, state = await client.terms(), await client.state()
    return Listing(terms, {each.feed: each.ticks_per_unit for each in state.prices})
