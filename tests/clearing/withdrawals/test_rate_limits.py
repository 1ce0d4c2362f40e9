"""Rates: what leaves in a window of blocks is bounded, of one owner and of all, and no trick resets the count."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.genesis.checks import check_terms
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.terms.genesis import crisis_checks
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms, withdrawal_control_checks
from tests.kit.clearing.gated import GATE, WINDOW, gated, gated_genesis
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1, make_genesis
from tests.kit.clearing.world import World, codes, funded, kinds, of_kind, roots
from tests.kit.table import tell

PROMPT = msgspec.structs.replace(GATE, delay_above_units=0, delay_blocks=0)
REFUSED = [ClearingCode.RATE_LIMIT]


def at_window_start(world: World) -> World:
    while (world.state.now.height + 1) % WINDOW:
        world.block()
    return world


def test_one_owner_takes_out_no_more_than_its_limit_in_a_window() -> None:
    world = gated(PROMPT)
    at_window_start(world)
    result = world.block(
        world.withdrawal(ALICE, USDC_1, 30_000 * DOLLAR),
        world.withdrawal(ALICE, USDC_1, 20_000 * DOLLAR),
        world.withdrawal(ALICE, USDC_1, 1),
    )
    assert codes(result) == REFUSED
    (refused,) = of_kind(result, Refused)
    told = dict(refused.values)
    assert (told["of"], told["used"], told["limit"]) == ("owner", str(50_000 * DOLLAR), str(50_000 * DOLLAR))
    assert int(told["opens"]) == world.state.now.height + WINDOW
    for _ in range(WINDOW - 1):
        assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1))) == REFUSED
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1))) == [], "the next window"


def test_accounts_with_the_same_key_count_as_one() -> None:
    world = gated(PROMPT)
    tell(world, "deposit client eth:USDC 60_000.00 -> credited")
    tell(
        at_window_start(world),
        """
        withdraw  alice   eth:USDC  40_000.00        -> released
        withdraw  client  eth:USDC  10_001.00        -> refused R0269 rate_limit
        withdraw  client  eth:USDC  10_000.00        -> released
        """,
    )


def test_all_together_take_out_no_more_than_the_windows_limit() -> None:
    world = tell(
        at_window_start(gated(PROMPT)),
        """
        withdraw  alice  eth:USDC  50_000.00         -> released
        withdraw  bob    eth:USDC  30_001.00         -> refused R0269 rate_limit
        """,
    )
    assert dict(world.last(Refused)[0].values)["of"] == "all"
    tell(
        world,
        """
        withdraw  bob    eth:USDC  30_000.00         -> released
        withdraw  carol  eth:USDC  0.000_001         -> refused R0269 rate_limit
        """,
    )


def test_what_is_refused_counts_for_nothing() -> None:
    tell(
        at_window_start(gated(PROMPT)),
        """
        withdraw  alice  eth:USDC  90_000.00         -> refused R0269 rate_limit
        withdraw  alice  eth:USDC  50_000.00         -> released
        """,
    )


def test_another_asset_has_its_own_count_and_none_without_a_gate() -> None:
    world = gated(PROMPT)
    tell(world, "deposit alice base:USDC 90_000.00 -> credited")
    tell(
        at_window_start(world),
        """
        withdraw  alice  eth:USDC   50_000.00        -> released
        withdraw  alice  base:USDC  90_000.00        -> released
        """,
    )


def test_what_owners_used_is_forgotten_with_their_window() -> None:
    world = gated(PROMPT)
    at_window_start(world)
    world.block(world.withdrawal(ALICE, USDC_1, DOLLAR), world.withdrawal(BOB, USDC_1, DOLLAR))
    assert len(list(world.state.owner_withdrawal_volumes.ordered())) == 2
    for _ in range(WINDOW):
        world.block()
    assert not list(world.state.owner_withdrawal_volumes.ordered())


def test_without_gates_nothing_is_counted_and_roots_are_those_of_the_same_blocks() -> None:
    plain = funded()
    plain.block(plain.withdrawal(ALICE, USDC_1, 99_000 * DOLLAR))
    assert kinds(plain.results[-1]) == ["WithdrawalReleased"]
    for table in (
        "owner_withdrawal_volumes",
        "total_withdrawal_volumes",
        "delayed_withdrawals",
        "delayed_withdrawal_counter",
        "expired_withdrawals",
        "values_withdrawn",
    ):
        assert not list(getattr(plain.state, table).ordered()), table
    other = funded()
    other.block(other.withdrawal(ALICE, USDC_1, 99_000 * DOLLAR))
    assert roots(other.state) == roots(plain.state)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((ALICE, BOB, CAROL)), st.integers(1, 60_000)), max_size=14))
def test_no_window_lets_out_more_than_its_limits(asked: list[tuple[int, int]]) -> None:
    world = gated(PROMPT, check=False)
    out: dict[tuple[int, int], int] = {}
    for account, dollars in asked:
        result = world.block(world.withdrawal(account, USDC_1, dollars * DOLLAR))
        for released in of_kind(result, WithdrawalReleased):
            key = (world.state.now.height // WINDOW, released.account)
            out[key] = out.get(key, 0) + released.units
    for window in {window for window, _ in out}:
        assert sum(units for (at, _), units in out.items() if at == window) <= GATE.window_units_max
    assert all(units <= GATE.owner_units_max for units in out.values())


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (WithdrawalControlTerms((AssetWithdrawalLimits(2), AssetWithdrawalLimits(1))), "assets"),
        (WithdrawalControlTerms((AssetWithdrawalLimits(1), AssetWithdrawalLimits(1))), "assets"),
        (WithdrawalControlTerms((AssetWithdrawalLimits(1, delay_blocks=2**31 + 1),)), "assets.1.delay_blocks"),
        (WithdrawalControlTerms(waiting_max=0), "waiting_max"),
        (WithdrawalControlTerms(waiting_max=5_000), "waiting_max"),
        (WithdrawalControlTerms(waiting_per_owner_max=0), "waiting_per_owner_max"),
        (WithdrawalControlTerms(waiting_grace_blocks=0), "waiting_grace_blocks"),
        (WithdrawalControlTerms(deposit_hold_blocks=2**31 + 1), "deposit_hold_blocks"),
    ],
)
def test_terms_outside_their_range_are_named(terms: WithdrawalControlTerms, field: str) -> None:
    assert [name for name, _, good in withdrawal_control_checks(terms) if not good] == [field]


def test_the_parameters_of_a_crisis_name_the_gates_field() -> None:
    crisis = gated_genesis(waiting_max=0, base=make_genesis()).crisis
    assert "gates.waiting_max" in [name for name, _, good in crisis_checks(crisis) if not good]


def test_a_gate_on_an_asset_that_genesis_does_not_list_is_named() -> None:
    check_terms(gated_genesis(AssetWithdrawalLimits(USDC_1)))
    with pytest.raises(LocalFault) as caught:
        check_terms(gated_genesis(AssetWithdrawalLimits(9)))
    assert "crisis.gates.assets" in str(caught.value)
