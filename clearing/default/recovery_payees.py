"""Payees of recoveries: the payers of a default, last layer first, in cash or in kind.

Rule: nobody gets back more than it paid. Inside a step in proportion to what is still owed, rounded down, the residue
to the rounding account. A payer without any account left has no claim. After all claims members share by contribution;
after those on the house's own default the rest is the house's.
This module must not know where a recovery comes from.
"""

from typing import NamedTuple

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import mul_div_down
from clearing.context.block_context import BlockContext
from clearing.context.member_status import own_accounts_by_member
from clearing.default.default_auction import surviving_members
from clearing.default.house_recovery import is_houses_own
from clearing.default_fund.contributions import contribution_account, contribution_micros
from clearing.schema.receipts.default import WaterfallLayer
from clearing.schema.receipts.house import RecoveryPaid
from clearing.schema.records.default import DefaultRecord
from clearing.schema.records.recoveries import LayerClaims, RecoverableToken, RecoveryRecord
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import ROUNDING_ACCOUNT, can_hold, cash_currency, token_currency

AFTER_ALL_CLAIMS = 0
"""Layer of what is left after all claims."""
MEMBER_LAYERS = (WaterfallLayer.OWN_CONTRIBUTION, WaterfallLayer.SURVIVORS, WaterfallLayer.ASSESSMENTS)


class Payee(NamedTuple):
    """A payer of a layer, the account that gets it back, and micros that it has not got back."""

    layer: int
    payer: int
    account: int
    owed: int


class GivenUnits(NamedTuple):
    """Units of a token that a payer got in kind."""

    layer: int
    member: int
    account: int
    asset: int
    units: int


def payees_of(context: BlockContext, claim: LayerClaims) -> list[Payee]:
    """The payees of one step, in its order."""
    found = []
    for payer, owed in claim.owed:
        account = _payee_account(context, claim.layer, payer)
        if account is not None and owed:
            found.append(Payee(claim.layer, payer, account, owed))
    return found


def _payee_account(context: BlockContext, layer: int, payer: int) -> int | None:
    """The account that receives what a payer gets back; None where it has none any more."""
    if layer == WaterfallLayer.HOUSE_CAPITAL:
        return HOUSE_ACCOUNT
    if layer in MEMBER_LAYERS:
        contribution = context.state.contributions.get(payer)
        return contribution_account(context.state, payer, contribution.account if contribution else 0)
    return payer if can_hold(context.state, payer) else None


def _member_of(context: BlockContext, account: int) -> int:
    """Receipts name the member beside its account: who is paid as an account of its own is not named otherwise."""
    return context.state.accounts[account].member


def pay_claims(context: BlockContext, number: int, record: RecoveryRecord) -> RecoveryRecord:
    """Pay a positive result to the payers, last layer first. Returns the record afterwards.

    Payers of an earlier default that this recovery took over are paid after its own, with a receipt of their default.
    """
    whole = left = record.result_micros
    if whole <= 0:
        return record
    claims = list(record.claims)
    paid: dict[int, list[Payee]] = {}
    rounding: dict[int, int] = {}
    for at in reversed(range(len(claims))):
        payees, of = payees_of(context, claims[at]), claims[at].default or number
        owed = sum(payee.owed for payee in payees)
        part = min(left, owed)
        if not part:
            continue
        shares = {payee.payer: mul_div_down(part, payee.owed, owed) for payee in payees}
        paid.setdefault(of, []).extend(payee._replace(owed=shares[payee.payer]) for payee in payees)
        rounding[of] = rounding.get(of, 0) + part - sum(shares.values())
        left -= part
        after = tuple((payer, micros - shares.get(payer, 0)) for payer, micros in claims[at].owed)
        claims[at] = msgspec.structs.replace(claims[at], owed=tuple(each for each in after if each[1]))
    if is_houses_own(context.state, number):
        whole -= left
    else:
        shared = _shared_by_contribution(context, number, left)
        paid.setdefault(number, []).extend(shared)
        rounding[number] = rounding.get(number, 0) + left - sum(payee.owed for payee in shared)
    for of, payees in paid.items():
        _pay(context, of, payees, rounding[of])
    return msgspec.structs.replace(
        record,
        claims=tuple(claim for claim in claims if claim.owed),
        result_micros=0,
        returned_micros=record.returned_micros + whole,
    )


def _pay(context: BlockContext, number: int, payees: list[Payee], rounding: int) -> None:
    """Pay the payers of one default, with a receipt."""
    _transfer_cash(context, number, payees, rounding)
    payments = tuple(
        (int(payee.layer), _member_of(context, payee.account), payee.account, payee.owed)
        for payee in payees
        if payee.owed
    )
    whole = sum(payee.owed for payee in payees) + rounding
    context.receipts.append(RecoveryPaid(number, whole, payments, rounding))


