"""What is left of a neighbour's control message before libp2p acts on it.

Rule: libp2p keeps a record for each topic that a neighbour names, answers each wanted id once for each time that it is
named, and takes peer addresses at their word. So: our topics only, each id once, counts bounded, no addresses.
"""

from collections.abc import Collection, Iterable
from typing import Any

from libp2p.pubsub.pb import rpc_pb2

IDS_MAX = 1024
"""Message ids in one control message, of each kind."""
ID_BYTES_MAX = 64
"""A peer id and a sequence number are 46."""
BACKOFF_SECONDS_MAX = 600


def bounded(control: Any, topics: Collection[str]) -> Any | None:
    """A copy with what libp2p may act on; None when nothing is left. Wanted ids are not in it: see `wanted`."""
    kept = rpc_pb2.ControlMessage()
    room = IDS_MAX
    for topic, ihaves in _by_topic(control.ihave, topics).items():
        ids = _ids((each.messageIDs for each in ihaves), room)
        room -= len(ids)
        if ids:
            kept.ihave.append(rpc_pb2.ControlIHave(topicID=topic, messageIDs=ids))
    for topic in _by_topic(control.graft, topics):
        kept.graft.append(rpc_pb2.ControlGraft(topicID=topic))
    for topic, prunes in _by_topic(control.prune, topics).items():
        kept.prune.append(rpc_pb2.ControlPrune(topicID=topic, backoff=min(prunes[0].backoff, BACKOFF_SECONDS_MAX)))
    return kept if kept.ByteSize() else None


def wanted(control: Any) -> list[bytes]:
    """The message ids that a neighbour wants, each once."""
    return _ids((each.messageIDs for each in control.iwant), IDS_MAX)


def _by_topic(items: Iterable[Any], topics: Collection[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        if item.topicID in topics:
            found.setdefault(item.topicID, []).append(item)
    return found


def _ids(lists: Iterable[Iterable[bytes]], most: int) -> list[bytes]:
    """The first different ids; `most` of them."""
    found: dict[bytes, None] = {}
    for ids in lists:
        for each in ids:
            if len(found) >= most:
                return list(found)
            if len(each) <= ID_BYTES_MAX:
                found[each] = None
    return list(found)
