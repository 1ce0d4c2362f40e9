"""`Genesis`: everything that all nodes must agree on before the first block. Its hash is the network id.

Rule: nothing in a node's own configuration can change a state transition; what can, stands here. Reading is bytes in,
value out: this module opens no file.
"""

from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from clearing.accounts.kinds import AccountKind
from clearing.assets import Asset, CashGroup, Feed, check_assets, collateral_tokens
from clearing.base.codec import U8, U32, U63, Bytes20, Wire, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.header import CHAINS_MAX
from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER, NetworkId
from clearing.base.plain_json import read_json
from clearing.base.units import DAY_MS, MICROS_PER_TICK
from clearing.base.validators import ValidatorSet, check_validator_set
from clearing.codes import ClearingCode
from clearing.collateral.terms import SoftCreditTerms, check_soft_credit
from clearing.crisis import CrisisParameters, crisis_checks
from clearing.fund.terms import fund_fits
from clearing.instruments import INDEX_TICKS_MAX, Instrument, check_instruments
from clearing.margin.parameters import RiskParameters, check_parameters
from clearing.margin.rulebook import MARK_TICKS_MAX
from clearing.margin.tariff import build_tariff
from clearing.prices.terms import PriceTerms, check_price_terms
from clearing.pricing.carry import forward_ticks
from clearing.provable import provable_checks
from clearing.ranges.parameters import RangeParameters, check_ranges
from clearing.trades.venues import VenueTerms, check_venues

Part = TypeVar("Part", bound=Wire)
GENESIS_TAG = "crossclear/genesis/v1"
GENESIS_BYTES_MAX = 4 << 20
CHARGE_LINE_MAX = 2**62 - 2**40
"""Largest slope or intercept of a charge at the highest price that can be agreed; rows take a little more."""
CASH_MICROS_MAX = 2**60
"""The caps of a cash group's assets sum to less than this, so that balances stay far inside 63 bits."""
MEMBER_ACCOUNTS_MAX = 2**48
"""Account ids of members are below this; above are the accounts of the ledger itself (`clearing.ledger`)."""
OPENED_ACCOUNTS = 2**47
"""Ids from here up to `MEMBER_ACCOUNTS_MAX` are given to accounts that members open (`clearing.accounts.lifecycle`)."""
TESTED_MEMBERS_MAX = 1_023
"""The proof that the default fund covers two members has room for so many, the house's own accounts counting as one."""
REQUEST_MS_MAX = 7 * DAY_MS
"""A block looks at every second of the time since the last, as far as requests reach ahead."""
SPAN_MS_MAX = 10 * 365 * DAY_MS
"""Spans that are added to block time: the sum is kept in the state, in 63 bits."""


class ChainTerms(Wire, frozen=True):
    """One EVM chain and the vault on it."""

    chain_id: U63
    name: str
    vault: Bytes20
    custody_stride: U63
    """Vault counters are reported at blocks whose number is a multiple of this."""
    vault_block: U63 = 0
    """The block that the vault was deployed in, or one before: where scanning begins."""
    heartbeat_ms_max: U63 = 0
    """How long a chain may be silent before it counts as halted; 0: not watched."""


class MarketParameters(Wire, frozen=True):
    """Limits and fees of the rulebook."""

    report_age_ms_max: U63 = 5_000
    """A report exactly this old is fresh; one millisecond older is not."""
    report_ahead_ms_max: U63 = 2_000
    """How far a report's time may lie after the block's."""
    confidence_ppm_max: U32 = 20_000
    """Reports less certain than this fraction of their price are dropped."""
    move_cap_ppm: U32 = 250_000
    """A feed that moves further in one block is halted."""
    reopen_blocks: U32 = 3
    """Consecutive blocks within the cap of each other after which a halted feed reopens."""
    request_ms_max: U63 = 600_000
    """How far ahead a not-after may lie: bounds how long trade ids are remembered."""
    withdrawal_valid_ms: U63 = 604_800_000
    """How long after its release a withdrawal can be claimed on chain."""
    liquidation_penalty_ppm: U32 = 5_000
    """Of the notional taken over, paid to the house, never beyond the account's equity."""
    liquidations_per_block: U32 = 64
    trade_fee_ppm: U32 = 0
    """Of the notional, charged to each side, rounded up."""
    deposit_window: U32 = 1024
    """How far ahead of the credited nonce attestations are kept."""
    epoch_blocks: U32 = 20
    snapshot_delay_blocks: U32 = 10
    """The header that carries an epoch's commitments comes this many heights after its snapshot."""
    prices: PriceTerms = PriceTerms()
    """Outliers, the ladder of a feed without a price, and averaging."""
    hold_ms_max: U63 = 86_400_000
    """How far ahead a trade may be held."""
    hold_retry_ms: U63 = 30_000
    """How long after a refusal the novation of a held trade is tried again."""
    hold_valid_ms: U63 = 600_000
    """How long after its time a held trade is tried."""
    held_per_account_max: U32 = 64
    held_max: U32 = 16_384
    """Trades held at a time: of one account, and of all."""
    member_accounts_max: U32 = 64
    """Accounts that one member has at a time, beyond which it opens no more and takes none over."""
    statement_days: U32 = 7
    """For how many days after its end a day's statement is taken."""
    day_trades_max: U32 = 100_000
    """Trades of one venue and day that are kept for its statement; those beyond are only counted."""


