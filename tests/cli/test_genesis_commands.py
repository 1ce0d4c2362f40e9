"""From validators' cards to a network that decides, by commands alone; and every mistake of a draft is printed."""

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.schema.terms.genesis import Genesis, network_id
from cli.output import ExitCode
from devnet.network_draft import DRAFT, GENESIS, PEERS, SEED
from node import genesis_file
from tests.kit.command_line import CommandLine
from tests.kit.network_drafts import HOUSE, card_of, new_draft
from tests.kit.node.verb_process import VerbProcess
from tests.kit.ports import free_ports

ALICE, VAULT, USDC, WETH = ("0x" + f"{number:02x}" * 20 for number in (0x22, 0x33, 0x44, 0x55))


@pytest.fixture
def folder(cli: CommandLine, tmp_path: Path) -> Path:
    """A draft without anything."""
    return new_draft(cli, tmp_path / "network", "example")


@pytest.fixture
def drafted(cli: CommandLine, folder: Path, tmp_path: Path) -> Path:
    """A draft of one validator, one member and one chain."""
    card = card_of(cli, tmp_path / "home")
    cli("genesis", "add-validator", folder, card, "--address", "127.0.0.1:26600", "--power", "3")
    cli("genesis", "add-member", folder, "1", "--name", "alice", "--address", ALICE)
    chain = ("genesis", "add-chain", folder, "1", "--name", "ethereum", "--vault", VAULT, "--vault-block", "7")
    cli(*chain, "--token", f"USDC={USDC}:9")
    return folder


def test_a_draft_is_commented_private_and_never_overwritten(cli: CommandLine, folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / SEED).stat().st_mode & 0o777 == 0o600
    assert "# The draft of a network." in (folder / DRAFT).read_text()
    cli("genesis", "new", folder, "--name", "other", "--house", HOUSE, code=ExitCode.SAFETY)
    assert tomllib.loads((folder / DRAFT).read_text()) == {"name": "example", "house": HOUSE}


def test_genesis_has_what_the_draft_has(cli: CommandLine, drafted: Path) -> None:
    assert cli("genesis", "check", drafted, "--output", "json").json["validators"] == 1
    answer = cli("genesis", "build", drafted, "--time-ms", "1000", "--output", "json").json
    genesis = genesis_from_json((drafted / GENESIS).read_bytes())
    assert answer["network"] == network_id(genesis).hex()
    assert (genesis.name, genesis.time_ms) == ("example", 1000)
    assert [each.power for each in genesis.validators.validators] == [3]
    assert [(each.chain_id, each.name, each.vault_block) for each in genesis.chains] == [(1, "ethereum", 7)]
    (asset,) = genesis.assets
    assert (asset.name, asset.token.hex(), asset.balances.is_known) == ("USDC@ethereum", USDC[2:], True)
    assert int.from_bytes(asset.balances.slot, "big") == 9
    assert [(each.id, each.name) for each in genesis.members] == [(0, "house"), (1, "alice")]
    (peer,) = tomllib.loads((drafted / PEERS).read_text())["p2p"]["peers"]
    assert (peer["host"], peer["port"]) == ("127.0.0.1", 26600)
    cli("genesis", "build", drafted, code=ExitCode.SAFETY)


def test_terms_of_a_token_go_to_its_asset_wherever_it_is_listed(cli: CommandLine, folder: Path, tmp_path: Path) -> None:
    """The first chain lacks what the second has: numbers of assets are no numbers of tokens."""
    cli("genesis", "add-validator", folder, card_of(cli, tmp_path / "home"), "--address", "127.0.0.1:26600")
    market = tomllib.loads((folder / "market.toml").read_text())["tokens"]
    symbols = [token["symbol"] for token in market]
    assert symbols[0] != symbols[-1]
    for chain, listed in ((1, symbols[-1:]), (2, symbols)):
        at = [f"0x{symbols.index(symbol) + 1:040x}" for symbol in listed]
        words = [word for pair in zip(listed, at, strict=True) for word in ("--token", "=".join(pair))]
        cli("genesis", "add-chain", folder, chain, "--name", f"c{chain}", "--vault", VAULT, *words)
    cli("genesis", "build", folder)
    genesis = genesis_from_json((folder / GENESIS).read_bytes())
    of_asset = {asset.id: asset.name.partition("@")[0] for asset in genesis.assets}
    assert list(of_asset.values()) == [*symbols[-1:], *symbols]
    assert not any(asset.balances.is_known for asset in genesis.assets)
    tiers = {token["symbol"]: len(token.get("concentration", ())) for token in market}
    assert Counter(of_asset[tier.asset] for tier in genesis.risk.concentration) == Counter(
        {symbol: tiers[symbol] * (1 + (symbol == symbols[-1])) for symbol in symbols if tiers[symbol]}
    )
    gated = {token["symbol"] for token in market if "gate" in token}
    assert {of_asset[limits.asset] for limits in genesis.crisis.gates.assets} == gated


