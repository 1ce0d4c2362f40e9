"""Rules of the command line: data on stdout, talk on stderr, stable codes, and nothing that a terminal would obey."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import BaseCode, Bug, LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet, check_validator_set
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.schema.codes import ClearingCode
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms, network_id
from cli import main
from cli.explain import CODE_MODULES, all_explanations, code_books, explanations_of
from cli.main import VERBS, run
from cli.output import ExitCode, exit_of, harmless, say, show
from consensus.codes import ConsensusCode
from devnet.testnet import create_testnet
from member.api.chain import OffenceView, ValidatorsView
from member.api.withdrawals import WaitingView, WithdrawalsView
from member.codes import NodeCode
from member.notation.listing import Listing
from member.printing.validators import validators_text
from member.printing.withdrawals import withdrawal_lines
from node.config_sources import load_config, name_of_home
from node.signer.node_keys import open_node_keys
from tests.kit.clearing.genesis import make_genesis
from tests.kit.command_line import CommandLine
from tests.kit.refusals import refused
from tests.kit.sources import sources

ROOT = Path(__file__).resolve().parents[2]


def tiny_genesis(validators: ValidatorSet = ValidatorSet(())) -> Genesis:  # noqa: B008 - frozen
    house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
    risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
    return Genesis("tiny", 0, validators, (), (), (), (), (), risk, MarketParameters(), (house,))


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself(verb: str, cli: CommandLine) -> None:
    assert "Usage: crossclear" in cli(verb, "--help").out


def test_the_list_of_verbs_needs_none_of_their_modules() -> None:
    program = """
import sys
from cli.main import run
run(["--help"])
print([name for name in sys.modules if name.startswith(("cli.", "numpy", "trio"))], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert all(verb in done.stdout for verb in VERBS)
    assert done.stderr.splitlines()[-1] == "['cli.output', 'cli.main']"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Bug("x"), ExitCode.BUG),
        (LocalFault(NodeCode.CONFIG_VALUE, "x"), ExitCode.CONFIG),
        (LocalFault(NodeCode.NODE_UNREACHABLE, "x"), ExitCode.UNREACHABLE),
        (LocalFault(NodeCode.KEY_PERMISSIONS, "x"), ExitCode.SAFETY),
        (LocalFault(ConsensusCode.DOUBLE_SIGN, "x"), ExitCode.SAFETY),
        (RemoteFault(BaseCode.BAD_SIGNATURE, "x"), ExitCode.VERIFICATION),
        (LocalFault(BaseCode.OUT_OF_RANGE, "x"), ExitCode.UNEXPECTED),
        (ValueError("x"), ExitCode.UNEXPECTED),
        (
            ExceptionGroup("x", [ValueError("x"), ExceptionGroup("y", [LocalFault(NodeCode.KEY_WEAK, "x")])]),
            ExitCode.SAFETY,
        ),
        (BaseExceptionGroup("x", [KeyboardInterrupt(), Bug("x")]), ExitCode.BUG),
        (BaseExceptionGroup("x", [KeyboardInterrupt()]), ExitCode.INTERRUPTED),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(error: BaseException, code: ExitCode) -> None:
    assert exit_of(error) is code


def test_a_failure_is_told_on_stderr_whatever_its_shape(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = ExceptionGroup("y", [LocalFault(NodeCode.KEY_WEAK, "here"), ValueError("odd")])
    group = BaseExceptionGroup("x", [KeyboardInterrupt(), inner])
    for error, code in ((group, 7), (Bug("sum"), 70), (KeyboardInterrupt(), 130), (RuntimeError("odd"), 1)):

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(main.cli, "main", fail)
        assert run([]) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err
    monkeypatch.undo()


def test_explain_tells_the_remedy(cli: CommandLine) -> None:
    assert "collateral_needed_for_margin" in cli("explain", "R0203").out
    assert len(cli("explain", "--all", "--output", "json").json) > 50
    assert cli("explain", "nothing", code=2).out == cli("explain", code=2).out == ""


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str], Path]:
    """Settings in a good home, whose keys are weak ones."""
    path = create_testnet(tmp_path / "net", tiny_genesis, validators=1, devnet=True, seed=1).nodes[0].home / "node.toml"

    def write(text: str) -> Path:
        path.write_text(f"[node]\ndevnet = true\n{text}")
        return path

    return write


