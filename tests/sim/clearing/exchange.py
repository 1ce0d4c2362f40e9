"""The world of a story: a genesis with everything on, many members, prices that walk, jump and fail.

Rule: all chance comes out of the story's seed. It knows no strategies.
"""

from random import Random
from typing import Any

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import DAY_MS
from clearing.genesis.checks import check_genesis
from clearing.schema.blocks.block import BlockInput, BlockResult, ProvenOffence, VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import DepositSeen, Fact
from clearing.schema.records.prices import FeedStatus
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.schema.terms.genesis import Genesis, MarketParameters
from clearing.schema.terms.prices import PriceTerms
from clearing.validators.validator_sets import validator_sets
from tests.kit.clearing.full_requirement import genesis as whole_requirement
from tests.kit.clearing.genesis import (
    ALICE,
    BTC,
    CAROL,
    DOLLAR,
    ETH,
    HOUSE,
    START_MS,
    USD,
    USDC_1,
    USDC_2,
    WETH_1,
    member_terms,
)
from tests.kit.clearing.requests import PAYEE
from tests.kit.clearing.signer import secret, set_with
from tests.kit.clearing.vaults import PAR, RATE_FEED, STETH_2, USDC_FEED, genesis_of_everything
from tests.kit.clearing.world import World, as_sighted, reports
from tests.sim.clearing.crisis_terms import BACKSTOP, MILD, STRESS, crisis_of, is_calm, ranges_of
from tests.sim.clearing.variants import (
    FUNDING,
    OTHER,
    OTHER_1,
    OTHER_2,
    OTHER_FEED,
    SOL,
    client_terms,
    prices_of,
    variant_of,
    with_variant,
)

MEMBERS = 12
FIRST = 10
"""Member and account number of the first agent; an agent's client account is its own number + CLIENT."""
CLIENT = 100
LATER_MS = 4 * 3_600_000
"""Expiries come after those of the smaller tests, but for those of a variant."""
NAMES = range(1, 9)
"""Of all who may be validators; `envelope_secret` of a name is its key. The first four are at genesis."""
LIAR = 4
"""The validator that tells other prices than the others, alone."""
LISTED = 9
"""Instrument that a vote may list."""
WITHDRAWAL_MS = 20_000
"""So soon a withdrawal that nobody takes on chain is lost, but for what gates give back."""
DAY_BLOCKS = 45
"""After so many blocks the day ends at once where there are venues, so that statements are due."""
STORY_MARKET = MarketParameters(
    move_cap_ppm=300_000,
    epoch_blocks=5,
    trade_fee_ppm=100,
    request_ms_max=60_000,
    reopen_blocks=2,
    prices=PriceTerms(outlier_deviations=5, grace_blocks=2, settle_blocks=400),
)


def story_genesis(seed: int) -> Genesis:
    """Everything on; which of two requirements, and what else there is, depends on the seed."""
    base, variant = genesis_of_everything(seed, STORY_MARKET), variant_of(seed)
    agents = tuple(
        msgspec.structs.replace(member_terms(each, each, client_terms(each + CLIENT, variant)), name=f"agent-{each}")
        for each in range(FIRST, FIRST + MEMBERS)
    )
    whole = whole_requirement().risk if seed % 2 else base.risk
    change = msgspec.structs.replace
    if not is_calm(seed):
        # Where prices crash, the fund is made for less: all layers come to bear something.
        whole = change(whole, stress=MILD if variant.crashes else STRESS)
    # In half of the stories fees cover what a premium moves.
    funding = change(FUNDING, wash_cover_ppm=(0, 2_000_000)[seed % 2])
    instruments = tuple(
        change(each, expiry_ms=each.expiry_ms + LATER_MS) if each.expiry_ms else change(each, funding=funding)
        for each in base.instruments
    )
    genesis = change(
        base,
        members=(*base.members, *agents),
        risk=whole,
        instruments=instruments,
        validators=set_with(dict.fromkeys(NAMES[: 5 if variant.validators_change else 4], 10)),
        ranges=ranges_of(seed),
        crisis=crisis_of(seed),
        market=base.market if is_calm(seed) else change(base.market, withdrawal_valid_ms=WITHDRAWAL_MS),
    )
    genesis = with_variant(genesis, variant)
    check_genesis(genesis)
    return genesis


