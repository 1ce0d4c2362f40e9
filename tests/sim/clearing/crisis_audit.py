"""What must hold when somebody cannot pay: computed apart from the rules, out of state and receipts.

Rule: as `tests.sim.clearing.audit`. Who pays for a loss, in what order, is written here anew.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.affiliation import OwnerFamilies
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.default import (
    AssessmentTaken,
    ClientClosedOut,
    DefaultEnded,
    DeficitCured,
    EstatePooled,
    LossAllocated,
    PortfolioSold,
    PositionsTornUp,
    WaterfallLayer,
)
from clearing.schema.receipts.house import RecoveryPaid
from clearing.schema.receipts.liquidation import BackstopTakeover, CashSplit, Liquidated, ReducedPosition, SliceSold
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalConfirmed, WithdrawalRefunded
from clearing.schema.records.default import DefaultPhase
from clearing.schema.records.stray_deposits import RefundStage
from clearing.schema.terms.genesis import AccountKind
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import FUND_ACCOUNT, balance, cash_currency, soft_credit_of
from clearing.state.state import State
from clearing.validators.chain_attestations import is_detached
from tests.kit.clearing.exits import promised_at_exit
from tests.sim.clearing.audit import ReportedPrices, audit_taken
from tests.sim.violation import require

OTHERS = (WaterfallLayer.HOUSE_CAPITAL, WaterfallLayer.SURVIVORS, WaterfallLayer.ASSESSMENTS)


class CrisisAudit:
    """Remembers what must not happen twice."""

    def __init__(self) -> None:
        self.paid: set[int] = set()
        """Nonces of withdrawals that the vault paid, or whose money came back."""
        self.left = Counter[int]()
        """By asset: token base units that vaults have paid out."""
        self.house_bore: dict[int, int] = {}
        """By default: micros of the house's capital that it has not got back."""
        self.liquidated: list[int] = []
        """Micros, in each of the last blocks: more than the longest cool-down."""

    def block(self, after: State, result: BlockResult, reported: ReportedPrices) -> None:
        audit_fund(after)
        audit_deadlines(after)
        notional = 0
        for receipt in result.receipts:
            if isinstance(receipt, SliceSold | BackstopTakeover):
                audit_taking(after, receipt, reported)
            if isinstance(receipt, SliceSold | BackstopTakeover | Liquidated):
                notional += receipt.notional - rounding(after, receipt)
            elif isinstance(receipt, WithdrawalConfirmed):
                self.once(receipt.nonce)
                paid = after.withdrawals[receipt.nonce]
                self.left[paid.asset] += int.from_bytes(paid.amount, "big")
            elif isinstance(receipt, WithdrawalRefunded) and receipt.reason is RefundReason.NOT_PAID:
                self.once(receipt.number)
            elif isinstance(receipt, LossAllocated):
                self.shared(after, receipt)
            elif isinstance(receipt, DefaultEnded):
                self.ended(after, receipt)
                self.bear_as_house(receipt.number, dict(receipt.by_layer).get(WaterfallLayer.HOUSE_CAPITAL, 0))
            elif isinstance(receipt, RecoveryPaid):
                self.recovered(receipt)
            elif isinstance(receipt, EstatePooled):
                require(
                    is_own(after, receipt.account, receipt.estate), "a client's money in the estate", receipt=receipt
                )
            elif isinstance(receipt, DeficitCured | AssessmentTaken):
                payers = [account for account, _, _ in receipt.paid]
                require(none_of_clients(after, payers), "a client paid for its member", receipt=receipt)
            elif isinstance(receipt, PortfolioSold):
                require(
                    receipt.paid == receipt.slices * receipt.ask_micros, "a slice at another price", receipt=receipt
                )
                require(
                    receipt.first + receipt.slices <= receipt.of_slices, "more slices than there are", receipt=receipt
                )
            elif isinstance(receipt, PositionsTornUp):
                lots = sum(lots for _, lots, _ in receipt.positions)
                cash = sum(received for _, _, received in receipt.positions)
                require(lots == 0 and cash == 0, "a tear-up that made lots or money", lots=lots, cash=cash)
            elif isinstance(receipt, ClientClosedOut):
                left = [cash for _, cash in receipt.cash if cash < 0]
                require(not left or after.accounts.get(receipt.account) is not None, "a client gone that owes")
        if result.snapshot_due:
            self.exits(after)
        self.liquidated = [*self.liquidated[-7:], notional]
        limit = after.terms.crisis.liquidation.block_notional_max
        require(not limit or notional <= limit, "a block liquidated beyond its cap", notional=notional, limit=limit)

    def exits(self, after: State) -> None:
        """What is promised to all at the close-out is no more than what vaults were paid and have not paid out."""
        for asset, amount in sorted(promised_at_exit(after).items()):
            there = int.from_bytes(after.asset_flows[asset].deposited_amount, "big") - self.left[asset]
            require(amount <= there, "exits beyond what the vault has", asset=asset, promised=amount, there=there)

    def once(self, nonce: int) -> None:
        """A withdrawal is paid by its vault or comes back, one of both, one time."""
        require(nonce not in self.paid, "a withdrawal was paid twice", nonce=nonce)
        self.paid.add(nonce)

    def shared(self, after: State, receipt: LossAllocated) -> None:
        """Layers bear in order and to the unit, each payer its share, and no client for its member."""
        left = receipt.loss
        layers = [step.layer for step in receipt.steps]
        require(layers == sorted(layers), "layers out of order", layers=layers)
        for step in receipt.steps:
            require(step.loss_before == left, "a layer began elsewhere", step=step)
            torn_up = step.layer is WaterfallLayer.TEAR_UP
            shared = sum(share.amount for share in step.shares)
            require(torn_up or shared == step.loss_borne, "shares are not the sum", step=step)
            require(all(share.amount <= share.cap for share in step.shares), "more than its most", step=step)
            most = sum(share.cap for share in step.shares if share.weight)
            whole = torn_up or step.loss_borne == min(left, most)
            require(whole, "a layer left something to the next that it could bear", step=step)
            audit_shares(step.loss_borne, [(share.weight, share.cap, share.amount) for share in step.shares])
            left -= step.loss_borne
            if step.layer in (WaterfallLayer.GAINS, WaterfallLayer.CLAIMS):
                own = sum(share.amount for share in step.shares if share.payer == HOUSE_ACCOUNT)
                self.bear_as_house(receipt.number, own)
        require(left >= 0, "more borne than lost", loss=receipt.loss, left=left)
        for layer, account, _, micros in receipt.paid:
            client = account in after.accounts and after.accounts[account].kind is AccountKind.CLIENT
            require(layer not in OTHERS or not client, "a client paid for others", account=account, micros=micros)

    def bear_as_house(self, number: int, micros: int) -> None:
        """The house bore this of a default: its capital, its own gains, or its part of all claims."""
        self.house_bore[number] = self.house_bore.get(number, 0) + micros

    def recovered(self, receipt: RecoveryPaid) -> None:
        """Nothing of what came in stays with the house, but for what it had borne itself."""
        layers = [layer for layer, *_ in receipt.paid]
        require(layers == sorted(layers, reverse=True), "an earlier layer was repaid first", receipt=receipt)
        whole = sum(micros for *_, micros in receipt.paid) + receipt.rounding
        require(whole == receipt.micros, "a recovery of another sum", receipt=receipt)
        own = sum(micros for _, _, account, micros in receipt.paid if account == HOUSE_ACCOUNT)
        self.house_bore[receipt.number] = self.house_bore.get(receipt.number, 0) - own
        require(self.house_bore[receipt.number] >= 0, "the house gained from a default", receipt=receipt)

    def ended(self, after: State, receipt: DefaultEnded) -> None:
        """What the layers bore and what the house is left with is the loss; all that is not lent is borne."""
        layers = sum(micros for _, micros in receipt.by_layer)
        lent = sum(soft_credit_of(after, HOUSE_ACCOUNT, group) for group in after.terms.cash_groups)
        require(receipt.house <= lent, "a default ended with a loss that nobody bore", receipt=receipt, lent=lent)
        require(layers + receipt.house == receipt.loss, "a default that ended with another sum", receipt=receipt)


