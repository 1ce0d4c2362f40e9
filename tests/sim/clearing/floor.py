"""Venues: trades reported by mandate or signed by sides, held, corrected, cancelled, given up; statements; suspensions.

Rule: as agents: asks, never writes. A venue also tells what it may not: beyond a mandate, an id twice, without consent.
"""

from random import Random

from clearing.base.units import DAY_MS
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.trades import (
    StatementLine,
    TradeCancellation,
    TradeCorrection,
    TradeGiveUp,
    VenueStatement,
    VenueSwitch,
)
from tests.kit.clearing.genesis import HOUSE, START_MS
from tests.kit.clearing.requests import VENUE_SECRETS, line_of
from tests.kit.clearing.signer import secret
from tests.sim.clearing.exchange import Exchange

VENUES = sorted(VENUE_SECRETS)
REPORTS = 12
"""Trades that venues tell in one block, at most."""
LINES = 8
"""Of one part of a statement."""


class Floor:
    """All venues of a story; the same seed tells the same."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed * 37 + 13)
        self.numbers = dict.fromkeys(VENUES, 0)
        self.lines: dict[int, list[StatementLine]] = {each: [] for each in VENUES}
        self.parts = dict.fromkeys(VENUES, 0)

    def requests(self, world: Exchange) -> list[Transaction]:
        """What venues and those who gave them a mandate ask for in this block."""
        if not world.variant.venues:
            return []
        made = [self.mandate(world) for _ in range(self.chance.randint(0, 6))]
        made += [self.report(world) for _ in range(self.chance.randint(0, REPORTS))]
        made += self.changes(world)
        if self.chance.random() < (0.2 if self.suspended(world) else 0.01):
            made.append(self.switch(world))
        return made + self.statements(world)

    def mandate(self, world: Exchange) -> Transaction:
        """Of any account; some are narrow, some revoked."""
        chance, account = self.chance, self.account(world)
        lots, day = chance.choice((5, 400, 400)), chance.choice((10**10, 10**13, 10**13))
        notional = chance.choice((10**9, 10**11, 10**11))
        later = world.time_ms + DAY_MS
        expires_ms = chance.choice((0, world.time_ms + 5_000, later, later, later, later, later))
        return world.mandate(account, chance.choice(VENUES), lots, notional, day, expires_ms=expires_ms)

    def report(self, world: Exchange) -> Transaction:
        """A trade near the mark between any two accounts, at once or held, with all, some or no consent."""
        chance = self.chance
        venue, instrument = chance.choice(VENUES), chance.choice(world.traded)
        mark = world.state.marks.get(instrument)
        ticks = max((mark.ticks if mark else 1) * chance.randint(999, 1_001) // 1_000, 1)
        self.numbers[venue] += chance.choice((0, 1, 1, 1, 1, 1, 1, 1, 2, 300 if chance.random() < 0.02 else 1))
        hold_ms = chance.choice((0, 0, 0, 2_500, 6_000))
        label = venue if chance.random() < 0.85 else 0
        buyer, seller, lots = self.account(world), self.account(world), chance.choice((1, 4, 30, 300))
        signers = chance.choice(("v", "v", "v", "vb", "vs", "vbs")) if label else chance.choice(("bs", "bs", "b"))
        named = {"venue": label, "venue_trade_id": self.numbers[venue], "instrument": instrument}
        report = world.report(buyer, seller, lots, ticks, signers=signers, hold_ms=hold_ms, **named)
        if label:
            # As the venue has it in its book: sometimes otherwise.
            self.lines[venue].append(line_of(report, lots=lots + (chance.random() < 0.1)))
        return report

    def changes(self, world: Exchange) -> list[Transaction]:
        """Of trades that are held: other terms, the end of it, another side."""
        chance, made = self.chance, []
        for key, held in list(world.state.pending_trades.ordered())[:40]:
            if chance.random() > 0.15:
                continue
            named = (*key, held.buyer, held.seller, held.revision)
            signers = chance.choice(("v", "bs", "vbs")) if key[0] in VENUES else "bs"
            kind: int = chance.randint(0, 2)
            if kind == 0:
                due_ms = held.due_ms + chance.choice((0, 2_000))
                lots = held.lots + chance.choice((-1, 1, 5))
                made.append(world.agreed(world.request(TradeCorrection, *named, lots, held.ticks, due_ms), signers))
            elif kind == 1:
                made.append(world.agreed(world.request(TradeCancellation, *named), signers))
            else:
                account, recipient = chance.choice((held.buyer, held.seller)), self.account(world)
                request = world.request(TradeGiveUp, *key, account, recipient, held.revision)
                made.append(world.sign(request, recipient_signature=world.key_of(recipient)))
        return made

    def suspended(self, world: Exchange) -> list[int]:
        """Venues that stand still."""
        return [each for each, record in world.state.venues.ordered() if record.suspended]

    def switch(self, world: Exchange) -> Transaction:
        """A venue stops itself; only the house lets it go on."""
        venue = self.chance.choice(self.suspended(world) or VENUES)
        record = world.state.venues.get(venue)
        suspended, revision = (record.suspended, record.revision) if record else (False, 0)
        key = VENUE_SECRETS[venue] if self.chance.random() < 0.3 else secret(HOUSE)
        return world.request(VenueSwitch, venue, not suspended, revision, key=key)

    def statements(self, world: Exchange) -> list[Transaction]:
        """Part after part of the first day, once it is over; what was never novated is in it, too."""
        day = START_MS // DAY_MS
        if world.time_ms <= (day + 1) * DAY_MS + 60_000:
            return []
        made: list[Transaction] = []
        for venue in VENUES:
            ids = {each.venue_trade_id: each for each in self.lines[venue]}
            lines = [ids[each] for each in sorted(ids)]
            part = self.parts[venue]
            whole = -(-len(lines) // LINES)
            if part > whole or self.chance.random() < 0.3:
                continue
            some, last = tuple(lines[part * LINES : (part + 1) * LINES]), part + 1 >= whole
            made.append(world.request(VenueStatement, venue, day, part, last, some, key=VENUE_SECRETS[venue]))
            self.parts[venue] += 1
        return made

    def account(self, world: Exchange) -> int:
        """Anybody's but the house's, mostly."""
        members = sorted(world.owned)
        return self.chance.choice(world.owned[self.chance.choice(members)])
