"""The whole requirement at work: trades, calls, liquidations and epochs under minimums, charges and credit."""

import msgspec
import pytest

from clearing.base import bls, ed25519
from clearing.base.errors import LocalFault
from clearing.base.validators import Validator, ValidatorSet
from clearing.epochs.snapshot import take_snapshot
from clearing.genesis.checks import check_genesis
from clearing.margin.statement.snapshot import SlotKind
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, collapse
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from tests.kit.clearing.full_requirement import BTC_FAR, genesis
from tests.kit.clearing.genesis import ALICE, BOB, BTC_CALL, BTC_PERP, CAROL, ETH_PERP, USDC_1, WETH_1, make_genesis
from tests.kit.clearing.rows import row_value
from tests.kit.clearing.world import World, codes, funded, of_kind


def margin(world: World, account: int):
    return holdings_margin(current_arrays(world.state), current_holdings(world.state, account))


def test_an_option_beyond_every_scenario_cannot_be_written_for_nothing():
    world = funded(genesis=genesis(), dollars=10_000)
    refused = world.block(world.trade(ALICE, BOB, BTC_FAR, 30_000, 1))
    assert codes(refused) == [ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN]
    free = funded(genesis=genesis(groups=make_genesis().risk.groups), dollars=10_000)
    assert codes(free.block(free.trade(ALICE, BOB, BTC_FAR, 30_000, 1))) == []
    world.block(world.trade(ALICE, BOB, BTC_FAR, 2_000, 1))
    short = margin(world, BOB)
    assert short.group_losses[0] <= 20_000 < short.terms.option_minimums[0] == 2_000 * 395_000
    assert short.initial >= 2_000 * 395_000
    assert margin(world, ALICE).initial <= 20_000


def test_an_account_that_falls_below_is_brought_back_by_just_enough():
    world = funded(genesis=genesis(), dollars=10_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 5_000, 790_000))
    before = margin(world, ALICE)
    assert before.terms.charges > 0 < before.terms.impact
    assert before.initial == before.group_losses[0] + before.terms.charges + before.terms.impact
    result = world.prices(700_000)
    (sold,) = [each for each in of_kind(result, Liquidated) if each.account == ALICE]
    assert of_kind(result, MarginCalled)
    after = margin(world, ALICE)
    assert 0 < world.lots(ALICE, BTC_PERP) < 5_000
    assert after.initial_ok
    assert sold.equity_after - sold.initial_after < sold.initial // 2  # far less than everything


def test_collateral_that_weighs_too_much_on_one_token_counts_for_less():
    world = funded(genesis=genesis(), dollars=10_000)
    world.deposit(CAROL, WETH_1, 10_000_000)
    assert margin(world, CAROL).terms.concentration == 0
    world.deposit(CAROL, WETH_1, 30_000_000)
    charged = margin(world, CAROL)
    value = int(current_arrays(world.state).token_values[0])
    assert charged.terms.concentration == 30_000_000 * -(-value // 5)
    assert charged.initial == charged.terms.concentration


@pytest.mark.parametrize("price", [790_000, 640_000, 500_000])
def test_every_accounts_rows_hold_at_an_epoch_whatever_the_market_did(price):
    world = funded(genesis=genesis(), dollars=30_000)
    world.deposit(CAROL, WETH_1, 20_000_000)
    world.block(
        world.trade(ALICE, BOB, BTC_PERP, 5_000, 790_000),
        world.trade(BOB, CAROL, ETH_PERP, 9_000, 20_000),
        world.trade(ALICE, CAROL, BTC_FAR, 1_000, 1),
        world.trade(CAROL, BOB, BTC_CALL, 2_000, 20_000),
    )
    world.prices(price, 18_000)
    world.block(facts=world.custody_facts(4))
    snapshot = take_snapshot(world.state)
    statement = snapshot.statement
    kinds = [slot.kind for slot in statement.slots]
    assert kinds.count(SlotKind.AUXILIARY_SIGNED) == 1
    for held in snapshot.accounts:
        own = margin(world, held.account)
        values = [*held.values, *own.terms.groups(own.group_losses), *held.auxiliary]
        assert len(values) == len(statement.slots)
        for row in statement.rows:
            assert 0 <= row_value(row, values, held.shortfall) < 2**64, (held.account, row.name)


BAD = {
    "risk.charges.instrument": {"charges": (LotCharge(9),)},
    "risk.concentration.asset": {"concentration": (ConcentrationTier(USDC_1, 1, 1),)},
    "risk.charges.BTC-PERP": {"charges": (LotCharge(BTC_PERP, 0, 0, 2**38, 1_000_000, 0, (10**9, 4 * 10**9)),)},
    "risk.charges.WETH-1": {"concentration": (ConcentrationTier(WETH_1, 2**56, 500_000),)},
    "joint.scenarios.1.columns": {"joint": JointCredit(collapse([(1, 1, 1)]))},
}


@pytest.mark.parametrize("field", BAD)
def test_a_genesis_whose_charges_cannot_be_proven_is_refused_by_name(field):
    secret = bls.secret_from_seed(b"\1" * 32)
    one = Validator(ed25519.public_key(b"\1" * 32), bls.public_key(secret), 1, bls.prove_possession(secret))

    def checked(**risk) -> None:
        check_genesis(msgspec.structs.replace(genesis(**risk), validators=ValidatorSet((one,))))

    checked()
    with pytest.raises(LocalFault) as caught:
        checked(**BAD[field])
    assert field in str(caught.value)
