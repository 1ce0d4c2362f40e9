"""Rules of a signer in a process of its own: who may ask, what is signed twice, and what silence costs."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base import bls, ed25519
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault
from consensus.codes import ConsensusCode
from consensus.messages import Extension, extension_digest, proposal_digest
from member.codes import NodeCode
from node.signer import channel as channels
from node.signer.channel import (
    Answer,
    Request,
    RequestKind,
    SignerHello,
    address_of,
    dial,
    listen,
    open_as_node,
    open_as_signer,
)
from node.signer.local import LocalSigner
from node.signer.remote import RemoteSigner
from node.signer.server import CONNECTIONS_MAX, SignerServer
from node.signer.sign_state import SignedStep, SignGuard, SignStateFile
from tests.kit.consensus.crypto import secrets_of, validator_set
from tests.kit.refusals import refused

NETWORK = bytes(range(32))
SET = validator_set(4)
ENVELOPE, BLS = secrets_of(4)[0]
BLS_KEY = bls.public_key(BLS)
SIGNER_LINK, NODE_LINK, STRANGER = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
V, W = b"v" * 32, b"w" * 32
SECONDS = 20.0
"""Far more than anything takes: a limit that is reached is a failure."""


@contextmanager
def serving(folder: Path, address: str = "tcp:127.0.0.1:0") -> Iterator[tuple[str, SignStateFile]]:
    """A signer with its keys; gives where it listens."""
    guard = SignStateFile(folder / "signer-state")
    listener = listen(address)
    server = SignerServer(listener, NETWORK, SIGNER_LINK, [ed25519.public_key(NODE_LINK)], ENVELOPE, BLS, guard)
    thread = threading.Thread(target=server.run)
    where = address_of(listener)
    thread.start()
    try:
        yield where, guard
    finally:
        server.close()
        thread.join()
        guard.close()


@contextmanager
def asking(
    address: str,
    guard: SignGuard | None = None,
    link: bytes = NODE_LINK,
    network: bytes = NETWORK,
    signer: bytes = SIGNER_LINK,
    timeout_s: float = SECONDS,
    connected: bool = True,
) -> Iterator[RemoteSigner]:
    """A node's signer, by default once it has found the process."""
    remote = RemoteSigner(
        address, ed25519.public_key(signer), link, network, ENVELOPE, BLS_KEY, guard or SignGuard(), timeout_s
    )
    remote.start()
    try:
        assert not connected or remote.wait_connected(SECONDS)
        yield remote
    finally:
        remote.close()


def prevote(signer: RemoteSigner, height: int, round_: int, value: bytes) -> bytes:
    return signer.sign_vote(SET.hash, VoteKind.PREVOTE, height, round_, value)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_what_the_remote_signer_signs_is_what_a_local_one_would(tmp_path: Path, kind: str) -> None:
    local = LocalSigner(NETWORK, ENVELOPE, BLS, SignGuard())
    extension = Extension(time_ms=5, data=b"x" * 4096)
    address = "tcp:127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path}/signer.socket"
    with serving(tmp_path, address) as (where, _), asking(where) as remote:
        for signer in (local, remote):
            assert signer.envelope_key == SET.validators[0].envelope_key
        proposal = remote.sign_proposal(SET.hash, 1, 0, -1, V)
        assert proposal == local.sign_proposal(SET.hash, 1, 0, -1, V)
        assert ed25519.verify(local.envelope_key, proposal_digest(NETWORK, SET.hash, 1, 0, -1, V), proposal)
        share = remote.sign_vote(SET.hash, VoteKind.PRECOMMIT, 1, 0, V)
        digest = vote_digest(NETWORK, SET.hash, VoteKind.PRECOMMIT, 1, 0, V)
        assert bls.verify_aggregate([BLS_KEY], digest, share)
        assert share == local.sign_vote(SET.hash, VoteKind.PRECOMMIT, 1, 0, V)
        said = remote.sign_extension(SET.hash, 1, 0, V, extension)
        assert ed25519.verify(local.envelope_key, extension_digest(NETWORK, SET.hash, 1, 0, V, extension), said)
        if kind == "unix":
            assert (tmp_path / "signer.socket").stat().st_mode & 0o777 == 0o600


