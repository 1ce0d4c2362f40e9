"""A chain joins a running network as the page says: settings, vote, watch, credit, epoch, payment; with restarts."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import trio
from eth_abi.abi import encode as abi_encode

from bridge.contracts.vault import DEPOSIT, approve_call
from cli.main import run
from devnet.chains import MINT
from devnet.demo.story import USDC, DevnetDeposit, until
from devnet.members import now_ms, signed_withdrawal
from devnet.network import Devnet, running_devnet, wait_ready
from devnet.options import DevnetOptions
from member.client.collateral_events import follow_event, submit_transaction
from proofs.epoch.package import read_package
from tests.kit.e2e.added_chain import AddedChain, added_chain
from tests.kit.e2e.live import PATIENCE_SECONDS, deposit, height_of, roots_equal

pytestmark = [pytest.mark.network, pytest.mark.chain]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "add-a-chain.md").read_text(encoding="utf-8")
AMOUNT, PAID = 5_000 * USDC, 1_000 * USDC


class Operators:
    """The operators of a devnet's nodes, who do what the page says with commands."""

    def __init__(self, devnet: Devnet, added: AddedChain, folder: Path, capsys: Any) -> None:
        self.devnet, self.added, self.folder, self.capsys = devnet, added, folder, capsys

    async def say(self, verb: str, at: int = 0) -> str:
        """Run the page's line with this verb of `governance` as the operator of a node, until it succeeds."""
        (line,) = re.findall(rf"^crossclear (governance {verb}\b.*)$", PAGE, re.MULTILINE)
        chain, asset = self.added.terms.chain_id, self.added.asset.id
        line = line.replace("chains.10=@", f"chains.{chain}=@{self.folder}/")
        words = shlex.split(line.replace("assets.12=@", f"assets.{asset}=@{self.folder}/"))
        words = [str(self.devnet.testnet.nodes[at].home) if word == "HOME" else word for word in words]
        extra = ["--url", self.devnet.url(f"n{at}"), *(["--devnet"] if "--home" in words else [])]
        extra += ["--yes"] if verb == "vote" else []
        return await self.command(*words, *extra)

    async def command(self, *words: str) -> str:
        self.capsys.readouterr()
        code = await trio.to_thread.run_sync(run, list(words))
        printed = self.capsys.readouterr()
        assert code == 0, (words, printed.out, printed.err)
        return str(printed.out)

    async def shown(self, wanted: str) -> None:
        """Until every node shows this of governance."""

        async def look() -> bool | None:
            nodes = range(len(self.devnet.nodes))
            return True if all([wanted in await self.say("show", at) for at in nodes]) else None

        await until(wanted, PATIENCE_SECONDS, look)


async def deposited(added: AddedChain, devnet: Devnet) -> str:
    """A member's deposit on the added chain; its transaction."""
    member = devnet.members[1]
    wallet, token = added.wallet(member.secret), added.asset.token
    await wallet.execute(token, MINT + abi_encode(["address", "uint256"], [member.address, AMOUNT]), "mint")
    await wallet.execute(token, approve_call(added.terms.vault, AMOUNT), "approve")
    call = DEPOSIT + abi_encode(["address", "uint256", "uint64"], [token, AMOUNT, member.id])
    return str((await wallet.execute(added.terms.vault, call, "deposit"))["transactionHash"])


async def proven_after(devnet: Devnet, height: int, added: AddedChain, folder: Path) -> Path:
    """The first package of a snapshot from a height on; it counts the added vault's deposit."""

    async def look() -> bytes | None:
        for client in devnet.running_clients():
            package = await client.package()
            if package is not None and package[1] >= height:
                return package[2]
        return None

    path = folder / "package.ccp"
    path.write_bytes(await until("an epoch after the chain was added", PATIENCE_SECONDS, look))
    package = read_package(path.read_bytes())
    (term,) = [term for term in package.statement.custody if term.chain_id == added.terms.chain_id]
    assert int.from_bytes(term.deposited, "big") == AMOUNT
    assert added.terms.chain_id in {evidence.chain_id for evidence in package.custody}, "and proves its counters"
    return path


async def paid_there(devnet: Devnet, added: AddedChain) -> None:
    """A withdrawal on the added chain is relayed and paid."""
    member = devnet.members[1]
    async with devnet.client_of(member) as client:
        nonce = (await client.account(member.id)).next_nonce
        request = signed_withdrawal(devnet.network, member, added.asset.id, PAID, nonce, now_ms())
        (result,) = (await client.submit((request,))).results
    assert result.status == "accepted", result

    async def look() -> int | None:
        return await added.wallet(member.secret).token_balance(added.asset.token) or None

    assert await until("the new vault to pay", PATIENCE_SECONDS, look) == PAID


async def restarted(devnet: Devnet, name: str) -> None:
    await devnet.nodes[name].kill()
    await devnet.nodes[name].start()
    await wait_ready(devnet, name)


async def test_a_chain_is_added_to_a_running_network(anvil_binary: Path, tmp_path: Path, capsys: Any) -> None:
    async with (
        running_devnet(DevnetOptions(output_dir=tmp_path / "devnet", members=4)) as devnet,
        added_chain(devnet, tmp_path / "third") as added,
    ):
        # Contributions to the default fund are called at the first epoch.
        members = devnet.members[:2]
        await deposit(devnet, tuple(DevnetDeposit(each, 0, "USDC", 500_000 * USDC) for each in members))
        operators = Operators(devnet, added, tmp_path, capsys)
        added.write_terms(tmp_path)
        await added.configure(devnet)
        await operators.say("propose")
        await operators.shown("proposal 1 by")
        for at in range(3):
            await operators.say("vote", at)
        await operators.shown("amendment 1 at height")

        # The saved state of this node does not have the chain: blocks that it executes again list it.
        await restarted(devnet, "n3")
        client, chain_id = devnet.clients["n3"], added.terms.chain_id
        transaction = await deposited(added, devnet)
        async with devnet.client_of(devnet.members[1]) as member:
            submitted = await submit_transaction(member, chain_id, bytes.fromhex(transaction[2:]))
            status = await follow_event(member, chain_id, submitted.reference)
        assert [event.progress for event in status.events] == ["credited"], status
        await restarted(devnet, "n2")

        package = await proven_after(devnet, await height_of(client), added, tmp_path)
        amendments = tmp_path / "amendments.bin"
        await operators.command("governance", "amendments", "--url", devnet.url("n0"), "--out", str(amendments))
        anchor = ["--genesis", str(devnet.testnet.genesis_path), "--amendments", str(amendments)]
        report = json.loads(await operators.command("verify", str(package), *anchor, "--no-strict", "--output", "json"))
        assert all(check["ok"] for check in report["checks"])

        await paid_there(devnet, added)
        for name in devnet.nodes:
            await wait_ready(devnet, name)
            checks = {check.name: check for check in (await devnet.clients[name].readiness()).checks}
            assert checks[f"chain-{chain_id}"].ok
        await roots_equal(devnet, await height_of(client))
