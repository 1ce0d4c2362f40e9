"""A second verifier, slow and independent, written from `proofs/notes/protocol.md`: hashlib, plain integers, py-ecc.

It shares no code with the fast one but the layout's table of places and the constants of the ceremony.
"""

import hashlib
from dataclasses import replace

import pytest
from py_ecc.bls.g2_primitives import G1_to_pubkey, subgroup_check
from py_ecc.bls.point_compression import decompress_G1, decompress_G2
from py_ecc.optimized_bls12_381 import (
    FQ12,
    G1,
    G2,
    Z1,
    add,
    curve_order,
    final_exponentiate,
    multiply,
    neg,
    pairing,
)

from clearing.base.codec import encode
from proofs.commitment import commit
from proofs.errors import Refused
from proofs.group import encode_point
from proofs.layout import RowRange, SlotRange, lay_out
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import verify
from proofs.linear.witness import make_witness
from proofs.srs import CEREMONY_SHA256, TAU_G2, basis

P = curve_order
N = 256
LAYOUT = lay_out(
    N,
    (SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(5, 2**39)) * 5,
    (
        RowRange(8, ((0, 1), (1, 3), (2, -900), (14, 7)), 10, shortfall=True),
        *(RowRange(8, ((0, 1), (1, 3), (2, 700 + s)), 10, shortfall=False) for s in range(20)),
    ),
)


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


class Script:
    """The transcript as the notes and `proofs/transcript.py`'s docstring tell it."""

    def __init__(self, protocol: str):
        self.state = sha(sha(b"crossclear/transcript/v1"), sha(protocol.encode()))

    def put(self, label: str, kind: str, data: bytes) -> None:
        self.state = sha(self.state, sha(label.encode()), sha(kind.encode()), len(data).to_bytes(8, "big"), data)

    def draw(self, label: str) -> int:
        self.put(label, "challenge", b"")
        return int.from_bytes(sha(self.state, b"\x00") + sha(self.state, b"\x01"), "big") % P


def point(data: bytes):
    found = decompress_G1(int.from_bytes(data, "big"))
    assert subgroup_check(found)
    assert found[2] != Z1[2]
    assert G1_to_pubkey(found) == data
    return found


