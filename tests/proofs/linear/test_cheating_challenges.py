"""Challenges on forbidden points: what each would let through, and that the verifier draws no conclusion from them."""

import pytest

from proofs.algebra.domain import Domain, domain_of
from proofs.algebra.field import ORDER, inverse
from proofs.algebra.polynomial import Poly, interpolate
from proofs.algebra.transcript import Transcript
from proofs.errors import ProofCode
from proofs.linear import messages
from proofs.linear.layout import RowRange, SlotRange, lay_out
from tests.kit.proofs.cheating import CheatingProver, believed, heaps_of, proven, secret
from tests.kit.proofs.linear_statements import refusal

N = 256
LAYOUT = lay_out(N, (SlotRange(8, 2**63), SlotRange(7, 0)), (RowRange(8, ((0, 1), (1, 3)), 10, shortfall=True),))
TRUE, FALSE = (100, 5), (-11, 0)
BYTE = 254
"""A byte that is no digit of either."""


def fix(monkeypatch, label: str, value: int) -> None:
    """Every transcript draws this."""
    real = Transcript.challenge
    monkeypatch.setattr(Transcript, "challenge", lambda self, at: value if at == label else real(self, at))


class AtAPoleOfTheTable(CheatingProver):
    """With α + b = 0 the lookup at T = b says nothing about f, and one value of f pays for any row."""

    def lookup(self, k: int, c: int) -> list[int]:
        alpha, taken = self.first.alpha, self.on_domain(self.m)
        found = []
        for i, digit in enumerate(self.secrets[k].digits[c]):
            table = alpha + i % 256
            exact = 0 if table % ORDER == 0 else inverse(alpha + digit) - taken[i] * inverse(table)
            found.append(exact % ORDER)
        return found

    def lookups(self) -> list[list[Poly]]:
        self.f, self.joint = super().lookups(), [1]
        self.f[0][0] += interpolate([-self.missing() % ORDER if i == BYTE else 0 for i in range(N)])
        return self.f


def careless_about_alpha(transcript, c_d, c_m):
    for digits in c_d:
        for column in digits:
            transcript.append_encoded_point("C_D", column)
    transcript.append_encoded_point("C_m", c_m)
    return messages.FirstChallenges(*(transcript.challenge(label) for label in ("alpha", "y", "beta")))


@pytest.mark.parametrize("vector", [TRUE, FALSE, (inverse(3), 0), (0, -1)])
def test_a_lookup_challenge_at_a_pole_of_the_table_would_prove_anything_and_is_refused(monkeypatch, vector):
    own = secret(LAYOUT, vector)
    assert BYTE not in own.digits[0]
    fix(monkeypatch, "alpha", ORDER - BYTE)
    with monkeypatch.context() as weaker:
        weaker.setattr(messages, "after_digits", careless_about_alpha)
        statement, proof = proven(LAYOUT, [own], AtAPoleOfTheTable)
        assert believed(statement, proof)
    assert refusal(statement, proof) is ProofCode.BAD_CHALLENGE


@pytest.mark.parametrize("byte", [0, 1, 128, 255])
def test_every_pole_of_the_table_is_refused(monkeypatch, byte):
    statement, proof = proven(LAYOUT, [secret(LAYOUT, TRUE)])
    assert believed(statement, proof)
    fix(monkeypatch, "alpha", (ORDER - byte) % ORDER)
    assert refusal(statement, proof) is ProofCode.BAD_CHALLENGE


class AtAPoleOfADigit(CheatingProver):
    """With α + D_i = 0 nothing is 1/(α + D_i): whatever f is there, the sum can be made to close."""

    def lookup(self, k: int, c: int) -> list[int]:
        alpha, taken = self.first.alpha, self.on_domain(self.m)
        digits = self.secrets[k].digits[c]
        table = [inverse(alpha + i % 256) for i in range(N)]
        inverses = [0 if (alpha + digit) % ORDER == 0 else inverse(alpha + digit) for digit in digits]
        return [(one - m * other) % ORDER for one, m, other in zip(inverses, taken, table, strict=True)]

    def lookups(self) -> list[list[Poly]]:
        self.f, self.joint = super().lookups(), [1]
        place = next(i for i, digit in enumerate(self.secrets[0].digits[0]) if (self.first.alpha + digit) % ORDER == 0)
        self.f[0][0] += interpolate([-self.missing() % ORDER if i == place else 0 for i in range(N)])
        return self.f


def test_a_digit_at_a_pole_is_in_no_table(monkeypatch):
    """The prover is even told α: a digit of −α makes f free there, but f·0 − (α + T) is not zero."""
    alpha = 2**200 + 7
    fix(monkeypatch, "alpha", alpha)
    for place in (0, 3, 40):
        own = secret(LAYOUT, TRUE)
        own.digits[0][place] = ORDER - alpha
        assert not believed(*proven(LAYOUT, [own], AtAPoleOfADigit))


def careless_lagrange(self: Domain, at: int, count: int) -> list[int]:
    """As it should be, and on the domain as it would be if nobody minded."""
    if at in self.roots:
        return [int(at == root) for root in self.roots[:count]]
    return real_lagrange(self, at, count)


real_lagrange = Domain.lagrange


@pytest.mark.parametrize("vector", [TRUE, FALSE, (inverse(3), 0), (0, ORDER - 1)])
def test_an_evaluation_point_in_the_domain_would_prove_anything_and_is_refused(monkeypatch, vector):
    """At ζ in H the quotient is multiplied by zero, so one position is checked and no other."""
    fix(monkeypatch, "zeta", domain_of(N).roots[5])
    with monkeypatch.context() as weaker:
        weaker.setattr(Domain, "lagrange", careless_lagrange)
        statement, proof = proven(LAYOUT, [secret(LAYOUT, vector)])
        assert believed(statement, proof)
    assert refusal(statement, proof) is ProofCode.BAD_CHALLENGE


def test_a_forged_digit_too_would_pass_at_a_point_of_the_domain(monkeypatch):
    fix(monkeypatch, "zeta", domain_of(N).roots[5])
    with monkeypatch.context() as weaker:
        weaker.setattr(Domain, "lagrange", careless_lagrange)

        class ClosesElsewhere(CheatingProver):
            def multiplicities(self):
                counts = super().multiplicities()
                counts[200] += 1
                return counts

        statement, proof = proven(LAYOUT, [secret(LAYOUT, (0, inverse(3)), digits=heaps_of)], ClosesElsewhere)
        assert believed(statement, proof)
    assert refusal(statement, proof) is ProofCode.BAD_CHALLENGE


@pytest.mark.parametrize("index", [0, 1, 100, N - 1])
def test_every_point_of_the_domain_is_refused(monkeypatch, index):
    statement, proof = proven(LAYOUT, [secret(LAYOUT, TRUE)])
    fix(monkeypatch, "zeta", domain_of(N).roots[index])
    assert refusal(statement, proof) is ProofCode.BAD_CHALLENGE
