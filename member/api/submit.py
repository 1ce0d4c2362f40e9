"""What a member submits: trades, withdrawals, transfers and collateral events, and the answers."""

from typing import Literal

from clearing.base.codec import Wire
from clearing.schema.blocks.transaction import Transaction
from member.api.types import Address, Body, Hash, Id, Natural, Problem, Signature, SmallId

BATCH_TRANSACTIONS_MAX = 100


class TransactionList(Wire, frozen=True):
    """Transactions alone: what the API takes as MessagePack."""

    transactions: tuple[Transaction, ...]


TRANSACTIONS_MAX = 100


class TradeBody(Body, frozen=True, tag="trade", tag_field="type"):
    """`clearing.schema.requests.trades.Trade`."""

    venue: Id
    venue_trade_id: Id
    buyer: Id
    seller: Id
    instrument: SmallId
    lots: Natural
    price_ticks: Natural
    not_after_ms: Id
    buyer_signature: Signature
    seller_signature: Signature


class WithdrawalBody(Body, frozen=True, tag="withdrawal", tag_field="type"):
    """`clearing.schema.requests.withdrawals.Withdrawal`."""

    account: Id
    asset: SmallId
    amount_units: Natural
    to: Address
    nonce: Id
    not_after_ms: Id
    signature: Signature


class TransferBody(Body, frozen=True, tag="transfer", tag_field="type"):
    """`clearing.schema.requests.accounts.CashTransfer`."""

    account: Id
    recipient: Id
    cash_group: SmallId
    amount_micros: Natural
    nonce: Id
    not_after_ms: Id
    signature: Signature


class SubmitResult(Body, frozen=True):
    """What became of one transaction. `known`: it waited or was decided before; sending again is harmless."""

    hash: Hash
    status: Literal["accepted", "known", "refused"]
    problem: Problem | None = None


class SubmitResults(Body, frozen=True):
    """One for each transaction, in order."""

    results: tuple[SubmitResult, ...]


class CollateralEventBody(Body, frozen=True):
    """Where a vault's event is. The node fetches and proves it itself; nothing here is trusted."""

    chain_id: Id
    transaction_hash: Hash


class CollateralEventResult(Body, frozen=True):
    """The event will be looked for."""

    chain_id: int
    transaction_hash: Hash
    status: Literal["accepted", "known"]
