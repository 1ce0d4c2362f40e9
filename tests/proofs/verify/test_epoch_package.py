"""Packages: what an honest one says, and by which named check each dishonest one is refused."""

import os
import random

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.margin.statement.snapshot import AccountHoldings, CoverTerms, PublicTotal
from proofs.algebra.field import ORDER, inverse
from proofs.epoch.package import commitments_root, read_package, write_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.linear.statement import Witness
from proofs.statement.arithmetization import complete_holdings
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.e2e.bit_flips import CHECKS

COMPLETE = os.environ.get("CROSSCLEAR_COMPLETE") == "1"


def test_an_honest_package_passes_every_check_in_order(market, package):
    verdict = verify_package(package, network=market.NETWORK)
    assert verdict.ok, verdict.checks[-1]
    assert tuple(check.name for check in verdict.checks) == CHECKS
    assert verdict.height == 40
    assert "all 3 accounts meet" in verdict.claim
    assert any("storage proof" in limit for limit in verdict.not_proven)
    assert any("validator set is the package's own" in limit for limit in verdict.not_proven)


def test_trusting_a_validator_set_is_said_and_checked(market, package):
    own = read_package(package).validators.hash
    assert not any("package's own" in limit for limit in verify_package(package, validators_hash=own).not_proven)
    assert verify_package(package, validators_hash=bytes(32)).failed == "certificate"
    assert verify_package(package, network=bytes(32)).failed == "certificate"


def test_a_member_finds_its_own_leaf_and_a_wrong_holding_does_not(market, package):
    account, values = market.HOLDINGS[1]
    seed = market.seeds()[account]
    good = verify_package(package, own=OwnAccount(account, values, seed))
    assert good.ok
    assert good.checks[-1].name == "inclusion"
    other = (values[0] + 1, *values[1:])
    assert verify_package(package, own=OwnAccount(account, other, seed)).failed == "inclusion"
    assert verify_package(package, own=OwnAccount(account, values, bytes(32))).failed == "inclusion"
    assert verify_package(package, own=OwnAccount(77, values, seed)).failed == "inclusion"
    assert verify_package(package, own=OwnAccount(2**256, values, seed)).failed == "inclusion"
    assert verify_package(package, own=OwnAccount(account, values[:-1], seed)).failed == "inclusion"


def test_any_flipped_bit_is_refused_by_a_named_check(market, package):
    seeded = random.Random(4)
    places = range(len(package)) if COMPLETE else sorted(seeded.sample(range(len(package)), 240))
    seen = set()
    for place in places:
        broken = bytearray(package)
        broken[place] ^= 1 << seeded.randrange(8)
        verdict = verify_package(bytes(broken), network=market.NETWORK)
        assert not verdict.ok, place
        assert verdict.failed in CHECKS
        assert verdict.claim == ""
        seen.add(verdict.failed)
    assert {"encoding", "certificate", "roots", "ranges_and_rows"} <= seen


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_cut_or_longer_files_fail_as_encoding(package, cut):
    assert verify_package(package[:cut]).failed == "encoding"
    assert verify_package(package + b"\0").failed == "encoding"


def test_a_package_of_the_shape_that_networks_write_verifies(market):
    shot, keys = market.snapshot(), market.seeds()
    package = prove_epoch(shot, keys, *market.certified(commitments_root(shot.statement, commit_epoch(shot, keys))))
    assert read_package(package).domain == 2048
    assert verify_package(package, network=market.NETWORK).ok


def test_a_prover_refuses_a_header_that_certifies_other_holdings(market):
    shot, keys = market.snapshot(), market.seeds()
    head = market.certified(commitments_root(shot.statement, commit_epoch(shot, keys, market.N), market.N))
    with pytest.raises(LocalFault, match="wrong_root"):
        prove_epoch(shot, {**keys, 1: bytes(32)}, *head, domain=market.N)


def test_an_insolvent_account_is_proven_only_when_it_is_listed(market):
    holdings = ((0, (5_000, 10, 0, 3)), (1, (-200, 40, -2, 0)), (5, (2_000, 700, 2, -3)))
    with pytest.raises(LocalFault, match="witness_out_of_range"):
        market.honest(market.snapshot(holdings))
    # equity −200 + 120 = −80; requirement 2·900; short of 10·80 + 8·1800.
    listed = market.honest(market.snapshot(holdings, [(1, 10 * 80 + 8 * 1800)]))
    verdict = verify_package(listed)
    assert verdict.ok, verdict.checks[-1]
    assert "account 1 is short by at most 15200" in verdict.claim
    with pytest.raises(LocalFault):
        market.honest(market.snapshot(holdings, [(1, 10 * 80 + 8 * 1800 - 1)]))


