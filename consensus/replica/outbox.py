"""The outbox: the own messages of one height, signed once, kept, and after a crash restored from the log.

Rule: messages in the log were perhaps sent, so exactly those bytes are used again; a step that is not in the log was
never sent. A refusal of the signer means silence, never another try with another value.
"""

from collections.abc import Iterable

from clearing.base.certificate import NIL, Certificate, VoteKind
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.ids import Hash32
from consensus.application import Application
from consensus.chain import ChainState
from consensus.codes import ConsensusCode
from consensus.messages import (
    EXTENSION_DATA_MAX,
    Block,
    Extension,
    Message,
    Proposal,
    SignedExtension,
    Vote,
    kind_of,
    read_envelope,
    read_message,
)
from consensus.signing import Signer, seal
from consensus.wal import Record, RecordKind

_PROPOSAL = 0

REBROADCAST_ROUNDS = 2


class HeightOutbox:
    """By (round, step): step 0 is the proposal, then the vote kinds."""

    def __init__(self, chain: ChainState, signer: Signer, recorded: Iterable[Record] = ()) -> None:
        self._chain = chain
        self._signer = signer
        self._sent: dict[tuple[int, int], tuple[Message, bytes]] = {}
        for record in recorded:
            if record.kind is RecordKind.OWN and record.height == chain.height + 1:
                message = read_message(read_envelope(record.data))
                self._sent[_key(message)] = (message, record.data)

    def proposal(self, round_: int) -> Proposal | None:
        """The one already made for a round."""
        message, _ = self._sent.get((round_, _PROPOSAL), (None, b""))
        return message if isinstance(message, Proposal) else None

    def vote(self, round_: int, kind: VoteKind) -> Vote | None:
        """The one already cast in a step."""
        message, _ = self._sent.get((round_, int(kind)), (None, b""))
        return message if isinstance(message, Vote) else None

    def value_precommits(self) -> list[Vote]:
        """Own precommits of values."""
        votes = [message for message, _ in self._sent.values() if isinstance(message, Vote)]
        return [vote for vote in votes if vote.kind is VoteKind.PRECOMMIT and vote.value != NIL]

    def make_proposal(
        self, round_: int, pol_round: int, block: Block, certificate: Certificate | None
    ) -> tuple[Proposal, bytes]:
        """Sign a proposal. Raises LocalFault DOUBLE_SIGN."""
        chain = self._chain
        height, value = chain.height + 1, block.header.hash
        signature = self._signer.sign_proposal(chain.validators.hash, height, round_, pol_round, value)
        proposal = Proposal(
            height=height,
            round=round_,
            pol_round=pol_round,
            block=block,
            certificate=certificate,
            signature=signature,
        )
        return proposal, self._keep(proposal)

    def make_vote(
        self, own: int, kind: VoteKind, round_: int, value: bytes, extension: Extension | None
    ) -> tuple[Vote, bytes]:
        """Sign a vote and, for a precommit of a value, its extension. Raises LocalFault DOUBLE_SIGN."""
        chain = self._chain
        height, set_hash = chain.height + 1, chain.validators.hash
        share = self._signer.sign_vote(set_hash, kind, height, round_, value)
        signed = None
        if extension is not None:
            signature = self._signer.sign_extension(set_hash, height, round_, value, extension)
            signed = SignedExtension(validator=own, extension=extension, signature=signature)
        vote = Vote(kind=kind, height=height, round=round_, value=value, validator=own, share=share, extension=signed)
        return vote, self._keep(vote)

    def latest(self) -> list[bytes]:
        """Envelopes of the last rounds with own messages, oldest first: a rebroadcast repeats them."""
        rounds = sorted({round_ for round_, _ in self._sent})[-REBROADCAST_ROUNDS:]
        return [self._sent[key][1] for key in sorted(self._sent) if key[0] in rounds]

    def votes(self, round_: int) -> list[bytes]:
        """Envelopes of the own votes of a round."""
        return [self._sent[key][1] for key in sorted(self._sent) if key[0] == round_ and key[1] != _PROPOSAL]

    def forget(self, oldest: int) -> None:
        """Drop proposals of rounds below: each holds a block. Votes stay: they are small and show the own locks."""
        for key in [key for key in self._sent if key[0] < oldest and key[1] == _PROPOSAL]:
            del self._sent[key]

    def _keep(self, message: Proposal | Vote) -> bytes:
        key = _key(message)
        if key in self._sent:
            raise LocalFault(ConsensusCode.DOUBLE_SIGN, "own message", height=message.height, round=message.round)
        data = seal(self._signer, message)
        self._sent[key] = (message, data)
        return data


def own_extension(
    application: Application, height: int, kind: VoteKind, value: bytes, time_ms: int
) -> Extension | None:
    """The extension for a vote; empty data when the application's own would not pass at others."""
    if kind is not VoteKind.PRECOMMIT or value == NIL:
        return None
    data = application.extend(height, Hash32(value))
    try:
        if data:
            application.verify_extension(height, data)
    except RemoteFault:
        data = b""
    return Extension(time_ms=time_ms, data=data if len(data) <= EXTENSION_DATA_MAX else b"")


def late_extension(application: Application, signer: Signer, chain: ChainState, time_ms: int) -> SignedExtension | None:
    """The own extension of the last decided height, made now if there is none; None if this node was not a validator of
    it.

    An extension is no vote: signing one for a final block cannot make another one final.
    """
    commit, own = chain.commit, chain.last_validators.index_of.get(signer.envelope_key)
    if commit is None or own is None:
        return None
    for signed in chain.extensions:
        if signed.validator == own:
            return signed
    extension = own_extension(application, commit.height, commit.kind, commit.value, time_ms)
    if extension is None:
        return None
    try:
        signature = signer.sign_extension(
            chain.last_validators.hash, commit.height, commit.round, commit.value, extension
        )
    except LocalFault:
        return None
    return SignedExtension(validator=own, extension=extension, signature=signature)


def _key(message: Message) -> tuple[int, int]:
    if isinstance(message, Vote):
        return message.round, int(message.kind)
    if isinstance(message, Proposal):
        return message.round, _PROPOSAL
    raise LocalFault(ConsensusCode.DOUBLE_SIGN, "own message", kind=int(kind_of(message)))
