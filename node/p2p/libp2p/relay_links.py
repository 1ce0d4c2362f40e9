"""`RelayLinks`: to which neighbours a node relays the messages of an origin, and to whom it only announces them.

Rule: an origin sends its messages to every subscriber itself, so a relayed copy helps only a neighbour that is not
connected with it. 1. At first everything is relayed. 2. A neighbour that sends or announces what is known here has
another source than this node: from then on that origin's messages are announced to it, with the next heartbeat.
3. A neighbour that asks for one of them has lost its source: they are relayed again. So each message crosses a link of
a full mesh once, and every connected graph of honest nodes still delivers it, at worst some heartbeats later (as in
Plumtree: Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees", 2007).

A neighbour's statements change only what this node relays to that neighbour. Nothing here knows sockets or time.
"""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Neighbour = TypeVar("Neighbour", bound=Hashable)
ANNOUNCED_MAX = 1024
"""Message ids to one neighbour with one heartbeat; a neighbour reads no more."""


class RelayLinks(Generic[Neighbour]):
    """Of one node. Origins must be bounded by the caller (the allow-list)."""

    def __init__(self) -> None:
        self._supplied: set[tuple[bytes, Neighbour]] = set()
        """(origin, neighbour): the neighbour has another source of the origin's messages."""
        self._announced: dict[Neighbour, dict[bytes, str]] = {}
        """Ids with their topics, for the next heartbeat."""

    def relays(self, origin: bytes, neighbour: Neighbour) -> bool:
        """Whether the neighbour gets the origin's messages from here at once."""
        return (origin, neighbour) not in self._supplied

    def announce(self, neighbour: Neighbour, topic: str, message_id: bytes) -> None:
        """Tell the neighbour with the next heartbeat that this node has a message from elsewhere."""
        ids = self._announced.setdefault(neighbour, {})
        if len(ids) < ANNOUNCED_MAX:
            ids[message_id] = topic

    def supplied(self, origin: bytes, neighbour: Neighbour) -> None:
        """The neighbour sent or announced a message of the origin that is known here."""
        self._supplied.add((origin, neighbour))

    def asked(self, origin: bytes, neighbour: Neighbour) -> None:
        """The neighbour asked for a message of the origin."""
        self._supplied.discard((origin, neighbour))

    def announcements(self) -> Iterator[tuple[Neighbour, str, list[bytes]]]:
        """What to announce with this heartbeat, by neighbour and topic; it is announced once."""
        announced, self._announced = self._announced, {}
        for neighbour, ids in announced.items():
            by_topic: dict[str, list[bytes]] = {}
            for message_id, topic in ids.items():
                by_topic.setdefault(topic, []).append(message_id)
            for topic, chosen in by_topic.items():
                yield neighbour, topic, chosen

    def forget(self, neighbour: Neighbour) -> None:
        """The connection ended: its next one begins as a new neighbour's."""
        self._supplied = {pair for pair in self._supplied if pair[1] != neighbour}
        self._announced.pop(neighbour, None)