def test_settings_are_checked_and_shown(tmp_path: Path, settings: Callable[[str], Path], cli: CommandLine) -> None:
    path = settings("[p2p]\nport = 5\n")
    validate, show = (["config", verb, "--config", path] for verb in ("validate", "show"))
    cli(*validate)
    shown = cli(*show, "--set", "api.port=7", "--output", "json").json
    assert (shown["p2p"]["port"], shown["api"]["port"]) == (5, 7)
    assert "flag" in cli(*show, "--set", "api.port=7", "--origin").out
    assert "p2p.portt" in cli(*validate, "--set", "p2p.portt=7", code=3).err
    cli("config", "validate", "--config", tmp_path / "none.toml", code=3)
    cli(*validate, "--set", "x", code=2)


def test_init_makes_a_home_once(tmp_path: Path, cli: CommandLine) -> None:
    home = tmp_path / "home"
    made = cli("init", "--home", home, "--devnet", "--output", "json")
    cards = {"validator", "envelope", "possession", "checkpoint", "checkpoint_possession"}
    assert set(made.json) == cards | {"relayer"}
    assert "Next:" in made.err
    node = load_config(home / "node.toml", {}).config.node
    assert (node.devnet, node.name) == (True, "home"), "logs and metrics name it like its folder"
    assert home.stat().st_mode & 0o777 == 0o700
    cli("init", "--home", home, "--devnet", code=7)


def test_a_node_is_called_as_its_operator_says_or_like_its_folder(tmp_path: Path, cli: CommandLine) -> None:
    assert name_of_home(tmp_path / ".my node (2)") == "my-node-2-"
    assert name_of_home(Path("/")) == "node"
    assert name_of_home(tmp_path / ("a" * 99)) == "a" * 64
    cli("init", "--home", tmp_path / "home", "--devnet", "--name", "athens")
    assert load_config(tmp_path / "home" / "node.toml", {}).config.node.name == "athens"


def test_keys_are_made_listed_exported_and_imported(tmp_path: Path, cli: CommandLine) -> None:
    home, *_ = homes = tmp_path / "a", tmp_path / "b"
    for each in homes:
        each.mkdir(mode=0o700)
        (each / "password").write_text("pw\n")
        (each / "password").chmod(0o600)
    secret = home / "secret"
    here, there = (["--kind", "secp256k1", "--home", each] for each in homes)
    cli("keys", "new", "relayer", *here, "--devnet")
    cli("keys", "new", "relayer", *here, "--devnet", code=7)
    exported = cli("keys", "export", "relayer", *here, "--to", secret, "--devnet")
    assert secret.stat().st_mode & 0o777 == 0o600
    imported = cli("keys", "import", "relayer", *there, "--secret-file", secret, "--devnet")
    for printed in (exported, imported):
        assert secret.read_text().strip() not in printed.out + printed.err
    first, second = (cli("keys", "list", "--home", each, "--output", "json").json[0]["public"] for each in homes)
    assert first == second
    cli("keys", "export", "relayer", *here, "--to", home / "again", code=7)  # weak, outside of a devnet
    secret.chmod(0o644)
    cli("keys", "import", "x", *there, "--secret-file", secret, "--devnet", code=7)


def test_a_node_that_does_not_answer_is_unreachable(cli: CommandLine) -> None:
    asked = cli("status", "--url", "http://127.0.0.1:9", code=4)
    assert asked.out == ""
    assert "R0857" in asked.err
    cli("status", "--url", "nonsense", code=4)


