"""What a story's genesis says about calls, liquidation, default, fund, gates and governance.

Rule: a function of the seed. One story in four has none of it, which is the machine without them.
"""

from random import Random

import msgspec

from clearing.schema.risk.parameters import Scenario, StressScenario
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.default import DefaultTerms, FundSizing, FundTerms
from clearing.schema.terms.genesis import CrisisParameters
from clearing.schema.terms.governance import GovernanceTerms
from clearing.schema.terms.house import HouseTerms
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits, WithdrawalControlTerms
from tests.kit.clearing.genesis import BOB, DOLLAR, USD, USDC_1, USDC_2

BACKSTOP = BOB
"""Its account takes over what no bid took, where genesis says so."""
STRESS = (
    StressScenario("down", (Scenario(-3, 10, 0, of_index=True), Scenario(-7, 20, 0, of_index=True))),
    StressScenario("up", (Scenario(3, 10, 0, of_index=True), Scenario(7, 20, 0, of_index=True))),
)
MILD = (
    StressScenario("down", (Scenario(-1, 10, 0, of_index=True), Scenario(-3, 20, 0, of_index=True))),
    StressScenario("up", (Scenario(1, 10, 0, of_index=True), Scenario(3, 20, 0, of_index=True))),
)
"""For markets that fall further: the fund is small."""
RANGES = RangeParameters(
    interval_ms=5_000,
    window=60,
    window_min=20,
    horizon_ms=20_000,
    range_min_ppm=80_000,
    range_max_ppm=220_000,
    lateness_ms_max=5_000,
)


def is_calm(seed: int) -> bool:
    """Whether the story has none of it."""
    return seed % 4 == 0


def ranges_of(seed: int) -> RangeParameters:
    """Ranges move in some stories: early calls need variances."""
    return RANGES if seed % 4 in (2, 3) and seed % 3 else RangeParameters()


def crisis_of(seed: int) -> CrisisParameters:
    """Everything on, in sizes that depend on the seed."""
    if is_calm(seed):
        return CrisisParameters()
    chance = Random(seed * 31 + 7)
    return CrisisParameters(
        calls=msgspec.structs.replace(_calls(chance), early_leaves_blocks=(100_000, 0, 2)[seed % 3]),
        liquidation=_liquidation(chance),
        default=msgspec.structs.replace(
            _auction(_default(chance), seed),
            hold_assessments=seed % 2 == 1,
            pool_affiliates=seed % 2 == 1,
            porting_at_maintenance=seed % 3 != 1,
            standby_porting=seed % 5 != 1,
        ),
        fund=FundTerms(
            cash_group=USD,
            sizing=chance.choice(list(FundSizing)),
            minimum_micros=100 * DOLLAR,
            buffer_ppm=chance.choice((0, 100_000)),
            lookback_epochs=chance.choice((1, 3)),
            step_micros=chance.choice((1, DOLLAR)),
            call_blocks=chance.choice((3, 8)),
            grace_blocks=chance.choice((0, 6)),
            return_blocks=chance.choice((1, 12)),
            reduce_blocks=(0, 9, 30)[seed % 3],
            exposure_memory_ppm=(0, 500_000, 900_000)[seed % 3],
            cover_growth=seed % 8 in (2, 5),
            net_affiliates=seed % 8 in (3, 5),
        ),
        gates=_gates(chance),
        governance=GovernanceTerms(
            vote_ms=20_000,
            timelock_ms=4_000,
            timelock_floor_ms=2_000,
            halt_blocks_max=6,
            halt_rest_blocks=12,
            detach_blocks=1_000,
        ),
        house=_house(Random(seed * 37 + 11)),
    )


def _calls(chance: Random) -> CallTerms:
    early = chance.choice((0, 50_000, 200_000))
    return CallTerms(
        deadline_blocks=chance.choice((0, 2, 6)),
        urgent_ppm=chance.choice((0, 500_000, 900_000)),
        early_ppm=early,
        early_release_ppm=early // 2,
        early_blocks=chance.choice((1, 10)),
        early_horizon_ms=20_000,
        congestion_ms=chance.choice((0, 3_000)),
        congestion_step_ms=2_000,
        congestion_step_blocks=1,
        congestion_step_ppm=20_000,
        congestion_steps_max=5,
    )


