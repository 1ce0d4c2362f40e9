"""The cover proof, checked once more from the notes: the vectors V_s, their link to the accounts, the fund's backing.

Rule: as `slow_verifier`, which checks the two linear proofs in it.
"""

from collections.abc import Mapping
from typing import Any

from py_ecc.optimized_bls12_381 import G1

from tests.kit.proofs.slow_script import P, Script
from tests.kit.proofs.slow_verifier import (
    PlainStatement,
    check_proof,
    combine,
    lagrange,
    need,
    omega,
    opens,
    places_of,
    point,
)

CASH, UNCOVERED = 1, 7


def check_cover(stated: Mapping[str, Any], linear: PlainStatement, data: bytes, script: Script) -> None:
    """Raises No. `script` is the accounts' joint proof's, after it."""
    stresses = [j for j, (_, kind, _) in enumerate(stated["slots"]) if kind == UNCOVERED]
    need(len(stated["cover"]) == bool(stresses), "cover terms")
    if not stresses:
        need(not data, "cover proof")
        return
    fund, holder, members, deficits = stated["cover"][0]
    owner = dict(map(tuple, members))
    owned = [account for account, _ in members]
    accounts = {account: c_w for account, _, c_w in linear.accounts}
    need(len(deficits) == len(stresses) and owned == sorted(owner) and holder not in owner, "cover terms")
    need({*owner, holder} == set(accounts), "cover terms")
    numbers = {member: i for i, member in enumerate(sorted(set(owner.values())))}
    count = len(numbers)

    row = (8, (*((i, -1) for i in range(count)), (2 * count, -2)), fund, True)
    vectors = [data[48 * s : 48 * s + 48] for s in range(len(stresses))]
    need(all(len(vector) == 48 for vector in vectors), "length")
    context = script.fork("crossclear/cover/v1").draw("context").to_bytes(32, "big")
    listed = tuple((s, deficits[s], vectors[s]) for s in range(len(stresses)))
    joint = PlainStatement(linear.n, ((8, 0),) * (2 * count + 1), (row,), context, listed)
    backing = backing_of(stated, linear, fund, accounts[holder], stresses, script)
    lengths = [128 * len(stresses) * places_of(joint)[1] + 320, 4 * 48 + 32]
    lengths.append(128 * places_of(backing)[1] + 320 if fund else 0)
    parts, at = [], 48 * len(stresses)
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    need(at == len(data), "length")
    after = check_proof(joint, parts[0])
    weights = [(owner[account], c_w) for account, c_w in accounts.items() if account != holder]
    terms = [(numbers[member], c_w) for member, c_w in weights]
    check_link(linear.n, stresses, count, terms, vectors, parts[1], after.fork("crossclear/cover-link/v1"))
    if fund:
        check_proof(backing, parts[2])


def backing_of(
    stated: Mapping[str, Any], linear: PlainStatement, fund: int, c_w: bytes, stresses: list[int], script: Script
) -> PlainStatement:
    """That the fund's account has the fund in cash, and in every stress what is left of it is no less."""
    slots = stated["slots"]
    rows = [(8, tuple((j, 1) for j, slot in enumerate(slots) if slot[1] == CASH), -fund, False)]
    for u in stresses:
        bounding = [row for row in stated["rows"] if not row[4] and dict(map(tuple, row[2])).get(u, 0) > 0]
        need(bool(bounding), "cover terms")
        rows.append((8, tuple((j, a) for j, a in bounding[0][2] if j != u), bounding[0][3] - fund, False))
    context = script.fork("crossclear/cover-backing/v1").draw("context").to_bytes(32, "big")
    holder = stated["cover"][0][1]
    return PlainStatement(
        linear.n, ((0, 0),) * len(slots), tuple(rows), context, ((holder, 0, c_w),), ranged_elsewhere=True
    )


def check_link(
    n: int,
    stresses: list[int],
    count: int,
    accounts: list[tuple[int, bytes]],
    vectors: list[bytes],
    data: bytes,
    own: Script,
) -> None:
    """G(ωX) − G(X) = aV − bK on H, where V = Σ y^s V_s and K = Σ r^m W_k: two openings, of Lz at ζ and of G at ωζ."""
    r, y = own.draw("r"), own.draw("y")
    c_g, c_q, g_bar = data[:48], data[48:96], int.from_bytes(data[96:128], "big")
    pi_1, pi_2 = data[128:176], data[176:]
    need(g_bar < P, "scalar")
    own.put("C_G", "point", c_g)
    own.put("C_q", "point", c_q)
    zeta = own.draw("zeta")
    of_member = [pow(r, m, P) for m in range(count)]
    a = [*of_member, *(-weight for weight in of_member), sum(of_member)]
    a_bar = sum(value * lagrange(n, i, zeta) for i, value in enumerate(a))
    b_bar = sum(pow(y, s, P) * lagrange(n, u, zeta) for s, u in enumerate(stresses))
    # Lz = Ḡ − G − ā V + b̄ K − Z_H(ζ) q
    terms = [(G1, g_bar), (point(c_g), -1), (point(c_q), 1 - pow(zeta, n, P))]
    terms += [(point(vector), -a_bar * pow(y, s, P)) for s, vector in enumerate(vectors)]
    terms += [(point(c_w), b_bar * of_member[m]) for m, c_w in accounts]
    need(opens(combine(terms), zeta, point(pi_1)), "link")
    need(opens(combine([(point(c_g), 1), (G1, -g_bar)]), omega(n) * zeta % P, point(pi_2)), "link")
