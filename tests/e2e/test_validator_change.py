"""A running network lets a validator go and takes it back: vaults follow, withdrawals are paid."""

import time
from pathlib import Path

import pytest

from clearing.base.validators import Validator
from devnet.demo.story import USDC, DevnetDeposit, until
from devnet.members import now_ms, signed_withdrawal
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from member.signing.validator_changes import approve_change, joined, propose, set_from_view
from node.signer.node_keys import open_node_keys
from tests.kit.e2e.live import PATIENCE_SECONDS, deposit, height_of, reach, roots_equal

pytestmark = [pytest.mark.network, pytest.mark.chain]


async def change(devnet: Devnet, left: list[bytes], entered: list[Validator], approving: list[str]) -> bytes:
    """Propose, approve with the keys of these nodes, hand in, and wait until every vault follows; the set's hash."""
    client = devnet.clients["n0"]
    shown = await client.validators()
    proposed = propose(shown, left, entered, {}, time.time_ns() // 1_000_000 + 3_600_000)
    approved = []
    for node in devnet.testnet.nodes:
        if node.config.node.name in approving:
            keys = open_node_keys(node.home, node.home / "password", allow_weak=True)
            approved.append(approve_change(proposed, devnet.network, node.envelope_key, keys.envelope))
    answer = await client.submit((joined(approved).request,))
    assert answer.results[0].status == "accepted", answer

    async def over() -> bool | None:
        now = await client.validators()
        return True if now.number == proposed.request.number and now.change is None else None

    await until("every vault to follow", PATIENCE_SECONDS, over)
    return proposed.after.hash


async def test_a_validator_leaves_and_comes_back(anvil_binary: Path, tmp_path: Path) -> None:
    async with running_devnet(DevnetOptions(output_dir=tmp_path / "devnet", members=4)) as devnet:
        house, one, *_ = devnet.members
        await deposit(devnet, tuple(DevnetDeposit(each, 0, "USDC", 500_000 * USDC) for each in (house, one)))
        client = devnet.clients["n0"]
        genesis_set = devnet.genesis.validators
        leaver = devnet.testnet.nodes[3]
        smaller = await change(devnet, [leaver.envelope_key], [], ["n0", "n1", "n2"])
        assert (await client.validators()).agreeing_hash == "0x" + smaller.hex() != "0x" + genesis_set.hash.hex()

        token = devnet.chains[0].deployed.tokens["USDC"]
        asset = next(
            each.id
            for each in devnet.genesis.assets
            if (each.chain_id, each.token) == (devnet.chains[0].anvil.chain_id, token)
        )
        request = signed_withdrawal(devnet.network, one, asset, 5_000 * USDC, 1, now_ms())
        answer = await client.submit((request,))
        assert answer.results[0].status == "accepted", answer
        wallet = devnet.wallet(0, one)

        async def paid() -> int | None:
            return await wallet.token_balance(token) or None

        assert await until("the vault to pay under the new set", PATIENCE_SECONDS, paid) == 5_000 * USDC

        own_entry = genesis_set.validators[genesis_set.index_of[leaver.envelope_key]]
        whole = await change(devnet, [], [own_entry], ["n0", "n1", "n2"])
        assert whole == genesis_set.hash == set_from_view((await client.validators()).validators).hash
        top = await height_of(client)
        await reach(devnet.clients["n3"], top)
        await roots_equal(devnet, top)

        async def signs() -> bool | None:
            newest = await client.header(await height_of(client))
            return True if genesis_set.index_of[leaver.envelope_key] in newest.signers else None

        await until("who came back to sign", PATIENCE_SECONDS, signs)
