"""A world with two venues, a client with a key of its own, and verbs for all that venues and members sign."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from clearing.base.secp256k1 import address
from clearing.base.units import DAY_MS
from clearing.schema.blocks.block import BlockResult
from clearing.schema.requests.accounts import (
    AccountClosing,
    AccountOpening,
    AccountPorting,
    CashTransfer,
    TokenTransfer,
)
from clearing.schema.requests.trades import (
    StatementLine,
    Trade,
    TradeCancellation,
    TradeCorrection,
    TradeGiveUp,
    TradeReport,
    VenueMandate,
    VenueStatement,
    VenueSwitch,
)
from clearing.schema.terms.genesis import AccountKind, Genesis, VenueTerms
from tests.kit.clearing.signer import secret, signed
from tests.kit.clearing.world import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, START_MS, USDC_1, World, make_genesis

VENUE, OTHER_VENUE, NO_VENUE = 7, 8, 0
VENUE_SECRETS = {VENUE: b"\x07" * 32, OTHER_VENUE: b"\x08" * 32}
CLIENT_SECRET = b"\x55" * 32
CLIENT_KEY = address(CLIENT_SECRET)
PRICE = 790_000
STEADY = ((1, PRICE), (2, 20_000))
TODAY = START_MS // DAY_MS


def venue_genesis(*, fee_ppm: int = 0, band_ppm: int = 0, id_chunks: int = 2, **market: int) -> Genesis:
    base = make_genesis()
    venues = tuple(
        VenueTerms(each, f"venue-{each}", address(key), band_ppm, fee_ppm, HOUSE, id_chunks)
        for each, key in VENUE_SECRETS.items()
    )
    return msgspec.structs.replace(
        base,
        venues=venues,
        market=msgspec.structs.replace(base.market, move_cap_ppm=300_000, epoch_blocks=5, **market),
    )


class Desk(World):
    """Everybody with cash, prices open, ALICE and BOB with a mandate to VENUE."""

    def __init__(self, genesis: Genesis | None = None, *, mandates: bool = True, dollars: int = 100_000) -> None:
        super().__init__(genesis or venue_genesis())
        self.reports = 0
        self.prices(PRICE)
        self.block(facts=[self.deposit_fact(each, USDC_1, dollars * DOLLAR) for each in (HOUSE, ALICE, BOB, CAROL)])
        if mandates:
            self.block(self.mandate(ALICE), self.mandate(BOB))

    def block(self, *transactions: Any, prices: Sequence[tuple[int, int]] = STEADY, **more: Any) -> BlockResult:
        """A block with fresh prices, so that nothing is stale however much time passes."""
        return super().block(*transactions, prices=prices, **more)

    def mandate(
        self, account: int, venue: int = VENUE, lots: int = 10**6, notional: int = 2**60, day: int = 2**61, **more: int
    ) -> VenueMandate:
        expires_ms = self.time_ms + 30 * DAY_MS
        return self.request(VenueMandate, account, venue, lots, notional, day, expires_ms, **more)

    def report(
        self,
        buyer: int,
        seller: int,
        lots: int = 10,
        ticks: int = PRICE,
        *,
        signers: str = "v",
        hold_ms: int = 0,
        **more: int,
    ) -> TradeReport:
        """`signers`: v the venue, b the buyer, s the seller."""
        self.reports += 1
        now = self.time_ms
        bare = self.request(
            TradeReport, VENUE, self.reports, buyer, seller, BTC_PERP, lots, ticks, now,
            now + hold_ms if hold_ms else 0, **more,
        )  # fmt: skip
        return self.agreed(bare, signers)

    def agreed(self, request: Any, signers: str) -> Any:
        keys = {
            "v": ("venue_signature", VENUE_SECRETS.get(request.venue, b"\x09" * 32)),
            "b": ("buyer_signature", self.key_of(request.buyer)),
            "s": ("seller_signature", self.key_of(request.seller)),
        }
        return signed(request, self.network, **dict(keys[each] for each in signers))

    def bilateral(self, buyer: int, seller: int, **more: Any) -> TradeReport:
        return self.report(buyer, seller, signers="bs", **{"venue": NO_VENUE, **more})

    def correction(self, told: TradeReport, revision: int = 0, signers: str = "v", **more: int) -> TradeCorrection:
        same = (*key_of(told), told.buyer, told.seller, revision)
        bare = self.request(TradeCorrection, *same, told.lots, told.ticks, told.not_before_ms, **more)
        return self.agreed(bare, signers)

    def cancellation(self, told: TradeReport, revision: int = 0, signers: str = "v", **more: int) -> TradeCancellation:
        bare = self.request(TradeCancellation, *key_of(told), told.buyer, told.seller, revision, **more)
        return self.agreed(bare, signers)

    def give_up(self, told: TradeReport, account: int, recipient: int, revision: int = 0) -> TradeGiveUp:
        words = self.request(TradeGiveUp, *key_of(told), account, recipient, revision)
        return self.sign(words, recipient_signature=self.key_of(recipient))

    def statement(
        self, lines: Iterable[StatementLine], day: int = TODAY, part: int = 0, *, last: bool = True
    ) -> VenueStatement:
        return self.request(VenueStatement, VENUE, day, part, last, tuple(lines), key=VENUE_SECRETS[VENUE])

    def switch(self, key: bytes, *, suspended: bool = True, revision: int = 0) -> VenueSwitch:
        return self.request(VenueSwitch, VENUE, suspended, revision, key=key)

    def opening(
        self, account: int, kind: AccountKind = AccountKind.HOUSE, parent: int = 0, key: bytes = bytes(20)
    ) -> AccountOpening:
        return self.request(AccountOpening, account, kind, parent, key)

    def closing(self, account: int) -> AccountClosing:
        return self.request(AccountClosing, account)

    def tokens(self, account: int, recipient: int, units: int, asset: int, key: bytes | None = None) -> TokenTransfer:
        return self.request(TokenTransfer, account, recipient, asset, units, key=key)

    def porting(
        self, account: int, to_member: int, *, client: bytes | None = None, taker: bytes | None = None
    ) -> AccountPorting:
        words = self.request(AccountPorting, account, to_member)
        own = {"client_signature": client} if client else {}
        return self.sign(words, member_signature=taker or secret(to_member), **own)

    def open(self, account: int, *args: Any) -> int:
        """Open an account; its id."""
        (receipt,) = [each for each in self.block(self.opening(account, *args)).receipts if hasattr(each, "kind")]
        self.owner[receipt.account] = self.owner[account]
        return int(receipt.account)

    def moved(self, account: int, recipient: int, micros: int, key: bytes | None = None) -> CashTransfer:
        """A transfer of cash, signed by the account's member or with another key."""
        return self.transfer(account, recipient, micros, key=key)

    def trade_of(self, buyer: int, seller: int, lots: int = 1) -> Trade:
        """A plain trade between any two accounts."""
        return self.trade(buyer, seller, BTC_PERP, lots, PRICE)

    def finish_day(self) -> None:
        """Go to when the first day's statement is taken."""
        self.block(after_ms=(TODAY + 1) * DAY_MS + 700_000 - self.time_ms)


def key_of(told: TradeReport) -> tuple[int, int, int, int]:
    """(venue, id, low, high) of a reported trade."""
    if told.venue in VENUE_SECRETS:
        return (told.venue, told.venue_trade_id, 0, 0)
    return (told.venue, told.venue_trade_id, min(told.buyer, told.seller), max(told.buyer, told.seller))


def line_of(told: TradeReport, **more: int) -> StatementLine:
    line = StatementLine(told.venue_trade_id, told.instrument, told.buyer, told.seller, told.lots, told.ticks)
    return msgspec.structs.replace(line, **more)


def matched(desk: Desk, accounts: Sequence[int] = (HOUSE, ALICE, BOB, CAROL, 4)) -> bool:
    return sum(desk.lots(each, BTC_PERP) for each in accounts) == 0
