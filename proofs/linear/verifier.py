"""The verifier of the linear proof, for one proof or for many proofs of different provers at once.

Rule: pure, integers and group operations only. One proof costs one multi-scalar multiplication and two pairings,
whatever the number of accounts. W, m, f, S and t are never opened; the equation
e(π_1 + μπ_2, [τ]₂) = e([Lz] + Σ r^(i+1)([D_i] − D̄_i) + ζπ_1 + μ([S] − S̄ + ωζπ_2), G₂) says all of it at once.
Symbols as in `proofs/notes/protocol.md`; i counts accounts k and columns c together, i = k·columns + c.

A batch checks Σ w_i·(equation i), which holds for random w_i only if every equation holds, but for 2^-128. The weights
come out of a hash over every transcript, so they are fixed after every proof: a prover who knew them could let the
errors of two bad proofs cancel. A batch that fails is halved until the bad ones are alone, so one liar costs its own
proof's time and about log2(n) pairings of the others.
Bellare, Garay, Rabin: "Fast batch verification for modular exponentiation and digital signatures" (small exponents).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, powers
from proofs.algebra.group import GENERATOR, GENERATOR_2, Point, decode_point, multi_scalar, multiply, pairings_equal
from proofs.algebra.many_points import TOGETHER_MIN, decode_points
from proofs.algebra.srs import tau_g2
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear import messages
from proofs.linear.messages import LinearProof, check_length, read_proof
from proofs.linear.statement import LinearStatement, Weights, public_evaluations, used_positions, weights_of


def verify(statement: LinearStatement, data: bytes, commitments: Sequence[Point] | None = None) -> Transcript:
    """Check a proof; returns the transcript, which has absorbed all of it. Raises VerificationFailed with the reason.

    `commitments` are the decoded C_W where the caller has them already, in the statement's order.
    """
    layout = statement.layout
    transcript = statement.transcript()
    check_length(data, len(statement.accounts), layout.columns)
    if commitments is None:
        commitments = _decoded(statement.commitments, ("C_W",))
    proof = read_proof(data, len(statement.accounts), layout.columns)
    equation = Equation(statement, proof, commitments)
    equation.draw(transcript)
    left, right = equation.sides()
    if not pairings_equal(left, tau_g2(), right, GENERATOR_2):
        raise VerificationFailed(ProofCode.PROOF_REFUSED, "pairing equation", accounts=len(statement.accounts))
    return transcript


class Equation:
    """Collects the terms of the right-hand side: points and their weights, and the scalar that multiplies [1]."""

    def __init__(self, statement: LinearStatement, proof: LinearProof, commitments: Sequence[Point]) -> None:
        self.layout = statement.layout
        self.shortfalls = statement.shortfalls
        self.proof = proof
        self.commitments = commitments
        self.points: list[Point] = []
        self.scalars: list[int] = []
        self.constant = 0

    def draw(self, transcript: Transcript) -> None:
        """Recompute every challenge in order."""
        proof = self.proof
        self.first = messages.after_digits(transcript, [part.c_d for part in proof.parts], proof.c_m)
        self.delta = messages.after_lookups(transcript, [part.c_f for part in proof.parts])
        self.gamma = messages.after_sum(transcript, proof.c_s)
        self.zeta = messages.after_quotient(transcript, proof.c_t1, proof.c_t2)
        self.r = messages.after_evaluations(transcript, [part.d_bar for part in proof.parts], proof.s_bar)
        self.mu = messages.after_openings(transcript, proof.pi_1, proof.pi_2)

    def sides(self) -> tuple[Point, Point]:
        """(π_1 + μπ_2, the right-hand side's first point)."""
        pi_1, pi_2 = self.collect()
        return pi_1 + multiply(pi_2, self.mu), multi_scalar(self.points, self.scalars)

    def collect(self) -> tuple[Point, Point]:
        """Gather the right-hand side in `points` and `scalars`; (π_1, π_2) of the left. Once, after `draw`."""
        domain = domain_of(self.layout.size)
        zeta, gamma, mu = self.zeta, self.gamma, self.mu
        lagrange = domain.lagrange(zeta, used_positions(self.layout))
        weights = weights_of(self.layout, self.first.y)
        u_bar, v_bar = public_evaluations(self.layout, weights, lagrange)
        self._account_terms(domain.table(zeta), u_bar, v_bar, weights)

        vanishing = domain.vanishing(zeta)
        pi_1 = decode_point(self.proof.pi_1, "pi_1")
        pi_2 = decode_point(self.proof.pi_2, "pi_2")
        self._term(decode_point(self.proof.c_s, "C_S"), mu - gamma)
        self._term(decode_point(self.proof.c_t1, "C_t1"), -vanishing)
        self._term(decode_point(self.proof.c_t2, "C_t2"), -vanishing * pow(zeta, self.layout.size + 2, ORDER))
        self._term(pi_1, zeta)
        self._term(pi_2, mu * domain.omega * zeta)
        self.constant += (gamma - mu) * self.proof.s_bar
        self._term(GENERATOR, self.constant)
        return pi_1, pi_2

    def _account_terms(self, t_bar: int, u_bar: list[int], v_bar: int, weights: Weights) -> None:
        """The share of every account, and of m, in Lz and the D openings; joint = δ^(k·columns)."""
        columns, alpha, beta, gamma = self.layout.columns, self.first.alpha, self.first.beta, self.gamma
        count = len(self.proof.parts) * columns
        deltas, openings = powers(self.delta, count), powers(self.r, count + 1)[1:]
        table = (alpha + t_bar) % ORDER
        gamma_beta = gamma * beta % ORDER
        inverse_n = pow(self.layout.size, -1, ORDER)
        self._term(decode_point(self.proof.c_m, "C_m"), alpha + self.proof.parts[0].d_bar[0])
        rounds = [point for part in self.proof.parts for pair in zip(part.c_f, part.c_d, strict=True) for point in pair]
        own = iter(_decoded(rounds, ("C_f", "C_D")))
        for k, (part, commitment) in enumerate(zip(self.proof.parts, self.commitments, strict=True)):
            joint = deltas[k * columns]
            claimed = sum(map(int.__mul__, u_bar, part.d_bar))
            c_k = weights.c(self.shortfalls[k]) * inverse_n
            self.constant += joint * (gamma_beta * (c_k - claimed) % ORDER)
            self._term(commitment, joint * gamma_beta % ORDER * v_bar)
            for c, d_bar in enumerate(part.d_bar):
                delta, opening = deltas[k * columns + c], openings[k * columns + c]
                # The first column of all carries the table: f(α+D)(α+T) − (α+T) + m(α+D) = 0; others f(α+D) − 1 = 0.
                factor = 1 if k or c else table
                self._term(next(own), delta * (alpha + d_bar) * factor - gamma)
                self._term(next(own), opening)
                self.constant -= delta * factor + opening * d_bar

    def _term(self, point: Point, scalar: int) -> None:
        self.points.append(point)
        self.scalars.append(scalar % ORDER)


def _decoded(data: Sequence[bytes], names: Sequence[str]) -> list[Point]:
    """Thousands have their subgroup checked together; fewer one by one."""
    if len(data) >= TOGETHER_MIN:
        return decode_points(data, names)
    return [decode_point(each, names[i % len(names)]) for i, each in enumerate(data)]


PROTOCOL = "crossclear/linear/batch/v1"
WEIGHT_BITS = 128


@dataclass(frozen=True)
class _Collected:
    """One proof's equation: the points and scalars of both sides."""

    left: tuple[tuple[Point, int], tuple[Point, int]]
    points: list[Point]
    scalars: list[int]


def verify_batch(claims: Sequence[tuple[LinearStatement, bytes]]) -> list[VerificationFailed | None]:
    """The verdict on each (statement, proof), in order: None for a good one. Never raises for bad input.

    Exactly those are refused that `verify` refuses, but for 2^-128.
    """
    verdicts: list[VerificationFailed | None] = [None] * len(claims)
    collected: list[tuple[int, _Collected]] = []
    batch = Transcript(PROTOCOL)
    for index, (statement, data) in enumerate(claims):
        try:
            transcript = statement.transcript()
            check_length(data, len(statement.accounts), statement.layout.columns)
            points = [decode_point(commitment, "C_W") for commitment in statement.commitments]
            proof = read_proof(data, len(statement.accounts), statement.layout.columns)
            equation = Equation(statement, proof, points)
            equation.draw(transcript)
            pi_1, pi_2 = equation.collect()
        except VerificationFailed as refused:
            verdicts[index] = refused
            continue
        # μ is drawn after everything of its proof, so it stands for all of it.
        batch.append_scalar("mu", equation.mu)
        collected.append((index, _Collected(((pi_1, 1), (pi_2, equation.mu)), equation.points, equation.scalars)))
    weights = [1, *(batch.challenge("weight") % (1 << WEIGHT_BITS) for _ in collected[1:])]
    for index in _bad(collected, weights):
        verdicts[index] = VerificationFailed(ProofCode.PROOF_REFUSED, "pairing equation", claim=index)
    return verdicts


def _bad(collected: Sequence[tuple[int, _Collected]], weights: Sequence[int]) -> list[int]:
    """Indices of those whose equation does not hold."""
    if not collected or _hold(collected, weights):
        return []
    if len(collected) == 1:
        return [collected[0][0]]
    middle = len(collected) // 2
    return _bad(collected[:middle], weights[:middle]) + _bad(collected[middle:], weights[middle:])


def _hold(collected: Sequence[tuple[int, _Collected]], weights: Sequence[int]) -> bool:
    left: list[tuple[Point, int]] = []
    points: list[Point] = []
    scalars: list[int] = []
    for (_, equation), weight in zip(collected, weights, strict=True):
        left += [(point, scalar * weight) for point, scalar in equation.left]
        points += equation.points
        scalars += [scalar * weight for scalar in equation.scalars]
    return pairings_equal(
        multi_scalar([point for point, _ in left], [scalar for _, scalar in left]),
        tau_g2(),
        multi_scalar(points, scalars),
        GENERATOR_2,
    )
