"""Records of bridge facts and collateral: attestations, cursors, custody, haircuts, guards and cash calls.

Rule: data only. Only facts that more than two thirds of the power attested become agreed records.
"""

from typing import NamedTuple

import msgspec

from clearing.base.codec import U32, U63, Bytes32, U256Bytes, Wire, u256
from clearing.schema.facts import CustodySeen, DepositSeen, Fact


class Attestation(Wire, frozen=True):
    """One validator's attestation of a fact."""

    validator: U32
    power: U63
    fact: Fact


class AttestationsRecord(Wire, frozen=True):
    """Attestations about one event, ordered by validator, until a quorum agrees."""

    attestations: tuple[Attestation, ...]


class DepositCursorRecord(Wire, frozen=True):
    """The deposits of one vault up to and including `nonce` were credited."""

    nonce: U63


class AgreedDepositRecord(Wire, frozen=True):
    """A deposit that a quorum attested, waiting for the one before it."""

    deposit: DepositSeen


class AssetFlowRecord(Wire, frozen=True):
    """Flows of one token at one vault, in token base units.

    They are 256 bits wide, because sums grow each time the same coin is deposited and withdrawn.
    """

    deposited_amount: U256Bytes = bytes(32)
    """Everything that was deposited: credited or not, dust included."""
    released_amount: U256Bytes = bytes(32)
    """Everything that the vault was to pay, less what came back because it was not paid."""
    stray_amount: U256Bytes = bytes(32)
    """The part of the deposits that is neither credited nor released."""
    refunding_amount: U256Bytes = bytes(32)
    """The part of the released amount that refunds deposits and was not observed as paid."""

    def amounts(self) -> "FlowAmounts":
        """The flows as numbers."""
        return FlowAmounts(*(int.from_bytes(amount, "big") for amount in msgspec.structs.astuple(self)))


class FlowAmounts(NamedTuple):
    """The numbers of an `AssetFlowRecord`, or changes of them."""

    deposited: int = 0
    released: int = 0
    stray: int = 0
    refunding: int = 0

    def record(self) -> AssetFlowRecord:
        """The record. Raises OverflowError outside of 256 bits."""
        return AssetFlowRecord(*(u256(amount) for amount in self))


class CustodyRecord(Wire, frozen=True):
    """A vault's counters for one asset that a quorum agreed on."""

    counters: CustodySeen


class AssetHaltRecord(Wire, frozen=True):
    """An asset whose vault was proven short: when it was halted, and on which counters."""

    since_height: U63
    counters: CustodySeen


class HeartbeatRecord(Wire, frozen=True):
    """The highest final block of a chain that a validator reported."""

    power: U63
    block_number: U63
    time_ms: U63


class HaircutRecord(Wire, frozen=True):
    """The haircut in force of an asset with a dynamic haircut."""

    haircut_ppm: U32


class DepegGuardRecord(Wire, frozen=True):
    """State of a cash token's depeg guard: consecutive blocks outside its band, and the height at which it left."""

    blocks_outside_band: U32
    left_height: U63 = 0


class SoftCreditRecord(Wire, frozen=True):
    """A loan of the house against a deposit sighted at `block_number` of its chain."""

    account: U63
    asset: U32
    cash_group: U32
    micros: U63
    block_number: U63
    source: Bytes32


class CashCallRecord(Wire, frozen=True):
    """An account must bring cash by `deadline_height`. From `auction_height` on (0: not yet) its collateral is for
    sale."""

    opened_height: U63
    deadline_height: U63
    auction_height: U63 = 0
    auction_owed: U63 = 0
    """Micros owed in all groups when the sale began, the base of slice sizes."""


class ChainSilenceRecord(Wire, frozen=True):
    """How long a chain has been silent since it was last seen to advance (`seen_ms`), counting only time with blocks
    here."""

    seen_ms: U63
    silent_ms: U63
    updated_ms: U63
    """Block time of this record."""
