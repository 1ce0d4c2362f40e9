"""The network gives a vault another guardian, as the page says: vote, leaf, checkpoint, and the vault follows."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import trio
from eth_account import Account

from bridge.contracts.vault import pause_call
from bridge.evm.hexadecimal import hex_data
from bridge.relay.vault_reader import VaultReader
from bridge.rpc.endpoint import Refusal, RpcCall
from clearing.base.errors import LocalFault
from cli.main import run
from devnet.demo.story import USDC, DevnetDeposit, until
from devnet.members import now_ms, signed_withdrawal
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from tests.kit.e2e.live import PATIENCE_SECONDS, deposit

pytestmark = [pytest.mark.network, pytest.mark.chain]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "vault-guardian.md").read_text(encoding="utf-8")
HEIR = bytes([0x31]) * 32
AMOUNT, PAID = 5_000 * USDC, 1_000 * USDC


class Operators:
    """The operators of a devnet's nodes, who do what the page says with commands."""

    def __init__(self, devnet: Devnet, folder: Path, capsys: Any) -> None:
        self.devnet, self.folder, self.capsys = devnet, folder, capsys
        chain = devnet.chains[0]
        self.endpoint, self.at = devnet.endpoints[0], chain.deployed.vault
        self.names = {
            "CHAIN=ADDRESS": f"{chain.anvil.chain_id}={Account.from_key(HEIR).address}",
            "VAULT": hex_data(self.at),
            "URL": chain.anvil.url,
            "guardian.key": str(folder / "heir.key"),
        }
        (folder / "heir.key").touch(0o600)
        (folder / "heir.key").write_text(HEIR.hex())
        chain.anvil.fund(str(Account.from_key(HEIR).address))

    async def say(self, verb: str, at: int = 0) -> str:
        """Run the page's line that begins so, as the operator of a node."""
        (line,) = re.findall(rf"^crossclear ({verb}\b.*)$", PAGE, re.MULTILINE)
        words = [self.names.get(word, word) for word in shlex.split(line)]
        words = [str(self.devnet.testnet.nodes[at].home) if word == "HOME" else word for word in words]
        words += ["--url", self.devnet.url(f"n{at}")] if words[0] == "governance" else []
        words += ["--devnet"] if "--home" in words else []
        words += ["--yes"] if "vote" in words else []
        self.capsys.readouterr()
        code = await trio.to_thread.run_sync(run, words)
        printed = self.capsys.readouterr()
        assert code == 0, (words, printed.out, printed.err)
        return str(printed.out)

    async def shown(self, verb: str, wanted: str) -> None:
        async def look() -> bool | None:
            return True if wanted in await self.say(verb) else None

        await until(wanted, PATIENCE_SECONDS, look)

    async def may_pause(self, address: str) -> bool:
        call = {"from": address, "to": hex_data(self.at), "data": hex_data(pause_call())}
        (answer,) = await self.endpoint.batch((RpcCall("eth_call", (call, "latest")),))
        return not isinstance(answer, Refusal)


async def withdrawn(devnet: Devnet) -> None:
    """A member's withdrawal is released and paid."""
    member, token = devnet.members[1], devnet.chains[0].deployed.tokens["USDC"]
    asset = next(each.id for each in devnet.genesis.assets if each.token == token)
    before = await devnet.wallet(0, member).token_balance(token)
    request = signed_withdrawal(devnet.network, member, asset, PAID, 1, now_ms())
    async with devnet.client_of(member) as client:
        assert (await client.submit((request,))).results[0].status == "accepted"

        async def paid() -> int | None:
            return await devnet.wallet(0, member).token_balance(token) - before or None

        assert await until("the withdrawal to be paid", PATIENCE_SECONDS, paid) == PAID


async def test_the_network_gives_a_vault_another_guardian(anvil_binary: Path, tmp_path: Path, capsys: Any) -> None:
    async with running_devnet(DevnetOptions(output_dir=tmp_path / "devnet", members=4)) as devnet:
        operators, heir = Operators(devnet, tmp_path, capsys), str(Account.from_key(HEIR).address)
        before = hex_data((await VaultReader(operators.endpoint, operators.at).bindings()).guardian)
        assert await operators.may_pause(before)
        await deposit(devnet, (DevnetDeposit(devnet.members[1], 0, "USDC", AMOUNT),))

        await operators.say("governance propose")
        await operators.shown("governance show", "proposal 1 by")
        for at in range(3):
            await operators.say("governance vote", at)
        await operators.shown("governance show", "order 0, released at")
        await operators.shown("vault status", f"guardian {heir.lower()}")
        assert "it follows orders from leaf 1 on" in await operators.say("vault status")
        assert not await operators.may_pause(before)

        await withdrawn(devnet)
        client = devnet.clients["n0"]
        assert (await client.withdrawal_proof(1)).amount == str(PAID), "withdrawals go on, with the next number"
        with pytest.raises(LocalFault, match="guardian-orders/0"):
            await client.withdrawal_proof(0)
        await operators.say("vault pause")
        assert "PAUSED until" in await operators.say("vault status")
