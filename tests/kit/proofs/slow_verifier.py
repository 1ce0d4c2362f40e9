"""A second verifier of the linear proof: slow, independent, written from `proofs/notes/protocol.md` alone.

Rule: hashlib, plain integers and py-ecc; it shares nothing with `proofs/` but bytes: the digest of the ceremony's file
and [τ]₂. The two openings are checked one by one, so it does not depend on μ; Lagrange values come from their formula
one at a time, weights and sums straight from their definitions. It takes plain data, so any test can ask it:

    why_refused(plain_statement(statement), proof) == ""        # accepted
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from py_ecc.bls.g2_primitives import G1_to_pubkey, subgroup_check
from py_ecc.bls.point_compression import decompress_G1, decompress_G2
from py_ecc.optimized_bls12_381 import (
    FQ12,
    G1,
    G2,
    add,
    final_exponentiate,
    is_inf,
    multiply,
    neg,
    pairing,
)

from tests.kit.proofs.slow_script import P, Script, packed, tagged

CEREMONY = bytes.fromhex("d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7")
TAU_2 = bytes.fromhex(
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)


@dataclass(frozen=True)
class PlainStatement:
    """A linear statement as numbers and bytes."""

    n: int
    slots: tuple[tuple[int, int], ...]
    """(width, offset)."""
    rows: tuple[tuple[int, tuple[tuple[int, int], ...], int, bool], ...]
    """(width, ((slot, coefficient), …), constant, whether σ counts)."""
    context: bytes
    accounts: tuple[tuple[int, int, bytes], ...]
    """(account, σ, C_W)."""
    ranged_elsewhere: bool = False
    """Whether slots of width 0 have their ranges from another proof about the same C_W."""


def plain_statement(statement: Any, *, ranged_elsewhere: bool = False) -> PlainStatement:
    """The plain data of a `proofs.linear.statement.LinearStatement`."""
    table = statement.layout.table
    return PlainStatement(
        table.size,
        tuple((slot.width, slot.offset) for slot in table.slots),
        tuple((row.width, row.coefficients, row.constant, row.shortfall) for row in table.rows),
        statement.context,
        tuple(zip(statement.accounts, statement.shortfalls, statement.commitments, strict=True)),
        ranged_elsewhere,
    )


class No(Exception):
    """Refused, and why."""


def need(condition: bool, why: str) -> None:
    if not condition:
        raise No(why)


def slow_verify(statement: PlainStatement, proof: bytes) -> bool:
    """Whether the proof is accepted. About 1 s, and 0.1 s an account and column."""
    return why_refused(statement, proof) == ""


def why_refused(statement: PlainStatement, proof: bytes) -> str:
    """Why it is refused; empty when it is accepted."""
    try:
        check_proof(statement, proof)
    except No as no:
        return str(no)
    return ""


def check_proof(statement: PlainStatement, proof: bytes) -> Script:
    """Raises No; returns the transcript, which has absorbed everything."""
    script = Script("")
    script.state = state_after(statement, proof)
    return script


@lru_cache(maxsize=64)
def state_after(statement: PlainStatement, proof: bytes) -> bytes:
    places, columns = places_of(statement)
    script = opening_script(statement, places)
    parts = split(statement, columns, proof)
    drawn = draw(script, parts)
    check_openings(statement, places, columns, parts, drawn)
    return script.state


# The statement.


def places_of(statement: PlainStatement) -> tuple[list[tuple[int, int]], int]:
    """(column, first position) of the digits of slots and then rows, and the number of columns. Raises No."""
    n, slots, rows = statement.n, statement.slots, statement.rows
    need(n in (256, 512, 1024, 2048) and 0 < len(slots) <= n, "layout")
    for width, offset in slots:
        need(width in (0, 5, 7, 8) and 0 <= offset < max(256**width, 1), "layout")
    for width, coefficients, constant, _ in rows:
        order = [j for j, _ in coefficients]
        need(width in (0, 5, 7, 8) and order == sorted(set(order)) and set(order) <= set(range(len(slots))), "layout")
        need(all(0 < abs(a) < 2**62 for _, a in coefficients) and abs(constant) < 2**63, "layout")
    for j, (width, _) in enumerate(slots):
        need(bool(width) or statement.ranged_elsewhere or any(ties(row, j, slots) for row in rows), "layout")
    places, column, position = [], 0, 0
    for width in [slot[0] for slot in slots] + [row[0] for row in rows]:
        if position + width > n:
            column, position = column + 1, 0
        places.append((column, position) if width else (0, 0))
        position += width
    need(column < 16, "layout")
    return places, column + 1


def ties(row: tuple[int, tuple[tuple[int, int], ...], int, bool], j: int, slots: Sequence[tuple[int, ...]]) -> bool:
    """Whether an equality row says the slot j, without digits, in terms of slots that have some."""
    width, coefficients, _, sigma = row
    own = dict(coefficients).get(j, 0)
    return width == 0 and not sigma and abs(own) == 1 and all(slots[i][0] for i, _ in coefficients if i != j)


def opening_script(statement: PlainStatement, places: list[tuple[int, int]]) -> Script:
    numbers = [account for account, _, _ in statement.accounts]
    need(bool(numbers) and numbers == sorted(set(numbers)) and len(statement.context) == 32, "accounts")
    need(all(0 <= account < 2**256 and 0 <= sigma < 2**63 for account, sigma, _ in statement.accounts), "accounts")
    script = Script("crossclear/linear/v1")
    script.put("srs", "bytes", CEREMONY)
    script.number("n", statement.n)
    table = packed((statement.n, statement.slots, statement.rows, places))
    script.put("layout", "bytes", tagged("crossclear/proofs/layout/v1", table))
    script.put("context", "bytes", statement.context)
    script.number("accounts", len(numbers))
    for account, sigma, c_w in statement.accounts:
        script.number("account", account)
        script.number("sigma", sigma)
        script.put("C_W", "point", c_w)
    return script


# The proof.


@dataclass
class Parts:
    """A proof's items; i = k·columns + c counts accounts and columns together."""

    c_d: list[bytes] = field(default_factory=list)
    c_f: list[bytes] = field(default_factory=list)
    d_bar: list[int] = field(default_factory=list)
    tail: list[bytes] = field(default_factory=list)
    """C_m, C_S, C_t1, C_t2, π_1, π_2."""
    s_bar: int = 0


