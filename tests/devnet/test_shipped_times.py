"""A new draft has the times of a production network: days to leave, hours to pay, none of the devnet's seconds."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clearing.base.units import DAY_MS
from clearing.governance.bounds import bounds
from clearing.schema.terms.genesis import Genesis
from devnet.market import CONFIGS, load_market
from devnet.network_draft import MARKET, new_draft
from devnet.risk_set import RISK_SET, read_risk_set
from tests.kit.market_genesis import genesis_of

HOUR_MS = DAY_MS // 24
ETHEREUM_EPOCH_MS = 32 * 12_000
"""Ethereum finalises an epoch at a time: 32 slots of 12 seconds (Ethereum consensus specifications, mainnet preset)."""
TABLES = ("crisis.governance", "market.prices", "inflow", "cash.call", "tokens.gate", "tokens.haircut")
BLOCK_MS = read_risk_set().block_ms


def table_at(whole: Mapping[str, Any], path: str) -> list[Any]:
    """The table, or that of every entry of a list that has one."""
    found: list[Any] = [whole]
    for name in path.split("."):
        found = [each for table in found for each in (table if isinstance(table, list) else [table])]
        found = [table[name] for table in found if name in table]
    return found


def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a new draft."""
    made = tmp_path_factory.mktemp("times") / "network"
    new_draft(made, "example", "0x" + "11" * 20)
    return made


@pytest.fixture(scope="module")
def draft(folder: Path) -> Genesis:
    return genesis_of(load_market(folder / MARKET))


@pytest.mark.parametrize("path", TABLES)
def test_a_new_draft_takes_the_table_of_the_risk_set_and_not_the_devnets(path: str, folder: Path) -> None:
    written, ours, devnet = (
        table_at(toml(each), path) for each in (folder / MARKET, RISK_SET, CONFIGS / "market.toml")
    )
    assert len(ours) == 1
    assert written == ours * len(devnet)
    assert ours[0] not in devnet


def test_who_disagrees_can_leave_before_any_amendment(draft: Genesis) -> None:
    """The floor of the timelock is longer than all that money may have to wait for, one after another."""
    crisis, inflow = draft.crisis, draft.inflow
    waits = (
        max(step.delay_blocks for step in (*inflow.owner_steps, *inflow.chain_steps)),
        crisis.fund.return_blocks,
        draft.market.epoch_blocks,
        max(gate.delay_blocks for gate in crisis.gates.assets),
    )
    assert all(waits)
    assert crisis.governance.timelock_floor_ms >= sum(waits) * BLOCK_MS
    assert crisis.governance.timelock_ms >= 2 * crisis.governance.timelock_floor_ms


def test_a_vote_is_open_for_days_and_a_vault_is_awaited_for_one(draft: Genesis) -> None:
    terms = draft.crisis.governance
    assert terms.vote_ms >= 2 * DAY_MS
    assert terms.detach_blocks * BLOCK_MS >= DAY_MS
    assert terms.removal_offences > 0


def test_one_key_halts_an_instrument_for_a_small_part_of_the_time(draft: Genesis) -> None:
    terms = draft.crisis.governance
    assert 0 < 4 * terms.halt_blocks_max <= terms.halt_rest_blocks


def test_operators_have_hours_before_a_feed_without_a_price_settles(draft: Genesis) -> None:
    prices = draft.market.prices
    assert prices.settle_blocks * BLOCK_MS >= 12 * HOUR_MS
    assert prices.auction_blocks * BLOCK_MS >= 5 * 60_000
    assert prices.grace_blocks * BLOCK_MS <= 60_000


def test_reports_further_apart_than_a_market_s_own_spread_are_outliers(draft: Genesis) -> None:
    """The devnet's feeds move by a fifth in a second, and nothing there is an outlier."""
    assert 0 < draft.market.prices.outlier_floor_ppm <= 10_000
    assert genesis_of(load_market()).market.prices.outlier_floor_ppm > 100_000


def test_a_member_called_for_cash_has_the_time_that_early_calls_count_on(draft: Genesis) -> None:
    call = draft.cash_groups[0].call
    assert call.deadline_blocks >= draft.crisis.calls.early_blocks
    assert (call.deadline_blocks + call.auction_blocks) * BLOCK_MS <= draft.ranges.horizon_ms


def test_people_have_an_hour_before_a_large_inflow_may_leave(draft: Genesis) -> None:
    """And a member that pays in to pay its contribution can pay it before it is in default for it."""
    inflow, fund = draft.inflow, draft.crisis.fund
    for steps in (inflow.owner_steps, inflow.chain_steps):
        assert any(step.delay_blocks * BLOCK_MS >= HOUR_MS for step in steps)
        assert all(step.delay_blocks <= fund.call_blocks + fund.grace_blocks for step in steps)
    assert inflow.window_blocks * BLOCK_MS >= HOUR_MS


def test_a_stolen_key_is_noticed_before_much_has_left(draft: Genesis) -> None:
    assert all(gate.delay_blocks * BLOCK_MS >= HOUR_MS for gate in draft.crisis.gates.assets)


def test_a_chain_that_finalises_an_epoch_at_a_time_is_not_silent(draft: Genesis) -> None:
    silences = [each.haircut.outage_ms for each in draft.assets if each.haircut.outage_ms]
    assert silences
    assert min(silences) >= 2 * ETHEREUM_EPOCH_MS


def test_no_table_of_the_set_begins_beyond_a_bound_of_votes(draft: Genesis) -> None:
    """Where one does, no vote could move the value and stay beyond it."""
    ours = ("crisis.governance", "market.prices", "inflow", "cash_groups.1.call", "crisis.gates")
    beyond = [field for field, _, good in bounds(draft) if not good]
    assert [field for field in beyond if field.startswith(ours)] == []


def test_the_devnet_states_its_own_short_times() -> None:
    """Votes of the demonstration and of the tutorials take effect within a minute, whatever a new draft has."""
    terms = genesis_of(load_market()).crisis.governance
    assert terms.enabled
    assert terms.timelock_ms <= 60_000
