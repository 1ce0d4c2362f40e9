"""The rows of one executed block."""

from collections.abc import Iterator
from typing import Any

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Receipt, Refused
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.receipts.prices import PriceApplied
from clearing.schema.receipts.settlement import Marked
from clearing.schema.receipts.trades import PENDING_INDEX
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import balance
from clearing.state.state import State
from member.api.receipts import named
from member.api.submit import body_of
from member.explaining.receipt_index import receipt_accounts
from node.agreement.application import DecidedHeight
from node.history import tables

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""By table."""


def rows_of(decided: DecidedHeight) -> Rows:
    """What a decided height adds to each table."""
    header, result, requests = decided.header, decided.result, decided.block.transactions
    refused = {receipt.index for receipt in result.receipts if isinstance(receipt, Refused)}
    rows: Rows = {
        tables.BLOCKS.name: [
            {
                "height": header.height,
                "time_ms": header.time_ms,
                "hash": header.hash.hex(),
                "state_root": header.state_root.hex(),
                "epoch": header.epoch,
                "requests": len(requests),
                "receipts": len(result.receipts),
            }
        ],
        tables.REQUESTS.name: [
            _request(header.height, position, request, position in refused) for position, request in enumerate(requests)
        ],
        tables.RECEIPTS.name: [
            _receipt(header.height, position, receipt) for position, receipt in enumerate(result.receipts)
        ],
        tables.RECEIPT_ACCOUNTS.name: [
            {"account": account, "height": header.height, "position": position}
            for position, receipt in enumerate(result.receipts)
            for account in receipt_accounts(receipt)
        ],
        tables.BALANCES.name: list(_balances(decided.state, result)),
        tables.PRICES.name: _last(
            "feed", {each.feed: each.ticks for each in result.receipts if isinstance(each, PriceApplied)}, result
        ),
        tables.MARKS.name: _last(
            "instrument", {each.instrument: each.ticks for each in result.receipts if isinstance(each, Marked)}, result
        ),
    }
    if result.snapshot_due:
        rows[tables.MARGINS.name], rows[tables.POSITIONS.name] = _standings(decided.state, result.height)
    return rows


def _request(height: int, position: int, request: Transaction, refused: bool) -> Row:
    return {
        "height": height,
        "position": position,
        "hash": transaction_hash(request).hex(),
        "kind": type(request).__name__,
        "refused": refused,
        "body": msgspec.to_builtins(body_of(request)),
    }


def _receipt(height: int, position: int, receipt: Receipt) -> Row:
    index = getattr(receipt, "index", PENDING_INDEX)
    return {
        "height": height,
        "position": position,
        "kind": type(receipt).__name__,
        "request": None if index == PENDING_INDEX else index,
        "body": named(receipt),
    }


def _balances(state: State, result: BlockResult) -> Iterator[Row]:
    """Of accounts, not of the ledger's own books."""
    changed = {(side, each.currency) for each in result.transfers for side in (each.debit, each.credit)}
    for account, currency in sorted(changed):
        if account in state.accounts:
            amount = balance(state, account, currency)
            yield {"account": account, "currency": currency, "height": result.height, "amount": amount}


def _last(name: str, ticks: dict[int, int], result: BlockResult) -> list[Row]:
    """The last of the block for each."""
    return [{name: each, "height": result.height, "ticks": at} for each, at in sorted(ticks.items())]


def _standings(state: State, height: int) -> tuple[list[Row], list[Row]]:
    """Margins and positions of all accounts with any holdings; the house has positions and no margin."""
    arrays, margins, positions = current_arrays(state), [], []
    for account, record in state.accounts.ordered():
        holdings = current_holdings(state, account)
        book = state.books.get(account)
        for instrument, lots in book.lots if book is not None else ():
            positions.append({"account": account, "instrument": instrument, "height": height, "lots": lots})
        if account == HOUSE_ACCOUNT or not any((*holdings.cash, *holdings.tokens, *holdings.lots)):
            continue
        margin = holdings_margin(arrays, holdings)
        margins.append(
            {
                "account": account,
                "height": height,
                "equity": margin.equity,
                "initial": margin.initial,
                "maintenance": margin.maintenance,
                "called": record.called_height > 0,
            }
        )
    return margins, positions
