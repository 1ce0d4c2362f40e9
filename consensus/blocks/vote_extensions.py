"""Vote extensions: those of a decided height that a block carries, and those gathered while a height runs.

Rule: all extensions of a block are for the certificate's height, round and value, from a quorum, and give the block
its time. The median lies between honest clocks while less than a third lies. Where more clocks are wrong, more than a
third that are right keep the time out of the future (`is_timely`): a rule for prevotes of fresh proposals, for a block
is valid by its contents alone. Empty data is always valid and never passed to the application: a validator with nothing
to report still gives the time. Of a running height only those of counted votes and verified certificates are kept, so
memory is bounded as votes are.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from clearing.base.certificate import Certificate, VoteKind
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.application import ObservedExtension
from consensus.chain_state import ChainState
from consensus.codes import ConsensusCode
from consensus.core.votes import VoteKeeper
from consensus.messages import SignedExtension, extension_digest
from consensus.signing import Verifier


class ExtensionSyntax(Protocol):
    """The part of an `Application` that checks extensions."""

    def verify_extension(self, height: int, data: bytes) -> None:
        """See `Application`."""
        ...


def check_extension(
    verifier: Verifier,
    application: ExtensionSyntax,
    network: bytes,
    validators: ValidatorSet,
    vote: tuple[int, int, bytes],
    signed: SignedExtension,
) -> None:
    """Check one extension of the precommit (height, round, value). Raises RemoteFault."""
    height, round_, value = vote
    if signed.validator >= len(validators.validators):
        raise RemoteFault(ConsensusCode.NOT_A_VALIDATOR, "extension", validator=signed.validator)
    key = validators.validators[signed.validator].envelope_key
    digest = extension_digest(network, validators.hash, height, round_, value, signed.extension)
    if not verifier.verify_ed25519(key, digest, signed.signature):
        raise RemoteFault(ConsensusCode.BAD_EXTENSION, "signature", validator=signed.validator, height=height)
    if signed.extension.data:
        application.verify_extension(height, signed.extension.data)


def check_extended_commit(
    verifier: Verifier,
    application: ExtensionSyntax,
    network: bytes,
    validators: ValidatorSet,
    commit: Certificate,
    extensions: Sequence[SignedExtension],
    already_checked: Sequence[SignedExtension] = (),
) -> None:
    """Check order, signatures and power > 2/3 of the extensions of `commit`'s value. Raises RemoteFault.

    Those in `already_checked` (same height, round and value) are not verified again.
    """
    indices = [signed.validator for signed in extensions]
    if any(low >= high for low, high in pairwise(indices)):
        raise RemoteFault(ConsensusCode.BAD_EXTENDED_COMMIT, "order", count=len(indices))
    known = set(already_checked)
    power = 0
    for signed in extensions:
        if signed not in known:
            vote = (commit.height, commit.round, commit.value)
            check_extension(verifier, application, network, validators, vote, signed)
        power += validators.validators[signed.validator].power
    if not validators.is_quorum(power):
        raise RemoteFault(
            ConsensusCode.BAD_EXTENDED_COMMIT, "power", power=power, total=validators.total_power, height=commit.height
        )


def block_time(chain: ChainState, extensions: Sequence[SignedExtension]) -> int:
    """max(parent's time + 1, stake-weighted lower median of the extensions' times), in ms."""
    if not extensions:
        return chain.time_ms + 1
    timed = sorted(
        (signed.extension.time_ms, chain.last_validators.validators[signed.validator].power) for signed in extensions
    )
    total = sum(power for _, power in timed)
    reached = 0
    for time_ms, power in timed:
        reached += power
        if 2 * reached >= total:
            return max(chain.time_ms + 1, time_ms)
    return chain.time_ms + 1


CLOCK_AHEAD_MS_MAX = 10_000
"""How far the clocks of honest validators may differ. More is an operator's fault."""


def is_timely(chain: ChainState, time_ms: int, now_ms: int) -> bool:
    """Whether a fresh block's time is not too far ahead of the own clock, or follows the last block's at once."""
    return time_ms <= max(chain.time_ms + 1, now_ms + CLOCK_AHEAD_MS_MAX)


def observed(chain: ChainState, extensions: Sequence[SignedExtension]) -> tuple[ObservedExtension, ...]:
    """The extensions with data, as the application receives them."""
    return tuple(
        ObservedExtension(
            validator=signed.validator,
            power=chain.last_validators.validators[signed.validator].power,
            data=signed.extension.data,
        )
        for signed in extensions
        if signed.extension.data
    )


class ExtensionKeeper:
    """Extensions gathered while a height runs; the caller has checked them."""

    def __init__(self, votes: VoteKeeper) -> None:
        self._votes = votes
        self._extensions: dict[tuple[int, bytes], dict[int, SignedExtension]] = {}
        """With certificates, by round and value."""

    def take(self, certificate: Certificate, extensions: tuple[SignedExtension, ...]) -> None:
        """Keep the extensions of a final certificate."""
        by_validator = self._extensions.setdefault((certificate.round, certificate.value), {})
        for signed in extensions:
            by_validator.setdefault(signed.validator, signed)

    def of(self, certificate: Certificate) -> tuple[SignedExtension, ...]:
        """Those of a quorum, or none, as after a collector's certificate: fewer than a quorum are useless."""
        by_validator = dict(self._extensions.get((certificate.round, certificate.value), {}))
        for vote in self._votes.votes(certificate.round, VoteKind.PRECOMMIT):
            if vote.value == certificate.value and vote.extension is not None:
                by_validator[vote.validator] = vote.extension
        validators = self._votes.validators
        power = sum(validators.validators[index].power for index in by_validator)
        return tuple(by_validator[index] for index in sorted(by_validator)) if validators.is_quorum(power) else ()

    @property
    def size(self) -> int:
        """Of how many certificates some are kept."""
        return len(self._extensions)

    def forget(self, oldest: int) -> None:
        """Drop those of rounds below."""
        self._extensions = {at: by_validator for at, by_validator in self._extensions.items() if at[0] >= oldest}
