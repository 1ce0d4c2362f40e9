"""The core of one validator, its votes by name."""

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap
from consensus.core.events import (
    CastVote,
    CertificateVerified,
    Effect,
    Fired,
    Input,
    ProposalReceived,
    Propose,
    StartHeight,
    TimeoutElapsed,
    VerifyShares,
    VoteReceived,
)
from consensus.core.state import new_state
from consensus.core.step import step
from consensus.messages import Vote
from consensus.timeouts import Timeouts, TimerKind
from consensus.turns import Turns
from tests.kit.consensus.crypto import VALIDATORS

V, W = b"v" * 32, b"w" * 32
PREVOTE, PRECOMMIT = VoteKind.PREVOTE, VoteKind.PRECOMMIT


def in_order(height: int, count: int = 4) -> Turns:
    """Turns in the order of the set: index (height + round) mod `count`."""
    return Turns(height, tuple(range(count)), tuple(range(count)))


class Core:
    """A state and all effects so far. Own votes and proposals come back as the replica feeds them back."""

    def __init__(self, own: int | None = 0) -> None:
        self.state = new_state(in_order(4), VALIDATORS, own, Timeouts())
        self.effects: list[Effect] = []

    def feed(self, *events: Input) -> list[Effect]:
        """What these inputs led to; shares always verify."""
        begin = len(self.effects)
        waiting = list(events)
        while waiting:
            for effect in step(self.state, waiting.pop(0)):
                self.effects.append(effect)
                match effect:
                    case CastVote(kind, round_, value):
                        waiting.append(VoteReceived(vote(self.state.own_index or 0, kind, round_, value)))
                    case Propose(round_, value, pol_round):
                        waiting.append(ProposalReceived(round_, value, pol_round, valid=True))
                    case VerifyShares(kind, round_, value, shares):
                        waiting.append(CertificateVerified(certificate(kind, round_, value, *(i for i, _ in shares))))
        return self.effects[begin:]

    def votes(self, kind: VoteKind, round_: int, value: bytes, *voters: int) -> list[Effect]:
        return self.feed(*votes(kind, round_, value, *voters))

    @property
    def cast(self) -> list[tuple[VoteKind, int, bytes]]:
        return [(e.kind, e.round, e.value) for e in self.effects if isinstance(e, CastVote)]

    @property
    def lines(self) -> list[int]:
        return [effect.line for effect in self.effects if isinstance(effect, Fired)]


def vote(voter: int, kind: VoteKind, round_: int, value: bytes) -> Vote:
    return Vote(kind=kind, height=4, round=round_, value=value, validator=voter, share=bytes([voter]) * 96)


def votes(kind: VoteKind, round_: int, value: bytes, *voters: int) -> list[Input]:
    return [VoteReceived(vote(voter, kind, round_, value)) for voter in voters]


def certified(kind: VoteKind, round_: int, value: bytes) -> CertificateVerified:
    return CertificateVerified(certificate(kind, round_, value))


def certificate(kind: VoteKind, round_: int, value: bytes, *signers: int) -> Certificate:
    return Certificate(
        kind=kind,
        height=4,
        round=round_,
        value=value,
        validators_hash=VALIDATORS.hash,
        signers=signer_bitmap(signers or (1, 2, 3)),
        aggregate=bytes(96),
    )


def proposal(round_: int, value: bytes, pol_round: int = -1, *, valid: bool = True) -> ProposalReceived:
    return ProposalReceived(round_, value, pol_round, valid=valid)


def started(round_: int = 0, own: int | None = 0) -> Core:
    """A core that skipped to a round; at round 0 this validator is the proposer, so tests mostly begin at 1."""
    core = Core(own)
    core.feed(StartHeight())
    if round_:
        core.votes(PRECOMMIT, round_, NIL, 1, 2)
    assert core.state.round == round_
    core.effects.clear()
    return core


def locked_on_v() -> Core:
    """Locked on V in round 1, then moved to round 2."""
    core = started(1)
    core.feed(proposal(1, V))
    core.votes(PREVOTE, 1, V, 1, 2)
    assert (core.state.locked_value, core.state.locked_round) == (V, 1)
    core.votes(PRECOMMIT, 1, NIL, 3)
    core.feed(TimeoutElapsed(TimerKind.PRECOMMIT, 1))
    assert core.state.round == 2
    core.effects.clear()
    return core
