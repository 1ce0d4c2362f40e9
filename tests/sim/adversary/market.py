"""The small market that the colluders are in: terms as shipped, scaled to short times, and honest members.

Rule: times are in proportion to `configs/devnet/market.toml`, and everything else that decides about money is equal to
it or simpler. Each scenario states what it changes. A world is set up once; every play starts from a fork of it.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import msgspec

from clearing.base.secp256k1 import address
from clearing.base.validators import ValidatorSet
from clearing.default_fund.contributions import contribution_micros, required_contribution
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario, StressScenario
from clearing.schema.terms.default import DefaultTerms, FundTerms
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.schema.terms.prices import FundingTerms
from clearing.schema.terms.withdrawals import WithdrawalControlTerms
from clearing.settlement.funding import mark_with_premium
from clearing.state.holdings import margin_book
from tests.kit.clearing.genesis import BTC, BTC_PERP, DOLLAR, ETH, USD, USDC_1, WETH_1, make_genesis, member_terms
from tests.kit.clearing.rootless import without_roots
from tests.kit.clearing.world import World
from tests.kit.validator_records import unproven_validator

HOUSE, ANN, BEN, DEALER, TRADER, CROWD = range(6)
"""Members, and accounts of their own: Ann and Ben collude, the others are honest."""
CLIENT = 11
"""Account of Ann's client, which is Ann under another key."""
CLIENT_SECRET = (1_011).to_bytes(32, "big")
COLLUDERS = (ANN, BEN, CLIENT)
WITH_HOUSE = (*COLLUDERS, HOUSE)
"""Whose gains are judged where the house colludes, too."""
HONEST = (DEALER, TRADER, CROWD)
DEALER_ETHER = 5_000
NAMES = {HOUSE: "house", ANN: "Ann", BEN: "Ben", CLIENT: "Ann's client", DEALER: "dealer", TRADER: "trader"}
STRESS = (
    StressScenario("crash", (Scenario(-50, 100, 0, of_index=True), Scenario(-50, 100, 0, of_index=True))),
    StressScenario("rally", (Scenario(45, 100, 0, of_index=True), Scenario(40, 100, 0, of_index=True))),
)
GROUPS = (RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000))
PREMIUM = FundingTerms(
    premium_cap_ppm=5_000,
    window_ms=6_000,
    depth_lots=1_000,
    interval_ms=3_000,
    period_ms=120_000,
    rate_cap_ppm=7_500,
    interest_ppm=100,
    dampener_ppm=500,
)
"""A fifth of the devnet's times, as its blocks take a fifth of a second and these a whole one."""


CALLS = CallTerms(deadline_blocks=2, urgent_ppm=500_000)
LIQUIDATION = LiquidationTerms(
    auction_blocks=4,
    start_ppm=1_000,
    end_ppm=20_000,
    slice_max_ppm=500_000,
    bidder_share_ppm=500_000,
    step_ppm=500_000,
    insolvent_to_default=True,
)
DEFAULT = DefaultTerms(
    enabled=True,
    house_capital_micros=5_000 * DOLLAR,
    assessment_ppm=1_000_000,
    assessment_blocks=3,
    auction_blocks=4,
    auction_slices=20,
    auction_worst_ppm=500_000,
    auction_duty_ppm=100_000,
    auction_absence_ppm=200_000,
    reveal_blocks=2,
    porting_blocks=4,
    halt_blocks=5,
    replenishment_blocks=10,
)
FUND = FundTerms(
    cash_group=USD,
    minimum_micros=1_000 * DOLLAR,
    buffer_ppm=100_000,
    step_micros=DOLLAR,
    call_blocks=10,
    grace_blocks=200,
    return_blocks=1_000,
)


def market_genesis(
    default: Mapping[str, Any] | None = None,
    fund: Mapping[str, Any] | None = None,
    funding: FundingTerms | None = None,
    epoch_blocks: int = 60,
) -> Genesis:
    """The market, with these terms changed."""
    crisis = {
        "calls": CALLS,
        "liquidation": LIQUIDATION,
        "default": msgspec.structs.replace(DEFAULT, **default or {}),
        "fund": msgspec.structs.replace(FUND, **fund or {}),
        "gates": WithdrawalControlTerms(deficit_reserve=True),
    }
    own = funding or FundingTerms()
    genesis = make_genesis(
        {"move_cap_ppm": 450_000, "epoch_blocks": epoch_blocks, "trade_fee_ppm": 100, "request_ms_max": 600_000},
        RiskParameters(
            GROUPS, cash_limit_micros=1_000 * DOLLAR, stress=STRESS, default_fund_micros=DEFAULT.house_capital_micros
        ),
        crisis=crisis,
        validators=ValidatorSet((unproven_validator(bytes([1]) * 32, bytes([1]) * 48, 10),)),
        instruments=(Instrument(BTC_PERP, "BTC-PERP", InstrumentKind.PERPETUAL, BTC, 1, USD, 10, funding=own),),
    )
    client = AccountTerms(CLIENT, AccountKind.CLIENT, address(CLIENT_SECRET))
    members = (
        member_terms(HOUSE, HOUSE),
        member_terms(ANN, ANN, client),
        *(member_terms(each, each) for each in (BEN, *HONEST)),
    )
    return msgspec.structs.replace(genesis, members=members)


