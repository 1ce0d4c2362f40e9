"""The checks of genesis: order, references, ranges, and whether its epochs can be proven.

Rule: everything that does not depend on prices or holdings is checked before the network begins, and again for every
amendment. The proof limits are those of the proofs, which a test compares; this module knows no proof. A fault names
the field.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from clearing.base.codec import encode
from clearing.base.errors import LocalFault
from clearing.base.header import CHAINS_MAX
from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.base.units import DAY_MS, MICROS_PER_TICK, PPM
from clearing.base.validators import check_validator_set
from clearing.margin.risk_arrays.charge_rates import build_tariff
from clearing.margin.risk_arrays.net_charges import NANO, steepest_slope
from clearing.margin.risk_arrays.reference_arrays import ReferenceArrays
from clearing.margin.statement.rows import build_rows, build_slots
from clearing.margin.statement.rulebook import MARK_TICKS_MAX, NAME_BYTES_MAX
from clearing.margin.statement.snapshot import RULES_BYTES_MAX, Row, RowKind, Slot, SlotKind
from clearing.margin.statement.stress import StressArrays
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.codes import ClearingCode
from clearing.schema.risk.history import HistoricalMove, HistoricalRequirement, HistoricalScenario
from clearing.schema.risk.parameters import JointCredit, JointScenario, RiskParameters, check_parameters
from clearing.schema.risk.price_ranges import check_range_parameters
from clearing.schema.risk.scenarios import MOVE_TIMES_MAX
from clearing.schema.terms.assets import Asset, CashGroup, Feed, check_assets, collateral_tokens
from clearing.schema.terms.collateral import check_soft_credit
from clearing.schema.terms.default import fund_fits
from clearing.schema.terms.genesis import (
    MEMBER_ACCOUNTS_MAX,
    OPENED_ACCOUNTS,
    AccountKind,
    Genesis,
    check_venues,
    crisis_checks,
)
from clearing.schema.terms.instruments import INDEX_TICKS_MAX, Instrument, check_instruments, forward_ticks
from clearing.schema.terms.prices import check_price_terms
from clearing.schema.terms.surfaces import surface_terms_checks
from clearing.schema.terms.withdrawals import inflow_delay_checks

CHARGE_LINE_MAX = 2**62 - 2**40
"""Largest slope or intercept of a charge at the highest price that can be agreed; rows use a little more."""
CASH_MICROS_MAX = 2**60
"""The caps of a cash group's assets sum to less than this, so that balances stay far inside 63 bits."""
TESTED_MEMBERS_MAX = 1_023
"""Capacity of the proof that the default fund covers two members; the house's own accounts count as one."""
REQUEST_MS_MAX = 7 * DAY_MS
"""A block iterates over every second since the last block, as far ahead as requests may be valid."""
SPAN_MS_MAX = 10 * 365 * DAY_MS
"""Largest duration that is added to block time: the sum is stored in the state in 63 bits."""


def check_genesis(genesis: Genesis) -> None:
    """Check order, references and ranges (1.5 ms per validator). Raises LocalFault or RemoteFault naming the field."""
    check_validator_set(genesis.validators)
    check_terms(genesis)


