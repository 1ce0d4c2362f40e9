"""`Delivery`: to whom the own votes and the certificates of one height go.

Rule: it chooses recipients, never content. In a small set everything goes to all. In a large one votes go to the
collectors of their round until half a timeout passes without progress; for the rest of that height they go to all.
A final certificate is shown with its extensions to those alone who may propose next: a block shows them to the others.
"""

from collections.abc import Iterable

from clearing.base.certificate import Certificate
from consensus.admission import is_final
from consensus.blocks.chain import Chain
from consensus.messages import CertificateMessage, LateExtension, SignedExtension
from consensus.outputs import Broadcast, Lane, Output, Send
from consensus.sending.collectors import collected, collectors, next_proposers
from consensus.sending.own import seal
from consensus.signing import Signer

VOTE_BYTES = 8192
"""Longer messages take the lane of blocks."""


def lane_of(data: bytes) -> Lane:
    """Where an own message goes: a long one must not hold up votes."""
    return Lane.CONSENSUS if len(data) <= VOTE_BYTES else Lane.DATA


class Delivery:
    """Appends to the outputs of one height."""

    def __init__(self, chain: Chain, own: int | None, signer: Signer, outputs: list[Output]) -> None:
        self._chain, self._own, self._signer, self._outputs = chain, own, signer, outputs
        self._height = chain.height + 1
        self.to_all = not collected(chain.validators)
        """Whether votes go to everybody."""

    def collects(self, round_: int) -> bool:
        """Whether others send the own validator their votes of this round."""
        return collected(self._chain.validators) and self._own in self._collectors(round_)

    def vote(self, round_: int, data: bytes) -> bool:
        """Send an own vote. True when only collectors got it: look after half a timeout whether that was enough."""
        if self.to_all:
            self._outputs.append(Broadcast(Lane.CONSENSUS, data))
            return False
        self._send(Lane.CONSENSUS, data, self._collectors(round_))
        return True

    def fall_back(self, votes: Iterable[bytes]) -> None:
        """Tell these own votes, and all later ones of this height, to everybody."""
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
        """The own extension of the last height, to who proposes in this round and in the next."""
        self._send(Lane.CONSENSUS, seal(self._signer, message), self._collectors(round_))

    def _collectors(self, round_: int) -> tuple[int, ...]:
        return collectors(self._chain.validators, self._height, round_)

    def _send(self, lane: Lane, data: bytes, to: tuple[int, ...]) -> None:
        for index in to:
            self._send_to(self._chain.validators.validators[index].envelope_key, lane, data)

    def _send_to(self, key: bytes, lane: Lane, data: bytes) -> None:
        if key != self._signer.envelope_key:
            self._outputs.append(Send(key, lane, data))
