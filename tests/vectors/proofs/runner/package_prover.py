"""Pages "The linear proof" and "Further proofs", what they say of provers: all proofs of a package."""

import secrets
from dataclasses import dataclass
from typing import Any

from tests.vectors.proofs.runner.encoding import P, combined, word
from tests.vectors.proofs.runner.further import (
    backing_layout,
    hiding_point,
    house_layout,
    lagrange_point,
    vector_layout,
)
from tests.vectors.proofs.runner.inclusion import opening
from tests.vectors.proofs.runner.linear import Statement, omega, verify
from tests.vectors.proofs.runner.prover import (
    added,
    commit,
    committed,
    interpolated,
    over_root,
    over_vanishing,
    prove,
    times,
    value_at,
)
from tests.vectors.proofs.runner.statement import auxiliary, layout_of, slots_of
from tests.vectors.proofs.runner.transcript import Transcript


def scalar() -> int:
    return secrets.randbelow(P)


@dataclass(frozen=True)
class Account:
    """What a prover knows of an account; holdings by names of slots."""

    number: int
    owner: bytes
    seed: bytes
    holdings: dict[str, int]


class PackageProver:
    """Commits to accounts, and proves them once the commitments root is certified."""

    def __init__(self, statement: dict[str, Any], n: int, accounts: list[Account]) -> None:
        self.statement, self.n = statement, n
        openings = {
            each.number: opening(statement, each.number, each.owner, each.seed, each.holdings) for each in accounts
        }
        self.values = {number: values for number, (values, _) in openings.items()}
        self.blinders = {number: hiding for number, (_, hiding) in openings.items()}
        self.c_w = {number: commit(*openings[number], n) for number in sorted(openings)}

    def prove(self, root: bytes) -> dict[str, bytes]:
        """The parts `proof`, `book`, `cover` and `house`, for this commitments root."""
        listed = dict(map(tuple, self.statement["shortfalls"]))
        stated = [(number, listed.get(number, 0), c_w) for number, c_w in self.c_w.items()]
        joint = Statement(layout_of(self.statement, self.n), root, stated)
        proof = prove(joint, [self.values[k] for k in self.c_w], [self.blinders[k] for k in self.c_w])
        after = verify(joint, proof)
        return {"proof": proof, "book": self.book(after), "cover": self.cover(after), "house": self.house(after)}

    def book(self, after: Transcript) -> bytes:
        hidden = auxiliary(self.statement)
        bases = [hiding_point(self.n, 0), hiding_point(self.n, 1), *(lagrange_point(self.n, g) for g in hidden)]
        exponents = [sum(own[i] for own in self.blinders.values()) for i in (0, 1)]
        exponents += [sum(own[g] for own in self.values.values()) for g in hidden]
        nonces = [scalar() for _ in bases]
        announced = bytes(combined(list(zip(bases, nonces, strict=True))).to_compressed_bytes())
        own = after.fork("crossclear/book/v1")
        for slot in hidden:
            own.integer("auxiliary", slot)
        for total in self.statement["totals"]:
            own.integer("slot", total["slot"])
            own.scalar("total", total["total"] % P)
        own.point("R", announced)
        e = own.draw("e")
        return announced + b"".join(word((a + e * x) % P) for a, x in zip(nonces, exponents, strict=True))

    def house(self, after: Transcript) -> bytes:
        if 0 not in self.c_w or any(self.values[0][j] < 0 for j in slots_of(self.statement, "CASH")):
            return b""
        stated = Statement(
            house_layout(self.statement, self.n), after.context("crossclear/house/v1"), [(0, 0, self.c_w[0])]
        )
        return prove(stated, [self.values[0]], [self.blinders[0]])

    def cover(self, after: Transcript) -> bytes:
        uncovered = slots_of(self.statement, "UNCOVERED")
        if not uncovered:
            return b""
        terms, n = self.statement["cover"][0], self.n
        members = sorted({member for _, member in terms["members"]})
        number_of = {account: members.index(member) for account, member in terms["members"]}
        vectors = [self._vector(slot, len(members), number_of) for slot in uncovered]
        hiding = [[scalar(), scalar()] for _ in vectors]
        c_v = [commit(vector, own, n) for vector, own in zip(vectors, hiding, strict=True)]
        layout = vector_layout(len(members), terms["fund"], n)
        numbered = list(zip(range(len(vectors)), terms["deficits"], c_v, strict=True))
        joint = Statement(layout, after.context("crossclear/cover/v1"), numbered)
        proof = prove(joint, vectors, hiding)
        link = self._link(verify(joint, proof), uncovered, number_of, len(members), vectors, hiding)
        return b"".join(c_v) + proof + link + self._backing(after, terms)

    def _vector(self, slot: int, count: int, number_of: dict[int, int]) -> list[int]:
        owed = [0] * count
        for account, number in number_of.items():
            owed[number] += self.values[account][slot]
        t = sorted(owed)[-2] if count > 1 else 0
        x = [max(0, each - t) for each in owed]
        return [*x, *(a + t - b for a, b in zip(x, owed, strict=True)), t]

    def _backing(self, after: Transcript, terms: dict[str, Any]) -> bytes:
        layout, account = backing_layout(self.statement, terms["fund"], self.n), terms["fund_account"]
        if layout is None:
            return b""
        stated = Statement(layout, after.context("crossclear/cover-backing/v1"), [(account, 0, self.c_w[account])])
        return prove(stated, [self.values[account]], [self.blinders[account]])

    def _link(
        self,
        after: Transcript,
        uncovered: list[int],
        number_of: dict[int, int],
        count: int,
        vectors: list[list[int]],
        hiding: list[list[int]],
    ) -> bytes:
        n, own = self.n, after.fork("crossclear/cover-link/v1")
        r, y = own.draw("r"), own.draw("y")
        powers = [pow(r, m, P) for m in range(count)]
        a = [*powers, *(-weight for weight in powers), sum(powers), *[0] * (n - 2 * count - 1)]
        b = [0] * n
        for s, slot in enumerate(uncovered):
            b[slot] = pow(y, s, P)
        v, v_hidden = _weighted([pow(y, s, P) for s in range(len(uncovered))], vectors, hiding, n)
        accounts = list(number_of)
        weights = [powers[number_of[account]] for account in accounts]
        k, k_hidden = _weighted(
            weights, [self.values[each] for each in accounts], [self.blinders[each] for each in accounts], n
        )
        g = [0]
        for h in range(n):
            g.append((g[-1] + a[h] * v[h] - b[h] * k[h]) % P)
        vanishing = [P - 1, *[0] * (n - 1), 1]
        g_poly = added(interpolated(g[:n]), times([scalar() for _ in range(3)], vanishing))
        v_poly = added(interpolated(v), times(v_hidden, vanishing))
        k_poly = added(interpolated(k), times(k_hidden, vanishing))
        shifted = [value * pow(omega(n), i, P) for i, value in enumerate(g_poly)]
        rest = added(times(interpolated(b), k_poly), times([-1], times(interpolated(a), v_poly)))
        q = over_vanishing(added(added(shifted, times([-1], g_poly)), rest), n)
        c_g, c_q = committed(g_poly), committed(q)
        own.point("C_G", c_g)
        own.point("C_q", c_q)
        zeta = own.draw("zeta")
        g_bar = value_at(g_poly, omega(n) * zeta)
        a_bar, b_bar = value_at(interpolated(a), zeta), value_at(interpolated(b), zeta)
        lz = added(times([-1], g_poly), added(times([-a_bar], v_poly), times([b_bar], k_poly)))
        lz = added(lz, times([-(pow(zeta, n, P) - 1)], q))
        pi_1, pi_2 = committed(over_root(lz, zeta)), committed(over_root(g_poly, omega(n) * zeta % P))
        return c_g + c_q + word(g_bar) + pi_1 + pi_2


def _weighted(
    weights: list[int], vectors: list[list[int]], hiding: list[list[int]], n: int
) -> tuple[list[int], list[int]]:
    """Σ weight · values on H, and Σ weight · blinders."""
    values = [sum(w * own[j] for w, own in zip(weights, vectors, strict=True)) % P for j in range(len(vectors[0]))]
    blinders = [sum(w * own[i] for w, own in zip(weights, hiding, strict=True)) % P for i in (0, 1)]
    return [*values, *[0] * (n - len(values))], blinders