def check_terms(genesis: Genesis) -> None:
    """All of `check_genesis` except for the validators, which amendments do not touch. Raises the same faults."""
    check_assets(genesis.assets, genesis.cash_groups, genesis.feeds)
    check_instruments(genesis.instruments)
    check_parameters(genesis.risk)
    check_range_parameters(genesis.ranges, genesis.risk.groups, [terms.group for terms in genesis.surfaces])
    for field, value, good in surface_terms_checks(genesis.surfaces, [group.id for group in genesis.risk.groups]):
        _require(good, f"surfaces.{field}", value)
    for group in genesis.risk.groups:
        _require(not group.curve, f"risk.groups.{group.name}.curve", len(group.curve))
    check_price_terms(genesis.market.prices)
    _check_order("chains", [chain.chain_id for chain in genesis.chains])
    _check_order("feeds", [feed.id for feed in genesis.feeds])
    _check_order("cash_groups", [group.id for group in genesis.cash_groups])
    _check_order("members", [member.id for member in genesis.members])
    _require(len(genesis.chains) <= CHAINS_MAX, "chains", len(genesis.chains))
    tested = bool(genesis.risk.stress)
    _require(not tested or len(genesis.members) <= TESTED_MEMBERS_MAX, "members", len(genesis.members))
    _check_references(genesis)
    _check_members(genesis)
    _check_ranges(genesis)
    _check_provable(genesis)
    check_venues(genesis.venues, {account.id for member in genesis.members for account in member.accounts})
    for field, value, good in check_soft_credit(genesis.soft_credit):
        _require(good, f"soft_credit.{field}", value)
    for field, value, good in inflow_delay_checks(genesis.inflow):
        _require(good, f"inflow.{field}", value)
    for field, value, good in crisis_checks(genesis.crisis):
        _require(good, f"crisis.{field}", value)
    without_own_account = sum(
        all(account.kind is not AccountKind.HOUSE for account in member.accounts) for member in genesis.members
    )
    listed = {group.id for group in genesis.cash_groups}
    for field, value, good in fund_fits(genesis.crisis.fund, listed, len(genesis.risk.stress), without_own_account):
        _require(good, f"crisis.fund.{field}", value)
    market = genesis.market
    _require(market.epoch_blocks > 0, "market.epoch_blocks", market.epoch_blocks)
    # A header carries the commitments of its own epoch: verifiers refuse others.
    delay = market.snapshot_delay_blocks
    _require(delay < market.epoch_blocks, "market.snapshot_delay_blocks", delay)
    _require(market.move_cap_ppm > 0, "market.move_cap_ppm", market.move_cap_ppm)
    _require(market.reopen_blocks > 0, "market.reopen_blocks", market.reopen_blocks)
    _require(market.liquidation_penalty_ppm < 1_000_000, "market.penalty", market.liquidation_penalty_ppm)
    _require(market.request_ms_max <= REQUEST_MS_MAX, "market.request_ms_max", market.request_ms_max)
    # A day's statement is due when no trade of that day can be submitted any more.
    _require(market.statement_days * DAY_MS > market.request_ms_max, "market.statement_days", market.statement_days)
    _require(market.hold_retry_ms > 0, "market.hold_retry_ms", market.hold_retry_ms)
    for field in ("withdrawal_valid_ms", "hold_ms_max", "hold_retry_ms", "hold_valid_ms", "report_ahead_ms_max"):
        _require(getattr(market, field) <= SPAN_MS_MAX, f"market.{field}", getattr(market, field))


def _check_references(genesis: Genesis) -> None:
    feeds = {feed.id for feed in genesis.feeds}
    groups = {group.id for group in genesis.cash_groups}
    risk_groups = {group.id: group.feed for group in genesis.risk.groups}
    vaults = {chain.chain_id: chain.vault for chain in genesis.chains}
    for chain in genesis.chains:
        _require(chain.custody_stride > 0, f"chains.{chain.name}.custody_stride", chain.custody_stride)
    for group in genesis.cash_groups:
        _require(group.id >= 1, "cash_groups.id", group.id)
    for asset in genesis.assets:
        _require(vaults.get(asset.chain_id) == asset.vault, f"assets.{asset.name}.vault", asset.chain_id)
    for group in genesis.cash_groups:
        caps = sum(asset.cap_units for asset in genesis.assets if asset.cash_group == group.id)
        _require(caps < CASH_MICROS_MAX, f"cash_groups.{group.name}.caps", caps)
    for group_id, feed in risk_groups.items():
        _require(feed in feeds, f"risk.groups.{group_id}.feed", feed)
    listed = {instrument.id for instrument in genesis.instruments}
    for charge in genesis.risk.charges:
        _require(charge.instrument in listed, "risk.charges.instrument", charge.instrument)
    assets = {asset.id for asset in genesis.assets}
    for gate in genesis.crisis.gates.assets:
        _require(gate.asset in assets, "crisis.gates.assets", gate.asset)
    tokens = {asset.id for asset in genesis.assets if not asset.is_cash}
    for asset in genesis.assets:
        _check_scenario_group(asset, risk_groups)
    for tier in genesis.risk.concentration:
        _require(tier.asset in tokens, "risk.concentration.asset", tier.asset)
    for instrument in genesis.instruments:
        _require(instrument.feed in feeds, f"instruments.{instrument.name}.feed", instrument.feed)
        _require(instrument.cash_group in groups, f"instruments.{instrument.name}.cash_group", instrument.cash_group)
        same = risk_groups.get(instrument.group) == instrument.feed
        _require(same, f"instruments.{instrument.name}.group", instrument.group)
        if instrument.delivery_asset:
            _check_delivery(genesis, instrument)
        if instrument.funding.premium_feed:
            known = instrument.funding.premium_feed in feeds - {instrument.feed}
            _require(known, f"instruments.{instrument.name}.funding.premium_feed", instrument.funding.premium_feed)


