"""The skew fee: a deposit or withdrawal that unbalances the tokens of a cash group pays it into the fee pot; one that
rebalances them is paid from the pot.

Rule: a movement costs P(after) - P(before) of a convex potential of the inventory, rounded up. A rebate is the same
difference rounded down, at most the balance of the pot. Deposits and withdrawals are charged alike, so no round trip
through the chains ends with a gain.

Potential: token i with weight w_i of W has x_i of X; its skew is |d_i| / W with d_i = W x_i - w_i X. With e the skew
beyond the band b, P = sum of r e^2 / (2 D) up to e = D, and r (e - D / 2) beyond: the slope is 0 at b, and r from b + D
on.
"""

from collections.abc import Sequence

from clearing.base.units import PPM
from clearing.collateral.cash_tokens import cash_tokens
from clearing.context.block_context import BlockContext
from clearing.schema.receipts.collateral import SkewFeePaid
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.collateral import SkewTerms
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import FEE_POT_ACCOUNT, balance, cash_currency, inventory_units


def skew_potential(inventory: Sequence[int], weights: Sequence[int], terms: SkewTerms) -> int:
    """P in units of `_skew_potential_unit`; exact. `inventory` in micros, one per weight."""
    whole, total = sum(weights), sum(inventory)
    depth = terms.depth_micros * whole
    value = 0
    for amount, weight in zip(inventory, weights, strict=True):
        beyond = abs(whole * amount - weight * total) - terms.band_micros * whole
        if beyond > 0:
            value += beyond * beyond if beyond <= depth else depth * (2 * beyond - depth)
    return terms.rate_ppm * value


def _skew_potential_unit(weights: Sequence[int], terms: SkewTerms) -> int:
    """How many units of `skew_potential` are one micro."""
    whole = sum(weights)
    return 2 * PPM * terms.depth_micros * whole * whole


def inventory_fee(inventory: Sequence[int], weights: Sequence[int], terms: SkewTerms, at: int, change: int) -> int:
    """Micros that a change of token number `at` costs, rounded up; negative for what it earns, rounded down."""
    after = [amount + change if index == at else amount for index, amount in enumerate(inventory)]
    difference = skew_potential(after, weights, terms) - skew_potential(inventory, weights, terms)
    return -(-difference // _skew_potential_unit(weights, terms))


def skew_fee(context: BlockContext, asset: Asset, change: int) -> int:
    """The present cost of moving a cash token's inventory by `change` micros; negative: the rebate that
    the pot can pay."""
    group = _cash_group(context, asset)
    if not group.skew.rate_ppm:
        return 0
    tokens = cash_tokens(context.state, group.id)
    named = dict(group.skew.weights)
    weights = [named.get(token.id, 1) for token in tokens]
    at = [token.id for token in tokens].index(asset.id)
    fee = inventory_fee([inventory_units(context.state, token) for token in tokens], weights, group.skew, at, change)
    return max(fee, -balance(context.state, FEE_POT_ACCOUNT, cash_currency(group.id)))


def settle_skew_fee(context: BlockContext, account: int, asset: Asset, change: int, fee: int, cause: int) -> None:
    """Pay a fee into the pot, or a rebate out of it, with a receipt."""
    if not fee:
        return
    currency = cash_currency(asset.cash_group)
    if fee > 0:
        context.journal.transfer(account, FEE_POT_ACCOUNT, currency, fee, TransferCode.SKEW_FEE, cause)
    else:
        context.journal.transfer(FEE_POT_ACCOUNT, account, currency, -fee, TransferCode.SKEW_REBATE, cause)
    context.touched_accounts.add(account)
    context.receipts.append(
        SkewFeePaid(account, asset.id, change, fee, balance(context.state, FEE_POT_ACCOUNT, currency))
    )


def _cash_group(context: BlockContext, asset: Asset) -> CashGroup:
    return context.terms.cash_terms[asset.cash_group]
