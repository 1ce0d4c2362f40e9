"""The world of a story: a genesis with everything on, many members, prices that walk, jump and fail.

Rule: all chance comes out of the story's seed. It knows no strategies.
"""

from random import Random
from typing import Any

import msgspec

from clearing.accounts.kinds import AccountKind
from clearing.base import ed25519
from clearing.base.secp256k1 import address, sign_digest
from clearing.base.validators import ValidatorSet
from clearing.blocks import BlockResult
from clearing.extension import PriceReport, VoteExtension
from clearing.facts import ChainHeartbeat, Fact
from clearing.genesis import AccountTerms, Genesis, MarketParameters, MemberTerms
from clearing.prices.terms import FundingTerms, PriceTerms
from clearing.transactions import Transaction
from tests.clearing.collateral.vaults import RATE_FEED, STETH_2, USDC_FEED, Vaults, genesis_of_everything
from tests.clearing.state.test_whole_requirement_in_the_state import genesis as whole_requirement
from tests.clearing.state.world import ALICE, BTC, CAROL, DOLLAR, ETH, HOUSE, OWNER, USDC_1, USDC_2, WETH_1, secret
from tests.sim.clearing.crisis_terms import BACKSTOP, STRESS, crisis_of, is_calm, ranges_of

MEMBERS = 12
FIRST = 10
"""Member and account number of the first agent; an agent's client account is its own number + CLIENT."""
CLIENT = 100
LATER_MS = 4 * 3_600_000
"""Expiries come after those of the smaller tests, but for one story in many within it."""
FUNDING = FundingTerms(
    premium_cap_ppm=50_000,
    window_ms=60_000,
    depth_lots=5_000,
    interval_ms=10_000,
    period_ms=28_800_000,
    rate_cap_ppm=50_000,
    interest_ppm=100,
    dampener_ppm=500,
)
LIAR = 3
"""The validator that tells other prices than the others, alone."""
ENVELOPES = tuple(sorted((bytes([each + 1]) * 32 for each in range(4)), key=ed25519.public_key))
"""Secrets of the validators, in order of their keys."""
LISTED = 9
"""Instrument that a vote may list."""
WITHDRAWAL_MS = 20_000
"""So soon a withdrawal that nobody takes on chain is lost, but for what gates give back."""
STORY_MARKET = MarketParameters(
    move_cap_ppm=300_000,
    epoch_blocks=5,
    trade_fee_ppm=100,
    request_ms_max=60_000,
    reopen_blocks=2,
    prices=PriceTerms(outlier_deviations=5, grace_blocks=2, settle_blocks=400),
)


def story_genesis(seed: int) -> Genesis:
    """Everything on; which of two requirements depends on the seed."""
    base = genesis_of_everything(seed, STORY_MARKET)
    agents = tuple(
        MemberTerms(
            each,
            f"agent-{each}",
            address(secret(each)),
            (AccountTerms(each, AccountKind.HOUSE), AccountTerms(each + CLIENT, AccountKind.CLIENT)),
        )
        for each in range(FIRST, FIRST + MEMBERS)
    )
    whole = whole_requirement().risk if seed % 2 else base.risk
    change = msgspec.structs.replace
    if not is_calm(seed):
        whole = change(whole, stress=STRESS)
    instruments = tuple(
        change(each, expiry_ms=each.expiry_ms + LATER_MS) if each.expiry_ms else change(each, funding=FUNDING)
        for each in base.instruments
    )
    validators = [
        change(each, envelope_key=ed25519.public_key(own))
        for each, own in zip(base.validators.validators, ENVELOPES, strict=True)
    ]
    return change(
        base,
        members=(*base.members, *agents),
        risk=whole,
        instruments=instruments,
        validators=ValidatorSet(tuple(validators)),
        ranges=ranges_of(seed),
        crisis=crisis_of(seed),
        market=base.market if is_calm(seed) else change(base.market, withdrawal_valid_ms=WITHDRAWAL_MS),
    )


