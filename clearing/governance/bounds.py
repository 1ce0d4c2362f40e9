"""Governance bounds: values that genesis may state, but no vote may set.

Rule: one list of named places, each with its value and whether it is within its bound. An amendment is refused for a
place that is out of bounds afterwards, unless it had that very value before, so an old violation does not block an
unrelated change. It must not know the state.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from clearing.base.errors import Rejected
from clearing.base.units import DAY_MS, PPM
from clearing.governance.immutable_fields import at_money_volatilities
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.risk.parameters import RiskGroup, Scenario
from clearing.schema.terms.collateral import Check
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.instruments import InstrumentKind
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits

RANGE_PPM_MIN = 10_000
"""Lower bound of price scan ranges, one per cent: no requirement may approach zero."""
VOLATILITY_RANGE_PPM_MIN = 10_000
VOLATILITY_PPM_MIN, VOLATILITY_PPM_MAX = 50_000, 5_000_000
"""Bounds of the volatility at which options are marked, for every level of the surface."""
SHOCK_DOWN_PPM_MIN = 100_000
"""Lower bound of the fraction of the volatility range by which volatility falls; at zero there would be no
such scenario."""
RATE_PPM_MAX = 200_000
"""Upper bound of the annual carry of dated instruments, which determines their marks."""
HAIRCUT_PPM_MIN = 5_000
"""Lower bound of the haircut on a token's price, and on the rate of a yield-bearing one."""
GUARDED_HAIRCUT_PPM_MIN = 20_000
"""Lower bound of the haircut of the collateral that a departed cash token becomes."""
WHOLE_WEIGHT_PPM = PPM
JOINT_WEIGHT_PPM_MAX = 900_000
"""At least a tenth of the plain sum remains after credit between groups."""
CASH_LIMIT_MICROS_MAX = 10**13
TRADE_FEE_PPM_MAX = 10_000
PENALTY_PPM_MAX = 100_000
SOFT_CREDIT_PPM_MAX = 500_000
INTEREST_PPM_MAX = 500_000
SKEW_RATE_PPM_MAX = 20_000
"""No deposit or withdrawal then costs more than four per cent of itself."""
FUNDING_DAY_PPM_MAX = 1_000_000
"""Upper bound of funding in a day, as a fraction of the notional, however often it is paid."""
PREMIUM_CAP_PPM_MAX = 100_000
"""Upper bound of the distance between a perpetual's mark and its index; beyond it, trades would cause liquidations. The
same for that of an agreed forward from the carried index, and for its change in a block."""
MOVE_CAP_PPM_MIN, MOVE_CAP_PPM_MAX = 10_000, 500_000
"""Below the minimum every move would halt a feed, and a feed that stays halted settles."""
CONFIDENCE_PPM_MIN, CONFIDENCE_PPM_MAX = 500, 100_000
REPORT_AGE_MS_MIN, REPORT_AGE_MS_MAX = 1_000, 600_000
"""Below the minimum no report would be fresh, and a feed without reports settles."""
WITHDRAWAL_VALID_MS_MIN = 3_600_000
EPOCH_BLOCKS_MAX = 100_000
CUSTODY_STRIDE_MAX = 100_000
MAINTENANCE_PPM_MIN = 500_000
DELIVERY_FAIL_PPM_MAX = 200_000
DISCOUNT_PPM_MAX = 200_000
VOTE_MS_MIN = 60_000
ASSESSMENT_PPM_MAX = 2 * PPM
AUCTION_ABSENCE_PPM_MAX = PPM // 2
FUND_MINIMUM_MAX = 10**13
FUND_STEP_MAX = 10**12
FUND_CALL_BLOCKS_MIN = 10
"""Lower bound of the time to pay a call."""
BLOCK_NOTIONAL_MIN = 10**9
"""With a smaller limit per block, liquidations would never end."""
CRISIS_BLOCKS_MAX = 100_000
"""Upper bound of every deadline and window of a crisis: a default ends, and delayed money is released."""
URGENT_PPM_MAX = 900_000
"""With a higher value a called account would have no time, whatever the deadline is."""
ASSESSMENT_PERIOD_MIN = 10_000
"""Blocks. The cap on assessments applies to a period; with many short periods it would not limit anything."""
WAITING_MIN = 64
"""Lower bound of the queue of delayed withdrawals; otherwise a delay would block withdrawals."""
SILENCE_MS_MIN = 10_000
"""Slow blocks alone do not halt a chain, nor make its token leave its group."""
SILENCE_MS_MAX = 7 * DAY_MS
"""Upper bound of the silence after which a dead chain is detected."""
DEPEG_BAND_PPM_MIN = 5_000
"""The spread of a token's price does not make it leave its group."""
REPORT_AHEAD_MS_MAX = 60_000
"""A report counts as fresh while its time is ahead, and then for its age."""
GRACE_BLOCKS_MAX = 100
"""Upper bound of the time for which an old price may be used to liquidate."""
SETTLE_BLOCKS_MIN = 100
"""Below the minimum a short oracle failure would settle every position at the last good price, and void the
tokens on the feed."""
SOURCES_MIN_MAX = 8
"""Upper bound of the required independent sources: beyond the number of markets nobody could report."""
AUCTION_BAND_PPM_MAX = 200_000
INTEREST_MS_MIN = 1_000
NAME_CHARS_MAX = 64
"""Limit of names: API views have room for it, and listings are read on terminals."""
LIQUIDATIONS_MAX = 10_000
DEPOSIT_WINDOW_MAX = 1 << 16
ACCOUNTS_MAX = 1 << 14
STATEMENT_DAYS_MAX = 92
"""Limits of what one block, vault or member can make everybody compute and store."""


