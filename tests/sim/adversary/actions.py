"""What colluders can do in a block: a finite grammar of actions, each turned into signed requests in its block.

Rule: an action names accounts and fractions, never amounts, so that it keeps its sense when others around it change. It
is a tuple of its kind and arguments, and plain data. What does not apply in its block makes no request. A new kind of
request is one entry of `ACTIONS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.records.default import DefaultRecord
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import token_currency
from tests.kit.clearing.genesis import BTC_PERP, DOLLAR, USD, USDC_1, WETH_1
from tests.sim.adversary.market import CLIENT, CLIENT_SECRET, DEALER, HOUSE, NAMES, Market, ether_micros
from tests.sim.adversary.sealed_bids import AUCTION_BLOCKS, bid_in_default

Action = tuple[Any, ...]
"""(kind, arguments)."""
Requests = list[Any]
PARTS = (100, 90, 75, 50, 25)
"""Percent of what could be moved at most."""
OFFSETS_PPM = (-90_000, -20_000, -5_000, 0, 5_000, 20_000, 90_000)
"""How far from the mark colluders trade with each other; the band is 10 %."""
SPREAD_PPM = 200
"""The dealer's price is this much from the index, against the one who asks."""
MARGIN_PPM = 206_000
"""A little more than initial margin and fees of a lot, as a fraction of its notional."""
MICROS_PER_TICK = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of action: how its arguments are drawn, what it requests, and how it is said."""

    draw: Callable[[Random, tuple[int, ...]], tuple[Any, ...]]
    request: Callable[..., Requests]
    words: Callable[..., str]
    blocks: Callable[..., int] = lambda *_: 1
    """For how many blocks it is done, by its arguments."""


def _key(market: Market, account: int) -> bytes:
    """Who signs for the account's money."""
    return CLIENT_SECRET if account == CLIENT else market.key_of(account)


def _free(market: Market, account: int, part: int) -> int:
    """Micros: a part of the cash above initial margin."""
    return max(min(market.cash(account), market.spare(account)), 0) * part // 100


def _draw_account_part(chance: Random, accounts: tuple[int, ...]) -> tuple[Any, ...]:
    return chance.choice(accounts), chance.choice(PARTS)


def _draw_pair_part(chance: Random, accounts: tuple[int, ...]) -> tuple[Any, ...]:
    first, second = chance.sample(accounts, 2) if len(accounts) > 1 else (accounts[0], accounts[0])
    return first, second, chance.choice(PARTS)


def deposit(market: Market, account: int, thousands: int) -> Requests:
    """Bring cash: a bridge fact, not a request of the block's transactions."""
    return [market.deposit_fact(account, USDC_1, thousands * 1_000 * DOLLAR)]


def withdraw(market: Market, account: int, part: int) -> Requests:
    """Take out free cash."""
    units = _free(market, account, part)
    return [market.withdrawal(account, USDC_1, units, key=_key(market, account))] if units else []


def withdraw_all(market: Market, account: int) -> Requests:
    """Ask for all cash, whatever margin it is."""
    units = market.cash(account)
    return [market.withdrawal(account, USDC_1, units, key=_key(market, account))] if units > 0 else []


def _capacity_lots(market: Market, account: int, part: int) -> int:
    per_lot = market.quote * MICROS_PER_TICK * MARGIN_PPM // 1_000_000
    return max(market.spare(account), 0) * part // 100 // per_lot


def trade_together(market: Market, buyer: int, seller: int, part: int, offset_ppm: int) -> Requests:
    """Two accounts of colluders trade, as much as the poorer can carry, at a price away from the mark."""
    lots = min(_capacity_lots(market, each, part) for each in (buyer, seller))
    mark = market.quoted_mark()
    ticks = mark + mark * offset_ppm // 1_000_000
    return [market.trade(buyer, seller, BTC_PERP, lots, ticks)] if lots and buyer != seller else []


def trade_with_dealer(market: Market, account: int, part: int, buys: bool) -> Requests:
    """Trade with the dealer at its price, as much as the account can carry."""
    return _dealt(market, account, _capacity_lots(market, account, part), buys=buys)


def close_with_dealer(market: Market, account: int) -> Requests:
    """Close the position with the dealer at its price."""
    lots = market.lots(account, BTC_PERP)
    return _dealt(market, account, abs(lots), buys=lots < 0)


def _dealt(market: Market, account: int, lots: int, *, buys: bool) -> Requests:
    if not lots:
        return []
    spread = market.quote * SPREAD_PPM // 1_000_000
    ticks = market.quote + (spread if buys else -spread)
    sides = (account, DEALER) if buys else (DEALER, account)
    return [market.trade(*sides, BTC_PERP, lots, ticks)]


