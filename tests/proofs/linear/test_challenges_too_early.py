"""Challenges drawn one message too early, where the item is absorbed all the same: what the order is for.

Rule: as in `test_transcript_omissions`: the weakened protocol believes a false statement, the real one does not.
α before C_D and C_m: multiplicities are no small numbers, so one of them pays for any digit. δ before C_f: the lookups
of two accounts are wrong by amounts that cancel in the joint, and their sum pays for a false row. y before C_D is
`test_lattice_forgeries`; ζ, r and μ too early are the omissions of t1 and t2, of D̄ and S̄, of π_1 and π_2.
β or γ known early would admit nothing: β joins a function of α alone to one of y alone, γ joins what f fixes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from proofs.algebra.field import ORDER, batch_inverse, inverse, powers
from proofs.algebra.polynomial import Poly
from proofs.algebra.transcript import Transcript
from proofs.linear import messages
from proofs.linear.layout import BASE, RowRange, SlotRange, lay_out
from proofs.linear.statement import LinearStatement
from tests.kit.proofs.cheating import CheatingProver, Secret, believed, bytes_of, heaps_of, secret, state

LAYOUT = lay_out(
    256,
    (SlotRange(8, 2**63), SlotRange(7, 0), SlotRange(5, 2**39)),
    (
        RowRange(8, ((0, 1), (1, 3), (2, -900)), 0, shortfall=True),
        RowRange(8, ((0, 1), (1, 3), (2, 700)), 0, shortfall=True),
    ),
)
FALSE = {"a negative token": (10**6, -1, 0), "a third": (10**6, inverse(3), 0), "equity of minus one": (-1, 0, 0)}


def early(transcript: Transcript, name: str) -> int:
    """A challenge that depends on what was absorbed up to now."""
    return transcript.fork("crossclear/test/early").challenge(name)


@contextmanager
def early_alpha() -> Iterator[None]:
    real = messages.after_digits

    def after_digits(transcript: Transcript, c_d: Sequence[Sequence[bytes]], c_m: bytes) -> messages.FirstChallenges:
        alpha = early(transcript, "alpha")
        first = real(transcript, c_d, c_m)
        return messages.FirstChallenges(alpha, first.y, first.beta)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "after_digits", after_digits)
        yield


@contextmanager
def early_delta() -> Iterator[None]:
    real = messages.after_lookups

    def after_lookups(transcript: Transcript, c_f: Sequence[Sequence[bytes]]) -> int:
        delta = early(transcript, "delta")
        real(transcript, c_f)
        return delta

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "after_lookups", after_lookups)
        yield


class KnowsAlpha(CheatingProver):
    """Its digits are any residues; how often the byte 0 "occurs" makes up for those that are none."""

    def multiplicities(self) -> list[int]:
        alpha = early(self.transcript, "alpha")
        counts = super().multiplicities()
        sought = sum(sum(batch_inverse([alpha + digit for digit in column])) for column in self.all_digits())
        found = sum(count * inverse(alpha + i % BASE) for i, count in enumerate(counts) if count)
        counts[0] = (counts[0] + (sought - found) * alpha) % ORDER
        return counts


class KnowsDelta(CheatingProver):
    """Its digits are all bytes and its rows are false; two accounts' f are wrong at one point of H."""

    def lookups(self) -> list[list[Poly]]:
        delta, alpha = early(self.transcript, "delta"), self.first.alpha
        plain = [self.lookup(k, 0) for k in range(2)]
        self.f = [[self.hide(values)] for values in plain]
        self.own = self.joint = powers(delta, 2)
        first, second = (alpha + each.digits[0][0] for each in self.secrets)
        # own_0·a·(α + D_0)(α + T) + own_1·b·(α + D_1) = 0 at the first point of H, where T is 0.
        ratio = -delta * second * inverse(first * alpha)
        b = -sum(self.steps()) * inverse(1 + ratio) % ORDER
        for values, error in zip(plain, (ratio * b, b), strict=True):
            values[0] = (values[0] + error) % ORDER
        return [[self.hide(values)] for values in plain]


def accounts(values: Sequence[int], digits: object) -> tuple[LinearStatement, list[Secret]]:
    """Two accounts, the first of which is in order."""
    secrets = [secret(LAYOUT, (5000, 7, 1)), secret(LAYOUT, values, digits=digits)]
    return state(LAYOUT, secrets), secrets


@pytest.mark.parametrize("lie", FALSE)
def test_with_an_alpha_known_before_the_multiplicities_any_digit_passes_and_the_real_order_refuses_it(
    lie: str,
) -> None:
    statement, secrets = accounts(FALSE[lie], heaps_of)
    with early_alpha():
        proof = KnowsAlpha(statement, secrets).prove()
        assert believed(statement, proof)
        assert not believed(statement, CheatingProver(statement, secrets).prove())
    assert not believed(statement, proof)
    assert not believed(statement, KnowsAlpha(statement, secrets).prove())


@pytest.mark.parametrize("lie", FALSE)
def test_with_a_delta_known_before_the_lookups_two_accounts_pay_for_a_false_row_and_the_real_order_refuses_it(
    lie: str,
) -> None:
    statement, secrets = accounts(FALSE[lie], bytes_of)
    with early_delta():
        proof = KnowsDelta(statement, secrets).prove()
        assert believed(statement, proof)
        assert not believed(statement, CheatingProver(statement, secrets).prove())
    assert not believed(statement, proof)
    assert not believed(statement, KnowsDelta(statement, secrets).prove())
