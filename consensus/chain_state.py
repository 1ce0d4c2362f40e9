"""The chain's state: all that the next height needs to know of the decided blocks.

Rule: immutable; one decided block gives the next `ChainState`. It holds three validator sets: the one that certified
the last block, the one of the next height, and the one after that, which the next header commits to.
"""

from dataclasses import dataclass, replace

from clearing.base.certificate import Certificate
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from consensus.messages import CommittedBlock, SignedExtension


@dataclass(frozen=True, slots=True)
class ChainState:
    """After `height` decided blocks. At height 0 the parent is the network id and the time that of genesis."""

    network: bytes
    height: int
    parent: bytes
    time_ms: int
    last_validators: ValidatorSet
    validators: ValidatorSet
    """Of height + 1."""
    next_validators: ValidatorSet
    """Of height + 2."""
    commit: Certificate | None = None
    extensions: tuple[SignedExtension, ...] = ()
    """Of the last height, with the certificate's round and value; late ones join."""

    def with_extensions(self, more: tuple[SignedExtension, ...]) -> "ChainState":
        """With more checked extensions of the last height, the first of each validator. Itself when none is new."""
        by_validator = {signed.validator: signed for signed in self.extensions}
        count = len(by_validator)
        for signed in more:
            by_validator.setdefault(signed.validator, signed)
        return (
            self
            if len(by_validator) == count
            else replace(self, extensions=tuple(by_validator[index] for index in sorted(by_validator)))
        )

    def advance(
        self,
        header: Header,
        commit: Certificate,
        extensions: tuple[SignedExtension, ...],
        after_next: ValidatorSet,
    ) -> "ChainState":
        """The chain with one more block; `after_next` is the set that the application returned for it."""
        return replace(
            self,
            height=header.height,
            parent=header.hash,
            time_ms=header.time_ms,
            last_validators=self.validators,
            validators=self.next_validators,
            next_validators=after_next,
            commit=commit,
            extensions=extensions,
        )


@dataclass(frozen=True, slots=True)
class ApplicationPosition:
    """The height and sets of an application when a node starts, according to its own state."""

    height: int
    last_validators: ValidatorSet
    """Certified `height`; at height 0 the genesis set."""
    validators: ValidatorSet
    """Of height + 1."""
    next_validators: ValidatorSet
    """Of height + 2."""


def chain_at(
    network: bytes, genesis_time_ms: int, position: ApplicationPosition, last: CommittedBlock | None
) -> ChainState:
    """The chain at the application's height; `last` is the block at its height, None at height 0."""
    return ChainState(
        network=network,
        height=position.height,
        parent=network if last is None else last.block.header.hash,
        time_ms=genesis_time_ms if last is None else last.block.header.time_ms,
        last_validators=position.last_validators,
        validators=position.validators,
        next_validators=position.next_validators,
        commit=None if last is None else last.certificate,
        extensions=() if last is None else last.extensions,
    )
