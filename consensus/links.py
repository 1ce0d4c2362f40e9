"""`Links`: which validators hear each other without a relay, and who passes on whose messages to whom.

Rule: a validator's own list names those from whom it received something directly in the last seconds. Validators
exchange signed lists, so each knows the graph. A message is passed on only to a neighbour whose list lacks the
message's origin, by the neighbours of that one that are nearest to the origin. To a neighbour without a list, and in a
full mesh, nothing is passed on. A list that lies costs its sender messages, and can delay others until they ask
(`consensus.replica.dissemination`). An edge counts only if both ends list it. Bounded by the square of the validators.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from clearing.base.token_bucket import TokenBuckets

HEARD_MS = 5000
"""A validator that was not heard directly for so long is not linked."""
ANNOUNCED_MS = 10_000
"""An unchanged list is sent again after this time."""
EXPIRED_MS = 35_000
"""A list that was not sent again for so long is forgotten: its validator is down, or nothing of it arrives."""
SETTLE_MS = 300
"""How long a list waits after a validator is heard for the first time: others will be."""
ANNOUNCE_INTERVAL_MS = 300
"""Between two own lists, at least."""
LISTS_PER_SECOND = 0.5
LISTS_AT_ONCE = 8
"""A validator's lists above this rate are ignored, and so not passed on: each may cost all others new routes."""
STABLE_MS = 1000
"""A link that is missing for less may only be new."""
SERVED_HEIGHTS = 256
"""A neighbour that had to ask for the messages of a validator gets them at once for so many heights: many turns of each
origin, or asking anew for every origin in turn takes half of the heights when relays pass on nothing."""


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """The last list of another validator."""

    number: int
    linked: frozenset[bytes]
    learnt_ms: int
    since_ms: int
    """When the validator first sent these links."""
    envelope: bytes
    """As its validator signed it, for those that do not hear it."""


@dataclass(frozen=True, slots=True)
class RelayRoute:
    """A neighbour that does not hear an origin, and the validators that may pass the origin's messages on to it."""

    to: bytes
    relays: tuple[bytes, ...]


