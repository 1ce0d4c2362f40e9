"""What a defaulter's affiliates under other members gained pays its loss first.

Rule: an affiliate elsewhere is margined and guaranteed by another member, so its positions and margin stay. But what it
gained until the declaration is the other side of the defaulter's loss: as far as its cash above
initial margin goes, it is paid to the estate before the contribution, the house or anybody else bears something. An
account counts that belongs to the member's group, or that names a key of the group. Nothing is taken beyond what the
estate lacks. Without `crisis.default.pool_affiliates` nothing is taken.
"""

from clearing.context.affiliation import has_key_of
from clearing.context.block_context import BlockContext, ValueMoved
from clearing.context.unresolved_losses import account_deficits, available_resources
from clearing.default.declaration import cash_above_initial
from clearing.default.gains_liabilities import use_gains
from clearing.schema.receipts.default import AffiliateGainsTaken
from clearing.schema.records.default import DefaultRecord
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import CLEARING_ACCOUNT, balance, cash_currency


def take_affiliate_gains(context: BlockContext, number: int, default: DefaultRecord) -> None:
    """Move affiliates' gains into the estate, in order of account, up to what it lacks. Linear in the gaining
    accounts."""
    if not context.terms.crisis.default.pool_affiliates or not default.own_accounts:
        return
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    resources = available_resources(context.state, default.own_accounts)
    owed = left = max(sum(deficit.micros for deficit in deficits) - resources, 0)
    gained = _affiliates_gains(context, number, default) if owed else {}
    paid: list[tuple[int, int, int]] = []
    for account, gain in gained.items():
        micros = min(gain, cash_above_initial(context.state, account), left)
        if micros:
            _pay_estate(context, number, account, default.estate, micros)
            use_gains(context.state, account, micros)
            context.values_moved.append(ValueMoved(account, CLEARING_ACCOUNT, micros, own=False))
            paid.append((account, gain, micros))
            left -= micros
    if not paid:
        return
    context.touched_accounts.update((default.estate, *(account for account, _, _ in paid)))
    context.receipts.append(AffiliateGainsTaken(number, owed, tuple(paid)))


def _affiliates_gains(context: BlockContext, number: int, default: DefaultRecord) -> dict[int, int]:
    """Gains of the group's accounts that are neither in the estate nor clients of the defaulter; ordered."""
    families = context.families
    group = families.members_like(default.member)
    owners = families.joined(group)
    excluded = {*default.own_accounts, *default.client_accounts}
    return {
        account: liability.micros
        for (of, account), liability in context.state.gains_liabilities.ordered()
        if of == number
        and account not in excluded
        and (families.group_of(account) == group or has_key_of(context.state, account, owners))
    }


def _pay_estate(context: BlockContext, number: int, account: int, estate: int, micros: int) -> None:
    for group in context.terms.cash_groups:
        currency = cash_currency(group)
        part = min(max(balance(context.state, account, currency), 0), micros)
        if part:
            context.journal.transfer(account, estate, currency, part, TransferCode.AFFILIATE_GAINS, number)
            micros -= part