def check_bounds(before: Genesis, after: Genesis) -> Rejected | None:
    """Whether an amendment leaves every place within its bound, or as it was."""
    old = {(field, value) for field, value, good in bounds(before) if not good}
    for field, value, good in bounds(after):
        if not good and (field, value) not in old:
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=value)
    return None


def bounds(genesis: Genesis) -> Iterator[Check]:
    """Every bounded place: its path, its value, and whether it is within its bound."""
    yield from _risk_bounds(genesis)
    yield from _range_bounds(genesis)
    yield from _surface_bounds(genesis)
    yield from _asset_bounds(genesis)
    yield from _market_bounds(genesis)
    yield from _listing_bounds(genesis)
    yield from _crisis_bounds(genesis)
    yield from _name_bounds(genesis)


def _risk_bounds(genesis: Genesis) -> Iterator[Check]:
    risk = genesis.risk
    with_options = {instrument.group for instrument in genesis.instruments if instrument.is_option}
    part = risk.maintenance_numerator * PPM // risk.maintenance_denominator if risk.maintenance_denominator else 0
    yield "risk.maintenance", part, MAINTENANCE_PPM_MIN <= part <= PPM
    yield "risk.cash_limit_micros", risk.cash_limit_micros, risk.cash_limit_micros <= CASH_LIMIT_MICROS_MAX
    yield "risk.rate_ppm", risk.rate_ppm, risk.rate_ppm <= RATE_PPM_MAX
    weight = risk.joint.weight_ppm if risk.joint.scenarios or genesis.ranges.joint_scenarios else 0
    yield "risk.joint.weight_ppm", weight, weight <= JOINT_WEIGHT_PPM_MAX
    weight = risk.history.weight_ppm if risk.history.scenarios or genesis.ranges.historical_scenarios else 0
    yield "risk.history.weight_ppm", weight, weight <= JOINT_WEIGHT_PPM_MAX
    for group in risk.groups:
        at, grid = f"risk.groups.{group.id}", risk.grid(group)
        yield f"{at}.range_ppm", group.range_ppm, group.range_ppm >= RANGE_PPM_MIN
        for name, sign in (("up", 1), ("down", -1)):
            farthest = _farthest_move_ppm(group, grid, sign)
            yield f"{at}.scenarios.{name}", farthest, farthest >= max(RANGE_PPM_MIN, min(group.range_ppm, PPM))
        if group.id in with_options:
            shift = group.volatility_range_ppm
            yield f"{at}.volatility_range_ppm", shift, shift >= VOLATILITY_RANGE_PPM_MIN
            yield f"{at}.shock.down_ppm", group.shock.down_ppm, group.shock.down_ppm >= SHOCK_DOWN_PPM_MIN
            for name, level in zip(("lowest", "highest"), at_money_volatilities(group), strict=True):
                yield f"{at}.volatility_ppm.{name}", level, VOLATILITY_PPM_MIN <= level <= VOLATILITY_PPM_MAX
            for name, sign in (("rises", 1), ("falls", -1)):
                count = sum(point.volatility_direction == sign and point.weight_ppm == PPM for point in grid)
                yield f"{at}.scenarios.volatility_{name}", count, count > 0


