"""`Dissemination`: what one validator has reaches all, however few links there are.

Rule: push first. A message of another validator is passed on once, when it was checked, in its own envelope, to the
neighbours that do not hear its origin (`consensus.links`). Pull what is still missing: a validator that lacks
something sends a list of what it has, and neighbours answer with votes and certificates that are not on it. A block
whose votes are here is requested from one peer at a time, first from those that voted for it.

Nothing is sent for it while every validator hears every other. Bounded: answers and lists have a rate, a proposal is
served to a peer `SERVINGS` times at most, and a fault in a message that was passed on is the fault of the neighbour,
because an honest one checks it first.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator

import msgspec

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap, signer_indices
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.token_bucket import TokenBuckets
from consensus.blocks.height_context import HeightContext
from consensus.codes import ConsensusCode
from consensus.core.votes import PAST_ROUNDS
from consensus.links import SETTLE_MS
from consensus.messages import (
    CertificateMessage,
    Envelope,
    HaveList,
    LinkList,
    MessageKind,
    Proposal,
    StepVotes,
    UndecidedBlockRequest,
)
from consensus.outputs import Broadcast, Lane, Output, Send, StartTimer
from consensus.replica.current_height import CurrentHeight
from consensus.replica.height import HeightRun
from consensus.replica.outbox import VOTE_BYTES, lane_of
from consensus.signing import seal
from consensus.timeouts import TimerKind

COPIES = 2
"""Of a short message, so that one relay that fails delays nothing. Of a block there is one."""
RELAYED_TO_ONE_MAX = 96
"""Votes that one validator receives for a list of what it has, when all neighbours answer."""
RELAYED_MIN = 2
CERTIFICATES_PER_ANSWER = 2
LISTS_PER_SECOND = 10
LISTS_AT_ONCE = 20
"""Lists of one peer that are answered."""
SERVINGS = 2
"""How often one peer gets one proposal: the first answer may be lost with its connection."""
Step = tuple[int, VoteKind]


def relays_of(neighbours: int) -> int:
    """How many votes each of so many neighbours answers a list with."""
    return max(RELAYED_MIN, RELAYED_TO_ONE_MAX // max(1, neighbours))


class Dissemination:
    """The relay of one replica."""

    def __init__(self, current: CurrentHeight, context: HeightContext, send: Callable[[Output], None]) -> None:
        self._current = current
        self._context = context
        self._links = context.links
        self._send = send
        self._proposals: dict[int, tuple[Proposal, bytes, bytes]] = {}
        """Of others, by round, with sender and signature of the envelope; the blocks are those of the height."""
        self._served: Counter[tuple[bytes, bytes]] = Counter()
        self._requests = 0
        self._answers = 0
        self._announcing = False
        self._lists = TokenBuckets(LISTS_PER_SECOND, LISTS_AT_ONCE, ticks=1000)

    def turn(self) -> None:
        """A height was decided."""
        self._proposals.clear()
        self._served.clear()
        self._requests = self._answers = 0

    def pass_on(self, source: bytes, origin: bytes, data: bytes, lane: Lane = Lane.CONSENSUS) -> None:
        """A new message of another validator was checked: send it to neighbours that do not hear its origin."""
        run = self._current.run
        copies = COPIES if len(data) <= VOTE_BYTES else 1
        for peer in self._links.targets(origin, run.height, copies):
            if peer != source and run.state.own_index is not None:
                self._send(Send(peer, lane, data))

    def keep(self, envelope: Envelope, proposal: Proposal) -> None:
        """A checked proposal of the running height, for peers that will lack it."""
        known = self._current.run.block(proposal.block.header.hash)
        kept = proposal if known is None else msgspec.structs.replace(proposal, block=known)
        self._proposals[proposal.round] = (kept, envelope.sender, envelope.signature)
        oldest = self._current.run.state.round - PAST_ROUNDS
        for round_ in [round_ for round_ in self._proposals if round_ < oldest]:
            del self._proposals[round_]

    def hear(self, peer: bytes, now_ms: int) -> None:
        """A message came from this peer itself."""
        if self._links.hear(peer, now_ms) and not self._announcing:
            self._announcing = True
            self._send(StartTimer(TimerKind.LINKS, 0, 0, max(SETTLE_MS, self._links.wait_ms(now_ms))))

    def connected(self, peers: Collection[bytes]) -> None:
        """The transport is connected with these peers: announce at once that a link broke."""
        if self._links.lose(peers):
            self.renew_links()

    def renew_links(self) -> None:
        """Look at who was heard, and announce the own list if it changed."""
        wait = self._links.wait_ms(self._context.clock.steady_ms())
        self._announcing = wait > 0
        if wait:
            self._send(StartTimer(TimerKind.LINKS, 0, 0, wait))
            return
        chain, signer = self._current.chain, self._context.signer
        keys = [validator.envelope_key for validator in chain.validators.validators]
        if self._links.renew(keys, self._context.clock.steady_ms()) and signer.envelope_key in keys:
            if self._links.missing and self._current.run.state.running:
                self._current.run.ask_later()
            indices = [chain.validators.index_of[key] for key in self._links.linked]
            message = LinkList(
                number=self._context.clock.wall_ms(),
                validators_hash=chain.validators.hash,
                linked=signer_bitmap(indices),
            )
            self._send(Broadcast(Lane.CONSENSUS, seal(signer, message)))

    def take_links(self, peer: bytes, envelope: Envelope, message: LinkList, data: bytes) -> None:
        """A validator's list, from itself or passed on. Raises RemoteFault."""
        origin, now = envelope.sender, self._context.clock.steady_ms()
        chain = self._current.chain
        sets = (chain.validators, chain.next_validators, chain.last_validators)
        named = next((each for each in sets if each.hash == message.validators_hash), None)
        if named is None or origin not in named.index_of or not self._links.wants(origin, message.number, now):
            return
        self._context.admission.check_envelope(chain.network, envelope)
        keys = [validator.envelope_key for validator in named.validators]
        linked = frozenset(keys[index] for index in signer_indices(message.linked) if index < len(keys))
        changed = self._links.learn(origin, message.number, linked, data, now)
        if self._current.run.state.own_index is None:
            return
        for other in self._links.neighbours_without(origin):
            if other != peer:
                self._send(Send(other, Lane.CONSENSUS, data))
        if changed and origin == peer:
            for envelope_bytes in self._links.others_lists(peer):
                self._send(Send(peer, Lane.CONSENSUS, envelope_bytes))

    def ask(self) -> None:
        """Something may have been due by now: request the block that the votes are for, and the votes of others."""
        run = self._current.run
        if run.state.own_index is None:  # No peer answers an observer.
            return
        value = run.missing_block()
        if value is not None:
            self._request(run, value)
        if self._links.missing:
            self.show_have_list()

    def show_have_list(self) -> None:
        """Tell the neighbours what is here, so that they send what is not."""
        run = self._current.run
        if run.state.own_index is None:
            return
        steps = tuple(
            StepVotes(
                round=round_,
                kind=kind,
                voters=signer_bitmap(_voters(run, round_, kind)),
                certified=_value_certificate(run, round_, kind) is not None,
            )
            for round_, kind in _steps(run)
        )
        polka = run.state.highest_polka
        message = HaveList(height=run.height, steps=steps, polka_round=-1 if polka is None else polka.round)
        self._send(Broadcast(Lane.CONSENSUS, seal(self._context.signer, message)))

    def answer(self, peer: bytes, envelope: Envelope, message: HaveList) -> None:
        """Send a neighbour votes and certificates of the running height that its list lacks. Raises RemoteFault."""
        run = self._current.run
        validators = run.state.validators
        if peer not in validators.index_of:
            raise RemoteFault(ConsensusCode.NOT_A_VALIDATOR, "have list", sender=peer)
        if run.state.own_index is None or not self._lists.take(peer, self._context.clock.steady_ms()):
            return
        self._context.admission.check_envelope(self._current.chain.network, envelope)
        listed = {(step.round, step.kind): step for step in message.steps}
        for certificate in self._certificates_for(run, listed, message.polka_round):
            extensions = run.extensions_of(certificate)
            data = seal(self._context.signer, CertificateMessage(certificate=certificate, extensions=extensions))
            self._send(Send(peer, lane_of(data), data))
        for origin, data in self._votes_for(run, listed, validators.index_of[peer]):
            self._links.asked(peer, origin, run.height)
            self._send(Send(peer, Lane.CONSENSUS, data))

    def serve(self, peer: bytes, envelope: Envelope, message: UndecidedBlockRequest) -> None:
        """Send a validator the last proposal of a value in the running height. Raises RemoteFault."""
        run = self._current.run
        if peer not in run.state.validators.index_of:
            raise RemoteFault(ConsensusCode.NOT_A_VALIDATOR, "proposal request", sender=peer)
        if run.state.own_index is None or self._served[peer, message.value] >= SERVINGS:
            return
        data, origin = self._proposal_of(run, message.value)
        if data:
            self._context.admission.check_envelope(self._current.chain.network, envelope)
            self._served[peer, message.value] += 1
            self._links.asked(peer, origin, run.height)
            self._send(Send(peer, Lane.DATA, data))

    def _proposal_of(self, run: HeightRun, value: bytes) -> tuple[bytes, bytes]:
        """The envelope with the last proposal of a value, and its proposer; empty when there is none."""
        own = run.outbox.proposal_of(value)
        if own:
            return own, self._context.signer.envelope_key
        for round_ in sorted(self._proposals, reverse=True):
            proposal, sender, signature = self._proposals[round_]
            if proposal.block.header.hash == value:
                return _enveloped(sender, MessageKind.PROPOSAL, encode(proposal), signature), sender
        return b"", b""

    def _request(self, run: HeightRun, value: bytes) -> None:
        """From one linked validator, in turn: first those that voted for the value, because they have its block."""
        validators, linked = run.state.validators, self._links.linked
        voters = {validators.validators[index].envelope_key for index in run.voters_for(value)}
        near = sorted(linked & voters) + sorted(linked - voters)
        if near:
            peer = near[self._requests % len(near)]
            self._requests += 1
            request = UndecidedBlockRequest(height=run.height, value=value)
            self._send(Send(peer, Lane.CONSENSUS, seal(self._context.signer, request)))

    def _certificates_for(self, run: HeightRun, listed: dict[Step, StepVotes], polka_round: int) -> list[Certificate]:
        found = []
        for round_, kind in sorted({*_steps(run), *listed}, reverse=True):
            certificate = _value_certificate(run, round_, kind)
            if certificate is not None and not ((round_, kind) in listed and listed[round_, kind].certified):
                found.append(certificate)
        polka = run.state.highest_polka
        if polka is not None and polka.round > polka_round and polka not in found:
            found.insert(0, polka)
        return found[:CERTIFICATES_PER_ANSWER]

    def _votes_for(self, run: HeightRun, listed: dict[Step, StepVotes], receiver: int) -> Iterator[tuple[bytes, bytes]]:
        """Senders and envelopes of votes that are not listed: a share of them, for other neighbours begin elsewhere."""
        own = run.state.own_index or 0
        found: list[tuple[int, int, VoteKind]] = []
        for round_, kind in sorted({*_steps(run), *listed}):
            step = listed.get((round_, kind))
            known = frozenset() if step is None else frozenset(signer_indices(step.voters))
            votes = run.state.votes.votes(round_, kind)
            found += [(vote.validator, round_, kind) for vote in votes if vote.validator not in known]
        found = [each for each in found if each[0] not in (receiver, own)]
        count = relays_of(len(self._links.linked))
        first = (self._answers + own) * count % max(1, len(found))
        self._answers += 1
        for index, round_, kind in (found + found)[first : first + min(count, len(found))]:
            sent = run.state.votes.sealed(round_, kind, index)
            if sent is not None:
                vote, signature = sent
                sender = run.state.validators.validators[index].envelope_key
                yield sender, _enveloped(sender, MessageKind.VOTE, encode(vote), signature)


def _enveloped(sender: bytes, kind: MessageKind, body: bytes, signature: bytes) -> bytes:
    return encode(Envelope(sender=sender, kind=kind, body=body, signature=signature))


def _steps(run: HeightRun) -> tuple[Step, ...]:
    """The votes behind the own state: the last round's precommits (L47 and L65, or a final certificate) and all votes
    of the running round (L34, L44, L55)."""
    round_ = max(run.state.round, 0)
    before = ((round_ - 1, VoteKind.PRECOMMIT),) if round_ else ()
    return (*before, (round_, VoteKind.PREVOTE), (round_, VoteKind.PRECOMMIT))


def _voters(run: HeightRun, round_: int, kind: VoteKind) -> list[int]:
    return [vote.validator for vote in run.state.votes.votes(round_, kind)]


def _value_certificate(run: HeightRun, round_: int, kind: VoteKind) -> Certificate | None:
    return next((each for each in run.state.votes.certificates(round_, kind) if each.value != NIL), None)
