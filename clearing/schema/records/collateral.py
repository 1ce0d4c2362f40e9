"""Records of bridge facts and collateral: attestations, cursors, custody, haircuts, guards and cash calls.

Rule: data only. Only attestations of more than two thirds of the power become agreed records.
"""

from clearing.base.codec import U32, U63, Bytes32, U256Bytes, Wire
from clearing.schema.facts import CustodySeen, DepositSeen, Fact


class Attestation(Wire, frozen=True):
    """One validator's word."""

    validator: U32
    power: U63
    fact: Fact


class AttestationsRecord(Wire, frozen=True):
    """What validators say about one event, ordered by validator, until a quorum says the same."""

    attestations: tuple[Attestation, ...]


class DepositCursorRecord(Wire, frozen=True):
    """Deposits of one vault that were credited: all up to and including `nonce`."""

    nonce: U63


class AgreedDepositRecord(Wire, frozen=True):
    """A deposit that a quorum attested and that waits for the one before it."""

    deposit: DepositSeen


class StrayDepositRecord(Wire, frozen=True):
    """A deposit outside the ledger: why, and what it was."""

    reason_code: U32
    deposit: DepositSeen


class AssetFlowRecord(Wire, frozen=True):
    """What went through one asset: deposits taken in (token base units, dust and strays included), units released.

    Both grow with every round of the same coin, so neither may have an end that can be reached. What is given back was
    never paid, and is taken off the units released.
    """

    deposited_amount: U256Bytes
    released_units: U256Bytes
    stray_amount: U256Bytes = bytes(32)
    """Of the deposits taken in, those that nobody was credited with, in base units."""


class CustodyRecord(Wire, frozen=True):
    """A vault's counters for one asset that a quorum agreed on."""

    counters: CustodySeen


class HeartbeatRecord(Wire, frozen=True):
    """The highest final block of a chain that a validator has told."""

    power: U63
    block_number: U63
    time_ms: U63


class HaircutRecord(Wire, frozen=True):
    """The haircut in force of an asset whose haircut moves."""

    haircut_ppm: U32


class DepegGuardRecord(Wire, frozen=True):
    """What the depeg guard has seen of a cash token: blocks in a row beyond its band, the height at which it left."""

    blocks_outside_band: U32
    left_height: U63 = 0


class SoftCreditRecord(Wire, frozen=True):
    """A loan of the house against a deposit that was sighted at `block_number` of its chain."""

    account: U63
    asset: U32
    cash_group: U32
    micros: U63
    block_number: U63
    source: Bytes32


class CashCallRecord(Wire, frozen=True):
    """An account must bring cash by `deadline_height`; from `auction_height` on (0: not yet) collateral is for sale."""

    opened_height: U63
    deadline_height: U63
    auction_height: U63 = 0
    auction_owed: U63 = 0
    """Micros that were owed in all groups when the sale began: what slices are measured by."""


class ChainSilenceRecord(Wire, frozen=True):
    """How long a chain has been silent: since it was last seen to move (`seen_ms`), in time in which we had blocks."""

    seen_ms: U63
    silent_ms: U63
    updated_ms: U63
    """Block time of this record."""
