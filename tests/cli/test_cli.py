"""Rules of the command line: data on stdout, talk on stderr, stable exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clearing.base.errors import BaseCode, Bug, LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet, check_validator_set
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms, network_id
from cli.main import VERBS, cli, run
from cli.output import ExitCode, exit_of
from consensus.codes import ConsensusCode
from devnet.testnet import create_testnet
from member.codes import NodeCode
from node.config_sources import load_config
from node.signer.node_keys import open_node_keys

ROOT = Path(__file__).resolve().parents[2]


def tiny_genesis(validators: ValidatorSet = ValidatorSet(())) -> Genesis:  # noqa: B008 - frozen
    house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
    risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
    return Genesis("tiny", 0, validators, (), (), (), (), (), risk, MarketParameters(), (house,))


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert "Usage: crossclear" in capsys.readouterr().out


def test_the_list_of_verbs_needs_none_of_their_modules() -> None:
    program = (
        "import sys\n"
        "from cli.main import run\n"
        "run(['--help'])\n"
        "print([m for m in sys.modules if m.startswith(('cli.', 'numpy', 'trio'))], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert all(verb in done.stdout for verb in VERBS)
    loaded = done.stderr.splitlines()[-1]
    assert loaded == "['cli.output', 'cli.main']"


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

        monkeypatch.setattr(cli, "main", fail)
        assert run([]) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err
    monkeypatch.undo()


def test_explain_tells_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "R0203"]) == 0
    assert "collateral_needed_for_margin" in capsys.readouterr().out
    assert run(["explain", "--all", "--output", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) > 50
    assert run(["explain", "nothing"]) == 2
    assert run(["explain"]) == 2
    assert capsys.readouterr().out == ""


def test_settings_are_checked_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.toml"
    path.write_text("[p2p]\nport = 5\n")
    assert run(["config", "validate", "--config", str(path)]) == 0
    assert run(["config", "show", "--config", str(path), "--set", "api.port=7", "--output", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["p2p"]["port"], shown["api"]["port"]) == (5, 7)
    assert run(["config", "show", "--config", str(path), "--set", "api.port=7", "--origin"]) == 0
    assert "flag" in capsys.readouterr().out
    assert run(["config", "validate", "--config", str(path), "--set", "p2p.portt=7"]) == 3
    assert "p2p.portt" in capsys.readouterr().err
    assert run(["config", "validate", "--config", str(tmp_path / "none.toml")]) == 3
    assert run(["config", "validate", "--config", str(path), "--set", "x"]) == 2


def test_init_makes_a_home_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    assert run(["init", "--home", str(home), "--devnet", "--output", "json"]) == 0
    captured = capsys.readouterr()
    public = json.loads(captured.out)
    assert set(public) == {"validator", "envelope", "relayer", "possession"}
    assert "Next:" in captured.err
    assert load_config(home / "node.toml", {}).config.node.devnet is True
    assert home.stat().st_mode & 0o777 == 0o700
    assert run(["init", "--home", str(home), "--devnet"]) == 7


def test_keys_are_made_listed_exported_and_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, other = tmp_path / "a", tmp_path / "b"
    for each in (home, other):
        each.mkdir(mode=0o700)
        (each / "password").write_text("pw\n")
        (each / "password").chmod(0o600)
    here, secret = ["--home", str(home), "--devnet"], home / "secret"
    assert run(["keys", "new", "relayer", "--kind", "secp256k1", *here]) == 0
    assert run(["keys", "new", "relayer", "--kind", "secp256k1", *here]) == 7
    assert run(["keys", "export", "relayer", "--kind", "secp256k1", "--to", str(secret), *here]) == 0
    assert secret.stat().st_mode & 0o777 == 0o600
    imported = ["keys", "import", "relayer", "--kind", "secp256k1", "--secret-file", str(secret)]
    assert run([*imported, "--home", str(other), "--devnet"]) == 0
    captured = capsys.readouterr()
    assert secret.read_text().strip() not in captured.out + captured.err
    shown = []
    for each in (home, other):
        assert run(["keys", "list", "--home", str(each), "--output", "json"]) == 0
        shown.append(json.loads(capsys.readouterr().out)[0]["public"])
    assert shown[0] == shown[1]
    weak = ["keys", "export", "relayer", "--kind", "secp256k1", "--to", str(home / "again"), "--home", str(home)]
    assert run(weak) == 7
    secret.chmod(0o644)
    assert run(["keys", "import", "x", *imported[3:], "--home", str(other), "--devnet"]) == 7


def test_a_node_that_does_not_answer_is_unreachable(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--url", "http://127.0.0.1:9"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "R0857" in captured.err
    assert run(["status", "--url", "nonsense"]) == 4


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
    with pytest.raises(LocalFault) as refusal:
        create_testnet(tmp_path / "d", tiny_genesis, seed=7)
    assert refusal.value.code is NodeCode.CONFIG_VALUE
    with pytest.raises(LocalFault) as refusal:
        create_testnet(tmp_path / "a", tiny_genesis, devnet=True, seed=7)
    assert refusal.value.code is NodeCode.OUTPUT_EXISTS


def test_testnet_fills_a_genesis_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = tmp_path / "template.json"
    template.write_bytes(genesis_to_json(tiny_genesis()))
    out = tmp_path / "net"
    arguments = ["testnet", "--genesis", str(template), "--output-dir", str(out), "--devnet", "--output", "json"]
    assert run(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    genesis = genesis_from_json((out / "genesis.json").read_bytes())
    assert told["network"] == network_id(genesis).hex()
    assert genesis.time_ms > 0
    assert len(told["nodes"]) == 4
    assert run(arguments) == 7
    assert run([*arguments[:3], "--output-dir", str(tmp_path / "y"), "--endpoint", "1=http://x"]) == 2
    template.write_bytes(b"{}")
    assert run([*arguments[:3], "--output-dir", str(tmp_path / "z")]) == 6
