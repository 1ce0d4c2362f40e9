"""Signatures on headers for vaults without BLS certificates: who signs what, how often, and what is kept of others."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from bridge.contracts.schemes import CertificateScheme
from clearing.base import secp256k1
from clearing.base.codec import encode
from clearing.base.ecdsa_certificate import header_digest, verify_ecdsa_certificate
from clearing.base.errors import BaseCode, LocalFault
from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.schema.terms.chains import ChainTerms
from member.vaults.conflict import Conflict, check_conflict
from node.chains.header_signatures import (
    DISPUTED_MAX,
    INTERVAL_MS,
    KEPT_MAX,
    OF_HEIGHT_MAX,
    SIGNERS_MAX,
    HeaderSignature,
    HeaderSignatures,
    SignatureCollection,
    valid_header_signature,
)
from node.config import ChainConfig
from node.p2p.network import Incoming, Topic
from tests.kit.bridge.vault_chain import FOUR, NETWORK, Signers, make_header, make_signers
from tests.kit.clearing.genesis import make_genesis
from tests.kit.refusals import refused

NEXT = make_signers((1, 1, 1, 1), b"next")
STRANGERS = make_signers((1, 1), b"strangers")
SETS = {signers.validators.hash: signers.validators for signers in (FOUR, NEXT)}
CHAIN = 31337
GENESIS = msgspec.structs.replace(
    make_genesis(), chains=(ChainTerms(CHAIN, "chain", b"\x01" * 20, 4, heartbeat_ms_max=0),)
)


def header(height: int, *, of: Signers = FOUR, **changes: Any) -> Header:
    """Each tells of other withdrawals than the last, and comes a second later."""
    stated = {"time_ms": height * INTERVAL_MS, "withdrawals_root": sha256(b"%d" % height)}
    return make_header(of, height, **stated | changes)


def node_of(
    folder: Path, index: int = 0, profile: str = "evm-ecdsa", on_conflict: Callable[[Conflict], object] = id
) -> HeaderSignatures:
    config = ChainConfig(chain_id=CHAIN, name="chain", endpoints=("http://127.0.0.1:1",), profile=profile)
    secret, configs = FOUR.evm_secrets[index], {CHAIN: config}
    made = HeaderSignatures(folder / f"signed-{index}", NETWORK, secret, SETS.get, configs, on_conflict)
    made.follow(GENESIS)
    return made


def signature(of: Header, index: int, signers: Signers = FOUR) -> HeaderSignature:
    return HeaderSignature(of, secp256k1.sign_digest(signers.evm_secrets[index], header_digest(of)))


async def signed(node: HeaderSignatures, *headers: Header) -> list[int]:
    """The heights that it signs of these final headers."""
    for each in headers:
        node.decided(each)
    return [made.header.height for made in await node.sign_wanted()]


async def test_a_quorums_signatures_make_a_certificate(tmp_path: Path) -> None:
    final, relayer = header(7), node_of(tmp_path, 3)
    for index in range(3):
        assert relayer.certified(7) is None
        node = node_of(tmp_path, index)
        node.decided(final)
        (made,) = await node.sign_wanted()
        assert relayer.learn(made)
        assert not relayer.learn(made)
    found = relayer.certified(7)
    assert found is not None
    certified, certificate = found
    assert certified == final
    assert certificate == relayer.certificate(final)
    verify_ecdsa_certificate(final, certificate, FOUR.validators)  # type: ignore[arg-type]
    assert relayer.certified(6) is None


async def test_no_two_headers_of_one_height_are_signed_not_even_after_a_restart(tmp_path: Path) -> None:
    assert await signed(node_of(tmp_path), header(7)) == [7]
    again = node_of(tmp_path)
    other = header(7, next_validators_hash=NEXT.validators.hash)
    assert await signed(again, other, header(6, next_validators_hash=NEXT.validators.hash)) == []
    assert await signed(again, header(8)) == [8]
    assert (tmp_path / "signed-0").stat().st_mode & 0o777 == 0o600


def test_a_spoilt_file_of_what_was_signed_lets_nothing_be_signed(tmp_path: Path) -> None:
    (tmp_path / "signed-0").write_bytes(b"\x91")
    with pytest.raises(LocalFault):
        node_of(tmp_path)


async def test_each_header_is_signed_by_the_key_that_its_set_lists(tmp_path: Path) -> None:
    """During a rotation both keys are at hand; a header that is signed by one is not signed by the other."""
    node = node_of(tmp_path)
    node.add_secret(NEXT.evm_secrets[0])
    for each in (header(7), header(8, of=NEXT)):
        node.decided(each)
    first, second = await node.sign_wanted()
    assert (first, second) == (signature(header(7), 0), signature(header(8, of=NEXT), 0, NEXT))
    again = node_of(tmp_path)
    again.add_secret(NEXT.evm_secrets[0])
    assert await signed(again, header(8), header(8, of=NEXT), header(8, of=NEXT, time_ms=1)) == []


async def test_only_what_tells_a_vault_something_is_signed_and_at_most_once_a_second(tmp_path: Path) -> None:
    first = header(1)
    same = {"withdrawals_root": first.withdrawals_root}
    soon = {"time_ms": INTERVAL_MS + 1}
    cases = {
        "the first": (first, [1]),
        "the time only": (header(2, **same), []),
        "withdrawals, too soon": (header(3, **soon), []),
        "the next set, however soon": (header(4, next_validators_hash=NEXT.validators.hash, **same, **soon), [4]),
        "withdrawals": (header(5), [5]),
        "exits": (header(6, withdrawals_root=header(5).withdrawals_root, exit_root=sha256(b"exit")), [6]),
    }
    node = node_of(tmp_path)
    assert {name: await signed(node, each) for name, (each, _) in cases.items()} == {
        name: heights for name, (_, heights) in cases.items()
    }


async def test_who_is_not_in_the_set_or_has_no_such_vault_signs_nothing(tmp_path: Path) -> None:
    assert await signed(node_of(tmp_path), header(1, of=NEXT), header(2, of=STRANGERS)) == []
    assert await signed(node_of(tmp_path, 1, "evm"), header(1)) == []


def test_what_no_validator_signed_is_refused_by_its_code(tmp_path: Path) -> None:
    node, good = node_of(tmp_path), signature(header(1), 0)
    high = good.signature[:32] + (secp256k1.ORDER - int.from_bytes(good.signature[32:64], "big")).to_bytes(32, "big")
    lies = {
        "another network": (signature(header(1, network=sha256(b"x")), 0), BaseCode.WRONG_NETWORK),
        "an unknown set": (signature(header(1, of=STRANGERS), 0, STRANGERS), BaseCode.WRONG_VALIDATOR_SET),
        "a stranger": (signature(header(1), 0, STRANGERS), BaseCode.BAD_SIGNATURE),
        "another header": (HeaderSignature(header(2), good.signature), BaseCode.BAD_SIGNATURE),
        "a high s": (HeaderSignature(header(1), high + bytes([55 - good.signature[64]])), BaseCode.BAD_SIGNATURE),
        "zeros": (HeaderSignature(header(1), bytes(65)), BaseCode.BAD_SIGNATURE),
    }
    for lie, code in lies.values():
        with refused(code):
            node.learn(lie)
    assert not node._of


def test_a_liars_other_headers_take_no_honest_ones_place_and_make_no_certificate(tmp_path: Path) -> None:
    node, false = node_of(tmp_path), header(1, payload_root=sha256(b"false"))
    assert node.learn(signature(false, 0))
    for number in range(2 * OF_HEIGHT_MAX):
        node.learn(signature(header(1, payload_root=sha256(b"%d" % number)), 0))
    assert len(node._of[FOUR.validators.validators[0].evm_address][1]) == OF_HEIGHT_MAX
    for index in (1, 2):
        assert node.learn(signature(header(1), index))
    assert node.certified(1) is None
    assert node.learn(signature(header(1), 3))
    assert node.certified(1) == (header(1), node.certificate(header(1)))
    assert node.certificate(false) is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_two_headers_of_one_height_that_quorums_signed_are_a_conflict(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Whoever signs last: liars, or an honest validator who signed one of them."""
    found: list[Conflict] = []
    node, other = node_of(tmp_path, on_conflict=found.append), header(1, payload_root=sha256(b"other"))
    both = [(header(1), (0, 1, 2)), (other, (1, 2, 3))]
    for each, indices in both if order[0] == 0 else both[::-1]:
        for index in [indices[place] for place in order]:
            assert not found
            assert node.learn(signature(each, index))
    (conflict,) = found
    assert conflict.scheme is CertificateScheme.ECDSA
    check_conflict(conflict, SETS.get, NETWORK)
    assert {each.header.hash for each in (conflict.first, conflict.second)} == {header(1).hash, other.hash}
    assert node.certified(1, lambda each: each == other) == (other, node.certificate(other))