def _liquidation(chance: Random) -> LiquidationTerms:
    return LiquidationTerms(
        auction_blocks=chance.choice((0, 2, 5)),
        start_ppm=chance.choice((0, 1_000)),
        end_ppm=20_000,
        slice_max_ppm=chance.choice((300_000, 1_000_000)),
        bidder_share_ppm=chance.choice((0, 333_333)),
        backstop_account=chance.choice((0, BACKSTOP)),
        step_ppm=chance.choice((1_000_000, 400_000)),
        whole_notional=chance.choice((0, 500 * DOLLAR)),
        step_notional_max=chance.choice((0, 20_000 * DOLLAR)),
        steps_max=chance.choice((2, 20)),
        insolvent_to_default=chance.choice((True, False)),
        cooldown_blocks=chance.choice((0, 1, 3)),
        block_notional_max=chance.choice((0, 200_000 * DOLLAR)),
        block_loss_max=chance.choice((0, 500 * DOLLAR)),
    )


def _default(chance: Random) -> DefaultTerms:
    return DefaultTerms(
        enabled=True,
        house_capital_micros=chance.choice((0, 50 * DOLLAR, 5_000 * DOLLAR)),
        assessment_ppm=chance.choice((0, 500_000, 2_000_000)),
        assessment_period_blocks=chance.choice((20, 200)),
        assessment_blocks=chance.choice((0, 3)),
        auction_blocks=chance.choice((0, 4)),
        auction_slices=chance.choice((1, 7, 100)),
        porting_blocks=chance.choice((0, 6)),
        halt_blocks=chance.choice((0, 8)),
        replenishment_blocks=chance.choice((0, 5)),
    )


def _auction(terms: DefaultTerms, seed: int) -> DefaultTerms:
    """Sealed in two stories of three; each other rule of the auction on and off."""
    chance = Random(seed * 37 + 11)
    return msgspec.structs.replace(
        terms,
        auction_worst_ppm=(1_000_000, 250_000, 500_000)[seed % 3],
        reveal_blocks=chance.choice((0, 2, 2)) if terms.auction_blocks else 0,
        auction_reserve_ppm=chance.choice((0, 1_000_000, 3_000_000)),
        auction_own_money=chance.choice((False, True, True)),
        auction_duty_ppm=chance.choice((0, 50_000, 200_000)),
        auction_absence_ppm=chance.choice((0, 200_000, 1_000_000)),
    )


def _house(chance: Random) -> HouseTerms:
    """Drawn apart, so that all other terms of a seed stay what they were."""
    return HouseTerms(
        capital_micros=chance.choice((0, 1_000 * DOLLAR, 20_000 * DOLLAR)),
        covers_margin=chance.choice((False, True)),
        inventory_margin_max=chance.choice((0, 2_000 * DOLLAR)),
        inventory_notional_max=chance.choice((0, 20_000 * DOLLAR)),
        disposal_blocks=chance.choice((0, 1, 6)),
        disposal_end_ppm=chance.choice((0, 20_000)),
        own_default=chance.choice((False, True)),
        recovery_blocks=chance.choice((0, 4, 30)),
    )


def _gates(chance: Random) -> WithdrawalControlTerms:
    return WithdrawalControlTerms(
        assets=tuple(
            AssetWithdrawalLimits(
                asset,
                owner_units_max=chance.choice((0, 40_000 * DOLLAR)),
                window_units_max=chance.choice((0, 200_000 * DOLLAR)),
                delay_above_units=chance.choice((500, 4_000)) * DOLLAR,
                delay_blocks=chance.choice((0, 2, 6)),
                refund_units_min=chance.choice((0, 2_000)),
            )
            for asset in (USDC_1, USDC_2)
        ),
        waiting_max=12,
        waiting_per_owner_max=4,
        waiting_grace_blocks=chance.choice((1, 10)),
        deficit_reserve=chance.choice((True, False)),
        give_back_expired=True,
        deposit_hold_blocks=chance.choice((0, 2)),
        stray_blocks=chance.choice((0, 4, 30)),
    )
