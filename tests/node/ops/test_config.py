"""Rules of settings: precedence, refusals with the key's path, and the annotated example."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codes import BridgeCode
from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.config import ChainConfig, NodeConfig, NodeSection, PeerConfig
from node.config_sources import dump_config, load_config, parse_config, read_config, warnings_of
from tests.kit.refusals import refused

EXAMPLE = Path(__file__).resolve().parents[3] / "configs" / "node.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_the_annotated_example_states_every_default(tmp_path: Path) -> None:
    stated = tomllib.loads(EXAMPLE.read_text())
    assert stated.pop("home", None) is None
    default: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(NodeConfig()))
    tables = [("p2p", "peers"), ("p2p", "observers"), ("api", "submitters")]
    tables += [("oracle", key) for key in ("feeds", "sources", "contracts", "surfaces", "options")]
    for section, key in (("node", "home"), *tables):
        default[section].pop(key)
    assert stated == {name: section for name, section in default.items() if name != "chains"}


def test_the_examples_commented_tables_are_valid_when_uncommented() -> None:
    lines = [line.removeprefix("# ") for line in EXAMPLE.read_text().splitlines()]
    text = "\n".join(line for line in lines if "=" in line or line.startswith("["))
    text = text.replace("64 hex digits", "ab" * 32)
    kept = [line for line in text.splitlines() if not line.startswith(("Precedence", "Lists"))]
    config = parse_config(tomllib.loads("\n".join(kept)))
    anvil = ChainConfig(chain_id=31337, name="anvil-a", endpoints=("http://127.0.0.1:8545",), profile="evm")
    assert config.chains[0] == anvil
    assert config.p2p.peers[0].port == 26600


def test_environment_goes_over_file_and_flag_over_environment(tmp_path: Path) -> None:
    path = write(tmp_path, "[api]\nport = 1\n[p2p]\nport = 2\n[node]\nname = 'file'\n")
    environment = {"CROSSCLEAR_API__PORT": "11", "CROSSCLEAR_P2P__PORT": "12", "CROSSCLEAR_VECTORS": "x", "HOME": "y"}
    effective = load_config(path, environment, {"api.port": "21"})
    assert (effective.config.api.port, effective.config.p2p.port, effective.config.node.name) == (21, 12, "file")
    assert effective.origin["api.port"] == "flag"
    assert effective.origin["p2p.port"] == "CROSSCLEAR_P2P__PORT"
    assert effective.origin["node.name"] == "file"


def test_the_home_is_the_folder_of_the_file_unless_it_is_set(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert load_config(path, {}).config.home == tmp_path.resolve()
    assert load_config(path, {"CROSSCLEAR_NODE__HOME": "/elsewhere"}).config.home == Path("/elsewhere")
    config = load_config(path, {}).config
    assert config.path("genesis.json") == tmp_path.resolve() / "genesis.json"
    assert config.path("/abs/x") == Path("/abs/x")


def test_a_list_in_the_environment_is_json() -> None:
    peers = '[{"key": "%s", "host": "h", "port": 5}]' % ("ab" * 32)
    config = load_config(None, {"CROSSCLEAR_P2P__PEERS": peers, "CROSSCLEAR_API__ENABLED": "false"}).config
    assert config.p2p.peers == (PeerConfig(key="ab" * 32, host="h", port=5),)
    assert config.api.enabled is False


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("[p2p]\nportt = 1", NodeCode.CONFIG_UNKNOWN_KEY, "p2p.portt"),
        ("[peer]\nx = 1", NodeCode.CONFIG_UNKNOWN_KEY, "peer"),
        ("[p2p]\nport = 70000", NodeCode.CONFIG_VALUE, "p2p.port"),
        ("[p2p]\nport = 'x'", NodeCode.CONFIG_VALUE, "p2p.port"),
        ("[api]\nenabled = 'perhaps'", NodeCode.CONFIG_VALUE, "api.enabled"),
        ("[[chains]]\nchain_id = 1\nname = 'a'", NodeCode.CONFIG_MISSING, "chains[0].endpoints"),
        (
            "[[chains]]\nchain_id = 1\nname = 'a'\nendpoints = ['ftp:x']",
            NodeCode.CONFIG_VALUE,
            "chains[0].endpoints[0]",
        ),
        ("[[p2p.peers]]\nkey = 'zz'\nhost = 'h'\nport = 1", NodeCode.CONFIG_VALUE, "p2p.peers[0].key"),
        ("[node", NodeCode.CONFIG_SYNTAX, ""),
        ("node = 3", NodeCode.CONFIG_VALUE, "node"),
    ],
)
def test_a_bad_setting_is_refused_with_its_path(tmp_path: Path, text: str, code: NodeCode, at: str) -> None:
    with refused(code, LocalFault, at):
        load_config(write(tmp_path, text), {})


def test_an_unknown_environment_setting_is_refused() -> None:
    for variable in ("CROSSCLEAR_P2P__PORTT", "CROSSCLEAR_P2P__PORT__X", "CROSSCLEAR___X"):
        with pytest.raises(LocalFault):
            load_config(None, {variable: "1"})


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with refused(NodeCode.CONFIG_MISSING, LocalFault):
        load_config(tmp_path / "none.toml", {})


names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,10}\Z")
chains = st.builds(
    ChainConfig,
    chain_id=st.integers(1, 2**63 - 1),
    name=names,
    endpoints=st.integers(1, 2).map(lambda count: tuple(f"http://h:{port}/p?q='\"\\" for port in range(count))),
).map(lambda chain: msgspec.structs.replace(chain, quorum=len(chain.endpoints)))
peers = st.builds(PeerConfig, key=st.just("0f" * 32), host=st.text(min_size=1, max_size=9), port=st.integers(1, 65535))


@given(home=st.text(max_size=20), chains=st.lists(chains, max_size=2), peers=st.lists(peers, max_size=2))
@settings(deadline=None)
def test_what_is_dumped_loads_as_it_was(home: str, chains: list[ChainConfig], peers: list[PeerConfig]) -> None:
    config = NodeConfig(node=NodeSection(home=home, devnet=True), chains=tuple(chains))
    config = msgspec.structs.replace(config, p2p=msgspec.structs.replace(config.p2p, peers=tuple(peers)))
    assert parse_config(tomllib.loads(dump_config(config))) == config


def test_tables_can_be_appended_to_what_is_written() -> None:
    appended = dump_config(NodeConfig()) + "".join(
        f'\n[[p2p.{kind}]]\nkey = "{"ab" * 32}"\n' + ('host = "192.0.2.7"\nport = 26600\n' if kind == "peers" else "")
        for kind in ("peers", "observers")
    )
    config = parse_config(tomllib.loads(appended))
    assert (len(config.p2p.peers), len(config.p2p.observers)) == (1, 1)


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(text: str) -> None:
    for flags in ({"p2p.port": text}, {"p2p.peers": text}, {text: "1"}, {"p2p.peers": "[" + text}):
        try:
            load_config(None, {}, flags)
        except LocalFault as refusal:
            assert refusal.code.label


@pytest.mark.parametrize("prover", ["local", "dask://127.0.0.1:8786", "dask://provers.example:8786", "dask://[::1]:1"])
def test_a_prover_is_this_machine_or_a_cluster(tmp_path: Path, prover: str) -> None:
    assert load_config(write(tmp_path, ""), {}, {"proofs.prover": prover}).config.proofs.prover == prover


@pytest.mark.parametrize(
    "prover", ["", "remote", "dask://", "dask://host", "tcp://host:1", "dask://u@host:1", "dask://h:1/"]
)
def test_no_other_prover_is_taken(tmp_path: Path, prover: str) -> None:
    with refused(NodeCode.CONFIG_VALUE, LocalFault, "proofs.prover"):
        load_config(write(tmp_path, ""), {}, {"proofs.prover": prover})


def chain_lines(chain_id: int, more: str = "") -> str:
    return f"[[chains]]\nchain_id = {chain_id}\nname = 'a'\nendpoints = ['https://a.example']\n{more}"


@pytest.mark.parametrize(
    "text",
    [
        chain_lines(1),
        chain_lines(137, "profile = 'polygon'"),
        chain_lines(100, "profile = 'evm'"),
        chain_lines(31337) + "\n[node]\ndevnet = true",
    ],
)
def test_a_chain_that_somebody_describes_is_taken(tmp_path: Path, text: str) -> None:
    assert load_config(write(tmp_path, text), {}).config.chains


@pytest.mark.parametrize(
    "text",
    [
        chain_lines(1, "profile = 'polygon'"),
        chain_lines(137, "profile = 'evm'"),
        chain_lines(137, "profile = 'matic'"),
        chain_lines(100, "profile = 'ethereum'"),
        chain_lines(100),
        chain_lines(1, "profile = 'polygon'") + "\n[node]\ndevnet = true",
    ],
)
def test_a_profile_of_another_chain_is_refused_and_so_is_a_chain_that_nobody_describes(
    tmp_path: Path, text: str
) -> None:
    with refused(BridgeCode.WRONG_PROFILE, LocalFault):
        load_config(write(tmp_path, text), {})


@pytest.mark.parametrize("name", ["../polygon", "Polygon", "a" * 40])
def test_the_name_of_a_profile_is_no_path(tmp_path: Path, name: str) -> None:
    with refused(NodeCode.CONFIG_VALUE, LocalFault, "chains[0].profile"):
        load_config(write(tmp_path, chain_lines(137, f"profile = '{name}'")), {})


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (chain_lines(137, "quorum = 1\nconfirmations = 8"), ["chains.a.quorum", "chains.a.confirmations"]),
        (chain_lines(137, "quorum = 1\nconfirmations = 64"), ["chains.a.quorum"]),
        (chain_lines(1, "quorum = 1\nconfirmations = 8"), ["chains.a.quorum"]),
        (chain_lines(100, "profile = 'evm'"), ["chains.a.quorum", "chains.a.profile"]),
        (chain_lines(100) + "\n[node]\ndevnet = true", ["chains.a.quorum"]),
    ],
)
def test_what_is_valid_and_unwise_is_warned_of(tmp_path: Path, text: str, warned: list[str]) -> None:
    warnings = warnings_of(load_config(write(tmp_path, text), {}).config)
    assert [warning.split()[0] for warning in warnings] == warned


@pytest.mark.parametrize(("endpoints", "quorum"), [(1, 2), (2, 1), (3, 1), (3, 4), (4, 2)])
def test_a_quorum_that_its_endpoints_cannot_make_is_refused_before_the_chain_is_listed(
    endpoints: int, quorum: int
) -> None:
    """A chain that a vote lists later must not end the node then."""
    urls = [f"http://10.0.0.{number}:8545" for number in range(endpoints)]
    chain = {"chain_id": 10, "name": "later", "endpoints": urls, "quorum": quorum}
    with refused(NodeCode.CONFIG_VALUE, LocalFault, "chains.later.quorum"):
        parse_config({"chains": [chain]})
    parse_config({"chains": [chain | {"quorum": endpoints // 2 + 1}]})


LIGHT = {
    "chain_id": 1,
    "name": "eth",
    "endpoints": ["http://10.0.0.1:8545"],
    "light_client": "required",
    "beacon_endpoints": ["http://10.0.0.2:5052"],
    "checkpoint_root": "0x" + "ab" * 32,
}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"beacon_endpoints": []}, "chains.eth.beacon_endpoints"),
        ({"checkpoint_root": ""}, "chains.eth.checkpoint_root"),
        ({"checkpoint_root": "0x" + "ab" * 31}, "chains[0].checkpoint_root"),
        ({"light_client": "trusted"}, "chains[0].light_client"),
    ],
)
def test_a_light_client_that_is_set_up_by_half_is_refused(changes: dict[str, Any], key: str) -> None:
    assert parse_config({"chains": [LIGHT]}).chains[0].light_client == "required"
    with refused(NodeCode.CONFIG_VALUE, LocalFault, key):
        parse_config({"chains": [LIGHT | changes]})


@pytest.mark.parametrize("changes", [{"chain_id": 10}, {"chain_id": 11155111}, {"chain_id": 31337, "profile": "evm"}])
def test_a_light_client_of_a_chain_that_none_serves_is_refused_by_code(changes: dict[str, Any]) -> None:
    assert parse_config({"chains": [LIGHT | {"chain_id": 560048}]}).chains[0].light_client == "required"
    with refused(BridgeCode.NO_BEACON_CHAIN, LocalFault, "chains.eth.light_client"):
        parse_config({"chains": [LIGHT | changes]})


def test_beacon_endpoints_of_a_light_client_that_is_off_are_warned_of() -> None:
    config = parse_config({"chains": [LIGHT | {"light_client": "off"}]})
    assert any("beacon_endpoints are not used" in warning for warning in warnings_of(config))
    assert parse_config(tomllib.loads(dump_config(parse_config({"chains": [LIGHT]})))).chains[0].beacon_endpoints


def test_every_key_of_the_wrong_type_is_told_at_once_by_its_place_in_the_file(tmp_path: Path) -> None:
    key = "ab" * 32
    good = f'[[p2p.peers]]\nkey = "{key}"\nhost = "h"\nport = 1\n'
    bad = f'[[p2p.peers]]\nkey = "{key}"\nhost = "h"\nport = 99999\n'
    other = '[[p2p.peers]]\nkey = "short"\nhost = "h"\nport = 2\n'
    path = write(
        tmp_path,
        'unknown = 1\n[consensus]\nheartbeat_ms = -5\ngrwoth_ms = 3\n[api]\nport = "x"\n'
        + good
        + bad
        + good
        + bad
        + other,
    )
    with pytest.raises(ExceptionGroup) as caught:
        read_config(path, {})
    codes = {fault.at: fault.code for fault in caught.value.exceptions if isinstance(fault, LocalFault)}
    assert codes == {
        "unknown": NodeCode.CONFIG_UNKNOWN_KEY,
        "consensus.grwoth_ms": NodeCode.CONFIG_UNKNOWN_KEY,
        "consensus.heartbeat_ms": NodeCode.CONFIG_VALUE,
        "api.port": NodeCode.CONFIG_VALUE,
        "p2p.peers[1].port": NodeCode.CONFIG_VALUE,
        "p2p.peers[3].port": NodeCode.CONFIG_VALUE,
        "p2p.peers[4].key": NodeCode.CONFIG_VALUE,
    }
    with refused(next(iter(codes.values())), LocalFault):
        load_config(path, {})
