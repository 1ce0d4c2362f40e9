"""The prover of one account for a contract. It needs the account's holdings and seed, and the leaves of the epoch.

Rule: nothing is drawn at random: blinders follow from the seed and the keys, so a leaf has one proof, however often it
is asked for. It takes no keys but derives them: a proof under other ones would be a second opening of D.
With `check_witness` off it is the cheating prover of the tests.
"""

from collections.abc import Sequence
from itertools import accumulate

from clearing.base.codec import u256
from clearing.base.errors import Bug
from proofs.algebra.domain import TABLE_SIZE, domain_of
from proofs.algebra.field import ORDER, batch_inverse, inverse, powers, scalar_bytes
from proofs.algebra.polynomial import (
    Masked,
    Poly,
    coefficients,
    commit_coefficients,
    commit_masked,
    commit_poly,
    divide_by_root,
    divide_by_vanishing,
    polynomial,
    scale_argument,
)
from proofs.algebra.srs import basis
from proofs.linear.layout import ProofLayout
from proofs.linear.statement import Weights, Witness, u_values, weights_of
from proofs.onchain.keys import (
    EpochKeys,
    EpochStatement,
    Leaf,
    derive_keys,
    derived_scalars,
    digit_blinders,
    row_challenge,
)
from proofs.onchain.messages import ChallengeChain, Rounds, check_alpha, padded_point

BLINDERS, SUM_BLINDERS = 2, 3


def prove_account(
    statement: EpochStatement, leaves: Sequence[Leaf], index: int, witness: Witness, seed: bytes
) -> tuple[EpochKeys, bytes]:
    """The keys, and the proof of account number `index`, for leaves that the caller made itself.

    Leaves from elsewhere need `certified.prove_certified_account`: a second list of them is a second opening of C_D.
    Raises VerificationFailed BAD_STATEMENT for leaves of another statement, Bug when the witness breaks a row, which
    `make_witness` has checked.
    """
    keys = derive_keys(statement, leaves)
    linear = statement.linear
    weights = weights_of(linear.layout, row_challenge(linear.context, linear.layout.digest, keys.leaves_root))
    return keys, prove_leaf(linear.layout, weights, keys, leaves[index], witness, seed)


def prove_leaf(
    layout: ProofLayout,
    weights: Weights,
    keys: EpochKeys,
    leaf: Leaf,
    witness: Witness,
    seed: bytes,
    *,
    check_witness: bool = True,
) -> bytes:
    """The lowest layer: prove under these weights and keys, whatever they are."""
    return LeafProver(layout, weights, keys, leaf, witness, seed).run(check_witness).data