def _farthest_move_ppm(group: RiskGroup, grid: tuple[Scenario, ...], sign: int) -> int:
    """The farthest move to one side that counts in full, in parts of the index."""
    moves = [
        (PPM if point.of_index else group.range_ppm) * point.move_numerator * sign // point.move_denominator
        for point in grid
        if point.weight_ppm == WHOLE_WEIGHT_PPM and point.move_denominator
    ]
    return max(0, *moves) if moves else 0


def _range_bounds(genesis: Genesis) -> Iterator[Check]:
    ranges = genesis.ranges
    if ranges.enabled:
        yield "ranges.range_min_ppm", ranges.range_min_ppm, ranges.range_min_ppm >= RANGE_PPM_MIN
        yield "ranges.range_max_ppm", ranges.range_max_ppm, ranges.range_max_ppm >= 10 * RANGE_PPM_MIN
        yield "ranges.confidence_ppm", ranges.confidence_ppm, ranges.confidence_ppm >= 900_000
        yield "ranges.rise_ppm", ranges.rise_ppm, ranges.rise_ppm >= ranges.fall_ppm
        yield "ranges.decay_ppm", ranges.decay_ppm, ranges.decay_ppm >= 500_000
        yield "ranges.horizon_ms", ranges.horizon_ms, ranges.horizon_ms >= 60_000


def _surface_bounds(genesis: Genesis) -> Iterator[Check]:
    """Bounds of live surfaces are those of voted ones, and their ladder is as long as that of prices."""
    for terms in genesis.surfaces:
        at, age = f"surfaces.{terms.group}", terms.age_ms_max
        yield f"{at}.age_ms_max", age, REPORT_AGE_MS_MIN <= age <= REPORT_AGE_MS_MAX
        yield f"{at}.sources_min", terms.sources_min, terms.sources_min <= SOURCES_MIN_MAX
        yield f"{at}.level_min_ppm", terms.level_min_ppm, terms.level_min_ppm >= VOLATILITY_PPM_MIN
        yield f"{at}.level_max_ppm", terms.level_max_ppm, terms.level_max_ppm <= VOLATILITY_PPM_MAX
        yield f"{at}.rate_max_ppm", terms.rate_max_ppm, terms.rate_max_ppm <= INTEREST_PPM_MAX
        yield f"{at}.basis_max_ppm", terms.basis_max_ppm, terms.basis_max_ppm <= PREMIUM_CAP_PPM_MAX
        step = terms.carry_change_ppm
        yield f"{at}.carry_change_ppm", step, step <= PREMIUM_CAP_PPM_MAX
        yield f"{at}.grace_blocks", terms.grace_blocks, terms.grace_blocks <= GRACE_BLOCKS_MAX
        kept = terms.keep_blocks
        yield f"{at}.keep_blocks", kept, kept == 0 or SETTLE_BLOCKS_MIN <= kept <= CRISIS_BLOCKS_MAX


