"""The network of the replay: its genesis, its members, and the blocks that the recorded hours become.

Rule: one block each hour before the books are opened, so that ranges are what they would have been; one each five
minutes from then on. It counts nothing.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from benchmarks.frontier.depth import DealerBook, Depth
from benchmarks.march2020.books import SEEDS_MAX, book_of_seed, has_client, means_of
from benchmarks.march2020.covered import StressCover, charges_of_a_draft, is_covered, open_covered, stress_cover
from benchmarks.march2020.hours import BLOCKS, HOUR_MS, OPENING_S, Hour, blocks_of
from benchmarks.march2020.sealed import sealed_bids
from benchmarks.march2020.settings import STRESS
from clearing.base.secp256k1 import address, sign_digest
from clearing.base.units import PPM, mul_div_up
from clearing.context.block_context import DENOMINATOR
from clearing.context.unresolved_losses import defaults_under_way
from clearing.liquidation.auction import auction_discount_ppm
from clearing.liquidation.slices import restoring_share
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.receipts.default import PortfolioSold
from clearing.schema.receipts.liquidation import SliceSold
from clearing.schema.records.default import DefaultPhase, DefaultRecord
from clearing.schema.requests.auctions import DefaultBid, LiquidationBid
from clearing.schema.requests.default import ClientRescue
from clearing.schema.requests.trades import Trade
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.genesis import (
    AccountKind,
    AccountTerms,
    CrisisParameters,
    Genesis,
    MarketParameters,
    MemberTerms,
)
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, positions_of
from devnet.risk_set import RiskSet
from lab.backtest.walk import FIRST_RANGE_PPM, MICROS_PER_TICK, lots_of
from tests.kit.clearing.genesis import BTC, DOLLAR, ETH, HOUSE, USD, USDC_1, make_genesis
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World

FIRST = 100
"""Member and account of seed 0; a client's account is FIRST + SEEDS_MAX + seed."""
DEALERS = (1, 2, 3, 4)
"""Members that stand opposite to all books; they have plenty and bid in auctions."""
DISCOUNTS_PPM = (2_000, 5_000, 10_000, 15_000)
"""What each of them wants of the notional at least, to take a slice."""
OWN_DISCOUNT_MAX_PPM = 90_000
"""Trades are within the price band of a tenth."""
DEALER_DOLLARS, HOUSE_DOLLARS = 200_000_000, 10_000_000
INSTRUMENTS = (1, 2)
QUIET_BLOCKS = 400
"""At the last price, so that all that was begun ends."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the hours are replayed."""

    horizon_hours: int = 1
    """That the initial margin is to cover."""
    blocks: int = BLOCKS
    """In an hour."""
    opening_s: int = OPENING_S
    risk: RiskSet | None = None
    """Ranges, stress and penalty of a set of parameters; without one, the defaults for `horizon_hours`."""
    depth: Depth | None = None
    """How much dealers take, and at what discount; without it everything, at `DISCOUNTS_PPM`."""
    has_roots: bool = False
    """Whether states are hashed."""


def account_of(seed: int) -> int:
    """The member's own account."""
    return FIRST + seed


def client_of(seed: int) -> int:
    """Its client's, whose book is that of seed + SEEDS_MAX."""
    return FIRST + SEEDS_MAX + seed


def replay_genesis(seeds: range, first_ms: int, crisis: CrisisParameters, plan: Plan) -> Genesis:
    """Two perpetuals marked at their index; ranges as `docs/explanation/backtest.md` tests them."""
    ranges = RangeParameters(interval_ms=HOUR_MS, horizon_ms=plan.horizon_hours * HOUR_MS)
    market, stress = MarketParameters(epoch_blocks=BLOCKS, request_ms_max=HOUR_MS), STRESS
    if plan.risk is not None:
        ranges, stress = plan.risk.ranges, plan.risk.stress
        market = msgspec.structs.replace(market, liquidation_penalty_ppm=plan.risk.penalty_ppm)
    groups = tuple(RiskGroup(at, name, at, FIRST_RANGE_PPM, 800_000, 0) for at, name in ((BTC, "BTC"), (ETH, "ETH")))
    members = [MemberTerms(each, f"dealer-{each}", address(secret(each)), _accounts(each)) for each in DEALERS]
    members += [
        MemberTerms(
            account_of(seed),
            f"book-{seed}",
            address(secret(account_of(seed))),
            _accounts(account_of(seed), client_of(seed) if has_client(seed) else 0),
        )
        for seed in seeds
    ]
    charges = charges_of_a_draft() if plan.risk is not None else ()
    risk = RiskParameters(groups, stress=stress if crisis.fund.enabled else (), charges=charges)
    base = make_genesis(market, risk)
    return msgspec.structs.replace(
        base,
        name="march-2020",
        time_ms=first_ms,
        assets=base.assets[:1],
        instruments=tuple(
            Instrument(each, f"{name}-PERP", InstrumentKind.PERPETUAL, each, each, USD, MICROS_PER_TICK)
            for each, name in zip(INSTRUMENTS, ("BTC", "ETH"), strict=True)
        ),
        members=(base.members[0], *members),
        ranges=ranges,
        crisis=crisis,
    )