def _check_scenario_group(asset: Asset, group_feeds: dict[int, int]) -> None:
    """A token that moves both ways is priced by its group's feed; one that only falls along has another feed."""
    group = asset.scenarios.group
    if group:
        field = f"assets.{asset.name}.scenarios.group"
        _require(group in group_feeds and asset.is_spot == (group_feeds[group] == asset.feed), field, group)


def _check_delivery(genesis: Genesis, instrument: Instrument) -> None:
    """A lot must be a whole number of the token's units, whose value at the feed's price equals the value of a lot."""
    token = next(
        (asset for asset in genesis.assets if asset.id == instrument.delivery_asset and not asset.is_cash), None
    )
    field = f"instruments.{instrument.name}.delivery_asset"
    _require(token is not None and token.feeds == (instrument.feed,), field, instrument.delivery_asset)
    if token is not None:
        units, rest = divmod(instrument.micros_per_tick * 10**token.unit_decimals, MICROS_PER_TICK)
        _require(units > 0 and rest == 0, field, instrument.micros_per_tick)


def _check_ranges(genesis: Genesis) -> None:
    """No agreed price may bring a risk array out of its range, nor any accepted balance a row of the proof."""
    caps = sum(asset.cap_units for asset in genesis.assets if asset.is_cash)
    denominator = genesis.risk.maintenance_denominator
    _require(caps * denominator < 2**63, "risk.maintenance_denominator", denominator)
    slopes = {group.id: steepest_slope(group) for group in genesis.risk.groups}
    for instrument in genesis.instruments:
        # No scenario moves the index beyond four times its value. An option's value may reach 2^61.
        highest = forward_ticks(4 * INDEX_TICKS_MAX, instrument.expiry_ms, genesis.risk.rate_ppm, genesis.time_ms)
        good = highest * instrument.micros_per_tick <= 2**61 and highest <= 4 * MARK_TICKS_MAX
        _require(good, f"instruments.{instrument.name}.carry", instrument.expiry_ms)
        steepest = slopes[instrument.group] * highest * instrument.micros_per_tick // NANO
        _require(steepest < 2**62, f"instruments.{instrument.name}.micros_per_tick", steepest)
    # Nor any line of a charge: slopes are row coefficients, intercepts row constants.
    tokens = [asset.as_collateral if asset.has_depeg_guard else asset for asset in genesis.assets]
    best_tokens = [token.at_best for token in tokens if not token.is_cash]
    token_values = [unit_value_after_haircut(token, INDEX_TICKS_MAX) for token in best_tokens]
    for token, value in zip(best_tokens, token_values, strict=True):
        _require(value * denominator < 2**62, f"assets.{token.name}.unit_decimals", token.unit_decimals)
    highest_index = [INDEX_TICKS_MAX] * len(genesis.instruments)
    tariff = build_tariff(genesis.instruments, highest_index, best_tokens, token_values, genesis.risk)
    named = [(instrument.name, tariff.size_lines(at)) for at, instrument in enumerate(genesis.instruments)]
    named += [(token.name, lines) for token, lines in zip(best_tokens, tariff.concentration, strict=True)]
    for name, lines in named:
        largest = max((max(line) for line in lines.lines), default=0)
        _require(largest <= CHARGE_LINE_MAX, f"risk.charges.{name}", largest)


