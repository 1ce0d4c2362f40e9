"""What must hold about accounts, clients' keys, venues and validators: computed apart from the rules.

Rule: as `tests.sim.clearing.audit`. Who may move money, trade for another or change a set is worked out anew from
signatures, mandates and powers.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from clearing.base.errors import RemoteFault
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.secp256k1 import recover
from clearing.base.units import DAY_MS
from clearing.base.validators import ValidatorSet
from clearing.context.affiliation import OwnerFamilies
from clearing.context.block_context import BlockContext
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.receipts.settlement import Delivered
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.requests.accounts import AccountPorting, CashTransfer, ClaimSwap, TokenTransfer
from clearing.schema.requests.default import ClientRescue
from clearing.schema.requests.trades import TradeReport
from clearing.schema.requests.withdrawals import LimitedWithdrawal, Withdrawal
from clearing.schema.terms.genesis import AccountKind
from clearing.schema.transfers import Transfer, TransferCode
from clearing.state.holdings import current_holdings
from clearing.state.ledger import CLEARING_ACCOUNT, FUND_ACCOUNT
from clearing.state.state import State
from clearing.validators.validator_sets import attesting_set, validator_sets
from tests.kit.clearing.requests import VENUE_SECRETS
from tests.sim.violation import require

LEAVING = (Withdrawal, LimitedWithdrawal, CashTransfer, TokenTransfer, ClaimSwap)
MEMBERS_OWN = (
    TransferCode.ESTATE_POOLED,
    TransferCode.DEFICIT_CURED,
    TransferCode.ASSESSMENT,
    TransferCode.FUND_CONTRIBUTION,
    TransferCode.PENALTY_TO_FUND,
)
"""What nobody's client ever pays, but for a penalty of its own."""
OF_THE_ESTATE = (TransferCode.ESTATE_POOLED, TransferCode.DEFICIT_CURED)
"""What an affiliated client pays, too."""
LEDGER_ACCOUNTS = 2**48


class VariantAudit:
    """Remembers what must not happen twice, and how the set of validators moves on."""

    def __init__(self) -> None:
        self.novated: set[tuple[int, ...]] = set()
        self.before: tuple[ValidatorSet, ValidatorSet, ValidatorSet] | None = None

    def block(self, after: State, result: BlockResult) -> None:
        for receipt in result.receipts:
            if isinstance(receipt, TradeNovated):
                # A story gives no bilateral id twice, though a pair may use one again when it has expired.
                sides = () if receipt.venue in VENUE_SECRETS else tuple(sorted((receipt.buyer, receipt.seller)))
                key = (receipt.venue, receipt.venue_trade_id, *sides)
                require(key not in self.novated, "a trade was novated twice", key=key)
                self.novated.add(key)
            elif isinstance(receipt, Delivered):
                audit_delivery(after, receipt, result.transfers)
        audit_counts(after)
        audit_clients_money(after, result)
        self.sets(after)
        audit_words(after)

    def sets(self, after: State) -> None:
        """Sets move up by one height a block; what comes next differs by a third of the power at most."""
        now = validator_sets(after)
        if self.before is not None:
            last, current, coming = self.before
            moved_on = (now.attesting, now.last, now.now) == (last, current, coming)
            require(moved_on, "validators of another height", height=after.now.height)
            require(is_third(coming, now.next), "more than a third of the power left", height=after.now.height)
            require(is_third(now.next, coming), "more than a third of the power came", height=after.now.height)
        self.before = (now.last, now.now, now.next)


def is_third(one: ValidatorSet, other: ValidatorSet) -> bool:
    """Whether no more than a third of the power of `one` is not in `other`."""
    there = {(each.envelope_key, each.bls_key, each.evm_address): each.power for each in other.validators}
    gone = sum(
        max(each.power - there.get((each.envelope_key, each.bls_key, each.evm_address), 0), 0)
        for each in one.validators
    )
    return 3 * gone <= sum(each.power for each in one.validators)


def audit_delivery(after: State, receipt: Delivered, transfers: Sequence[Transfer]) -> None:
    """What some deliver is what others take, and what these pay is the price of it, to the unit."""
    for code, total in ((TransferCode.DELIVERY, receipt.units), (TransferCode.DELIVERY_PAYMENT, receipt.paid)):
        own = [each for each in transfers if each.code is code and each.cause == receipt.instrument]
        given = sum(each.amount for each in own if each.credit == CLEARING_ACCOUNT)
        taken = sum(each.amount for each in own if each.debit == CLEARING_ACCOUNT)
        require(given == taken == total, "a delivery that made something", receipt=receipt, given=given, taken=taken)
    tick = after.terms.instruments[receipt.instrument].micros_per_tick
    require(receipt.paid == receipt.lots * receipt.ticks * tick, "a delivery at another price", receipt=receipt)


