"""The chain's state: all that the next height needs to know of the decided blocks.

Rule: immutable; one decided block gives the next `ChainState`. It holds three validator sets: the one that certified
the last block, the one of the next height, and the one after that, which the next header commits to.
"""

from dataclasses import dataclass, replace

from clearing.base.certificate import Certificate
from clearing.base.validators import ValidatorSet
from consensus.leaders import ALL_LEAD, Leaders, period_of
from consensus.messages import Block, CommittedBlock, SignedExtension
from consensus.turns import Turns, turns_of


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
    last_leaders: Leaders = ALL_LEAD
    """For the turns of `height`."""
    leaders: Leaders = ALL_LEAD
    """For the turns of height + 1: what the blocks up to `height` show."""

    @property
    def turns(self) -> Turns:
        """Of height + 1."""
        return turns_of(self.validators, self.height + 1, self.leaders)

    @property
    def next_turns(self) -> Turns:
        """Of height + 2, if the next block shows the certificate that is known here."""
        return turns_of(self.next_validators, self.height + 2, self.leaders_after(self.commit))

    def leaders_after(self, shown: Certificate | None) -> Leaders:
        """For the turns of height + 2, after a block at height + 1 that shows this certificate of `height`."""
        known, period = self.leaders, period_of(self.height + 2)
        if period != known.period:
            return Leaders(period)
        if shown is None or not known.certain or period_of(self.height) != period:
            return known
        led = turns_of(self.last_validators, self.height, self.last_leaders).led(shown.round)
        return known.decided([self.last_validators.validators[index].envelope_key for index in led])

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
        block: Block,
        commit: Certificate,
        extensions: tuple[SignedExtension, ...],
        after_next: ValidatorSet,
    ) -> "ChainState":
        """The chain with one more block; `after_next` is the set that the application returned for it."""
        header = block.header
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
            last_leaders=self.leaders,
            leaders=self.leaders_after(block.last_commit),
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
    """The chain at the application's height; `last` is the block at its height, None at height 0.

    Above height 0 nothing is known of the leaders (`consensus.blocks.leader_history`).
    """
    unknown = Leaders(period_of(position.height + 1), certain=False)
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
        leaders=ALL_LEAD if last is None else unknown,
    )