class Exchange(World):
    """Blocks with prices, facts and requests; `ticks` is what honest validators see."""

    def __init__(self, seed: int) -> None:
        super().__init__(story_genesis(seed), check=False, fresh=True, beating=True)
        self.variant = variant_of(seed)
        self.is_calm = is_calm(seed)
        self.may_leave = self.is_calm or seed % 5 == 0
        self.chance = Random(seed)
        self.ticks |= {USDC_FEED: PAR, RATE_FEED: 1_100_000, **prices_of(self.variant)}
        self.signers: dict[int, int] = {}
        """By account of a client with a key: whose secret that is."""
        self.owned: dict[int, list[int]] = {}
        """By member: its accounts, those of the ledger left out."""
        self.traded: list[int] = []
        """Instruments that are listed and have not expired."""
        self.open: set[int] = set()
        """Those of them with an open price."""
        self.look()
        self.silent: tuple[int, ...] = ()
        self.lost: tuple[int, ...] = ()
        """Chains that never return."""
        self.unpriced: tuple[int, ...] = ()
        self.lies: dict[int, int] = {}
        """What the liar tells instead, by feed."""
        self.coming: list[DepositSeen] = []
        """Deposits that were sighted and will be final."""
        self.half_heard: list[Fact] = []
        """What only half of the validators have told."""
        self.offences: tuple[ProvenOffence, ...] = ()
        self.block()
        # Where the house has little, it takes over little: what it cannot, others have to.
        dollars = 200_000 if self.is_calm or seed % 3 else 1_000
        for asset in self.cash_tokens:
            self.block(facts=[self.deposit_fact(HOUSE, asset, self.amount(asset, dollars * DOLLAR))])
        if not self.is_calm:
            for asset in (USDC_1, OTHER_2) if self.variant.second_group else (USDC_1,):
                amount = self.amount(asset, 50_000 * DOLLAR)
                self.block(facts=[self.deposit_fact(each, asset, amount) for each in (ALICE, BACKSTOP, CAROL)])
        self.opened_height = self.state.now.height

    @property
    def is_opening(self) -> bool:
        """Whether the next block is the first in which members act."""
        return self.state.now.height == self.opened_height

    @property
    def cash_tokens(self) -> tuple[int, ...]:
        return (*CASH, OTHER_1, OTHER_2) if self.variant.second_group else CASH

    @property
    def groups(self) -> tuple[int, ...]:
        return (USD, OTHER) if self.variant.second_group else (USD,)

    def group_of(self, asset: int) -> int:
        return self.state.terms.assets[asset].cash_group

    @property
    def fund_group(self) -> int:
        """What contributions are called for in, 0 without a fund."""
        size = self.state.fund_sizes.get(0)
        return size.cash_group if size else 0

    def look(self) -> None:
        """Read whose accounts are whose, and what is listed, out of the state."""
        self.owned = {}
        for account, record in self.state.accounts.ordered():
            if account == HOUSE_ACCOUNT or record.member != HOUSE:
                self.owner[account] = record.member
                self.owned.setdefault(record.member, []).append(account)
            if any(record.key):
                known = self.signers.get(record.parent)
                self.signers[account] = account if known is None else known
        now_ms = self.state.now.time_ms
        listed = self.state.terms.instruments
        self.traded = [each for each, terms in listed.items() if not terms.expired(now_ms)]
        feeds = {feed for feed, found in self.state.feeds.ordered() if found.status == FeedStatus.OPEN}
        self.open = {each for each in self.traded if listed[each].feed in feeds}

    def move(self) -> None:
        """One step of every price: calm for most of the time, then a jump, a gap, or a chain that stands still."""
        chance, variant = self.chance, self.variant
        self.look()
        more = ((SOL, 15_000),) if variant.listings else ()
        for feed, spread in ((BTC, 8_000), (ETH, 10_000), (RATE_FEED, 200), *more):
            wild = 12 if chance.random() < 0.04 else 1
            change = chance.randint(-spread * wild, spread * wild)
            self.ticks[feed] = max(self.ticks[feed] * (10**6 + change) // 10**6, 2)
        if not self.is_calm and chance.random() < (0.03 if variant.crashes else 0.012):
            # A gap: within the cap most members are called at once, beyond it the feed halts first; one of each, too.
            jumps = (35, 45, 50, 60, 140, 150, 158, 190) if variant.crashes else (60, 72, 80, 120, 128, 170)
            for feed in chance.choice(((BTC,), (ETH,), (BTC, ETH))):
                self.ticks[feed] = max(self.ticks[feed] * chance.choice(jumps) // 100, 2)
        if chance.random() < 0.02:
            price = chance.choice((1_000_000, 1_000_000, 985_000, 950_000))
            # Once its tokens have left, a group has no cash any more: seldom, or nothing else would happen.
            self.ticks[USDC_FEED] = price if self.may_leave else max(price, 985_000)
        if variant.second_group and chance.random() < 0.01:
            self.ticks[OTHER_FEED] = chance.choice((1_000_000, 1_000_000, 985_000, 950_000, 400_000))
        if chance.random() < 0.03:
            self.silent = chance.choice(((), (), (1,), (2,)))
        if chance.random() < 0.06:
            self.unpriced = chance.choice(((), (), (BTC,), (ETH,), (USDC_FEED,), (BTC,) if variant.halts else ()))

    def play(self, requests: list[Transaction], facts: list[Fact]) -> BlockResult:
        """One block of one second, seldom of more."""
        chance = self.chance
        after_ms = chance.choice((1_000,) * 12 + (400, 4_000)) if chance.random() < 0.995 else 3_700_000
        if self.variant.venues and self.state.now.height == self.opened_height + DAY_BLOCKS:
            after_ms = max((START_MS // DAY_MS + 1) * DAY_MS + 61_000 - self.state.now.time_ms, after_ms)
        facts += self.heartbeats((*self.silent, *self.lost))
        facts = self.sighted_first([each for each in facts if each.chain_id not in self.lost])
        time_ms = self.state.now.time_ms + after_ms
        feeds = self.ticks.keys() & {feed for feed, _ in self.state.feeds.ordered()} - set(self.unpriced)
        prices = [(feed, self.ticks[feed]) for feed in feeds]
        lies = [(feed, self.lies.get(feed, ticks)) for feed, ticks in prices]
        honest = half = VoteExtension(reports(*prices, time_ms=time_ms), (*self.half_heard, *facts))
        liar = VoteExtension(reports(*lies, time_ms=time_ms), honest.facts)
        self.half_heard = []
        if self.variant.validators_change and facts and chance.random() < 0.1:
            # Every second validator is late to tell: the others' words must count with its own in the next block.
            self.half_heard, half = facts, msgspec.structs.replace(honest, facts=())
        speakers = [self.names[each.envelope_key] for each in validator_sets(self.state).last.validators]
        extensions = [liar if name == LIAR else half if name % 2 else honest for name in speakers]
        return self.apply(self.make_block(requests, extensions, after_ms))

    def sighted_first(self, facts: list[Fact]) -> list[Fact]:
        """With deposits that are sighted before they are final, and those that are final now, some somewhere else."""
        if not self.variant.sightings:
            return facts
        sighted: list[Fact] = []
        for fact in facts:
            if isinstance(fact, DepositSeen) and self.chance.random() < 0.3:
                final = msgspec.structs.replace(fact, block_number=self.heads[fact.chain_id] + 2)
                self.coming.append(final)
                sighted.append(as_sighted(final))
            else:
                sighted.append(fact)
        while self.coming and self.chance.random() < 0.5:
            final = self.coming.pop(0)
            moved = self.chance.random() < 0.1
            sighted.append(msgspec.structs.replace(final, account=self.chance.choice((FIRST, 999))) if moved else final)
        return [each for each in sighted if each.chain_id not in self.lost]

    def make_block(self, *args: Any, **more: Any) -> BlockInput:
        """With the offences that were proven."""
        block = msgspec.structs.replace(super().make_block(*args, **more), misbehaviour=self.offences)
        self.offences = ()
        return block

    def money_key(self, account: int) -> bytes:
        """Whose secret signs for money that leaves the account: the client's own, where it has a key."""
        return secret(self.signers.get(account, self.owner.get(account, 0)))

    def withdrawal(self, account: int, asset: int, units: int, to: bytes = PAYEE, **changes: Any) -> Withdrawal:
        return super().withdrawal(account, asset, units, to, **{"key": self.money_key(account)} | changes)

    def transfer(self, account: int, recipient: int, micros: int, group: int = USD, **changes: Any) -> CashTransfer:
        return self.request(CashTransfer, account, recipient, group, micros, key=self.money_key(account), **changes)

    def amount(self, asset: int, units: int) -> int:
        return self.state.terms.assets[asset].to_amount(units)

    def paid_in(self, account: int, asset: int, units: int) -> Fact:
        """A deposit that is final in this block."""
        return self.deposit_fact(account, asset, self.amount(asset, units))

    def halted(self) -> list[int]:
        return [feed for feed, found in self.state.feeds.ordered() if found.status == FeedStatus.HALTED]


TOKENS = (WETH_1, STETH_2)
CASH = (USDC_1, USDC_2)
