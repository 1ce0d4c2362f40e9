"""The outbox: the own messages of one height, signed once and kept, and `Delivery`, which chooses their recipients.

Rule: messages in the log were perhaps sent, so after a crash exactly those bytes are used again; a step that is not in
the log was never sent. A refusal of the signer means silence, never another try with another value.

Delivery chooses recipients, never content. In a small set everything goes to all. In a large one votes go to the
collectors of their round until half a timeout passes without progress; for the rest of that height they go to all. They
go to all at once in a round none of whose collectors is heard by everybody, because what goes to all is passed on
(`consensus.replica.dissemination`). A final certificate goes with its extensions only to the next proposers:
the others get them in a block.
"""

from collections.abc import Iterable

from clearing.base.certificate import NIL, Certificate, VoteKind
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.ids import Hash32
from consensus.application import Application
from consensus.blocks.admission import is_final
from consensus.chain_state import ChainState
from consensus.codes import ConsensusCode
from consensus.links import Links
from consensus.messages import (
    EXTENSION_DATA_MAX,
    Block,
    CertificateMessage,
    Extension,
    LateExtension,
    Message,
    Proposal,
    SignedExtension,
    Vote,
    kind_of,
    read_envelope,
    read_message,
)
from consensus.outputs import Broadcast, Lane, Output, Send
from consensus.signing import Signer, seal
from consensus.turns import collected, collectors, next_proposers
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

    def proposal_of(self, value: bytes) -> bytes:
        """The envelope of the last own proposal of a value; empty when there is none."""
        for key in sorted(self._sent, reverse=True):
            message, data = self._sent[key]
            if isinstance(message, Proposal) and message.block.header.hash == value:
                return data
        return b""

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


VOTE_BYTES = 8192
"""Longer messages take the lane of blocks."""


def lane_of(data: bytes) -> Lane:
    """The lane of an own message: a long one must not delay votes."""
    return Lane.CONSENSUS if len(data) <= VOTE_BYTES else Lane.DATA


class Delivery:
    """Appends to the outputs of one height."""

    def __init__(
        self, chain: ChainState, own_index: int | None, signer: Signer, links: Links, outputs: list[Output]
    ) -> None:
        self._chain, self._own_index, self._signer, self._outputs = chain, own_index, signer, outputs
        self._links = links
        self._height = chain.height + 1
        self.to_all = not collected(chain.validators)
        """Whether votes go to all."""

    def collects(self, round_: int) -> bool:
        """Whether others send the own validator their votes of this round."""
        return collected(self._chain.validators) and self._own_index in self._collectors(round_)

    def vote(self, round_: int, data: bytes) -> bool:
        """Send an own vote. True when only collectors got it: look after half a timeout whether that was enough."""
        if self.to_all or not self._all_hear(round_):
            self._outputs.append(Broadcast(Lane.CONSENSUS, data))
            return False
        self._send(Lane.CONSENSUS, data, self._collectors(round_))
        return True

    def fall_back(self, votes: Iterable[bytes]) -> None:
        """Send these own votes, and all later ones of this height, to all."""
        if not self.to_all:
            self.to_all = True
            self._outputs.extend(Broadcast(Lane.CONSENSUS, data) for data in votes)

    def certificate(self, certificate: Certificate, extensions: tuple[SignedExtension, ...]) -> None:
        """A collector has made a certificate; `extensions` are those of its value at hand, if it is final."""
        if is_final(certificate):
            data = seal(self._signer, CertificateMessage(certificate=certificate, extensions=extensions))
            lane, validators = lane_of(data), self._chain.next_validators
            for index in next_proposers(self._chain.next_turns):
                self._send_to(validators.validators[index].envelope_key, lane, data)
        data = seal(self._signer, CertificateMessage(certificate=certificate))
        self._outputs.append(Broadcast(Lane.CONSENSUS, data))

    def extension(self, round_: int, message: LateExtension) -> None:
        """The own extension of the last height, to the proposers of this round and the next."""
        data = seal(self._signer, message)
        if self._all_hear(round_):
            self._send(Lane.CONSENSUS, data, self._collectors(round_))
        else:
            self._outputs.append(Broadcast(Lane.CONSENSUS, data))

    def _all_hear(self, round_: int) -> bool:
        """Whether everybody hears one of the collectors of a round."""
        validators = self._chain.validators.validators
        return any(self._links.heard_by_all(validators[index].envelope_key) for index in self._collectors(round_))

    def _collectors(self, round_: int) -> tuple[int, ...]:
        return collectors(self._chain.turns, round_)

    def _send(self, lane: Lane, data: bytes, to: tuple[int, ...]) -> None:
        for index in to:
            self._send_to(self._chain.validators.validators[index].envelope_key, lane, data)

    def _send_to(self, key: bytes, lane: Lane, data: bytes) -> None:
        if key != self._signer.envelope_key:
            self._outputs.append(Send(key, lane, data))
