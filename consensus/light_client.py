"""The light client: from one trusted header to any later one by certificates alone, without executing a block.

Rule: a header is believed if more than two thirds of its own set certified it, and that set is the one that the
trusted header names as next (adjacent), or more than the trust level of the trusted power is among the signers
(skipping). Sans I/O: the time is an argument, and `bisection` asks its caller for blocks. It knows no store, no peer.
After the light client specification of Tendermint (arXiv 2010.07031), with one aggregate in place of single signatures:
a signature counts for the trusted set only with a proof of possession of *every* key in the sum, or a key chosen to
cancel the others would sign in their names.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import msgspec

from clearing.base.certificate import Certificate, VoteKind, signer_indices, verify_certificate
from clearing.base.codec import Wire
from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.header import Header
from clearing.base.validators import VALIDATORS_MAX, ValidatorSet, check_validator_set
from consensus.codes import ConsensusCode


class LightBlock(Wire, frozen=True):
    """A header with the proof that it is final: certificate, the set that signed it, the set of the next height."""

    header: Header
    certificate: Certificate
    validators: ValidatorSet
    next_validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What one light client believes, and for how long.

    The period must be shorter than the time in which a validator can withdraw its stake. Raises LocalFault
    for a level below one third, with which liars alone could convince, or above one.
    """

    trusting_period_ms: int
    clock_drift_ms: int = 10_000
    """How far a header's time may be ahead of the own clock."""
    level_numerator: int = 1
    level_denominator: int = 3

    def __post_init__(self) -> None:
        low, high = self.level_numerator * 3 >= self.level_denominator, self.level_numerator <= self.level_denominator
        if not (self.level_denominator > 0 and low and high and self.trusting_period_ms > 0):
            raise LocalFault(
                BaseCode.OUT_OF_RANGE,
                "trust policy",
                numerator=self.level_numerator,
                denominator=self.level_denominator,
                period_ms=self.trusting_period_ms,
            )

    def convinces(self, power: int, total: int) -> bool:
        """Whether this much of the trusted power is strictly more than the level."""
        return power * self.level_denominator > total * self.level_numerator


class TrustDecision(Enum):
    """The result for a block that is not refuted."""

    TRUSTED = 1
    NOT_ENOUGH = 2
    """Too few of the trusted validators signed it: try a block in between."""


class LightVerifier(Protocol):
    """The curves, as the light client needs them; tests bring others."""

    def check_set(self, validators: ValidatorSet) -> None:
        """Check shape, order, and the proof of possession of every key. Raises RemoteFault."""
        ...

    def verify_certificate(self, certificate: Certificate, validators: ValidatorSet, network: bytes) -> None:
        """Check set, signers, quorum and aggregate. Raises RemoteFault."""
        ...


class CurveLightVerifier:
    """BLS12-381 of `clearing.base`: 1.5 ms a certificate, 1.5 ms a validator of a set not seen before."""

    def check_set(self, validators: ValidatorSet) -> None:
        """See `LightVerifier`."""
        check_validator_set(validators)

    def verify_certificate(self, certificate: Certificate, validators: ValidatorSet, network: bytes) -> None:
        """See `LightVerifier`."""
        verify_certificate(certificate, validators, network)


def check_anchor(block: LightBlock, hash_: bytes, verifier: LightVerifier) -> None:
    """Check the block that trust begins with: only its hash must be trusted. Raises RemoteFault."""
    if block.header.hash != hash_:
        raise RemoteFault(BaseCode.WRONG_VALUE, "anchor", stated=block.header.hash, trusted=hash_)
    check_block(block)
    _check_sets(set(), (block.validators, block.next_validators), verifier)
    verifier.verify_certificate(block.certificate, block.validators, block.header.network)


def verify_adjacent(
    trusted: LightBlock, block: LightBlock, policy: TrustPolicy, now_ms: int, verifier: LightVerifier
) -> None:
    """Check the block at the height above the trusted one, which was checked before.

    Raises RemoteFault, and LocalFault TRUST_EXPIRED.
    """
    _check_against(trusted, block, policy, now_ms)
    header, below = block.header, trusted.header
    links = (
        ("height", header.height, below.height + 1),
        ("validators_hash", header.validators_hash, below.next_validators_hash),
        ("parent", header.parent, below.hash),
    )
    for name, there, here in links:
        if there != here:
            raise RemoteFault(ConsensusCode.BROKEN_LINK, name, stated=there, computed=here)
    _check_signatures(trusted, block, verifier)


def _verify_skipping(
    trusted: LightBlock, block: LightBlock, policy: TrustPolicy, now_ms: int, verifier: LightVerifier
) -> TrustDecision:
    """Check any later block by the overlap of the sets. Raises RemoteFault, and LocalFault TRUST_EXPIRED."""
    _check_against(trusted, block, policy, now_ms)
    signed = _trusted_power(trusted.next_validators, block)
    if not policy.convinces(signed, trusted.next_validators.total_power):
        return TrustDecision.NOT_ENOUGH
    _check_signatures(trusted, block, verifier)
    return TrustDecision.TRUSTED


def verify(
    trusted: LightBlock, block: LightBlock, policy: TrustPolicy, now_ms: int, verifier: LightVerifier
) -> TrustDecision:
    """The one of the two checks that fits the heights."""
    if block.header.height == trusted.header.height + 1:
        verify_adjacent(trusted, block, policy, now_ms, verifier)
        return TrustDecision.TRUSTED
    return _verify_skipping(trusted, block, policy, now_ms, verifier)


