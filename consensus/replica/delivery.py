"""`Delivery`: the recipients of own votes and certificates of one height, and which votes of others are passed on.

Rule: it chooses recipients, never content. In a small set everything goes to all. In a large one votes go to the
collectors of their round until half a timeout passes without progress; for the rest of that height they go to all.
A final certificate goes with its extensions only to the next proposers: the others get them in a block.

When nothing moves, votes of others are passed on in their own envelopes: gossip of last resort. The paper needs that
all correct validators receive in the end what one of them has received; direct streams promise that for own messages
only. A liar that sends its vote to one validator alone can move it a round on, and leave the others with too few
votes to follow and too few validators ahead of them to skip. A validator passes on the votes behind its own state: the
last round's precommits (L47 and L65, or a final certificate) and all votes of the running round (L34, L44, L55). The
larger the set, the fewer votes each validator passes on, and each begins elsewhere: together they pass on all.
"""

from collections.abc import Iterable

from clearing.base.certificate import Certificate, VoteKind
from clearing.base.codec import encode
from consensus.blocks.admission import is_final
from consensus.chain import ChainState
from consensus.core.proposer import collected, collectors, next_proposers
from consensus.core.state import HeightState
from consensus.messages import CertificateMessage, Envelope, LateExtension, MessageKind, SignedExtension
from consensus.outputs import Broadcast, Lane, Output, Send
from consensus.signing import Signer, seal

VOTE_BYTES = 8192
"""Longer messages take the lane of blocks."""


def lane_of(data: bytes) -> Lane:
    """The lane of an own message: a long one must not delay votes."""
    return Lane.CONSENSUS if len(data) <= VOTE_BYTES else Lane.DATA


class Delivery:
    """Appends to the outputs of one height."""

    def __init__(self, chain: ChainState, own_index: int | None, signer: Signer, outputs: list[Output]) -> None:
        self._chain, self._own_index, self._signer, self._outputs = chain, own_index, signer, outputs
        self._height = chain.height + 1
        self.to_all = not collected(chain.validators)
        """Whether votes go to all."""

    def collects(self, round_: int) -> bool:
        """Whether others send the own validator their votes of this round."""
        return collected(self._chain.validators) and self._own_index in self._collectors(round_)

    def vote(self, round_: int, data: bytes) -> bool:
        """Send an own vote. True when only collectors got it: look after half a timeout whether that was enough."""
        if self.to_all:
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
            for index in next_proposers(validators, self._height + 1):
                self._send_to(validators.validators[index].envelope_key, lane, data)
        data = seal(self._signer, CertificateMessage(certificate=certificate))
        self._outputs.append(Broadcast(Lane.CONSENSUS, data))

    def extension(self, round_: int, message: LateExtension) -> None:
        """The own extension of the last height, to the proposers of this round and the next."""
        self._send(Lane.CONSENSUS, seal(self._signer, message), self._collectors(round_))

    def _collectors(self, round_: int) -> tuple[int, ...]:
        return collectors(self._chain.validators, self._height, round_)

    def _send(self, lane: Lane, data: bytes, to: tuple[int, ...]) -> None:
        for index in to:
            self._send_to(self._chain.validators.validators[index].envelope_key, lane, data)

    def _send_to(self, key: bytes, lane: Lane, data: bytes) -> None:
        if key != self._signer.envelope_key:
            self._outputs.append(Send(key, lane, data))


RELAYED_TO_ONE_MAX = 96
"""Passed-on votes that one validator receives at a time when all pass on; of more votes, others each time."""

RELAYED_MIN = 2


def relays_of(validators: int) -> int:
    """How many votes one validator of so many passes on at a time."""
    return max(RELAYED_MIN, RELAYED_TO_ONE_MAX // validators)


def relayed(state: HeightState, turn: int) -> list[bytes]:
    """Envelopes of others' votes; `turn` counts how often nothing had moved."""
    round_ = state.round
    steps = ((round_ - 1, VoteKind.PRECOMMIT), (round_, VoteKind.PREVOTE), (round_, VoteKind.PRECOMMIT))
    found: list[bytes] = []
    for at, kind in steps:
        for index, validator in enumerate(state.validators.validators):
            sent = None if index == state.own_index else state.votes.sealed(at, kind, index)
            if sent is not None:
                vote, signature = sent
                envelope = Envelope(
                    sender=validator.envelope_key, kind=MessageKind.VOTE, body=encode(vote), signature=signature
                )
                found.append(encode(envelope))
    count = relays_of(len(state.validators.validators))
    if len(found) <= count:
        return found
    first = (turn + (state.own_index or 0)) * count % len(found)
    return (found + found)[first : first + count]