class Links:
    """The graph as one validator knows it. Validators are named by their envelope keys."""

    def __init__(self, own: bytes) -> None:
        self._own = own
        self._heard: dict[bytes, int] = {}
        self._members: frozenset[bytes] = frozenset()
        self._linked: frozenset[bytes] | None = None
        self._linked_since_ms = 0
        self._now_ms = 0
        self._announced_ms = -ANNOUNCE_INTERVAL_MS
        self._records: dict[bytes, LinkRecord] = {}
        self._routes: dict[bytes, tuple[RelayRoute, ...]] = {}
        self._edges: dict[bytes, frozenset[bytes]] = {}
        self._rates = TokenBuckets(LISTS_PER_SECOND, LISTS_AT_ONCE, ticks=1000)
        self._asked: dict[bytes, dict[bytes, int]] = {}
        """By origin: neighbours that had to ask for its messages, and the height until which they get them."""

    def hear(self, peer: bytes, now_ms: int) -> bool:
        """A message came directly from this peer. Returns whether it was not linked before."""
        new = peer not in self._heard
        self._heard[peer] = self._now_ms = now_ms
        return new

    def lose(self, connected: Collection[bytes]) -> bool:
        """Forget who was heard and is not connected any more. Returns whether one of them was linked."""
        lost = self._heard.keys() - set(connected)
        for peer in lost:
            del self._heard[peer]
        return bool(self.linked & lost)

    def wait_ms(self, now_ms: int) -> int:
        """How long `renew` has to wait, or two lists would follow each other too soon."""
        return max(0, self._announced_ms + ANNOUNCE_INTERVAL_MS - now_ms)

    def renew(self, validators: Collection[bytes], now_ms: int) -> bool:
        """Make the own list from what was heard. Returns whether it is to be announced: it changed, or is old."""
        members = frozenset(validators)
        self._heard = {peer: at for peer, at in self._heard.items() if now_ms - at < HEARD_MS}
        linked = frozenset(peer for peer in self._heard if peer in members)
        changed = linked != self._linked or members != self._members
        self._now_ms = now_ms
        if changed:
            self._linked, self._members, self._linked_since_ms = linked, members, now_ms
        kept = {
            key: record
            for key, record in self._records.items()
            if key in members and now_ms - record.learnt_ms < EXPIRED_MS
        }
        if changed or len(kept) < len(self._records):
            self._records = kept
            self._forget_routes()
        due = changed or now_ms - self._announced_ms >= ANNOUNCED_MS
        if due:
            self._announced_ms = now_ms
        return due

    @property
    def linked(self) -> frozenset[bytes]:
        """The validators that are heard directly; none before the first `renew`."""
        return self._linked or frozenset()

    @property
    def missing(self) -> frozenset[bytes]:
        """The other validators that are not; none before the first `renew`."""
        return frozenset() if self._linked is None else self._members - self._linked - {self._own}

    def learn(self, origin: bytes, number: int, linked: frozenset[bytes], envelope: bytes, now_ms: int) -> bool:
        """Take another validator's list, whose signature was checked. Returns whether it differs from the last one."""
        self._rates.take(origin, now_ms)
        before = self._records.get(origin)
        same = before is not None and before.linked == linked
        since = before.since_ms if before is not None and same else now_ms
        self._records[origin] = LinkRecord(number, linked, now_ms, since, envelope)
        if not same:
            self._forget_routes()
        return not same

    def wants(self, origin: bytes, number: int, now_ms: int) -> bool:
        """Whether a validator's list is newer than the last one of it, and within its rate."""
        before = self._records.get(origin)
        new = origin != self._own and (before is None or number > before.number)
        return new and self._rates.has(origin, now_ms)

    def lacks(self, peer: bytes, origin: bytes) -> bool:
        """Whether a peer's list is known and does not name this origin."""
        record = self._records.get(peer)
        return record is not None and origin != peer and origin not in record.linked

    def others_lists(self, peer: bytes) -> list[bytes]:
        """The envelopes of known lists of validators that this peer does not hear."""
        return [self._records[origin].envelope for origin in sorted(self._records) if self.lacks(peer, origin)]

    def neighbours_without(self, origin: bytes) -> list[bytes]:
        """Linked validators that do not hear this origin."""
        return [peer for peer in sorted(self.linked) if self.lacks(peer, origin)]

    def heard_by_all(self, key: bytes) -> bool:
        """Whether no list that stayed the same for a while lacks this validator, the own one included."""
        before = self._now_ms - STABLE_MS
        if key in self.missing and self._linked_since_ms <= before:
            return False
        return not any(self.lacks(peer, key) and record.since_ms <= before for peer, record in self._records.items())

    def asked(self, peer: bytes, origin: bytes, height: int) -> None:
        """A neighbour had to ask for messages of an origin that it does not hear: its relays fail."""
        if peer in self.linked and self.lacks(peer, origin):
            self._asked.setdefault(origin, {})[peer] = height + SERVED_HEIGHTS

    def targets(self, origin: bytes, height: int, copies: int) -> list[bytes]:
        """The neighbours to pass a new message of this origin on to, if each shall receive so many copies."""
        found = []
        for route in self._routes_of(origin):
            first = height % len(route.relays)
            chosen = (route.relays + route.relays)[first : first + copies]
            if self._own in chosen:
                found.append(route.to)
        asked = self._asked.get(origin)
        if asked:
            for peer in [peer for peer, until in asked.items() if until < height or peer not in self.linked]:
                del asked[peer]
            found += [peer for peer in sorted(asked) if peer not in found and self.lacks(peer, origin)]
        return found

    def _routes_of(self, origin: bytes) -> tuple[RelayRoute, ...]:
        known = self._routes.get(origin)
        if known is None:
            known = tuple(self._find_routes(origin)) if origin in self._members else ()
            if origin in self._members:
                self._routes[origin] = known
        return known

    def _find_routes(self, origin: bytes) -> Iterator[RelayRoute]:
        hearers = frozenset(key for key in (self._own, *self._records) if self._hears(key, origin))
        distance: dict[bytes, int] = {}
        for peer in self.neighbours_without(origin):
            near = self._neighbours(peer) & hearers
            if not near and self._neighbours(peer):  # Rare: nobody beside it hears the origin.
                distance = distance or self._distances(origin, hearers)
                reached = {key: distance[key] for key in self._neighbours(peer) if key in distance}
                least = min(reached.values(), default=0)
                near = frozenset(key for key, hops in reached.items() if hops == least)
            if self._own in near:
                yield RelayRoute(peer, tuple(sorted(near)))

    def _distances(self, origin: bytes, hearers: frozenset[bytes]) -> dict[bytes, int]:
        """Hops from an origin to each validator: those that hear it, then along edges that both ends list."""
        distance = dict.fromkeys(hearers, 1)
        level, hops = hearers, 1
        while level:
            hops += 1
            around = frozenset[bytes]().union(*(self._neighbours(key) for key in level))
            level = around - distance.keys() - {origin}
            distance.update(dict.fromkeys(level, hops))
        return distance

    def _hears(self, key: bytes, origin: bytes) -> bool:
        """Whether a validator lists an origin, whose own list does not deny it."""
        return key != origin and origin in self._list(key) and not self.lacks(origin, key)

    def _neighbours(self, key: bytes) -> frozenset[bytes]:
        """Those on a validator's list that list it, too."""
        known = self._edges.get(key)
        if known is None:
            known = self._edges[key] = frozenset(other for other in self._list(key) if key in self._list(other))
        return known

    def _list(self, key: bytes) -> frozenset[bytes]:
        if key == self._own:
            return self.linked
        record = self._records.get(key)
        return frozenset() if record is None else record.linked

    def _forget_routes(self) -> None:
        self._routes.clear()
        self._edges.clear()