def close_together(market: Market, account: int, other: int, offset_ppm: int) -> Requests:
    """Close the position of an account against another colluder's account, at a price away from the mark."""
    lots = market.lots(account, BTC_PERP)
    mark = market.quoted_mark()
    ticks = mark + mark * offset_ppm // 1_000_000
    sides = (other, account) if lots > 0 else (account, other)
    return [market.trade(*sides, BTC_PERP, abs(lots), ticks)] if lots and account != other else []


def wash(market: Market, buyer: int, seller: int, lots: int, offset_ppm: int, blocks: int) -> Requests:
    """Two accounts of colluders trade with each other, to and fro, at a price away from the mark."""
    sides = (buyer, seller) if market.state.now.height % 2 else (seller, buyer)
    mark = market.quoted_mark()
    ticks = mark + mark * offset_ppm // 1_000_000
    return [market.trade(*sides, BTC_PERP, lots, ticks)] if buyer != seller else []


def transfer(market: Market, account: int, recipient: int, part: int) -> Requests:
    """Move free cash to another account; the clearing house refuses it between members."""
    micros = _free(market, account, part)
    moved = market.transfer(account, recipient, micros, key=_key(market, account))
    return [moved] if micros and account != recipient else []


def swap_for_token(market: Market, account: int, part: int) -> Requests:
    """Swap free cash for ether with the dealer, at its index."""
    micros = _free(market, account, part)
    units = micros // ether_micros(market)
    return [market.swap(account, DEALER, (USD, micros), (token_currency(WETH_1), units))] if units else []


def swap_for_cash(market: Market, account: int) -> Requests:
    """Swap all ether back."""
    units = market.weth(account)
    micros = units * ether_micros(market)
    return [market.swap(account, DEALER, (token_currency(WETH_1), units), (USD, micros))] if units else []


def bid_slice(market: Market, bidder: int, liquidated: int, discount_ppm: int) -> Requests:
    """Bid for all of an account that is being liquidated."""
    record = market.state.liquidations.get(liquidated)
    if record is None or bidder == liquidated:
        return []
    return [market.liquidation_bid(bidder, liquidated, discount_ppm=discount_ppm)]


