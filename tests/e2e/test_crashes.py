"""Validators are killed, held and restarted: heights go on, nothing accepted is lost, nothing is redone."""

import signal
from pathlib import Path

import pytest
import trio

from clearing.base.units import DAY_MS
from devnet.demo.story import USDC, DevnetDeposit
from devnet.network import running_devnet
from devnet.options import DevnetOptions
from member.statements.statement import day_text
from tests.kit.e2e.live import (
    TradeFlow,
    all_proven,
    all_ready,
    check_deposits,
    deposit,
    height_of,
    reach,
    recorded,
    roots_equal,
    send_signal,
)

pytestmark = [pytest.mark.network, pytest.mark.chain]


async def test_a_network_survives_the_crash_of_any_and_of_all_validators(anvil_binary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "devnet"
    async with running_devnet(DevnetOptions(output_dir=folder, members=4)) as devnet:
        house, one, two, *_ = devnet.members
        planned = tuple(
            DevnetDeposit(member, chain, "USDC", 500_000 * USDC) for chain in range(2) for member in (house, one, two)
        )
        await deposit(devnet, planned)
        flow = TradeFlow(devnet)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flow.run)
            await flow.accepted_more(8)

            for name, node in devnet.nodes.items():
                flow.avoid = name
                await flow.accepted_more(4)
                await node.kill()
                assert not node.running
                other = next(client for other, client in devnet.clients.items() if other != name)
                at = await height_of(other)
                await reach(other, at + 4)
                await flow.accepted_more(4)
                await node.start()
                await roots_equal(devnet, at + 4)
                await all_ready(devnet)
                flow.avoid = ""
            await flow.accepted_more(8)

            held = list(devnet.nodes)[1]
            flow.avoid = held
            await flow.accepted_more(4)
            send_signal(devnet, held, signal.SIGSTOP)
            at = await height_of(devnet.clients["n0"])
            await trio.sleep(5)  # longer than all timeouts of a round
            await reach(devnet.clients["n0"], at + 4)
            send_signal(devnet, held, signal.SIGCONT)
            await roots_equal(devnet, at + 4)
            flow.avoid = ""
            await flow.accepted_more(8)
            nursery.cancel_scope.cancel()

        before = {height: (await devnet.clients["n0"].header(height)).hash for height in (1, at, at + 4)}
        top = max([await height_of(client) for client in devnet.clients.values()])
        for name in devnet.nodes:
            send_signal(devnet, name, signal.SIGKILL)
        for node in devnet.nodes.values():
            await node.kill()
            await node.start()
        await roots_equal(devnet, top)
        await all_ready(devnet)
        for client in devnet.clients.values():
            assert {height: (await client.header(height)).hash for height in before} == before

        first = await devnet.clients["n0"].header(1)
        async with devnet.client_of(one) as client:
            statement = await client.statement(day_text(first.time_ms // DAY_MS))
            assert statement.first_height == 1, "statements go on over every crash"
            assert [each for account in statement.accounts for each in account.transfers]

        await flow.hand_in_again(devnet.clients["n2"])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flow.run)
            await flow.accepted_more(8)
            nursery.cancel_scope.cancel()
        settled = await roots_equal(devnet, top)
        await roots_equal(devnet, settled + 10)
        await all_proven(devnet)

    for record in recorded(devnet, folder):
        check_deposits(record, planned, lambda each: each.amount)
        lost = sorted(set(flow.accepted) - set(record.fates))
        assert lost == []
        done = {number: fates.count("novated") for number, fates in record.fates.items()}
        assert set(done.values()) == {1}, {number: fates for number, fates in record.fates.items() if done[number] != 1}