def lagrange(i: int, z: int) -> int:
    """L_i(z) as a product over all other points, the definition."""
    omega = pow(7, (P - 1) // N, P)
    top = bottom = 1
    here = pow(omega, i, P)
    for j in range(N):
        if j != i:
            there = pow(omega, j, P)
            top, bottom = top * (z - there) % P, bottom * (here - there) % P
    return top * pow(bottom, -1, P) % P


def slow_verify(statement: LinearStatement, proof: bytes) -> bool:
    table, columns, accounts = LAYOUT.table, LAYOUT.columns, len(statement.accounts)
    if len(proof) != accounts * columns * 128 + 320:
        return False
    script = Script("crossclear/linear/v1")
    script.put("srs", "bytes", CEREMONY_SHA256)
    script.put("n", "integer", N.to_bytes(32, "big"))
    script.put("layout", "bytes", sha(sha(b"crossclear/proofs/layout/v1"), encode(table)))
    script.put("context", "bytes", statement.context)
    script.put("accounts", "integer", accounts.to_bytes(32, "big"))
    for account, sigma, c_w in zip(statement.accounts, statement.shortfalls, statement.commitments, strict=True):
        script.put("account", "integer", account.to_bytes(32, "big"))
        script.put("sigma", "integer", sigma.to_bytes(32, "big"))
        script.put("C_W", "point", c_w)

    step = columns * 128
    c_d, c_f, d_bar = [], [], []
    for at in range(0, accounts * step, step):
        part = proof[at : at + step]
        c_d += [part[i * 48 : i * 48 + 48] for i in range(columns)]
        c_f += [part[(columns + i) * 48 : (columns + i) * 48 + 48] for i in range(columns)]
        d_bar += [int.from_bytes(part[columns * 96 + i * 32 :][:32], "big") for i in range(columns)]
    tail = proof[accounts * step :]
    c_m, c_s, c_t1, c_t2 = (tail[i * 48 : i * 48 + 48] for i in range(4))
    s_bar = int.from_bytes(tail[192:224], "big")
    pi_1, pi_2 = tail[224:272], tail[272:320]
    if any(value >= P for value in (*d_bar, s_bar)):
        return False

    for data in c_d:
        script.put("C_D", "point", data)
    script.put("C_m", "point", c_m)
    alpha, y, beta = script.draw("alpha"), script.draw("y"), script.draw("beta")
    for data in c_f:
        script.put("C_f", "point", data)
    delta = script.draw("delta")
    script.put("C_S", "point", c_s)
    gamma = script.draw("gamma")
    script.put("C_t1", "point", c_t1)
    script.put("C_t2", "point", c_t2)
    zeta = script.draw("zeta")
    for value in d_bar:
        script.put("D(zeta)", "scalar", value.to_bytes(32, "big"))
    script.put("S(omega zeta)", "scalar", s_bar.to_bytes(32, "big"))
    r = script.draw("r")
    script.put("pi_1", "point", pi_1)
    script.put("pi_2", "point", pi_2)
    mu = script.draw("mu")

    ell = [lagrange(i, zeta) for i in range(N)]
    constraints = [*table.slots, *table.rows]
    rho = [pow(y, i, P) for i in range(len(constraints))]
    u_bar, v_bar, c = [0] * columns, 0, [0] * accounts
    for weight, item, (column, start) in zip(rho, constraints, table.places, strict=True):
        u_bar[column] += sum(weight * 256**k * ell[start + k] for k in range(item.width))
    for j in range(len(table.slots)):
        of_rows = sum(rho[len(table.slots) + s] * dict(row.coefficients).get(j, 0) for s, row in enumerate(table.rows))
        v_bar += (rho[j] + of_rows) * ell[j]
    for k, sigma in enumerate(statement.shortfalls):
        c[k] = sum(rho[j] * slot.offset for j, slot in enumerate(table.slots))
        for s, row in enumerate(table.rows):
            c[k] += rho[len(table.slots) + s] * (row.constant + (sigma if row.shortfall else 0))
    t_bar = sum(i % 256 * value for i, value in enumerate(ell))
    z_h = pow(zeta, N, P) - 1
    n_inverse, omega = pow(N, -1, P), pow(7, (P - 1) // N, P)

    right, constant = [(c_m, alpha + d_bar[0])], gamma * s_bar
    for i, value in enumerate(d_bar):
        e = 1 if i else alpha + t_bar
        own = pow(delta, i, P)
        right.append((c_f[i], own * (alpha + value) * e - gamma))
        right.append((c_d[i], pow(r, i + 1, P)))
        constant += -own * e - pow(r, i + 1, P) * value
    for k in range(accounts):
        joint = pow(delta, k * columns, P)
        claimed = sum(u * d for u, d in zip(u_bar, d_bar[k * columns :], strict=False))
        right.append((statement.commitments[k], joint * gamma * beta * v_bar))
        constant += joint * gamma * beta * (c[k] * n_inverse - claimed)
    right += [(c_s, mu - gamma), (c_t1, -z_h), (c_t2, -z_h * pow(zeta, N + 2, P))]
    right += [(pi_1, zeta), (pi_2, mu * omega * zeta)]
    total = multiply(G1, (constant - mu * s_bar) % P)
    for data, scalar in right:
        total = add(total, multiply(point(data), scalar % P))
    left = add(point(pi_1), multiply(point(pi_2), mu))
    tau = decompress_G2((int.from_bytes(TAU_G2[:48], "big"), int.from_bytes(TAU_G2[48:], "big")))
    both = pairing(tau, left, final_exponentiate=False) * pairing(G2, neg(total), final_exponentiate=False)
    return final_exponentiate(both) == FQ12.one()


def fast_verify(statement: LinearStatement, proof: bytes) -> bool:
    try:
        verify(statement, proof)
    except Refused:
        return False
    return True


def case(second, *, check):
    """A statement about two accounts, and its proof; the second account is listed as short by 40."""
    sigmas = (0, 40)
    witnesses = [
        make_witness(LAYOUT, vector, sigma, (random_scalar(), random_scalar()), check=check)
        for vector, sigma in zip(((1000, 5, -1) * 5, second), sigmas, strict=True)
    ]
    commitments = tuple(encode_point(commit(basis(N), w.values, w.blinders)) for w in witnesses)
    statement = LinearStatement(LAYOUT, bytes(32), (3, 9), sigmas, commitments)
    return statement, prove(statement, witnesses, check_witness=check)[0]


@pytest.fixture(scope="module")
def honest_case():
    assert LAYOUT.columns == 2
    return case((-40, 20, 0) + (0, 0, 0) * 4, check=True)


def test_both_verifiers_accept_an_honest_proof(honest_case):
    statement, proof = honest_case
    assert fast_verify(statement, proof)
    assert slow_verify(statement, proof)


def test_both_verifiers_refuse_a_cheating_prover():
    statement, proof = case((-51, 0, 0) * 5, check=False)
    assert not fast_verify(statement, proof)
    assert not slow_verify(statement, proof)


def test_both_verifiers_refuse_another_statement(honest_case):
    statement, proof = honest_case
    other = replace(statement, shortfalls=(0, 39))
    assert not fast_verify(other, proof)
    assert not slow_verify(other, proof)
