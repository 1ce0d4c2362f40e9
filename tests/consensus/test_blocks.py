"""What makes a block valid: one rule broken at a time, on real curves."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from clearing.base.certificate import NIL, Certificate, VoteKind
from clearing.base.errors import Bug, LocalFault, RemoteFault
from clearing.base.hashing import sha256
from consensus.blocks.executor import BlockExecutor, payload_root
from consensus.blocks.store import load_committed, save_committed
from consensus.blocks.vote_extensions import block_time
from consensus.chain_state import ChainState, chain_at
from consensus.evidence.judge import EvidencePool, duplicate_vote
from consensus.messages import (
    BLOCK_BYTES_MAX,
    EXTENSION_DATA_MAX,
    Block,
    BlockResponse,
    CommittedBlock,
    DuplicateVote,
    Evidence,
    Extension,
    Proposal,
    SignedExtension,
    Vote,
    read_envelope,
    read_message,
)
from consensus.replica.outbox import own_extension
from consensus.signing import CertificateCache, CurveVerifier, assemble_certificate, seal
from node.p2p.network import LIMITS, PeerChannel
from node.signer.local import LocalSigner
from node.signer.sign_state import SignGuard
from tests.kit.certificates import make_certificate
from tests.kit.consensus.crypto import VALIDATORS, secrets_of
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.toy import ToyApplication

NETWORK = sha256(b"blocks")
GENESIS_MS = 1_000_000
PRECOMMIT = VoteKind.PRECOMMIT
change = msgspec.structs.replace


def signer(index: int) -> LocalSigner:
    envelope_secret, bls_secret = secrets_of(4)[index]
    return LocalSigner(NETWORK, envelope_secret, bls_secret, SignGuard())


def signed_extensions(height: int, round_: int, value: bytes, times: dict[int, int]) -> tuple[SignedExtension, ...]:
    found = []
    for index, time_ms in sorted(times.items()):
        extension = Extension(time_ms=time_ms, data=b"toy:x")
        signature = signer(index).sign_extension(VALIDATORS.hash, height, round_, value, extension)
        found.append(SignedExtension(validator=index, extension=extension, signature=signature))
    return tuple(found)


def certify(kind: VoteKind, height: int, round_: int, value: bytes, *signers: int) -> Certificate:
    shares = {index: signer(index).sign_vote(VALIDATORS.hash, kind, height, round_, value) for index in signers}
    return make_certificate(kind, height, round_, value, VALIDATORS, shares)


class Fixture:
    """A chain of one block, and a good second one."""

    def __init__(self) -> None:
        self.verifier = CurveVerifier()
        self.application = ToyApplication(VALIDATORS, 0)
        self.executor = BlockExecutor(self.application, self.verifier, CertificateCache(self.verifier, NETWORK))
        genesis = chain_at(NETWORK, GENESIS_MS, self.application.position, None)
        self.first = self.executor.build(genesis, Evidence())
        value = self.first.header.hash
        self.commit = certify(PRECOMMIT, 1, 0, value, 0, 1, 2)
        self.extensions = signed_extensions(1, 0, value, {0: 2_000_000, 1: 2_000_100, 3: 2_000_200})
        self.chain: ChainState = self.executor.apply(genesis, self.first, self.commit, self.extensions)
        self.block = self.executor.build(self.chain, Evidence())

    def changed(self, **fields: Any) -> Block:
        """The second block with other contents, committed to by its header."""
        block: Block = change(self.block, **fields)
        root = payload_root(block.payload, block.last_commit, block.extended_commit, block.evidence)
        return self.headed(block, payload_root=root)

    def headed(self, block: Block, **fields: Any) -> Block:
        changed: Block = change(block, header=change(block.header, **fields))
        return changed


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    return Fixture()


def test_a_good_block_is_valid_and_its_first_has_genesis_time_and_network(fixture: Fixture) -> None:
    fixture.executor.check(fixture.chain, fixture.block)
    assert fixture.first.header.time_ms == GENESIS_MS + 1
    assert fixture.first.header.parent == NETWORK
    assert fixture.block.header.time_ms == 2_000_100


def double_vote(height: int, validator: int, shares: tuple[bytes, bytes]) -> DuplicateVote:
    step: dict[str, Any] = {"kind": VoteKind.PREVOTE, "height": height, "round": 0, "validator": validator}
    votes = [
        Vote(value=value, share=share, **step) for value, share in zip((b"w" * 32, b"v" * 32), shares, strict=True)
    ]
    evidence = duplicate_vote(VALIDATORS.hash, *votes)
    assert evidence == duplicate_vote(VALIDATORS.hash, *votes[::-1])
    return evidence


def broken_evidence() -> Evidence:
    return Evidence(votes=(double_vote(1, 2, (bytes(96), bytes(96))),))


def final(f: Fixture, *signers: int, kind: VoteKind = PRECOMMIT, value: bytes | None = None) -> Block:
    """The second block over another commit of the first."""
    return f.changed(last_commit=certify(kind, 1, 0, value or f.first.header.hash, *signers))


def extended(f: Fixture, **fields: Any) -> Block:
    """Its last extension changed."""
    return f.changed(extended_commit=(*f.extensions[:2], change(f.extensions[2], **fields)))


BROKEN: dict[str, tuple[str, Callable[[Fixture], Block]]] = {
    "parent": ("BROKEN_LINK", lambda f: f.headed(f.block, parent=bytes(32))),
    "network": ("BROKEN_LINK", lambda f: f.headed(f.block, network=bytes(32))),
    "height": ("BROKEN_LINK", lambda f: f.headed(f.block, height=3)),
    "set": ("BROKEN_LINK", lambda f: f.headed(f.block, validators_hash=bytes(32))),
    "next set": ("BROKEN_LINK", lambda f: f.headed(f.block, next_validators_hash=bytes(32))),
    "time": ("WRONG_TIME", lambda f: f.headed(f.block, time_ms=f.block.header.time_ms + 1)),
    "contents": ("WRONG_PAYLOAD_ROOT", lambda f: change(f.block, payload=b"toy:other")),
    "payload": ("WRONG_ROOTS", lambda f: f.changed(payload=b"toy:other")),
    "malformed payload": ("MALFORMED", lambda f: f.changed(payload=b"nonsense")),
    "roots": ("WRONG_ROOTS", lambda f: f.headed(f.block, module_roots=(bytes(32),))),
    "no commit": ("BAD_LAST_COMMIT", lambda f: f.changed(last_commit=None)),
    "prevotes shown as final": ("BAD_LAST_COMMIT", lambda f: final(f, 0, 1, 2, kind=VoteKind.PREVOTE)),
    "commit of another value": ("BAD_LAST_COMMIT", lambda f: final(f, 0, 1, 2, value=b"x" * 32)),
    "commit under quorum": ("UNDER_QUORUM", lambda f: final(f, 0, 1)),
    "commit with a forged aggregate": (
        "BAD_SIGNATURE",
        lambda f: f.changed(last_commit=change(f.commit, aggregate=certify(PRECOMMIT, 1, 0, NIL, 0, 1, 2).aggregate)),
    ),
    "too few extensions": (
        "BAD_EXTENDED_COMMIT",
        lambda f: f.headed(f.changed(extended_commit=f.extensions[:2]), time_ms=2_000_000),
    ),
    "extensions out of order": ("BAD_EXTENDED_COMMIT", lambda f: f.changed(extended_commit=f.extensions[::-1])),
    "an extension twice": (
        "BAD_EXTENDED_COMMIT",
        lambda f: f.changed(extended_commit=(f.extensions[0], *f.extensions)),
    ),
    "extensions of another round": (
        "BAD_EXTENSION",
        lambda f: f.changed(
            extended_commit=signed_extensions(1, 1, f.first.header.hash, {0: 1, 1: 2_000_100, 2: 2_000_200})
        ),
    ),
    "an extension in another's name": ("BAD_EXTENSION", lambda f: extended(f, validator=2)),
    "an extension by nobody": ("NOT_A_VALIDATOR", lambda f: extended(f, validator=9)),
    "evidence of nothing": ("BAD_EVIDENCE", lambda f: f.changed(evidence=broken_evidence())),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_block_that_breaks_one_rule_is_refused_by_its_name(fixture: Fixture, what: str) -> None:
    code, make = BROKEN[what]
    with pytest.raises(RemoteFault) as caught:
        fixture.executor.check(fixture.chain, make(fixture))
    assert caught.value.code.name == code


def test_a_decided_block_with_other_roots_stops_the_node() -> None:
    f = Fixture()
    wrong = f.headed(f.block, module_roots=(bytes(32),))
    with pytest.raises(Bug):
        f.executor.apply(f.chain, wrong, f.commit, f.extensions)


def test_nobody_builds_without_a_quorum_of_extensions() -> None:
    f = Fixture()
    value = f.first.header.hash
    short = f.chain.advance(f.first, f.commit, signed_extensions(1, 0, value, {0: 1, 1: 1}), VALIDATORS)
    with pytest.raises(LocalFault):
        f.executor.build(short, Evidence())


@pytest.mark.parametrize(
    ("times", "median"),
    [
        ({0: 5_000_000, 1: 5_000_010, 2: 5_000_020, 3: 5_000_030}, 5_000_010),
        ({0: 5_000_000, 1: 5_000_010, 2: 2**62}, 5_000_010),
        ({0: 0, 1: 5_000_010, 2: 5_000_020}, 5_000_010),
        ({0: 0, 1: 1, 2: 2}, GENESIS_MS + 2),
    ],
)
def test_time_is_the_median_and_always_rises(fixture: Fixture, times: dict[int, int], median: int) -> None:
    extensions = tuple(
        SignedExtension(validator=index, extension=Extension(time_ms=time_ms, data=b""), signature=bytes(64))
        for index, time_ms in times.items()
    )
    assert block_time(fixture.chain, extensions) == median


def test_an_own_extension_that_others_would_refuse_is_sent_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    application = ToyApplication(VALIDATORS, 0)
    monkeypatch.setattr(application, "extend", lambda *_: b"not toy")
    made = own_extension(application, 1, PRECOMMIT, b"v" * 32, 77)
    assert made == Extension(time_ms=77, data=b"")
    assert own_extension(application, 1, PRECOMMIT, NIL, 77) is None
    assert own_extension(application, 1, VoteKind.PREVOTE, b"v" * 32, 77) is None


def test_bad_shares_are_found_by_halving() -> None:
    value = b"v" * 32
    shares = [(index, signer(index).sign_vote(VALIDATORS.hash, VoteKind.PREVOTE, 1, 0, value)) for index in range(4)]
    what = (VoteKind.PREVOTE, 1, 0, value)
    good, none = assemble_certificate(CurveVerifier(), NETWORK, VALIDATORS, what, shares)
    assert good is not None
    assert none == ()
    CurveVerifier().verify_certificate(good, VALIDATORS, NETWORK)
    for bad in (b"\x01" * 96, shares[0][1]):
        broken = [*shares[:2], (2, bad), shares[3]]
        nothing, found = assemble_certificate(CurveVerifier(), NETWORK, VALIDATORS, what, broken)
        assert nothing is None
        assert found == (2,)


def test_evidence_of_a_double_vote_convinces_and_is_pooled_once() -> None:
    f = Fixture()
    item = double_vote(2, 3, tuple(certify(VoteKind.PREVOTE, 2, 0, v, 3).aggregate for v in (b"w" * 32, b"v" * 32)))
    judge = f.executor.judge
    (offence,) = judge.check_proof(f.chain, item)
    assert (offence.envelope_key, offence.height, offence.power) == (VALIDATORS.validators[3].envelope_key, 2, 10)
    pool = EvidencePool()
    assert pool.add(item)
    assert not pool.add(item)
    evidence = judge.pick(f.chain, pool)
    block = f.executor.build(f.chain, evidence)
    f.executor.check(f.chain, block)
    pool.forget(block.evidence)
    assert judge.pick(f.chain, pool) == Evidence()
    with pytest.raises(RemoteFault):
        judge.check_proof(f.chain, change(item, validator=2))


def test_committed_blocks_survive_the_store(fixture: Fixture) -> None:
    store = MemoryBlockStore()
    committed = CommittedBlock(block=fixture.first, certificate=fixture.commit, extensions=fixture.extensions)
    save_committed(store, committed)
    assert load_committed(store, 1) == committed
    assert load_committed(store, 2) is None
    with pytest.raises(LocalFault):
        store.save(3, b"", b"", b"")


def test_the_largest_block_fits_every_limit(fixture: Fixture) -> None:
    longest = SignedExtension(
        validator=2**32 - 1, extension=Extension(time_ms=2**62, data=bytes(EXTENSION_DATA_MAX)), signature=bytes(64)
    )
    block = change(fixture.block, payload=bytes(BLOCK_BYTES_MAX), extended_commit=(longest,) * 256)
    proposal = Proposal(height=2, round=0, pol_round=0, block=block, certificate=fixture.commit, signature=bytes(64))
    committed = CommittedBlock(block=block, certificate=fixture.commit, extensions=(longest,) * 256)
    response = BlockResponse(blocks=(committed,))
    for message, channel in ((proposal, PeerChannel.DATA), (response, PeerChannel.SYNC)):
        data = seal(signer(0), message)
        assert len(data) <= LIMITS[channel].message_bytes
        assert read_message(read_envelope(data)) == message
    store = MemoryBlockStore()
    store.save(1, b"", b"", b"")
    save_committed(store, committed)
    assert load_committed(store, 2) == committed