def _accounts(own: int, client: int = 0) -> tuple[AccountTerms, ...]:
    clients = (AccountTerms(client, AccountKind.CLIENT),) if client else ()
    return (AccountTerms(own, AccountKind.HOUSE), *clients)


class March(World):
    """A world whose prices are the recorded ones. `on_block` is called with each result."""

    def __init__(self, hours: Sequence[Hour], seeds: range, crisis: CrisisParameters, plan: Plan) -> None:
        first_ms = hours[0].time_s * 1000
        super().__init__(replay_genesis(seeds, first_ms, crisis, plan), check=False)
        self.seeds, self.time_ms, self.plan = seeds, first_ms, plan
        self.before = [each for each in hours if each.time_s < plan.opening_s]
        self.hours = [each for each in hours if each.time_s >= plan.opening_s]
        self.ticks: tuple[int, ...] = ()
        self.dealers = DealerBook(plan.depth, DEALERS) if plan.depth is not None else None
        self.opened: dict[int, AccountMargin] = {}
        """Every book's margin when it was opened, by account."""
        self.cover = StressCover()
        self.committed: dict[tuple[int, int], tuple[int, int]] = {}
        """Slices and ask of sealed bids, by default and dealer."""
        self.owner |= {member: member for member in DEALERS}
        for seed in seeds:
            self.owner |= {account_of(seed): account_of(seed), client_of(seed): account_of(seed)}

    def step(
        self, time_ms: int, ticks: tuple[int, ...], facts: Sequence[Fact] = (), requests: Sequence[Transaction] = ()
    ) -> BlockResult:
        """One block at this time with these prices."""
        self.ticks = ticks
        if self.dealers is not None:
            self.dealers.see(ticks)
        prices = tuple(zip((BTC, ETH), ticks, strict=True))
        if self.opened and (self.state.now.height + 1) % BLOCKS == 0:  # so that epochs close, and the fund is sized
            facts = [*facts, *self.custody_facts(4 * self.state.now.height)]
        result = self.block(*requests, prices=prices, facts=facts, after_ms=time_ms - self.state.now.time_ms)
        self.cover.note(result)
        self.blocks.clear()
        self.results.clear()
        self._note_fills(result)
        return result

    def _note_fills(self, result: BlockResult) -> None:
        """What dealers took is in their inventories."""
        if self.dealers is None:
            return
        for receipt in result.receipts:
            if isinstance(receipt, SliceSold) and receipt.bidder in DEALERS:
                self.dealers.take(receipt.bidder, receipt.notional / DOLLAR)
            elif isinstance(receipt, PortfolioSold) and receipt.account in DEALERS:
                lots = [(each.instrument, each.lots) for each in receipt.positions]
                self.dealers.take(receipt.account, self.notional_of(lots) / DOLLAR)

    def notional_of(self, positions: Iterable[tuple[int, int]]) -> int:
        """Micros at the mark."""
        marks = self.state.marks
        return sum(abs(lots) * marks[instrument].ticks * MICROS_PER_TICK for instrument, lots in positions)

    def warm_up(self) -> None:
        """What the network saw before; dealers and the house pay in."""
        for hour in self.before:
            self.step((hour.time_s * 1000) + HOUR_MS, tuple(candle[3] for candle in hour.candles))
        facts = [self.deposit_fact(each, USDC_1, DEALER_DOLLARS * DOLLAR) for each in DEALERS]
        facts.append(self.deposit_fact(HOUSE, USDC_1, HOUSE_DOLLARS * DOLLAR))
        self.step(self.state.now.time_ms, self.ticks, facts)

    def open_books(self) -> None:
        """Every book pays in its initial margin and its cushion, then trades with a dealer at the mark."""
        covered, deposits, all_trades = is_covered(self.genesis.crisis), dict[int, int](), list[Trade]()
        for seed in self.seeds:
            for account, book in self.books_of(seed):
                lots = lots_of(book_of_seed(book), self.ticks)
                margin = self.margin_of_lots(lots)
                self.opened[account] = margin
                paid = margin.initial + mul_div_up(margin.initial, means_of(book).cushion_ppm, PPM)
                trades = self.opening_trades(account, DEALERS[seed % len(DEALERS)], lots)
                if covered:
                    if missing := stress_cover(self, lots, paid):
                        self.cover.brought[account] = missing
                    deposits[account] = paid + missing
                    all_trades += trades
                else:
                    self.step(self.state.now.time_ms, self.ticks, [self.deposit_fact(account, USDC_1, paid)], trades)
        if covered:
            open_covered(self, deposits, all_trades)
        if self.dealers is not None:
            accounts = [account for seed in self.seeds for account, _ in self.books_of(seed)]
            whole = sum(self.notional_of(positions_of(self.state, each).lots) for each in accounts)
            self.dealers.whole[0] = whole / DOLLAR

    def opening_trades(self, account: int, dealer: int, lots: Sequence[int]) -> list[Trade]:
        """With a dealer, at the mark."""
        return [
            self.trade(
                *((account, dealer) if size > 0 else (dealer, account)),
                instrument,
                abs(size),
                ticks,
                not_after_ms=self.state.now.time_ms + 60_000,
            )
            for instrument, size, ticks in zip(INSTRUMENTS, lots, self.ticks, strict=True)
            if size
        ]

    def books_of(self, seed: int) -> list[tuple[int, int]]:
        """(account, seed of its book) of a member's own account and of its client's."""
        books = [(account_of(seed), seed)]
        if has_client(seed):
            books.append((client_of(seed), seed + SEEDS_MAX))
        return books

    def margin_of_lots(self, lots: Sequence[int]) -> AccountMargin:
        """The margin of these lots alone."""
        held = current_holdings(self.state, account_of(self.seeds[0]))
        held.lots = list(lots)
        return holdings_margin(current_arrays(self.state), held)

    def bids(self) -> list[Transaction]:
        """What dealers ask for: a half of all that is for sale each, the keenest first, and all clients in need."""
        height = self.state.now.height + 1
        made: list[Transaction] = []
        for seller, sale in self.state.liquidations.ordered():
            if self.dealers is None and sale.first_height <= height <= sale.last_height:
                for dealer, least in zip(DEALERS, DISCOUNTS_PPM, strict=True):
                    made.append(self.ask(LiquidationBid, dealer, seller, sale.opened_height, DENOMINATOR // 2, least))
        if self.dealers is not None:
            made += self.thin_bids(self.dealers, height)
        for number, held in defaults_under_way(self.state):
            if held.phase is DefaultPhase.OPEN and held.reveal_height:
                made += sealed_bids(self, number, held)
            elif held.phase is DefaultPhase.OPEN and held.auction_height == height:
                made += self.default_bids(number, held)
            if held.phase is DefaultPhase.OPEN and held.porting_height >= height:
                made += [self.rescue(client, number) for client in held.client_accounts]
        return made

    def thin_bids(self, dealers: DealerBook, height: int) -> list[Transaction]:
        """What dealers take of sales that reach their discount, in proportion to what accounts have to sell."""
        terms, made = self.genesis.crisis.liquidation, []
        sales = [
            (
                seller,
                sale,
                auction_discount_ppm(terms.start_ppm, terms.end_ppm, sale.first_height, sale.last_height, height),
            )
            for seller, sale in self.state.liquidations.ordered()
            if sale.first_height <= height <= sale.last_height
        ]
        offered = {seller: self.offered(seller, discount) for seller, _, discount in sales}
        for dealer, discount, size in dealers.bids():
            least = math.ceil(discount * PPM)
            open_to = [(seller, sale) for seller, sale, reached in sales if reached >= least and offered[seller] > 0]
            total = sum(offered[seller] for seller, _ in open_to)
            for seller, sale in open_to:
                taken = min(size / total, 1.0) * offered[seller]
                share = math.floor(taken / self.worth_of_sale(seller) * DENOMINATOR)
                if share > 0:
                    made.append(self.ask(LiquidationBid, dealer, seller, sale.opened_height, share, least))
                    offered[seller] -= taken
        return made

    def worth_of_sale(self, seller: int) -> float:
        """Dollars of notional of the account's positions."""
        return self.notional_of(positions_of(self.state, seller).lots) / DOLLAR

    def offered(self, seller: int, discount_ppm: int) -> float:
        """Dollars that the account sells at this discount, as of the block before."""
        margin, whole = self.margin(seller), self.notional_of(positions_of(self.state, seller).lots)
        cost = self.genesis.market.liquidation_penalty_ppm + discount_ppm
        share = restoring_share(margin.equity, margin.initial, whole, cost_ppm=cost)
        return whole * share / DENOMINATOR / DOLLAR

    def default_bids(self, number: int, default: DefaultRecord) -> list[DefaultBid]:
        """Half of a defaulter's portfolio each, for the same part of the notional as in any sale."""
        slices, whole = self.genesis.crisis.default.auction_slices, 0
        for instrument, lots in positions_of(self.state, default.estate).lots:
            whole += abs(lots) * self.state.marks[instrument].ticks * MICROS_PER_TICK
        if self.dealers is not None:
            blocks = max(self.genesis.crisis.default.auction_blocks, 1)
            shares = [
                (dealer, math.floor(slices * min(size * blocks * DOLLAR / max(whole, 1), 1)), math.ceil(discount * PPM))
                for dealer, discount, size in self.dealers.bids()
            ]
        else:
            shares = [(dealer, slices // 2, least) for dealer, least in zip(DEALERS, DISCOUNTS_PPM, strict=True)]
        return [
            self.ask(DefaultBid, dealer, number, count, whole * least // PPM // slices)
            for dealer, count, least in shares
            if count
        ]

    def rescue(self, client: int, number: int) -> Transaction:
        """A dealer takes a client in; the house signs for clients without keys."""
        self.nonce += 1
        until = self.state.now.time_ms + HOUR_MS // 2
        dealer = DEALERS[client % len(DEALERS)]
        words = ClientRescue(client, number, dealer, self.nonce, until, bytes(65), bytes(65))
        digest = words.digest(self.network)
        return msgspec.structs.replace(
            words,
            member_signature=sign_digest(secret(dealer), digest),
            client_signature=sign_digest(secret(HOUSE), digest),
        )

    def ask(self, kind: type[Any], account: int, *fields: int) -> Any:
        """A request of `account`, signed by its member."""
        self.nonce += 1
        words = kind(account, *fields, self.nonce, self.state.now.time_ms + HOUR_MS // 2, bytes(65))
        return msgspec.structs.replace(words, signature=sign_digest(secret(account), words.digest(self.network)))

    def is_selling(self, account: int) -> bool:
        """Whether the account's positions are being sold for it."""
        return account in self.state.liquidations

    def quarter(self, account: int) -> list[Trade]:
        """Trades by which the account closes a quarter of each position with its dealer, a little off the mark."""
        dealer = DEALERS[account % len(DEALERS)]
        trades = []
        for instrument, lots in positions_of(self.state, account).lots:
            mark, size = self.state.marks[instrument].ticks, -(-abs(lots) // 4)
            off = mark * self.own_discount_ppm() // PPM
            ticks = mark - off if lots > 0 else mark + off
            sides = (dealer, account) if lots > 0 else (account, dealer)
            until = self.state.now.time_ms + HOUR_MS // 2
            trades.append(self.trade(*sides, instrument, size, ticks, not_after_ms=until))
        return trades

    def own_discount_ppm(self) -> int:
        """What a member that sells by itself gets less than the mark: what the keenest dealer wants."""
        if self.dealers is None:
            return DISCOUNTS_PPM[0]
        return min(math.ceil(self.dealers.bids()[0][1] * PPM), OWN_DISCOUNT_MAX_PPM)

    def margin(self, account: int) -> AccountMargin:
        """Of an account now."""
        return holdings_margin(current_arrays(self.state), current_holdings(self.state, account))

    def path(self) -> list[tuple[int, tuple[int, ...]]]:
        """Times and prices of all blocks of March."""
        return [each for hour in self.hours for each in blocks_of(hour, self.plan.blocks)]
