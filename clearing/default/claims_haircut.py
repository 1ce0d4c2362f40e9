"""The claims haircut, the waterfall's end: what no layer could bear is cut from all claims, in one block.

Rule: in each cash group in which something is still owed, every claim gives up the same part of it.

1. A claim is an account's positive cash without soft credit, a member's, a client's or the house's own. The default
   fund's cash belongs to its contributions: survivors' are used up before, and what is left of others pays what claims
   cannot (`late_contributions`).
2. What an account withdrew while the deficits were unresolved counts in its share, so that leaving first saves nothing.
   Delayed withdrawals come back first.
3. Shares are pro rata, none above its claim, in whole micros, every micro allocated (`allocate_capped`).

So at the end of a default nothing is owed that nobody pays, and claims never exceed custody and receivables.
"""

from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import Deficit, account_deficits
from clearing.default.estate import pay_deficits
from clearing.default.late_contributions import unlent_deficits
from clearing.default.recovery_claims import note_payers
from clearing.default.waterfall import Claim, DefaultLoss, run_waterfall
from clearing.schema.receipts.default import LayerAllocation, LossAllocated, WaterfallLayer
from clearing.schema.records.default import DefaultRecord
from clearing.schema.transfers import TransferCode
from clearing.state.indexes import CURRENCY_HOLDERS, holders
from clearing.state.ledger import FUND_ACCOUNT, balance, cash_currency, is_claimant, soft_credit_of
from clearing.withdrawals.deficit_reserve import value_withdrawn
from clearing.withdrawals.delayed_release import recall_cash_withdrawals


def cut_claims(context: BlockContext, number: int, default: DefaultRecord) -> tuple[LayerAllocation, ...]:
    """Cut all claims for what a default's accounts still owe. Returns what they bore, group by group.

    Linear in the accounts with cash of the groups concerned. Costs nothing where nothing is owed.
    """
    owed = _deficits_by_group(context, default)
    for group in owed:
        recall_cash_withdrawals(context, group)
    borne: list[LayerAllocation] = []
    # Money that came back may have paid some of it.
    for group, deficits in _deficits_by_group(context, default).items():
        borne += _cut_group(context, number, default, group, deficits)
    return tuple(borne)


def cut_other_claims(context: BlockContext, number: int, default: DefaultRecord) -> tuple[LayerAllocation, ...]:
    """Cut claims in the other groups, at par, for what those in a group and the whole fund could not bear.

    Only the house can owe so much: it pays and is paid in any group. What is lent stays its own. Returns what claims
    bore.
    """
    borne: list[LayerAllocation] = []
    for group in context.terms.cash_groups:
        deficits = unlent_deficits(context.state, default)
        if not deficits:
            break
        if all(deficit.cash_group != group for deficit in deficits):
            recall_cash_withdrawals(context, group)
            deficits = unlent_deficits(context.state, default)
            borne += _cut_group(context, number, default, group, deficits) if deficits else ()
    return tuple(borne)


def check_loss_borne(context: BlockContext, number: int, default: DefaultRecord) -> None:
    """No default ends with a loss that nobody bore while the fund has money or a claim is above zero. Raises Bug."""
    left = sum(deficit.micros for deficit in unlent_deficits(context.state, default))
    if left:
        claims = sum(claim.micros for group in context.terms.cash_groups for claim in _claims(context, default, group))
        fund = sum(record.micros for _, record in context.state.contributions.ordered())
        if claims or fund:
            raise Bug(
                f"default {number} ends with {left} that nobody bore, beside claims of {claims} and {fund} of fund"
            )


def _cut_group(
    context: BlockContext, number: int, default: DefaultRecord, group: int, deficits: tuple[Deficit, ...]
) -> tuple[LayerAllocation, ...]:
    """Cut the claims in one group for these deficits."""
    left = sum(deficit.micros for deficit in deficits)
    steps = run_waterfall(DefaultLoss(default.member, left, claims=_claims(context, default, group)))
    cut = tuple(step for step in steps if step.layer is WaterfallLayer.CLAIMS)
    paid = tuple(
        (int(WaterfallLayer.CLAIMS), share.payer, group, share.amount)
        for step in cut
        for share in step.shares
        if share.amount
    )
    for _, account, _, micros in paid:
        if account != HOUSE_ACCOUNT:
            code = TransferCode.CLAIM_CUT
            context.journal.transfer(account, HOUSE_ACCOUNT, cash_currency(group), micros, code, number)
        context.touched_accounts.add(account)
    pay_deficits(context, number, deficits, sum(step.loss_borne for step in cut))
    context.receipts.append(LossAllocated(number, default.member, left, deficits, cut, paid))
    note_payers(context, number, cut)
    return cut


def _deficits_by_group(context: BlockContext, default: DefaultRecord) -> dict[int, tuple[Deficit, ...]]:
    """What is owed in each cash group in which anything is, by group."""
    deficits = account_deficits(context.state, (*default.own_accounts, *default.client_accounts))
    groups = sorted({deficit.cash_group for deficit in deficits})
    return {group: tuple(deficit for deficit in deficits if deficit.cash_group == group) for group in groups}


def _claims(context: BlockContext, default: DefaultRecord, group: int) -> tuple[Claim, ...]:
    """Every positive claim on cash of a group, ordered by account; not what the defaulter's own accounts have left."""
    found = []
    for account in holders(context.state, CURRENCY_HOLDERS, cash_currency(group)):
        if account == FUND_ACCOUNT or not is_claimant(account) or account in default.own_accounts:
            continue
        lent = soft_credit_of(context.state, account, group) if account != HOUSE_ACCOUNT else 0
        micros = balance(context.state, account, cash_currency(group)) - lent
        if micros > 0:
            found.append(Claim(account, micros, value_withdrawn(context, account)))
    return tuple(found)
