"""`HeaderSignatures`: the validators' secp256k1 signatures on final headers, of which relayers make certificates for
vaults on chains without EIP-2537.

Rule: it stands beside consensus and never in its way. A header is signed here only after a quorum's certificate made it
final, and never two of one height: what was signed is on disk before anybody sees it. Only headers are signed from
which a vault learns more than the time, one a second at most, and only where a vault takes such signatures. All choose
the same ones, and repeat the newest, so that a relayer that begins later has them, too. Bounded: of each validator the
newest few headers and the newest that rotates the set.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import structlog
import trio

from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.vault import CertifiedHeader
from bridge.rpc.chain_profiles import profile_of
from clearing.base import secp256k1
from clearing.base.codec import Bytes65, Wire, decode, encode
from clearing.base.ecdsa_certificate import EcdsaCertificate, certificate_of, header_digest
from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.header import Header
from clearing.base.token_bucket import TokenBuckets
from clearing.base.validators import VALIDATORS_MAX, ValidatorSet
from clearing.schema.terms.genesis import Genesis
from consensus.codes import ConsensusCode
from member.durable_files import write_whole
from member.vaults.conflict import Conflict, certified_words, conflict_between
from node.config import ChainConfig
from node.p2p.network import Incoming, Network, Topic

SIGNATURE_BYTES_MAX = 8 << 10
"""Of a header with its signature."""
KEPT_MAX = 8
"""Newest headers of one validator."""
INTERVAL_MS = 1_000
"""Of the network's time, between headers that are signed; one that rotates the set does not wait."""
OF_HEIGHT_MAX = 4
"""Different headers of one height that one validator signed. An honest one signs one."""
DISPUTED_MAX = 8
"""Heights at which vaults took another header, and whose signatures are kept however old they are."""
WANTED_MAX = 64
"""Headers that wait to be signed here; beyond it the oldest are left out."""
SIGNERS_MAX = 4 * VALIDATORS_MAX
"""Beyond that the validator whose newest header is oldest is forgotten: those of former sets are."""
SETS_MAX = 8
PUBLISH_SECONDS = 15.0
CHECKS_PER_SECOND, CHECKS_AT_ONCE = 50, 200
"""Signatures from one peer that are checked; each takes 0.1 ms."""

log = structlog.get_logger(__name__)


class HeaderSignature(Wire, frozen=True):
    """A header, and a validator's signature on its digest. Who signed is recovered from it."""

    header: Header
    signature: Bytes65

    @property
    def rotates(self) -> bool:
        """Whether the header names another set than the one that certifies it."""
        return self.header.next_validators_hash != self.header.validators_hash


class _Signed(Wire, frozen=True):
    """What this validator signed: the newest header, and the newest that rotates the set, ascending."""

    newest: tuple[HeaderSignature, ...] = ()


@dataclass(frozen=True, slots=True)
class SignatureCollection:
    """How far the collection of signatures is. `height`: of the newest header that all validators sign; 0: none yet."""

    height: int
    signed: int
    """Validators who signed it."""
    validators: int
    certified_height: int
    """Of the newest header that a quorum signed."""
    waiting_seconds: float
    """How long the oldest header above that one has waited; 0: none waits."""


def is_for_vaults(last: Header | None, header: Header) -> bool:
    """Whether a vault learns from it of another set, or of withdrawals, exits or an epoch since the last such one."""
    if last is None or header.next_validators_hash != header.validators_hash:
        return True
    tells = any(getattr(last, name) != getattr(header, name) for name in ("withdrawals_root", "exit_root", "epoch"))
    return tells and header.time_ms - last.time_ms >= INTERVAL_MS


