"""Page "The linear proof", section "Prover": slow, and step by step as the page has it.

A polynomial is the list of its coefficients, lowest first.
"""

import secrets
from collections.abc import Callable, Sequence
from functools import cache

from py_arkworks_bls12381 import G1Point

from tests.vectors.proofs.runner.encoding import P, combined, need, word
from tests.vectors.proofs.runner.further import ceremony, hiding_point, lagrange_point
from tests.vectors.proofs.runner.linear import Layout, Statement, omega, row_weights

Poly = list[int]


def commit(values: Sequence[int], blinders: Sequence[int], n: int) -> bytes:
    """C_W of values and blinders."""
    terms = [(lagrange_point(n, j), value) for j, value in enumerate(values)]
    terms += [(hiding_point(n, i), blinder) for i, blinder in enumerate(blinders)]
    return _bytes(combined(terms))


def prove(
    statement: Statement,
    values: Sequence[Sequence[int]],
    blinders: Sequence[Sequence[int]],
    scalar: Callable[[], int] = lambda: secrets.randbelow(P),
) -> bytes:
    """The bytes of a proof for accounts with these values of slots and blinders of C_W."""
    return Prover(statement, values, blinders, scalar).run()


class Prover:
    """One proof; a method is a step of the page."""

    def __init__(
        self,
        statement: Statement,
        values: Sequence[Sequence[int]],
        blinders: Sequence[Sequence[int]],
        scalar: Callable[[], int],
    ) -> None:
        self.layout, self.transcript, self.scalar = statement.layout, statement.transcript(), scalar
        self.n, self.columns, self.accounts = self.layout.n, self.layout.columns, range(len(values))
        self.sigmas = [sigma for _, sigma, _ in statement.accounts]
        self.vanishing = [P - 1, *[0] * (self.n - 1), 1]
        self.values = [[*own, *[0] * (self.n - len(own))] for own in values]
        self.w = [
            added(interpolated(own), times(list(hiding), self.vanishing))
            for own, hiding in zip(self.values, blinders, strict=True)
        ]
        self.digits = [column for k in self.accounts for column in digits(self.layout, values[k], self.sigmas[k])]

    def run(self) -> bytes:
        c_d, c_m = self.commit_digits()
        c_f = self.look_up()
        c_s = self.sum_up()
        c_t1, c_t2 = self.divide()
        d_bar, s_bar = self.evaluate()
        openings = self.open(d_bar)
        parts = b""
        for k in self.accounts:
            mine = slice(k * self.columns, (k + 1) * self.columns)
            parts += b"".join((*c_d[mine], *c_f[mine], *map(word, d_bar[mine])))
        return parts + c_m + c_s + c_t1 + c_t2 + word(s_bar) + openings

    def hidden(self, on_h: Sequence[int], count: int = 2) -> Poly:
        return added(interpolated(on_h), times([self.scalar() for _ in range(count)], self.vanishing))

    def sent(self, label: str, poly: Poly) -> bytes:
        data = committed(poly)
        self.transcript.point(label, data)
        return data

    def commit_digits(self) -> tuple[list[bytes], bytes]:
        """Steps 1 and 2."""
        self.d = [self.hidden(column) for column in self.digits]
        c_d = [self.sent("C_D", poly) for poly in self.d]
        self.counts = [sum(column.count(byte) for column in self.digits) for byte in range(256)]
        self.counts += [0] * (self.n - 256)
        self.m = self.hidden(self.counts)
        c_m = self.sent("C_m", self.m)
        self.alpha, self.y, self.beta = (self.transcript.draw(label) for label in ("alpha", "y", "beta"))
        return c_d, c_m

    def look_up(self) -> list[bytes]:
        """Step 3."""
        self.looked_up = [[pow(self.alpha + digit, -1, P) for digit in column] for column in self.digits]
        taken = [count * pow(self.alpha + h % 256, -1, P) for h, count in enumerate(self.counts)]
        self.looked_up[0] = [f - part for f, part in zip(self.looked_up[0], taken, strict=True)]
        self.f = [self.hidden(column) for column in self.looked_up]
        c_f = [self.sent("C_f", poly) for poly in self.f]
        delta = self.transcript.draw("delta")
        self.own = [pow(delta, i, P) for i in range(len(self.d))]
        self.joint = [self.own[k * self.columns] for k in self.accounts]
        return c_f

    def sum_up(self) -> bytes:
        """Step 4."""
        rho, v, constant, counted = row_weights(self.layout, self.y)
        self.u = [[0] * self.n for _ in range(self.columns)]
        for weight, width, (column, start) in zip(rho, self.layout.widths, self.layout.places, strict=True):
            for k in range(width):
                self.u[column][start + k] = weight * 256**k % P
        self.v = [*v, *[0] * (self.n - len(v))]
        self.c = [(constant + counted * sigma) * pow(self.n, -1, P) for sigma in self.sigmas]
        s = [0]
        for h in range(self.n):
            step = sum(column[h] for column in self.looked_up)
            for k in self.accounts:
                row = -self.v[h] * self.values[k][h] - self.c[k]
                row += sum(self.u[c][h] * self.digits[k * self.columns + c][h] for c in range(self.columns))
                step += self.beta * self.joint[k] * row
            s.append((s[-1] + step) % P)
        need(s[self.n] == 0, "WITNESS_OUT_OF_RANGE", "sum")
        self.s = self.hidden(s[: self.n], 3)
        c_s = self.sent("C_S", self.s)
        self.gamma = self.transcript.draw("gamma")
        return c_s

    def divide(self) -> tuple[bytes, bytes]:
        """Step 5."""
        self.v_poly = interpolated(self.v)
        self.table = added(interpolated([h % 256 for h in range(self.n)]), [self.alpha])
        u = [interpolated(column) for column in self.u]
        step: Poly = []
        for k in self.accounts:
            row = added([-self.c[k]], times([-1], times(self.v_poly, self.w[k])))
            for c in range(self.columns):
                row = added(row, times(u[c], self.d[k * self.columns + c]))
            step = added(step, times([self.beta * self.joint[k]], row))
        lookups = times(self.m, added(self.d[0], [self.alpha]))
        for i, (f, d) in enumerate(zip(self.f, self.d, strict=True)):
            step = added(step, f)
            lookup = added(times(f, added(d, [self.alpha])), [-1])
            lookups = added(lookups, times([self.own[i]], lookup if i else times(lookup, self.table)))
        shifted = [value * pow(omega(self.n), i, P) for i, value in enumerate(self.s)]
        closing = added(shifted, times([-1], added(self.s, step)))
        t = over_vanishing(added(lookups, times([self.gamma], closing)), self.n)
        blinder, cut = self.scalar(), self.n + 2
        self.t1 = [*t[:cut], *[0] * (cut - len(t)), blinder]
        self.t2 = added(t[cut:], [-blinder])
        found = self.sent("C_t1", self.t1), self.sent("C_t2", self.t2)
        self.zeta = self.transcript.draw("zeta")
        return found

    def evaluate(self) -> tuple[list[int], int]:
        """Step 6."""
        d_bar, s_bar = [value_at(poly, self.zeta) for poly in self.d], value_at(self.s, omega(self.n) * self.zeta)
        for value in d_bar:
            self.transcript.scalar("D(zeta)", value)
        self.transcript.scalar("S(omega zeta)", s_bar)
        self.r = self.transcript.draw("r")
        return d_bar, s_bar

    def open(self, d_bar: list[int]) -> bytes:
        """Step 7. The division drops constants."""
        zeta, gamma = self.zeta, self.gamma
        table, v_bar, vanishing = value_at(self.table, zeta), value_at(self.v_poly, zeta), pow(zeta, self.n, P) - 1
        lz = added(times([self.alpha + d_bar[0]], self.m), times([-gamma], self.s))
        lz = added(lz, times([-vanishing], added(self.t1, times([pow(zeta, self.n + 2, P)], self.t2))))
        for i, (f, d) in enumerate(zip(self.f, self.d, strict=True)):
            weight = self.own[i] * (self.alpha + d_bar[i]) * (1 if i else table) - gamma
            lz = added(lz, added(times([weight], f), times([pow(self.r, i + 1, P)], d)))
        for k in self.accounts:
            lz = added(lz, times([self.joint[k] * gamma * self.beta * v_bar], self.w[k]))
        return committed(over_root(lz, zeta)) + committed(over_root(self.s, omega(self.n) * zeta % P))


