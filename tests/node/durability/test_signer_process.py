"""A validator whose keys are in another process: set up by the commands, and no height is lost but while it is away."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from clearing.base import ed25519
from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from clearing.schema.terms.genesis import Genesis
from cli.main import run
from consensus.replica.replica import ReplicaConfig
from devnet.testnet import create_testnet
from member.codes import NodeCode
from member.keys.key_folder import KeyKind, list_keys, read_key, write_key
from member.keys.keystore import Strength
from member.keys.secret_files import write_secret
from node.agreement.engine import ConsensusGenesis as ChainStart
from node.agreement.engine import Engine, Hooks
from node.config import SignerConfig
from node.signer.home import open_server
from node.signer.local import LocalSigner
from node.signer.node_keys import NodeKeys, node_signer, open_node_keys
from node.signer.remote import RemoteSigner
from node.signer.sign_state import SignGuard, SignStateFile
from node.store.wal import WalFile
from tests.kit.clearing.genesis import make_genesis
from tests.kit.consensus.crypto import secrets_of, validator_set
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.toy import ToyApplication
from tests.kit.node.memory_network import Hub
from tests.kit.node.station import MARKET
from tests.kit.refusals import refused

NETWORK = bytes(range(32))
SET = validator_set(4)
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
    assert run(["signer", "init", *arguments, "--allow", ed25519.public_key(node_link).hex()]) == 0
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
        assert remote.sign_proposal(SET.hash, 1, 0, -1, b"v" * 32) == local.sign_proposal(SET.hash, 1, 0, -1, b"v" * 32)
        remote.close()
    finally:
        assert stop(process, ending) == 0
    assert (home / "signer-state").stat().st_mode & 0o777 == 0o600


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
    secrets, link = secrets_of(4), b"\1" * 32
    address = f"unix:{tmp_path}/socket"
    home = signer_home(tmp_path, link, secrets[0], address, NETWORK)
    hub, stores, guards = Hub(delay=lambda _, __: 0.003), [MemoryBlockStore() for _ in range(4)], []
    # Heights pass in no time here, and answers take real time: one that is late must not be told from one who is away.
    bls_key = SET.validators[0].bls_key
    remote = RemoteSigner(address, link_key(home), link, NETWORK, secrets[0][0], bls_key, SignGuard(), SECONDS)
    remote.start()

    def signed_by_us(first: int) -> int:
        from clearing.base.certificate import signer_indices
        from consensus.blocks.store import load_committed

        found = [load_committed(stores[1], height) for height in range(first, stores[1].height() + 1)]
        return sum(0 in signer_indices(each.certificate.signers) for each in found if each is not None)

    async def reach(height: int) -> None:
        while min(store.height() for store in stores) < height:  # noqa: ASYNC110 - stores tell nobody
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        with open_server(home) as (server, _):
            await serve(server.run, remote)
            for index in range(4):
                guard = SignStateFile(tmp_path / f"{index}.state", sync=False)
                guards.append(guard)
                signer = remote if index == 0 else LocalSigner(NETWORK, *secrets[index], guard)
                network = hub.join(SET.validators[index].envelope_key)
                application = ToyApplication(SET, index)
                engine = Engine(
                    ChainStart(NETWORK, 1_700_000_000_000),
                    application.position,
                    application,
                    stores[index],
                    signer,
                    WalFile(tmp_path / f"{index}.wal"),
                    network,
                    ReplicaConfig(),
                    Hooks(has_work=lambda: True),
                )
                await nursery.start(network.run)
                await nursery.start(engine.run)
            await reach(6)
            assert signed_by_us(1) > 0
        away = stores[0].height()
        await reach(away + 6)
        assert remote.silences > 0
        assert signed_by_us(away + 3) == 0
        with open_server(home) as (server, _):
            await serve(server.run, remote)
            back = stores[0].height() + 2
            await reach(back + 12)
            assert signed_by_us(back) > 0
            remote.close()
        nursery.cancel_scope.cancel()
    for guard in guards:
        guard.close()


async def serve(server: object, remote: RemoteSigner) -> None:
    """Run the server in a thread of its own, and wait until the node has found it."""
    import threading

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
    _refused(remote_config, made.network, made.genesis.validators, keys, NodeCode.CONFIG_MISSING)
    named = msgspec.structs.replace(remote_config, signer=SignerConfig(address=f"unix:{tmp_path}/none", key="ab" * 32))
    _refused(named, made.network, made.genesis.validators, keys, NodeCode.KEY_MISSING)
    password = (home / "password").read_text().strip()
    write_key(home, "signer-link", KeyKind.ED25519, b"\1" * 32, password, Strength.DEVNET)
    assert read_key(home, "signer-link", KeyKind.ED25519, password, allow_weak=True) == b"\1" * 32
    with node_signer(named, made.network, made.genesis.validators, keys, SignGuard()) as signer:
        assert isinstance(signer, RemoteSigner)
        assert signer.envelope_key == made.genesis.validators.validators[0].envelope_key


def _refused(config: object, network: bytes, validators: ValidatorSet, keys: NodeKeys, code: NodeCode) -> None:
    with (
        pytest.raises(LocalFault) as refused,
        node_signer(config, network, validators, keys, SignGuard()),  # type: ignore[arg-type]
    ):
        pass
    assert refused.value.code is code
