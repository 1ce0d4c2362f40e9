"""How many streams of gossip a node has: two for each connection, one each way."""

from typing import Any

GOSSIP = "/meshsub/1.1.0"


def gossip_streams(node: Any, key: bytes | None = None) -> int:
    """Streams of gossip over all connections, or over those with one peer."""
    sessions = [each for each in node.network._all.values() if key is None or each.key == key]
    return [stream.get_protocol() for each in sessions for stream in each.connection.get_streams()].count(GOSSIP)


def has_one_session_and_two_streams_a_peer(node: Any, peers: int) -> bool:
    """Of two connections that crossed, one is left, with both its streams."""
    return len(node.network._all) == peers and gossip_streams(node) == 2 * peers


def has_one_settled_connection(node: Any, key: bytes) -> bool:
    """The same, with one peer."""
    return [each.key for each in node.network._all.values()].count(key) == 1 and gossip_streams(node, key) == 2