def rounding(after: State, receipt: SliceSold | BackstopTakeover | Liquidated) -> int:
    """One lot of every position: shares are cut to a cap, then rounded up to lots."""
    return sum(each.mark_ticks * after.terms.instruments[each.instrument].micros_per_tick for each in receipt.positions)


def audit_shares(borne: int, shares: list[tuple[int, int, int]]) -> None:
    """Nobody below its most pays more than its proportion of what those below their most pay, but for one unit."""
    free = [(weight, amount) for weight, most, amount in shares if amount < most and weight]
    whole, paid = sum(weight for weight, _ in free), sum(amount for _, amount in free)
    for weight, amount in free:
        exact = Fraction(paid * weight, whole)
        require(abs(exact - amount) <= 1, "a share out of proportion", borne=borne, amount=amount, exact=float(exact))


def audit_fund(after: State) -> None:
    """All parts are what is in the fund's account, and none is below zero."""
    size = after.fund_sizes.get(0)
    group = size.cash_group if size else 0
    parts = [record.micros for _, record in after.contributions.ordered()]
    if not group:
        require(not any(parts), "parts of no fund", parts=parts)
        return
    there = balance(after, FUND_ACCOUNT, cash_currency(group))
    require(sum(parts) == there and min(parts, default=0) >= 0, "the fund is not its parts", parts=parts, there=there)


