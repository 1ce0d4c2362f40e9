"""A forger of the cover proof's link: as `forgers.linear`, for vectors V_s that have nothing to do with the accounts.

Rule: L = Ḡ − G − āV + b̄K − Z_H(ζ)·q is affine in G, q and Ḡ; symbols as in `proofs.cover.verifier`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, scalar_bytes
from proofs.algebra.group import encode_point
from proofs.algebra.polynomial import Masked, Poly, commit_coefficients, polynomial
from proofs.algebra.transcript import Transcript
from proofs.cover.terms import CoverStatement
from proofs.cover.verifier import after_openings, after_running_sum, begin_link, draw_weights, public_values
from proofs.linear.prover import random_scalar
from proofs.linear.statement import Witness
from tests.kit.proofs.forgers.openings import LastRound, solve


class LinkForger:
    """One link; `transcript` is that of the proof over the V_s, after it."""

    def __init__(
        self, cover: CoverStatement, vectors: Sequence[Witness], accounts: Mapping[int, Witness], transcript: Transcript
    ) -> None:
        self.cover, self.transcript = cover, begin_link(transcript)
        self.g, self.q, self.g_bar = [random_scalar(), random_scalar()], random_scalar(), 0
        self.weights = draw_weights(cover, self.transcript)
        self.v, self.k = polynomial([]), polynomial([])
        for weight, witness in zip(self.weights.of_stress, vectors, strict=True):
            self.v += self._poly(witness) * weight
        for account, number in cover.number_of.items():
            self.k += self._poly(accounts[account]) * self.weights.of_member[number]

    def forge(self, unbound: str) -> bytes:
        """The link's bytes, for transcripts that leave the item `unbound` out. Raises ValueError for others."""
        domain = domain_of(self.cover.size)
        self.zeta = after_running_sum(self.transcript, _commit(self.g), _commit([self.q]))
        self.shifted = domain.omega * self.zeta % ORDER
        self._put_slope(self.g[1])
        unknowns: dict[str, Callable[[int], None]] = {
            "C_G": self._put_slope,
            "C_q": partial(setattr, self, "q"),
            "pi_1": partial(setattr, self, "g_bar"),
        }
        if unbound in unknowns:
            solve(unknowns[unbound], self._residue)
        elif unbound not in ("G(omega zeta)", "pi_2"):
            raise ValueError(unbound)

        def draw_mu(pi_1: Sequence[int], pi_2: Sequence[int]) -> int:
            return after_openings(self.transcript, self.g_bar, _commit(pi_1), _commit(pi_2))

        last = LastRound(self._opened(), self.g, self.g_bar, self.zeta, self.shifted, gamma=1)
        found = last.run(unbound.replace("G(", "S("), draw_mu)
        points = (_commit(self.g), _commit([self.q]))
        return b"".join((*points, scalar_bytes(found.s_bar), _commit(found.pi_1), _commit(found.pi_2)))

    def _opened(self) -> Poly:
        a_bar, b_bar = public_values(self.cover, self.weights, self.zeta)
        constant = self.g_bar - domain_of(self.cover.size).vanishing(self.zeta) * self.q
        return self.k * b_bar - self.v * a_bar - polynomial(self.g) + polynomial([constant % ORDER])

    def _put_slope(self, value: int) -> None:
        self.g[1] = value
        self.g_bar = (self.g[0] + value * self.shifted) % ORDER

    def _residue(self) -> int:
        """L(ζ)."""
        return int(self._opened()(self.zeta))

    def _poly(self, witness: Witness) -> Poly:
        rest = [0] * (self.cover.size - len(witness.values))
        return Masked([*witness.values, *rest], list(witness.blinders)).poly()


def _commit(found: Sequence[int]) -> bytes:
    return encode_point(commit_coefficients(found))