def refused(market, values, holdings=None, check="ranges_and_rows"):
    cheat = market.Cheat(market.snapshot(holdings or market.HOLDINGS))
    verdict = verify_package(cheat.package(cheat.witnesses(values)))
    assert verdict.failed == check, verdict.checks[-1]


def test_the_cheating_prover_passes_when_it_does_not_cheat(market):
    cheat = market.Cheat(market.snapshot())
    assert verify_package(cheat.package(cheat.witnesses())).ok


def test_a_negative_token_slot_is_refused_as_ranges_and_rows(market):
    refused(market, {1: {market.TOKEN: -1}})


def test_a_fraction_modulo_p_is_refused_as_ranges_and_rows(market):
    refused(market, {1: {market.TOKEN: inverse(3)}})


def test_p_minus_one_is_refused_as_ranges_and_rows(market):
    refused(market, {1: {market.TOKEN: ORDER - 1}})


def test_a_position_beyond_its_range_is_refused_as_ranges_and_rows(market):
    refused(market, {1: {market.BTC: 2**39}})


def test_an_understated_group_maximum_is_refused_as_ranges_and_rows(market):
    refused(market, {1: {market.R_BTC: 2 * 900 - 1}})


def test_an_insolvent_account_left_unlisted_is_refused_as_ranges_and_rows(market):
    refused(market, {}, ((0, (5_000, 10, 0, 3)), (1, (-200, 40, -2, 0)), (5, (2_000, 700, 2, -3))))


def test_equity_of_minus_one_is_refused_as_ranges_and_rows(market):
    refused(market, {}, ((0, (-1, 0, 0, 0)), (1, (9_000, 40, 0, 0)), (5, (2_000, 700, 0, 0))))


@pytest.mark.parametrize("digit", [256, 300, ORDER - 1])
def test_a_forged_digit_is_refused_as_ranges_and_rows(market, digit):
    cheat = market.Cheat(market.snapshot())
    witnesses = cheat.witnesses({1: {market.TOKEN: digit}})
    column = list(witnesses[1].digits[0])
    column[8] = digit  # slot 0 takes eight digits, so this is the lowest one of slot 1
    assert column[9] in (0, 1)
    column[9] = 0
    witnesses[1] = Witness(witnesses[1].values, (tuple(column),), witnesses[1].blinders)
    assert verify_package(cheat.package(witnesses)).failed == "ranges_and_rows"


def test_a_swapped_matrix_is_refused_by_roots_and_by_the_proof(market):
    softer = market.statement(system=market.rows({"BTC": (market.BTC, market.R_BTC, (90, -70))}))
    honest_shot, soft_shot = market.snapshot(), market.snapshot(system=softer.rows)
    cheat = market.Cheat(soft_shot)
    witnesses = cheat.witnesses()
    # Proven for the softer matrix, certified and shown with the true one.
    proven_softly = market.Cheat(honest_shot).package(
        witnesses, shown=honest_shot.statement, proven=soft_shot.statement
    )
    shown_softly = read_package(proven_softly)
    assert shown_softly.statement == softer
    assert verify_package(proven_softly).failed == "roots"
    swapped = msgspec.structs.replace(shown_softly, statement=honest_shot.statement)
    assert verify_package(write_package(swapped)).failed == "ranges_and_rows"


def test_a_duplicate_account_is_refused_as_statement(market):
    cheat = market.Cheat(market.snapshot())
    shot = msgspec.structs.replace(cheat.shot, accounts=(*cheat.shot.accounts[:2], cheat.shot.accounts[1]))
    twice = market.Cheat(shot)
    with pytest.raises(Exception, match="ascending"):
        twice.package(twice.witnesses())
    good = read_package(cheat.package(cheat.witnesses()))
    commitments = (*good.commitments[:2], good.commitments[1])
    header, certificate, validators = market.certified(commitments_root(good.statement, commitments, market.N))
    forged = msgspec.structs.replace(
        good, commitments=commitments, header=header, certificate=certificate, validators=validators
    )
    assert verify_package(write_package(forged)).failed == "statement"


def test_an_unmatched_book_is_refused_as_matched_book(market):
    cheat = market.Cheat(market.snapshot())
    # One lot more than anybody is short of.
    verdict = verify_package(cheat.package(cheat.witnesses({1: {market.BTC: -1}})))
    assert verdict.failed == "matched_book"


def test_a_public_total_that_is_not_zero_in_an_instrument_is_refused_as_matched_book(market):
    stated = market.statement()
    totals = tuple(PublicTotal(t.slot, 1 if t.slot == market.BTC else t.total) for t in stated.totals)
    shown = msgspec.structs.replace(stated, totals=totals)
    cheat = market.Cheat(market.snapshot())
    verdict = verify_package(cheat.package(cheat.witnesses({1: {market.BTC: -1}}), shown=shown))
    assert verdict.failed == "matched_book"