SALE_BLOCKS = 100
"""The most steps that there are, with the longest cool-down between them, and an auction before."""
CALL_BLOCKS = 24
"""No genesis of a story, nor a vote in it, gives a call more, congestion counted in."""
LONGEST = 64
"""No genesis of a story, nor a vote in it, gives a default more blocks."""


def audit_deadlines(after: State) -> None:
    """What began ends: defaults by their deadline, which is bounded; sales by theirs."""
    for number, held in defaults_under_way(after):
        require(after.now.height <= held.deadline_height, "a default beyond its deadline", number=number, held=held)
        longest = held.deadline_height - held.declared_height
        require(held.phase is not DefaultPhase.ENDED and longest <= LONGEST, "a default without an end", held=held)
    for account, sale in after.liquidations.ordered():
        require(account in after.accounts and account != HOUSE_ACCOUNT, "nobody's liquidation", account=account)
        require(sale.opened_height <= after.now.height, "a sale out of the future", sale=sale)


def audit_strays(after: State, lost: Sequence[int]) -> None:
    """Every stray was credited or is refunded, and no refund that its vault can be sent waits for its turn.

    `lost`: chains that nobody sees any more. Their vaults are sent nothing until they are back or a vote detaches them.
    """
    overdue = [key for key, stray in after.stray_deposits.ordered() if stray.due_height <= after.now.height]
    require(not overdue, "a stray waits beyond its time", overdue=overdue)
    for (chain_id, vault, number), refund in after.deposit_refunds.ordered():
        queued = refund.stage is RefundStage.QUEUED and not is_detached(after, chain_id, vault)
        require(
            not queued or chain_id in lost, "a refund waits for ever", chain_id=chain_id, number=number, refund=refund
        )


