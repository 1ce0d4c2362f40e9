"""Each round of the on-chain transcript, left out in turn, admits a false row; the real transcript refuses that proof.

Rule: the forger really builds the proof: a verifier whose challenge does not depend on that round accepts it. Each is
the attack that the round's place in the transcript is there to stop.
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from proofs.algebra.field import ORDER, inner_product, inverse
from proofs.algebra.polynomial import Masked, Poly, commit_coefficients, commit_poly, divide_by_root, polynomial
from proofs.onchain import messages
from proofs.onchain.messages import ChallengeChain, padded_point
from proofs.onchain.prover import LeafProver
from tests.kit.proofs.onchain_epoch import Epoch, make_epoch, refusal

ROUNDS = ("C_m", "C_f and C_S", "C_t1 and C_t2", "claims", "openings")
U = 1


def deaf(to: int) -> type[ChallengeChain]:
    """A chain whose challenge does not depend on round `to`."""

    class Deaf(ChallengeChain):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            self.drawn: list[tuple[int, int]] = []

        def draw(self, data: bytes) -> tuple[int, int]:
            self.drawn.append(super().draw(b"" if len(self.drawn) == to else data))
            return self.drawn[-1]

        def next(self) -> tuple[int, int]:
            """What the next draw will give, whatever is sent: only a deaf round can be asked."""
            before = self._state
            found = super().draw(b"")
            self._state = before
            return found

    return Deaf


class Forger(LeafProver):
    """Proves a false row against a transcript that is deaf to one round."""

    def __init__(self, epoch: Epoch, round_: int) -> None:
        leaf = epoch.leaves[0]
        super().__init__(epoch.layout, epoch.weights, epoch.keys, leaf, epoch.witnesses[0], epoch.seeds[0])
        self.chain = self.record = deaf(round_)(epoch.keys.hash, leaf.hash)
        self.round = round_
        u, d = self.u[0].values, self.digits[0].values
        # ⟨u, D⟩ − ⟨v, W⟩ − c: what is false.
        self.error = (inner_product(u, d) - inner_product(self.v.values, self.values.values)) % ORDER
        self.error = (self.error - self.constant * self.size) % ORDER

    def _multiplicities(self) -> Masked:
        self.m = super()._multiplicities()
        if self.round == 0:  # α and β are known: a count that is none pays for the error
            alpha, beta = self.record.next()
            self.m.values[0] = (self.m.values[0] + alpha * beta * self.error) % ORDER
        return self.m

    def _running_sum(self, lookups: Sequence[Masked], beta: int, check: bool) -> Masked:
        self.lookups = list(lookups)
        running = super()._running_sum(lookups, beta, check)
        if self.round == 1:  # γ is known: where S does not close, a false inverse pays for it
            alpha, (_, gamma) = self.record.drawn[0][0], self.record.next()
            last = self.size - 1
            product = (alpha + self.digits[0].values[last]) * (alpha + self.table.values[last])
            paid = gamma * beta * self.error * inverse(product - gamma)
            lookups[0].values[last] = (lookups[0].values[last] + paid) % ORDER
        return running

    def split(self, numerator: Poly, check: bool) -> tuple[Poly, Poly]:
        t1, t2 = super().split(numerator, check)
        if self.round == 2:  # ζ is known: a quotient that is right there
            zeta, _ = self.record.next()
            vanishing = self.domain.vanishing(zeta)
            missing = int(numerator(zeta)) - vanishing * int((t1 + t2 * pow(zeta, self.size + 2, ORDER))(zeta))
            t1 += polynomial([missing * inverse(vanishing)])
        self.numerator, self.halves = numerator, (t1, t2)
        return t1, t2

    def claims(self, opened: Sequence[Poly], zeta: int) -> list[int]:
        claimed = super().claims(opened, zeta)
        if self.round == 3:  # r is known: a false claim whose lack is hidden by what it does to Lz
            (_, beta), (_, gamma), (r, _) = *self.record.drawn[:2], self.record.next()
            slope = -gamma * beta * claimed[0] - pow(r, U + 1, ORDER)
            claimed[U] = (claimed[U] - self.missing(zeta) * inverse(slope)) % ORDER
        return claimed

    def openings(self, combined: Poly, running: Poly, zeta: int) -> bytes:
        if self.round != 4:
            return super().openings(combined, running, zeta)
        # μ is known: a false π_2 pays for what A lacks at ζ. `combined` is A but for a constant: A(ζ) = missing.
        mu, _ = self.record.next()
        shifted = self.domain.omega * zeta % ORDER
        extra = self.missing(zeta) * inverse(mu * (zeta - shifted)) % ORDER
        second = polynomial(divide_by_root(running, shifted)) + polynomial([extra])
        # (X − ζ)π_1 = A − μ(X − ωζ)·extra, which has the root ζ.
        rest = combined - polynomial([-mu * extra * shifted, mu * extra])
        first = commit_coefficients(divide_by_root(rest, zeta))
        return padded_point(first) + padded_point(commit_poly(second))

    def missing(self, zeta: int) -> int:
        """Lz(ζ) with true claims: zero for an honest prover."""
        t1, t2 = self.halves
        whole = int((t1 + t2 * pow(zeta, self.size + 2, ORDER))(zeta))
        return (int(self.numerator(zeta)) - self.domain.vanishing(zeta) * whole) % ORDER


@pytest.mark.parametrize("round_", range(5), ids=ROUNDS)
def test_a_round_left_out_of_the_transcript_lets_a_false_row_pass(round_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = make_epoch(holdings=[(-11, 0, 0)], shortfalls=(0,), check=False)
    proof = Forger(epoch, round_).run(check=False).data
    assert refusal(epoch.keys, epoch.leaves[0], proof)
    monkeypatch.setattr(messages, "ChallengeChain", deaf(round_))
    assert not refusal(epoch.keys, epoch.leaves[0], proof)
    # The forgery needs the deafness: a proof without it is refused by the weakened verifier, too.
    assert refusal(epoch.keys, epoch.leaves[0], epoch.prove(0))


def unbound(part: int) -> type[ChallengeChain]:
    """A chain that does not start from the hash of the keys (0), or of the leaf (1)."""

    class Unbound(ChallengeChain):
        def __init__(self, *hashes: bytes) -> None:
            super().__init__(*(bytes(32) if number == part else each for number, each in enumerate(hashes)))

    return Unbound


def proved_by(chain: type[ChallengeChain], epoch: Epoch) -> bytes:
    prover = epoch.prover()
    prover.chain = chain(epoch.keys.hash, epoch.leaves[0].hash)
    return prover.run(check=True).data


def test_keys_left_out_of_the_transcript_would_let_an_epoch_stand_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The equation knows [U], [V] and c, but no epoch, height or network."""
    epoch, chain = make_epoch(), unbound(0)
    others = [
        msgspec.structs.replace(epoch.keys, **changes)
        for changes in ({"epoch": 9}, {"height": 9}, {"network": bytes(32)})
    ]
    proof = epoch.prove(0)
    assert all(refusal(other, epoch.leaves[0], proof) for other in others)
    forged = proved_by(chain, epoch)
    monkeypatch.setattr(messages, "ChallengeChain", chain)
    assert not any(refusal(other, epoch.leaves[0], forged) for other in others)


def test_a_leaf_left_out_would_let_one_account_stand_for_another_with_the_same_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C_W, C_D and σ are in the equation, the account's number is not."""
    epoch, chain = make_epoch(), unbound(1)
    twin = replace(epoch.leaves[0], account=77)
    assert refusal(epoch.keys, twin, epoch.prove(0))
    forged = proved_by(chain, epoch)
    monkeypatch.setattr(messages, "ChallengeChain", chain)
    assert not refusal(epoch.keys, twin, forged)