def _asset_bounds(genesis: Genesis) -> Iterator[Check]:
    for asset in genesis.assets:
        at = f"assets.{asset.id}"
        if not asset.is_cash:
            yield f"{at}.haircut_ppm", asset.haircut_ppm, asset.haircut_ppm >= HAIRCUT_PPM_MIN
        if asset.scenarios.group:
            residual = asset.scenarios.haircut_ppm
            yield f"{at}.scenarios.haircut_ppm", residual, residual >= HAIRCUT_PPM_MIN
        if asset.yields.feed:
            rate = asset.yields.haircut_ppm
            yield f"{at}.yields.haircut_ppm", rate, rate >= HAIRCUT_PPM_MIN
        if asset.has_depeg_guard:
            yield f"{at}.depeg.haircut_ppm", asset.depeg.haircut_ppm, asset.depeg.haircut_ppm >= GUARDED_HAIRCUT_PPM_MIN
            yield f"{at}.depeg.band_ppm", asset.depeg.band_ppm, DEPEG_BAND_PPM_MIN <= asset.depeg.band_ppm <= 100_000
            silence = asset.depeg.halt_ms
            yield f"{at}.depeg.halt_ms", silence, silence == 0 or SILENCE_MS_MIN <= silence <= SILENCE_MS_MAX
            yield f"{at}.depeg.blocks", asset.depeg.blocks, asset.depeg.blocks <= EPOCH_BLOCKS_MAX
        yield f"{at}.soft_credit_ppm", asset.soft_credit_ppm, asset.soft_credit_ppm <= SOFT_CREDIT_PPM_MAX
    for group in genesis.cash_groups:
        debit, interval = group.interest.debit_ppm, group.interest.interval_ms
        steep = group.skew.rate_ppm
        yield f"cash_groups.{group.id}.skew.rate_ppm", steep, steep <= SKEW_RATE_PPM_MAX
        yield f"cash_groups.{group.id}.interest.interval_ms", interval, interval == 0 or interval >= INTEREST_MS_MIN
        yield f"cash_groups.{group.id}.interest.debit_ppm", debit, debit <= INTEREST_PPM_MAX


def _market_bounds(genesis: Genesis) -> Iterator[Check]:
    market, terms = genesis.market, genesis.crisis.governance
    yield "market.trade_fee_ppm", market.trade_fee_ppm, market.trade_fee_ppm <= TRADE_FEE_PPM_MAX
    penalty = market.liquidation_penalty_ppm
    yield "market.liquidation_penalty_ppm", penalty, penalty <= PENALTY_PPM_MAX
    count = market.liquidations_per_block
    yield "market.liquidations_per_block", count, 1 <= count <= LIQUIDATIONS_MAX
    yield "market.move_cap_ppm", market.move_cap_ppm, MOVE_CAP_PPM_MIN <= market.move_cap_ppm <= MOVE_CAP_PPM_MAX
    confidence = market.confidence_ppm_max
    yield "market.confidence_ppm_max", confidence, CONFIDENCE_PPM_MIN <= confidence <= CONFIDENCE_PPM_MAX
    age = market.report_age_ms_max
    yield "market.report_age_ms_max", age, REPORT_AGE_MS_MIN <= age <= REPORT_AGE_MS_MAX
    ahead = market.report_ahead_ms_max
    yield "market.report_ahead_ms_max", ahead, ahead <= REPORT_AHEAD_MS_MAX
    # A halted feed reopens, so that holders of its instruments can get out.
    yield "market.reopen_blocks", market.reopen_blocks, market.reopen_blocks <= CRISIS_BLOCKS_MAX
    # It reopens before it settles: settlement takes at least twice as long, or every halt would end its positions.
    until = market.prices.settle_blocks
    yield "market.reopen_blocks.settle", market.reopen_blocks, until == 0 or 2 * market.reopen_blocks <= until
    yield "market.member_accounts_max", market.member_accounts_max, market.member_accounts_max <= ACCOUNTS_MAX
    valid = market.withdrawal_valid_ms
    yield "market.withdrawal_valid_ms", valid, valid >= WITHDRAWAL_VALID_MS_MIN
    yield "market.epoch_blocks", market.epoch_blocks, market.epoch_blocks <= EPOCH_BLOCKS_MAX
    yield "market.deposit_window", market.deposit_window, 1 <= market.deposit_window <= DEPOSIT_WINDOW_MAX
    yield "market.held_max", market.held_max, 1 <= market.held_max <= 2**20
    yield "market.statement_days", market.statement_days, market.statement_days <= STATEMENT_DAYS_MAX
    yield "market.day_trades_max", market.day_trades_max, market.day_trades_max <= 10**7
    failing = market.prices.delivery_fail_ppm
    yield "market.prices.delivery_fail_ppm", failing, failing <= DELIVERY_FAIL_PPM_MAX
    prices, path = market.prices, "market.prices"
    yield f"{path}.grace_blocks", prices.grace_blocks, prices.grace_blocks <= GRACE_BLOCKS_MAX
    settled = prices.settle_blocks
    yield f"{path}.settle_blocks", settled, settled == 0 or SETTLE_BLOCKS_MIN <= settled <= CRISIS_BLOCKS_MAX
    yield f"{path}.sources_min", prices.sources_min, prices.sources_min <= SOURCES_MIN_MAX
    yield f"{path}.auction_blocks", prices.auction_blocks, prices.auction_blocks <= CRISIS_BLOCKS_MAX
    yield f"{path}.auction_band_ppm", prices.auction_band_ppm, prices.auction_band_ppm <= AUCTION_BAND_PPM_MAX
    outliers = market.prices.outlier_deviations
    yield "market.prices.outlier_deviations", outliers, outliers == 0 or outliers >= 2
    # No vote removes the limits of votes.
    yield "crisis.governance.vote_ms", terms.vote_ms, terms.vote_ms >= VOTE_MS_MIN
    shut = terms.halt_blocks_max
    yield "crisis.governance.halt_blocks_max", shut, shut <= EPOCH_BLOCKS_MAX


