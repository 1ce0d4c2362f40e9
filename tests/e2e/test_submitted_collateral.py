"""The page on submitting a deposit, done as it says against a running network: its commands, and its example client."""

import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from eth_abi.abi import encode as abi_encode

from bridge.contracts.vault import approve_call, deposit_call
from clearing.base.hashing import sha256
from cli.main import run
from devnet import network as devnet_network
from devnet.chains import MINT
from devnet.demo.story import USDC
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from node.config import NodeConfig, Submitter

pytestmark = [pytest.mark.network, pytest.mark.chain]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "submit-collateral.md").read_text(encoding="utf-8")
TOKEN = "5a" * 32
STEPS = ["submitted", "seen", "final", "proven", "attested", "credited"]


def configured(configure: Callable[..., NodeConfig], *arguments: Any) -> NodeConfig:
    """The devnet's settings, with a submitter."""
    config = configure(*arguments)
    listed = (Submitter(name="bridge-a", token_sha256=sha256(TOKEN.encode()).hex()),)
    return msgspec.structs.replace(config, api=msgspec.structs.replace(config.api, submitters=listed))


async def deposited(devnet: Devnet, account: int, amount: int = 5 * USDC) -> str:
    """A deposit on the first chain for an account; the transaction's hash."""
    member, deployed = devnet.members[1], devnet.chains[0].deployed
    wallet, token = devnet.wallet(0, member), deployed.tokens["USDC"]
    await wallet.execute(token, MINT + abi_encode(["address", "uint256"], [member.address, amount]), "mint")
    await wallet.execute(token, approve_call(deployed.vault, amount), "approve")
    call = deposit_call(token, amount, account)
    return str((await wallet.execute(deployed.vault, call, "deposit"))["transactionHash"])


def commands_of_page() -> list[list[str]]:
    """The words of each `crossclear` line."""
    return [shlex.split(line)[1:] for line in re.findall(r"^ *(crossclear .*)$", PAGE, re.MULTILINE)]


async def follow_page(devnet: Devnet, transaction: str, token_file: Path, capsys: Any) -> list[tuple[int, str]]:
    """Run each command of the page about this transaction; exit codes and output."""
    chain, ended = devnet.chains[0], []
    said = {
        "31337": str(chain.anvil.chain_id),
        "bridge.token": str(token_file),
        "http://127.0.0.1:8545": chain.anvil.url,
    }
    for words in commands_of_page():
        line = [transaction if word.startswith("0x") else said.get(word, word) for word in words]
        code = await trio.to_thread.run_sync(run, [*line, "--url", devnet.url("n0")])
        ended.append((code, capsys.readouterr().out))
    return ended


def example_client() -> Callable[..., Any]:
    (source,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102 - the page's own example
    return names["deposit_progress"]


async def test_the_page_on_submitting_a_deposit(
    anvil_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(devnet_network, "_configure", partial(configured, devnet_network._configure))
    token_file = tmp_path / "bridge.token"
    token_file.touch(mode=0o600)
    token_file.write_text(TOKEN + "\n")
    async with running_devnet(DevnetOptions(output_dir=tmp_path / "devnet", members=4)) as devnet:
        member = devnet.members[1]
        said = await follow_page(devnet, await deposited(devnet, member.id), token_file, capsys)
        assert [code for code, _ in said] == [0, 0, 0]
        assert said[0][1] != said[1][1], "a proof has a reference of its own"
        assert f"for account {member.id}" in said[2][1]
        assert "credited" in said[2][1]

        client, chain_id = example_client(), devnet.chains[0].anvil.chain_id
        for account, end in ((member.id, "credited"), (9_999, "refused")):
            transaction = await deposited(devnet, account)
            ask = partial(client, devnet.url("n1"), TOKEN, chain_id, transaction)
            steps = await trio.to_thread.run_sync(lambda ask=ask: list(ask()))
            shown = [step["progress"] for step in steps]
            assert shown[-1] == end
            assert shown[:-1] == sorted(set(shown[:-1]), key=STEPS.index), "no step goes back"
        assert steps[-1]["events"][0]["problem"]["code"] == "R0311"