def test_of_each_validator_the_newest_and_the_newest_rotation_are_kept(tmp_path: Path) -> None:
    node, rotating = node_of(tmp_path), header(3, next_validators_hash=NEXT.validators.hash)
    for index in range(4):
        for each in (header(1), header(2), rotating, *map(header, range(4, 30))):
            node.learn(signature(each, index))
    assert {len(kept) for kept in node._of.values()} == {KEPT_MAX + 1}
    assert node.certificate(rotating) is not None
    assert node.certificate(header(2)) is None
    assert not node.learn(signature(header(2), 0))


def test_the_number_of_signers_is_bounded_and_former_ones_go_first(tmp_path: Path) -> None:
    node = node_of(tmp_path)
    for height in range(1, SIGNERS_MAX + 50):
        node._keep(sha256(b"%d" % height)[:20], signature(header(height), 0))
    assert len(node._of) == SIGNERS_MAX
    assert sha256(b"1")[:20] not in node._of


async def test_how_far_the_collection_is_shows_until_a_quorum_signed_what_all_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=100.0)
    monkeypatch.setattr("node.chains.header_signatures.time", clock)
    node = node_of(tmp_path)
    assert node.collection() == SignatureCollection(0, 0, 0, 0, 0.0)
    for height in (1, 2, 3):
        await signed(node, header(height))
        clock.now += 10
    assert node.collection() == SignatureCollection(3, 1, 4, 0, 30.0)
    for index in (1, 2):
        node.learn(signature(header(2), index))
    assert node.collection() == SignatureCollection(3, 1, 4, 2, 10.0)
    for index in (1, 2, 3):
        node.learn(signature(header(3), index))
    clock.now += 1_000
    assert node.collection() == SignatureCollection(3, 4, 4, 3, 0.0), "a network that has nothing to sign is not stale"
    assert node_of(tmp_path, 1, "evm").collection() is None