def _listing_bounds(genesis: Genesis) -> Iterator[Check]:
    for chain in genesis.chains:
        stride = chain.custody_stride
        yield f"chains.{chain.chain_id}.custody_stride", stride, 1 <= stride <= CUSTODY_STRIDE_MAX
        silence = chain.heartbeat_ms_max
        yield (
            f"chains.{chain.chain_id}.heartbeat_ms_max",
            silence,
            silence == 0 or SILENCE_MS_MIN <= silence <= SILENCE_MS_MAX,
        )
    for venue in genesis.venues:
        yield f"venues.{venue.id}.fee_ppm", venue.fee_ppm, venue.fee_ppm <= TRADE_FEE_PPM_MAX
    for instrument in genesis.instruments:
        funding = instrument.funding
        if instrument.kind is InstrumentKind.PERPETUAL and funding.interval_ms:
            paid = funding.rate_cap_ppm * funding.interval_ms // max(funding.period_ms, 1)
            yield f"instruments.{instrument.id}.funding", paid, paid <= 50_000
            daily = funding.rate_cap_ppm * DAY_MS // max(funding.period_ms, 1)
            yield f"instruments.{instrument.id}.funding.day", daily, daily <= FUNDING_DAY_PPM_MAX
        cap = funding.premium_cap_ppm
        yield f"instruments.{instrument.id}.funding.premium_cap_ppm", cap, cap <= PREMIUM_CAP_PPM_MAX


