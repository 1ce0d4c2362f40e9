"""A validator whose keys are in another process: set up by the commands, and no height is lost but while it is away."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from clearing.base import bls, ed25519
from clearing.base.certificate import VoteKind, signer_indices, vote_digest
from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from clearing.schema.terms.genesis import Genesis
from cli.main import run
from consensus.blocks.store import load_committed
from consensus.codes import ConsensusCode
from devnet.testnet import create_testnet
from member.codes import NodeCode
from member.keys.key_folder import KeyKind, list_keys, read_key, write_key
from member.keys.keystore import Strength
from member.keys.secret_files import write_secret
from node.config import SignerConfig
from node.signer.home import open_server
from node.signer.local import LocalSigner
from node.signer.node_keys import node_signer, open_node_keys
from node.signer.remote import RemoteSigner
from node.signer.sign_state import SignedStep, SignGuard, SignStateFile
from tests.kit.clearing.genesis import make_genesis
from tests.kit.consensus.crypto import VALIDATORS, secrets_of
from tests.kit.consensus.engines import NETWORK, Peer, reach, running
from tests.kit.node.memory_network import Hub
from tests.kit.node.station import MARKET
from tests.kit.refusals import refused

SECONDS = 60.0


def signer_home(folder: Path, node_link: bytes, secrets: tuple[bytes, int], address: str, network: bytes) -> Path:
    """Move one validator's keys into a signer's home, as an operator does."""
    home = folder / "signer"
    home.mkdir(mode=0o700)
    write_secret(home / "password", b"secret words\n")
    envelope, bls_secret = secrets
    for name, kind, secret in (
        ("validator", KeyKind.BLS, bls_secret.to_bytes(32, "big")),
        ("envelope", KeyKind.ED25519, envelope),
    ):
        write_key(home, name, kind, secret, "secret words", Strength.DEVNET)
    arguments = ["--home", str(home), "--network", network.hex(), "--listen", address, "--devnet"]
    arguments += ["--allow", ed25519.public_key(node_link).hex()]
    assert run(["signer", "init", *arguments]) == 7, "nobody says what the key has signed"
    assert not (home / "signer-state").exists()
    assert run(["signer", "init", *arguments, "--signed-to", "0"]) == 0
    return home


def link_key(home: Path) -> bytes:
    return next(bytes.fromhex(each.public) for each in list_keys(home) if each.name == "link")


def start_process(home: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "signer", "start", "--home", str(home)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("signing at ")
    return process


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    process.communicate()
    return process.returncode


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signer_process_starts_signs_once_a_home_and_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: int
) -> None:
    secrets = secrets_of(4)[0]
    home = signer_home(tmp_path, b"\1" * 32, secrets, f"unix:{tmp_path}/socket", NETWORK)
    process = start_process(home)
    try:
        capsys.readouterr()
        assert run(["signer", "start", "--home", str(home)]) == 7, "the home is in use"
        assert "R0520" in capsys.readouterr().err
        remote = RemoteSigner(
            f"unix:{tmp_path}/socket", link_key(home), b"\1" * 32, NETWORK, secrets[0], b"", SignGuard(), SECONDS
        )
        remote.start()
        assert remote.wait_connected(SECONDS)
        local = LocalSigner(NETWORK, *secrets, SignGuard())
        proposal = (VALIDATORS.hash, 1, 0, -1, b"v" * 32)
        assert remote.sign_proposal(*proposal) == local.sign_proposal(*proposal)
        remote.close()
    finally:
        assert stop(process, ending) == 0
    assert (home / "signer-state").stat().st_mode & 0o777 == 0o600


def test_a_running_signer_takes_up_its_next_key_and_retires_the_old_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = secrets_of(4)[0]
    home = signer_home(tmp_path, b"\1" * 32, secrets, f"unix:{tmp_path}/socket", NETWORK)
    old = VALIDATORS.validators[0].bls_key
    for next_key in ("", "again"):
        process = start_process(home)
        try:
            capsys.readouterr()
            assert run(["signer", "rotate", "--home", str(home), "--output", "json"]) == 0
            new = bytes.fromhex(json.loads(capsys.readouterr().out)["validator"])
            assert new != old
            link = f"unix:{tmp_path}/socket", link_key(home), b"\1" * 32
            remote = RemoteSigner(*link, NETWORK, secrets[0], old, SignGuard(), SECONDS)
            remote.start()
            try:
                assert remote.wait_connected(SECONDS)
                height = 3 if next_key else 1
                for at, key in ((height, old), (height + 1, new)):
                    remote.listed_key = {VALIDATORS.hash: key}.get
                    share = vote_once_at_hand(remote, at)
                    digest = vote_digest(NETWORK, VALIDATORS.hash, VoteKind.PREVOTE, at, 0, b"v" * 32)
                    assert bls.verify_aggregate([key], digest, share)
            finally:
                remote.close()
            retired = home / "keys" / f"validator-retired-{old.hex()[:16]}.json"
            while not retired.exists() or (home / "keys" / "validator-next.json").exists():
                threading.Event().wait(0.05)
        finally:
            assert stop(process) == 0
        old = new


def vote_once_at_hand(remote: RemoteSigner, height: int) -> bytes:
    """The share, once the node has heard of the signer's keys: it asks every few seconds."""
    while True:
        try:
            return remote.sign_vote(VALIDATORS.hash, VoteKind.PREVOTE, height, 0, b"v" * 32)
        except LocalFault as fault:
            assert fault.code is NodeCode.VOTE_KEY_NOT_LISTED
            threading.Event().wait(0.1)


