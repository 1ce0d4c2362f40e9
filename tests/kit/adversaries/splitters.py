"""An adversary that makes a few lock a value that the rest can't see locked, and then stops helping anybody."""

from dataclasses import dataclass, field

from clearing.base.certificate import NIL, VoteKind
from clearing.base.validators import ValidatorSet
from consensus.core.state import Step
from consensus.messages import Block, CertificateMessage, Message, Proposal, Vote
from consensus.outputs import Lane, Output, Send
from consensus.replica.replica import Replica
from consensus.signing import seal
from tests.kit.adversaries.blocks import other_block, proposal_of
from tests.kit.adversaries.context import Adversary, AdversaryContext


@dataclass
class Split:
    """What it does to one height."""

    round: int
    """Its own turn, in which the victims lock."""
    value: bytes
    """What they lock."""
    recipients: frozenset[bytes]
    """Who is shown the block of that value: no quorum, but one together with the splitter."""
    victims: frozenset[bytes]
    """Whose votes the others need, were the splitter silent."""
    next: bytes
    """Whose turn is the round after. No victim."""
    shown: list[Output] = field(default_factory=list)
    """The two proposals: when they are told again, they are the same."""
    votes_left: int = 2
    """The votes of two rounds, then silence."""


class LockSplitter(Adversary):
    """Locks stand against each other: a few are locked on its block, the rest on a later one.

    On its turn it shows one block to nearly a quorum and another to the rest, and gives its prevote for the first to
    the victims alone: they lock. In the next round it prevotes the new block, and lets all but the victims know: they
    lock that one. From then on it is silent in this height: it goes on when the victims vote across their lock (L28).
    At other times it does what it should.
    """

    def __init__(self, context: AdversaryContext) -> None:
        super().__init__(context)
        self._height = -1
        self._split: Split | None = None

    def outgoing(self, output: Output) -> list[Output] | None:
        message = self.own_message(output)
        replica = self.context.replica()
        if replica is None or not isinstance(message, Proposal | Vote | CertificateMessage):
            return None
        if isinstance(message, Proposal) and message.height == replica.run.height != self._height:
            self._begin(replica, message)
        split = self._split
        if split is None or _height_of(message) != self._height:
            return None
        return split.shown if isinstance(message, Proposal) and message.round == split.round else []

    def due(self) -> list[Output]:
        replica, split = self.context.replica(), self._split
        if replica is None or split is None or replica.run.height != self._height:
            return []
        state = replica.run.state
        if state.step is Step.DECIDED:
            return []
        state.own_index = None  # Its replica looks on: with the own vote it would decide, and tell the others.
        if split.votes_left == 2:
            split.votes_left = 1
            # Whose turn comes next goes on as soon as it can: before the victims can show what they are locked on.
            return [
                *self._vote(VoteKind.PREVOTE, split.round, split.value, split.victims),
                *self._vote(VoteKind.PRECOMMIT, split.round, NIL, frozenset({split.next})),
            ]
        proposal = state.proposals.get(split.round + 1)
        if split.votes_left == 1 and proposal is not None:
            split.votes_left = 0
            return self._vote(
                VoteKind.PREVOTE, split.round + 1, proposal.value, frozenset(self.peers()) - split.victims
            )
        return []

    def _begin(self, replica: Replica, first: Proposal) -> None:
        """Its turn has come: two blocks, if it may build any."""
        block = None if first.pol_round != -1 else other_block(self.context, replica, first.block.evidence)
        split = None if block is None else self._plan(first.round, block, replica)
        second = None if block is None else proposal_of(self, first, block)
        if split is None or second is None or split.value == first.block.header.hash:
            return
        one, two = seal(self.signer, second), seal(self.signer, first)
        split.shown = [Send(peer, Lane.DATA, one if peer in split.recipients else two) for peer in self.peers()]
        self._height, self._split = first.height, split

    def _plan(self, round_: int, block: Block, replica: Replica) -> Split | None:
        """Who is to lock what; None where nobody can be made to."""
        validators: ValidatorSet = replica.run.chain.validators
        power = {each.envelope_key: each.power for each in validators.validators}
        mine = power[self.signer.envelope_key]
        next_ = validators.validators[replica.run.proposer(round_ + 1)].envelope_key
        others = [key for key in self.peers() if key != next_]
        self.random.shuffle(others)

        def of(keys: set[bytes]) -> int:
            return sum(power[key] for key in keys)

        victims: set[bytes] = set()
        while others and validators.is_quorum(validators.total_power - mine - of(victims)):
            victims.add(others.pop())
        recipients = set(victims)
        for key in (*others, next_):
            if not validators.is_quorum(mine + of(recipients)):
                recipients.add(key)
        if next_ == self.signer.envelope_key or validators.is_quorum(of(recipients)):
            return None
        return Split(round_, block.header.hash, frozenset(recipients), frozenset(victims), next_)

    def _vote(self, kind: VoteKind, round_: int, value: bytes, to: frozenset[bytes]) -> list[Output]:
        """A vote to some."""
        blank = Vote(
            kind=kind, height=self._height, round=round_, value=NIL, validator=0, share=bytes(96), extension=None
        )
        vote = self.revote(blank, value)
        if vote is None:
            return []
        data = seal(self.signer, vote)
        return [Send(peer, Lane.CONSENSUS, data) for peer in self.peers() if peer in to]


def _height_of(message: Message) -> int:
    if isinstance(message, CertificateMessage):
        return message.certificate.height
    return message.height if isinstance(message, Proposal | Vote) else -1