def _check_provable(genesis: Genesis) -> None:
    """Epochs of this listing can be proven."""
    # Number of joint scenarios from history, plus one for all smaller moves.
    ranges, risk = genesis.ranges, genesis.risk
    joint = ranges.joint_scenarios + 1 if ranges.enabled and ranges.joint_scenarios else 0
    historical = ranges.historical_scenarios + 1 if ranges.enabled and ranges.historical_scenarios else 0
    for field, other in (("historical_scenarios", risk.joint.scenarios), ("joint_scenarios", risk.history.scenarios)):
        _require(not (getattr(ranges, field) and other), f"ranges.{field}", getattr(ranges, field))
    tokens = collateral_tokens(genesis.assets)
    listed = (genesis.instruments, tokens, genesis.cash_groups, genesis.feeds)
    for field, value, good in _provable_checks(*listed, _largest_parameters(risk, joint, historical)):
        _require(good, field, value)


def _check_members(genesis: Genesis) -> None:
    house = genesis.members[0] if genesis.members else None
    is_house = house is not None and house.id == HOUSE_MEMBER and [a.id for a in house.accounts] == [HOUSE_ACCOUNT]
    _require(is_house, "members", "the first must be the house, 0, with account 0")
    ids = [account.id for member in genesis.members for account in member.accounts]
    _require(len(set(ids)) == len(ids), "members.accounts", "an account belongs to one member")
    _require(all(id_ < MEMBER_ACCOUNTS_MAX for id_ in ids), "members.accounts", "too large an id")
    _require(all(id_ < OPENED_ACCOUNTS for id_ in ids), "members.accounts", "an id of accounts opened by request")
    own = {
        account.id for member in genesis.members[1:] for account in member.accounts if account.kind is AccountKind.HOUSE
    }
    backstop = genesis.crisis.liquidation.backstop_account
    _require(not backstop or backstop in own, "crisis.liquidation.backstop_account", backstop)
    listed = {member.id for member in genesis.members[1:]}
    for member in genesis.members:
        _check_order(f"members.{member.name}.accounts", [account.id for account in member.accounts])
        _check_order(f"members.{member.name}.affiliates", list(member.affiliates))
        known = listed.difference((member.id,)) if member.id != HOUSE_MEMBER else set()
        _require(known.issuperset(member.affiliates), f"members.{member.name}.affiliates", "not another member")
        clients = [account.id for account in member.accounts if account.kind is AccountKind.CLIENT]
        affiliated = {account.id for account in member.accounts if account.affiliated}
        may_be = set(clients) if member.id != HOUSE_MEMBER else set()
        _require(affiliated <= may_be, f"members.{member.name}.accounts.affiliated", "not a client of a member")


def _check_order(field: str, ids: list[int]) -> None:
    _require(all(a < b for a, b in pairwise(ids)), field, "ids must rise")


def _require(good: bool, field: str, value: int | str) -> None:
    if not good:
        raise LocalFault(ClearingCode.BAD_GENESIS, f"genesis.{field}", value=value)


SLOTS_MAX = 2_048
DIGITS_MAX = 16 * (SLOTS_MAX - 7)
"""Limit of the bytes of all slots and rows: each column leaves up to seven places empty."""
NAMED_BYTES_MAX = RULES_BYTES_MAX // 2
"""Limit of listing and parameters in a rulebook. The other half is for prices and numbers that grow."""
_NARROW_DIGITS = {SlotKind.TOKEN: 7, SlotKind.POSITION: 5}
_WIDE_DIGITS = 8
Check = tuple[str, int, bool]


