"""Homes that `crossclear join` makes: complete, closed to others, and refused before anything is written."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from clearing.genesis.json import genesis_to_json
from clearing.schema.terms.genesis import Genesis, network_id
from cli.operator.setup import join
from cli.options import effective_config
from devnet.testnet import Testnet, create_testnet
from member.codes import NodeCode
from node import genesis_file
from node.config import StateSyncConfig
from node.home_lock import alone_in
from node.offline.homes import init_home
from node.signer.node_keys import open_node_keys
from node.sync.home import address_of, peer_of, trust_of
from node.sync.joining import anchor_of
from tests.kit.clearing.genesis import make_genesis
from tests.kit.refusals import refused


@pytest.fixture
def net(tmp_path: Path) -> Testnet:
    def build(validators: ValidatorSet) -> Genesis:
        return msgspec.structs.replace(make_genesis(), validators=validators)

    return create_testnet(tmp_path / "net", build, validators=2, devnet=True, seed=3)


def seed_file(net: Testnet) -> Path:
    home = net.nodes[0].home
    seed = open_node_keys(home, home / "password", allow_weak=True).network_seed
    path = home / "seed"
    path.write_text(seed.hex() + "\n")
    path.chmod(0o600)
    return path


def arguments(net: Testnet, home: Path) -> list[str]:
    peers = [f"--peer={node.envelope_key.hex()}@127.0.0.1:{node.config.p2p.port}" for node in net.nodes]
    given = ["--home", str(home), "--genesis", str(net.genesis_path), "--network-seed-file", str(seed_file(net))]
    given += ["--endpoint", "1=http://127.0.0.1:1", "--endpoint", "2=http://127.0.0.1:2"]
    return [*given, *peers, "--devnet", "--prepare-only", "--output", "json"]


def run(*given: str) -> Any:
    result = CliRunner().invoke(join, list(given), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return msgspec.json.decode(result.stdout)


def test_a_home_has_keys_of_its_own_the_networks_seed_and_its_peers(net: Testnet, tmp_path: Path) -> None:
    result = run(*arguments(net, tmp_path / "new"), "--trust", f"7:{'ab' * 32}", "--listen", "127.0.0.1:27123")
    home = tmp_path / "new"
    keys = open_node_keys(home, home / "password", allow_weak=True)
    old = net.nodes[0].home
    assert keys.network_seed == open_node_keys(old, old / "password", allow_weak=True).network_seed
    assert result["network"] == net.network.hex()
    config = effective_config(Path(result["config"]), ()).config
    assert [peer.key for peer in config.p2p.peers] == [node.envelope_key.hex() for node in net.nodes]
    assert (config.p2p.port, config.state_sync.enabled, config.state_sync.trust_height) == (27123, True, 7)
    assert (home / "genesis.json").read_bytes() == net.genesis_path.read_bytes()
    assert home.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("given", "announced"),
    [
        (("--listen", "127.0.0.1:27123"), "127.0.0.1:27123"),
        (("--listen", "0.0.0.0:27123"), ""),
        (("--listen", "[::]:27123", "--announce", "[2001:db8::7]:9"), "[2001:db8::7]:9"),
        (("--listen", "10.0.0.1:27123", "--announce", "n.example:9"), "n.example:9"),
    ],
)
def test_a_new_node_announces_where_it_can_be_reached(
    net: Testnet, tmp_path: Path, given: tuple[str, ...], announced: str
) -> None:
    result = run(*arguments(net, tmp_path / "new"), *given)
    assert effective_config(Path(result["config"]), ()).config.p2p.announce == announced


def test_a_chain_without_endpoint_is_refused_before_anything_is_written(net: Testnet, tmp_path: Path) -> None:
    given = arguments(net, tmp_path / "a")
    at = given.index("2=http://127.0.0.1:2")
    del given[at - 1 : at + 1]
    with refused(NodeCode.CONFIG_MISSING, LocalFault):
        run(*given)
    assert not (tmp_path / "a").exists()


async def test_a_trusted_height_needs_a_hash(net: Testnet) -> None:
    config = msgspec.structs.replace(net.nodes[0].config, state_sync=StateSyncConfig(enabled=True, trust_height=5))
    with refused(NodeCode.CONFIG_MISSING, LocalFault):
        await anchor_of(config, net.genesis)
    config = msgspec.structs.replace(config, state_sync=trust_of(f"5:{'ab' * 32}", StateSyncConfig()))
    assert (await anchor_of(config, net.genesis)).hash == b"\xab" * 32
    assert (await anchor_of(net.nodes[0].config, net.genesis)).height == 0


def test_the_home_has_the_genesis_whose_network_is_printed(
    net: Testnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who changes the file while it is read gets no other genesis into the home than the one that is named."""
    changing = tmp_path / "genesis.json"
    changing.write_bytes(net.genesis_path.read_bytes())
    check = genesis_file.check_genesis

    def then_change(genesis: Genesis) -> None:
        check(genesis)
        changing.write_bytes(genesis_to_json(msgspec.structs.replace(genesis, time_ms=genesis.time_ms + 1)))

    monkeypatch.setattr(genesis_file, "check_genesis", then_change)
    given = [str(changing) if each == str(net.genesis_path) else each for each in arguments(net, tmp_path / "new")]
    printed = run(*given)
    monkeypatch.undo()
    written = genesis_file.read_genesis(tmp_path / "new" / "genesis.json")
    assert network_id(written).hex() == printed["network"]


