"""Which neighbours get which messages: libp2p's mesh and heartbeats, with own rules of sending and relaying.

Rule: own messages go to every subscriber at once (flood publishing); others' messages go to the mesh, to those who need
them relayed, and are announced to the rest. Nothing here blocks.
"""

from collections.abc import Sequence
from typing import Any

from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2

from node.p2p.libp2p.relay_links import RelayLinks
from node.p2p.peers import TopicStats

RPC_BYTES_MAX = 1 << 20
SEQNO_BYTES = 8


class GossipRouter(GossipSub):  # type: ignore[misc]
    """The router of one node's gossip."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.links = RelayLinks[ID]()

    def forward(self, forwarder: ID, message: Any, stats: TopicStats) -> None:
        """Queue an own message for all subscribers, another's for those of the mesh that need it from here."""
        self.mcache.put(message)
        (topic,), origin = message.topicIDs, message.from_id
        subscribers = self.pubsub.peer_topics.get(topic, set())
        receivers = subscribers if forwarder == self.pubsub.my_id else subscribers & self.mesh.get(topic, set())
        rpc = rpc_pb2.RPC(publish=[message])
        for receiver in receivers - {forwarder, ID(origin)}:
            if forwarder != self.pubsub.my_id and not self.links.relays(origin, receiver):
                self.links.announce(receiver, topic, origin + message.seqno)
                continue
            queue = self.pubsub.peer_queues.get(receiver)
            if queue is None or not queue.push(rpc):  # it subscribed before our own stream to it stood, or it is slow
                stats.dropped["outbound"] += 1

    def repeated(self, forwarder: ID, message: Any) -> None:
        """A neighbour sent what is known here: it has another source, and learns that so has this node."""
        origin = message.from_id
        if origin != forwarder.to_bytes():
            self.links.supplied(origin, forwarder)
            self.links.announce(forwarder, message.topicIDs[0], origin + message.seqno)

    def announced(self, forwarder: ID, control: Any) -> None:
        """A neighbour of the mesh has messages from elsewhere, of which some are known here."""
        for ihave in control.ihave:
            if forwarder in self.mesh.get(ihave.topicID, ()):
                for message_id in ihave.messageIDs:
                    if self.pubsub.seen_messages.has(message_id):
                        self.links.supplied(message_id[:-SEQNO_BYTES], forwarder)

    def gossip_heartbeat(self) -> Any:
        """What libp2p announces to some outside of the mesh, and what was not relayed within it."""
        found = super().gossip_heartbeat()
        for neighbour, topic, ids in self.links.announcements():
            found[neighbour].setdefault(topic, []).extend(ids)
        return found

    def serve(self, peer_id: ID, message_ids: Sequence[bytes]) -> int:
        """Queue recent messages that a neighbour wants. Returns their bytes, which it has to pay for."""
        queue, served = self.pubsub.peer_queues.get(peer_id), 0
        for message_id in message_ids:
            message = self.mcache.get(message_id)
            if message is not None and queue is not None and queue.push(rpc_pb2.RPC(publish=[message])):
                served += len(message.data)
                self.links.asked(message.from_id, peer_id)
            if served > RPC_BYTES_MAX:
                break
        return served

    async def send_recent_messages(self, peer_id: ID, topic: str) -> None:
        """Queue a topic's recent messages for a neighbour that has just subscribed to it."""
        queue = self.pubsub.peer_queues.get(peer_id)
        for message_id in self.mcache.window(topic):
            message = self.mcache.get(message_id)
            if queue is not None and message is not None:
                queue.push(rpc_pb2.RPC(publish=[message]))

    async def flush_pending_messages(self, peer_id: ID) -> None:
        """Nothing: no message waits for a neighbour to be identified."""