def _crisis_bounds(genesis: Genesis) -> Iterator[Check]:
    """Bounds of crisis terms: the largest discount, the smallest notional cap, and the longest durations."""
    crisis = genesis.crisis
    discount, notional_cap = crisis.liquidation.end_ppm, crisis.liquidation.block_notional_max
    yield "crisis.liquidation.end_ppm", discount, discount <= DISCOUNT_PPM_MAX
    yield "crisis.liquidation.block_notional_max", notional_cap, notional_cap == 0 or notional_cap >= BLOCK_NOTIONAL_MIN
    spans = {
        "calls": ("deadline_blocks", "early_blocks"),
        "liquidation": ("auction_blocks", "cooldown_blocks"),
        "default": (
            "assessment_blocks",
            "auction_blocks",
            "porting_blocks",
            "halt_blocks",
            "replenishment_blocks",
            "reveal_blocks",
        ),
        "fund": ("call_blocks", "grace_blocks", "reduce_blocks", "return_blocks"),
        "house": ("disposal_blocks",),
        "gates": ("waiting_grace_blocks", "deposit_hold_blocks", "stray_blocks"),
    }
    for part, fields in spans.items():
        for field in fields:
            blocks = getattr(getattr(crisis, part), field)
            yield f"crisis.{part}.{field}", blocks, blocks <= CRISIS_BLOCKS_MAX
    # Many short steps add up to a long time.
    calls, liquidation = crisis.calls, crisis.liquidation
    extension = calls.congestion_steps_max * calls.congestion_step_blocks
    yield "crisis.calls.congestion_step_blocks.together", extension, extension <= CRISIS_BLOCKS_MAX
    duration = liquidation.steps_max * liquidation.cooldown_blocks
    yield "crisis.liquidation.cooldown_blocks.together", duration, duration <= CRISIS_BLOCKS_MAX
    for cash in genesis.cash_groups:
        for field in ("deadline_blocks", "auction_blocks"):
            blocks = getattr(cash.call, field)
            yield f"cash_groups.{cash.id}.call.{field}", blocks, blocks <= CRISIS_BLOCKS_MAX
    for field in ("recall_blocks", "restriction_blocks"):
        blocks = getattr(genesis.soft_credit, field)
        yield f"soft_credit.{field}", blocks, blocks <= CRISIS_BLOCKS_MAX
    for steps in (genesis.inflow.owner_steps, genesis.inflow.chain_steps):
        for step in steps:
            yield "inflow.delay_blocks", step.delay_blocks, step.delay_blocks <= CRISIS_BLOCKS_MAX
    urgent, period = crisis.calls.urgent_ppm, crisis.default.assessment_period_blocks
    yield "crisis.calls.urgent_ppm", urgent, urgent <= URGENT_PPM_MAX
    yield "crisis.default.assessment_period_blocks", period, period >= ASSESSMENT_PERIOD_MIN
    default, fund = crisis.default, crisis.fund
    yield "crisis.default.assessment_ppm", default.assessment_ppm, default.assessment_ppm <= ASSESSMENT_PPM_MAX
    yield "crisis.default.auction_worst_ppm", default.auction_worst_ppm, default.auction_worst_ppm <= PPM
    absence = default.auction_absence_ppm
    yield "crisis.default.auction_absence_ppm", absence, absence <= AUCTION_ABSENCE_PPM_MAX
    disposal = crisis.house.disposal_end_ppm
    yield "crisis.house.disposal_end_ppm", disposal, disposal <= DISCOUNT_PPM_MAX
    yield "crisis.fund.minimum_micros", fund.minimum_micros, fund.minimum_micros <= FUND_MINIMUM_MAX
    yield "crisis.fund.step_micros", fund.step_micros, fund.step_micros <= FUND_STEP_MAX
    yield "crisis.fund.buffer_ppm", fund.buffer_ppm, fund.buffer_ppm <= PPM
    yield "crisis.fund.call_blocks.least", fund.call_blocks, fund.call_blocks >= FUND_CALL_BLOCKS_MIN
    yield "crisis.gates.waiting_max", crisis.gates.waiting_max, crisis.gates.waiting_max >= WAITING_MIN
    caps = {asset.id: asset.cap_units for asset in genesis.assets}
    for gate in crisis.gates.assets:
        at, cap = f"crisis.gates.assets.{gate.asset}", caps.get(gate.asset, 0)
        yield f"{at}.delay_blocks", gate.delay_blocks, gate.delay_blocks <= CRISIS_BLOCKS_MAX
        # A limit slows withdrawals but must not block them: an asset's cap can leave within a bounded number of
        # windows.
        for field, value, good in limits_outflow(gate, cap):
            yield f"{at}.{field}", value, good


def limits_outflow(limits: AssetWithdrawalLimits, units: int) -> Iterator[Check]:
    """Whether the limits let this many units out in time."""
    for field, limit, windows in (
        ("window_units_max", limits.window_units_max, 10_000),
        ("owner_units_max", limits.owner_units_max, 10**9),
    ):
        yield field, limit, limit == 0 or limit * windows >= units


def _name_bounds(genesis: Genesis) -> Iterator[Check]:
    named: dict[str, Sequence[Any]] = {
        "feeds": genesis.feeds,
        "cash_groups": genesis.cash_groups,
        "assets": genesis.assets,
        "instruments": genesis.instruments,
        "risk.groups": genesis.risk.groups,
        "members": genesis.members,
        "venues": genesis.venues,
    }
    names = [(f"{path}.{element.id}", element.name) for path, listed in named.items() for element in listed]
    names += [(f"chains.{chain.chain_id}", chain.name) for chain in genesis.chains]
    names += [(f"risk.stress.{number}", scenario.name) for number, scenario in enumerate(genesis.risk.stress)]
    for at, name in names:
        yield f"{at}.name", len(name), 1 <= len(name) <= NAME_CHARS_MAX and name.isprintable()