def bisection(
    trusted: LightBlock, target: int, policy: TrustPolicy, now_ms: int, verifier: LightVerifier
) -> Generator[int, LightBlock, tuple[LightBlock, ...]]:
    """Yields heights, is sent the blocks there, and returns those that lead from `trusted` to `target`, both included.

    Each height is asked for once; O(log) blocks while sets change slowly, one a height at worst. Raises RemoteFault
    when the sender's blocks don't hold, LocalFault TRUST_EXPIRED.
    """
    if target < trusted.header.height:
        raise LocalFault(ConsensusCode.WRONG_HEIGHT, "target", target=target, trusted=trusted.header.height)
    trace = [trusted]
    pending: list[LightBlock] = []
    """Fetched and not convincing yet, the lowest last."""
    while trace[-1].header.height < target:
        base = trace[-1]
        if not pending:
            pending.append((yield from _fetch(target)))
        block = pending[-1]
        if verify(base, block, policy, now_ms, verifier) is TrustDecision.TRUSTED:
            trace.append(with_sets_of(base, pending.pop()))
        else:
            pending.append((yield from _fetch((base.header.height + block.header.height) // 2)))
    return tuple(trace)


def with_sets_of(trusted: LightBlock, block: LightBlock) -> LightBlock:
    """A block that verified, with the trusted one's sets in place of its own of the same hash.

    The hash leaves the proofs of possession out: a sender could spoil those of a set that is known already.
    """
    known = {bytes(known_set.hash): known_set for known_set in (trusted.validators, trusted.next_validators)}
    return msgspec.structs.replace(
        block,
        validators=known.get(bytes(block.validators.hash), block.validators),
        next_validators=known.get(bytes(block.next_validators.hash), block.next_validators),
    )


def _fetch(height: int) -> Generator[int, LightBlock, LightBlock]:
    block = yield height
    if block.header.height != height:
        raise RemoteFault(ConsensusCode.WRONG_HEIGHT, "light block", stated=block.header.height, wanted=height)
    return block


def check_block(block: LightBlock) -> None:
    """Check that the four parts belong together; no signature is verified. Raises RemoteFault."""
    header, certificate = block.header, block.certificate
    sets = (block.validators, block.next_validators)
    if any(len(found.validators) > VALIDATORS_MAX for found in sets):
        raise RemoteFault(BaseCode.BAD_VALIDATOR_SET, "light block", height=header.height)
    stated = (header.validators_hash, header.next_validators_hash)
    for found, hash_ in zip(sets, stated, strict=True):
        if found.hash != hash_:
            raise RemoteFault(BaseCode.WRONG_VALIDATOR_SET, "light block", stated=hash_, computed=found.hash)
    if certificate.kind is not VoteKind.PRECOMMIT:
        raise RemoteFault(BaseCode.WRONG_KIND, "certificate", kind=int(certificate.kind))
    if (certificate.height, certificate.value) != (header.height, header.hash):
        raise RemoteFault(BaseCode.WRONG_VALUE, "certificate", value=certificate.value, header=header.hash)
    if certificate.validators_hash != header.validators_hash:
        raise RemoteFault(BaseCode.WRONG_VALIDATOR_SET, "certificate", stated=certificate.validators_hash)


def signing_keys(block: LightBlock) -> frozenset[bytes]:
    """BLS keys of the signers that the certificate names."""
    signed = set(signer_indices(block.certificate.signers))
    return frozenset(v.bls_key for index, v in enumerate(block.validators.validators) if index in signed)


def _check_against(trusted: LightBlock, block: LightBlock, policy: TrustPolicy, now_ms: int) -> None:
    """All checks without signatures."""
    below, header = trusted.header, block.header
    if below.time_ms + policy.trusting_period_ms <= now_ms:
        raise LocalFault(ConsensusCode.TRUST_EXPIRED, "trusted header", height=below.height, time_ms=below.time_ms)
    if header.network != below.network:
        raise RemoteFault(BaseCode.WRONG_NETWORK, "header", stated=header.network, trusted=below.network)
    if header.height <= below.height or header.time_ms <= below.time_ms:
        raise RemoteFault(
            ConsensusCode.NOT_LATER,
            "header",
            height=header.height,
            trusted_height=below.height,
            time_ms=header.time_ms,
            trusted_time_ms=below.time_ms,
        )
    if header.time_ms >= now_ms + policy.clock_drift_ms:
        raise RemoteFault(ConsensusCode.FROM_THE_FUTURE, "header", time_ms=header.time_ms, now_ms=now_ms)
    check_block(block)


def _trusted_power(trusted: ValidatorSet, block: LightBlock) -> int:
    keys = signing_keys(block)
    return sum(validator.power for validator in trusted.validators if validator.bls_key in keys)


def _check_signatures(trusted: LightBlock, block: LightBlock, verifier: LightVerifier) -> None:
    _check_sets(
        {trusted.validators.hash, trusted.next_validators.hash}, (block.validators, block.next_validators), verifier
    )
    verifier.verify_certificate(block.certificate, block.validators, block.header.network)


def _check_sets(known: set[bytes], sets: Iterable[ValidatorSet], verifier: LightVerifier) -> None:
    """Proofs of possession of sets that the trusted header doesn't vouch for; two of one hash may differ in them."""
    checked: list[ValidatorSet] = []
    for validators in sets:
        if validators.hash not in known and validators not in checked:
            verifier.check_set(validators)
            checked.append(validators)
