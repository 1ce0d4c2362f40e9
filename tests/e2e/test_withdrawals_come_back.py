"""A running network without relayers: what no vault paid in time comes back, what waits is cancelled by its owner."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.schema.receipts.withdrawals import (
    RefundReason,
    WithdrawalConfirmed,
    WithdrawalDelayed,
    WithdrawalExpired,
    WithdrawalRefunded,
    WithdrawalReleased,
)
from clearing.schema.terms.assets import CashGroup
from clearing.schema.terms.genesis import CrisisParameters, Genesis
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from devnet import network as devnet_network
from devnet.demo.story import USDC, DevnetDeposit, until
from devnet.genesis import build_genesis
from devnet.members import now_ms, signed_withdrawal
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from tests.kit.e2e.live import PATIENCE_SECONDS, deposit, height_of, recorded, roots_equal

pytestmark = [pytest.mark.network, pytest.mark.chain]
VALID_MS = 8_000
SMALL, LARGE = 3_000 * USDC, 50_000 * USDC
DEPOSIT = 500_000 * USDC


def gated_genesis(*arguments: Any, **named: Any) -> Genesis:
    """The devnet's, with gates on every token, a short time to claim in, and no fees that would blur the sums."""
    genesis = build_genesis(*arguments, **named)
    delays = tuple(
        AssetWithdrawalLimits(each.id, delay_above_units=SMALL, delay_blocks=10_000) for each in genesis.assets
    )
    return msgspec.structs.replace(
        genesis,
        cash_groups=tuple(CashGroup(each.id, each.name) for each in genesis.cash_groups),
        market=msgspec.structs.replace(genesis.market, withdrawal_valid_ms=VALID_MS),
        crisis=CrisisParameters(gates=WithdrawalControlTerms(delays, give_back_expired=True, deposit_hold_blocks=10)),
    )


async def cash_of(devnet: Devnet, account: int) -> int:
    async with devnet.client_of(devnet.members[account]) as client:
        return sum(int(each.amount_micros) for each in (await client.account(account)).cash)


async def until_cash(devnet: Devnet, account: int, what: str, wanted: int) -> None:
    async def look() -> bool | None:
        return True if await cash_of(devnet, account) == wanted else None

    await until(what, PATIENCE_SECONDS, look)


async def until_given_back(devnet: Devnet, account: int) -> None:
    async def look() -> bool | None:
        async with devnet.client_of(devnet.members[account]) as client:
            receipts = (await client.receipts(account)).receipts
        return True if any(each.kind == WithdrawalRefunded.__name__ for each in receipts) else None

    await until("the withdrawal to be given back", PATIENCE_SECONDS, look)


async def test_what_no_vault_paid_comes_back_and_what_waits_is_cancelled(
    anvil_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devnet_network, "build_genesis", gated_genesis)
    monkeypatch.setattr(devnet_network, "RELAYERS", 0)
    folder = tmp_path / "devnet"
    async with running_devnet(DevnetOptions(output_dir=folder, members=4)) as devnet:
        house, one, two, *_ = devnet.members
        await deposit(devnet, tuple(DevnetDeposit(each, 0, "USDC", DEPOSIT) for each in (house, one, two)))
        start = await cash_of(devnet, one.id)
        token = devnet.chains[0].deployed.tokens["USDC"]
        chain_id = devnet.chains[0].anvil.chain_id
        asset = next(each.id for each in devnet.genesis.assets if (each.chain_id, each.token) == (chain_id, token))
        client = devnet.clients["n1"]
        small = signed_withdrawal(devnet.network, one, asset, SMALL, 1, now_ms())
        large = signed_withdrawal(devnet.network, two, asset, LARGE, 1, now_ms())
        answer = await client.submit((small, large))
        assert [each.status for each in answer.results] == ["accepted", "accepted"]
        # Its leaving lasts only as long as it may be claimed, and is told by the log afterwards.
        await until_given_back(devnet, one.id)
        await until_cash(devnet, one.id, "the small one to come back", start)

        assert await cash_of(devnet, two.id) == start - LARGE, "the large one still waits"
        async with devnet.client_of(two) as own:
            shown = await own.withdrawals(two.id)
            assert [(each.number, each.amount_units) for each in shown.waiting] == [(0, str(LARGE))]
            answer = await own.cancel_withdrawal(two.id, 0)
        assert answer.results[0].status == "accepted", answer
        await until_cash(devnet, two.id, "the large one to be given back", start)
        await roots_equal(devnet, await height_of(client))
        assert await devnet.wallet(0, one).token_balance(token) == 0
    for log in recorded(devnet, tmp_path):
        assert [each.units for each in log.of_kind(WithdrawalReleased)] == [SMALL]
        assert not log.of_kind(WithdrawalConfirmed)
        (missed,) = log.of_kind(WithdrawalExpired)
        assert missed.block_time_s > missed.not_after_s
        assert len(log.of_kind(WithdrawalDelayed)) == 1
        backs = [(each.reason, each.units, each.credited) for each in log.of_kind(WithdrawalRefunded)]
        assert backs == [(RefundReason.NOT_PAID, SMALL, one.id), (RefundReason.CANCELLED, LARGE, two.id)]