def test_a_testnet_is_a_valid_network_of_homes(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir(mode=0o755)
    made = create_testnet(tmp_path / "net", tiny_genesis, validators=4, base_port=30000, devnet=True, seed=7)
    validators = made.genesis.validators
    check_validator_set(validators)
    network_seeds = set()
    for node in made.nodes:
        effective = load_config(node.home / "node.toml", {}).config
        assert effective == node.config
        assert validators.validators[node.index].envelope_key == node.envelope_key
        assert {peer.port for peer in effective.p2p.peers} == {30000 + i for i in range(4) if i != node.index}
        keys = open_node_keys(node.home, effective.path(effective.node.password_file), allow_weak=True)
        network_seeds.add(keys.network_seed)
        assert node.home.stat().st_mode & 0o777 == 0o700
        genesis = genesis_from_json(effective.path(effective.node.genesis).read_bytes())
        assert network_id(genesis) == made.network
    assert len(network_seeds) == 1


def test_a_seed_repeats_a_testnet_and_is_refused_outside_devnets(tmp_path: Path) -> None:
    first, second = (
        create_testnet(tmp_path / name, tiny_genesis, devnet=True, seed=seed) for name, seed in (("a", 7), ("b", 7))
    )
    other = create_testnet(tmp_path / "c", tiny_genesis, devnet=True, seed=8)
    assert first.network == second.network != other.network
    with refused(NodeCode.CONFIG_VALUE, LocalFault):
        create_testnet(tmp_path / "d", tiny_genesis, seed=7)
    with refused(NodeCode.OUTPUT_EXISTS, LocalFault):
        create_testnet(tmp_path / "a", tiny_genesis, devnet=True, seed=7)


def test_a_testnet_on_several_machines_knows_their_names_and_ports(tmp_path: Path, cli: CommandLine) -> None:
    template, out = tmp_path / "template.json", tmp_path / "net"
    template.write_bytes(genesis_to_json(tiny_genesis()))
    hosts = ("--host", "a=10.0.0.1", "--host", "b=b.example:30000", "--host", "[2001:db8::7]")
    cli("testnet", "--genesis", template, "--devnet", "--output-dir", out, *hosts)
    configs = [load_config(out / name / "node.toml", {}).config for name in ("a", "b", "n2")]
    assert [each.node.name for each in configs] == ["a", "b", "n2"]
    assert [each.p2p.announce for each in configs] == ["10.0.0.1:26600", "b.example:30000", "[2001:db8::7]:26600"]
    assert {each.p2p.host for each in configs} == {"0.0.0.0"}  # noqa: S104 - compared
    assert {each.api.host for each in configs} == {"127.0.0.1"}
    assert [(each.p2p.port, each.api.port) for each in configs] == [(26600, 26680), (30000, 30080), (26600, 26680)]
    assert [(peer.host, peer.port) for peer in configs[0].p2p.peers] == [("b.example", 30000), ("2001:db8::7", 26600)]
    cli("config", "validate", "--config", out / "n2" / "node.toml")


@pytest.mark.parametrize(
    "hosts",
    [
        ["a b"],
        ["a=", "b"],
        ["a:0"],
        ["a:70000"],
        ["x=a", "x=b"],
        ["a", "a"],
        ["a:b:c"],
        ["genesis.json=a"],
        ["h:26600", "h:26680"],
        ["0.0.0.0"],  # noqa: S104 - refused
        ["[::]"],
        ["[::::]"],
        ["999.1.1.1"],
    ],
)
def test_hosts_that_are_no_addresses_or_twice_are_refused(tmp_path: Path, cli: CommandLine, hosts: list[str]) -> None:
    template = tmp_path / "template.json"
    template.write_bytes(genesis_to_json(tiny_genesis()))
    words = [word for host in hosts for word in ("--host", host)]
    cli("testnet", "--genesis", template, "--devnet", "--output-dir", tmp_path / "net", *words, code=ExitCode.CONFIG)
    assert not (tmp_path / "net").exists()


def test_testnet_fills_a_genesis_template(tmp_path: Path, cli: CommandLine) -> None:
    template, out = tmp_path / "template.json", tmp_path / "net"
    template.write_bytes(genesis_to_json(tiny_genesis()))
    fill = ["testnet", "--genesis", template, "--output-dir"]
    made = cli(*fill, out, "--devnet", "--output", "json").json
    genesis = genesis_from_json((out / "genesis.json").read_bytes())
    assert (made["network"], len(made["nodes"])) == (network_id(genesis).hex(), 4)
    assert genesis.time_ms > 0
    cli(*fill, out, "--devnet", code=7)
    cli(*fill, tmp_path / "y", "--endpoint", "1=http://x", code=2)
    template.write_bytes(b"{}")
    cli(*fill, tmp_path / "z", code=6)


def test_every_code_has_a_remedy() -> None:
    for module, book in code_books().items():
        assert all(len(code.remedy.strip()) > 10 for code in book), module


def test_no_two_codes_share_a_number() -> None:
    seen: dict[int, str] = {}
    shared = []
    for module, book in code_books().items():
        for code in book:
            if code.value in seen:
                shared.append(f"{code.label}: {seen[code.value]} and {module}.{code.name}")
            seen[code.value] = f"{module}.{code.name}"
    assert shared == []


def test_every_code_book_in_the_source_is_listed() -> None:
    found = set()
    for file, source in sources().items():
        classes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef))
        if any(ast.unparse(base) == "CodeBook" for each in classes for base in each.bases):
            found.add(file.removesuffix(".py").replace("/", "."))
    assert found == set(CODE_MODULES)


