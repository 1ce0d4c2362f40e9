"""All that members, venues and clients sign in the small world, each a verb with the request's own fields."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from clearing.base.secp256k1 import address
from clearing.base.units import DAY_MS
from clearing.schema.receipts.accounts import AccountOpened
from clearing.schema.requests.accounts import (
    AccountClosing,
    AccountOpening,
    AccountPorting,
    AffiliationDeclaration,
    CashTransfer,
    ClaimSwap,
    SeedRotation,
    StandbyDeclaration,
    TokenTransfer,
)
from clearing.schema.requests.auctions import (
    CollateralBid,
    DefaultBid,
    DefaultBidCommitment,
    DefaultBidReveal,
    InventoryBid,
    LiquidationBid,
    ReopeningOrder,
    bid_commitment,
)
from clearing.schema.requests.default import ClientRescue, FundContribution, MemberExit, MemberReadmission
from clearing.schema.requests.trades import (
    BundledTrade,
    SessionKey,
    StatementLine,
    Trade,
    TradeBundle,
    TradeCancellation,
    TradeCorrection,
    TradeGiveUp,
    TradeReport,
    VenueMandate,
    VenueStatement,
    VenueSwitch,
)
from clearing.schema.requests.withdrawals import LimitedWithdrawal, Withdrawal, WithdrawalCancellation
from clearing.schema.terms.genesis import AccountKind
from tests.kit.clearing.genesis import ALICE, BTC_PERP, START_MS, USD
from tests.kit.clearing.signer import blank, secret, signed

PAYEE = b"\x77" * 20
PRICE = 790_000
VENUE, OTHER_VENUE, NO_VENUE = 7, 8, 0
VENUE_SECRETS = {VENUE: b"\x07" * 32, OTHER_VENUE: b"\x08" * 32}
CLIENT_SECRET = b"\x55" * 32
SESSION_SECRET = b"\x5e" * 32
BID_SALT = b"\xb1" * 32
HOUR_MS = 3_600_000
CLIENT_KEY = address(CLIENT_SECRET)
TODAY = START_MS // DAY_MS


class Requests:
    """Every request has the next nonce, is good for a minute and is signed by the key of its account's member."""

    def key_of(self, account: int) -> bytes:
        """Of the account's member; an account that nobody has is signed for by the house."""
        return secret(self.owner.get(account, 0))

    def request(self, kind: type[Any], *fields: Any, key: bytes | None = None, **named: Any) -> Any:
        """A request with the next nonce, good for a minute, its `signature` by `key` or else by its account's."""
        if "nonce" in kind.__struct_fields__:
            self.nonce += 1
            named = {"nonce": self.nonce} | named
        words = blank(kind, *fields, **{"not_after_ms": self.time_ms + 60_000} | named)
        return self.sign(words, key) if hasattr(words, "signature") else words

    def sign(self, words: Any, key: bytes | None = None, **keys: bytes) -> Any:
        """The request with its `signature`, unless `keys` name other fields alone; by default the account's own."""
        if key is None and not keys:
            key = self.key_of(words.account)
        return signed(words, self.network, key, **keys)

    def trade(
        self, buyer: int, seller: int, instrument: int, lots: int, ticks: int, trade_id: int = 0, **changes: Any
    ) -> Trade:
        self.trade_ids += 1
        words = self.request(Trade, 1, trade_id or self.trade_ids, buyer, seller, instrument, lots, ticks, **changes)
        return self.sign(words, buyer_signature=self.key_of(buyer), seller_signature=self.key_of(seller))

    def bundle(
        self,
        account: int,
        counterparty: int,
        *trades: tuple[int, int, int],
        ids: Sequence[int] = (),
        keys: tuple[bytes | None, bytes | None] = (None, None),
        **changes: Any,
    ) -> TradeBundle:
        """`trades`: (instrument, lots, ticks), lots below 0 for what the account sells. `keys`: who signs instead."""
        first = self.trade_ids + 1
        self.trade_ids += len(trades)
        numbers = ids or range(first, first + len(trades))
        lines = tuple(BundledTrade(number, *trade) for number, trade in zip(numbers, trades, strict=True))
        words = self.request(TradeBundle, 1, account, counterparty, lines, key=keys[0], **changes)
        return self.sign(
            words,
            signature=keys[0] or self.key_of(account),
            counterparty_signature=keys[1] or self.key_of(counterparty),
        )

    def session_key(
        self,
        account: int,
        key: bytes = SESSION_SECRET,
        lots: int = 10**6,
        notional: int = 2**60,
        day: int = 2**61,
        **more: int,
    ) -> SessionKey:
        """`key`: the secret of the session key; good for an hour."""
        expires_ms = more.pop("expires_ms", self.time_ms + HOUR_MS)
        return self.request(SessionKey, account, address(key), lots, notional, day, expires_ms, **more)

    def withdrawal(self, account: int, asset: int, units: int, to: bytes = PAYEE, **changes: Any) -> Withdrawal:
        return self.request(Withdrawal, account, asset, units, to, **changes)

    def transfer(self, account: int, recipient: int, micros: int, **changes: Any) -> CashTransfer:
        return self.request(CashTransfer, account, recipient, USD, micros, **changes)

    def perp_trade(
        self, buyer: int, seller: int, lots: int = 1, instrument: int = BTC_PERP, ticks: int = PRICE
    ) -> Trade:
        """At the price that worlds open with."""
        return self.trade(buyer, seller, instrument, lots, ticks)

    def order(self, account: int, lots: int, ticks: int, instrument: int = BTC_PERP, **changes: int) -> ReopeningOrder:
        """In the auction that reopens a price."""
        return self.request(ReopeningOrder, account, instrument, lots, ticks, **changes)

    def swap(self, account: int, recipient: int, given: tuple[int, int], taken: tuple[int, int]) -> ClaimSwap:
        words = self.request(ClaimSwap, account, recipient, *given, *taken)
        return self.sign(words, self.key_of(account), recipient_signature=self.key_of(recipient))

    def collateral_bid(self, account: int, seller: int, asset: int, units: int, price: int) -> CollateralBid:
        return self.request(CollateralBid, account, seller, asset, USD, units, price)

    def limited(self, account: int, asset: int, units: int, fee_max: int) -> LimitedWithdrawal:
        return self.request(LimitedWithdrawal, account, asset, units, PAYEE, fee_max)

    def withdrawal_cancellation(self, account: int, number: int, **changes: Any) -> WithdrawalCancellation:
        return self.request(WithdrawalCancellation, account, number, **changes)

    def liquidation_bid(
        self, account: int, liquidated: int = ALICE, slice_ppb: int = 10**9, **changes: Any
    ) -> LiquidationBid:
        """A signed bid for a slice, by default for all that may be taken, at any discount."""
        record = self.state.liquidations.get(liquidated)
        opened = record.opened_height if record else 0
        return self.request(LiquidationBid, account, liquidated, opened, slice_ppb, 0, **changes)

    def pay(self, account: int, micros: int, **changes: Any) -> FundContribution:
        return self.request(FundContribution, account, micros, **changes)

    def affiliation(
        self,
        account: int,
        affiliate: int,
        key: bytes | None = None,
        affiliate_key: bytes | None = None,
        *,
        ends: bool = False,
    ) -> AffiliationDeclaration:
        """`key`: who declares, by default the account's member; `affiliate_key`: who agrees, by default nobody."""
        words = self.request(AffiliationDeclaration, account, affiliate, ends, key=key)
        return self.sign(words, affiliate_signature=affiliate_key) if affiliate_key else words

    def standby(self, account: int, standby: int, key: bytes, standby_key: bytes | None = None) -> StandbyDeclaration:
        """`standby_key`: who accepts, by default the standby member; nobody where there is none."""
        words = self.request(StandbyDeclaration, account, standby, key=key)
        return self.sign(words, standby_signature=standby_key or secret(standby)) if standby else words

    def seed_rotation(self, account: int, words: tuple[bytes, bytes, bytes], **changes: Any) -> SeedRotation:
        return self.request(SeedRotation, account, *words, **changes)

    def default_bid(self, account: int, number: int, slices: int, ask: int, **changes: Any) -> DefaultBid:
        return self.request(DefaultBid, account, number, slices, ask, **changes)

    def bid_commitment(
        self, account: int, number: int, slices: int, ask: int, salt: bytes = BID_SALT, **changes: Any
    ) -> DefaultBidCommitment:
        """To the bid that `bid_reveal` of the same reveals."""
        commitment = bid_commitment(account, number, slices, ask, salt)
        return self.request(DefaultBidCommitment, account, number, commitment, **changes)

    def bid_reveal(
        self, account: int, number: int, slices: int, ask: int, salt: bytes = BID_SALT, **changes: Any
    ) -> DefaultBidReveal:
        return self.request(DefaultBidReveal, account, number, slices, ask, salt, **changes)

    def inventory_bid(
        self, account: int, size: int, limit: int = 0, *, instrument: int = 0, asset: int = 0
    ) -> InventoryBid:
        return self.request(InventoryBid, account, instrument, asset, size, limit)

    def rescue(self, account: int, number: int, member: int, key: bytes | None = None, **changes: Any) -> ClientRescue:
        words = self.request(ClientRescue, account, number, member, **changes)
        return self.sign(words, member_signature=secret(member), client_signature=key or secret(0))

    def readmission(self, account: int, member: int, number: int, house: bytes | None = None) -> MemberReadmission:
        words = self.request(MemberReadmission, account, member, number, key=secret(member))
        return self.sign(words, house_signature=house or secret(0))

    def member_exit(self, account: int, member: int) -> MemberExit:
        return self.request(MemberExit, account, member, key=secret(member))

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
        self.report_ids += 1
        now = self.time_ms
        bare = self.request(
            TradeReport, VENUE, self.report_ids, buyer, seller, BTC_PERP, lots, ticks, now,
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

    def correction(self, report: TradeReport, revision: int = 0, signers: str = "v", **more: int) -> TradeCorrection:
        same = (*trade_key(report), report.buyer, report.seller, revision)
        bare = self.request(TradeCorrection, *same, report.lots, report.ticks, report.not_before_ms, **more)
        return self.agreed(bare, signers)

    def trade_cancellation(
        self, report: TradeReport, revision: int = 0, signers: str = "v", **more: int
    ) -> TradeCancellation:
        bare = self.request(TradeCancellation, *trade_key(report), report.buyer, report.seller, revision, **more)
        return self.agreed(bare, signers)

    def give_up(self, report: TradeReport, account: int, recipient: int, revision: int = 0) -> TradeGiveUp:
        words = self.request(TradeGiveUp, *trade_key(report), account, recipient, revision)
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

    def token_transfer(
        self, account: int, recipient: int, units: int, asset: int, key: bytes | None = None
    ) -> TokenTransfer:
        return self.request(TokenTransfer, account, recipient, asset, units, key=key)

    def porting(
        self, account: int, to_member: int, *, client: bytes | None = None, taker: bytes | None = None
    ) -> AccountPorting:
        words = self.request(AccountPorting, account, to_member)
        own = {"client_signature": client} if client else {}
        return self.sign(words, member_signature=taker or secret(to_member), **own)

    def open_account(self, account: int, *terms: Any) -> int:
        """Open an account; its id. By default another one of the same member."""
        (done,) = [
            each for each in self.block(self.opening(account, *terms)).receipts if isinstance(each, AccountOpened)
        ]
        self.owner[done.account] = self.owner[account]
        return int(done.account)


def trade_key(report: TradeReport) -> tuple[int, int, int, int]:
    """(venue, id, low, high) of a reported trade."""
    if report.venue in VENUE_SECRETS:
        return (report.venue, report.venue_trade_id, 0, 0)
    return (report.venue, report.venue_trade_id, min(report.buyer, report.seller), max(report.buyer, report.seller))


def line_of(report: TradeReport, **more: int) -> StatementLine:
    line = StatementLine(
        report.venue_trade_id, report.instrument, report.buyer, report.seller, report.lots, report.ticks
    )
    return msgspec.structs.replace(line, **more)