def test_the_same_step_is_signed_again_in_the_same_bytes_after_a_restart_of_both(tmp_path: Path) -> None:
    signed = []
    for _ in range(2):
        with serving(tmp_path) as (where, guard), asking(where) as remote:
            signed.append(prevote(remote, 3, 1, V))
            assert guard.last == SignedStep(3, 1, 1)
    assert signed[0] == signed[1]


def test_two_nodes_of_one_signer_never_get_two_values_for_one_step(tmp_path: Path) -> None:
    """A standby that starts too early has no guard of what the first one signed; the signer has."""
    with serving(tmp_path) as (where, _), asking(where) as first, asking(where) as second:
        share = prevote(first, 9, 0, V)
        for value in (W, bytes(32)):
            with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
                prevote(second, 9, 0, value)
        with pytest.raises(LocalFault):
            second.sign_proposal(SET.hash, 9, 0, -1, V)
        assert prevote(first, 9, 0, V) == share, "a refusal ends no channel"
        assert second.silences == 0


def test_no_vote_is_cast_with_another_key_than_the_set_lists(tmp_path: Path) -> None:
    """A set may come to list another key while node and signer run: a share by the old one would be a proof."""
    with serving(tmp_path) as (address, _), asking(address) as remote:
        remote.listed_key = {SET.hash: BLS_KEY, W: SET.validators[1].bls_key}.get
        assert prevote(remote, 7, 0, V)
        with refused(NodeCode.VOTE_KEY_NOT_LISTED, LocalFault):
            remote.sign_vote(W, VoteKind.PREVOTE, 8, 0, V)
        assert remote.sign_vote(V, VoteKind.PREVOTE, 9, 0, V), "a set that is not known here"


def test_a_signer_votes_with_the_key_that_the_set_lists_and_with_no_other_of_a_step(tmp_path: Path) -> None:
    """Both keys are at hand during a rotation, and one guard counts for both."""
    rotated = secrets_of(4)[1][1]
    guard = SignStateFile(tmp_path / "state")
    listener = listen("tcp:127.0.0.1:0")
    server = SignerServer(listener, NETWORK, SIGNER_LINK, [ed25519.public_key(NODE_LINK)], ENVELOPE, BLS, guard)
    server.add_vote_key(rotated)
    thread = threading.Thread(target=server.run)
    thread.start()
    listed = {SET.hash: BLS_KEY, W: bls.public_key(rotated), V: SET.validators[2].bls_key}
    try:
        with asking(address_of(listener)) as remote:
            remote.listed_key = listed.get
            assert server.last_vote_key == b""
            for at, (of_set, key) in enumerate(((SET.hash, BLS_KEY), (W, bls.public_key(rotated))), 3):
                share = remote.sign_vote(of_set, VoteKind.PRECOMMIT, at, 0, V)
                assert bls.verify_aggregate([key], vote_digest(NETWORK, of_set, VoteKind.PRECOMMIT, at, 0, V), share)
                assert server.last_vote_key == key
            with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
                remote.sign_vote(SET.hash, VoteKind.PRECOMMIT, 4, 0, V)
            with refused(NodeCode.VOTE_KEY_NOT_LISTED, LocalFault):
                remote.sign_vote(V, VoteKind.PRECOMMIT, 5, 0, V)
    finally:
        server.close()
        thread.join()
        guard.close()


def test_what_the_nodes_own_guard_refuses_is_not_asked(tmp_path: Path) -> None:
    own = SignGuard(SignedStep(5, 0, 1), V)
    with serving(tmp_path) as (where, guard), asking(where, own) as remote:
        with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
            prevote(remote, 4, 0, V)
        assert guard.last == SignedStep()


