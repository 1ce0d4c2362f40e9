"""Strategies of members. Each has one member's keys, its own chance, and sees what a member may see.

Rule: an agent asks; it never writes. Two-sided trades go through `Offer`: what one proposes another may take.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import msgspec

from clearing.base.secp256k1 import address
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.state.ledger import balance, cash_currency
from tests.kit.clearing.genesis import BTC, BTC_CALL, BTC_FUT, BTC_PERP, DOLLAR, ETH_PERP, USD, USDC_1, USDC_2, WETH_1
from tests.kit.clearing.signer import secret
from tests.sim.clearing import asking
from tests.sim.clearing.exchange import CLIENT, Exchange
from tests.sim.clearing.variants import OTHER_2

INSTRUMENTS = (BTC_PERP, BTC_PERP, ETH_PERP, ETH_PERP, BTC_FUT, BTC_CALL)
"""Most is traded in these."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A trade that somebody wants: positive lots are bought by `account`."""

    account: int
    instrument: int
    lots: int
    ticks: int


class Agent:
    """Honest: trades a little near the mark, keeps a cushion, brings cash when called, takes out what is spare."""

    start_dollars = 60_000
    lots = 400
    spread_ppm = 500
    takes_ppm = 2_000
    """How far from the mark a price may be that it agrees to."""
    pays_dues = 0.7

    def __init__(self, account: int, seed: int) -> None:
        self.account = account
        self.chance = Random(seed)

    def facts(self, world: Exchange) -> list[Fact]:
        record = world.state.accounts[self.account]
        if world.is_opening:
            return self.first(world)
        if record.called_height and self.chance.random() < 0.5:
            return [world.paid_in(self.account, self.chance.choice(world.cash_tokens), self.some(1, 5_000))]
        if not world.is_calm and self.chance.random() < 0.2 and self.free(world) < 5_000 * DOLLAR:
            return [world.paid_in(self.account, self.chance.choice(world.cash_tokens), self.some(5_000, 40_000))]
        if self.chance.random() < 0.02:
            return [world.paid_in(self.account, WETH_1, self.chance.randint(1, 5_000_000))]
        return []

    def first(self, world: Exchange) -> list[Fact]:
        """What it begins with, its client, too."""
        paid = [world.paid_in(self.account, self.chance.choice((USDC_1, USDC_2)), self.start_dollars * DOLLAR)]
        if not world.is_calm:
            paid.append(world.paid_in(self.account + CLIENT, USDC_1, self.start_dollars * DOLLAR // 4))
        if world.variant.second_group:
            paid.append(world.paid_in(self.account, OTHER_2, self.start_dollars * DOLLAR // 2))
        return paid

    def some(self, least: int, most: int) -> int:
        """So many whole dollars, in micros."""
        return self.chance.randint(least, most) * DOLLAR

    def dues(self, world: Exchange) -> list[Fact]:
        """Cash for what the fund calls for: mostly in time, mostly enough."""
        record = world.state.contributions.get(self.account)
        missing = record.required - record.micros if record else 0
        if missing <= 0 or self.chance.random() > self.pays_dues:
            return []
        tokens = [each for each in world.cash_tokens if world.group_of(each) == world.fund_group] or [USDC_1]
        token = self.chance.choice(tokens)
        return [world.paid_in(self.account, token, missing * self.chance.choice((1, 3, 4)) // 2 + 1)]

    def offers(self, world: Exchange) -> list[Offer]:
        # Small, many, and both ways: what an ordinary day is made of.
        wanted = self.chance.randint(0, 14 if world.is_calm else 26)
        lots = [self.chance.randint(1, self.lots) * self.chance.choice((-1, 1)) for _ in range(wanted)]
        return [self.offer(world, each, self.whose(world)) for each in lots]

    def whose(self, world: Exchange) -> int:
        """The account that it trades for: sometimes a client's, or another of its own."""
        return self.chance.choice(world.owned[self.account]) if self.chance.random() < 0.2 else self.account

    def offer(self, world: Exchange, lots: int, account: int = 0) -> Offer:
        """At a price near the mark."""
        instrument = self.chance.choice(INSTRUMENTS)
        if world.traded and self.chance.random() < 0.3:
            instrument = self.chance.choice(world.traded)
        mark = world.state.marks.get(instrument)
        ticks = mark.ticks if mark else 1
        away = ticks * self.chance.randint(-self.spread_ppm, self.spread_ppm) // 10**6
        return Offer(account or self.account, instrument, lots, max(ticks + away, 0))

    def takes(self, world: Exchange, offer: Offer) -> bool:
        mark = world.state.marks.get(offer.instrument)
        if mark is None or world.owner.get(offer.account) == self.account:
            return False
        return abs(offer.ticks - mark.ticks) * 10**6 <= max(mark.ticks, 1) * self.takes_ppm

    def requests(self, world: Exchange) -> list[Transaction]:
        if self.chance.random() > 0.15:
            return []
        spare = self.cash(world) // 20
        if spare <= 0:
            return []
        other = self.account + CLIENT
        if self.chance.random() < 0.5:
            return [world.transfer(self.account, other, self.chance.randint(1, spare))]
        return [world.withdrawal(self.account, self.chance.choice(world.cash_tokens), self.chance.randint(1, spare))]

    def besides(self, world: Exchange) -> list[Transaction]:
        """About accounts, and for feeds that are halted: as anybody does."""
        made = asking.reopening_orders(world, self.account, self.chance)
        made += asking.affiliations(world, self.account)
        made += asking.standbys(world, self.account)
        return made + asking.account_requests(world, self.account, self.chance)

    def in_crisis(self, world: Exchange) -> list[Transaction]:
        """What it asks for because somebody cannot pay: an honest member pays its part and helps now and then."""
        made = asking.contributions(world, self.account, self.chance)
        made += asking.ways_back(world, self.account, self.chance)
        if self.chance.random() < 0.3:
            made += asking.slice_bids(world, self.account, self.chance)
            made += asking.inventory_bids(world, self.account, self.chance)
        if self.chance.random() < 0.2:
            made += asking.default_bids(world, self.account, self.chance)
            made += asking.rescues(world, self.account)
        return made

    def cash(self, world: Exchange) -> int:
        return balance(world.state, self.account, cash_currency(USD))

    def free(self, world: Exchange) -> int:
        """Micros above its initial margin."""
        margin = world.margin(self.account)
        return margin.equity - margin.initial


class Aggressive(Agent):
    """As many lots as its margin allows, and more when it wins."""

    def offers(self, world: Exchange) -> list[Offer]:
        """Large ones, about what its free equity carries; odd accounts are long."""
        free = self.free(world)
        if free <= 0:
            return []
        made = []
        for _ in range(2):
            offer = self.offer(world, 1)
            mark = max(offer.ticks, 1) * world.state.terms.instruments[offer.instrument].micros_per_tick
            lots = free * self.chance.randint(20, 110) // 100 * 5 // mark
            if 0 < lots < 2**38:
                sized = replace(offer, lots=lots if self.account % 2 else -lots)
                made.append(replace(sized, account=self.whose(world)) if lots < 2_000 else sized)
        return made

    def requests(self, world: Exchange) -> list[Transaction]:
        return []


class Insolvent(Aggressive):
    """Never brings cash, and takes out whatever it may."""

    start_dollars = 20_000
    pays_dues = 0.1
    """In the end somebody takes it over."""

    def facts(self, world: Exchange) -> list[Fact]:
        """Once; where prices crash, it finds somebody to begin anew with."""
        anew = world.variant.crashes and self.chance.random() < 0.05 and self.free(world) <= 0
        return self.first(world) if world.is_opening or anew else []

    def requests(self, world: Exchange) -> list[Transaction]:
        """All that is above margin, and a little more."""
        free = self.free(world)
        if free <= 0:
            return []
        token = self.chance.choice(world.cash_tokens)
        return [world.withdrawal(self.account, token, free + self.chance.choice((-5, 0, 1, 7)))]

    def in_crisis(self, world: Exchange) -> list[Transaction]:
        """Pays for nobody, bids with what it does not have, and wants to come back each time."""
        made = asking.contributions(world, self.account, self.chance)
        made += asking.slice_bids(world, self.account, self.chance)
        return made + asking.ways_back(world, self.account, self.chance)


class Griefer(Agent):
    """Floods with the smallest, the repeated, the forged and the senseless."""

    def __init__(self, account: int, seed: int) -> None:
        super().__init__(account, seed)
        self.said: list[Transaction] = []

    def facts(self, world: Exchange) -> list[Fact]:
        """Dust for itself, for others and for nobody."""
        if world.is_opening:
            return super().facts(world)
        to = self.chance.choice((self.account, self.account - 1, 999, 2**48))
        token = self.chance.choice((USDC_1, USDC_2, WETH_1))
        depositor = bytes([self.chance.randint(1, 9)]) * 20
        return [world.deposit_fact(to, token, self.chance.choice((1, 999, 10**9)), depositor)]

    def offers(self, world: Exchange) -> list[Offer]:
        """One lot at a time, either way."""
        return [self.offer(world, self.chance.choice((-1, 1))) for _ in range(10)]

    def requests(self, world: Exchange) -> list[Transaction]:
        """Single units, and again what was said before, as it was and with another number."""
        size = self.chance.choice((0, 1, 1, 1, 2**62))
        made: list[Transaction] = [
            world.withdrawal(self.account, self.chance.choice((USDC_1, USDC_2, WETH_1, 77)), size),
            world.transfer(self.account, self.account + CLIENT, size),
            world.swap(self.account, self.account + CLIENT, (USD, 1), (2**32 + WETH_1, 0)),
            world.collateral_bid(self.account, self.account - 1, WETH_1, 1, 10**6),
        ]
        if self.said:
            old = self.chance.choice(self.said)
            made.append(old)
            if hasattr(old, "nonce"):
                made.append(msgspec.structs.replace(old, nonce=old.nonce + 1))
        self.said = (self.said + made)[-30:]
        return made

    def in_crisis(self, world: Exchange) -> list[Transaction]:
        """Asks for what is not there, and bids the least for what is."""
        made = asking.nonsense(world, self.account, self.chance)
        return made + asking.default_bids(world, self.account, self.chance)


class OracleAttacker(Agent):
    """Has a validator lie about a price in the direction of its own position, and trades just before."""

    lots = 5_000

    def offers(self, world: Exchange) -> list[Offer]:
        """Buys; the lie comes with the next block."""
        world.lies = {}
        if self.chance.random() < 0.3:
            more, less = self.chance.choice((2, 11, 99)), self.chance.choice((1, 10, 100))
            world.lies = {BTC: world.ticks[BTC] * more // less + 1}
        return [self.offer(world, self.chance.randint(1, self.lots))]


class WithdrawalRacer(Agent):
    """Takes everything out whenever prices moved against it, before they are settled, on both chains at once."""

    def __init__(self, account: int, seed: int) -> None:
        super().__init__(account, seed)
        self._seen = 0

    def requests(self, world: Exchange) -> list[Transaction]:
        """All of it, twice."""
        moved, self._seen = world.ticks[BTC] - self._seen, world.ticks[BTC]
        if abs(moved) * 200 < self._seen:
            return []
        cash = self.cash(world)
        if cash <= 0:
            return []
        halves = [world.withdrawal(self.account, asset, max(cash // 2, 1)) for asset in (USDC_1, USDC_2)]
        whole = world.withdrawal(self.account, USDC_1, cash), world.transfer(self.account, self.account + CLIENT, cash)
        return [*halves, *whole]

    def in_crisis(self, world: Exchange) -> list[Transaction]:
        """Takes back what waits whenever it feels like it, so as to ask anew."""
        return asking.cancellations(world, self.account) if self.chance.random() < 0.4 else []


class Bidder(Agent):
    """Buys what is auctioned, and offers to take the other side of anything near the mark."""

    start_dollars = 300_000
    takes_ppm = 20_000

    def requests(self, world: Exchange) -> list[Transaction]:
        chance, calls = (
            self.chance,
            [seller for seller, _ in world.state.cash_calls.ordered() if seller != self.account],
        )
        bids = [(seller, WETH_1, chance.randint(1, 10**7), chance.choice((150, 190, 210))) for seller in calls[:3]]
        return [world.collateral_bid(self.account, *bid) for bid in bids]

    def in_crisis(self, world: Exchange) -> list[Transaction]:
        """Bids for everything, takes in every client."""
        made = asking.slice_bids(world, self.account, self.chance)
        made += asking.default_bids(world, self.account, self.chance)
        made += asking.rescues(world, self.account)
        return made + asking.contributions(world, self.account, self.chance)


class Newcomer(Agent):
    """Whom a vote may take in: pays in once it is a member."""

    def facts(self, world: Exchange) -> list[Fact]:
        """A deposit before it is known is credited once it is, or comes back."""
        if self.chance.random() < 0.03:
            key = address(secret(self.account))
            return [world.deposit_fact(self.account, USDC_1, world.amount(USDC_1, self.some(1, 30_000)), key)]
        return super().facts(world) if self.account in world.owned else []


KINDS: Sequence[type[Agent]] = (Agent, Agent, Aggressive, Insolvent, Griefer, OracleAttacker, WithdrawalRacer, Bidder)
