"""`Genesis`: everything that all nodes must agree on before the first block. Its hash is the network id.

Rule: data only. A node's own configuration cannot change a state transition. What can is listed here: chains, members,
venues, market limits, risk and crisis parameters. Every default switches its rule off. `clearing.genesis.checks`
validates the values.
"""

from collections.abc import Collection, Iterable, Iterator
from enum import IntEnum
from itertools import pairwise

from clearing.base.codec import U8, U32, U63, Bytes20, Wire, encode_trimmed
from clearing.base.errors import LocalFault
from clearing.base.hashing import tagged_hash
from clearing.base.ids import NetworkId
from clearing.base.units import PPM
from clearing.base.validators import ValidatorSet
from clearing.schema.codes import ClearingCode
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.collateral import Check, SoftCreditTerms
from clearing.schema.terms.default import DefaultTerms, FundTerms, default_checks, fund_checks
from clearing.schema.terms.governance import GovernanceTerms, governance_checks
from clearing.schema.terms.house import HouseTerms, house_checks
from clearing.schema.terms.instruments import Instrument
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms, calls_checks, liquidation_checks
from clearing.schema.terms.prices import PriceTerms
from clearing.schema.terms.surfaces import SurfaceTerms
from clearing.schema.terms.withdrawals import InflowDelayTerms, WithdrawalControlTerms, withdrawal_control_checks

VENUES_MAX = 64
ID_CHUNK = 256
"""Trade ids whose use is recorded together, as the bits of one record."""
ID_CHUNKS_MAX = 4096


class VenueTerms(Wire, frozen=True):
    """One venue. Its trade ids may arrive in any order within a window of `id_chunks` x 256 ids, and rise beyond it."""

    id: U63
    """At least 1. A bilateral trade may use any other number as a label."""
    name: str
    signer: Bytes20
    """EVM address of the key that signs its trades and statements."""
    band_ppm: U32 = 0
    """Largest distance of its trades from the mark, where below the instrument's band; 0: the instrument's band."""
    fee_ppm: U32 = 0
    """Fraction of the notional that each side pays to the venue, rounded up."""
    fee_account: U63 = 0
    """Account that receives the fee; 0: the house keeps it for the venue."""
    id_chunks: U32 = 256