def _transfer_cash(context: BlockContext, number: int, payees: list[Payee], rounding: int) -> None:
    """Move what is paid out of the house's account; its own share is there already."""
    currency = cash_currency(context.terms.crisis.fund.cash_group or context.terms.cash_groups[0])
    code = TransferCode.RECOVERY_PAID
    for payee in payees:
        if payee.account != HOUSE_ACCOUNT:
            context.journal.transfer(HOUSE_ACCOUNT, payee.account, currency, payee.owed, code, number)
            context.touched_accounts.add(payee.account)
    context.journal.transfer(HOUSE_ACCOUNT, ROUNDING_ACCOUNT, currency, rounding, code, number)
    context.touched_accounts.add(HOUSE_ACCOUNT)


def _shared_by_contribution(context: BlockContext, number: int, micros: int) -> list[Payee]:
    """What members get of what is left after all claims, rounded down."""
    members = _members_by_contribution(context, context.state.defaults[number])
    weights = sum(payee.owed for payee in members)
    return [payee._replace(owed=mul_div_down(micros, payee.owed, weights)) for payee in members] if weights else []


def _members_by_contribution(context: BlockContext, default: DefaultRecord) -> list[Payee]:
    """Members that may be assessed, with their contributions as weights."""
    own = own_accounts_by_member(context.state)
    found = []
    for member in surviving_members(context.state, default.member):
        record, weight = context.state.contributions.get(member), contribution_micros(context.state, member)
        if weight and member in own:
            account = contribution_account(context.state, member, record.account if record else 0)
            found.append(Payee(AFTER_ALL_CLAIMS, member, account or own[member][0], weight))
    return found


def give_in_kind(
    context: BlockContext,
    number: int,
    record: RecoveryRecord,
    token: RecoverableToken,
    units: int,
    micros_per_unit: int,
) -> tuple[RecoveryRecord, list[GivenUnits]]:
    """Give units of a token to the payers, last layer first, and the rest to the account that it was taken from.

    Each step gets at most what it is owed at `micros_per_unit`, rounded up; without a price the last step gets all.
    The house keeps what its own capital is owed, and, after all claims, what the account was credited for.
    """
    left, given, claims = units, [], list(record.claims)
    for at in reversed(range(len(claims))):
        payees = payees_of(context, claims[at])
        owed = sum(payee.owed for payee in payees)
        if not left or not owed or claims[at].layer == WaterfallLayer.OWN_MARGIN:
            continue
        part = min(-(-owed // micros_per_unit), left) if micros_per_unit else left
        shares = [mul_div_down(part, payee.owed, owed) for payee in payees]
        given += _given(context, number, token.asset, payees, shares)
        _transfer_units(context, number, ROUNDING_ACCOUNT, token.asset, part - sum(shares))
        back = {payee.payer: share * micros_per_unit for payee, share in zip(payees, shares, strict=True)}
        after = tuple((payer, micros - min(micros, back.get(payer, 0))) for payer, micros in claims[at].owed)
        claims[at] = msgspec.structs.replace(claims[at], owed=tuple(each for each in after if each[1]))
        left -= part
    credited = max(token.credited_micros - token.counted_micros, 0)
    # The house has paid its account for these; otherwise they would be given and credited.
    left -= min(-(-credited // micros_per_unit), left) if micros_per_unit else 0
    if left and can_hold(context.state, token.account):
        owner = Payee(int(WaterfallLayer.OWN_MARGIN), token.account, token.account, 0)
        given += _given(context, number, token.asset, [owner], [left])
    elif left:
        _transfer_units(context, number, ROUNDING_ACCOUNT, token.asset, left)
    return msgspec.structs.replace(record, claims=tuple(claims)), given


def _given(context: BlockContext, number: int, asset: int, payees: list[Payee], shares: list[int]) -> list[GivenUnits]:
    """Move units to payees. The house's own stay where they are."""
    found = []
    for payee, units in zip(payees, shares, strict=True):
        if units:
            _transfer_units(context, number, payee.account, asset, units)
            member = _member_of(context, payee.account)
            found.append(GivenUnits(payee.layer, member, payee.account, asset, units))
    return found


def _transfer_units(context: BlockContext, number: int, account: int, asset: int, units: int) -> None:
    if account != HOUSE_ACCOUNT:
        code = TransferCode.RECOVERY_IN_KIND
        context.journal.transfer(HOUSE_ACCOUNT, account, token_currency(asset), units, code, number)
        context.touched_accounts.add(account)