def test_comments_stay_where_they_are(cli: CommandLine, drafted: Path) -> None:
    before = (drafted / DRAFT).read_text() + "\n# Mine.\n"
    (drafted / DRAFT).write_text(before)
    cli("genesis", "add-member", drafted, "2", "--name", "bob", "--address", VAULT)
    after = (drafted / DRAFT).read_text()
    assert after.startswith(before.rstrip("\n"))
    assert after.count("[[members]]") == 2


MISTAKES: dict[str, tuple[Callable[[str], str], str]] = {
    "no validator": (lambda text: text.partition("[[validators]]")[0], "validators"),
    "validator twice": (lambda text: text + "\n" + _table(text, "validators"), "validators[1].envelope"),
    "a forged card": (lambda text: text.replace('possession = "', 'possession = "00', 1), "validators[0]"),
    "another's address": (
        lambda text: text.replace('checkpoint = "', 'checkpoint = "ff', 1).replace("ffff", "ff", 1),
        "validators[0]",
    ),
    "no such port": (lambda text: text.replace(":26600", ":0"), "validators[0].address"),
    "member twice": (lambda text: text + "\n" + _table(text, "members"), "members[1].id"),
    "chain twice": (lambda text: text + "\n" + _table(text, "chains"), "chains[1].chain_id"),
    "unknown token": (lambda text: text.replace('"USDC"', '"NONE"'), "chains[0].tokens[0].symbol"),
}


def _table(text: str, kind: str) -> str:
    """The first table of a kind, as text."""
    return f"[[{kind}]]" + text.partition(f"[[{kind}]]")[2].partition("\n\n")[0]