def bid_default(market: Market, bidder: int, part: int, ask_part: int) -> Requests:
    """Bid in the first default that is open, and reveal the bid when that is due.

    `ask_part`: percent of the highest ask; below 0 the bidder pays.
    """
    under_way = defaults_under_way(market.state)
    if not under_way:
        return []
    number, default = under_way[0]
    slices = max(market.genesis.crisis.default.auction_slices * part // 100, 1)
    ask = _highest_ask(market, default) * ask_part // 100
    return bid_in_default(market, bidder, number, default, (slices, ask))


def _highest_ask(market: Market, default: DefaultRecord) -> int:
    """What `auction_worst_ppm` of a slice's initial margin is; where there is a reserve price, it is lower."""
    terms, lots = market.genesis.crisis.default, current_holdings(market.state, default.estate).lots
    alone = Holdings([0] * len(market.genesis.cash_groups), [0] * len(market.state.terms.tokens), lots)
    whole = holdings_margin(current_arrays(market.state), alone).initial
    return whole // terms.auction_slices * terms.auction_worst_ppm // 1_000_000


def buy_inventory(market: Market, bidder: int, part: int) -> Requests:
    """Buy what the house took over, at the mark less the discount of the block."""
    lots = min(_capacity_lots(market, bidder, part), abs(market.lots(HOUSE, BTC_PERP)))
    return [market.inventory_bid(bidder, lots, instrument=BTC_PERP)] if lots else []


def bid_collateral(market: Market, bidder: int, seller: int) -> Requests:
    """Buy all ether that a lapsed cash call put up for sale, at any price."""
    units = market.weth(seller)
    if seller not in market.state.cash_calls or bidder == seller or not units:
        return []
    return [market.collateral_bid(bidder, seller, WETH_1, units, ether_micros(market))]


def _named(account: int) -> str:
    return NAMES[account]


def _price(offset_ppm: int) -> str:
    if not offset_ppm:
        return "at the mark"
    return f"{abs(offset_ppm) / 10_000:g} % {'above' if offset_ppm > 0 else 'below'} the mark"


ACTIONS: dict[str, Kind] = {
    "deposit": Kind(
        lambda chance, accounts: (chance.choice(accounts), chance.choice((5, 20, 50))),
        deposit,
        lambda account, thousands: f"{_named(account)} deposits {thousands},000",
    ),
    "withdraw": Kind(
        _draw_account_part,
        withdraw,
        lambda account, part: f"{_named(account)} withdraws {part} % of its free cash",
    ),
    "withdraw all": Kind(
        lambda chance, accounts: (chance.choice(accounts),),
        withdraw_all,
        lambda account: f"{_named(account)} withdraws all its cash",
    ),
    "trade": Kind(
        lambda chance, accounts: (*_draw_pair_part(chance, accounts), chance.choice(OFFSETS_PPM)),
        trade_together,
        lambda buyer, seller, part, offset: (
            f"{_named(buyer)} buys from {_named(seller)} {part} % of what margin carries, {_price(offset)}"
        ),
    ),
    "deal": Kind(
        lambda chance, accounts: (*_draw_account_part(chance, accounts), chance.random() < 0.5),
        trade_with_dealer,
        lambda account, part, buys: (
            f"{_named(account)} {'buys from' if buys else 'sells to'} the dealer {part} % of what margin carries"
        ),
    ),
    "close": Kind(
        lambda chance, accounts: (chance.choice(accounts),),
        close_with_dealer,
        lambda account: f"{_named(account)} closes its position with the dealer",
    ),
    "unwind": Kind(
        lambda chance, accounts: (*_draw_pair_part(chance, accounts)[:2], chance.choice(OFFSETS_PPM)),
        close_together,
        lambda account, other, offset: f"{_named(account)} closes its position with {_named(other)}, {_price(offset)}",
    ),
    "wash": Kind(
        lambda chance, accounts: (
            *_draw_pair_part(chance, accounts)[:2],
            chance.choice((1_000, 4_000, 16_000)),
            chance.choice(OFFSETS_PPM),
            chance.choice((4, 16, 48)),
        ),
        wash,
        lambda buyer, seller, lots, offset, blocks: (
            f"{_named(buyer)} and {_named(seller)} trade {lots} lots to and fro for {blocks} blocks, {_price(offset)}"
        ),
        lambda *arguments: arguments[-1],
    ),
    "transfer": Kind(
        _draw_pair_part,
        transfer,
        lambda account, other, part: f"{_named(account)} moves {part} % of its free cash to {_named(other)}",
    ),
    "swap": Kind(
        _draw_account_part,
        swap_for_token,
        lambda account, part: f"{_named(account)} swaps {part} % of its free cash for ether",
    ),
    "swap back": Kind(
        lambda chance, accounts: (chance.choice(accounts),),
        swap_for_cash,
        lambda account: f"{_named(account)} swaps its ether back",
    ),
    "bid slice": Kind(
        lambda chance, accounts: (*_draw_pair_part(chance, accounts)[:2], chance.choice((0, 5_000, 15_000))),
        bid_slice,
        lambda bidder, sold, discount: f"{_named(bidder)} bids for slices of {_named(sold)} from {discount} ppm on",
    ),
    "bid default": Kind(
        lambda chance, accounts: (*_draw_account_part(chance, accounts), chance.choice((-20, 0, 2, 10, 50, 100))),
        bid_default,
        lambda bidder, part, ask: f"{_named(bidder)} bids for {part} % of the defaulter at {ask} % of the highest ask",
        lambda *_: AUCTION_BLOCKS,
    ),
    "buy inventory": Kind(
        _draw_account_part,
        buy_inventory,
        lambda bidder, part: f"{_named(bidder)} buys from the house's inventory {part} % of what margin carries",
    ),
    "bid collateral": Kind(
        lambda chance, accounts: _draw_pair_part(chance, accounts)[:2],
        bid_collateral,
        lambda bidder, seller: f"{_named(bidder)} bids for ether of {_named(seller)}",
    ),
}


def draw_action(chance: Random, kinds: tuple[str, ...], accounts: tuple[int, ...]) -> Action:
    """A random action of these kinds by these accounts."""
    kind = chance.choice(kinds)
    return (kind, *ACTIONS[kind].draw(chance, accounts))


def requests_of(market: Market, action: Action) -> Requests:
    """What an action requests now: requests to sign, or deposits."""
    return ACTIONS[action[0]].request(market, *action[1:])


def blocks_of(action: Action) -> int:
    """For how many blocks an action is done."""
    return ACTIONS[action[0]].blocks(*action[1:])


def in_words(action: Action) -> str:
    """An action as a clause."""
    return ACTIONS[action[0]].words(*action[1:])
