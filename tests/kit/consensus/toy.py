"""A toy application: its state is a hash chain over payloads and extensions. It may lag behind the block store."""

from random import Random

from clearing.base.codec import u256
from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.ids import ZERO_HASH, Hash32
from clearing.base.protocol import RELEASE_VERSIONS, ProtocolVersions
from clearing.base.validators import ValidatorSet
from clearing.validators.evidence_age import EVIDENCE_HEIGHTS
from consensus.application import AppRoots, ExecutionContext, Misbehaviour, MisbehaviourKind
from consensus.chain_state import ApplicationPosition

MAGIC = b"toy:"


def vary(payload: bytes, random: Random) -> bytes:
    return payload + b"|other" + random.randbytes(2).hex().encode()


class ToyApplication:
    """Commits every block in memory, and to its "disk" each `flush_every` heights."""

    def __init__(
        self,
        validators: ValidatorSet,
        name: int,
        flush_every: int = 1,
        change: tuple[int, ValidatorSet] | None = None,
        upgrade_height: int = 0,
        release: ProtocolVersions = RELEASE_VERSIONS,
    ) -> None:
        """`change`: from this height on, another set; decided two heights before. `upgrade_height`: from there on,
        the rules of version 2, by which the state is another; 0: never."""
        self.upgrade_height, self.release = upgrade_height, release
        self._validators = validators
        self._change = change
        self._name = name
        self._flush_every = flush_every
        self.pending: list[bytes] = []
        self.height = 0
        self.root = ZERO_HASH
        self.reported: dict[tuple[bytes, int, MisbehaviourKind], Misbehaviour] = {}
        self._disk = (0, ZERO_HASH, dict(self.reported))
        self._executed: dict[Hash32, tuple[Misbehaviour, ...]] = {}
        """Who was accused in what was executed and not decided, by root."""
        self.processed: list[int] = []
        self._built = 0

    def crash(self) -> None:
        """Fall back to what was flushed."""
        self.height, self.root, reported = self._disk
        self.reported = dict(reported)
        self._executed.clear()

    @property
    def position(self) -> ApplicationPosition:
        sets = [self.set_of(height) for height in range(self.height, self.height + 3)]
        return ApplicationPosition(self.height, *sets)

    def set_of(self, height: int) -> ValidatorSet:
        """Who certifies a height."""
        if self._change is not None and height >= self._change[0]:
            return self._change[1]
        return self._validators

    def prepare(self, context: ExecutionContext) -> tuple[bytes, AppRoots]:
        self._built += 1
        payload = MAGIC + b"|".join(self.pending) + f"|{self._name}.{self._built}".encode()
        return payload, self.process(context, payload)

    def process(self, context: ExecutionContext, payload: bytes) -> AppRoots:
        if not payload.startswith(MAGIC):
            raise RemoteFault(BaseCode.MALFORMED, "toy payload", bytes=payload)
        if context.height != self.height + 1:
            raise LocalFault(BaseCode.OUT_OF_RANGE, "toy height", height=context.height, have=self.height)
        if self.missing_version(context.height) is not None:
            raise LocalFault(BaseCode.OUT_OF_RANGE, "toy version", height=context.height)
        observed = b"".join(u256(item.validator) + u256(item.power) + item.data for item in context.extensions)
        accused = b"".join(u256(m.kind) + u256(m.height) + m.envelope_key for m in context.misbehaviour)
        root = tagged_hash(
            f"toy{'' if (version := self.version_at(context.height)) == 1 else version}",
            self.root,
            u256(context.height),
            u256(context.time_ms),
            context.parent,
            payload + observed + accused,
        )
        self._executed[root] = context.misbehaviour
        self.processed.append(context.height)
        return AppRoots((root,), ZERO_HASH, 0, ZERO_HASH, 0, ZERO_HASH, 0, ())

    def extend(self, height: int, value: Hash32) -> bytes:
        return MAGIC + f"{self._name}@{height}".encode()

    def verify_extension(self, height: int, data: bytes) -> None:
        if not data.startswith(MAGIC):
            raise RemoteFault(BaseCode.MALFORMED, "toy extension", bytes=data)

    def commit(self, header: Header) -> ValidatorSet:
        root = Hash32(header.module_roots[0])
        if root not in self._executed or len(header.module_roots) != 1:
            raise LocalFault(BaseCode.OUT_OF_RANGE, "toy commit", height=header.height)
        accused = self._executed[root]
        self.height, self.root = header.height, root
        self._executed.clear()
        self.pending.clear()
        for offence in accused:
            self.reported[(offence.envelope_key, offence.height, offence.kind)] = offence
        if self.height % self._flush_every == 0:
            self._disk = (self.height, self.root, dict(self.reported))
        return self.set_of(self.height + 2)

    def validators_at(self, height: int) -> ValidatorSet | None:
        known = max(1, self.height - EVIDENCE_HEIGHTS) <= height <= self.height + 2
        return self.set_of(height) if known else None

    def version_at(self, height: int) -> int:
        return 2 if self.upgrade_height and height >= self.upgrade_height else 1

    def missing_version(self, height: int) -> int | None:
        version = self.version_at(height)
        return None if self.release.has(version) else version

    def is_reported(self, envelope_key: bytes, height: int, kind: MisbehaviourKind) -> bool:
        return (envelope_key, height, kind) in self.reported