class AccountTerms(Wire, frozen=True):
    """One account of a member. `key`: the client's own, without which no money leaves; zeros: none."""

    id: U63
    kind: AccountKind
    key: Bytes20 = bytes(20)


class MemberTerms(Wire, frozen=True):
    """A clearing member. Member 0 is the clearing house itself, with account 0 for its capital."""

    id: U63
    name: str
    trade_address: Bytes20
    """EVM address of the key that signs its requests."""
    accounts: tuple[AccountTerms, ...]


class Genesis(Wire, frozen=True):
    """All tuples are ordered by id (chains by chain id)."""

    name: str
    time_ms: U63
    validators: ValidatorSet
    chains: tuple[ChainTerms, ...]
    feeds: tuple[Feed, ...]
    cash_groups: tuple[CashGroup, ...]
    assets: tuple[Asset, ...]
    instruments: tuple[Instrument, ...]
    risk: RiskParameters
    market: MarketParameters
    members: tuple[MemberTerms, ...]
    version: U8 = 1
    ranges: RangeParameters = RangeParameters()
    venues: tuple[VenueTerms, ...] = ()
    soft_credit: SoftCreditTerms = SoftCreditTerms()
    crisis: CrisisParameters = CrisisParameters()


def network_id(genesis: Genesis) -> NetworkId:
    """The hash that is inside everything signed for this network."""
    return NetworkId(tagged_hash(GENESIS_TAG, encode(genesis)))


def check_genesis(genesis: Genesis) -> None:
    """Check order, references and ranges (1.5 ms per validator). Raises LocalFault or RemoteFault naming the field."""
    check_validator_set(genesis.validators)
    check_terms(genesis)


def check_terms(genesis: Genesis) -> None:
    """All of `check_genesis` but for the validators, which amendments do not touch. Raises as that."""
    check_assets(genesis.assets, genesis.cash_groups, genesis.feeds)
    check_instruments(genesis.instruments)
    check_parameters(genesis.risk)
    check_ranges(genesis.ranges, genesis.risk.groups)
    check_price_terms(genesis.market.prices)
    _ordered("chains", [chain.chain_id for chain in genesis.chains])
    _ordered("feeds", [feed.id for feed in genesis.feeds])
    _ordered("cash_groups", [group.id for group in genesis.cash_groups])
    _ordered("members", [member.id for member in genesis.members])
    _require(len(genesis.chains) <= CHAINS_MAX, "chains", len(genesis.chains))
    tested = bool(genesis.risk.stress)
    _require(not tested or len(genesis.members) <= TESTED_MEMBERS_MAX, "members", len(genesis.members))
    _check_references(genesis)
    _check_members(genesis)
    _check_ranges(genesis)
    _check_provable(genesis)
    check_venues(genesis.venues, {each.id for member in genesis.members for each in member.accounts})
    for field, value, good in check_soft_credit(genesis.soft_credit):
        _require(good, f"soft_credit.{field}", value)
    for field, value, good in crisis_checks(genesis.crisis):
        _require(good, f"crisis.{field}", value)
    houseless = sum(all(own.kind is not AccountKind.HOUSE for own in each.accounts) for each in genesis.members)
    listed = {group.id for group in genesis.cash_groups}
    for field, value, good in fund_fits(genesis.crisis.fund, listed, len(genesis.risk.stress), houseless):
        _require(good, f"crisis.fund.{field}", value)
    market = genesis.market
    _require(market.epoch_blocks > 0, "market.epoch_blocks", market.epoch_blocks)
    _require(market.move_cap_ppm > 0, "market.move_cap_ppm", market.move_cap_ppm)
    _require(market.reopen_blocks > 0, "market.reopen_blocks", market.reopen_blocks)
    _require(market.liquidation_penalty_ppm < 1_000_000, "market.penalty", market.liquidation_penalty_ppm)
    _require(market.request_ms_max <= REQUEST_MS_MAX, "market.request_ms_max", market.request_ms_max)
    # A day's statement is due when no trade of that day can be shown any more.
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
    for tier in genesis.risk.concentration:
        _require(tier.asset in tokens, "risk.concentration.asset", tier.asset)
    for instrument in genesis.instruments:
        _require(instrument.feed in feeds, f"instruments.{instrument.name}.feed", instrument.feed)
        _require(instrument.cash_group in groups, f"instruments.{instrument.name}.cash_group", instrument.cash_group)
        same = risk_groups.get(instrument.group) == instrument.feed
        _require(same, f"instruments.{instrument.name}.group", instrument.group)
        if instrument.delivery_asset:
            _check_delivery(genesis, instrument)


