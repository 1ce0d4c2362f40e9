"""Session keys and bundles: members that name keys, and trades that are signed by them or together.

Rule: as agents: asks, never writes. Some ask for what they may not: beyond a limit, with a revoked or a stranger's key,
the same trade twice. All chance is its own, so that a story without it is the same but for its trades.
"""

from random import Random

from clearing.base.secp256k1 import address
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.trades import BundledTrade, SessionKey, Trade, TradeBundle
from tests.sim.clearing.exchange import Exchange

NAMED = 3
"""Session keys that are named in one block, at most."""
KEYS = 5
"""Of one account: one more than it may have at a time."""


def session_secret(account: int, number: int) -> bytes:
    return (1 << 200 | account * KEYS + number).to_bytes(32, "big")


class SessionSigning:
    """Of a story; the same seed asks for the same."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed * 41 + 7)

    def names(self, world: Exchange) -> list[Transaction]:
        """Session keys of any accounts; some narrow, some short, some revoked."""
        return [self._named(world) for _ in range(self.chance.randint(0, NAMED))]

    def signed(self, world: Exchange, trades: list[Transaction]) -> list[Transaction]:
        """The trades, some of them signed by session keys, some in bundles, some both."""
        return [self._signed(world, each) if isinstance(each, Trade) else each for each in trades]

    def _named(self, world: Exchange) -> Transaction:
        chance = self.chance
        account = chance.choice([each for own in world.owned.values() for each in own])
        lots, day = chance.choice((5, 400, 400)), chance.choice((10**10, 10**13, 10**13))
        notional = chance.choice((10**9, 10**11, 10**11))
        expires_ms = chance.choice((0, world.time_ms + 5_000, *(world.time_ms + 600_000,) * 4))
        key = address(session_secret(account, chance.randrange(KEYS)))
        return world.request(SessionKey, account, key, lots, notional, day, expires_ms)

    def _signed(self, world: Exchange, trade: Trade) -> Transaction:
        chance = self.chance
        kind = chance.random()
        if kind < 0.7:
            return trade
        keys = [self._key(world, account) for account in (trade.buyer, trade.seller)]
        if kind < 0.85:
            return world.sign(trade, buyer_signature=keys[0], seller_signature=keys[1])
        swapped = chance.random() < 0.5
        sides = (trade.seller, trade.buyer) if swapped else (trade.buyer, trade.seller)
        lines = self._lines(world, trade, -1 if swapped else 1)
        bundle = world.request(TradeBundle, trade.venue, *sides, lines, key=keys[swapped])
        return world.sign(bundle, signature=keys[swapped], counterparty_signature=keys[not swapped])

    def _lines(self, world: Exchange, trade: Trade, sign: int) -> tuple[BundledTrade, ...]:
        """The trade in pieces; sometimes one of them twice, or far from the mark."""
        chance, left, lines = self.chance, trade.lots, []
        while left:
            lots = min(left, chance.randint(1, max(1, trade.lots // 2)))
            if len(lines) == 11:
                lots = left
            left -= lots
            world.trade_ids += chance.random() < 0.95
            ticks = trade.ticks * (3 if chance.random() < 0.03 else 1)
            lines.append(BundledTrade(world.trade_ids, trade.instrument, sign * lots, ticks))
        return tuple(lines)

    def _key(self, world: Exchange, account: int) -> bytes:
        """The member's own, a session key whether it is named or not, or somebody else's."""
        kind = self.chance.random()
        if kind < 0.4:
            return world.key_of(account)
        if kind < 0.97:
            known = world.state.session_keys.get(account)
            named = [number for number in range(KEYS) if known and _is_named(known.keys, account, number)]
            return session_secret(account, self.chance.choice(named or range(KEYS)))
        return session_secret(account + 1, 0)


def _is_named(keys: tuple[object, ...], account: int, number: int) -> bool:
    wanted = address(session_secret(account, number))
    return any(getattr(each, "key", None) == wanted for each in keys)