def audit_end(after: State, lately: int, lost: Sequence[int] = ()) -> None:
    """After quiet blocks nobody is stuck: every account is solvent, closed or gone, and nothing is under way.

    `lately`: the most that one of the last blocks liquidated. Where that is all that a block may, sales take as long as
    they take: far options that no scenario gives any value to can be held in any number. `lost`: as `audit_strays`.
    """
    require(not defaults_under_way(after), "a default that does not end", under_way=defaults_under_way(after))
    waiting = list(after.delayed_withdrawals.ordered())
    require(not waiting, "a withdrawal waits for ever", waiting=waiting)
    audit_strays(after, lost)
    arrays, sold = current_arrays(after), set()
    for account, sale in after.liquidations.ordered():
        age = after.now.height - sale.opened_height
        cap = after.terms.crisis.liquidation.block_notional_max
        require(age <= SALE_BLOCKS or 0 < cap * 99 // 100 <= lately, "a sale does not end", account=account, sale=sale)
        sold.add(account)
    for account, record in after.accounts.ordered():
        if account != HOUSE_ACCOUNT and account not in sold:
            held = current_holdings(after, account)
            margin = holdings_margin(arrays, held)
            stuck = {"account": account, "record": record, "held": held, "equity": margin.equity}
            call = after.margin_calls.get(account)
            # Ranges go on moving: who was called just now has its time.
            in_time = call is not None and call.opened_height <= after.now.height <= call.deadline_height
            soon = in_time and call is not None and call.deadline_height - call.opened_height <= CALL_BLOCKS
            require(margin.maintenance_ok or soon, "an account is stuck", **stuck, maintenance=margin.maintenance)
            require(any(held.lots) or margin.equity >= 0, "an account ends owing", **stuck)


def audit_taking(after: State, receipt: SliceSold | BackstopTakeover, reported: ReportedPrices) -> None:
    """No more than was asked or allowed; rounded as what is owed and what is given."""
    audit_taken(after, receipt, reported)
    discount = 0
    if isinstance(receipt, SliceSold):
        discount = receipt.discount_ppm
        most = min(receipt.requested_share, receipt.allowed_share)
        require(receipt.fraction <= most, "a larger slice than allowed", receipt=receipt)
    rate = after.terms.market.liquidation_penalty_ppm
    audit_split(after, receipt.positions, receipt.paid, (rate, discount), receipt.equity)


def audit_split(
    after: State, positions: Sequence[ReducedPosition], paid: Sequence[CashSplit], rates: tuple[int, int], equity: int
) -> None:
    """The penalty is rounded up against the account, the discount no more than what the path gives."""
    penalty, discount = rates
    values = [
        Fraction(abs(each.lots) * each.mark_ticks * after.terms.instruments[each.instrument].micros_per_tick, 10**6)
        for each in positions
    ]
    owed, given = sum(each.penalty for each in paid), sum(each.discount for each in paid)
    require(owed >= min(sum(values) * penalty, Fraction(max(equity, 0) - given)), "a penalty rounded down", owed=owed)
    path = sum(ceil(each * discount) for each in values)
    require(given <= path, "more discount than the path gives", given=given, path=path)
    for split in paid:
        require(split.penalty_to_taker <= split.penalty, "more penalty given than taken", split=split)


def is_own(after: State, account: int, estate: int) -> bool:
    """Whether both are one member's own accounts, or its affiliates' where they are pooled."""
    if after.terms.crisis.default.pool_affiliates and account in after.accounts and estate in after.accounts:
        families = OwnerFamilies(after)
        same = after.accounts[account].member == after.accounts[estate].member
        return same and all(map(families.is_on_members_side, (account, estate)))
    records = after.accounts.get(account), after.accounts.get(estate)
    if None in records:
        return False
    kinds = {record.kind for record in records if record is not None}
    members = {record.member for record in records if record is not None}
    return AccountKind.CLIENT not in kinds and len(members) == 1


def none_of_clients(after: State, accounts: Iterable[int]) -> bool:
    """Whether none of these is a client's, but for affiliates where they are pooled."""
    clients = [each for each in accounts if each in after.accounts and after.accounts[each].kind is AccountKind.CLIENT]
    return not clients or (
        after.terms.crisis.default.pool_affiliates and all(map(OwnerFamilies(after).is_on_members_side, clients))
    )
