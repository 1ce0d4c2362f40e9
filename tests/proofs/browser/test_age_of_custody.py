"""How old the state is that proves custody: both verifiers say it and name each block's time.

With a stated time they leave custody open where a block is older than is accepted."""

import msgspec
import pytest

from proofs.epoch.package import read_package, write_package
from proofs.verify.freshness import Freshness
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs import small_market as market
from tests.kit.proofs.proven_custody import chains_of, proven
from tests.kit.proofs.second_verifier import SecondVerifier

replace = msgspec.structs.replace
DAY_S = 86_400
WEEK_MS = 7 * DAY_S * 1000
HEADER_S = 1_584_000_000
OLDEST = "The oldest of these blocks"


def of_days(days: int) -> bytes:
    """A package whose custody on chain 1 is that of a block so many days before its header."""
    return dated({1: HEADER_S - days * DAY_S})


def dated(times_s: dict[int, int]) -> bytes:
    """A package whose custody is that of blocks of these times, by chain."""
    shot = market.snapshot()
    chains = chains_of(shot.statement.custody)
    for chain, time_s in times_s.items():
        chains[chain].time_s = time_s
    stated, evidence = proven(shot.statement, chains)
    return write_package(replace(read_package(market.honest(replace(shot, statement=stated))), custody=evidence))


@pytest.mark.parametrize(("days", "age"), [(1, "24 hours"), (300, "300 days")])
def test_a_vault_that_is_full_in_an_old_block_is_named_with_its_time(
    second: SecondVerifier, days: int, age: str
) -> None:
    """It may have been robbed since, and what was moved to another vault counts in both."""
    data = of_days(days)
    verdict = verify_package(data)
    assert verdict.ok, verdict.checks[-1]
    assert {check.name: check.complete for check in verdict.checks}["custody"]
    named = dict(verdict.attested)
    assert named["block_time_s:1:101"] == HEADER_S - days * DAY_S
    assert named["block_time_s:2:102"] == 1_700_000_000, "dated after the header"
    (words,) = [each for each in verdict.not_proven if OLDEST in each]
    assert words.endswith(f"of chain 1, is {age} older than the header.")
    answer = second.ask(file=data)
    assert answer["attested"] == {name: str(value) for name, value in verdict.attested}
    assert words in answer["notProven"]


def test_without_a_header_that_is_shown_no_time_is_named(second: SecondVerifier) -> None:
    data = write_package(replace(read_package(of_days(1)), custody=()))
    verdict, answer = verify_package(data), second.ask(file=data)
    assert not any(name.startswith("block_time_s") for name, _ in verdict.attested)
    assert answer["attested"] == {name: str(value) for name, value in verdict.attested}
    assert not any(OLDEST in each for each in (*verdict.not_proven, *answer["notProven"]))


@pytest.mark.parametrize(
    ("first_s", "second_s", "age", "is_open"),
    [
        (-7 * DAY_S, 0, str(WEEK_MS), False),
        (-7 * DAY_S - 1, 0, str(WEEK_MS), True),
        (0, -3601, "3600000", True),
        (0, -3600, "3600000", False),
        (-900 * DAY_S, 0, "any", False),
        (0, 300, str(WEEK_MS), False),
        (0, 301, "any", True),
    ],
)
def test_a_block_older_than_is_accepted_leaves_custody_open(
    second: SecondVerifier, first_s: int, second_s: int, age: str, is_open: bool
) -> None:
    """Who asks for an age asks for what the vaults have now: a quorum could show those of a year ago."""
    data = dated({1: HEADER_S + first_s, 2: HEADER_S + second_s})
    now_ms = 1000 * HEADER_S
    wanted = Freshness(now_ms, None if age == "any" else int(age))
    verdict = verify_package(data, freshness=wanted)
    found = {check.name: check for check in verdict.checks}["custody"]
    answer = {check["name"]: check for check in second.ask(file=data, now_ms=str(now_ms), max_age_ms=age)["checks"]}[
        "custody"
    ]
    assert (found.ok, found.complete, answer["ok"], answer["complete"]) == (True, not is_open, True, not is_open)
    assert answer["detail"] == found.detail
    assert {check.name: check.complete for check in verify_package(data).checks}["custody"], "without a time it says so"
