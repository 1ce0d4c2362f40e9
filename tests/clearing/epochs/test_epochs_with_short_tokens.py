"""A vault lacks some of a token: epochs close all the same, and state what is missing."""

from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import read_rulebook
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.collateral import AssetHalted, EpochClosed, HaircutChanged
from clearing.schema.terms.assets import Asset
from tests.kit.clearing.fuzz import check_provable
from tests.kit.clearing.genesis import ALICE, CAROL, DOLLAR, USDC_1, WETH_1
from tests.kit.clearing.short_vaults import counters_without, short_epoch
from tests.kit.clearing.world import World

QUARTER = 250 * 10**12
"""Base units: a quarter of the 1,000 units that are deposited."""


def stated_token(world: World) -> Asset:
    """The token in the rulebook of the snapshot."""
    statement = take_snapshot(world.state).statement
    tokens = read_rulebook(statement.rules, len(statement.slots)).tokens
    return next(token for token in tokens if token.id == WETH_1)


def test_an_epoch_closes_in_the_block_that_finds_a_token_short_and_states_what_is_missing() -> None:
    world = short_epoch(QUARTER)
    assert world.last(AssetHalted)
    assert world.last(EpochClosed)
    statement = take_snapshot(world.state).statement
    assert [term.missing for term in statement.custody if term.missing] == [QUARTER]
    assert all(term.owed == term.accounted for term in statement.custody)
    check_provable(world.state)
    assert world.refused(world.withdrawal(CAROL, WETH_1, 5)) == [ClearingCode.ASSET_HALTED]


def test_a_short_token_counts_only_for_what_backs_it_from_that_block_on() -> None:
    world = short_epoch(QUARTER)
    base = world.genesis.assets[[asset.id for asset in world.genesis.assets].index(WETH_1)].haircut_ppm
    (changed,) = world.last(HaircutChanged)
    assert (changed.haircut_ppm, changed.parts) == (base + 250_000, (("base", base), ("shortage", 250_000)))
    assert stated_token(world).haircut_ppm == base + 250_000


def test_later_counters_change_what_a_short_token_counts_for() -> None:
    world = short_epoch(QUARTER)
    before = stated_token(world).haircut_ppm
    world.block(facts=counters_without(world, WETH_1, 2 * QUARTER, 404))
    assert world.last(HaircutChanged)[0].haircut_ppm == before + 250_000
    world.block(facts=counters_without(world, WETH_1, 0, 408))
    assert world.last(HaircutChanged)[0].haircut_ppm == before - 250_000
    assert WETH_1 not in world.state.haircuts, "the base again, to the last part per million"


def test_epochs_go_on_while_cash_without_a_guard_is_short() -> None:
    """So the exit tree is renewed. The verifier refuses the package: cash has no haircut."""
    world = short_epoch(DOLLAR, USDC_1)
    assert world.last(EpochClosed)
    assert world.refused(world.withdrawal(ALICE, USDC_1, DOLLAR)) == [ClearingCode.ASSET_HALTED]