def _check_delivery(genesis: Genesis, instrument: Instrument) -> None:
    """A lot must be a whole number of the token's units, worth at the feed's price alone what a lot is worth."""
    token = next((each for each in genesis.assets if each.id == instrument.delivery_asset and not each.is_cash), None)
    field = f"instruments.{instrument.name}.delivery_asset"
    _require(token is not None and token.feeds == (instrument.feed,), field, instrument.delivery_asset)
    if token is not None:
        units, rest = divmod(instrument.micros_per_tick * 10**token.unit_decimals, MICROS_PER_TICK)
        _require(units > 0 and rest == 0, field, instrument.micros_per_tick)


def _check_ranges(genesis: Genesis) -> None:
    """No agreed price may lift a risk array, and no money taken in a row of the proof, out of its range."""
    caps = sum(asset.cap_units for asset in genesis.assets if asset.is_cash)
    denominator = genesis.risk.maintenance_denominator
    _require(caps * denominator < 2**63, "risk.maintenance_denominator", denominator)
    for each in genesis.instruments:
        # No scenario moves further than to four times the index; an option's value may reach 2^61.
        highest = forward_ticks(4 * INDEX_TICKS_MAX, each.expiry_ms, genesis.risk.rate_ppm, genesis.time_ms)
        good = highest * each.micros_per_tick <= 2**61 and highest <= 4 * MARK_TICKS_MAX
        _require(good, f"instruments.{each.name}.carry", each.expiry_ms)
    # Nor any line of a charge: slopes are row coefficients, intercepts row constants.
    tokens = [each.as_collateral if each.may_leave else each for each in genesis.assets]
    whole = [each.at_best for each in tokens if not each.is_cash]
    worth = [each.unit_value(INDEX_TICKS_MAX) for each in whole]
    for token, value in zip(whole, worth, strict=True):
        _require(value * denominator < 2**62, f"assets.{token.name}.unit_decimals", token.unit_decimals)
    highest_index = [INDEX_TICKS_MAX] * len(genesis.instruments)
    tariff = build_tariff(genesis.instruments, highest_index, whole, worth, genesis.risk)
    named = [(each.name, tariff.size_lines(at)) for at, each in enumerate(genesis.instruments)]
    named += [(each.name, lines) for each, lines in zip(whole, tariff.concentration, strict=True)]
    for name, lines in named:
        largest = max((max(line) for line in lines.lines), default=0)
        _require(largest <= CHARGE_LINE_MAX, f"risk.charges.{name}", largest)


def _check_provable(genesis: Genesis) -> None:
    """Epochs of this listing can be proven."""
    # History gives so many scenarios, and one for all that move less.
    joint = genesis.ranges.joint_scenarios + 1 if genesis.ranges.enabled and genesis.ranges.joint_scenarios else 0
    tokens = collateral_tokens(genesis.assets)
    listed = (genesis.instruments, tokens, genesis.cash_groups, genesis.feeds)
    for field, value, good in provable_checks(*listed, genesis.risk, joint):
        _require(good, field, value)