def test_two_homes_have_different_keys(net: Testnet, tmp_path: Path) -> None:
    first, second = run(*arguments(net, tmp_path / "a")), run(*arguments(net, tmp_path / "b"))
    assert first["envelope"] != second["envelope"]
    assert first["validator"] != second["validator"]


def test_nothing_is_overwritten(net: Testnet, tmp_path: Path) -> None:
    result = run(*arguments(net, tmp_path / "a"))
    with refused(NodeCode.OUTPUT_EXISTS, LocalFault):
        run(*arguments(net, tmp_path / "a"))
    assert effective_config(Path(result["config"]), ()).config.state_sync.enabled


def test_a_seed_that_others_may_read_is_refused_before_anything_is_written(net: Testnet, tmp_path: Path) -> None:
    given = arguments(net, tmp_path / "a")
    (net.nodes[0].home / "seed").chmod(0o644)
    with refused(NodeCode.KEY_PERMISSIONS, LocalFault):
        run(*given)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "text", ["", "ab@127.0.0.1:1", f"{'ab' * 32}@127.0.0.1", f"{'ab' * 32}@:1", f"{'AB' * 32}@h:1"]
)
def test_a_peer_is_a_key_and_an_address(text: str) -> None:
    with refused(NodeCode.CONFIG_VALUE, LocalFault):
        peer_of(text)


def test_addresses_may_be_of_ipv6() -> None:
    assert address_of("[::1]:26600") == ("::1", 26600)


@pytest.mark.parametrize(
    "text", ["", "7", "7:", "x:" + "ab" * 32, "7:" + "ab" * 31, "0:" + "ab" * 32, f"{2**63}:" + "ab" * 32]
)
def test_an_anchor_is_a_height_and_a_hash(text: str) -> None:
    with refused(NodeCode.CONFIG_VALUE, LocalFault):
        trust_of(text, StateSyncConfig())


def test_a_home_is_made_by_one_command_at_a_time(net: Testnet, tmp_path: Path) -> None:
    """A join and an init at once: each found keys of its own free, and the home had keys of both."""
    home = tmp_path / "new"
    home.mkdir(mode=0o700)
    with alone_in(home, home, "a test"):
        with refused(NodeCode.OUTPUT_EXISTS, LocalFault, str(home)):
            run(*arguments(net, home))
        with refused(NodeCode.OUTPUT_EXISTS, LocalFault, str(home)):
            init_home(home, "observer", devnet=True)
    assert list(home.iterdir()) == []
    init_home(home, "observer", devnet=True)


def test_keys_of_a_home_that_was_not_finished_get_none_beside_them(net: Testnet, tmp_path: Path) -> None:
    home = tmp_path / "new"
    init_home(home, "observer", devnet=True)
    (home / "node.toml").unlink()
    before = sorted(home.rglob("*"))
    with refused(NodeCode.KEY_EXISTS, LocalFault):
        run(*arguments(net, home))
    assert sorted(home.rglob("*")) == before
