"""Whole packages by a prover that cheats, most of them certified by a quorum that plays along; each is refused by name.

Where a quorum signs the lie, the proofs alone stand in its way: that is what they are for. Where it does not, the roots
do. What a quorum may still lie about is in the words of every verdict.
"""

import msgspec
import pytest

from clearing.margin.statement.snapshot import PriceUsed, PublicTotal, SlotKind
from proofs.epoch.package import read_package, write_package
from proofs.errors import ProofCode
from proofs.statement.arithmetization import layout_of
from proofs.verify.claim_text import claim_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount, printable
from tests.kit.proofs.cheated_package import cheated, lying, secrets_of, signed_anew
from tests.kit.proofs.cheating import Secret, bytes_of
from tests.kit.proofs.small_market import BROKE, SHORT

replace = msgspec.structs.replace


def test_this_prover_passes_when_it_does_not_cheat(market):
    shot = market.snapshot()
    assert cheated(market, shot.statement, secrets_of(market, shot)).ok


# Swapped: what the proofs were made for is not what is shown.


def custody(stated, **changes):
    first, *others = stated.custody
    return {"custody": (replace(first, **changes), *others)}


SWAPPED = {
    "the matrix": lambda stated: {
        "rows": tuple(
            replace(row, coefficients=tuple((j, a // 2 or a) for j, a in row.coefficients))
            if "BTC/" in row.name
            else row
            for row in stated.rows
        )
    },
    "one coefficient": lambda stated: {
        "rows": (replace(stated.rows[0], coefficients=((2, 899), (4, 1))), *stated.rows[1:])
    },
    "a constant": lambda stated: {"rows": (*stated.rows[:-1], replace(stated.rows[-1], constant=10**12 + 1))},
    "the prices": lambda stated: {"prices": (PriceUsed("BTC", 400_000), *stated.prices[1:])},
    "the epoch": lambda stated: {"epoch": stated.epoch + 1},
    "the height": lambda stated: {"height": stated.height + 1},
    "the state": lambda stated: {"state_root": bytes(32)},
    "the chain": lambda stated: custody(stated, chain_id=0),
    "the chain's block": lambda stated: custody(stated, block_hash=bytes(32)),
    "the layout, by the order of its rows": lambda stated: {"rows": (*stated.rows[:4], stated.rows[5], stated.rows[4])},
    "the layout, by a slot's range": lambda stated: {
        "slots": (stated.slots[0], replace(stated.slots[1], kind=SlotKind.CASH), *stated.slots[2:])
    },
    "the layout, by a slot's name": lambda stated: {
        "slots": (replace(stated.slots[0], name="cash:EUR"), *stated.slots[1:])
    },
    "the listed shortfalls": lambda stated: {"shortfalls": ((1, 5),)},
}


@pytest.mark.parametrize("what", SWAPPED)
def test_what_is_swapped_after_the_quorum_signed_is_refused_by_the_roots(package, what):
    good = read_package(package)
    shown = replace(good, statement=replace(good.statement, **SWAPPED[what](good.statement)))
    assert shown.statement != good.statement
    assert verify_package(write_package(shown)).failed == "roots"


@pytest.mark.parametrize("what", SWAPPED)
def test_what_is_swapped_though_a_quorum_signs_it_is_refused_by_the_proof(market, package, what):
    good = read_package(package)
    verdict = lying(market, package, **SWAPPED[what](good.statement))
    assert verdict.failed == "ranges_and_rows", verdict.checks[-1]
    assert verdict.checks[-1].code is ProofCode.PROOF_REFUSED


SOFTER = {
    "the matrix": lambda stated: soft(stated, 0, ((2, 90), (4, 1))),
    "the matrix, by one": lambda stated: soft(stated, 0, ((2, 899), (4, 1))),
    "a haircut": lambda stated: soft(stated, 4, ((0, 10), (1, 31), (4, -8), (5, -8))),
    "the maintenance fraction": lambda stated: soft(stated, 4, ((0, 10), (1, 30), (4, -7), (5, -7))),
    "the cash limit": lambda stated: replace(
        stated, rows=(*stated.rows[:5], replace(stated.rows[5], constant=10**12 + 1))
    ),
    "a row of its own": lambda stated: replace(
        stated, rows=(*stated.rows, replace(stated.rows[5], name="another", constant=0))
    ),
    "the prices that are stated": lambda stated: replace(stated, prices=(PriceUsed("BTC", 1), *stated.prices[1:])),
}


def soft(stated, at, coefficients):
    """The statement with other coefficients in one row, and the same parameters."""
    row = replace(stated.rows[at], coefficients=coefficients)
    return replace(stated, rows=(*stated.rows[:at], row, *stated.rows[at + 1 :]))


@pytest.mark.parametrize("what", SOFTER)
def test_rules_softened_before_the_quorum_signed_are_refused_by_what_they_are_computed_from(market, what):
    """All is proven, and certified, for the softer rule: only the stated parameters do not make it."""
    shot = market.snapshot()
    stated = SOFTER[what](shot.statement)
    assert stated != shot.statement
    verdict = cheated(market, stated, secrets_of(market, replace(shot, statement=stated)))
    assert (verdict.failed, verdict.checks[-1].code) == ("rules", ProofCode.RULES_DIFFER)


def test_a_package_of_another_network_is_refused(market, package):
    good = read_package(package)
    other = bytes([8]) * 32
    assert lying(market, package, network=other).failed == "roots"
    assert verify_package(package, network=other).failed == "certificate"
    head = replace(good.header, network=other)
    assert verify_package(write_package(replace(good, header=head)), network=other).failed == "certificate"


def renamed(commitments):
    return tuple((account + (account == 5), point) for account, point in commitments)


def exchanged(commitments):
    (a, first), (b, second), *rest = commitments
    return ((a, second), (b, first), *rest)


def test_an_account_left_out_is_refused_by_the_length_of_the_proof(market, package):
    good = read_package(package)
    fewer = replace(good, commitments=good.commitments[:-1])
    assert verify_package(write_package(fewer)).failed == "sizes"
    assert verify_package(signed_anew(market, fewer)).failed == "sizes"


@pytest.mark.parametrize("swap", [renamed, exchanged])
def test_swapped_accounts_are_refused_by_the_roots_and_though_signed_by_the_proof(market, package, swap):
    good = read_package(package)
    other = replace(good, commitments=swap(good.commitments))
    assert verify_package(write_package(other)).failed == "roots"
    assert verify_package(signed_anew(market, other)).failed == "ranges_and_rows"


def test_a_swapped_domain_is_refused_by_the_roots_and_though_signed_by_the_proof(market, package):
    other = replace(read_package(package), domain=512)
    assert verify_package(write_package(other)).failed == "roots"
    assert verify_package(signed_anew(market, other)).failed == "ranges_and_rows"


def test_a_swapped_reference_string_is_refused(market, package):
    other = replace(read_package(package), srs=bytes(32))
    verdict = verify_package(write_package(other))
    assert (verdict.failed, verdict.checks[-1].code) == ("statement", ProofCode.WRONG_SRS)


def test_parts_of_two_good_packages_do_not_make_a_third(market, package):
    first, second = read_package(package), read_package(market.honest(market.snapshot()))
    assert first.commitments == second.commitments
    moved = {"proof": second.proof, "book": second.book}
    for changes, failed in (
        ({"proof": second.proof}, "matched_book"),
        ({"book": second.book}, "matched_book"),
        ({"house": second.house}, "house"),
        (moved, "house"),
        ({**moved, "house": second.house}, None),
        ({"statement": replace(first.statement, epoch=3)}, "roots"),
    ):
        assert verify_package(write_package(replace(first, **changes))).failed == failed


# Duplicate accounts.


def test_an_account_that_stands_twice_is_refused(market, package):
    good = read_package(package)
    first, second, third = good.commitments
    again = (second[0], third[1])  # the same account under another commitment
    orders = {
        (first, second, second): "roots",
        (first, second, second, third): "sizes",
        (first, second, again): "statement",
        (third, second, first): "statement",
    }
    for order, failed in orders.items():
        assert verify_package(signed_anew(market, replace(good, commitments=order))).failed == failed


def hidden_anew(secret):
    """The same holdings under other blinders."""
    return Secret(list(secret.values), secret.digits, [blinder + 1 for blinder in secret.rho])


def test_holdings_that_stand_under_two_accounts_do_not_match_the_book(market):
    shot = market.snapshot()
    secrets = secrets_of(market, shot)
    for other in (2, 9):
        assert cheated(market, shot.statement, {**secrets, other: hidden_anew(secrets[0])}).failed == "matched_book"
        same = cheated(market, shot.statement, {**secrets, other: secrets[0]}).checks[-1]
        assert (same.name, same.code) == ("roots", ProofCode.COMMITMENTS_EQUAL)
    # With totals that count them twice the book is right, and the reserves are not.
    twice = {**secrets, 9: secrets[0]}
    sums = [sum(own.values[slot] for own in twice.values()) for slot in range(2)]
    positions = [total for total in shot.statement.totals if total.slot >= 2]
    secrets[1].values, secrets[5].values = [9_000, 40, -2, -3, 1_800, 240], [2_000, 700, 2, -3, 1_400, 240]
    layout = layout_of(shot.statement, market.N)
    for account in (1, 5):
        secrets[account].digits = bytes_of(layout, secrets[account].values)
    totals = (*(PublicTotal(slot, total) for slot, total in enumerate(sums)), *positions)
    verdict = cheated(market, replace(shot.statement, totals=totals), {**secrets, 9: hidden_anew(secrets[0])})
    assert verdict.failed == "reserves", verdict.checks[-1]


def test_two_accounts_shown_as_one_are_missed_by_their_owners(market):
    """The one lie that sums cannot show: a debtor netted with a creditor. Its owner finds its leaf gone."""
    holdings = ((0, (5_000, 10, 0, 3)), (1, (11_000, 740, 0, -3)))
    data = market.honest(market.snapshot(holdings))
    assert verify_package(data).ok
    own = dict(market.HOLDINGS)
    for account in (1, 5):
        verdict = verify_package(
            data, own=OwnAccount(account, own[account], market.seeds()[account], market.owner(account))
        )
        assert (verdict.failed, verdict.checks[-1].code) == ("inclusion", ProofCode.NOT_INCLUDED)
    assert any("never checks its own leaf" in limit for limit in verify_package(data).not_proven)


# Hidden shortfalls.


def test_a_listed_shortfall_cannot_be_hidden_again(market):
    shot = market.snapshot(BROKE, [(1, SHORT)])
    data = market.honest(shot)
    verdict = verify_package(data)
    assert verdict.ok
    assert f"account 1 is short by at most {SHORT}" in verdict.claim
    assert "2 of 3 accounts meet" in verdict.claim
    good = read_package(data)
    for hidden in ((), ((1, SHORT - 1),), ((1, 1),), ((5, SHORT),), ((0, SHORT), (1, 1))):
        stated = replace(good.statement, shortfalls=hidden)
        assert verify_package(write_package(replace(good, statement=stated))).failed == "roots"
        assert lying(market, data, shortfalls=hidden).failed == "ranges_and_rows"


@pytest.mark.parametrize("listed", [(), ((1, SHORT - 1),), ((1, 1),), ((5, SHORT),), ((0, SHORT), (1, 1))])
def test_a_shortfall_that_is_not_listed_in_full_is_not_proven(market, listed):
    """The prover knows what is missing and adds it to the account's row in secret."""
    shot = market.snapshot(BROKE, [(1, SHORT)])
    stated = replace(shot.statement, shortfalls=listed)
    assert cheated(market, stated, secrets_of(market, shot)).failed == "ranges_and_rows"


def test_a_shortfall_is_listed_once_for_an_account_that_is_there_and_is_never_negative(market, package):
    for listed in (((1, 5), (1, 5)), ((1, 5), (0, 5)), ((1, 0),), ((77, 5),)):
        assert lying(market, package, shortfalls=listed).failed == "statement"
    tree = msgspec.msgpack.decode(package)
    fields = read_package(package).__struct_fields__
    at = read_package(package).statement.__struct_fields__.index("shortfalls")
    for sigma in (-1, 2**63, 1.5):
        tree[fields.index("statement")][at] = [[1, sigma]]
        assert verify_package(msgspec.msgpack.encode(tree)).failed == "encoding"


def test_a_large_shortfall_is_not_hidden_behind_many_small_ones(package):
    """What is told is cut off somewhere: the largest come first, and all of them are counted."""
    good = read_package(package)
    listed = (*((account, 7) for account in range(2_000)), (5_000, 9_999_999), (5_001, 8))
    many = replace(good, statement=replace(good.statement, shortfalls=listed), commitments=good.commitments * 2_000)
    claim = printable(claim_of(many))
    assert "3998 of 6000 accounts meet" in claim
    assert claim.index("account 5000 is short by at most 9999999") < claim.index("account 5001 is short by at most 8")
    assert "1992 others by at most 7 each and 13944 together" in claim
    assert f"Certified by header {good.header.height}." in claim, "nothing is cut off"


def test_a_debtor_that_is_left_out_is_missed_by_the_book(market):
    shot = market.snapshot(BROKE, [(1, SHORT)])
    secrets = secrets_of(market, shot)
    del secrets[1]
    assert cheated(market, replace(shot.statement, shortfalls=()), secrets).failed == "matched_book"


# The book.


def bent(market, account=1):
    shot = market.snapshot()
    secrets = secrets_of(market, shot)
    return shot, secrets, secrets[account]


@pytest.mark.parametrize("slot", range(4))
def test_a_book_that_is_out_by_one_is_refused(market, slot):
    shot, secrets, own = bent(market)
    own.values[slot] += 1
    own.values[4:] = [5_000, 1_000]  # more than enough for any of these
    own.digits = bytes_of(layout_of(shot.statement, market.N), own.values)
    assert cheated(market, shot.statement, secrets).failed == "matched_book"


def test_a_book_is_not_opened_by_answers_for_other_sums(market):
    """Nor does the prover find sums under which an imbalance would be none: a slot is no auxiliary slot."""
    shot, secrets, own = bent(market)
    own.values[market.CASH] += 1
    own.digits = bytes_of(layout_of(shot.statement, market.N), own.values)
    honest = [sum(each.rho[i] for each in secrets.values()) for i in range(2)]
    honest += [sum(each.values[slot] for each in secrets.values()) for slot in (4, 5)]
    for place in range(4):
        for change in (1, -1):
            exponents = [*honest[:place], honest[place] + change, *honest[place + 1 :]]
            assert cheated(market, shot.statement, secrets, exponents=exponents).failed == "matched_book"


def test_a_book_does_not_hide_value_where_no_slot_is(market):
    shot, secrets, own = bent(market)
    own.values += [0, 7]
    assert cheated(market, shot.statement, secrets).failed == "matched_book"
    secrets[5].values += [0, -7]
    assert cheated(market, shot.statement, secrets).ok, "values that cancel out say nothing of anybody"


def test_a_book_does_not_hide_value_in_further_blinders(market):
    """[X²·Z_H] is no base of the book: what is put there does not go away."""
    shot, secrets, own = bent(market)
    own.rho += [5]
    assert cheated(market, shot.statement, secrets).failed == "matched_book"
