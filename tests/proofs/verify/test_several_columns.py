"""Packages whose digits fill several columns: proven and verified, and refused with a column missing, doubled, swapped.

A column is one polynomial of base-256 digits on the domain H of n places. Slots and rows that need more digits go on in
the next column, and each account has C_D, C_f and D̄ once a column (`proofs.linear.layout`).
"""

from collections.abc import Callable
from dataclasses import replace as changed

import pytest
from msgspec.structs import replace

from clearing.margin.statement.rows import build_snapshot
from clearing.margin.statement.snapshot import RiskSnapshot
from proofs.epoch.package import EpochPackage, linear_statement, read_package, write_package
from proofs.errors import ProofCode
from proofs.linear.layout import RowRange, lay_out
from proofs.linear.messages import AccountPart, LinearProof, read_proof, write_proof
from proofs.linear.prover import prove
from proofs.statement.arithmetization import layout_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs.linear_statements import CASH, committed, refusal
from tests.kit.proofs.made_market import arrays_of, holdings_of, statement_of
from tests.kit.proofs.requirement import RULEBOOK, VECTORS
from tests.kit.proofs.slow_package import failed_check

Parts = tuple[AccountPart, ...]


@pytest.fixture(scope="module")
def shot(market) -> RiskSnapshot:
    """The book of every rule."""
    accounts = [holdings_of(arrays_of(RULEBOOK), account, vector) for account, vector in VECTORS.items()]
    short = {each.account: each.shortfall for each in accounts if each.shortfall}
    stated = statement_of(RULEBOOK, list(VECTORS.values()), network=market.NETWORK, shortfalls=short)
    return build_snapshot(stated, accounts)


@pytest.fixture(scope="module")
def columns(market, shot) -> int:
    return layout_of(shot.statement, market.N).columns


@pytest.fixture(scope="module")
def good(market, shot) -> EpochPackage:
    return read_package(market.honest(shot))


def test_a_package_of_several_columns_is_proven_verified_and_an_account_found_in_it(market, good, columns):
    assert columns == 2
    own = OwnAccount(5, VECTORS[5], market.seeds()[5])
    verdict = verify_package(write_package(good), network=market.NETWORK, own=own)
    assert verdict.ok, verdict.checks[-1]
    assert failed_check(write_package(good)) == ""


def with_columns(part: AccountPart, order: tuple[int, ...]) -> AccountPart:
    """The account's share with these columns in the place of its own."""
    return AccountPart(*(tuple(each[c] for c in order) for each in (part.c_d, part.c_f, part.d_bar)))


def of_all(order: Callable[[int], tuple[int, ...]]) -> Callable[[Parts], Parts]:
    """The same change to every account."""
    return lambda parts: tuple(with_columns(part, order(len(part.c_d))) for part in parts)


def of_one(order: Callable[[int], tuple[int, ...]]) -> Callable[[Parts], Parts]:
    """A change to the second account only."""
    return lambda parts: (parts[0], *of_all(order)(parts[1:2]), *parts[2:])


def moved_alone(name: str) -> Callable[[Parts], Parts]:
    """One kind of item with the first two columns swapped, in one account."""

    def move(parts: Parts) -> Parts:
        first, second, *others = getattr(parts[1], name)
        return (parts[0], changed(parts[1], **{name: (second, first, *others)}), *parts[2:])

    return move


ORDERS: dict[str, Callable[[int], tuple[int, ...]]] = {
    "the first column missing": lambda count: tuple(range(1, count)),
    "the last column missing": lambda count: tuple(range(count - 1)),
    "the first column twice, once for the second": lambda count: (0, 0, *range(2, count)),
    "the last column twice, one more than there are": lambda count: (*range(count), count - 1),
    "the first two columns swapped": lambda count: (1, 0, *range(2, count)),
    "the first and the last column swapped": lambda count: (count - 1, *range(1, count - 1), 0),
}
LIES = {f"{name}, in every account": of_all(order) for name, order in ORDERS.items()}
LIES |= {f"{name}, in one account": of_one(order) for name, order in ORDERS.items()}
LIES |= {f"only {name} swapped": moved_alone(name) for name in ("c_d", "c_f", "d_bar")}


@pytest.mark.parametrize("lie", LIES)
def test_a_package_with_a_column_missing_doubled_or_swapped_is_refused(good, columns, lie):
    joint: LinearProof = read_proof(good.proof, len(good.commitments), columns)
    parts = LIES[lie](joint.parts)
    assert parts != joint.parts
    data = write_package(replace(good, proof=write_proof(changed(joint, parts=parts))))
    lengths = {len(part.c_d) for part in parts}
    verdict = verify_package(data)
    if lengths == {columns}:
        assert (verdict.failed, verdict.checks[-1].code) == ("ranges_and_rows", ProofCode.PROOF_REFUSED)
    elif len(lengths) == 1:
        # A length that some statement has, and not this one: refused before a point is decoded.
        assert (verdict.failed, verdict.checks[-1].code) == ("ranges_and_rows", ProofCode.BAD_LENGTH)
    else:
        assert (verdict.failed, verdict.checks[-1].code) == ("sizes", ProofCode.BAD_LENGTH)
    assert failed_check(data) == verdict.failed


@pytest.fixture(scope="module")
def three():
    """Three accounts in three columns, without a package around them."""
    rows = tuple(RowRange(8, tuple((j, s + 1) for j in range(40)), 0, shortfall=False) for s in range(40))
    statement, witnesses = committed(lay_out(256, (CASH,) * 40, rows), [range(k, k + 40) for k in range(3)])
    assert statement.layout.columns == 3
    proof, _ = prove(statement, witnesses)
    assert refusal(statement, proof) is None
    return statement, read_proof(proof, 3, 3)


@pytest.mark.parametrize("lie", LIES)
def test_a_proof_of_three_columns_with_one_missing_doubled_or_swapped_is_refused(three, lie):
    statement, joint = three
    parts = LIES[lie](joint.parts)
    lengths = {len(part.c_d) for part in parts}
    expected = ProofCode.PROOF_REFUSED if lengths == {3} else ProofCode.BAD_LENGTH
    assert refusal(statement, write_proof(changed(joint, parts=parts))) is expected


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (1, 1)], ids=str)
def test_a_prover_that_puts_digits_into_the_columns_of_others_proves_nothing(market, shot, good, order):
    """The places of all digits are hashed into the statement."""
    witnesses = market.Cheat(shot).witnesses()
    own = witnesses[1]
    moved = changed(own, digits=(*(own.digits[c] for c in order), *own.digits[len(order) :]))
    assert moved != own
    linear = linear_statement(good.statement, good.commitments, market.N)
    for chosen, passes in ((own, True), (moved, False)):
        proof, _ = prove(linear, [witnesses[0], chosen, *witnesses[2:]], check_witness=False)
        checks = verify_package(write_package(replace(good, proof=proof))).checks
        assert next(check.ok for check in checks if check.name == "ranges_and_rows") is passes
