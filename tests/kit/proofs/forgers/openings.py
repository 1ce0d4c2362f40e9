"""The last round of a forger: π_1, π_2, μ and S̄, where one of them is not bound by the challenge.

Rule: π_1·(X − ζ) + μ·π_2·(X − ωζ) = L + μ·(S − S̄) has to hold; polynomials are lists of coefficients, whatever curve
and encoding they go to. With π_1, π_2 or S̄ chosen after μ it can be met though L(ζ) or S(ωζ) is wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proofs.algebra.field import ORDER, inverse
from proofs.algebra.polynomial import Poly, divide_by_root, polynomial

DrawMu = Callable[[Sequence[int], Sequence[int]], int]
"""μ from π_1 and π_2; what is not bound is passed as [1]."""


def solve(put: Callable[[int], None], residue: Callable[[], int]) -> None:
    """Set the one unknown, in which the residue is affine, so that there is none."""
    put(0)
    at_zero = residue()
    put(1)
    slope = residue() - at_zero
    put(-at_zero * inverse(slope) % ORDER)


@dataclass
class Openings:
    """What goes out last."""

    pi_1: Sequence[int]
    pi_2: Sequence[int]
    s_bar: int


@dataclass(frozen=True)
class LastRound:
    """What stands before it."""

    opened: Poly
    """L, with the S̄ that stands."""
    s: Sequence[int]
    """S = s_0 + s_1·X."""
    s_bar: int
    zeta: int
    shifted: int
    """ωζ."""
    gamma: int

    def run(self, unbound: str, draw_mu: DrawMu) -> Openings:
        """Open, cheating by the item that is unbound if it is one of these."""
        s, apart = polynomial(self.s), inverse(self.zeta - self.shifted)
        if unbound == "pi_1":
            # A wrong S̄ made L(ζ) zero; π_2 is right at ζ alone, and π_1 takes up what is wrong elsewhere.
            second = (int(s(self.zeta)) - self.s_bar) * apart % ORDER
            mu = draw_mu([1], [second])
            rest = s - polynomial([self.s_bar]) - polynomial([-self.shifted, 1]) * second
            return Openings(divide_by_root(self.opened + rest * mu, self.zeta), [second], self.s_bar)
        if unbound == "pi_2":
            # L(ζ) is not zero; π_1 is right at ωζ alone, and π_2 takes up what is wrong elsewhere.
            first = -int(self.opened(self.shifted)) * apart % ORDER
            mu = draw_mu([first], [1])
            rest = self.opened - polynomial([-self.zeta, 1]) * first + (s - polynomial([self.s_bar])) * mu
            return Openings([first], divide_by_root(rest * inverse(mu), self.shifted), self.s_bar)
        pi_1, pi_2, s_bar = divide_by_root(self.opened, self.zeta), [self.s[1]], self.s_bar
        mu = draw_mu(pi_1, pi_2)
        if unbound == "S(omega zeta)":
            # L holds γ·S̄, the other opening −μ·S̄: the two errors cancel for one S̄.
            error = int(self.opened(self.zeta)) - self.gamma * s_bar + mu * int(s(self.shifted))
            s_bar = error * inverse(mu - self.gamma) % ORDER
        return Openings(pi_1, pi_2, s_bar)
