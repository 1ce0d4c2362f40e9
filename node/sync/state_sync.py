"""Fetching a state from peers: offers, the certified header, its block, the chunks, and the check of the whole.

Rule: nothing is written here, and no sender is trusted: headers are checked by the certificates from the anchor on,
blocks by their header, chunks by their proof, the state by the header's roots. A peer that lies or is slow is skipped;
with no agreed offer in time the answer is None, and blocks are executed instead.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog
import trio

from clearing.base.certificate import signer_indices
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet
from clearing.schema.blocks.block import decode_extension
from consensus.blocks.admission import is_final
from consensus.blocks.executor import check_carried
from consensus.blocks.vote_extensions import check_extended_commit
from consensus.codes import ConsensusCode
from consensus.light_client import LightBlock, LightVerifier, TrustPolicy, bisection, check_anchor
from consensus.messages import BlockRequest, BlockResponse, CommittedBlock
from consensus.signing import Verifier
from consensus.sync.messages import (
    LATEST,
    LightRequest,
    LightResponse,
    Manifest,
    SnapshotOffers,
    SnapshotsRequest,
)
from consensus.sync.state_sync import FirstSet, Offers
from node.sync.chunks import ChunkFetch, ChunkProgress, ChunkStore
from node.sync.peer_talk import PeerTalk

ANSWER_SECONDS = 3.0
ROUND_SECONDS = 0.25
DESCENT_MAX = 10_000
"""How many heights below its anchor a node walks down to a snapshot."""
LIGHT_SECONDS = 0.0025
"""The least time between two steps on the way down from an anchor: four hundred light blocks a second."""
WALK_SECONDS = 60.0
"""How long one peer may take to lead to a height; then the next peer is asked, and continues from there."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SyncAnchor:
    """Where trust begins: genesis, or a header hash from a trusted source."""

    first: FirstSet
    height: int = 0
    """0: height 1 under the set of genesis."""
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Joined:
    """A state with everything that consensus needs to go on from it."""

    light: LightBlock
    committed: CommittedBlock
    data: bytes
    """The saved state, checked."""


@dataclass(slots=True)
class Curves:
    """The signature checks: of light blocks, and of blocks and extensions."""

    light: LightVerifier
    blocks: Verifier