def split(statement: PlainStatement, columns: int, proof: bytes) -> Parts:
    need(len(proof) == len(statement.accounts) * columns * 128 + 320, "length")
    parts, rest = Parts(), proof

    def take(size: int) -> bytes:
        nonlocal rest
        found, rest = rest[:size], rest[size:]
        return found

    for _ in statement.accounts:
        parts.c_d += [take(48) for _ in range(columns)]
        parts.c_f += [take(48) for _ in range(columns)]
        parts.d_bar += [int.from_bytes(take(32), "big") for _ in range(columns)]
    first = [take(48) for _ in range(4)]
    parts.s_bar = int.from_bytes(take(32), "big")
    parts.tail = [*first, take(48), take(48)]
    need(max(*parts.d_bar, parts.s_bar) < P, "scalar")
    return parts


@dataclass(frozen=True)
class Drawn:
    """The challenges."""

    alpha: int
    y: int
    beta: int
    delta: int
    gamma: int
    zeta: int
    r: int


def draw(script: Script, parts: Parts) -> Drawn:
    c_m, c_s, c_t1, c_t2, pi_1, pi_2 = parts.tail
    for data in parts.c_d:
        script.put("C_D", "point", data)
    script.put("C_m", "point", c_m)
    alpha, y, beta = script.draw("alpha"), script.draw("y"), script.draw("beta")
    need(-alpha % P >= 256, "challenge")
    for data in parts.c_f:
        script.put("C_f", "point", data)
    delta = script.draw("delta")
    script.put("C_S", "point", c_s)
    gamma = script.draw("gamma")
    script.put("C_t1", "point", c_t1)
    script.put("C_t2", "point", c_t2)
    zeta = script.draw("zeta")
    for value in parts.d_bar:
        script.number("D(zeta)", value, "scalar")
    script.number("S(omega zeta)", parts.s_bar, "scalar")
    r = script.draw("r")
    script.put("pi_1", "point", pi_1)
    script.put("pi_2", "point", pi_2)
    script.draw("mu")
    return Drawn(alpha, y, beta, delta, gamma, zeta, r)


# Points.


@lru_cache(maxsize=1024)
def point(data: bytes) -> Any:
    """A point of its one encoding, in the subgroup, not infinity. Raises No."""
    try:
        found = decompress_G1(int.from_bytes(data, "big"))
    except ValueError as error:
        raise No("point") from error
    need(len(data) == 48 and not is_inf(found) and G1_to_pubkey(found) == data and subgroup_check(found), "point")
    return found


def combine(terms: Sequence[tuple[Any, int]]) -> Any:
    """Σ scalar·point, some bits at a time: each point goes into the bucket of its bits."""
    nothing = multiply(G1, 0)
    total, width = nothing, 4 if len(terms) < 64 else 6
    for shift in range(256 - 256 % width, -1, -width):
        buckets = [nothing] * (1 << width)
        for base, scalar in terms:
            bits = (scalar % P >> shift) % (1 << width)
            buckets[bits] = add(buckets[bits], base) if bits else nothing
        running = window = nothing
        for bucket in reversed(buckets[1:]):
            running = add(running, bucket)
            window = add(window, running)
        for _ in range(width):
            total = add(total, total)
        total = add(total, window)
    return total


