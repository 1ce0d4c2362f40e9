"""Venues: trades told by mandate or signed by sides, held, corrected, cancelled, given up; statements; suspensions.

Rule: as agents: asks, never writes. A venue also tells what it may not: beyond a mandate, an id twice, without consent.
"""

from random import Random
from typing import Any

import msgspec

from clearing.base.secp256k1 import sign_digest
from clearing.base.units import DAY_MS
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.trades import (
    StatementLine,
    TradeCancellation,
    TradeCorrection,
    TradeGiveUp,
    TradeReport,
    VenueMandate,
    VenueStatement,
    VenueSwitch,
)
from tests.kit.clearing.genesis import HOUSE, START_MS
from tests.kit.clearing.signer import secret
from tests.sim.clearing.exchange import Exchange
from tests.sim.clearing.variants import VENUES

REPORTS = 12
"""Trades that venues tell in one block, at most."""
LINES = 8
"""Of one part of a statement."""


class Floor:
    """All venues of a story; the same seed tells the same."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed * 37 + 13)
        self.numbers = dict.fromkeys(VENUES, 0)
        self.told: list[TradeReport] = []
        self.lines: dict[int, list[StatementLine]] = {each: [] for each in VENUES}
        self.parts = dict.fromkeys(VENUES, 0)

    def requests(self, world: Exchange) -> list[Transaction]:
        """What venues and those who gave them a mandate ask for in this block."""
        if not world.variant.venues:
            return []
        made = [self.mandate(world) for _ in range(self.chance.randint(0, 6))]
        made += [self.report(world) for _ in range(self.chance.randint(0, REPORTS))]
        made += self.changes(world)
        if self.chance.random() < (0.2 if self.is_stopped(world) else 0.01):
            made.append(self.switch(world))
        return made + self.statements(world)

    def mandate(self, world: Exchange) -> Transaction:
        """Of any account; some are narrow, some revoked."""
        chance, account = self.chance, self.account(world)
        lots, day = chance.choice((5, 400, 400)), chance.choice((10**10, 10**13, 10**13))
        limits = (lots, chance.choice((10**9, 10**11, 10**11)), day)
        later = world.time_ms + DAY_MS
        expires = chance.choice((0, world.time_ms + 5_000, later, later, later, later, later))
        words = world.worded(VenueMandate, account, chance.choice(sorted(VENUES)), *limits, expires)
        return world.sign_for(account, words)  # type: ignore[no-any-return]

    def report(self, world: Exchange) -> Transaction:
        """A trade near the mark between any two accounts, at once or held, with all, some or no consent."""
        chance, now = self.chance, world.time_ms
        venue, instrument = chance.choice(sorted(VENUES)), chance.choice(world.traded)
        mark = world.state.marks.get(instrument)
        ticks = max((mark.ticks if mark else 1) * chance.randint(999, 1_001) // 1_000, 1)
        self.numbers[venue] += chance.choice((0, 1, 1, 1, 1, 1, 1, 1, 2, 300 if chance.random() < 0.02 else 1))
        hold_ms = chance.choice((0, 0, 0, 2_500, 6_000))
        label = venue if chance.random() < 0.85 else 0
        words = TradeReport(
            venue=label,
            venue_trade_id=self.numbers[venue],
            buyer=self.account(world),
            seller=self.account(world),
            instrument=instrument,
            lots=chance.choice((1, 4, 30, 300)),
            ticks=ticks,
            traded_ms=now,
            not_before_ms=now + hold_ms if hold_ms else 0,
            not_after_ms=now + 60_000,
            venue_signature=b"",
            buyer_signature=b"",
            seller_signature=b"",
        )
        signers = chance.choice(("v", "v", "v", "vb", "vs", "vbs")) if label else chance.choice(("bs", "bs", "b"))
        signed: TradeReport = agreed(world, words, signers)
        self.told = [*self.told, signed][-40:]
        if label:
            self.lines[venue].append(line_of(signed, chance))
        return signed

    def changes(self, world: Exchange) -> list[Transaction]:
        """Of trades that are held: other terms, the end of it, another side."""
        chance, made = self.chance, []
        for key, held in list(world.state.pending_trades.ordered())[:40]:
            if chance.random() > 0.15:
                continue
            named = (*key, held.buyer, held.seller, held.revision)
            until, signers = world.time_ms + 60_000, chance.choice(("v", "bs", "vbs")) if key[0] in VENUES else "bs"
            kind: int = chance.randint(0, 2)
            if kind == 0:
                due = held.due_ms + chance.choice((0, 2_000))
                words: Any = TradeCorrection(
                    *named, held.lots + chance.choice((-1, 1, 5)), held.ticks, due, until, b"", b"", b""
                )
                made.append(agreed(world, words, signers))
            elif kind == 1:
                made.append(agreed(world, TradeCancellation(*named, until, b"", b"", b""), signers))
            else:
                account, recipient = chance.choice((held.buyer, held.seller)), self.account(world)
                words = TradeGiveUp(*key, account, recipient, held.revision, until, bytes(65), bytes(65))
                giver, taker = world.owner.get(account, 0), world.owner[recipient]
                made.append(world.signed_by(words, signature=giver, recipient_signature=taker))
        return made

    def is_stopped(self, world: Exchange) -> bool:
        """Whether a venue is suspended."""
        return any(held.suspended for _, held in world.state.venues.ordered())

    def switch(self, world: Exchange) -> Transaction:
        """A venue stops itself; only the house lets it go on."""
        stopped = [each for each, held in world.state.venues.ordered() if held.suspended]
        venue = self.chance.choice(stopped or sorted(VENUES))
        held = world.state.venues.get(venue)
        suspended = not (held.suspended if held else False)
        words = VenueSwitch(venue, suspended, held.revision if held else 0, world.time_ms + 60_000, bytes(65))
        own = VENUES[venue] if self.chance.random() < 0.3 else secret(HOUSE)
        return msgspec.structs.replace(words, signature=sign_digest(own, words.digest(world.network)))

    def statements(self, world: Exchange) -> list[Transaction]:
        """Part after part of the first day, once it is over; what was never novated is in it, too."""
        day = START_MS // DAY_MS
        if world.time_ms <= (day + 1) * DAY_MS + 60_000:
            return []
        made: list[Transaction] = []
        for venue, own in sorted(VENUES.items()):
            ids = {each.venue_trade_id: each for each in self.lines[venue]}
            lines = [ids[each] for each in sorted(ids)]
            part = self.parts[venue]
            whole = -(-len(lines) // LINES)
            if part > whole or self.chance.random() < 0.3:
                continue
            said = tuple(lines[part * LINES : (part + 1) * LINES])
            words = VenueStatement(venue, day, part, part + 1 >= whole, said, world.time_ms + 60_000, bytes(65))
            made.append(msgspec.structs.replace(words, signature=sign_digest(own, words.digest(world.network))))
            self.parts[venue] += 1
        return made

    def account(self, world: Exchange) -> int:
        """Anybody's but the house's, mostly."""
        members = sorted(world.owned)
        return self.chance.choice(world.owned[self.chance.choice(members)])


def agreed(world: Exchange, words: Any, signers: str) -> Any:
    """`signers`: v the venue, b the buyer, s the seller."""
    digest = words.digest(world.network)
    keys = {
        "v": ("venue_signature", VENUES.get(words.venue, b"\x09" * 32)),
        "b": ("buyer_signature", secret(world.owner.get(words.buyer, 0))),
        "s": ("seller_signature", secret(world.owner.get(words.seller, 0))),
    }
    given = {name: sign_digest(own, digest) for name, own in (keys[each] for each in signers)}
    return msgspec.structs.replace(words, **given)


def line_of(told: TradeReport, chance: Random) -> StatementLine:
    """The trade as the venue has it in its book, sometimes otherwise."""
    lots = told.lots + (chance.random() < 0.1)
    return StatementLine(told.venue_trade_id, told.instrument, told.buyer, told.seller, lots, told.ticks)