@pytest.mark.parametrize("wanted", ["R0203", "r0203", "203", "collateral_needed_for_margin", " R0203 "])
def test_a_code_is_found_by_number_label_or_name(wanted: str) -> None:
    (found,) = explanations_of(wanted)
    assert (found.label, found.package) == ("R0203", "clearing")
    assert found.remedy == ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN.remedy


@given(st.text(max_size=30))
def test_an_unknown_code_is_refused_and_never_crashes(wanted: str) -> None:
    try:
        assert explanations_of(wanted)
    except LocalFault as refusal:
        assert refusal.code is NodeCode.UNKNOWN_CODE


def test_all_explanations_come_by_number() -> None:
    labels = [each.label for each in all_explanations()]
    assert labels == sorted(labels)
    assert "R0101" in labels


HOSTILE = "\x1b[2J\x9b31m\u202e\x07\r\x00"


def withdrawals() -> str:
    waits = WaitingView(number=1, asset=1, amount_units="5", to=HOSTILE, nonce=1, accepted_height=1, due_height=9)
    return withdrawal_lines(WithdrawalsView(account=1, height=1, waiting=(waits,)), Listing(make_genesis(), {}))


def validators() -> str:
    proven = OffenceView(envelope_key="0x" + "11" * 32, kind=HOSTILE, count=1, height=1, power=1, noted_at=1)
    zero = "0x" + "00" * 32
    view = ValidatorsView(
        network=zero,
        height=1,
        number=0,
        hash=zero,
        total_power=0,
        validators=(),
        agreeing_hash=zero,
        offences=(proven,),
    )
    return validators_text(view)


@pytest.mark.parametrize("words", [withdrawals, validators], ids=lambda each: each.__name__)
def test_words_of_a_node_cannot_steer_a_terminal(words: Callable[[], str], capsys: pytest.CaptureFixture[str]) -> None:
    text = words()
    assert HOSTILE in text
    show({}, text, "text")
    say(text)
    for printed in capsys.readouterr():
        assert "\\u001b[2J" in printed
        assert not set(HOSTILE) & set(printed) - set("[2J31m")


def test_what_is_harmless_stays_as_it_is() -> None:
    text = "account 7\n\t12 -> 13 … ok"
    assert harmless(text) == text


CHAIN = '[[chains]]\nchain_id = 1\nname = "one"\nendpoints = [{endpoints}]\nquorum = {quorum}\n'


def test_one_provider_spelt_thrice_is_one_and_a_quorum_of_one_is_warned_of(
    settings: Callable[[str], Path], cli: CommandLine
) -> None:
    thrice = '"http://localhost:8545", "http://127.0.0.1:8545", "http://127.0.0.1:8545/"'
    path = settings(CHAIN.format(endpoints=thrice, quorum=2))
    assert "chains.one.endpoints" in cli("config", "validate", "--config", path, code=3).err
    path = settings(CHAIN.format(endpoints='"http://127.0.0.1:8545"', quorum=1))
    assert "chains.one.quorum is 1" in cli("config", "validate", "--config", path).err
    path = settings(CHAIN.format(endpoints='"http://127.0.0.1:8545", "http://127.0.0.1:8546"', quorum=2))
    assert "quorum is 1" not in cli("config", "validate", "--config", path).err


def test_a_profile_of_another_chain_is_refused_with_the_chain_ids_that_it_serves(
    settings: Callable[[str], Path], cli: CommandLine
) -> None:
    chain = CHAIN.format(endpoints='"http://127.0.0.1:8545", "http://127.0.0.1:8546"', quorum=2)
    path = settings(chain + 'profile = "polygon"\n')
    error = cli("config", "validate", "--config", path, code=3).err
    assert "R0681" in error
    assert "137, 80002" in error
    path = settings(chain + 'profile = "ethereum"\n')
    assert "settings are valid" in cli("config", "validate", "--config", path).err