def test_a_signers_home_is_never_overwritten_and_never_without_its_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = signer_home(tmp_path, b"\1" * 32, secrets_of(4)[0], f"unix:{tmp_path}/socket", NETWORK)
    again = ["--home", str(home), "--network", NETWORK.hex(), "--listen", "unix:x", "--allow", "ab" * 32]
    assert run(["signer", "init", *again]) == 7
    for lost in (Path.unlink, Path.touch):
        lost(home / "signer-state")
        assert run(["signer", "start", "--home", str(home)]) == 7
        assert "R0816" in capsys.readouterr().err


def test_an_imported_voting_key_signs_nothing_up_to_the_height_that_is_said(tmp_path: Path) -> None:
    home = tmp_path / "signer"
    home.mkdir(mode=0o700)
    write_secret(home / "password", b"secret words\n")
    write_key(home, "validator", KeyKind.BLS, (7).to_bytes(32, "big"), "secret words", Strength.DEVNET)
    arguments = ["--home", str(home), "--network", NETWORK.hex(), "--listen", "unix:x", "--allow", "ab" * 32]
    assert run(["signer", "init", *arguments, "--devnet", "--signed-to", "9"]) == 0
    with closing(SignStateFile(home / "signer-state")) as guard:
        with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
            guard.advance(SignedStep(9, 5, 2), b"d" * 32)
        guard.advance(SignedStep(10, 0, 0), b"d" * 32)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--network", "12", "--listen", "unix:x", "--allow", "ab" * 32], 3),
        (["--network", "ab" * 32, "--listen", "unix:x", "--allow", "zz"], 3),
        (["--network", "ab" * 32, "--listen", "unix:x"], 2),
    ],
)
def test_a_signers_settings_are_checked_before_anything_is_made(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    assert run(["signer", "init", "--home", str(tmp_path / "s"), *arguments]) == code
    assert not (tmp_path / "s").exists()


async def test_a_network_decides_with_one_remote_signer_and_beyond_its_absence(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Validator 0 asks a signer that is there, then away, then there again: the others never wait, it votes again."""
    link, address = b"\1" * 32, f"unix:{tmp_path}/socket"
    home = signer_home(tmp_path, link, secrets_of(4)[0], address, NETWORK)
    hub = Hub(delay=lambda _, __: 0.003)
    peers = [Peer(index, tmp_path / str(index), hub) for index in range(4)]
    # Heights pass in no time here, and answers take real time: one that is late must not be told from one who is away.
    bls_key = VALIDATORS.validators[0].bls_key
    remote = RemoteSigner(address, link_key(home), link, NETWORK, secrets_of(4)[0][0], bls_key, SignGuard(), SECONDS)
    remote.start()
    peers[0].signer = remote
    store = peers[1].store

    def signed_by_us(first: int) -> int:
        found = [load_committed(store, height) for height in range(first, store.height() + 1)]
        return sum(0 in signer_indices(each.certificate.signers) for each in found if each is not None)

    async with running(()) as nursery:
        with open_server(home) as (server, *_):
            await serve(server.run, remote)
            for peer in peers:
                await nursery.start(peer.run)
            await reach(peers, 6)
            assert signed_by_us(1) > 0
        away = peers[0].store.height()
        await reach(peers, away + 6)
        assert remote.silences > 0
        assert signed_by_us(away + 3) == 0
        with open_server(home) as (server, *_):
            await serve(server.run, remote)
            back = peers[0].store.height() + 2
            await reach(peers, back + 12)
            assert signed_by_us(back) > 0
            remote.close()


async def serve(server: object, remote: RemoteSigner) -> None:
    """Run the server in a thread of its own, and wait until the node has found it."""
    threading.Thread(target=server, daemon=True).start()  # type: ignore[arg-type]
    assert remote.wait_connected(SECONDS)


def test_a_node_with_a_remote_signer_does_not_open_the_voting_key(tmp_path: Path) -> None:
    def build(validators: ValidatorSet) -> Genesis:
        return msgspec.structs.replace(make_genesis(MARKET), validators=validators)

    made = create_testnet(tmp_path / "net", build, validators=1, devnet=True, seed=5)
    home, config = made.nodes[0].home, made.nodes[0].config
    (home / "keys" / "validator.json").rename(tmp_path / "moved.json")
    with refused(NodeCode.KEY_MISSING, LocalFault):
        open_node_keys(home, home / "password", allow_weak=True)
    keys = open_node_keys(home, home / "password", allow_weak=True, signs=False)
    assert keys.validator == 0
    remote_config = msgspec.structs.replace(config, signer=SignerConfig(address=f"unix:{tmp_path}/none"))
    named = msgspec.structs.replace(remote_config, signer=SignerConfig(address=f"unix:{tmp_path}/none", key="ab" * 32))
    for unfinished, code in ((remote_config, NodeCode.CONFIG_MISSING), (named, NodeCode.KEY_MISSING)):
        with (
            refused(code, LocalFault),
            node_signer(unfinished, made.network, made.genesis.validators, keys, SignGuard()),
        ):
            pass
    password = (home / "password").read_text().strip()
    write_key(home, "signer-link", KeyKind.ED25519, b"\1" * 32, password, Strength.DEVNET)
    assert read_key(home, "signer-link", KeyKind.ED25519, password, allow_weak=True) == b"\1" * 32
    with node_signer(named, made.network, made.genesis.validators, keys, SignGuard()) as signer:
        assert isinstance(signer, RemoteSigner)
        assert signer.envelope_key == made.genesis.validators.validators[0].envelope_key
