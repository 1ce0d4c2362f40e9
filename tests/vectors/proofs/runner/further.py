"""Page "Further proofs": book, default fund, house, standalone proof."""

from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from py_arkworks_bls12381 import G1Point

from tests.vectors.proofs.runner.encoding import P, combined, need, point, scalar
from tests.vectors.proofs.runner.linear import Layout, Row, Statement, lagrange, lay_out, omega, paired, verify
from tests.vectors.proofs.runner.statement import auxiliary, bounds_of, kinds_of, rises, slots_of
from tests.vectors.proofs.runner.trace import note
from tests.vectors.proofs.runner.transcript import Transcript

CEREMONY_FILE = "eth_account/typed_transactions/blob_transactions/kzg_trusted_setup.txt"
Commitments = list[tuple[int, bytes]]


@cache
def ceremony() -> list[G1Point]:
    """Powers of τ in G₁ out of the ceremony's file: after two counts, 4,096 points and 65 points."""
    lines = Path(str(distribution("eth-account").locate_file(CEREMONY_FILE))).read_text().split("\n")
    return [point(bytes.fromhex(line)) for line in lines[2 + 4096 + 65 :][:2051]]


@cache
def lagrange_point(n: int, i: int) -> G1Point:
    """[L_i] = (1/n) Σ_j ω^(−ij) [τ^j]."""
    scale, step = pow(n, -1, P), pow(omega(n), -i, P)
    return combined([(ceremony()[j], scale * pow(step, j, P)) for j in range(n)])


def hiding_point(n: int, i: int) -> G1Point:
    """[X^i·Z]."""
    return ceremony()[n + i] + -ceremony()[i]


def check_book(statement: dict[str, Any], commitments: Commitments, n: int, data: bytes, after: Transcript) -> None:
    kinds, hidden = kinds_of(statement), auxiliary(statement)
    totals = [(total["slot"], total["total"]) for total in statement["totals"]]
    flat = all(total == 0 for slot, total in totals if kinds[slot] == "POSITION")
    need(flat, "BOOK_NOT_MATCHED", "position")
    bases = [hiding_point(n, 0), hiding_point(n, 1), *(lagrange_point(n, slot) for slot in hidden)]
    need(len(data) == 48 + 32 * len(bases), "BAD_LENGTH", "book")
    answers = [scalar(data[48 + 32 * i :][:32]) for i in range(len(bases))]
    own = after.fork("crossclear/book/v1")
    for slot in hidden:
        own.integer("auxiliary", slot)
    for slot, total in totals:
        own.integer("slot", slot)
        own.scalar("total", total % P)
    own.point("R", data[:48])
    e = own.draw("e")
    summed = [(point(c_w), 1) for _, c_w in commitments]
    summed += [(lagrange_point(n, slot), -total) for slot, total in totals]
    whole = combined(summed)
    right = point(data[:48]) + combined([(whole, e)])
    left = combined(list(zip(bases, answers, strict=True)))
    note("book", R=data[:48], z=answers, P=whole, left=left, right=right)
    need(left == right, "BOOK_NOT_MATCHED", "sum")


def free(statement: dict[str, Any], n: int, rows: list[Row]) -> Layout:
    """A layout whose slots another proof ranges."""
    return lay_out(n, [(0, 0)] * len(statement["slots"]), rows, ranged_elsewhere=True)


def check_house(statement: dict[str, Any], commitments: Commitments, n: int, data: bytes, after: Transcript) -> str:
    house, cash = dict(commitments).get(0), slots_of(statement, "CASH")
    if house is None or not cash:
        need(not data, "BAD_STATEMENT", "a proof of no house")
        return "incomplete"
    if not data:
        return "incomplete"
    verify(Statement(house_layout(statement, n), after.context("crossclear/house/v1"), [(0, 0, house)]), data)
    return ""


def vector_layout(count: int, fund: int, n: int) -> Layout:
    """Of the vector of a stress scenario."""
    spent = [*((m, -1) for m in range(count)), (2 * count, -2)]
    return lay_out(n, [(8, 0)] * (2 * count + 1), [(8, spent, fund, True)])


