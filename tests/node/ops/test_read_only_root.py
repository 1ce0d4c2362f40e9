"""A node writes into its home and nowhere else: it is made, checked, run and stopped where nothing else can be written.

Where this machine permits no namespaces, only the folders for a user's and temporary files cannot be written.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clearing.base.validators import ValidatorSet
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms
from devnet.testnet import create_testnet
from tests.kit.node.read_only_root import ROOT, can_seal, sealed
from tests.kit.ports import free_ports
from tests.kit.proofs import small_market
from tests.kit.until import until_now


def environment(folder: Path) -> dict[str, str]:
    """With nowhere to write for those who ask it; bytecode is written if it can be."""
    closed = folder / "closed"
    closed.mkdir(mode=0o555, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT), **dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(closed))}


def start(folder: Path, home: Path, *words: object) -> "subprocess.Popen[str]":
    """`crossclear` with these words, where only `home` can be written."""
    program = [sys.executable, "-m", "cli", *(str(word) for word in words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(sealed(home, program), cwd=ROOT, env=environment(folder), text=True, **pipes)


def printed(folder: Path, home: Path, *words: object) -> str:
    with start(folder, home, *words) as process:
        out, _ = process.communicate()
    assert process.returncode == 0, out
    return out


def decided(home: Path) -> int:
    """Heights, as the log tells."""
    log = home / "log"
    return log.read_text().count('"event": "decided"') if log.is_file() else 0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A network of one without chains or feeds: it decides empty heights."""

    def build(validators: ValidatorSet) -> Genesis:
        house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
        risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
        return Genesis("one", 1_000, validators, (), (), (), (), (), risk, MarketParameters(), (house,))

    return create_testnet(tmp_path / "net", build, validators=1, devnet=True, seed=9).nodes[0].home


@pytest.mark.skipif(not can_seal(), reason="this machine permits no namespaces: the root file system stays writable")
def test_the_seal_leaves_one_folder_writable(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    program = "import sys; open(sys.argv[1], 'w').write('x')"
    temporary = Path("/") / "tmp" / "out"
    for path, code in ((tmp_path / "home" / "in", 0), (tmp_path / "out", 1), (ROOT / "out", 1), (temporary, 1)):
        words = [sys.executable, "-c", program, str(path)]
        ended = subprocess.run(sealed(tmp_path / "home", words), cwd=ROOT, capture_output=True, text=True)
        assert (ended.returncode, "Read-only file system" in ended.stderr) == (code, code == 1), ended.stderr
    assert (tmp_path / "home" / "in").read_text() == "x"


def test_a_home_is_made_and_its_settings_checked(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    assert "envelope" in printed(tmp_path, home, "init", "--home", home, "--devnet")
    made = {path.name for path in home.iterdir()}
    assert made == {"keys", "node.toml", "password", "sign-state"}
    card = printed(tmp_path, home, "validators", "card", "--home", home, "--devnet", "--output", "json")
    assert "possession" in card


def test_a_node_runs_and_stops(tmp_path: Path, home: Path) -> None:
    p2p, api = free_ports(2)
    given = {
        "api.port": api,
        "consensus.heartbeat_ms": 50,
        "logging.file": home / "log",
        "p2p.port": p2p,
        "relayer.enabled": "false",
    }
    settings = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    at = ("--config", home / "node.toml", *settings)
    assert "settings are valid" in printed(tmp_path, home, "config", "validate", *at)
    with start(tmp_path, home, "start", *at) as node:
        until_now(lambda: node.poll() is not None or decided(home) >= 5)
        healthy = subprocess.run(
            [sys.executable, "-m", "cli", "check", "--url", f"http://127.0.0.1:{api}"], cwd=ROOT, capture_output=True
        )
        node.send_signal(signal.SIGTERM)
        out, _ = node.communicate()
    log = (home / "log").read_text()
    assert (node.returncode, out) == (0, ""), log
    assert healthy.returncode in (0, 1), healthy.stdout
    assert '"event": "stopped"' in log
    assert "Read-only" not in log
    assert not list(home.glob("crash-*"))


PROVER = """
from contextlib import closing
from proofs.epoch.pool import LocalProverPool
from tests.kit.proofs import small_market
if __name__ == "__main__":
    with closing(LocalProverPool(workers=2, domain=small_market.N)) as pool:
        print(len(pool.commit(small_market.snapshot(), small_market.seeds()).result()))
"""


def test_a_prover_process_works(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "prover.py").write_text(PROVER)
    command = sealed(home, [sys.executable, str(home / "prover.py")])
    ended = subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True)
    assert (ended.returncode, int(ended.stdout)) == (0, len(small_market.seeds())), ended.stderr