def _check_members(genesis: Genesis) -> None:
    house = genesis.members[0] if genesis.members else None
    owns = house is not None and house.id == HOUSE_MEMBER and [a.id for a in house.accounts] == [HOUSE_ACCOUNT]
    _require(owns, "members", "the first must be the house, 0, with account 0")
    ids = [account.id for member in genesis.members for account in member.accounts]
    _require(len(set(ids)) == len(ids), "members.accounts", "an account belongs to one member")
    _require(all(each < MEMBER_ACCOUNTS_MAX for each in ids), "members.accounts", "too large an id")
    _require(all(each < OPENED_ACCOUNTS for each in ids), "members.accounts", "an id of accounts opened by request")
    own = {each.id for member in genesis.members[1:] for each in member.accounts if each.kind is AccountKind.HOUSE}
    backstop = genesis.crisis.liquidation.backstop_account
    _require(not backstop or backstop in own, "crisis.liquidation.backstop_account", backstop)
    for member in genesis.members:
        _ordered(f"members.{member.name}.accounts", [account.id for account in member.accounts])


def _ordered(field: str, ids: list[int]) -> None:
    _require(all(a < b for a, b in pairwise(ids)), field, "ids must rise")


def _require(good: bool, field: str, value: int | str) -> None:
    if not good:
        raise LocalFault(ClearingCode.BAD_GENESIS, f"genesis.{field}", value=value)


def genesis_to_json(genesis: Genesis) -> bytes:
    """Readable JSON: objects with the fields' names, bytes as hex with 0x, enumerations as their numbers."""
    return msgspec.json.format(msgspec.json.encode(named_value(genesis)), indent=2) + b"\n"


def genesis_from_json(data: bytes) -> Genesis:
    """Read what `genesis_to_json` wrote, or a hand-written file that leaves out fields with a default.

    Does not check meaning: `check_genesis` does. Raises RemoteFault BAD_GENESIS.
    """
    if len(data) > GENESIS_BYTES_MAX:
        raise RemoteFault(ClearingCode.BAD_GENESIS, "genesis.json", bytes=len(data), limit=GENESIS_BYTES_MAX)
    try:
        return part_from_named(Genesis, read_json(data), "genesis")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RemoteFault(ClearingCode.BAD_GENESIS, "genesis.json", why=str(error)) from None


def part_from_named(kind: type[Part], value: Any, at: str) -> Part:
    """A part of genesis out of decoded JSON or TOML that names its fields. Raises ValueError naming the place."""
    built: Any = _positional(msgspec.inspect.type_info(kind), value, at)
    return msgspec.convert(built, kind, builtin_types=(bytes,))


def named_value(value: Any) -> Any:
    """A value of genesis in JSON's terms."""
    if isinstance(value, msgspec.Struct):
        return {name: named_value(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [named_value(each) for each in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _positional(info: msgspec.inspect.Type, value: Any, at: str) -> Any:
    """Named JSON values to the array form of `Wire` structs. Raises ValueError naming the place."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _positional(info.type, value, at)
    if isinstance(info, msgspec.inspect.StructType):
        fields = {field.name: field for field in info.fields}
        if not isinstance(value, dict) or not value.keys() <= fields.keys():
            raise ValueError(f"{at}: expected an object with fields {', '.join(fields)}")
        missing = [name for name, field in fields.items() if field.required and name not in value]
        if missing:
            raise ValueError(f"{at}: {missing[0]} is missing")
        return [
            _positional(field.type, value[name], f"{at}.{name}") if name in value else _default(field)
            for name, field in fields.items()
        ]
    if isinstance(info, msgspec.inspect.VarTupleType):
        if not isinstance(value, list):
            raise ValueError(f"{at}: expected a list")
        return [_positional(info.item_type, each, f"{at}[{index}]") for index, each in enumerate(value)]
    if isinstance(info, msgspec.inspect.BytesType):
        if not isinstance(value, str) or not value.startswith("0x"):
            raise ValueError(f"{at}: expected hex with 0x")
        return bytes.fromhex(value[2:])
    return value


def _default(field: msgspec.inspect.Field) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default, builtin_types=(bytes,))
    raise ValueError(f"{field.name} is missing")