async def test_a_header_beside_which_a_vault_took_another_is_signed_however_old_it_is(tmp_path: Path) -> None:
    own, nodes = header(3, withdrawals_root=header(2).withdrawals_root), [node_of(tmp_path, each) for each in range(3)]
    for node in nodes:
        assert await signed(node, header(2), *map(header, range(4, 4 + 2 * KEPT_MAX)))
    for node in nodes:
        node.dispute([own])
        (made,) = await node.sign_wanted()
        assert made.header == own
        assert await node.sign_wanted() == []
        nodes[0].learn(made)
    for height in range(100, 100 + 2 * KEPT_MAX):
        for index in range(4):
            nodes[0].learn(signature(header(height), index))
    certificate = nodes[0].certificate(own)
    assert certificate is not None
    verify_ecdsa_certificate(own, certificate, FOUR.validators)
    again = node_of(tmp_path)
    again.dispute([header(3, payload_root=sha256(b"other"))])
    assert await again.sign_wanted() == [], "never two of one height"


async def test_disputed_headers_are_bounded_and_none_is_signed_without_a_vault_that_needs_it(tmp_path: Path) -> None:
    node = node_of(tmp_path)
    for height in range(1, 2 * DISPUTED_MAX):
        node.dispute([header(height)])
        await node.sign_wanted()
    assert len(node._answers) == DISPUTED_MAX
    idle = node_of(tmp_path, 1, "evm")
    idle.dispute([header(3)])
    assert await idle.sign_wanted() == []


async def test_what_becomes_final_is_published_and_the_newest_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.chains.header_signatures.PUBLISH_SECONDS", 0.01)
    send, published = trio.open_memory_channel[tuple[Topic, bytes]](100)
    network: Any = SimpleNamespace(publish=lambda topic, data: send.send_nowait((topic, data)))
    node = node_of(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.run, network)
        node.decided(header(1))
        found = [await published.receive() for _ in range(3)]
        nursery.cancel_scope.cancel()
    assert found == [(Topic.CHECKPOINTS, encode(signature(header(1), 0)))] * 3


def test_gossip_is_of_the_type_and_size(tmp_path: Path) -> None:
    good = encode(signature(header(1), 0))
    assert valid_header_signature(Incoming(b"", good))
    long = msgspec.structs.replace(header(1), module_roots=(bytes(32),) * 300)
    for data in (b"", good[:-1], good + b"\0", encode(signature(long, 0))):
        assert not valid_header_signature(Incoming(b"", data))