def opens(commitment: Any, at: int, witness: Any) -> bool:
    """e(π, [τ]₂ − at·G₂) = e(commitment, G₂): what is committed to is zero at `at`."""
    tau = decompress_G2((int.from_bytes(TAU_2[:48], "big"), int.from_bytes(TAU_2[48:], "big")))
    shifted = add(tau, neg(multiply(G2, at)))
    left = pairing(shifted, witness, final_exponentiate=False)
    return bool(final_exponentiate(left * pairing(G2, neg(commitment), final_exponentiate=False)) == FQ12.one())


# The equations.


def omega(n: int) -> int:
    return pow(7, (P - 1) // n, P)


def lagrange(n: int, i: int, z: int) -> int:
    """L_i(z) = ωⁱ (zⁿ − 1) / (n (z − ωⁱ))."""
    root = pow(omega(n), i, P)
    need(pow(z, n, P) != 1, "challenge")
    return root * (pow(z, n, P) - 1) * pow(n * (z - root), -1, P) % P


def check_openings(
    statement: PlainStatement, places: list[tuple[int, int]], columns: int, parts: Parts, drawn: Drawn
) -> None:
    n, zeta, alpha, gamma = statement.n, drawn.zeta, drawn.alpha, drawn.gamma
    ell = [lagrange(n, i, zeta) for i in range(n)]
    u_bar, v_bar, c = weights(statement, places, columns, drawn.y, ell)
    t_bar = sum(i % 256 * value for i, value in enumerate(ell)) % P
    c_m, c_s, c_t1, c_t2, pi_1, pi_2 = map(point, parts.tail)
    z_h = pow(zeta, n, P) - 1

    # Lz = Σ own·lookup_i + γ·(S̄ − S − Σ f_i − β Σ joint·[Σ_c ū D̄ − v̄ W − c_k / n]) − Z_H(ζ)(t1 + ζ^(n+2) t2)
    lz: list[tuple[Any, int]] = [(c_s, -gamma), (G1, gamma * parts.s_bar)]
    lz += [(c_t1, -z_h), (c_t2, -z_h * pow(zeta, n + 2, P)), (c_m, alpha + parts.d_bar[0])]
    digits: list[tuple[Any, int]] = []
    for i, d_bar in enumerate(parts.d_bar):
        own, f, d = pow(drawn.delta, i, P), point(parts.c_f[i]), point(parts.c_d[i])
        table = alpha + t_bar if i == 0 else 1
        lz += [(f, own * (alpha + d_bar) * table), (G1, -own * table), (f, -gamma)]
        digits += [(d, pow(drawn.r, i + 1, P)), (G1, -pow(drawn.r, i + 1, P) * d_bar)]
    for k, (_, _, c_w) in enumerate(statement.accounts):
        joint = pow(drawn.delta, k * columns, P) * gamma * drawn.beta
        claimed = sum(u * d for u, d in zip(u_bar, parts.d_bar[k * columns : (k + 1) * columns], strict=True))
        lz += [(point(c_w), joint * v_bar), (G1, joint * (c[k] * pow(n, -1, P) - claimed))]
    need(opens(combine(lz + digits), zeta, pi_1), "pairing equation")
    need(opens(combine([(c_s, 1), (G1, -parts.s_bar)]), omega(n) * zeta % P, pi_2), "pairing equation")


def weights(
    statement: PlainStatement, places: list[tuple[int, int]], columns: int, y: int, ell: Sequence[int]
) -> tuple[list[int], int, list[int]]:
    """(ū of each column, v̄, c of each account)."""
    slots, rows = statement.slots, statement.rows
    rho = [pow(y, i, P) for i in range(len(slots) + len(rows))]
    of_row = rho[len(slots) :]
    u_bar = [0] * columns
    widths = [slot[0] for slot in slots] + [row[0] for row in rows]
    for weight, width, (column, start) in zip(rho, widths, places, strict=True):
        u_bar[column] += sum(weight * 256**k * ell[start + k] for k in range(width))
    v = [rho[j] if slot[0] else 0 for j, slot in enumerate(slots)]
    for weight, (_, coefficients, _, _) in zip(of_row, rows, strict=True):
        for j, a in coefficients:
            v[j] += weight * a
    v_bar = sum(value * at for value, at in zip(v, ell, strict=False))
    c = []
    for _, sigma, _ in statement.accounts:
        total = sum(rho[j] * slot[1] for j, slot in enumerate(slots) if slot[0])
        total += sum(w * (b + (sigma if counts else 0)) for w, (_, _, b, counts) in zip(of_row, rows, strict=True))
        c.append(total % P)
    return [value % P for value in u_bar], v_bar % P, c
