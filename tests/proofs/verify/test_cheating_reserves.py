"""Reserves that are counted twice, or are not there; certified by a quorum that plays along."""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.margin.statement.snapshot import CustodyTerm
from proofs.epoch.package import read_package
from proofs.errors import ProofCode
from proofs.verify.verdict import Verdict
from tests.kit.proofs.cheated_package import cheated, lying, secrets_of

replace = msgspec.structs.replace


def custody_of(package) -> tuple[CustodyTerm, ...]:
    return read_package(package).statement.custody


def test_the_same_vault_and_token_counted_for_two_slots_is_refused(market, package):
    first, second, third = custody_of(package)
    for terms in ((first, first, second, third), (first, replace(first, slot=market.TOKEN), second, third)):
        assert lying(market, package, custody=terms).failed == "statement"


TWICE = {
    "a block shown as another chain's": lambda a, b, c: (a, replace(b, block_hash=a.block_hash), c),
    "a block shown under two numbers": lambda a, b, c: (a, b, replace(c, block_number=b.block_number + 1)),
    "two blocks of one number": lambda a, b, c: (a, b, replace(c, block_hash=bytes([99]) * 32)),
    "a token in two vaults at two blocks": lambda a, b, c: (
        a,
        b,
        replace(b, vault=bytes([200]) * 20, block_number=300, block_hash=bytes([98]) * 32),
    ),
}


@pytest.mark.parametrize("what", TWICE)
def test_reserves_counted_twice_are_refused(market, package, what):
    verdict = lying(market, package, custody=TWICE[what](*custody_of(package)))
    assert (verdict.failed, verdict.checks[-1].code) == ("statement", ProofCode.COUNTED_TWICE)


def test_a_unit_of_nothing_backs_nothing(market, package):
    first, *rest = custody_of(package)
    others = sum(int.from_bytes(each, "big") for each in (first.released, first.later, first.strays, first.dust))
    out_of_nothing = replace(first, unit=0, deposited=u256(others), withdrawn=bytes(32), balance=u256(others))
    assert out_of_nothing.owed == out_of_nothing.accounted
    verdict = lying(market, package, custody=(out_of_nothing, *rest))
    assert (verdict.failed, verdict.checks[-1].code) == ("statement", ProofCode.BAD_STATEMENT)
    for bits in (0, 257, 2**32 - 1):
        balances = replace(first.balances, bits=bits)
        assert lying(market, package, custody=(replace(first, balances=balances), *rest)).failed == "statement"


def shown_with(market, **changes) -> Verdict:
    """The first custody term bent, certified and proven for as it is."""
    shot = market.snapshot()
    first, *rest = shot.statement.custody
    stated = replace(shot.statement, custody=(replace(first, **changes), *rest))
    return cheated(market, stated, secrets_of(market, shot))


UNIT, MORE = 100, 1_000
SHORTAGES = {
    "less deposited than is owed": lambda term: {"deposited": u256(int.from_bytes(term.deposited, "big") - 1)},
    "more withdrawn than was seen": lambda term: {"withdrawn": u256(int.from_bytes(term.withdrawn, "big") + 1)},
    "more withdrawn than deposited": lambda term: {"withdrawn": u256(int.from_bytes(term.deposited, "big") + 1)},
    "a balance below what is accounted for": lambda term: {"balance": u256(term.accounted - 1)},
    "no balance": lambda term: {"balance": bytes(32)},
    "a release left out": lambda term: {"released": bytes(32)},
    "a deposit on its way counted as held": lambda term: {"later": bytes(32)},
    "strays counted as held": lambda term: {"strays": bytes(32)},
    "dust counted as held": lambda term: {"dust": bytes(32)},
    "donations counted as held": lambda term: {
        "held": term.held + MORE,
        "balance": u256(int.from_bytes(term.balance, "big") + MORE * UNIT),
    },
    "more owed, and deposited, than the book says": lambda term: {
        "held": term.held + MORE,
        "deposited": u256(int.from_bytes(term.deposited, "big") + MORE * UNIT),
        "balance": u256(int.from_bytes(term.balance, "big") + MORE * UNIT),
    },
    "less owed than the book says": lambda term: {
        "held": term.held - 1,
        "released": u256(int.from_bytes(term.released, "big") + UNIT),
    },
    "a smaller unit": lambda term: {"unit": UNIT - 1},
    "the custody of another slot": lambda term: {"slot": 1},
}


@pytest.mark.parametrize("what", SHORTAGES)
def test_reserves_that_do_not_cover_what_is_owed_are_refused(market, what):
    changes = SHORTAGES[what](market.snapshot().statement.custody[0])
    verdict = shown_with(market, **changes)
    assert (verdict.failed, verdict.checks[-1].code) == ("reserves", ProofCode.RESERVES_SHORT)


def test_reserves_that_cover_exactly_what_is_owed_are_enough(market):
    """The shortages above are short by what they say, and by nothing else."""
    assert shown_with(market).ok
    term = market.snapshot().statement.custody[0]
    assert shown_with(market, balance=u256(term.accounted)).ok


def test_an_account_below_zero_in_a_token_does_not_pay_for_the_others(market):
    """A hole in the vault filled by a house that owes tokens: the sum is right, and the range is not."""
    shot = market.snapshot(((0, (5_000, -8, 0, 3)), *market.HOLDINGS[1:]))
    secrets = secrets_of(market, shot)
    assert secrets[0].values[market.TOKEN] == -8
    assert cheated(market, shot.statement, secrets).failed == "ranges_and_rows"
