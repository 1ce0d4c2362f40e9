"""The evaluation domain H = <ω> of order n, and the public polynomials on it that have short formulas.

Rule: exact field arithmetic on integers; usable by verifiers without any polynomial library.
T(ω^i) = i mod 256 is the byte table; Z_H(X) = X^n − 1; L_i is the Lagrange basis.
"""

from functools import cached_property, lru_cache

from proofs.algebra.field import ORDER, batch_inverse, inverse, powers, root_of_unity
from proofs.errors import ProofCode, VerificationFailed

TABLE_SIZE = 256
SIZE_MAX = 2048
"""Largest n: quotients need powers up to 2n of the ceremony's 4096."""


class Domain:
    """H of order n: a power of two, a multiple of 256, at most 2048. Use `domain_of`, which keeps them."""

    def __init__(self, size: int) -> None:
        if size % TABLE_SIZE or size & (size - 1) or not TABLE_SIZE <= size <= SIZE_MAX:
            raise VerificationFailed(ProofCode.BAD_LAYOUT, "domain", size=size)
        self.size = size
        self.omega = root_of_unity(size)

    @cached_property
    def roots(self) -> list[int]:
        """ω^i for i in [0, n)."""
        return powers(self.omega, self.size)

    def vanishing(self, at: int) -> int:
        """Z_H(at)."""
        return (pow(at, self.size, ORDER) - 1) % ORDER

    def lagrange(self, at: int, count: int) -> list[int]:
        """L_i(at), not reduced, for i in [0, count). Raises VerificationFailed BAD_CHALLENGE when `at` lies in H.

        2n multiplications and no inversion: L_i(z) = Z_H(z)/n · (z/(z − ω^i) − 1), and with w of order s, a power of
        two, 1/(z^(n/s) − w) = (z^(n/s) + w) / (z^(2n/s) − w²), where w² has order s/2; at s = 1 stands 1/Z_H(z).
        """
        size, order, roots = self.size, ORDER, self.roots
        vanishing = self.vanishing(at)
        if vanishing == 0:
            raise VerificationFailed(ProofCode.BAD_CHALLENGE, "evaluation point lies in the domain")
        inverse_n = inverse(size)
        values = [at * inverse_n % order]
        step = size
        while step > 1:
            step //= 2
            z = pow(at, step, order)
            kept = roots[::step] if step > 1 else roots[:count]
            values = [(z + w) * v % order for w, v in zip(kept, values * 2, strict=False)]
        factor = vanishing * inverse_n % order
        return [value - factor for value in values]

    @cached_property
    def _table_coefficients(self) -> list[int]:
        # T(X) = t(X^(n/256)); the interpolant of 0..N−1 on N-th roots g^i has t_0 = (N−1)/2, t_k = 1/(g^−k − 1).
        generator = pow(self.omega, self.size // TABLE_SIZE, ORDER)
        backwards = powers(inverse(generator), TABLE_SIZE)
        first = (TABLE_SIZE - 1) * inverse(2) % ORDER
        return [first, *batch_inverse([power - 1 for power in backwards[1:]])]

    def table(self, at: int) -> int:
        """T(at)."""
        argument = pow(at, self.size // TABLE_SIZE, ORDER)
        result = 0
        for coefficient in reversed(self._table_coefficients):
            result = (result * argument + coefficient) % ORDER
        return result


@lru_cache(maxsize=8)
def domain_of(size: int) -> Domain:
    """The domain of this size. Raises VerificationFailed BAD_LAYOUT."""
    return Domain(size)