class Exchange(Vaults):
    """Blocks with prices, facts and requests; `ticks` is what honest validators see."""

    def __init__(self, seed: int) -> None:
        super().__init__(story_genesis(seed), check=False)
        self.is_calm = is_calm(seed)
        self.may_leave = self.is_calm or seed % 5 == 0
        self.chance = Random(seed)
        for each in range(FIRST, FIRST + MEMBERS):
            OWNER.update({each: each, each + CLIENT: each})
        self.coming: list[Fact] = []
        """Deposits that were sighted and will be final."""
        self.silent: tuple[int, ...] = ()
        self.unpriced: tuple[int, ...] = ()
        self.lies: dict[int, int] = {}
        """What the liar tells instead, by feed."""
        self.go()
        # Where the house has little, it takes over little: what it cannot, others have to.
        dollars = 200_000 if self.is_calm or seed % 3 else 1_000
        for asset in (USDC_1, USDC_2):
            self.go(facts=[self.deposit_fact(HOUSE, asset, dollars * DOLLAR)])
        if not self.is_calm:
            self.go(facts=[self.deposit_fact(each, USDC_1, 50_000 * DOLLAR) for each in (ALICE, BACKSTOP, CAROL)])

        self.opened_height = self.state.now.height

    @property
    def is_opening(self) -> bool:
        """Whether the next block is the first in which members act."""
        return self.state.now.height == self.opened_height

    def move(self) -> None:
        """One step of every price: calm for most of the time, then a jump, a gap, or a chain that stands still."""
        chance = self.chance
        for feed, spread in ((BTC, 8_000), (ETH, 10_000), (RATE_FEED, 200)):
            wild = 12 if chance.random() < 0.04 else 1
            change = chance.randint(-spread * wild, spread * wild)
            self.ticks[feed] = max(self.ticks[feed] * (10**6 + change) // 10**6, 2)
        if not self.is_calm and chance.random() < 0.008:
            # A gap: within the cap most members are called at once, beyond it the feed halts first.
            feed = chance.choice((BTC, ETH))
            self.ticks[feed] = max(self.ticks[feed] * chance.choice((60, 72, 80, 120, 128, 170)) // 100, 2)
        if chance.random() < 0.02:
            told = chance.choice((1_000_000, 1_000_000, 985_000, 950_000))
            # Once its tokens have left, a group has no cash any more: seldom, or nothing else would happen.
            self.ticks[USDC_FEED] = told if self.may_leave else max(told, 985_000)
        if chance.random() < 0.03:
            self.silent = chance.choice(((), (), (1,), (2,)))
        if chance.random() < 0.06:
            self.unpriced = chance.choice(((), (), (BTC,), (ETH,), (USDC_FEED,)))

    def play(self, requests: list[Transaction], facts: list[Fact]) -> BlockResult:
        """One block of one second, seldom of more."""
        chance = self.chance
        after_ms = chance.choice((1_000,) * 12 + (400, 4_000)) if chance.random() < 0.995 else 3_700_000
        for chain in self.heads:
            if chain not in self.silent:
                self.heads[chain] += 1
                facts.append(ChainHeartbeat(chain, self.heads[chain], bytes(32)))
        time_ms = self.state.now.time_ms + after_ms
        told = {feed: ticks for feed, ticks in self.ticks.items() if feed not in self.unpriced}
        honest = VoteExtension(_reports(told, time_ms), tuple(facts))
        liar = VoteExtension(_reports({**told, **self.lies}, time_ms), tuple(facts))
        extensions = [liar if at == LIAR else honest for at in range(4)]
        return self.apply(self.make_block(requests, extensions, after_ms))

    def worded(self, kind: type[Any], account: int, *fields: object, nonce: bool = True, signatures: int = 1) -> Any:
        """A request of `account` that nobody has signed."""
        self.nonce += nonce
        numbered = (self.nonce,) if nonce else ()
        return kind(account, *fields, *numbered, self.time_ms + 60_000, *[bytes(65)] * signatures)

    def signed_by(self, words: Any, **members: int) -> Any:
        """The request, signed by the members named under each field."""
        digest = words.digest(self.network)
        signatures = {field: sign_digest(secret(member), digest) for field, member in members.items()}
        return msgspec.structs.replace(words, **signatures)

    def ask(self, kind: type[Any], account: int, *fields: object) -> Any:
        """A request of `account`, signed by its member."""
        return self.sign(account, self.worded(kind, account, *fields))

    def pay(self, account: int, asset: int, units: int) -> Fact:
        """A deposit that is final in this block."""
        return self.deposit_fact(account, asset, self.state.terms.assets[asset].to_amount(units))


def _reports(told: dict[int, int], time_ms: int) -> tuple[PriceReport, ...]:
    return tuple(PriceReport(feed, ticks, 0, 3, time_ms) for feed, ticks in sorted(told.items()))


TOKENS = (WETH_1, STETH_2)
CASH = (USDC_1, USDC_2)