def check_venues(venues: Iterable[VenueTerms], accounts: Collection[int]) -> None:
    """Check ids, keys and ranges. Raises LocalFault BAD_GENESIS naming the field."""
    listed = list(venues)
    ids = [venue.id for venue in listed]
    _require(len(listed) <= VENUES_MAX, "venues", len(listed))
    _require(all(a < b for a, b in pairwise(ids)), "venues", "ids must rise")
    for venue in listed:
        at = f"venues.{venue.name}"
        _require(venue.id >= 1, f"{at}.id", venue.id)
        _require(any(venue.signer), f"{at}.signer", "zero")
        _require(venue.band_ppm <= PPM and venue.fee_ppm <= PPM // 10, f"{at}.fee_ppm", venue.fee_ppm)
        _require(venue.fee_account in accounts, f"{at}.fee_account", venue.fee_account)
        _require(1 <= venue.id_chunks <= ID_CHUNKS_MAX, f"{at}.id_chunks", venue.id_chunks)


def _require(good: bool, field: str, value: int | str) -> None:
    if not good:
        raise LocalFault(ClearingCode.BAD_GENESIS, f"genesis.{field}", value=value)


class AccountKind(IntEnum):
    """The owner of the money."""

    HOUSE = 1
    """The member itself."""
    CLIENT = 2


class CrisisParameters(Wire, frozen=True):
    """Terms of crises, in the order in which they apply."""

    calls: CallTerms = CallTerms()
    liquidation: LiquidationTerms = LiquidationTerms()
    default: DefaultTerms = DefaultTerms()
    fund: FundTerms = FundTerms()
    gates: WithdrawalControlTerms = WithdrawalControlTerms()
    governance: GovernanceTerms = GovernanceTerms()
    house: HouseTerms = HouseTerms()


def crisis_checks(terms: CrisisParameters) -> Iterator[Check]:
    """Range checks of all parts, with the path of each field."""
    yield from _prefixed("calls", calls_checks(terms.calls))
    yield from _prefixed("liquidation", liquidation_checks(terms.liquidation))
    yield from _prefixed("default", default_checks(terms.default))
    yield from _prefixed("fund", fund_checks(terms.fund))
    yield from _prefixed("gates", withdrawal_control_checks(terms.gates))
    yield from _prefixed("governance", governance_checks(terms.governance))
    yield from _prefixed("house", house_checks(terms.house))


def _prefixed(part: str, checks: Iterator[Check]) -> Iterator[Check]:
    for field, value, good in checks:
        yield f"{part}.{field}", value, good


GENESIS_TAG = "crossclear/genesis/v1"
MEMBER_ACCOUNTS_MAX = 2**48
"""Account ids of members are below this. Above are the accounts of the ledger itself (`clearing.state.ledger`)."""
OPENED_ACCOUNTS = 2**47
"""Ids from here up to `MEMBER_ACCOUNTS_MAX` are for accounts that members open (`clearing.accounts.lifecycle`)."""


class MarketParameters(Wire, frozen=True):
    """Limits and fees of the rulebook."""

    report_age_ms_max: U63 = 5_000
    """A report exactly this old is fresh; one millisecond older is not."""
    report_ahead_ms_max: U63 = 2_000
    """How far a report's time may be after the block's."""
    confidence_ppm_max: U32 = 20_000
    """Reports with an uncertainty above this fraction of their price are dropped."""
    move_cap_ppm: U32 = 250_000
    """A feed that moves further in one block is halted."""
    reopen_blocks: U32 = 3
    """A halted feed reopens after this many consecutive blocks within the cap of each other."""
    request_ms_max: U63 = 600_000
    """How far ahead a not-after may be. It bounds how long trade ids are remembered."""
    withdrawal_valid_ms: U63 = 604_800_000
    """How long after its release a withdrawal can be claimed on chain."""
    liquidation_penalty_ppm: U32 = 5_000
    """Fraction of the notional taken over, paid to the house, never more than the account's equity."""
    liquidations_per_block: U32 = 64
    trade_fee_ppm: U32 = 0
    """Fraction of the notional, charged to each side, rounded up."""
    deposit_window: U32 = 1024
    """How far above the credited nonce attestations are stored."""
    epoch_blocks: U32 = 20
    snapshot_delay_blocks: U32 = 10
    """The header with an epoch's commitments is this many heights after its snapshot. Below `epoch_blocks`: a header
    that carries commitments of another epoch than its own is refused by every verifier of packages."""
    prices: PriceTerms = PriceTerms()
    """Outliers, the price status of a feed without a price, and averaging."""
    hold_ms_max: U63 = 86_400_000
    """How far ahead a trade's time may be."""
    hold_retry_ms: U63 = 30_000
    """How long after a refusal the novation of a pending trade is attempted again."""
    hold_valid_ms: U63 = 600_000
    """How long after its time a pending trade is attempted."""
    held_per_account_max: U32 = 64
    held_max: U32 = 16_384
    """Largest number of pending trades, of one account and of all."""
    member_accounts_max: U32 = 64
    """Limit of one member's open accounts. At the limit it opens none and takes none over."""
    statement_days: U32 = 7
    """For how many days after its end a day's statement is accepted."""
    day_trades_max: U32 = 100_000
    """Trades of one venue and day recorded for its statement. Those beyond are only counted."""


class AccountTerms(Wire, frozen=True):
    """One account of a member. `key`: the client's own key, required to move money out; zeros: none."""

    id: U63
    kind: AccountKind
    key: Bytes20 = bytes(20)
    affiliated: bool = False
    """Whether the client is an affiliate of its member."""


class MemberTerms(Wire, frozen=True):
    """A clearing member. Member 0 is the clearing house itself, with account 0 for its capital."""

    id: U63
    name: str
    trade_address: Bytes20
    """EVM address of the key that signs its requests."""
    accounts: tuple[AccountTerms, ...]
    affiliates: tuple[U63, ...] = ()
    """Other members of the same owner or group, ordered."""


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
    inflow: InflowDelayTerms = InflowDelayTerms()
    surfaces: tuple[SurfaceTerms, ...] = ()
    """Risk groups whose surface validators agree on."""


FIRST_FIELDS: dict[type, int] = {
    Genesis: 16,
    RiskGroup: 10,
    RiskParameters: 11,
    Scenario: 7,
    Asset: 18,
    JointCredit: 4,
    RangeParameters: 22,
}
"""How many fields of a structure every release hashes, on or off."""


def network_id(genesis: Genesis) -> NetworkId:
    """The hash that is inside everything signed for this network. Terms that later releases added and that are off are
    not hashed, so they leave the id of a network without them as it was."""
    return NetworkId(tagged_hash(GENESIS_TAG, encode_trimmed(genesis, FIRST_FIELDS)))