def _provable_checks(
    instruments: Sequence[Instrument],
    tokens: Sequence[Asset],
    cash_groups: Sequence[CashGroup],
    feeds: Sequence[Feed],
    risk: RiskParameters,
) -> Iterator[Check]:
    """Checks that epochs can be proven. `tokens`: all possible collateral; `risk`: with the most joint scenarios.

    A later check assumes that the earlier ones passed.
    """
    names = [feed.name for feed in feeds]
    yield "feeds.name", len(names), len(set(names)) == len(names)
    listed = len(instruments) + len(tokens) + len(cash_groups) + len(risk.groups) + len(risk.stress)
    yield "listing", listed, listed <= SLOTS_MAX
    size = len(encode((tuple(instruments), tuple(tokens), tuple(cash_groups), tuple(feeds), risk)))
    yield "listing.bytes", size, size <= NAMED_BYTES_MAX
    names += [instrument.name for instrument in instruments]
    names += [*(token.name for token in tokens), *(cash_group.name for cash_group in cash_groups)]
    names += [*(group.name for group in risk.groups), *(scenario.name for scenario in risk.stress)]
    longest = max((len(name.encode()) for name in names), default=0)
    yield "names", longest, longest <= NAME_BYTES_MAX
    slots, rows = _largest_statement(instruments, tokens, cash_groups, risk)
    yield "slots", len(slots), len(slots) <= SLOTS_MAX
    yield "slots.name", len(slots), len({slot.name for slot in slots}) == len(slots)
    yield "rows.name", len(rows), len({row.name for row in rows}) == len(rows)
    digits = sum(_NARROW_DIGITS.get(slot.kind, _WIDE_DIGITS) for slot in slots)
    digits += _WIDE_DIGITS * sum(row.kind is RowKind.AT_LEAST_ZERO for row in rows)
    yield "rows", digits, digits <= DIGITS_MAX


def _largest_parameters(risk: RiskParameters, joint_scenarios: int, historical: int) -> RiskParameters:
    """The parameters with the largest number of joint scenarios, and of moves of history as large as possible; their
    contents do not matter otherwise."""
    if historical > len(risk.history.scenarios):
        largest = HistoricalScenario((HistoricalMove(-MOVE_TIMES_MAX * PPM, -PPM),) * len(risk.groups), 2**20)
        history: HistoricalRequirement = msgspec.structs.replace(
            risk.history, scenarios=(largest,) * historical, tail=1
        )
        risk = msgspec.structs.replace(risk, history=history)
    if joint_scenarios <= len(risk.joint.scenarios):
        return risk
    unmoved = JointScenario((0,) * len(risk.groups))
    credit: JointCredit = msgspec.structs.replace(risk.joint, scenarios=(unmoved,) * joint_scenarios, tail=1)
    return msgspec.structs.replace(risk, joint=credit)


def _largest_statement(
    instruments: Sequence[Instrument], tokens: Sequence[Asset], cash_groups: Sequence[CashGroup], risk: RiskParameters
) -> tuple[tuple[Slot, ...], tuple[Row, ...]]:
    """Slots and rows at the highest prices, where every charge has its lines. Scenarios do not change their number."""
    best_tokens = tuple(token.at_best for token in tokens)
    arrays = ReferenceArrays(
        instruments=tuple(instruments),
        assets=best_tokens,
        cash_groups=tuple(cash_groups),
        parameters=risk,
        rows=[[0] * (1 + risk.column_count)] * len(instruments),
        token_prices=[unit_value_after_haircut(token, INDEX_TICKS_MAX) for token in best_tokens],
        index_ticks=(INDEX_TICKS_MAX,) * len(instruments),
    )
    count = len(risk.stress)
    stress = StressArrays(
        names=tuple(scenario.name for scenario in risk.stress),
        instruments=((0,) * len(instruments),) * count,
        tokens=((0,) * len(tokens),) * count,
    )
    return build_slots(arrays, stress), build_rows(arrays, risk, stress)
