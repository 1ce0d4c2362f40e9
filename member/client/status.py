"""A node's status by three questions that anybody may ask."""

import httpx
import msgspec

from clearing.base.errors import LocalFault
from clearing.base.plain_json import read_json
from member.api.state import PeersView, PeerView, Readiness, StateView
from member.codes import NodeCode

TIMEOUT_S = 5.0


class NodeStatus(msgspec.Struct, frozen=True):
    """What a node reports of itself and of its peers."""

    state: StateView | None
    """None before the first height."""
    readiness: Readiness
    peers: tuple[PeerView, ...]


def fetch_status(url: str) -> NodeStatus:
    """Ask a node. Raises LocalFault NODE_UNREACHABLE."""
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
            readiness = read_json(client.get("/readyz").content, Readiness)
            state_answer, peers_answer = client.get("/v1/state"), client.get("/v1/peers")
        state = read_json(state_answer.content, StateView) if state_answer.status_code == 200 else None
        # A node that is asked too often refuses here; its height and readiness are still worth showing.
        peers = read_json(peers_answer.content, PeersView).peers if peers_answer.status_code == 200 else ()
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError) as error:
        raise LocalFault(NodeCode.NODE_UNREACHABLE, url, why=str(error)[:200]) from None
    return NodeStatus(state, readiness, peers)