@pytest.mark.parametrize(("change", "place"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_of_a_draft_is_told_with_its_place_and_nothing_is_built(
    cli: CommandLine, drafted: Path, change: Callable[[str], str], place: str
) -> None:
    (drafted / DRAFT).write_text(change((drafted / DRAFT).read_text()))
    for verb in ("check", "build"):
        answer = json.loads(cli("genesis", verb, drafted, "--output", "json", code=ExitCode.CONFIG).err)
        assert place in [error["at"] for error in answer["errors"]]
        assert {error["code"] for error in answer["errors"]} == {"R0905"}
    assert not (drafted / GENESIS).exists()


def test_what_the_rules_of_a_genesis_refuse_is_a_mistake_of_the_draft(cli: CommandLine, drafted: Path) -> None:
    market = drafted / "market.toml"
    market.write_text(market.read_text().replace("epoch_blocks = ", "epoch_blocks = 0 #", 1))
    for verb in ("check", "build"):
        assert "R0905" in cli("genesis", verb, drafted, code=ExitCode.CONFIG).err
    market.write_text("[")
    assert "R0868" in cli("genesis", "check", drafted, code=ExitCode.CONFIG).err


def test_what_would_be_a_mistake_is_not_added(cli: CommandLine, drafted: Path, tmp_path: Path) -> None:
    before = (drafted / DRAFT).read_text()
    again = ("genesis", "add-validator", drafted, tmp_path / "home.card", "--address", "127.0.0.1:26601")
    assert "R0905" in cli(*again, code=ExitCode.CONFIG).err
    cli("genesis", "add-member", drafted, "1", "--name", "bob", "--address", VAULT, code=ExitCode.CONFIG)
    cli("genesis", "add-member", drafted, "0", "--name", "bob", "--address", VAULT, code=ExitCode.CONFIG)
    chain = ("genesis", "add-chain", drafted, "2", "--name", "two", "--vault", VAULT)
    cli(*chain, "--token", f"NONE={WETH}", code=ExitCode.CONFIG)
    cli(*chain, "--token", f"USDC={WETH}:x", code=ExitCode.USAGE)
    cli(*chain, "--token", f"USDC={WETH}", "--token", f"WETH={WETH}", code=ExitCode.CONFIG)
    assert (drafted / DRAFT).read_text() == before


def test_a_draft_that_is_no_draft_is_refused(cli: CommandLine, folder: Path) -> None:
    for text in ("[", 'name = "x"', f'name = "x"\nhouse = "{HOUSE}"\nother = 1', "\xff"):
        (folder / DRAFT).write_bytes(text.encode("latin-1"))
        assert "R0905" in cli("genesis", "check", folder, code=ExitCode.CONFIG).err


def test_a_network_is_installed_once_and_only_where_its_validator_lives(
    cli: CommandLine, folder: Path, tmp_path: Path
) -> None:
    cli("genesis", "add-validator", folder, card_of(cli, tmp_path / "in"), "--address", "192.0.2.1:26600")
    card_of(cli, tmp_path / "out")
    cli("genesis", "build", folder)
    assert "R0822" in cli("genesis", "install", folder, "--home", tmp_path / "out", code=ExitCode.CONFIG).err
    assert not (tmp_path / "out" / "genesis.json").exists()
    cli("genesis", "install", folder, "--home", tmp_path / "in")
    settings = tomllib.loads((tmp_path / "in" / "node.toml").read_text())
    assert (settings["p2p"]["host"], settings["p2p"]["port"]) == ("0.0.0.0", 26600)  # noqa: S104 - as it is wanted
    cli("genesis", "install", folder, "--home", tmp_path / "in", code=ExitCode.SAFETY)


def test_the_network_that_is_printed_is_the_one_that_was_installed(
    cli: CommandLine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("genesis", "add-validator", folder, card_of(cli, tmp_path / "in"), "--address", "192.0.2.1:26600")
    cli("genesis", "build", folder)
    check = genesis_file.check_genesis

    def then_change(genesis: Genesis) -> None:
        check(genesis)
        later = msgspec.structs.replace(genesis, time_ms=genesis.time_ms + 1)
        (folder / "genesis.json").write_bytes(genesis_to_json(later))

    monkeypatch.setattr(genesis_file, "check_genesis", then_change)
    printed = cli("genesis", "install", folder, "--home", tmp_path / "in", "--output", "json").json["network"]
    monkeypatch.undo()
    assert network_id(genesis_file.read_genesis(tmp_path / "in" / "genesis.json")).hex() == printed


@pytest.fixture
def processes() -> Iterator[list[VerbProcess]]:
    started: list[VerbProcess] = []
    yield started
    for process in started:
        process.stop()


def test_three_operators_begin_a_network(
    cli: CommandLine, folder: Path, tmp_path: Path, processes: list[VerbProcess]
) -> None:
    homes, ports = [tmp_path / f"node{number}" for number in range(3)], free_ports(6)
    for home, port in zip(homes, ports[:3], strict=True):
        cli("genesis", "add-validator", folder, card_of(cli, home), "--address", f"127.0.0.1:{port}")
    cli("genesis", "check", folder)
    cli("genesis", "build", folder)
    for home, port in zip(homes, ports[3:], strict=True):
        cli("genesis", "install", folder, "--home", home, "--api", f"127.0.0.1:{port}")
        cli("config", "validate", "--config", home / "node.toml")
    more = ("--set", "logging.format=json", "--set", "proofs.enabled=false", "--set", "relayer.enabled=false")
    processes += [VerbProcess("start", "--config", str(home / "node.toml"), *more) for home in homes]
    for process in processes:
        while process.until("decided")["height"] < 5:
            """Wait: nobody alone decides a height."""
