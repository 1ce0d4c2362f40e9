"""Properties over random stories of venues, pairs, held trades, accounts and repeats.

After every block of a `World` the whole ledger sums to zero and every instrument's positions are matched.
"""

import random
from collections import Counter
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.schema.receipts.trades import ReconciliationBreak, TradeNovated, VenueDayClosed
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import current_holdings
from tests.kit.clearing.desk import finish_day, venue_genesis, venue_world
from tests.kit.clearing.genesis import ACCOUNTS, ALICE, BOB, BTC_PERP, CAROL, ETH_PERP, HOUSE, WETH_1
from tests.kit.clearing.requests import (
    CLIENT_KEY,
    CLIENT_SECRET,
    NO_VENUE,
    PRICE,
    TODAY,
    VENUE_SECRETS,
    line_of,
    trade_key,
)
from tests.kit.clearing.signer import signed
from tests.kit.clearing.world import of_kind

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NUMBERS = st.tuples(*(st.integers(0, 2**16 - 1) for _ in range(5)))


class Story:
    """Requests out of small numbers, and everything that was ever asked, to be repeated."""

    def __init__(self, fee_ppm: int = 50) -> None:
        self.desk = venue_world(venue_genesis(fee_ppm=fee_ppm, held_per_account_max=6, member_accounts_max=4))
        self.reports: list[Any] = []
        self.asked: list[Any] = []
        self.novated: list[tuple[int, int, int, int]] = []
        for each in (ALICE, BOB):
            self.desk.deposit(each, WETH_1, 10**9)

    def one_of(self, number: int) -> int:
        """Mostly those who have money."""
        return int(self.any_of((ALICE, BOB, CAROL) if number % 4 else self.accounts(), number // 4))

    def waiting(self, number: int) -> tuple[Any, int]:
        """A reported trade with its present sides, and the revision that a change of it has to name."""
        earlier = self.any_of(self.reports, number)
        held = list(self.desk.state.pending_trades.ordered())
        if number % 5 == 0 or not held:
            return earlier, number % 2
        key, trade = self.any_of(held, number)
        sides = {"buyer": trade.buyer, "seller": trade.seller, "lots": trade.lots, "ticks": trade.ticks}
        earlier = next(each for each in reversed(self.reports) if trade_key(each) == key)
        return msgspec.structs.replace(earlier, **sides), trade.revision

    def changed(self, request: Any, earlier: Any) -> Any:
        """The same change of a trade under the key that it was first told with."""
        first = next((each for each in self.reports if each.venue_trade_id == earlier.venue_trade_id), earlier)
        low, high = trade_key(first)[2:]
        request = msgspec.structs.replace(request, low=low, high=high)
        names = [name for name in request.__struct_fields__ if name.endswith("signature") and getattr(request, name)]
        keys = {"venue_signature": VENUE_SECRETS.get(earlier.venue, b"\x09" * 32)}
        keys |= {f"{side}_signature": self.desk.key_of(getattr(earlier, side)) for side in ("buyer", "seller")}
        keys |= {"signature": self.desk.key_of(getattr(request, "account", 0))}
        keys |= {"recipient_signature": self.desk.key_of(getattr(request, "recipient", 0))}
        return signed(request, self.desk.network, **{name: keys[name] for name in names})

    def accounts(self) -> list[int]:
        return [each for each, _ in self.desk.state.accounts.ordered() if each < 2**48]

    def any_of(self, choices: Any, number: int) -> Any:
        return choices[number % len(choices)]

    def request(self, numbers: tuple[int, ...]) -> Any:
        desk = self.desk
        kind, a, b, c, d = numbers
        first, second = self.one_of(a), self.one_of(b)
        earlier, revision = self.waiting(c) if self.reports else (None, 0)
        kind %= 16
        if kind <= 4:
            signers = ("v", "vb", "vs", "vbs", "bs")[c % 5]
            hold = (0, 0, 5_000, 80_000)[d % 4]
            report = desk.report(first, second, 1 + d % 40, PRICE + a % 50, signers=signers, hold_ms=hold)
            if c % 7 == 0:
                report = desk.bilateral(first, second, venue_trade_id=1 + d % 3, hold_ms=hold)
            self.reports.append(report)
            return report
        if kind == 5:
            return desk.trade(first, second, BTC_PERP, 1 + d % 9, PRICE, trade_id=1 + c % 3, venue=NO_VENUE)
        if kind == 6 and earlier:
            return self.changed(desk.correction(earlier, revision, ("v", "bs")[a % 2], lots=1 + b % 40), earlier)
        if kind == 7 and earlier:
            return self.changed(desk.trade_cancellation(earlier, revision, ("v", "bs")[a % 2]), earlier)
        if kind == 8 and earlier:
            return self.changed(
                desk.give_up(earlier, (earlier.buyer, earlier.seller)[a % 2], second, revision), earlier
            )
        if kind == 9:
            return desk.mandate(first, day=PRICE * 10 * (c % 300), **({"expires_ms": 0} if d % 4 == 0 else {}))
        if kind == 10:
            return desk.opening(first, AccountKind(1 + c % 2), 0, CLIENT_KEY if d % 2 and c % 2 else bytes(20))
        if kind == 11:
            return desk.closing(self.any_of(self.accounts(), a))
        if kind in (12, 13):
            own = self.any_of([each for each in self.accounts() if desk.owner[each] == desk.owner[first]], b)
            key = CLIENT_SECRET if d % 3 == 0 else None
            if kind == 13:
                return desk.token_transfer(first, own, 1 + c, WETH_1, key=key)
            return desk.transfer(first, own, desk.cash(first) if c % 3 == 0 else 1 + c, key=key)
        if kind == 14:
            return desk.porting(self.any_of(self.accounts(), a), c % 4, client=CLIENT_SECRET if d % 2 else None)
        return self.any_of(self.asked, a) if self.asked else desk.mandate(first)

    def block(self, many: list[tuple[int, ...]], after_ms: int) -> None:
        requests = [self.request(each) for each in many]
        self.asked = (self.asked + requests)[-60:]
        desk = self.desk
        forged = [msgspec.structs.replace(each, not_after_ms=each.not_after_ms + 1) for each in self.asked[-1:]]
        result = desk.block(*requests, *forged, after_ms=after_ms)
        for each in of_kind(result, TradeNovated):
            pair = (0, 0) if each.venue in VENUE_SECRETS else sorted((each.buyer, each.seller))
            self.novated.append((each.venue, each.venue_trade_id, *pair))
        for account, record in desk.state.accounts.ordered():
            desk.owner[account] = record.member

    def check(self) -> None:
        venues = [each for each in self.novated if each[0] in VENUE_SECRETS]
        assert len(set(venues)) == len(venues), "a venue's id is novated once"
        state = self.desk.state
        sides = [side for _, held in state.pending_trades.ordered() for side in (held.buyer, held.seller)]
        assert Counter(sides) == dict(state.pending_counts.ordered())
        members = Counter(record.member for account, record in state.accounts.ordered() if account < 2**48)
        for member, counts in state.member_accounts.ordered():
            assert counts.open == members[member] <= 4


@pytest.mark.parametrize("seed", range(4))
def test_long_stories_reach_every_rule(seed: int) -> None:
    """What a small example rarely reaches: changes of held trades, porting, closing, transfers of tokens."""
    chance, story = random.Random(seed), Story()
    for _ in range(60):
        requests = [tuple(chance.randrange(2**16) for _ in range(5)) for _ in range(chance.randrange(9))]
        story.block(requests, chance.choice((1, 1_000, 2_000, 61_000)))
        story.check()
    met = {type(each).__name__ for result in story.desk.results for each in result.receipts}
    assert met >= {"TradeNovated", "TradePending", "MandateChanged", "AccountOpened"}
    assert met >= {"PendingTradeCorrected", "TradeGivenUp"}


BLOCKS = st.lists(st.tuples(st.lists(NUMBERS, max_size=8), st.sampled_from((1, 1_000, 2_000, 61_000))), max_size=10)


@FEW
@given(BLOCKS, NUMBERS)
def test_no_story_makes_money_or_lots_or_novates_twice_and_a_state_that_was_read_goes_on_alike(
    blocks: list[Any], more: tuple[int, ...]
) -> None:
    story = Story()
    for requests, after_ms in blocks:
        story.block(requests, after_ms)
        story.check()
    copy, first = story.desk.restored(), len(story.desk.blocks)
    for after_ms in (1_000, 2_000, 61_000, 90_000_000):
        story.block([more], after_ms)
    story.desk.check_replay(copy, first)


@FEW
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(-40, 40), st.booleans()), min_size=2, max_size=4))
def test_the_order_of_independent_trades_does_not_count(trades: list[tuple[int, int, bool]]) -> None:
    """Nobody is near a margin or a limit: each trade passes whatever came before."""
    pairs = ((ALICE, BOB), (CAROL, HOUSE), (BOB, CAROL), (ALICE, CAROL))
    outcomes = set()
    for order in list(permutations(range(len(trades))))[:6]:
        desk = venue_world(venue_genesis(fee_ppm=50))
        requests = []
        for (lots, away, eth), (buyer, seller) in zip(trades, pairs, strict=False):
            instrument, price = (ETH_PERP, 20_000) if eth else (BTC_PERP, PRICE)
            requests.append(desk.report(buyer, seller, lots, price + away, instrument=instrument, signers="vbs"))
        result = desk.block(*(requests[each] for each in order))
        assert len(of_kind(result, TradeNovated)) == len(trades)
        outcomes.add(str([current_holdings(desk.state, each) for each in ACCOUNTS]))
    assert len(outcomes) == 1