def test_no_signer_is_silence_at_once_and_its_return_is_noticed(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/signer.socket"
    with asking(address, connected=False) as remote:
        with refused(NodeCode.SIGNER_SILENT, LocalFault):
            prevote(remote, 1, 0, V)
        shares = []
        for _ in range(2):
            with serving(tmp_path, address):
                assert remote.wait_connected(SECONDS)
                shares.append(prevote(remote, 1, 0, V))
            with refused(NodeCode.SIGNER_SILENT, LocalFault):
                prevote(remote, 1, 0, V)
            assert not remote.connected
        assert shares[0] == shares[1], "a step asked for again is the same step"
        assert remote.silences == 3


def test_a_signer_that_hangs_costs_one_timeout_and_then_none(tmp_path: Path) -> None:
    listener = listen("tcp:127.0.0.1:0")
    asked = threading.Event()

    def hang() -> None:
        link, _ = listener.accept()
        with link:
            channel, _ = open_as_signer(link, SIGNER_LINK, lambda _: True, SECONDS)
            hello = channel.receive(SECONDS)
            assert hello
            # A peer that says hello rightly may still hang at the first vote: play the true signer's answer back.
            channel.send(_hello_answer(hello), SECONDS)
            channel.receive(SECONDS)
            asked.wait(SECONDS)

    thread = threading.Thread(target=hang)
    thread.start()
    with asking(address_of(listener), timeout_s=0.05) as remote:
        for _ in range(2):
            with refused(NodeCode.SIGNER_SILENT, LocalFault) as caught:
                prevote(remote, 1, 0, V)
        assert "not connected" in str(caught.value)
        asked.set()
        thread.join()
        listener.close()


def _hello_answer(request: bytes) -> bytes:
    hello = SignerHello(network=NETWORK, envelope_key=SET.validators[0].envelope_key, vote_keys=(BLS_KEY,))
    return encode(Answer(number=decode(request, Request).number, code=0, data=encode(hello)))


@pytest.mark.parametrize("who", ["a stranger as node", "a stranger as signer", "another network"])
def test_whoever_is_not_named_gets_nothing(tmp_path: Path, who: str) -> None:
    with serving(tmp_path) as (where, guard):
        link = STRANGER if who == "a stranger as node" else NODE_LINK
        signer = STRANGER if who == "a stranger as signer" else SIGNER_LINK
        network = bytes(32) if who == "another network" else NETWORK
        with asking(where, link=link, signer=signer, network=network, connected=False) as remote:
            while not remote.attempts:
                assert not remote.connected
                threading.Event().wait(0.01)
            assert not remote.connected
            with refused(NodeCode.SIGNER_SILENT, LocalFault):
                prevote(remote, 1, 0, V)
        assert guard.last == SignedStep()


HANDSHAKE_BYTES = 2 * (8 + 32) + 2 * (4 + 32 + 64 + 16)
MESSAGE = b"sign this"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, HANDSHAKE_BYTES + 60), st.integers(0, 7))
def test_a_changed_byte_anywhere_in_the_handshake_opens_no_channel(at: int, bit: int) -> None:
    """The man between flips one bit of what either end sends."""
    node_end, node_side = socket.socketpair()
    signer_end, signer_side = socket.socketpair()
    received: list[bytes] = []
    changed = at < HANDSHAKE_BYTES + 4 + 16 + len(MESSAGE)
    limit = 0.5 if changed else SECONDS  # a longer length makes its reader wait

    def signer() -> None:
        with signer_end, suppress(LocalFault):
            channel, _ = open_as_signer(signer_end, SIGNER_LINK, {ed25519.public_key(NODE_LINK)}.__contains__, limit)
            received.append(channel.receive(limit))

    def pass_on() -> None:
        seen = 0
        links = {node_side: signer_side, signer_side: node_side}
        with node_side, signer_side, suppress(OSError):  # either end hung up
            while ready := select.select(list(links), [], [], limit)[0]:
                for link in ready:
                    data = bytearray(link.recv(4096))
                    if not data:
                        return
                    if seen <= at < seen + len(data):
                        data[at - seen] ^= 1 << bit
                    seen += len(data)
                    links[link].sendall(data)

    threads = [threading.Thread(target=signer), threading.Thread(target=pass_on)]
    for thread in threads:
        thread.start()
    with node_end, suppress(LocalFault):
        channel = open_as_node(node_end, NODE_LINK, ed25519.public_key(SIGNER_LINK), limit)
        channel.send(MESSAGE, limit)
        node_end.shutdown(socket.SHUT_WR)
    for thread in threads:
        thread.join()
    assert received == ([] if changed else [MESSAGE])


@pytest.mark.parametrize("repeat", [True, False])
def test_a_frame_that_is_repeated_or_left_out_ends_the_channel(repeat: bool) -> None:
    node_end, signer_end = socket.socketpair()
    accepted: list[channels.SignerChannel] = []
    thread = threading.Thread(
        target=lambda: accepted.append(open_as_signer(signer_end, SIGNER_LINK, lambda _: True, SECONDS)[0])
    )
    thread.start()
    channel = open_as_node(node_end, NODE_LINK, ed25519.public_key(SIGNER_LINK), SECONDS)
    thread.join()
    with node_end, signer_end:
        if repeat:
            channel.send(b"one", SECONDS)
            channel._sent -= 1  # as if the same frame came twice
            assert accepted[0].receive(SECONDS) == b"one"
        else:
            channel._sent += 1
        channel.send(b"one", SECONDS)
        with refused(NodeCode.SIGNER_CHANNEL, LocalFault):
            accepted[0].receive(SECONDS)


