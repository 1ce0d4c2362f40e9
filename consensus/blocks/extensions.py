"""Vote extensions of a decided height: are they a quorum's, what time do they tell, what does the application see.

Rule: all of them are for the certificate's height, round and value. Empty data is always valid and never shown to the
application: a validator with nothing to say still gives the time.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from clearing.base.certificate import Certificate
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.application import ObservedExtension
from consensus.blocks.chain import Chain
from consensus.codes import ConsensusCode
from consensus.messages import SignedExtension, extension_digest
from consensus.signing import Verifier


class ExtensionSyntax(Protocol):
    """As much of an `Application` as extensions are checked with."""

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


def block_time(chain: Chain, extensions: Sequence[SignedExtension]) -> int:
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


def observed(chain: Chain, extensions: Sequence[SignedExtension]) -> tuple[ObservedExtension, ...]:
    """What the application is shown."""
    return tuple(
        ObservedExtension(
            validator=signed.validator,
            power=chain.last_validators.validators[signed.validator].power,
            data=signed.extension.data,
        )
        for signed in extensions
        if signed.extension.data
    )
