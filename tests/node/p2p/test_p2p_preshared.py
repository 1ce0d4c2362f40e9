"""Rules of the pre-shared key: a closed file, the same for all homes, and nobody connects without it."""

import stat
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from clearing.base import ed25519
from clearing.base.errors import LocalFault
from devnet.testnet import with_preshared_key
from member.codes import NodeCode
from member.keys.secret_files import make_secret_folder
from node.config import NodeConfig
from node.p2p.config import NetworkConfig, network_config, new_preshared_key, read_preshared_key, write_preshared_key
from node.signer.node_keys import NodeKeys
from tests.kit.refusals import refused
from tests.kit.until import until

KEY = bytes(range(32))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_secret_folder(tmp_path / "home")
    return tmp_path / "home"


def test_it_is_written_closed_and_read_back_and_never_overwritten(home: Path) -> None:
    path = home / "preshared-key"
    write_preshared_key(path, KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_preshared_key(path) == KEY
    with refused(NodeCode.KEY_EXISTS, LocalFault):
        write_preshared_key(path, KEY)
    assert new_preshared_key() != new_preshared_key()


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "00" * 32 + "\n\n", " " + "00" * 32, "0" * 63])
def test_anything_but_64_hexadecimal_digits_is_refused(home: Path, text: str) -> None:
    path = home / "preshared-key"
    path.write_text(text)
    path.chmod(0o600)
    with refused(NodeCode.KEY_FORMAT, LocalFault) as caught:
        read_preshared_key(path)
    assert text.strip() == "" or text.strip() not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(home: Path, mode: int) -> None:
    path = home / "preshared-key"
    write_preshared_key(path, KEY)
    path.chmod(mode)
    with refused(NodeCode.KEY_PERMISSIONS, LocalFault):
        read_preshared_key(path)


def test_the_setting_reaches_the_network_and_a_missing_file_is_told(home: Path) -> None:
    secret = bytes(32)
    keys = NodeKeys(validator=1, envelope=secret, checkpoint=secret, relayer=secret, network_seed=secret)
    config = NodeConfig()
    config = msgspec.structs.replace(config, node=msgspec.structs.replace(config.node, home=str(home)))
    assert network_config(config, KEY, keys).preshared_key is None  # type: ignore[arg-type]
    config = with_preshared_key(config)
    with refused(NodeCode.KEY_MISSING, LocalFault):
        network_config(config, KEY, keys)  # type: ignore[arg-type]
    write_preshared_key(home / "preshared-key", KEY)
    made = network_config(config, KEY, keys)  # type: ignore[arg-type]
    assert made.preshared_key == KEY
    assert made.key == ed25519.public_key(secret)
    assert KEY.hex() not in repr(made)


async def test_who_has_none_reaches_nobody_who_has_one_and_talks_to_its_like(cluster):
    def keys(number: int, config: NetworkConfig) -> NetworkConfig:
        return replace(config, preshared_key=KEY if number < 2 else None)

    async with cluster(4, change=keys, connect=False) as c:
        one, other, *without = c
        for node in c:
            await node.connected(1)
        await until(lambda: without[0].network.stats.peer(one.key).dials > 1)
        assert one.network.peers == {other.key}
        assert without[0].network.peers == {without[1].key}
