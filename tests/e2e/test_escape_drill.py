"""The escape drill: all validators stop for ever, and every member takes its money out by a saved exit file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from eth_account import Account

from bridge.contracts import vault
from bridge.evm.hexadecimal import hex_data
from bridge.rpc.endpoint import Endpoint
from devnet.demo.escape_drill import DAY, EscapeDrill
from devnet.demo.story import USDC, DevnetDeposit, deposit_all, until
from devnet.members import DevnetMember, now_ms, signed_withdrawal
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from member.client.downloads import fetch_exit
from member.verifying.exits import write_exit_file
from tests.kit.e2e.live import PATIENCE_SECONDS, deposit

pytestmark = [pytest.mark.network, pytest.mark.chain]
PAYER = bytes([0x77]) * 32
DEPOSIT, WITHDRAWN, LATE = 100_000 * USDC, 1_000 * USDC, 7_000 * USDC
STAGES = (("none", 0, 1), ("return", 8, 1), ("settlement", 4, 1), ("payment", 4, None), ("payment", 0, None))
"""Of the escape: what the vault is in when the command has run, days until then, and how many members run it."""


async def withdraw_on(devnet: Devnet, chain: int, member: DevnetMember, nonce: int) -> None:
    """Take a little out, so that a relayer brings the vault a checkpoint, and wait until it is paid."""
    token, chain_id = devnet.chains[chain].deployed.tokens["USDC"], devnet.chains[chain].anvil.chain_id
    asset = next(each.id for each in devnet.genesis.assets if (each.chain_id, each.token) == (chain_id, token))
    before = await devnet.wallet(chain, member).token_balance(token)
    request = signed_withdrawal(devnet.network, member, asset, WITHDRAWN, nonce, now_ms())
    assert (await devnet.clients["n1"].submit((request,))).results[0].status == "accepted"

    async def paid() -> bool | None:
        return True if await devnet.wallet(chain, member).token_balance(token) > before else None

    await until("the withdrawal to be paid", PATIENCE_SECONDS, paid)


async def save_files(devnet: Devnet, folder: Path, chain: int) -> list[Path]:
    """Each member's exit file of the epoch that the vault knows."""
    saved = []
    for member, view in zip(devnet.members, await EscapeDrill(devnet, print).saved_files(chain), strict=True):
        async with devnet.client_of(member) as client:
            again, block = await fetch_exit(client, member.id, view.epoch)
            newest = (await client.newest_header()).epoch
        assert (again.epoch, again.leaves) == (view.epoch, view.leaves)
        assert view.epoch < newest, "a member that has no file of the newest tree yet needs none"
        saved.append(folder / f"exit-{chain}-{member.id}.json")
        write_exit_file(saved[-1], view, block)
    return saved


def claim(file: Path, rpc: str, payer: Path) -> dict[str, Any]:
    """Through the command, as a member does it: what it says of the one vault."""
    command = [sys.executable, "-m", "cli", "exit", "claim", str(file), "--rpc", rpc, "--payer-file", str(payer)]
    ended = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (found,) = json.loads(ended.stdout)
    return dict(found)


async def test_every_member_exits_from_a_network_that_stopped_for_ever(anvil_binary: Path, tmp_path: Path) -> None:
    payer = tmp_path / "payer"
    payer.touch(0o600)
    payer.write_text(PAYER.hex())
    async with running_devnet(DevnetOptions(output_dir=tmp_path / "devnet", members=4)) as devnet:
        chains, members = range(len(devnet.chains)), devnet.members
        await deposit(devnet, tuple(DevnetDeposit(each, at, "USDC", DEPOSIT) for each in members for at in chains))

        async def closed() -> bool | None:
            return True if (await devnet.clients["n0"].newest_header()).epoch >= 2 else None

        await until("headers to carry the root of an epoch", PATIENCE_SECONDS, closed)
        for nonce, chain in enumerate(chains, 1):
            await withdraw_on(devnet, chain, members[1], nonce)
        files = [await save_files(devnet, tmp_path, chain) for chain in chains]
        for node in devnet.nodes.values():
            await node.stop()
        await deposit_all(devnet, (DevnetDeposit(members[2], 0, "USDC", LATE),))

        for at, chain in zip(chains, devnet.chains, strict=True):
            chain.anvil.fund(str(Account.from_key(PAYER).address))
            owners = [devnet.wallet(at, member) for member in members]
            token = chain.deployed.tokens["USDC"]
            before = [await owner.token_balance(token) for owner in owners]
            for stage, days, claimants in STAGES:
                chain.anvil.rpc("evm_increaseTime", days * DAY)
                chain.anvil.mine()
                for file in files[at][:claimants]:
                    said = await trio.to_thread.run_sync(claim, file, chain.anvil.url, payer)
                    assert said["stage"] == stage, said
            got = [await owner.token_balance(token) - had for owner, had in zip(owners, before, strict=True)]
            expected = [DEPOSIT] * len(members)
            expected[1] -= WITHDRAWN
            expected[2] += LATE if at == 0 else 0
            assert got == expected
            assert await balance_of(devnet.endpoints[at], token, chain.deployed.vault) == 0, "to the last unit"


async def balance_of(endpoint: Endpoint, token: bytes, owner: bytes) -> int:
    call = {"to": hex_data(token), "data": hex_data(vault.balance_of_call(owner))}
    return int(str(await endpoint.call("eth_call", call, "latest")), 16)