@FEW
@given(
    kept=st.lists(st.booleans(), min_size=1, max_size=40),
    wrong=st.lists(st.booleans(), min_size=40, max_size=40),
    more=st.integers(0, 5),
    size=st.integers(1, 16),
)
def test_every_trade_of_a_day_is_told_once(kept: list[bool], wrong: list[bool], more: int, size: int) -> None:
    desk = venue_world()
    reports = [desk.report(ALICE, BOB, 1) for _ in kept]
    desk.block(*reports)
    lines = [
        line_of(report, lots=2 if bad else 1)
        for report, reported, bad in zip(reports, kept, wrong, strict=False)
        if reported
    ]
    lines += [line_of(reports[-1], venue_trade_id=1_000 + each) for each in range(more)]
    finish_day(desk)
    parts = [lines[at : at + size] for at in range(0, len(lines), size)] or [[]]
    breaks = []
    for number, part in enumerate(parts):
        statement = desk.statement(part, TODAY, number, last=number == len(parts) - 1)
        breaks += of_kind(desk.block(statement), ReconciliationBreak)
    result = desk.block()
    breaks += of_kind(result, ReconciliationBreak)
    (day,) = of_kind(result, VenueDayClosed)
    assert day.matched + day.differing + day.missing_there == len(reports) == day.trades
    assert day.matched + day.differing + day.missing_here == len(lines) == day.lines
    assert day.missing_here == more
    assert len(breaks) == len({each.venue_trade_id for each in breaks}) == len(lines) + kept.count(False) - day.matched