class HeaderSignatures:
    """Signs for this validator, and collects the signatures of all."""

    def __init__(
        self,
        path: Path,
        network: bytes,
        secret: bytes,
        sets: Callable[[bytes], ValidatorSet | None],
        configs: Mapping[int, ChainConfig],
        on_conflict: Callable[[Conflict], object] = lambda _: None,
    ) -> None:
        """`path`: of what was signed. `sets`: the network's by hash, as far as known. `configs`: by chain id.
        `on_conflict` is given two headers of one height that a quorum signed.

        Raises LocalFault SIGN_STATE_CORRUPT.
        """
        self._path, self._network, self._configs = path, network, configs
        self._secrets: dict[bytes, bytes] = {secp256k1.address(secret): secret}
        self._load_set, self._sets = sets, dict[bytes, ValidatorSet]()
        self._is_needed = False
        self._wanted: deque[Header] = deque(maxlen=WANTED_MAX)
        """Final headers that are not signed yet, ascending."""
        self._came = trio.Event()
        self._of: dict[bytes, dict[int, dict[bytes, HeaderSignature]]] = {}
        """By signer's address, height and hash of the header."""
        self._on_conflict = on_conflict
        self._checks = TokenBuckets(CHECKS_PER_SECOND, CHECKS_AT_ONCE)
        self._disputed: dict[int, Header] = {}
        """The own headers of heights at which a vault took another one."""
        self._disputed_path = path.with_name(path.name + "-disputed")
        self._answers = _read(self._disputed_path)
        """What this validator signed of those."""
        self._own = _read(path)
        self._last = self._own[-1].header if self._own else None
        """The last header that every validator signs."""
        self._due: deque[tuple[int, float]] = deque(maxlen=WANTED_MAX)
        """Heights that every validator signs, above the newest that a quorum did, and since when, by the own clock."""
        for signed in (*self._answers, *self._own):
            self._disputed.update({signed.header.height: signed.header} if signed in self._answers else {})
            self._keep(secp256k1.recover(header_digest(signed.header), signed.signature), signed)

    def add_secret(self, secret: bytes) -> None:
        """Sign with this key, too, for the sets that list it: the next one of a rotation."""
        self._secrets[secp256k1.address(secret)] = secret
        self._came.set()

    def follow(self, genesis: Genesis) -> None:
        """Sign from now on if the profile of any of these chains says so. Raises LocalFault WRONG_PROFILE."""
        profiles = {each: profile_of(each, config.profile) for each, config in self._configs.items()}
        schemes = {profiles[chain.chain_id].scheme for chain in genesis.chains if chain.chain_id in profiles}
        self._is_needed = CertificateScheme.ECDSA in schemes

    def decided(self, header: Header) -> None:
        """Note a header that is final here. Signs nothing yet."""
        if self._is_needed and is_for_vaults(self._last, header):
            self._last = header
            self._wanted.append(header)
            self._due.append((header.height, time.monotonic()))
            self._came.set()

    def collection(self) -> SignatureCollection | None:
        """How far it is; None where no vault takes such signatures."""
        if not self._is_needed:
            return None
        newest = self._last
        if newest is None:
            return SignatureCollection(0, 0, 0, 0, 0.0)
        validators = self._set(newest.validators_hash)
        members = validators.validators if validators is not None else ()
        signed = sum(newest.hash in self._of.get(each.evm_address, {}).get(newest.height, {}) for each in members)
        certified = self.certified(newest.height)
        height = certified[0].height if certified is not None else 0
        while self._due and self._due[0][0] <= height:
            self._due.popleft()
        waiting = time.monotonic() - self._due[0][1] if self._due else 0.0
        return SignatureCollection(newest.height, signed, len(members), height, waiting)

    def dispute(self, headers: Sequence[Header]) -> None:
        """Sign these final headers, too, because a vault took others of their heights: a quorum's signatures on both
        are what freezes vaults. Of most heights no header is signed, and a forger chooses the height."""
        for header in headers if self._is_needed else ():
            if header.height not in self._disputed:
                if len(self._disputed) >= DISPUTED_MAX:
                    oldest = next(iter(self._disputed))
                    del self._disputed[oldest]
                    self._answers = tuple(each for each in self._answers if each.header.height != oldest)
                self._disputed[header.height] = header
                self._came.set()

    async def _sign_disputed(self) -> list[HeaderSignature]:
        """Those that are not signed yet, on disk before they count. A header of which another one of its height was
        signed here before is left out."""
        signed_heights = {each.header.height for each in (*self._own, *self._answers)}
        due = [each for height, each in self._disputed.items() if height not in signed_heights]
        made = [(own, _signed(each, self._secrets[own])) for each in due if (own := self._signs_for(each))]
        if made:
            self._answers = (*self._answers, *(signed for _, signed in made))
            data = encode(_Signed(self._answers))
            await trio.to_thread.run_sync(write_whole, self._disputed_path, data, 0o600)
        return self._keep_own(made)

    async def sign_wanted(self) -> list[HeaderSignature]:
        """Sign what is final and new, on disk before it counts. What was signed, ascending."""
        made: list[tuple[bytes, HeaderSignature]] = []
        answered = await self._sign_disputed()
        while self._wanted:
            header = self._wanted.popleft()
            if own := self._may_sign(header):
                signed = _signed(header, self._secrets[own])
                rotating = [each for each in (*self._own, signed) if each.rotates][-1:]
                self._own = tuple(rotating if signed.rotates else [*rotating, signed])
                made.append((own, signed))
        if made:
            await trio.to_thread.run_sync(write_whole, self._path, encode(_Signed(self._own)), 0o600)
        return [*answered, *self._keep_own(made)]

    def _keep_own(self, made: Sequence[tuple[bytes, HeaderSignature]]) -> list[HeaderSignature]:
        for own, signed in made:
            self._keep(own, signed)
        return [signed for _, signed in made]

    def learn(self, signed: HeaderSignature) -> bool:
        """Keep a validator's signature; False when it is known.

        Raises RemoteFault WRONG_NETWORK, WRONG_VALIDATOR_SET for a set that is not known, BAD_SIGNATURE.
        """
        header = signed.header
        if header.network != self._network:
            raise RemoteFault(BaseCode.WRONG_NETWORK, "header", stated=header.network, trusted=self._network)
        validators = self._set(header.validators_hash)
        if validators is None:
            raise RemoteFault(BaseCode.WRONG_VALIDATOR_SET, "header", stated=header.validators_hash)
        signer = secp256k1.recover(header_digest(header), signed.signature)
        if all(validator.evm_address != signer for validator in validators.validators):
            raise RemoteFault(BaseCode.BAD_SIGNATURE, "header", height=header.height, signer=signer)
        return self._keep(signer, signed)

    def certified(self, newest: int, is_own: Callable[[Header], bool] = lambda _: True) -> CertifiedHeader | None:
        """The newest header, at most of height `newest`, that more than two thirds signed and that is `is_own`."""
        heights = {height for kept in self._of.values() for height in kept if height <= newest}
        signed = (found for each in sorted(heights, reverse=True) for found in self._at(each))
        return next((found for found in signed if is_own(found[0])), None)

    def certificate(self, header: Header) -> EcdsaCertificate | None:
        """Of this header, if more than two thirds signed it."""
        return next((found for each, found in self._at(header.height) if each == header), None)

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Learn what validators signed, for ever."""
        async for message in incoming:
            if not self._checks.take(message.sender, trio.current_time()):
                continue
            try:
                self.learn(decode(message.data, HeaderSignature, SIGNATURE_BYTES_MAX))
            except RemoteFault as fault:
                log.warning("header signature refused", peer=message.sender.hex(), fault=str(fault))

    async def run(self, network: Network) -> None:
        """Sign what becomes final and publish it, for ever; the newest again and again."""
        while True:
            self._came = trio.Event()
            with trio.move_on_after(PUBLISH_SECONDS) as rest:
                if not self._wanted:
                    await self._came.wait()
            news = await self.sign_wanted()
            repeated = (*self._answers, *self._own) if rest.cancelled_caught and self._is_needed else ()
            for signed in news or repeated:
                network.publish(Topic.CHECKPOINTS, encode(signed))

    def _may_sign(self, header: Header) -> bytes:
        newest = max((each.header.height for each in (*self._answers, *self._own)), default=0)
        return self._signs_for(header) if header.height > newest else b""

    def _signs_for(self, header: Header) -> bytes:
        """The own address among those who certify it; empty where there is none."""
        validators = self._set(header.validators_hash)
        listed = (each.evm_address for each in validators.validators) if validators is not None else ()
        return next((address for address in listed if address in self._secrets), b"")

    def _keep(self, signer: bytes, signed: HeaderSignature) -> bool:
        """Several of one height are evidence, so that none takes the other's place."""
        kept, header = self._of.setdefault(signer, {}), signed.header
        of_height = kept.setdefault(header.height, {})
        if header.hash in of_height or len(of_height) >= OF_HEIGHT_MAX:
            return False
        of_height[header.hash] = signed
        if len(of_height) > 1:
            log.error("two headers of one height signed", signer=signer.hex(), height=header.height)
        if any(len(each.get(header.height, ())) > 1 for each in self._of.values()):
            self._report_conflict(header.height)
        rotating = max((each for each in kept if any(one.rotates for one in kept[each].values())), default=None)
        for each in sorted(kept.keys() - {rotating} - self._disputed.keys(), reverse=True)[KEPT_MAX:]:
            del kept[each]
        if len(self._of) > SIGNERS_MAX:
            del self._of[min(self._of, key=lambda known: max(self._of[known]))]
        return header.height in kept

    def _report_conflict(self, height: int) -> None:
        certified = [certified_words(*found) for found in self._at(height)]
        for one, other in pairwise(certified):
            self._on_conflict(conflict_between(one, other))

    def _at(self, height: int) -> Iterator[tuple[Header, EcdsaCertificate]]:
        """The headers of a height with a quorum's signatures, which is one unless a third of the power lies."""
        by_header: dict[bytes, dict[bytes, HeaderSignature]] = {}
        for signer, kept in self._of.items():
            for header_hash, signed in kept.get(height, {}).items():
                by_header.setdefault(header_hash, {})[signer] = signed
        for signatures in by_header.values():
            header = next(iter(signatures.values())).header
            validators = self._set(header.validators_hash)
            places = enumerate(validators.validators) if validators is not None else ()
            signers = {index: validator for index, validator in places if validator.evm_address in signatures}
            if validators is not None and validators.is_quorum(sum(each.power for each in signers.values())):
                found = {index: signatures[each.evm_address].signature for index, each in signers.items()}
                yield header, certificate_of(found)

    def _set(self, validators_hash: bytes) -> ValidatorSet | None:
        if validators_hash not in self._sets:
            found = self._load_set(validators_hash)
            if found is None:
                return None
            if len(self._sets) >= SETS_MAX:
                del self._sets[next(iter(self._sets))]
            self._sets[validators_hash] = found
        return self._sets[validators_hash]


def _signed(header: Header, secret: bytes) -> HeaderSignature:
    return HeaderSignature(header, secp256k1.sign_digest(secret, header_digest(header)))


def _read(path: Path) -> tuple[HeaderSignature, ...]:
    """What was signed before. Raises LocalFault SIGN_STATE_CORRUPT: without it two headers could be signed."""
    if not path.exists():
        return ()
    data = path.read_bytes()
    try:
        return decode(data, _Signed, 2 * DISPUTED_MAX * SIGNATURE_BYTES_MAX).newest
    except RemoteFault as fault:
        raise LocalFault(
            ConsensusCode.SIGN_STATE_CORRUPT, "signed headers", path=str(path), bytes=len(data), why=str(fault)[:200]
        ) from None


def valid_header_signature(message: Incoming) -> bool:
    """Gossip validator: of the type and size."""
    try:
        decode(message.data, HeaderSignature, SIGNATURE_BYTES_MAX)
    except RemoteFault:
        return False
    return True
