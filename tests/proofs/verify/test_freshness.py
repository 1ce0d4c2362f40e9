"""A certified package proves nothing about now: its age, and that of the trust in its validators, are checked."""

import msgspec
import pytest

from proofs.epoch.package import read_package, write_package
from proofs.errors import ProofCode
from proofs.verify.freshness import AHEAD_MS_MAX, DAY_MS, MAX_AGE_MS, TRUSTING_PERIOD_MS, Freshness, duration
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs.cheated_package import signed_anew

replace = msgspec.structs.replace
TIME = 1_584_000_000_000
"""Of the small market's header and prices."""
YEARS = 2 * 365 * DAY_MS


@pytest.fixture(scope="module")
def trust(market) -> dict[str, bytes]:
    return {"network": market.NETWORK, "validators_hash": market.validator_set().hash}


def code_of(data: bytes, trust: dict[str, bytes], **wanted: int | None) -> ProofCode | None:
    verdict = verify_package(data, freshness=Freshness(**wanted), **trust)
    assert verdict.failed in (None, "freshness")
    return verdict.checks[-1].code


def test_an_old_package_of_a_set_that_has_retired_is_refused_at_its_age(package, trust):
    """The file stays certified for ever; shown years later it says nothing about now."""
    assert verify_package(package, **trust).ok, "without a time"
    assert code_of(package, trust, now_ms=TIME + YEARS) is ProofCode.STALE
    assert code_of(package, trust, now_ms=TIME + YEARS, max_age_ms=None) is None


def test_a_retired_set_that_signs_years_later_with_a_new_time_is_refused_by_when_it_was_known(market, package, trust):
    """Its members lose nothing by it any more: the time in the header is theirs, when they were trusted is not."""
    later = TIME + YEARS
    good = read_package(package)
    again = signed_anew(market, good, time_ms=later)
    known = {"now_ms": later, "set_known_ms": TIME}
    assert code_of(again, trust, max_age_ms=None, **known) is ProofCode.SET_EXPIRED
    assert code_of(again, trust, now_ms=later, set_known_ms=later, max_age_ms=None) is None, "who knew the set lately"


def test_an_old_snapshot_under_a_new_header_is_refused_at_the_age_of_its_prices(market, package, trust):
    later = TIME + YEARS
    again = signed_anew(market, read_package(package), time_ms=later)
    verdict = verify_package(again, freshness=Freshness(later), **trust)
    assert (verdict.failed, verdict.checks[-1].code) == ("freshness", ProofCode.STALE)
    assert "prices" in verdict.checks[-1].detail


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"now_ms": TIME + MAX_AGE_MS}, None),
        ({"now_ms": TIME + MAX_AGE_MS + 1}, ProofCode.STALE),
        ({"now_ms": TIME + 5, "max_age_ms": 4}, ProofCode.STALE),
        ({"now_ms": TIME, "max_age_ms": 0}, None),
        ({"now_ms": TIME - AHEAD_MS_MAX}, None),
        ({"now_ms": TIME - AHEAD_MS_MAX - 1}, ProofCode.FROM_THE_FUTURE),
        ({"now_ms": 0, "max_age_ms": None}, ProofCode.FROM_THE_FUTURE),
        ({"now_ms": TIME, "min_height": 40}, None),
        ({"now_ms": TIME, "min_height": 41}, ProofCode.BELOW_MIN_HEIGHT),
        ({"now_ms": TIME, "set_known_ms": TIME - TRUSTING_PERIOD_MS}, None),
        ({"now_ms": TIME, "set_known_ms": TIME - TRUSTING_PERIOD_MS - 1}, ProofCode.SET_EXPIRED),
        ({"now_ms": TIME, "set_known_ms": TIME - YEARS, "trusting_period_ms": YEARS}, None),
    ],
)
def test_each_bound_is_met_to_the_millisecond(package, trust, wanted, code):
    assert code_of(package, trust, **wanted) is code


def test_a_stale_package_costs_none_of_its_proofs(package, trust):
    verdict = verify_package(package, freshness=Freshness(TIME + YEARS), **trust)
    assert verdict.not_run[:2] == ("statement", "ranges_and_rows")
    assert verdict.claim == ""


def test_a_verdict_says_what_it_does_not_know_of_time(package, trust):
    def limits(**given):
        return " ".join(verify_package(package, **trust, **given).not_proven)

    assert "was not checked" in limits()
    assert "may be a newer package" in limits(freshness=Freshness(TIME))
    assert "rests on the caller's word" in limits(freshness=Freshness(TIME))
    assert "rests on the caller's word" not in limits(freshness=Freshness(TIME, set_known_ms=TIME))
    assert "age was not limited" in limits(freshness=Freshness(TIME, None))


def test_a_proof_of_one_account_is_as_old_as_its_package(market, package, trust):
    own = OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1], market.owner(1))
    proof = prove_account(read_package(package), own)
    good = verify_standalone(proof, package, freshness=Freshness(TIME), **trust)
    assert good.ok
    assert [check.name for check in good.checks][2:4] == ["roots", "freshness"]
    old = verify_standalone(proof, package, freshness=Freshness(TIME + YEARS), **trust)
    assert (old.failed, old.not_run) == ("freshness", ("statement", "rules", "listed", "solvency"))


def test_prices_that_cannot_be_read_are_left_to_the_check_of_the_rules(market, package, trust):
    good = read_package(package)
    for rules in (b"", b"\x00"):
        stated = replace(good.statement, rules=rules)
        data = signed_anew(market, replace(good, statement=stated))
        assert verify_package(data, freshness=Freshness(TIME), **trust).failed == "ranges_and_rows"


def test_a_changed_time_is_no_way_around_it(package, trust):
    good = read_package(package)
    moved = write_package(replace(good, header=replace(good.header, time_ms=TIME + YEARS)))
    assert verify_package(moved, freshness=Freshness(TIME + YEARS), **trust).failed == "certificate"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(-5, "0 seconds"), (1999, "1 seconds"), (120_000, "2 minutes"), (3 * DAY_MS, "3 days"), (DAY_MS, "24 hours")],
)
def test_a_length_of_time_is_told_in_its_largest_unit(milliseconds, text):
    assert duration(milliseconds) == text
