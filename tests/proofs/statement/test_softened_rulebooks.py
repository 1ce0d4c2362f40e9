"""What a quorum could bend in a rulebook without bending a row: moves that the genesis forbids, prices left out."""

import msgspec
import pytest

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import read_rulebook
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import RATE_TIMES_MAX
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.cheated_cover import Forger, lying
from tests.kit.proofs.recomputed import PARAMETERS, changed, refused, world_of
from tests.kit.proofs.stressed import snapshot_of

replace = msgspec.structs.replace
LEVERED = {  # account: cash, WETH, BTC-PERP, BTC-PUT, ETH-PERP; only the first lacks anything, in a crash
    1: (9 * 10**9, 0, 5_000, 0, 0),
    2: (7 * 10**9, 0, 0, 0, 0),
    3: (6 * 10**9, 0, 0, 0, 0),
}


def ranged(world, **group):
    """The network's statement with another first group."""
    stated = take_snapshot(world.state).statement
    first, *others = read_rulebook(stated.rules, 10**6).parameters.groups
    parameters = replace(PARAMETERS, groups=(replace(first, **group), *others))
    return changed(stated, parameters=parameters)


@pytest.mark.parametrize(
    ("moving", "good", "bad"),
    [
        ({}, {"volatility_range_ppm": 300_000}, {"volatility_ppm": 900_000}),
        ({}, {}, {"volatility_ppm": 1}),
        ({}, {}, {"volatility_range_ppm": 199_999}),
        ({"volatility_multiple_ppm": 0}, {}, {"volatility_range_ppm": 300_000}),
        ({"volatility_weight_ppm": 250_000}, {"volatility_ppm": 600_000}, {"volatility_ppm": 599_999}),
        ({"volatility_weight_ppm": 250_000}, {"volatility_ppm": 2_000_000}, {"volatility_range_ppm": 0}),
        ({"volatility_weight_ppm": 10**6}, {"volatility_ppm": 1}, {"volatility_range_ppm": 199_999}),
    ],
)
def test_a_volatility_moves_no_further_than_the_genesis_lets_it(moving, good, bad):
    world = world_of(ranges=RangeParameters(interval_ms=1_000, **moving))
    assert check_rulebook(ranged(world, **good), world.genesis)
    softened = ranged(world, **bad)
    assert check_rulebook(softened)
    refused(softened, genesis=world.genesis)


def test_an_instrument_or_token_whose_feed_has_no_price_is_refused_and_not_worth_nothing():
    world = world_of()
    stated = take_snapshot(world.state).statement
    book = read_rulebook(stated.rules, 10**6)
    used = {each.feed for each in (*book.instruments, *book.tokens)}
    for feed in sorted(used):
        with pytest.raises(VerificationFailed, match="no price"):
            check_rulebook(changed(stated, feeds=tuple(each for each in book.feeds if each.feed != feed)))
    one_more = replace(book.feeds[-1], feed=99, name="extra")
    refused(changed(stated, feeds=(*book.feeds, one_more)), genesis=world.genesis)


def test_a_tokens_rate_is_the_price_of_its_feed_and_has_a_limit():
    world = world_of()
    stated = take_snapshot(world.state).statement
    book = read_rulebook(stated.rules, 10**6)
    feed, rate = book.feeds[0], min(book.feeds[0].ticks, RATE_TIMES_MAX * 1_000)

    def with_rate(ticks, feeds=book.feeds, **yields):
        token = replace(
            book.tokens[0], rate_ticks=ticks, yields=replace(book.tokens[0].yields, **({"unit_ticks": 1_000} | yields))
        )
        return changed(stated, tokens=(token, *book.tokens[1:]), feeds=feeds)

    assert check_rulebook(with_rate(rate, feed=feed.feed))
    assert check_rulebook(with_rate(0))
    for ticks in (rate + 1, rate - 1, 0):
        refused(with_rate(ticks, feed=feed.feed))
    refused(with_rate(1))
    with pytest.raises(VerificationFailed, match="no price"):
        check_rulebook(with_rate(0, feed=99))
    settled = (replace(feed, used=False), *book.feeds[1:])
    assert check_rulebook(with_rate(0, settled, feed=feed.feed))
    refused(with_rate(rate, settled, feed=feed.feed))


def test_a_fund_of_nothing_leaves_no_member_out_of_the_test(market):
    """Named as the fund's own, an account that lacks a lot is nobody's: a fund of nothing needs no backing."""
    shot = snapshot_of(LEVERED, {}, fund=10**9)
    assert any(shot.statement.cover[0].deficits)
    others = tuple((account, account) for account in (HOUSE_ACCOUNT, 2, 3))
    forger = Forger(shot, lying(shot.statement, fund=0, fund_account=1, members=others))
    verdict = verify_package(forger.made(market))
    assert not verdict.ok
    assert verdict.checks[-1].code is ProofCode.RULES_DIFFER
    assert "account of the fund" in verdict.checks[-1].detail


def test_a_fund_is_no_larger_than_the_parameters_name():
    stated = snapshot_of(LEVERED, {}).statement
    fund = read_rulebook(stated.rules, 10**6).parameters.default_fund_micros
    assert check_rulebook(lying(stated, fund=fund))
    with pytest.raises(VerificationFailed, match="fund"):
        check_rulebook(lying(stated, fund=fund + 1))


def test_options_are_valued_at_no_time_after_the_certified_headers(market, package):
    assert verify_package(package).ok
    stated = snapshot_of(LEVERED, {}).statement
    at = read_rulebook(stated.rules, 10**6).time_ms
    assert check_rulebook(stated, certified_ms=at)
    with pytest.raises(VerificationFailed, match="after the header"):
        check_rulebook(stated, certified_ms=at - 1)
