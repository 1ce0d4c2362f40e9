"""Packages: what an honest one says, and by which named check each dishonest one is refused."""

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
from tests.kit.complete import COMPLETE
from tests.kit.e2e.bit_flips import CHECKS
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.proofs.small_market import BROKE, BTC, R_BTC, SHORT, TOKEN, statement

replace = msgspec.structs.replace


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
    seed, owner = market.seeds()[account], market.owner(account)
    good = verify_package(package, own=OwnAccount(account, values, seed, owner))
    assert (good.ok, good.checks[-1].name) == (True, "inclusion")
    for own in (
        OwnAccount(account, (values[0] + 1, *values[1:]), seed, owner),
        OwnAccount(account, values, bytes(32), owner),
        OwnAccount(77, values, seed, owner),
        OwnAccount(2**256, values, seed, owner),
        OwnAccount(account, values[:-1], seed, owner),
    ):
        assert verify_package(package, own=own).failed == "inclusion", own


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
    with pytest.raises(LocalFault, match="witness_out_of_range"):
        market.honest(market.snapshot(BROKE))
    verdict = verify_package(market.honest(market.snapshot(BROKE, [(1, SHORT)])))
    assert verdict.ok, verdict.checks[-1]
    assert "account 1 is short by at most 15200" in verdict.claim
    with pytest.raises(LocalFault):
        market.honest(market.snapshot(BROKE, [(1, SHORT - 1)]))


def without_row(name: str) -> dict:
    return {"rows": tuple(row for row in STATED.rows if row.name != name)}


def custody(**changes) -> dict:
    first, *others = STATED.custody
    return {"custody": (replace(first, **changes), *others)}


STATED = statement()
TOTALS = tuple(PublicTotal(each.slot, 1 if each.slot == BTC else each.total) for each in STATED.totals)
LIES = [
    # (check that refuses it, what it is, account 1's values or the holdings of all, the bent statement)
    ("ranges_and_rows", "a negative token", {TOKEN: -1}, {}),
    ("ranges_and_rows", "a fraction modulo p", {TOKEN: inverse(3)}, {}),
    ("ranges_and_rows", "p minus one", {TOKEN: ORDER - 1}, {}),
    ("ranges_and_rows", "a position beyond its range", {BTC: 2**39}, {}),
    ("ranges_and_rows", "an understated group maximum", {R_BTC: 2 * 900 - 1}, {}),
    ("ranges_and_rows", "an insolvent account left unlisted", BROKE, {}),
    (
        "ranges_and_rows",
        "equity of minus one",
        ((0, (-1, 0, 0, 0)), (1, (9_000, 40, 0, 0)), (5, (2_000, 700, 0, 0))),
        {},
    ),
    ("matched_book", "one lot more than anybody is short of", {BTC: -1}, {}),
    ("matched_book", "a public total that is not zero in an instrument", {BTC: -1}, {"totals": TOTALS}),
    ("statement", "without a scenario's row", {}, without_row("BTC/0")),
    ("statement", "without another group's row", {}, without_row("ETH/1")),
    ("statement", "without the requirement", {}, without_row("maintenance")),
    ("statement", "a scenario more", {}, {"scenarios": 3}),
    ("statement", "a group less", {}, {"groups": ("BTC",)}),
    ("statement", "no totals", {}, {"totals": ()}),
    ("statement", "a listed shortfall of nothing", {}, {"shortfalls": ((1, 0),)}),
    ("statement", "shortfalls out of order", {}, {"shortfalls": ((5, 1), (1, 1))}),
    ("reserves", "no balance", {}, custody(balance=bytes(32))),
    ("reserves", "less deposited", {}, custody(deposited=u256(1))),
    ("reserves", "more withdrawn", {}, custody(withdrawn=u256(2**255))),
    ("reserves", "another unit", {}, custody(unit=99)),
    ("reserves", "more released", {}, custody(released=u256(8))),
    ("reserves", "deposits on their way left out", {}, custody(later=bytes(32))),
    ("reserves", "strays left out", {}, custody(strays=bytes(32))),
    ("reserves", "dust without end", {}, custody(dust=u256(2**256 - 1))),
    ("reserves", "client money without custody", {}, {"custody": STATED.custody[1:]}),
]


def failed(market, bent, changes) -> str | None:
    """The check that refuses what a prover without checks commits to and shows."""
    holdings, values = (market.HOLDINGS, {1: bent}) if isinstance(bent, dict) else (bent, {})
    shot = market.snapshot(holdings, system=changes.get("rows"))
    cheat = market.Cheat(shot)
    return verify_package(cheat.package(cheat.witnesses(values), shown=replace(shot.statement, **changes))).failed


def test_the_cheating_prover_passes_when_it_does_not_cheat(market):
    assert failed(market, {}, {}) is None


@pytest.mark.parametrize(
    ("check", "bent", "changes"), [(lie[0], *lie[2:]) for lie in LIES], ids=[lie[1] for lie in LIES]
)
def test_a_lie_is_refused_by_the_check_that_is_there_for_it(market, check, bent, changes):
    assert failed(market, bent, changes) == check


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
    """Proven for the softer matrix, certified and shown with the true one."""
    softer = market.statement(system=market.rows({"BTC": (market.BTC, market.R_BTC, (90, -70))}))
    witnesses = market.Cheat(market.snapshot(system=softer.rows)).witnesses()
    true = market.snapshot().statement
    data = market.Cheat(market.snapshot()).package(witnesses, shown=true, proven=softer)
    assert read_package(data).statement == softer
    assert verify_package(data).failed == "roots"
    assert verify_package(write_package(replace(read_package(data), statement=true))).failed == "ranges_and_rows"


def test_a_prover_refuses_a_duplicate_account(market):
    shot = market.snapshot()
    twice = market.Cheat(replace(shot, accounts=(*shot.accounts[:2], shot.accounts[1])))
    with pytest.raises(Exception, match="ascending"):
        twice.package(twice.witnesses())


@pytest.mark.parametrize(
    "change", [{"commitments_height": 39}, {"height": 40}, {"commitments_root": bytes(32)}], ids=str
)
def test_a_header_for_another_snapshot_is_refused_as_roots(market, package, change):
    assert verify_package(signed_anew(market, read_package(package), **change)).failed == "roots"


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
        seen.add(commitments_root(replace(stated, **{name: value}), good.commitments, market.N))
    (account, point), *rest = good.commitments
    for commitments in (((account + 1, point), *rest), ((account, rest[0][1]), *rest), good.commitments[:-1]):
        seen.add(commitments_root(stated, commitments, market.N))
    assert len(seen) == 2 + len(variants) + 3


def test_holdings_of_the_wrong_length_are_our_own_fault(market):
    with pytest.raises(LocalFault):
        complete_holdings(market.statement(), AccountHoldings(1, (1, 2, 3)))