class StateSync:
    """One attempt of one node. `check` reads a saved state against a certified header, and raises RemoteFault."""

    def __init__(
        self,
        talk: PeerTalk,
        anchor: SyncAnchor,
        policy: TrustPolicy,
        curves: Curves,
        clock_ms: Callable[[], int],
        check: Callable[[LightBlock, bytes], Awaitable[None]],
        offers_seconds: float,
        kept: ChunkStore | None = None,
    ) -> None:
        self._talk, self._anchor, self._policy, self._curves = talk, anchor, policy, curves
        self._clock_ms, self._check, self._offers_seconds = clock_ms, check, offers_seconds
        self._offers = Offers()
        self._without_offers: set[bytes] = set()
        self._without_blocks: set[bytes] = set()
        """Who answered the last questions with nothing."""
        self.is_new = False
        """Whether more than two thirds of the first power have no block."""
        self._tried: dict[Manifest, list[bytes]] = {}
        self._trusted: dict[int, LightBlock] = {}
        self._linked: LightBlock | None = None
        """The lowest on the way down from an anchor: its header is certain, its certificate and sets are not."""
        self.progress = ChunkProgress()
        self._chunks = ChunkFetch(talk, self.progress, kept, ANSWER_SECONDS, ROUND_SECONDS / 5)
        self._begun = None if kept is None else kept.manifest()
        """What an earlier start has chunks of: tried first, once."""

    async def run(self, own: bytes = b"", *, patient: bool = True) -> Joined | None:
        """The newest agreed snapshot; None when none is agreed on within `offers_seconds` of the first connection.

        Who is not `patient` waits no longer from now on, and not at all when validators of more than two thirds of the
        first power, `own` included, offer none. Raises LocalFault: TRUST_EXPIRED, or NO_ANCHOR when snapshots are
        offered and no peer shows the anchor.
        """
        deadline = float("inf") if patient else trio.current_time() + self._offers_seconds
        while True:
            await self._collect()
            if not patient and not self._anchor.height and self._is_quorum(own, self._without_offers):
                self.is_new = self._is_quorum(own, self._without_blocks)
                log.info("no validator has a state to offer yet", network_is_new=self.is_new)
                return None
            if self._talk.peers:
                deadline = min(deadline, trio.current_time() + self._offers_seconds)
            for manifest in sorted(self._offers.candidates(), key=lambda each: each != self._begun):
                joined = await self._try(manifest)
                if joined is not None:
                    return joined
            if trio.current_time() >= deadline:
                if self._is_anchor_missing():
                    raise LocalFault(
                        ConsensusCode.NO_ANCHOR, "state sync", height=self._anchor.height, hash=self._anchor.hash
                    )
                return None
            await trio.sleep(ROUND_SECONDS)

    def _is_quorum(self, own: bytes, peers: set[bytes]) -> bool:
        first = self._anchor.first.validators
        return bool(peers) and first.is_quorum(_power(first, peers | {own}))

    def _is_anchor_missing(self) -> bool:
        """Whether there is something to fetch that nothing leads to. Before a network's first block a single liar's
        offer must not keep others from starting: without a header of the settings, an honest one must offer, too.
        """
        first = self._anchor.first.validators
        offered = [m for m in self._offers.candidates() if self._anchor.height or self._offers.is_agreed(m, first)]
        return bool(offered) and not self._trusted

    async def newest_height(self, validators: ValidatorSet, own: bytes) -> int:
        """The highest certified height among the newest ones of other validators with more than two thirds of the power
        (of all others where they have no more than that); waits until so many have answered.

        The own key counts for nothing: a quorum that is reported together with it may have no honest voter in common
        with the one that decided the last height, where one of the others lies.
        """
        known: dict[bytes, int] = {}
        others = sum(each.power for each in validators.validators if each.envelope_key != own)
        while True:
            power = _power(validators, known)
            if validators.is_quorum(power) or power == others:
                # What anybody has shown is certified, too.
                return max((*known.values(), *self._trusted), default=0)
            for peer in self._talk.peers:
                if peer != own and peer in validators.index_of and peer not in known:
                    block = await self._newest_of(peer)
                    if block is not None:
                        known[peer] = block.header.height
            await trio.sleep(ROUND_SECONDS)

    async def newest_set(self) -> ValidatorSet | None:
        """The set that the highest certified header names which peers show now; None when all say that they have none.

        Waits for peers that answer late: who has no time for an answer has said nothing.
        """
        answered: set[bytes] = set()
        while True:
            for peer in self._talk.peers:
                if self._trusted or isinstance(await self._ask_newest(peer), LightResponse):
                    answered.add(peer)
                    await self._newest_of(peer)
            if self._trusted or (answered and answered >= set(self._talk.peers)):
                return self.highest_set
            await trio.sleep(ROUND_SECONDS)

    async def _ask_newest(self, peer: bytes) -> object:
        return await self._talk.ask(peer, LightRequest(height=LATEST), ANSWER_SECONDS)

    @property
    def highest_set(self) -> ValidatorSet | None:
        """The same of the headers that are known already."""
        return self._trusted[max(self._trusted)].next_validators if self._trusted else None

    async def is_voter(self, key: bytes) -> bool:
        """Whether a certificate that peers show now has a vote of the validator of this envelope key."""
        for peer in self._talk.peers:
            await self._newest_of(peer)
        return any(
            block.validators.validators[index].envelope_key == key
            for block in self._trusted.values()
            for index in signer_indices(block.certificate.signers)
        )

    async def _newest_of(self, peer: bytes) -> LightBlock | None:
        newest = await self._light(peer, LATEST)
        if newest is None:
            return None
        height = newest.header.height
        if height in self._trusted:
            return self._trusted[height]
        if not await self._is_anchored(peer):
            return None
        return await self._walk(peer, height, newest)

    async def _collect(self) -> None:
        self._without_offers.clear()
        self._without_blocks.clear()

        async def offers(peer: bytes) -> None:
            answer = await self._talk.ask(peer, SnapshotsRequest(), ANSWER_SECONDS)
            if isinstance(answer, SnapshotOffers):
                self.progress.offers += 1
                self._offers.note(peer, answer.manifests)
                if not answer.manifests:
                    self._without_offers.add(peer)

        async def newest(peer: bytes) -> None:
            answer = await self._talk.ask(peer, LightRequest(height=LATEST), ANSWER_SECONDS)
            if isinstance(answer, LightResponse) and answer.block is None:
                self._without_blocks.add(peer)

        async with trio.open_nursery() as nursery:
            for peer in self._talk.peers:
                nursery.start_soon(offers, peer)
                if not self._trusted:
                    nursery.start_soon(newest, peer)

    async def _try(self, manifest: Manifest) -> Joined | None:
        holders = self._offers.holders(manifest)
        if self._tried.get(manifest) == holders:
            return None
        self._tried[manifest] = holders
        light = await self._certified(manifest.height)
        if light is None or not self._offers.is_agreed(manifest, light.validators):
            return None
        log.info("fetching snapshot", height=manifest.height, bytes=manifest.size, chunks=manifest.chunks)
        committed = await self._block(light)
        data = None if committed is None else await self._chunks.run(manifest, self._offers.holders(manifest))
        self._begun = None
        if committed is None or data is None:
            del self._tried[manifest]
            return None
        try:
            await self._check(light, data)
        except RemoteFault as fault:
            log.error("snapshot refused", height=manifest.height, manifest=manifest.hash.hex(), fault=str(fault))
            self.progress.refused.append(str(fault))
            self._offers.refuse(manifest)
            return None
        return Joined(light, committed, data)

    # Headers

    async def _certified(self, height: int) -> LightBlock | None:
        """The light block of a height that the anchor leads to, from the first peer whose blocks verify."""
        while height not in self._trusted:
            before = self._linked
            for peer in self._talk.peers:
                if height not in self._trusted and await self._is_anchored(peer):
                    await self._walk(peer, height, None)
            if self._linked is before:
                break
        return self._trusted.get(height)

    async def _is_anchored(self, peer: bytes) -> bool:
        """Whether there is a trusted block to continue from; without one, this peer is asked for it."""
        if self._trusted:
            return True
        anchor = self._anchor
        height = anchor.height or 1
        block = await self._light(peer, height)
        if block is None:
            return False
        try:
            if anchor.height:
                check_anchor(block, anchor.hash, self._curves.light)
            else:
                block = anchor.first.check(block, self._curves.light)
        except RemoteFault as fault:
            self._talk.report(peer, fault)
            return False
        self._trusted[height] = block
        return True

    async def _walk(self, peer: bytes, target: int, known: LightBlock | None) -> LightBlock | None:
        """Verify the light block of `target` (or `known`, if it is that) by what this peer shows. Raises LocalFault."""
        below = [height for height in self._trusted if height <= target]
        if not below:
            return await self._descend(peer, self._trusted[min(self._trusted)], target)
        until = trio.current_time() + WALK_SECONDS
        steps = bisection(self._trusted[max(below)], target, self._policy, self._clock_ms(), self._curves.light)
        try:
            wanted = next(steps)
            while True:
                shown = known if known is not None and known.header.height == wanted else None
                block = shown or await self._light(peer, wanted)
                if block is None or trio.current_time() > until:
                    return None
                wanted = steps.send(block)
        except StopIteration as done:
            for block in done.value:
                self._trusted[block.header.height] = block
            return self._trusted.get(target)
        except RemoteFault as fault:
            self._talk.report(peer, fault)
            return None

    async def _descend(self, peer: bytes, trusted: LightBlock, target: int) -> LightBlock | None:
        """From a trusted block down to a lower one by the hashes of parents: its own hash vouches for all of them.

        What is reached stays for the next peer, so that a slow one does not set the time for all of the way.
        """
        header = trusted.header
        if header.height - target > DESCENT_MAX:
            return None
        if header.time_ms + self._policy.trusting_period_ms <= self._clock_ms():
            raise LocalFault(ConsensusCode.TRUST_EXPIRED, "anchor", height=header.height, time_ms=header.time_ms)
        until, block = trio.current_time() + WALK_SECONDS, trusted
        if self._linked is not None and target < self._linked.header.height < header.height:
            block = self._linked
        try:
            while block.header.height > target:
                self._linked = block
                parent = None if trio.current_time() > until else await self._light(peer, block.header.height - 1)
                if parent is None:
                    return None
                if parent.header.hash != block.header.parent:
                    raise RemoteFault(ConsensusCode.BROKEN_LINK, "parent", height=parent.header.height)
                block = parent
                await trio.sleep(LIGHT_SECONDS)
            check_anchor(block, block.header.hash, self._curves.light)
        except RemoteFault as fault:
            self._talk.report(peer, fault)
            return None
        self._trusted[target] = block
        return block

    async def _light(self, peer: bytes, height: int) -> LightBlock | None:
        answer = await self._talk.ask(peer, LightRequest(height=height), ANSWER_SECONDS)
        if not isinstance(answer, LightResponse) or answer.block is None:
            return None
        self.progress.light_blocks += 1
        return answer.block

    # The block, and the state

    async def _block(self, light: LightBlock) -> CommittedBlock | None:
        """The whole block of a certified header, with the extensions that its successor needs."""
        for peer in self._talk.peers:
            answer = await self._talk.ask(peer, BlockRequest(first=light.header.height, count=1), ANSWER_SECONDS)
            if not isinstance(answer, BlockResponse) or len(answer.blocks) != 1:
                continue
            try:
                self._check_block(light, answer.blocks[0])
            except RemoteFault as fault:
                self._talk.report(peer, fault)
            else:
                return answer.blocks[0]
        return None

    def _check_block(self, light: LightBlock, committed: CommittedBlock) -> None:
        header, certificate = light.header, committed.certificate
        if committed.block.header != header:
            raise RemoteFault(ConsensusCode.BAD_BLOCK_RESPONSE, "header", height=header.height)
        if not is_final(certificate) or (certificate.height, certificate.value) != (header.height, header.hash):
            raise RemoteFault(ConsensusCode.BAD_BLOCK_RESPONSE, "certificate", height=certificate.height)
        check_carried(committed.block)
        network, verifier = header.network, self._curves.blocks
        verifier.verify_certificate(certificate, light.validators, network)
        check_extended_commit(verifier, _Syntax(), network, light.validators, certificate, committed.extensions)


def _power(validators: ValidatorSet, keys: Iterable[bytes]) -> int:
    """The power of those that are in the set."""
    return sum(validators.validators[validators.index_of[key]].power for key in keys if key in validators.index_of)


class _Syntax:
    """As much of an application as extensions are checked with."""

    def verify_extension(self, height: int, data: bytes) -> None:  # noqa: ARG002 - syntax does not depend on it
        """Raises RemoteFault for anything but a canonical extension within limits."""
        decode_extension(data)