@pytest.mark.parametrize("missing", ["BTC/0", "ETH/1", "maintenance"])
def test_a_statement_without_one_of_its_rules_is_refused_as_statement(market, missing):
    stated = market.statement()
    shown = msgspec.structs.replace(stated, rows=tuple(row for row in stated.rows if row.name != missing))
    cheat = market.Cheat(market.snapshot(system=shown.rows))
    assert verify_package(cheat.package(cheat.witnesses(), shown=shown)).failed == "statement"


@pytest.mark.parametrize(
    "change",
    [
        {"scenarios": 3},
        {"groups": ("BTC",)},
        {"totals": ()},
        {"shortfalls": ((1, 0),)},
        {"shortfalls": ((5, 1), (1, 1))},
    ],
)
def test_a_statement_that_contradicts_itself_is_refused_as_statement(market, change):
    shown = msgspec.structs.replace(market.statement(), **change)
    cheat = market.Cheat(market.snapshot())
    assert verify_package(cheat.package(cheat.witnesses(), shown=shown)).failed == "statement"


def test_a_shortfall_of_an_account_that_is_not_there_is_refused_as_statement(market, package):
    good = read_package(package)
    shown = msgspec.structs.replace(good.statement, shortfalls=((77, 1),))
    header, certificate, validators = market.certified(commitments_root(shown, good.commitments, market.N))
    forged = msgspec.structs.replace(
        good, statement=shown, header=header, certificate=certificate, validators=validators
    )
    assert verify_package(write_package(forged)).failed == "statement"


@pytest.mark.parametrize(
    "change",
    [
        {"balance": bytes(32)},
        {"deposited": u256(1)},
        {"withdrawn": u256(2**255)},
        {"unit": 99},
        {"released": u256(8)},
        {"later": bytes(32)},
        {"strays": bytes(32)},
        {"dust": u256(2**256 - 1)},
    ],
)
def test_custody_that_does_not_add_up_is_refused_as_reserves(market, change):
    stated = market.statement()
    custody = (msgspec.structs.replace(stated.custody[0], **change), *stated.custody[1:])
    cheat = market.Cheat(market.snapshot())
    shown = msgspec.structs.replace(stated, custody=custody)
    assert verify_package(cheat.package(cheat.witnesses(), shown=shown)).failed == "reserves"


def test_client_money_without_custody_is_refused_as_reserves(market):
    stated = market.statement()
    cheat = market.Cheat(market.snapshot())
    shown = msgspec.structs.replace(stated, custody=stated.custody[1:])
    assert verify_package(cheat.package(cheat.witnesses(), shown=shown)).failed == "reserves"


@pytest.mark.parametrize(
    "change",
    [
        {"commitments_height": 39},
        {"height": 40},
        {"commitments_root": bytes(32)},
    ],
)
def test_a_header_for_another_snapshot_is_refused_as_roots(market, package, change):
    good = read_package(package)
    header, certificate, validators = market.certified(good.header.commitments_root, **change)
    forged = msgspec.structs.replace(good, header=header, certificate=certificate, validators=validators)
    assert verify_package(write_package(forged)).failed == "roots"


def test_every_public_item_moves_the_commitments_root(market, package):
    good = read_package(package)
    stated = good.statement
    seen = {commitments_root(stated, good.commitments, market.N), commitments_root(stated, good.commitments, 512)}
    variants = {
        "network": bytes(32),
        "height": 41,
        "epoch": 5,
        "state_root": bytes(32),
        "scenarios": 3,
        "groups": ("BTC",),
        "slots": stated.slots[:-1],
        "rows": stated.rows[:-1],
        "prices": stated.prices[:-1],
        "totals": stated.totals[:-1],
        "custody": stated.custody[:-1],
        "shortfalls": ((1, 1),),
        "rules": b"rules",
        "assumptions": ("a rule",),
        "cover": (CoverTerms(fund=1, fund_account=0, members=(), deficits=()),),
    }
    assert set(variants) == set(stated.__struct_fields__)
    for name, value in variants.items():
        changed = msgspec.structs.replace(stated, **{name: value})
        seen.add(commitments_root(changed, good.commitments, market.N))
    first, *rest = good.commitments
    seen.add(commitments_root(stated, ((first[0] + 1, first[1]), *rest), market.N))
    seen.add(commitments_root(stated, ((first[0], rest[0][1]), *rest), market.N))
    seen.add(commitments_root(stated, good.commitments[:-1], market.N))
    assert len(seen) == 2 + len(variants) + 3


def test_holdings_of_the_wrong_length_are_our_own_fault(market):
    with pytest.raises(LocalFault):
        complete_holdings(market.statement(), AccountHoldings(1, (1, 2, 3)))