@pytest.mark.parametrize("bad", [b"", b"GET / HTTP/1.1\r\n\r\n" * 9, bytes(300), b"XCSL0001" + bytes(32)])
def test_nonsense_ends_its_own_connection_only(tmp_path: Path, bad: bytes) -> None:
    with serving(tmp_path) as (where, _):
        _, host, port = where.split(":")
        with socket.create_connection((host, int(port))) as link:
            link.sendall(bad)
            with suppress(OSError):  # it may have hung up already
                link.shutdown(socket.SHUT_WR)
            link.settimeout(SECONDS)
            with suppress(ConnectionResetError):
                while link.recv(4096):
                    pass
        with asking(where) as remote:
            assert prevote(remote, 1, 0, V)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff" * 100,
        encode(Request(number=1, kind=RequestKind.VOTE, body=b"")),
        encode(Request(number=1, kind=RequestKind.VOTE, body=b"\x90")),
        encode(Request(number=1, kind=RequestKind.PROPOSAL, body=b"\xff" * 4000)),
        encode(Request(number=1, kind=RequestKind.EXTENSION, body=b"[" * 4000)),
    ],
)
def test_nonsense_of_an_allowed_node_signs_nothing_and_ends_its_channel(tmp_path: Path, said: bytes) -> None:
    with serving(tmp_path) as (where, guard):
        link = dial(where, SECONDS)
        with open_as_node(link, NODE_LINK, ed25519.public_key(SIGNER_LINK), SECONDS) as channel:
            channel.send(said, SECONDS)
            with pytest.raises(LocalFault) as closed:
                channel.receive(SECONDS)
        assert closed.value.code is NodeCode.SIGNER_SILENT
        assert guard.last == SignedStep()


def test_connections_beyond_the_limit_are_turned_away_and_make_room_when_they_end(tmp_path: Path) -> None:
    with serving(tmp_path) as (where, _):
        held = [
            open_as_node(dial(where, SECONDS), NODE_LINK, ed25519.public_key(SIGNER_LINK), SECONDS)
            for _ in range(CONNECTIONS_MAX)
        ]
        with dial(where, SECONDS) as link, pytest.raises(LocalFault):
            open_as_node(link, NODE_LINK, ed25519.public_key(SIGNER_LINK), SECONDS)
        for channel in held:
            channel.close()
        with asking(where) as remote:
            assert remote.connected


def test_a_socket_path_in_use_is_not_taken_over_and_one_left_behind_is(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/signer.socket"
    first = listen(address)
    with refused(NodeCode.CONFIG_VALUE, LocalFault):
        listen(address)
    first.close()  # as a process that died: the file stays
    assert (tmp_path / "signer.socket").exists()
    listen(address).close()


@pytest.mark.parametrize("address", ["", "unix:", "tcp:host", "tcp:host:port", "tcp:1.2.3.4:99999", "http://x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with refused(NodeCode.CONFIG_VALUE, LocalFault):
        listen(address)


def test_a_node_that_is_never_idle_learns_of_the_next_key(tmp_path: Path) -> None:
    """Proposals and votes go on all the time, and a set lists the next key: the node asks the signer for it at once."""
    rotated = secrets_of(4)[1][1]
    guard = SignStateFile(tmp_path / "state")
    listener = listen("tcp:127.0.0.1:0")
    server = SignerServer(listener, NETWORK, SIGNER_LINK, [ed25519.public_key(NODE_LINK)], ENVELOPE, BLS, guard)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with asking(address_of(listener)) as remote:
            remote.listed_key = {W: bls.public_key(rotated)}.get
            server.add_vote_key(rotated)
            height = 1
            while server.last_vote_key != bls.public_key(rotated):
                remote.sign_proposal(W, height, 0, -1, V)
                with suppress(LocalFault):
                    remote.sign_vote(W, VoteKind.PREVOTE, height, 0, V)
                height += 1
                threading.Event().wait(0.05)
    finally:
        server.close()
        thread.join()
        guard.close()