def backing_layout(statement: dict[str, Any], fund: int, n: int) -> Layout | None:
    if not fund:
        return None
    bounds = bounds_of(statement)
    rows: list[Row] = [(8, [(j, 1) for j in slots_of(statement, "CASH")], -fund, False)]
    for slot in slots_of(statement, "UNCOVERED"):
        (bound,) = bounds[slot]
        rows.append((8, list(bound.public.items()), bound.constant - fund, False))
    return free(statement, n, rows)


def house_layout(statement: dict[str, Any], n: int) -> Layout:
    return free(statement, n, [(8, [(j, 1)], 0, False) for j in slots_of(statement, "CASH")])


def check_cover(statement: dict[str, Any], commitments: Commitments, n: int, data: bytes, after: Transcript) -> str:
    uncovered = slots_of(statement, "UNCOVERED")
    need(len(statement["cover"]) == bool(uncovered), "BAD_STATEMENT", "cover terms")
    if not uncovered:
        need(not data, "BAD_STATEMENT", "a cover proof of nothing")
        return "incomplete"
    terms, of = statement["cover"][0], dict(commitments)
    owned = [account for account, _ in terms["members"]]
    need(len(terms["deficits"]) == len(uncovered) and rises(owned), "BAD_STATEMENT", "cover terms")
    fund_account, fund = terms["fund_account"], terms["fund"]
    exact = fund_account not in owned and sorted([*owned, fund_account]) == sorted(of)
    need(exact, "BAD_STATEMENT", "accounts of the fund")
    need(bool(data), "FUND_NOT_COVERED", "no proof")
    members = sorted({member for _, member in terms["members"]})
    count, stresses = len(members), len(uncovered)
    layout, backing = vector_layout(count, fund, n), backing_layout(statement, fund, n)
    joint_bytes = 128 * layout.columns * stresses + 320
    backing_bytes = 128 * backing.columns + 320 if backing else 0
    need(len(data) == 48 * stresses + joint_bytes + 224 + backing_bytes, "BAD_LENGTH", "cover")
    vectors = [data[48 * s :][:48] for s in range(stresses)]
    rest = data[48 * stresses :]
    context = after.context("crossclear/cover/v1")
    numbered = [(s, terms["deficits"][s], vectors[s]) for s in range(stresses)]
    linked = verify(Statement(layout, context, numbered), rest[:joint_bytes])
    number_of = {account: members.index(member) for account, member in terms["members"]}
    _check_link(n, uncovered, vectors, number_of, count, of, rest[joint_bytes : joint_bytes + 224], linked)
    if backing is not None:
        context = after.context("crossclear/cover-backing/v1")
        verify(Statement(backing, context, [(fund_account, 0, of[fund_account])]), rest[joint_bytes + 224 :])
    return ""


def _check_link(
    n: int,
    uncovered: list[int],
    vectors: list[bytes],
    number_of: dict[int, int],
    count: int,
    of: dict[int, bytes],
    data: bytes,
    after: Transcript,
) -> None:
    own = after.fork("crossclear/cover-link/v1")
    r, y = own.draw("r"), own.draw("y")
    c_g, c_q, g_bar, pi_1, pi_2 = data[:48], data[48:96], scalar(data[96:128]), data[128:176], data[176:]
    own.point("C_G", c_g)
    own.point("C_q", c_q)
    zeta = own.draw("zeta")
    own.scalar("G(omega zeta)", g_bar)
    own.point("pi_1", pi_1)
    own.point("pi_2", pi_2)
    mu = own.draw("mu")
    ell = lagrange(n, zeta)
    a_bar = sum(pow(r, m, P) * (ell[m] - ell[count + m] + ell[2 * count]) for m in range(count))
    b_bar = sum(pow(y, s, P) * ell[slot] for s, slot in enumerate(uncovered))
    terms = [
        (point(c_g), mu - 1),
        (point(c_q), -(pow(zeta, n, P) - 1)),
        (point(pi_1), zeta),
        (point(pi_2), mu * omega(n) * zeta),
        (G1Point(), (1 - mu) * g_bar),
    ]
    terms += [(point(c_v), -a_bar * pow(y, s, P)) for s, c_v in enumerate(vectors)]
    terms += [(point(of[account]), b_bar * pow(r, number, P)) for account, number in number_of.items()]
    left = combined([(point(pi_1), 1), (point(pi_2), mu)])
    right = combined(terms)
    note("link", a=a_bar % P, b=b_bar % P, G=g_bar, left=left, Q=right)
    need(paired(left, right), "FUND_NOT_COVERED", "link")
