"""What signing and checking cost on this machine, in microseconds of CPU; and signers and verifiers that charge it.

Rule: each operation is measured as the product does it. The first look at a vote hashes it to the curve, later ones
find the point; a sum that was just made is not decoded again; public keys are points already.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import TypeVar

import msgspec

from clearing.base import bls, ed25519
from clearing.base.certificate import Certificate, VoteKind
from clearing.base.validators import ValidatorSet
from consensus.messages import Extension, MessageKind
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier, secrets_of

T = TypeVar("T")
ROUNDS = 15
FEW, MANY = 4, 64


class Costs(msgspec.Struct, frozen=True):
    """Microseconds of CPU each."""

    sign_share: float
    """A BLS share of a new vote, with the vote's hash to the curve."""
    sign_envelope: float
    verify_envelope: float
    aggregate_base: float
    aggregate_share: float
    """For each share more."""
    verify_base: float
    """Two pairings."""
    verify_key: float
    """For each key more."""
    decode: float
    """The signature of a certificate that another node made, with its check of the subgroup."""


def measured() -> Costs:
    """Of this machine, now."""
    fresh = count()
    secrets = [secret for _, secret in secrets_of(MANY)]
    envelope = secrets_of(MANY)[0][0]
    keys = [bls.public_key(secret) for secret in secrets]

    def message() -> bytes:
        return next(fresh).to_bytes(32, "big")

    def signed(length: int) -> tuple[bytes, list[bytes]]:
        vote = message()
        shares = [bls.sign(secret, vote) for secret in secrets[:length]]
        bls._made.clear()  # noqa: SLF001 - as another node sees them
        return vote, shares

    share = _us(lambda vote: bls.sign(secrets[0], vote), message)
    seal = _us(lambda digest: ed25519.sign(envelope, digest), message)
    good = ed25519.sign(envelope, bytes(32))
    check = _us(lambda _: ed25519.verify(ed25519.public_key(envelope), bytes(32), good), message)
    sums = {length: _us(lambda of: bls.aggregate(of[1]), lambda n=length: signed(n)) for length in (FEW, MANY)}  # type: ignore[misc]
    checks, decoded = {}, {}
    for length in (FEW, MANY):

        def summed(n: int = length) -> tuple[bytes, bytes, int]:
            vote, shares = signed(n)
            return vote, bls.aggregate(shares), n

        def foreign(n: int = length) -> tuple[bytes, bytes, int]:
            vote, total, n = summed(n)
            bls._made.clear()  # noqa: SLF001 - as another node sees it
            return vote, total, n

        checks[length] = _us(lambda of: bls.verify_aggregate(keys[: of[2]], of[0], of[1]), summed)
        decoded[length] = _us(lambda of: bls.verify_aggregate(keys[: of[2]], of[0], of[1]), foreign)
    steps = MANY - FEW
    per_share, per_key = (sums[MANY] - sums[FEW]) / steps, (checks[MANY] - checks[FEW]) / steps
    return Costs(
        sign_share=share,
        sign_envelope=seal,
        verify_envelope=check,
        aggregate_base=max(0.0, sums[FEW] - FEW * per_share),
        aggregate_share=per_share,
        verify_base=checks[FEW] - FEW * per_key,
        verify_key=max(0.0, per_key),
        decode=max(0.0, decoded[FEW] - checks[FEW]),
    )


def _us(run: Callable[[T], object], make: Callable[[], T]) -> float:
    """Median of a call on something that was just made."""
    found = []
    for _ in range(ROUNDS):
        given = make()
        began = time.process_time_ns()
        run(given)
        found.append((time.process_time_ns() - began) / 1000)
    return round(median(found), 1)


@dataclass
class Meter:
    """Microseconds that a node has spent in the turn that runs."""

    spent: float = 0.0


class MeteredVerifier(FakeVerifier):
    """Checks as the simulation does, and charges what the curves would cost."""

    def __init__(self, costs: Costs, meter: Meter) -> None:
        self._costs, self._meter = costs, meter

    def verify_ed25519(self, key: bytes, digest: bytes, signature: bytes) -> bool:
        self._meter.spent += self._costs.verify_envelope
        return super().verify_ed25519(key, digest, signature)

    def aggregate(self, shares: Sequence[bytes]) -> bytes:
        self._meter.spent += self._costs.aggregate_base + len(shares) * self._costs.aggregate_share
        return super().aggregate(shares)

    def verify_shares(self, keys: Sequence[bytes], digest: bytes, aggregate: bytes) -> bool:
        self._meter.spent += self._costs.verify_base + len(keys) * self._costs.verify_key
        spent, found = self._meter.spent, FakeVerifier().verify_shares(keys, digest, aggregate)
        self._meter.spent = spent
        return found

    def verify_certificate(self, certificate: Certificate, validators: ValidatorSet, network: bytes) -> None:
        self._meter.spent += self._costs.decode
        super().verify_certificate(certificate, validators, network)


class MeteredSigner(FakeSigner):
    """Signs as the simulation does, and charges what the curves would cost."""

    costs: Costs
    meter: Meter

    def sign_vote(self, validators_hash: bytes, kind: VoteKind, height: int, round_: int, value: bytes) -> bytes:
        self.meter.spent += self.costs.sign_share
        return super().sign_vote(validators_hash, kind, height, round_, value)

    def sign_proposal(self, validators_hash: bytes, height: int, round_: int, pol_round: int, value: bytes) -> bytes:
        self.meter.spent += self.costs.sign_envelope
        return super().sign_proposal(validators_hash, height, round_, pol_round, value)

    def sign_extension(
        self, validators_hash: bytes, height: int, round_: int, value: bytes, extension: Extension
    ) -> bytes:
        self.meter.spent += self.costs.sign_envelope
        return super().sign_extension(validators_hash, height, round_, value, extension)

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        self.meter.spent += self.costs.sign_envelope
        return super().sign_envelope(kind, body)
