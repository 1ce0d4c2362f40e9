"""An honest package of the small market as a file, and the options of a member who has an account in it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.proofs import small_market

TRUST = ("--network", small_market.NETWORK.hex(), "--validators-hash", small_market.validator_set().hash.hex())
HOLDINGS = '{"cash:USD": "9000", "token:31337:WETH": 40, "position:BTC-PERP": "-2"}'
ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("web3", "libp2p", "numpy", "trio", "httpx", "starlette", "hypercorn", "py_ecc", "eth_utils")
"""What a verifier must not load."""


TIME_MS = 1_584_000_000_000
AT = ("--at", "2020-03-12T08:00:00Z")
"""The time of the small market, for a process of its own."""


@pytest.fixture(autouse=True)
def at_the_markets_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands judge packages as a minute after the small market's header."""
    monkeypatch.setattr("cli.verdict_options.now_ms", lambda: TIME_MS + 60_000)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "epoch-000004.ccp"
    path.write_bytes(small_market.honest(small_market.snapshot()))
    return path


def own_account(folder: Path, account: int = 1, holdings: str = HOLDINGS, seed_mode: int = 0o600) -> list[str]:
    """Options for an account's seed and holdings, by default those of account 1 as they were committed to."""
    seed_file, holdings_file = folder / "seed", folder / "holdings.json"
    seed_file.write_text(small_market.seeds()[1].hex() + "\n")
    seed_file.chmod(seed_mode)
    holdings_file.write_text(holdings)
    owner = "0x" + small_market.owner(1).hex()
    return [
        "--account",
        str(account),
        "--owner",
        owner,
        "--seed-file",
        str(seed_file),
        "--holdings",
        str(holdings_file),
    ]


def heavy_imports(*words: object) -> tuple[int, list[str]]:
    """The exit code of these words in a process of their own, and which heavy packages it loaded."""
    program = (
        "import sys, json\n"
        "from cli.main import run\n"
        f"code = run({[str(word) for word in words]!r})\n"
        f"print(json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    code, loaded = json.loads(done.stderr.splitlines()[-1])
    return code, loaded