class Market(World):
    """A world of which each play takes a branch."""

    quote = 0
    """The index of the block that is being made: nobody trades at yesterday's."""

    def __init__(self, genesis: Genesis) -> None:
        super().__init__(genesis, check=False, fresh=True)
        self.paid_out = dict.fromkeys(WITH_HOUSE, 0)
        """Micros that each account of colluders, or the house, withdrew, less what it deposited."""
        self.committed: dict[tuple[int, int], tuple[int, int]] = {}
        """Slices and ask that a member committed to, by default and member."""
        self.exposure_gain = dict.fromkeys(WITH_HOUSE, 0)
        """Micros that the position of each gained with the index."""

    def branch(self) -> "Market":
        """A copy that starts here and never changes this one."""
        other = copy.copy(self)
        other.state = self.state.fork()
        other.ticks, other.deposit_nonces = dict(self.ticks), dict(self.deposit_nonces)
        other.committed = dict(self.committed)
        other.paid_out, other.exposure_gain = dict(self.paid_out), dict(self.exposure_gain)
        other.blocks, other.results = [], []
        return other

    def spare(self, account: int) -> int:
        """Micros of equity above initial margin."""
        margin = self.margin(account)
        return int(margin.equity - margin.initial)

    def quoted_mark(self) -> int:
        """The mark of the block that is being made."""
        return mark_with_premium(self.state, self.state.terms.instruments[BTC_PERP], self.quote)

    def index(self) -> int:
        """Ticks of BTC in the last block."""
        return int(self.state.feeds[BTC].ticks)


def ether_micros(market: Market) -> int:
    """Value of a clearing unit of ether, a millionth, at its index."""
    return market.ticks[ETH] // 100


def opened_market(
    genesis: Genesis,
    dollars: Mapping[int, int],
    interest_lots: int = 0,
    *,
    sized_before: bool = False,
    house_lots: int = 0,
) -> Market:
    """Everybody with cash, the fund sized and paid in, and honest open interest of so many lots.

    `sized_before`: the fund is sized before that interest, so it does not cover it. `house_lots`: the house
    buys them of the dealer.
    """
    market = Market(genesis)
    market.block()
    facts = [market.deposit_fact(each, USDC_1, cash * DOLLAR) for each, cash in sorted(dollars.items()) if cash]
    market.block(facts=[*facts, market.deposit_fact(DEALER, WETH_1, DEALER_ETHER * 10**18)])
    market.paid_out = {each: -dollars.get(each, 0) * DOLLAR for each in WITH_HOUSE}
    if interest_lots and not sized_before:
        market.block(market.perp_trade(CROWD, TRADER, interest_lots))
    market.pass_epoch()
    missing = {each: _missing(market, each) for each in (ANN, BEN, *HONEST)}
    market.block(*(market.pay(each, micros) for each, micros in missing.items() if micros > 0))
    still_missing = [each for each in missing if _missing(market, each)]
    if still_missing:
        raise AssertionError(f"contributions of {still_missing} are not paid")
    if interest_lots and sized_before:
        market.block(market.perp_trade(CROWD, TRADER, interest_lots))
    if house_lots:
        market.block(market.perp_trade(HOUSE, DEALER, house_lots))
    margin_book(market.state)
    return market


def _missing(market: Market, member: int) -> int:
    return required_contribution(market.state, member) - contribution_micros(market.state, member)


@contextmanager
def without_cryptography() -> Iterator[None]:
    """Signatures that name their signer, and no roots: what a play costs is then the rulebook itself.

    The rules see the same signers. `tests/sim/test_adversary.py` replays with real signatures and roots.
    """
    with ExitStack() as stack:
        stack.enter_context(patch("member.signing.requests.sign_digest", lambda secret, _: _named(secret)))
        stack.enter_context(patch("clearing.context.request_checks.recover", lambda _, signature: signature[:20]))
        stack.enter_context(without_roots())
        yield


@cache
def _named(secret: bytes) -> bytes:
    return address(secret) + bytes(45)
