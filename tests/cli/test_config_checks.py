"""`crossclear config validate` finds every mistake at once and starts nothing; `crossclear start` refuses the same."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from clearing.base.validators import ValidatorSet
from clearing.genesis.effective_terms import NO_HEAD, next_head
from clearing.genesis.paths import change_at
from clearing.initial_state import initial_state
from clearing.schema.records.governance import AmendmentRecord
from clearing.schema.requests.governance import TermsAmendment
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.genesis import Genesis
from cli.output import ExitCode
from devnet.testnet import Testnet, create_testnet
from member.keys.secret_files import write_secret
from node.config import ChainConfig
from node.config_sources import dump_config, read_config
from node.epochs.service import EpochRecord
from node.genesis_file import read_genesis
from node.store.store import Store
from node.sync.restore import encode_saved
from tests.kit.clearing.genesis import make_genesis
from tests.kit.command_line import CommandLine

HOUR = "unix,btc_open,btc_close\n1,10.0,11.0\n"
CHAIN = {"chain_id": 31337, "name": "one", "endpoints": ["http://127.0.0.1:8545"], "profile": "evm"}
KEY, OTHER_KEY = "ab" * 32, "cd" * 32


def _made(folder: Path) -> Testnet:
    def build(validators: ValidatorSet) -> Genesis:
        chain = ChainTerms(31337, "one", bytes(19) + b"\1", 4, 1)
        return msgspec.structs.replace(make_genesis(), validators=validators, chains=(chain,), assets=())

    chains = (msgspec.convert(CHAIN, ChainConfig),)
    return create_testnet(folder, build, validators=3, chains=chains, devnet=True, seed=9)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Testnet:
    return _made(tmp_path_factory.mktemp("made") / "net")


@pytest.fixture
def home(made: Testnet, tmp_path: Path) -> Path:
    """A good home of one of three validators."""
    return Path(shutil.copytree(made.nodes[0].home, tmp_path / "home"))


def _rows(*rows: dict[str, object]) -> str:
    return json.dumps(rows)


def _own_key_as_peer(_home: Path, made: Testnet) -> dict[str, str]:
    return {"p2p.peers": _rows({"key": made.nodes[0].envelope_key.hex(), "host": "192.0.2.1", "port": 26600})}


def _own_key_as_observer(_home: Path, made: Testnet) -> dict[str, str]:
    return {"p2p.observers": _rows({"key": made.nodes[0].envelope_key.hex()})}


def _no_genesis(home: Path, _made: Testnet) -> dict[str, str]:
    (home / "genesis.json").unlink()
    return {}


def _wrong_genesis(home: Path, _made: Testnet) -> dict[str, str]:
    genesis = json.loads((home / "genesis.json").read_bytes())
    genesis["chains"] = genesis["chains"] * 2
    (home / "genesis.json").write_text(json.dumps(genesis))
    return {}


def _genesis_of_another_network(home: Path, _made: Testnet) -> dict[str, str]:
    Store(home / "node.sqlite", b"\7" * 32).close()
    return {}


def _damaged_store(home: Path, _made: Testnet) -> dict[str, str]:
    (home / "node.sqlite").write_bytes(b"no database" * 100)
    return {}


def _no_password(home: Path, _made: Testnet) -> dict[str, str]:
    (home / "password").unlink()
    return {}


def _open_password(home: Path, _made: Testnet) -> dict[str, str]:
    (home / "password").chmod(0o644)
    return {}


def _no_key(home: Path, _made: Testnet) -> dict[str, str]:
    (home / "keys" / "checkpoint.json").unlink()
    return {}


def _key_of_another_kind(home: Path, _made: Testnet) -> dict[str, str]:
    shutil.copy(home / "keys" / "envelope.json", home / "keys" / "relayer.json")
    return {}


def _bad_preshared_key(home: Path, _made: Testnet) -> dict[str, str]:
    write_secret(home / "preshared", b"short\n")
    return {"p2p.preshared_key_file": "preshared"}


def _empty_replay(home: Path, _made: Testnet) -> dict[str, str]:
    (home / "hours.csv").write_text("unix,btc_open,btc_close\n")
    return {"oracle.source": "replay", "oracle.file": "hours.csv"}


def _given(**settings: str) -> Callable[[Path, Testnet], dict[str, str]]:
    return lambda _home, _made: {key.replace("__", "."): text for key, text in settings.items()}


def _peers(*rows: tuple[str, str, int]) -> str:
    return _rows(*({"key": key, "host": host, "port": port} for key, host, port in rows))


def _submitters(*rows: tuple[str, str]) -> str:
    return _rows(*({"name": name, "token_sha256": token} for name, token in rows))


MISTAKES = {
    "own key as peer": (_own_key_as_peer, "config_value", "p2p.peers[0].key"),
    "own key as observer": (_own_key_as_observer, "config_value", "p2p.observers[0].key"),
    "peer twice": (
        _given(p2p__peers=_peers((KEY, "192.0.2.1", 1), (KEY, "192.0.2.2", 1))),
        "config_value",
        "p2p.peers[1].key",
    ),
    "observer twice": (
        _given(p2p__observers=_rows({"key": KEY}, {"key": KEY})),
        "config_value",
        "p2p.observers[1].key",
    ),
    "address twice": (
        _given(p2p__peers=_peers((KEY, "192.0.2.1", 1), (OTHER_KEY, "192.0.2.1", 1))),
        "config_value",
        "p2p.peers[1].port",
    ),
    "own address as peer": (
        _given(p2p__host="192.0.2.9", p2p__port="5", p2p__peers=_peers((KEY, "192.0.2.9", 5))),
        "config_value",
        "p2p.peers[0].port",
    ),
    "port twice": (_given(p2p__port="5", api__port="5"), "config_value", "api.port"),
    "port twice on any address": (
        _given(p2p__host="0.0.0.0", p2p__port="5", api__port="5"),  # noqa: S104 - a setting that is refused
        "config_value",
        "api.port",
    ),
    "no genesis": (_no_genesis, "config_missing", "node.genesis"),
    "wrong genesis": (_wrong_genesis, "bad_genesis", "node.genesis"),
    "genesis of another network": (_genesis_of_another_network, "store_other_network", "node.genesis"),
    "damaged store": (_damaged_store, "store_corrupt", "node.home"),
    "no password": (_no_password, "key_missing", "node.password_file"),
    "password that others read": (_open_password, "key_permissions", "node.password_file"),
    "no key": (_no_key, "key_missing", "keys/checkpoint"),
    "key of another kind": (_key_of_another_kind, "key_format", "keys/relayer"),
    "weak keys": (_given(node__devnet="false"), "key_weak", "keys/validator"),
    "no key of the signer's link": (
        _given(signer__address="unix:signer.sock", signer__key=KEY),
        "key_missing",
        "keys/signer-link",
    ),
    "signer without key": (_given(signer__address="unix:signer.sock"), "config_missing", "signer.key"),
    "no pre-shared key": (_given(p2p__preshared_key_file="none"), "key_missing", "p2p.preshared_key_file"),
    "bad pre-shared key": (_bad_preshared_key, "key_format", "p2p.preshared_key_file"),
    "quorum above endpoints": (_given(chains=_rows({**CHAIN, "quorum": 2})), "config_value", "chains.one.quorum"),
    "chain twice": (_given(chains=_rows(CHAIN, {**CHAIN, "name": "two"})), "config_value", "chains[1].chain_id"),
    "name of a chain twice": (_given(chains=_rows(CHAIN, {**CHAIN, "chain_id": 7})), "config_value", "chains[1].name"),
    "replay without file": (_given(oracle__source="replay"), "config_missing", "oracle.file"),
    "replay of no file": (
        _given(oracle__source="replay", oracle__file="none.csv"),
        "price_source_unusable",
        "oracle.file",
    ),
    "replay of nothing": (_empty_replay, "price_source_unusable", "oracle.file"),
    "trusted height without hash": (_given(state_sync__trust_height="9"), "config_missing", "state_sync.trust_hash"),
    "trusted hash without height": (_given(state_sync__trust_hash=KEY), "config_missing", "state_sync.trust_height"),
    "trust in an unknown chain": (_given(state_sync__trust_chain="7"), "config_value", "state_sync.trust_chain"),
    "name of a submitter twice": (
        _given(api__submitters=_submitters(("a", KEY), ("a", OTHER_KEY))),
        "config_value",
        "api.submitters[1].name",
    ),
    "token of a submitter twice": (
        _given(api__submitters=_submitters(("a", KEY), ("b", KEY))),
        "config_value",
        "api.submitters[1].token_sha256",
    ),
}


def _words(home: Path, settings: dict[str, str]) -> list[object]:
    """Options that give the settings; chains, which are no single key, are written into the file."""
    flags = {key: text for key, text in settings.items() if key != "chains"}
    if "chains" in settings:
        chains = msgspec.json.decode(settings["chains"], type=tuple[ChainConfig, ...])
        given = read_config(home / "node.toml", {}).config
        (home / "node.toml").write_text(dump_config(msgspec.structs.replace(given, chains=chains)))
    return ["--config", home / "node.toml", *(w for key, text in flags.items() for w in ("--set", f"{key}={text}"))]


@pytest.mark.parametrize(("make", "name", "setting"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_setting_value_and_remedy(
    cli: CommandLine, home: Path, made: Testnet, make: Callable[..., dict[str, str]], name: str, setting: str
) -> None:
    words = _words(home, make(home, made))
    before = _files(home)
    answer = cli("config", "validate", *words, "--output", "json", code=3).json
    assert not answer["valid"]
    found = {(each["name"], each["setting"]): each for each in answer["mistakes"]}
    assert (name, setting) in found
    mistake = found[name, setting]
    assert mistake["code"].startswith("R")
    assert "value" in mistake["values"]
    assert mistake["remedy"]
    assert f"{mistake['code']} {name} at {setting}: value=" in cli("config", "validate", *words, code=3).err
    assert f"{mistake['code']} {name} at {setting}: value=" in cli("start", *words, code=None).err
    assert _files(home) == before, "nothing was opened"


def _files(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def test_a_good_home_has_no_mistake(cli: CommandLine, home: Path) -> None:
    found = cli("config", "validate", "--config", home / "node.toml", "--output", "json").json
    assert (found["valid"], found["mistakes"]) == (True, [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chains": _rows(CHAIN, {**CHAIN, "chain_id": 7, "name": "two"})}, "chains.two.chain_id is 7"),
        ({"chains": "[]"}, "chains lacks 31337"),
    ],
)
def test_chains_that_differ_from_genesis_are_warned_of(
    cli: CommandLine, home: Path, settings: dict[str, str], message: str
) -> None:
    """A chain is set up at every node before an amendment lists it, and not every node attests every chain."""
    assert message in cli("config", "validate", *_words(home, settings)).err


def test_a_chain_that_only_an_amendment_in_the_home_lists_is_not_warned_of(
    cli: CommandLine, home: Path, made: Testnet
) -> None:
    genesis = read_genesis(home / "genesis.json")
    second = ChainTerms(31338, "two", bytes(19) + b"\2", 4, 1)
    amendment = TermsAmendment((change_at(genesis, "chains.31338", second),))
    state = initial_state(genesis, bytes(32))
    state.amendments.put(1, AmendmentRecord(5, 6, bytes(32), amendment, next_head(NO_HEAD, 5, 6, bytes(32), amendment)))
    with Store(home / "node.sqlite", made.network) as store:
        store.save_snapshot(7, encode_saved(7, state, EpochRecord(bytes(32), 0, ())))
    both = {"chains": _rows(CHAIN, {**CHAIN, "chain_id": 31338, "name": "two"})}
    assert "chains.two.chain_id" not in cli("config", "validate", *_words(home, both)).err
    assert "chains lacks 31338 (two)" in cli("config", "validate", *_words(home, {"chains": _rows(CHAIN)})).err
    third = {"chains": _rows(CHAIN, {**CHAIN, "chain_id": 31339, "name": "three"})}
    assert "chains.three.chain_id is 31339" in cli("config", "validate", *_words(home, third)).err


def test_all_mistakes_are_told_at_once(cli: CommandLine, home: Path, made: Testnet) -> None:
    settings = {"p2p.port": "5", "api.port": "5", "state_sync.trust_height": "9"} | _no_genesis(home, made)
    settings["chains"] = _rows({**CHAIN, "quorum": 2})
    _no_password(home, made)
    wanted = {"chains.one.quorum", "api.port", "node.genesis", "node.password_file", "state_sync.trust_hash"}
    words = _words(home, settings)
    found = cli("config", "validate", *words, "--output", "json", code=3).json["mistakes"]
    assert {each["setting"] for each in found} == wanted
    refused = cli("start", *words, code=3).err
    assert all(f" at {setting}: " in refused for setting in wanted)


def test_settings_that_cannot_be_read_are_a_mistake_in_json_too(cli: CommandLine, home: Path) -> None:
    words = _words(home, {"p2p.portt": "1"})
    (found,) = cli("config", "validate", *words, "--output", "json", code=3).json["mistakes"]
    assert (found["name"], found["setting"]) == ("config_unknown_key", "p2p.portt")


def test_a_home_whose_node_writes_is_examined_beside_it(cli: CommandLine, home: Path, made: Testnet) -> None:
    with Store(home / "node.sqlite", made.network), closing(sqlite3.connect(home / "node.sqlite")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        cli("config", "validate", "--config", home / "node.toml")


def test_several_values_of_the_wrong_type_are_told_together(tmp_path: Path, cli: CommandLine) -> None:
    (tmp_path / "node.toml").write_text('[api]\nport = "x"\n[consensus]\nheartbeat_ms = -1\nfoo = 1\n')
    answer = cli(
        "config", "validate", "--config", tmp_path / "node.toml", "--output", "json", code=ExitCode.CONFIG
    ).json
    assert {each["setting"] for each in answer["mistakes"]} == {"api.port", "consensus.heartbeat_ms", "consensus.foo"}
    said = cli("start", "--config", tmp_path / "node.toml", code=ExitCode.CONFIG).err
    assert all(each["setting"] in said for each in answer["mistakes"])