def audit_counts(after: State) -> None:
    """Held trades of an account and accounts of a member are as many as are counted."""
    counted = Counter(side for _, held in after.pending_trades.ordered() for side in (held.buyer, held.seller))
    stated = Counter(dict(after.pending_counts.ordered()))
    require(counted == stated, "held trades are counted wrong", counted=counted, stated=stated)
    of_member = Counter[int]()
    for account, record in after.accounts.ordered():
        if account < LEDGER_ACCOUNTS:
            of_member[record.member] += 1
        for child in record.children:
            own = after.accounts[child]
            good = own.parent == account and (own.member, own.kind, own.key) == (record.member, record.kind, record.key)
            require(good, "a sub-account that is not its parent's", account=account, child=child)
    for member, counts in after.member_accounts.ordered():
        require(counts.open == of_member[member], "accounts are counted wrong", member=member, counts=counts)


def is_affiliate(after: State, account: int) -> bool:
    """Whether the client's money stands in for its member."""
    return after.terms.crisis.default.pool_affiliates and OwnerFamilies(after).is_on_members_side(account)


def audit_clients_money(after: State, result: BlockResult) -> None:
    """What a member owes by itself is never taken from its client, and a client's cash stays the same client's."""
    for each in result.transfers:
        payer, payee = after.accounts.get(each.debit), after.accounts.get(each.credit)
        if payer is None or payer.kind is not AccountKind.CLIENT:
            continue
        own = each.code is TransferCode.PENALTY_TO_FUND
        pooled = each.code in OF_THE_ESTATE and is_affiliate(after, each.debit)
        require(own or pooled or each.code not in MEMBERS_OWN, "a client paid for its member", transfer=each)
        inside = each.code in (TransferCode.CASH_TRANSFER, TransferCode.TOKEN_TRANSFER)
        if inside and not any(payer.key) and payee is not None:
            same = payee.kind is AccountKind.CLIENT and (payer.parent or each.debit) == (payee.parent or each.credit)
            require(same, "a client's money went to another", transfer=each)
        require(each.credit != FUND_ACCOUNT or own, "a client paid into the fund", transfer=each)


def audit_words(after: State) -> None:
    """What was told stands under validators that there are, each with the power that it has."""
    validators = attesting_set(after).validators
    said = [(index, each.power) for (_, index), each in after.price_reports.ordered()]
    said += [(index, each.power) for (_, index), each in after.heartbeats.ordered()]
    for table in (after.fact_attestations, after.custody_attestations):
        for _, claim in table.ordered():
            said += [(each.validator, each.power) for each in claim.attestations]
    good = all(index < len(validators) and power == validators[index].power for index, power in said)
    require(good, "words of a validator that is not there", height=after.now.height)


def is_signed(digest: bytes, signature: bytes, key: bytes) -> bool:
    try:
        return recover(digest, signature) == key
    except RemoteFault:
        return False


class Operation:
    """Looks at one request: what was before, and what its words allow."""

    def __init__(self, context: BlockContext, transaction: Transaction) -> None:
        self.run, self.transaction = context, transaction
        self.key = b""
        accounts = context.state.accounts
        if isinstance(transaction, LEAVING) and transaction.account in accounts:
            self.key = accounts[transaction.account].key
        self.carried = self.holdings() if isinstance(transaction, AccountPorting | ClientRescue) else []

    def holdings(self) -> list[Any]:
        """Of the client's account that is ported, and of its sub-accounts."""
        record = self.run.state.accounts.get(self.transaction.account)  # type: ignore[union-attr]
        named: Iterable[int] = () if record is None else (self.transaction.account, *record.children)  # type: ignore[union-attr]
        return [current_holdings(self.run.state, each) for each in named]

    def accepted(self) -> None:
        """It was: with the word that it needs, within the mandate, and nothing of a client's changed on the way."""
        words, network = self.transaction, self.run.terms.network
        if any(self.key):
            good = is_signed(words.digest(network), words.signature, self.key)  # type: ignore[union-attr]
            require(good, "a client's money left without its word", request=words)
        if isinstance(words, AccountPorting | ClientRescue):
            require(self.carried == self.holdings(), "porting changed what is ported", request=words)
            key = self.run.state.accounts[words.account].key
            if any(key):
                good = is_signed(words.digest(network), words.client_signature, key)
                require(good, "a client was ported without its word", request=words)
        if isinstance(words, TradeReport) and words.venue in VENUE_SECRETS:
            self.mandates(words)

    def mandates(self, words: TradeReport) -> None:
        """A member that has not signed gave the venue a mandate for so much."""
        sides = ((words.buyer, words.buyer_signature), (words.seller, words.seller_signature))
        for account in (account for account, signature in sides if not signature and account != HOUSE_ACCOUNT):
            held = self.run.state.mandates.get((account, words.venue))
            require(held is not None, "a venue traded for somebody without a mandate", request=words)
            if held is not None:
                in_time = self.run.time_ms <= held.expires_ms and held.day == self.run.time_ms // DAY_MS
                within = words.lots <= held.lots_max and held.used_notional <= held.day_notional_max
                require(in_time and within, "a venue traded beyond a mandate", request=words, mandate=held)
