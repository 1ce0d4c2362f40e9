"""Receipts about collateral: deposits, custody, epochs, haircuts, fees, loans, interest and cash calls.

Rule: a receipt reports; it never decides. Amounts are in the units of the ledger at the time of the receipt.
"""

from clearing.base.codec import I64, U32, U63, Bytes20, Bytes32, U256Bytes, Wire


class HaircutChanged(Wire, frozen=True, tag=40):
    """An asset's haircut changed. `parts` sum to it before rounding up and before the cap at 100 %."""

    asset: U32
    haircut_ppm: U32
    previous_ppm: U32
    parts: tuple[tuple[str, U63], ...]


class SkewFeePaid(Wire, frozen=True, tag=41):
    """The skew fee of an inventory movement: the account paid it (positive) or received it out of the fee pot
    (negative)."""

    account: U63
    asset: U32
    moved_micros: I64
    """Inventory of the asset after the movement minus before."""
    fee_micros: I64
    pot_micros: U63
    """Balance of the fee pot afterwards."""


class DepegGuardChanged(Wire, frozen=True, tag=42):
    """A cash token left its price band (`blocks_outside_band` 1) or returned into it (0)."""

    asset: U32
    cash_group: U32
    blocks_outside_band: U32
    ticks: U63
    par_ticks: U63


class CashLeftGroup(Wire, frozen=True, tag=43):
    """A cash token left its group. The house gave `house_micros` of cash for `house_units`, residues included."""

    asset: U32
    cash_group: U32
    blocks_outside_band: U32
    silent_ms: U63
    inventory_micros: U63
    positive_claims_micros: U63
    units: U63
    """Clearing units of the collateral that the token became, over all accounts."""
    house_micros: U63
    house_units: U63


class ClaimConverted(Wire, frozen=True, tag=44):
    """One account's share of the conversion: the claim on the group that it gave up, and the token units that it
    received."""

    account: U63
    asset: U32
    claim_micros: U63
    given_micros: U63
    units: U63


class SoftCreditLent(Wire, frozen=True, tag=45):
    """The house lent against a deposit that is not final. The loan cannot leave the account."""

    account: U63
    chain_id: U63
    vault: Bytes20
    nonce: U63
    asset: U32
    cash_group: U32
    micros: U63
    value_micros: U63
    """The deposit's value after haircut, times the asset's soft credit share."""
    source: Bytes32


class SoftCreditRepaid(Wire, frozen=True, tag=46):
    """The deposit became final and the loan was paid back."""

    account: U63
    chain_id: U63
    vault: Bytes20
    nonce: U63
    cash_group: U32
    micros: U63


class SoftCreditRecalled(Wire, frozen=True, tag=47):
    """The chain reverted the deposit: the loan was recalled, and the account is restricted if it now owes cash.

    What the account cannot pay is taken from its collateral, and last from the house's capital (`Liquidated`).
    """

    account: U63
    chain_id: U63
    vault: Bytes20
    nonce: U63
    cash_group: U32
    micros: U63
    block_number: U63
    final_block: U63
    source: Bytes32
    cash_after: I64
    until_height: U63
    """0: not restricted."""


class InterestAccrued(Wire, frozen=True, tag=48):
    """Interest of a cash group was settled: debtors paid it, creditors received it, the house received
    the difference."""

    cash_group: U32
    until_ms: U63
    intervals: U63
    paid: U63
    received: U63
    house: I64


class CashCalled(Wire, frozen=True, tag=49):
    """An account owes more cash than the limit and must pay it by the deadline."""

    account: U63
    owed: tuple[tuple[U32, U63], ...]
    """(cash group, micros) owed."""
    deadline_height: U63


class CashCallMet(Wire, frozen=True, tag=50):
    """An account is within the cash limit again. A sale of its collateral ends."""

    account: U63


class AuctionOpened(Wire, frozen=True, tag=51):
    """A cash call lapsed: the account's collateral is for sale at a falling price up to and including `last_height`."""

    account: U63
    first_height: U63
    last_height: U63


class CollateralSold(Wire, frozen=True, tag=52):
    """A member bought a slice of collateral in an auction."""

    index: U32
    account: U63
    recipient: U63
    asset: U32
    cash_group: U32
    units: U63
    micros_per_unit: U63
    paid: U63


class RestrictionLifted(Wire, frozen=True, tag=54):
    """The restriction of an account ended: its time is over and it owes no cash."""

    account: U63


class ClaimsSwapped(Wire, frozen=True, tag=53):
    """Two accounts exchanged claims: `given` went to `recipient`, `taken` came from it."""

    index: U32
    account: U63
    recipient: U63
    given_currency: U63
    given_units: U63
    taken_currency: U63
    taken_units: U63


class DepositCredited(Wire, frozen=True, tag=5):
    """A deposit was credited. `dust` is what rounding down left on chain, in token base units."""

    chain_id: U63
    vault: Bytes20
    nonce: U63
    asset: U32
    account: U63
    units: U63
    dust: U63
    source: Bytes32


class DepositStray(Wire, frozen=True, tag=6):
    """A deposit that could not be credited to its account. It is not in the ledger.

    It may still be credited (`DepositCredited`) below `due_height`; 0: it is refunded at once.
    """

    chain_id: U63
    vault: Bytes20
    nonce: U63
    token: Bytes20
    account: U63
    """The account that it names."""
    depositor: Bytes20
    amount: Bytes32
    code: U32
    due_height: U63


class DepositRefundDue(Wire, frozen=True, tag=151):
    """A stray deposit became part of refund `refund` of its vault, to its depositor."""

    chain_id: U63
    vault: Bytes20
    nonce: U63
    refund: U63


class DepositsRefunded(Wire, frozen=True, tag=152):
    """A refund of stray deposits was released as withdrawal `withdrawal`, which the vault pays to the depositor.

    One that the vault did not pay in time is released again, as another withdrawal.
    """

    chain_id: U63
    vault: Bytes20
    refund: U63
    token: Bytes20
    depositor: Bytes20
    amount: Bytes32
    deposits: U63
    withdrawal: U63


class CustodyAgreed(Wire, frozen=True, tag=7):
    """A quorum agreed on a vault's counters for one token at a block of its chain."""

    asset: U32
    block_number: U63
    block_hash: Bytes32
    deposited: Bytes32
    withdrawn: Bytes32
    balance: Bytes32


class AssetHalted(Wire, frozen=True, tag=155):
    """A vault has less of an asset than it accounts for: nothing of the asset is credited or withdrawn until a vote
    releases it. Amounts in token base units."""

    asset: U32
    block_number: U63
    deposited: U256Bytes
    withdrawn: U256Bytes
    balance: U256Bytes


class AssetReleased(Wire, frozen=True, tag=156):
    """A vote ended the halt of an asset."""

    asset: U32


class EpochClosed(Wire, frozen=True, tag=16):
    """The state after this block is the snapshot of `epoch`."""

    epoch: U63
    height: U63