class LeafProver:
    """One proof, from the first message to the last; symbols as in `proofs/notes/on-chain.md`."""

    def __init__(
        self, layout: ProofLayout, weights: Weights, keys: EpochKeys, leaf: Leaf, witness: Witness, seed: bytes
    ) -> None:
        self.size, self.columns = layout.size, layout.columns
        self.domain, self.basis = domain_of(layout.size), basis(layout.size)
        self.chain = ChallengeChain(keys.hash, leaf.hash)
        self.weights = weights
        self.constant = weights.c(leaf.shortfall) * inverse(self.size) % ORDER
        hidden = [digit_blinders(seed, keys.commitments_root, leaf.account, c) for c in range(self.columns)]
        self.digits = [Masked(list(own), blind) for own, blind in zip(witness.digits, hidden, strict=True)]
        padding = [0] * (self.size - len(witness.values))
        self.values = Masked([*witness.values, *padding], list(witness.blinders))
        self.u = [Masked([column.get(i, 0) for i in range(self.size)], []) for column in u_values(layout, weights)]
        self.v = Masked([*weights.v, *[0] * (self.size - len(weights.v))], [])
        self.table = Masked([i % TABLE_SIZE for i in range(self.size)], [])
        own = derived_scalars(seed, "rounds", keys.hash + u256(leaf.account), BLINDERS * (1 + self.columns) + 4)
        self.blind = iter(own)

    def run(self, check: bool) -> Rounds:
        """All rounds. Raises Bug when `check` finds that the rows do not hold."""
        m = self._multiplicities()
        table = self._sent(m)
        alpha, beta = self.chain.draw(table)
        check_alpha(alpha)
        lookups = self._lookups(alpha, m)
        running = self._running_sum(lookups, beta, check)
        looked_up = b"".join(map(self._sent, lookups)) + self._sent(running)
        delta, gamma = self.chain.draw(looked_up)

        # Everything as coefficients from here on.
        m_poly, w, v, t_poly, s = (masked.poly() for masked in (m, self.values, self.v, self.table, running))
        d, u, f = ([masked.poly() for masked in found] for found in (self.digits, self.u, lookups))
        deltas = powers(delta, self.columns)
        e = [t_poly + polynomial([alpha]), *(polynomial([1]) for _ in f[1:])]
        t = scale_argument(s, self.domain.omega) - s + polynomial([beta * self.constant])
        t = (t + v * w * beta) * gamma
        for c in range(self.columns):
            t += (f[c] * (d[c] + polynomial([alpha])) - polynomial([1])) * e[c] * deltas[c]
            t -= (f[c] + u[c] * d[c] * beta) * gamma
        t += m_poly * (d[0] + polynomial([alpha]))
        t1, t2 = self.split(t, check)
        quotient = padded_point(commit_poly(t1)) + padded_point(commit_poly(t2))
        zeta, _ = self.chain.draw(quotient)

        shifted = self.domain.omega * zeta % ORDER
        opened = [*d, *u, v, t_poly]
        claimed = self.claims(opened, zeta)
        evaluations = b"".join(map(scalar_bytes, [*claimed, int(s(shifted))]))
        r, _ = self.chain.draw(evaluations)
        d_bar, v_bar, t_bar = claimed[: self.columns], claimed[-2], claimed[-1]
        combined = m_poly * (alpha + d_bar[0]) + w * (gamma * beta % ORDER * v_bar % ORDER) - s * gamma
        combined -= (t1 + t2 * pow(zeta, self.size + 2, ORDER)) * self.domain.vanishing(zeta)
        for c in range(self.columns):
            factor = deltas[c] * (1 if c else alpha + t_bar)
            combined += f[c] * ((factor * (alpha + d_bar[c]) - gamma) % ORDER)
        combined += self.joined(opened, r)
        openings = self.openings(combined, s, zeta)
        self.chain.draw(openings)
        return Rounds(table, looked_up, quotient, evaluations, openings)

    def claims(self, opened: Sequence[Poly], zeta: int) -> list[int]:
        """D(ζ)…, U(ζ)…, V(ζ), T(ζ). A cheating prover claims others."""
        return [int(poly(zeta)) for poly in opened]

    def joined(self, opened: Sequence[Poly], r: int) -> Poly:
        """Σ r^(i+1)·P_i, which π_1 opens together with Lz."""
        total = polynomial([])
        for weight, poly in zip(powers(r, len(opened) + 1)[1:], opened, strict=True):
            total += poly * weight
        return total

    def openings(self, combined: Poly, running: Poly, zeta: int) -> bytes:
        """π_1, π_2."""
        shifted = self.domain.omega * zeta % ORDER
        found = (divide_by_root(combined, zeta), divide_by_root(running, shifted))
        return b"".join(padded_point(commit_coefficients(part)) for part in found)

    def _multiplicities(self) -> Masked:
        counts = [0] * self.size
        for column in self.digits:
            for digit in column.values:
                if digit < TABLE_SIZE:  # a forged digit has no place in the table; the proof will not verify
                    counts[digit] += 1
        return Masked(counts, self._take(BLINDERS))

    def _lookups(self, alpha: int, m: Masked) -> list[Masked]:
        """f = 1/(α+D), minus m/(α+T) in the first column."""
        found = []
        for c, column in enumerate(self.digits):
            values = batch_inverse([alpha + digit for digit in column.values])
            if c == 0:
                taken = batch_inverse([alpha + i for i in range(TABLE_SIZE)])
                for i, part in enumerate(taken):
                    values[i] = (values[i] - m.values[i] * part) % ORDER
            found.append(Masked(values, self._take(BLINDERS)))
        return found

    def _running_sum(self, lookups: Sequence[Masked], beta: int, check: bool) -> Masked:
        """S_0 = 0, S_(i+1) = S_i + Σ f + β(Σ uD − vW − c/n)."""
        steps = [-beta * (self.constant + v * w) for v, w in zip(self.v.values, self.values.values, strict=True)]
        for f, u, d in zip(lookups, self.u, self.digits, strict=True):
            parts = zip(steps, f.values, u.values, d.values, strict=True)
            steps = [step + own + beta * weight * digit for step, own, weight, digit in parts]
        sums = [value % ORDER for value in accumulate(steps, initial=0)]
        if check and sums[-1] != 0:
            raise Bug("the running sum of a checked witness does not close")
        return Masked(sums[:-1], self._take(SUM_BLINDERS))

    def split(self, numerator: Poly, check: bool) -> tuple[Poly, Poly]:
        """t = t1 + X^(n+2)·t2, hidden by a shared blinder."""
        quotient, exact = divide_by_vanishing(numerator, self.size)
        if check and not exact:
            raise Bug("the quotient of a checked witness is not exact")
        cut = self.size + 2
        found = coefficients(quotient, 2 * self.size + 2)
        (blinder,) = self._take(1)
        return polynomial([*found[:cut], blinder]), polynomial([found[cut] - blinder, *found[cut + 1 :]])

    def _take(self, count: int) -> list[int]:
        return [next(self.blind) for _ in range(count)]

    def _sent(self, masked: Masked) -> bytes:
        return padded_point(commit_masked(self.basis, masked))
