"""Lies about what is in range, and the ways to prove them."""

from proofs.algebra.field import ORDER, inverse
from proofs.algebra.polynomial import Poly, interpolate
from proofs.linear.layout import lay_out
from tests.kit.proofs.cheating import CheatingProver, Secret, bytes_of
from tests.kit.proofs.linear_statements import SLOTS, N, margin_rows

ROWS = margin_rows(-900, 700, constant=10)
LAYOUT = lay_out(N, SLOTS, ROWS)
GOOD = (1000, 5, -1)
LIES = {
    "a slot of 1/3": (0, inverse(3), 0),
    "a slot of p - 1": (0, ORDER - 1, 0),
    "a negative token": (100, -1, 0),
    "a token beyond its range": (0, 2**56, 0),
    "a position beyond its range": (2**50, 0, 2**39),
    "a position below its range": (2**50, 0, -(2**39) - 1),
    "cash beyond its range": (2**63, 0, 0),
    "cash below its range": (-(2**63) - 1, 2**56 - 1, 0),
    "equity of -1": (-11, 0, 0),
    "equity of -1 in one scenario": (889, 0, 1),
    "equity of 1/2": (inverse(2), 0, 0),
}


class Remainders(CheatingProver):
    """Goes on as if nothing were wrong, and drops what does not divide."""


class SpreadsTheLack(CheatingProver):
    """Lets S close, by an error of the same size in each step."""

    def running_sum(self) -> Poly:
        share = self.missing() * inverse(self.size) % ORDER
        total, sums = 0, []
        for step in self.steps():
            sums.append(total)
            total = (total + step - share) % ORDER
        return self.hide(sums, 3)


class LiesInALookup(CheatingProver):
    """Lets S close, by one value of f that no lookup has."""

    def lookups(self) -> list[list[Poly]]:
        self.f = super().lookups()
        self.joint = [1] * len(self.secrets)  # δ is not drawn yet; with one account its power is 1
        self.f[-1][-1] += interpolate([*[0] * (self.size - 1), -self.missing() % ORDER])
        return self.f


class CountsWhatIsNoByte(CheatingProver):
    """Counts digits that are no bytes as if they were."""

    def multiplicities(self) -> list[int]:
        counts = [0] * self.size
        for column in self.all_digits():
            for digit in column:
                counts[digit % 256] += 1
        return counts


class LiesAboutADigitColumn(CheatingProver):
    """Claims the D̄ with which Lz vanishes at ζ, and opens what is not so."""

    def evaluations(self):
        d_bar, s_bar = super().evaluations()

        def at_zeta(value: int) -> int:
            first = (value, *d_bar[0][1:])
            return int(self.linearised([first, *d_bar[1:]], s_bar)(self.zeta))

        intercept = at_zeta(0)
        slope = at_zeta(1) - intercept
        # Lz is linear in each D̄.
        wanted = -intercept * inverse(slope) % ORDER
        assert at_zeta(wanted) == 0
        return [(wanted, *d_bar[0][1:]), *d_bar[1:]], s_bar


class LiesAboutTheSum(CheatingProver):
    """Claims the S̄ with which Lz vanishes at ζ, and opens what is not so."""

    def evaluations(self):
        d_bar, _ = super().evaluations()
        at_zero = int(self.linearised(d_bar, 0)(self.zeta))
        s_bar = -at_zero * inverse(self.gamma) % ORDER
        assert int(self.linearised(d_bar, s_bar)(self.zeta)) == 0
        return d_bar, s_bar


class ProvesOfOthers(CheatingProver):
    """Proves the good holdings of somebody else for a commitment that holds the lie."""

    def __init__(self, statement, secrets):
        honest = [Secret(list(GOOD), bytes_of(statement.layout, GOOD), each.rho) for each in secrets]
        super().__init__(statement, honest)


WAYS = (
    Remainders,
    SpreadsTheLack,
    LiesInALookup,
    CountsWhatIsNoByte,
    LiesAboutADigitColumn,
    LiesAboutTheSum,
    ProvesOfOthers,
)