def digits(layout: Layout, values: Sequence[int], sigma: int) -> list[list[int]]:
    """The digits of each column on H."""
    found = [[0] * layout.n for _ in range(layout.columns)]
    stated = [value + offset for value, (_, offset) in zip(values, layout.slots, strict=True)]
    for _, coefficients, constant, counts in layout.rows:
        stated.append(sum(a * values[j] for j, a in coefficients) + constant + (sigma if counts else 0))
    free = len(layout.slots)
    for index, (value, width, (column, start)) in enumerate(zip(stated, layout.widths, layout.places, strict=True)):
        inside = 0 <= value < max(256**width, 1) or (width == 0 and index < free)
        need(inside, "WITNESS_OUT_OF_RANGE", str(index))
        for k in range(width):
            found[column][start + k] = value // 256**k % 256
    return found


# Polynomials.


@cache
def _powers(n: int) -> list[int]:
    return [pow(omega(n), -i % n, P) for i in range(n)]


def interpolated(values: Sequence[int]) -> Poly:
    """The coefficients of the polynomial of degree below n with these values on H."""
    n = len(values)
    back, scale = _powers(n), pow(n, -1, P)
    return [sum(value * back[i * k % n] for i, value in enumerate(values)) * scale % P for k in range(n)]


def added(a: Poly, b: Poly) -> Poly:
    size = max(len(a), len(b))
    return [(x + y) % P for x, y in zip(a + [0] * (size - len(a)), b + [0] * (size - len(b)), strict=True)]


def times(a: Poly, b: Poly) -> Poly:
    found = [0] * (len(a) + len(b) - 1) if a and b else []
    for i, x in enumerate(a):
        if x:
            for j, y in enumerate(b, start=i):
                found[j] += x * y
    return [value % P for value in found]


def value_at(poly: Poly, x: int) -> int:
    value = 0
    for coefficient in reversed(poly):
        value = (value * x + coefficient) % P
    return value


def over_vanishing(poly: Poly, n: int) -> Poly:
    """poly / (Xⁿ − 1), which is exact for an honest prover."""
    rest, found = list(poly), [0] * max(len(poly) - n, 0)
    for i in range(len(found) - 1, -1, -1):
        found[i] = rest[i + n]
        rest[i] += found[i]
    need(not any(value % P for value in rest[:n]), "WITNESS_OUT_OF_RANGE", "quotient")
    return [value % P for value in found]


def over_root(poly: Poly, root: int) -> Poly:
    """(poly − poly(root)) / (X − root)."""
    found, value = [0] * (len(poly) - 1), 0
    for i in range(len(poly) - 1, 0, -1):
        value = (value * root + poly[i]) % P
        found[i - 1] = value
    return found


def committed(poly: Poly) -> bytes:
    return _bytes(combined(list(zip(ceremony(), poly, strict=False))))


def _bytes(point: G1Point) -> bytes:
    return bytes(point.to_compressed_bytes())
