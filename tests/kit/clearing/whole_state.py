"""The invariants of a whole state: everything that balances, counted from the start. Linear in the state."""

from clearing.base.errors import Bug
from clearing.collateral.cash_tokens import current_asset
from clearing.invariants import check_backing, check_fund_balance, check_receivables
from clearing.schema.records.stray_deposits import RefundStage
from clearing.state.asset_flows import TokenAtVault, asset_flow
from clearing.state.ledger import currency_of, inventory_units, is_claimant
from clearing.state.state import State


def check_whole_state(state: State) -> None:
    """All checks over the whole state. Raises Bug."""
    check_whole_ledger(state)
    check_whole_book(state)
    check_fund_balance(state)
    check_backing(state)
    check_claims(state)
    check_whole_strays(state)


def check_whole_ledger(state: State) -> None:
    """Raise Bug unless every currency sums to zero over all accounts."""
    totals: dict[int, int] = {}
    for (_, currency), record in state.balances.ordered():
        totals[currency] = totals.get(currency, 0) + record.credits - record.debits
    for currency, total in totals.items():
        if total:
            raise Bug(f"currency {currency} sums to {total}")


def check_claims(state: State) -> None:
    """Raise Bug unless, in every currency, all claims are custody and what accounts owe, and an account that owes more
    than it has is called or in default: with the house's own account, which the block's check leaves out."""
    custody = {currency_of(current_asset(state, asset)): 0 for asset in state.terms.assets.values()}
    for asset in (*state.terms.assets.values(), *state.terms.collateral_after_leaving.values()):
        custody[currency_of(asset)] = custody.get(currency_of(asset), 0) + inventory_units(state, asset)
    claims, owed = dict.fromkeys(custody, 0), dict.fromkeys(custody, 0)
    for (account, currency), record in state.balances.ordered():
        amount = record.credits - record.debits
        if is_claimant(account):
            side = claims if amount > 0 else owed
            side[currency] = side.get(currency, 0) + abs(amount)
    for currency, whole in claims.items():
        if whole != custody.get(currency, 0) + owed.get(currency, 0):
            raise Bug(f"claims of {whole} in currency {currency}, custody {custody[currency]}, owed {owed[currency]}")
    check_receivables(state)


def check_whole_book(state: State) -> None:
    """Raise Bug unless every instrument nets to zero over all accounts."""
    totals: dict[int, int] = {}
    for _, book in state.books.ordered():
        for instrument, lots in book.lots:
            totals[instrument] = totals.get(instrument, 0) + lots
    for instrument, total in totals.items():
        if total:
            raise Bug(f"positions in instrument {instrument} sum to {total}")


def check_whole_strays(state: State) -> None:
    """Raise Bug unless the flows count every stray and every refund on its way, and no deposit is counted twice."""
    found: dict[TokenAtVault, list[int]] = {}
    for (chain, vault, nonce), stray in state.stray_deposits.ordered():
        if (chain, vault, nonce) in state.refunded_deposits:
            raise Bug(f"deposit {nonce} of chain {chain} both waits and is refunded")
        found.setdefault((chain, vault, stray.deposit.token), [0, 0])[0] += int.from_bytes(stray.deposit.amount, "big")
    parts: dict[tuple[int, bytes, int], int] = {}
    for (chain, vault, _), part in state.refunded_deposits.ordered():
        key = chain, vault, part.refund
        parts[key] = parts.get(key, 0) + int.from_bytes(part.amount, "big")
    for (chain, vault, number), refund in state.deposit_refunds.ordered():
        amount = int.from_bytes(refund.amount, "big")
        if parts[chain, vault, number] != amount:
            raise Bug(f"refund {number} of chain {chain} is not the sum of its deposits")
        counted = found.setdefault((chain, vault, refund.token), [0, 0])
        if refund.stage is not RefundStage.PAID:
            counted[refund.stage is RefundStage.RELEASED] += amount
    for token, (strays, refunding) in found.items():
        flow = asset_flow(state, token)
        if max(strays, refunding, flow.deposited, flow.released) < 2**256 - 1 and (strays, refunding) != (
            flow.stray,
            flow.refunding,
        ):
            raise Bug(f"strays of {token} are {strays}, refunds on their way {refunding}; the flow says {flow}")
