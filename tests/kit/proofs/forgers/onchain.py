"""A forger of on-chain proofs that knows no witness: as `forgers.linear`, for the proof that a contract checks.

Rule: L = Lz + Σ r^(i+1)(P_i − P̄_i), P = D, U, V, T, is affine in every single message, and in what keys and leaf hold.
Weakened verifiers cut one item out of one round of the hash chain, or one hash out of what it starts from.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pytest

from proofs.algebra.commitment import commit
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inverse, scalar_bytes
from proofs.algebra.group import encode_point
from proofs.algebra.polynomial import Masked, Poly, commit_coefficients, polynomial
from proofs.algebra.srs import basis
from proofs.linear.layout import ProofLayout
from proofs.linear.prover import random_scalar
from proofs.linear.statement import LinearStatement, u_values, weights_of
from proofs.onchain.keys import EpochKeys, EpochStatement, Leaf, derive_keys, row_challenge
from proofs.onchain.messages import PADDED_BYTES, ChallengeChain, padded_point
from tests.kit.proofs.forgers.openings import LastRound, solve

POINT, SCALAR = PADDED_BYTES, 32
CUTS = {
    "C_m": (0, 0, POINT),
    "C_f": (1, 0, POINT),
    "C_S": (1, POINT, 2 * POINT),
    "C_t1": (2, 0, POINT),
    "C_t2": (2, POINT, 2 * POINT),
    "D(zeta)": (3, 0, SCALAR),
    "U(zeta)": (3, SCALAR, 2 * SCALAR),
    "V(zeta)": (3, 2 * SCALAR, 3 * SCALAR),
    "T(zeta)": (3, 3 * SCALAR, 4 * SCALAR),
    "S(omega zeta)": (3, 4 * SCALAR, 5 * SCALAR),
    "pi_1": (4, 0, POINT),
    "pi_2": (4, POINT, 2 * POINT),
}
"""Where each item lies in a proof of one column: (round, from, below)."""


@contextmanager
def cutting_out(item: str) -> Iterator[None]:
    """A hash chain that absorbs everything but this item: one of `CUTS`, "keys" or "leaf"."""
    begin, draw = ChallengeChain.__init__, ChallengeChain.draw
    rounds: dict[int, int] = {}

    def weak_begin(self: ChallengeChain, keys_hash: bytes, leaf_hash: bytes) -> None:
        rounds[id(self)] = 0
        begin(self, b"" if item == "keys" else keys_hash, b"" if item == "leaf" else leaf_hash)

    def weak_draw(self: ChallengeChain, data: bytes) -> tuple[int, int]:
        number, start, stop = CUTS.get(item, (-1, 0, 0))
        here = rounds[id(self)]
        rounds[id(self)] += 1
        return draw(self, data[:start] + data[stop:] if here == number else data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChallengeChain, "__init__", weak_begin)
        patch.setattr(ChallengeChain, "draw", weak_draw)
        yield


class OnchainForger:
    """One account of an epoch of its own, whose values may break any range and any row. Layouts of one column."""

    def __init__(self, layout: ProofLayout, values: Sequence[int]) -> None:
        self.layout, self.values = layout, values
        self.rho = [random_scalar(), random_scalar()]
        self.d, self.f, self.m, self.t_1, self.t_2 = (random_scalar() for _ in range(5))
        self.s, self.s_bar, self.r = [random_scalar(), random_scalar()], 0, 0
        linear = LinearStatement(layout, bytes(32), (1,), (0,), (self._c_w(),))
        self.leaf = Leaf(1, 0, self._c_w(), (encode_point(commit_coefficients([self.d])),))
        self.keys: EpochKeys = derive_keys(EpochStatement(linear, bytes(32), 3, 7), [self.leaf])
        self.weights = weights_of(layout, row_challenge(bytes(32), layout.digest, self.keys.leaves_root))
        self.constant = self.weights.constant
        points = domain_of(layout.size)
        rest = [0] * (layout.size - len(self.weights.v))
        (u,) = u_values(layout, self.weights)
        self.public = [
            Masked([u.get(i, 0) for i in range(layout.size)], []).poly(),
            Masked([*self.weights.v, *rest], []).poly(),
            Masked([i % 256 for i in range(layout.size)], []).poly(),
        ]
        self.domain = points

    def forge(self, unbound: str) -> tuple[EpochKeys, Leaf, bytes]:
        """Keys, leaf and proof for a hash chain that leaves `unbound` out. Raises ValueError for others."""
        self._draw_until_zeta()
        if unbound in self._unknowns():
            solve(self._unknowns()[unbound], self._residue)
        elif unbound not in self._late() and unbound not in ("S(omega zeta)", "pi_2"):
            raise ValueError(unbound)
        evaluations = b"".join(map(scalar_bytes, [*self.claimed, self.s_bar]))
        self.r, _ = self.chain.draw(evaluations)
        if unbound in self._late():
            solve(self._late()[unbound], self._residue)

        def draw_mu(pi_1: Sequence[int], pi_2: Sequence[int]) -> int:
            return self.chain.draw(_padded(pi_1) + _padded(pi_2))[0]

        last = LastRound(self._opened(), self.s, self.s_bar, self.zeta, self.shifted, self.gamma)
        found = last.run(unbound, draw_mu)
        scalars = b"".join(map(scalar_bytes, [*self.claimed, found.s_bar]))
        points = b"".join(map(_padded, ([self.m], [self.f], self.s, [self.t_1], [self.t_2])))
        keys = msgspec.structs.replace(self.keys, constant=scalar_bytes(self.constant))
        leaf = Leaf(1, 0, self._c_w(), self.leaf.c_d)
        return keys, leaf, points + scalars + _padded(found.pi_1) + _padded(found.pi_2)

    def _c_w(self) -> bytes:
        return encode_point(commit(basis(self.layout.size), self.values, self.rho))

    def _draw_until_zeta(self) -> None:
        self.chain = ChallengeChain(self.keys.hash, self.leaf.hash)
        self.alpha, self.beta = self.chain.draw(_padded([self.m]))
        self.delta, self.gamma = self.chain.draw(_padded([self.f]) + _padded(self.s))
        self.zeta, _ = self.chain.draw(_padded([self.t_1]) + _padded([self.t_2]))
        self.shifted = self.domain.omega * self.zeta % ORDER
        self._put_slope(self.s[1])
        self.claimed = [self.d, *(int(each(self.zeta)) for each in self.public)]

    def _unknowns(self) -> dict[str, Callable[[int], None]]:
        return {
            "keys": lambda value: setattr(self, "constant", value),
            "leaf": self._put_blinder,
            "C_m": lambda value: setattr(self, "m", value),
            "C_f": lambda value: setattr(self, "f", value),
            "C_S": self._put_slope,
            "C_t1": lambda value: setattr(self, "t_1", value),
            "C_t2": lambda value: setattr(self, "t_2", value),
            "pi_1": lambda value: setattr(self, "s_bar", value),
        }

    def _late(self) -> dict[str, Callable[[int], None]]:
        """What is chosen after r: the evaluations that it joins."""

        def put(index: int) -> Callable[[int], None]:
            return lambda value: self.claimed.__setitem__(index, value)

        return {"D(zeta)": put(0), "U(zeta)": put(1), "V(zeta)": put(2), "T(zeta)": put(3)}

    def _put_blinder(self, value: int) -> None:
        self.rho[0] = value

    def _put_slope(self, value: int) -> None:
        self.s[1] = value
        self.s_bar = (self.s[0] + value * self.shifted) % ORDER

    def _residue(self) -> int:
        """L(ζ)."""
        return int(self._opened()(self.zeta))

    def _opened(self) -> Poly:
        """L as it stands."""
        size, gamma_beta = self.layout.size, self.gamma * self.beta % ORDER
        d_bar, u_bar, v_bar, t_bar = self.claimed
        factor = (self.alpha + t_bar) % ORDER
        constant = self.f * (factor * (self.alpha + d_bar) - self.gamma) - factor + self.m * (self.alpha + d_bar)
        constant += self.gamma * self.s_bar + gamma_beta * (self.constant * inverse(size) - u_bar * d_bar)
        constant -= self.domain.vanishing(self.zeta) * (self.t_1 + pow(self.zeta, size + 2, ORDER) * self.t_2)
        w = Masked([*self.values, *[0] * (size - len(self.values))], self.rho).poly()
        total = w * (gamma_beta * v_bar % ORDER) + polynomial(self.s) * -self.gamma
        weight = self.r
        for each, claimed in zip([polynomial([self.d]), *self.public], self.claimed, strict=True):
            total += each * weight
            constant -= weight * claimed
            weight = weight * self.r % ORDER
        return total + polynomial([constant % ORDER])


def _padded(found: Sequence[int]) -> bytes:
    return padded_point(commit_coefficients(found))
