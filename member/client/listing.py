"""What a network lists, asked of a node: names and units for commands. They are the node's word."""

from clearing.schema.terms.genesis import Genesis
from member.api.state import StateView
from member.client.node_client import NodeClient
from member.notation.listing import Listing


async def read_listing(client: NodeClient) -> Listing:
    """Terms in force and units of prices. Raises LocalFault and RemoteFault as `NodeClient`."""
    return listing_of(await client.terms(), await client.state())


def listing_of(terms: Genesis, state: StateView) -> Listing:
    """Of terms in force, and the units in which a node displays prices."""
    return Listing(terms, {each.feed: each.ticks_per_unit for each in state.prices})


async def read_state(client: NodeClient) -> tuple[StateView, Listing]:
    """The state, with the names and units of what is in it. Raises as `read_listing`."""
    terms, state = await client.terms(), await client.state()
    return state, listing_of(terms, state)
