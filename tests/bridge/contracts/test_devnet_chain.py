"""The devnet's chains behave as the real ones that they stand for, and never outlive their owner."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from clearing.base.errors import LocalFault
from devnet import toolchain
from devnet.anvil import FINALITY_DEPTH, SLOTS_IN_AN_EPOCH, Anvil, anvil_chain, start_anvil
from devnet.codes import DevnetCode
from tests.kit.chains import put_back
from tests.kit.refusals import refused
from tests.kit.until import patiently, until_now

HASHES_ONLY = (False,)
MINES_AT_ONCE = True
ROOT = Path(__file__).resolve().parents[3]


def number(chain: Anvil, tag: str) -> int:
    return int(chain.rpc("eth_getBlockByNumber", tag, *HASHES_ONLY)["number"], 16)


@pytest.mark.chain
def test_finality_lags_the_head_by_two_epochs(anvil: Callable[..., Anvil]) -> None:
    chain = anvil(1234)
    assert int(chain.rpc("eth_chainId"), 16) == 1234
    chain.mine(10)
    assert (number(chain, "latest"), number(chain, "safe"), number(chain, "finalized")) == (
        10,
        10 - SLOTS_IN_AN_EPOCH,
        10 - FINALITY_DEPTH,
    )
    chain.finalize()
    assert number(chain, "finalized") == 10


@pytest.mark.chain
def test_a_reorganisation_replaces_blocks_even_below_finality(anvil: Callable[..., Anvil]) -> None:
    chain = anvil()
    chain.mine(10)
    before = [chain.rpc("eth_getBlockByNumber", hex(height), *HASHES_ONLY)["hash"] for height in range(11)]
    chain.reorg(8)
    after = [chain.rpc("eth_getBlockByNumber", hex(height), *HASHES_ONLY)["hash"] for height in range(11)]
    assert before[:3] == after[:3]
    assert all(old != new for old, new in zip(before[3:], after[3:], strict=True))


@pytest.mark.chain
def test_a_chain_mines_by_itself_when_told_how_often(anvil: Callable[..., Anvil]) -> None:
    chain = anvil(block_seconds=0.1)
    until_now(lambda: number(chain, "latest") >= 3)


@pytest.mark.chain
@pytest.mark.parametrize("lacking", [0, 1])
def test_a_transaction_that_waits_is_put_back_too(anvil: Callable[..., Anvil], lacking: int) -> None:
    """A revert leaves it in the pool, to be mined in a later test: for lack of a block, or of the one before it."""
    chain, sender, receiver = anvil(), "0x" + 20 * "11", "0x" + 20 * "22"
    chain.fund(sender)
    chain.rpc("anvil_impersonateAccount", sender)
    payment = {"from": sender, "to": receiver, "value": "0x1", "gas": hex(21_000)}
    with put_back(chain):
        chain.rpc("evm_setAutomine", not MINES_AT_ONCE)
        chain.rpc("eth_sendTransaction", payment | {"nonce": hex(lacking)})
    chain.rpc("evm_setAutomine", MINES_AT_ONCE)
    chain.rpc("eth_sendTransaction", payment | {"nonce": "0x0", "value": "0x64"})
    chain.mine(2)
    assert int(chain.rpc("eth_getBalance", receiver, "latest"), 16) == 100


@pytest.mark.chain
def test_a_refused_call_names_its_method_and_the_chains_words(anvil: Callable[..., Anvil]) -> None:
    with pytest.raises(LocalFault) as caught:
        anvil().rpc("eth_noSuchMethod")
    assert (caught.value.code, caught.value.at) == (DevnetCode.CHAIN_TRANSACTION_FAILED, "eth_noSuchMethod")


@pytest.mark.chain
def test_a_stopped_chain_is_gone(anvil_binary: Path, tmp_path: Path) -> None:
    with anvil_chain(5, tmp_path / "chain") as chain:
        assert chain.running
    assert not chain.running
    assert chain.exit_status is not None
    with pytest.raises(httpx.HTTPError):
        httpx.post(chain.url, json={}, trust_env=False, timeout=60)


@pytest.mark.chain
def test_a_chain_ends_with_an_owner_who_is_killed(anvil_binary: Path, tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib\n"
        "from devnet.anvil import start_anvil\n"
        "print(start_anvil(5, pathlib.Path(sys.argv[1])).url, flush=True)\n"
        "time.sleep(3600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "chain")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    url = owner.stdout.readline().strip()
    ask = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    assert httpx.post(url, json=ask, trust_env=False, timeout=60).json()["result"] == "0x5"
    owner.kill()
    owner.wait()
    owner.stdout.close()
    for _ in patiently("the chain outlives its owner"):
        try:
            httpx.post(url, json=ask, trust_env=False, timeout=60)
        except httpx.HTTPError:
            break
        time.sleep(0.02)


@pytest.mark.chain
def test_a_taken_port_is_an_error_that_names_the_log(anvil: Callable[..., Anvil], tmp_path: Path) -> None:
    first = anvil(5)
    with refused(DevnetCode.CHAIN_START_FAILED, LocalFault):
        start_anvil(6, tmp_path / "second", port=first.port)
    assert first.running


def test_a_missing_toolchain_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(toolchain, "CONTRACTS", tmp_path)
    assert not toolchain.installed()
    for look in (toolchain.anvil_path, toolchain.compiler_path):
        with refused(DevnetCode.TOOLCHAIN_MISSING, LocalFault) as caught:
            look()
        assert caught.value.values["install"] == toolchain.INSTALL_COMMAND


def test_node_comes_with_python() -> None:
    version = subprocess.run([toolchain.node_path(), "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("v")
    assert toolchain.main(["nonsense"]) == 2
    npm = subprocess.run(
        [*toolchain.npm_command(), "--version"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": "/nonexistent"},
    )
    assert npm.stdout.strip()
