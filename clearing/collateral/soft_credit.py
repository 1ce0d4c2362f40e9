"""Soft credit: a loan of the house's own capital against a deposit that its chain has not made final yet.

Rule: lent in cash once more than two thirds of the power sighted the same deposit, within the share of the house's own
cash, the account's limit and the asset's; nothing of it can leave the account, and little of it be given away in the
prices of trades. It is repaid out of the deposit when that is final. When the chain undoes the deposit the loan is
called back, and an account that had used it restricted: what it cannot pay is the house's loss, never another member's.
It must not know how a deposit was sighted.
"""

import msgspec

from clearing.assets import Asset
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, PPM
from clearing.chains import final_block
from clearing.claims import add_word, agreed_power
from clearing.collateral.haircuts import effective_asset
from clearing.collateral.listing import asset_now, is_suspect, is_suspended
from clearing.collateral.receipts import SoftCreditLent, SoftCreditRecalled, SoftCreditRepaid
from clearing.collateral.restrictions import is_restricted, restrict
from clearing.default.status import is_bound
from clearing.facts import FINAL, SIGHTED, DepositSeen, DepositSighted, fact_key
from clearing.ledger import balance, can_hold, cash_currency, held
from clearing.prices.receipts import FeedStatus
from clearing.run import Run
from clearing.state.records import Attestation, Loan, SoftCredit
from clearing.state.state import State
from clearing.transfers import TransferCode

SIGHT_WINDOW = 64
"""Sightings are kept of so many nonces beyond the credited one: what stands under a chain's head is no more."""
TRADED_AWAY_PPM = 100_000
"""So much of what is lent may be lost in the prices of trades and their fees."""


def lent(state: State, account: int, group: int) -> int:
    """What an account owes of soft credit in a cash group; of the house's account, what all owe."""
    loan = state.loans.get((account, group))
    return loan.micros if loan else 0


def borrowed(state: State, account: int) -> int:
    """What an account owes of soft credit in all cash groups; the house borrows nothing."""
    return 0 if account == HOUSE_ACCOUNT else sum(lent(state, account, group) for group in state.terms.cash_groups)


def gives_away(loans: int, equity: int, equity_after: int) -> bool:
    """Whether a trade that takes equity from one to the other, in its price and fees, gives away what is lent.

    Spreads and fees may take a tenth of the loans from an account that has nothing of its own. Beyond that it trades at
    prices that cost it nothing: any other could carry the loans to another account of the same owner.
    """
    return loans > 0 and equity_after < equity and (equity_after - loans) * PPM < -loans * TRADED_AWAY_PPM


def sight(run: Run, word: Attestation, fact: DepositSighted) -> None:
    """Count one validator's word that it sees a deposit coming; lend when a quorum says the same."""
    asset = run.terms.asset_of.get((fact.chain_id, fact.vault, fact.token))
    cursor = run.state.cursors.get((fact.chain_id, fact.vault))
    key = (fact.chain_id, fact.vault, fact.nonce)
    if asset is None or not asset.soft_credit_ppm or not run.terms.genesis.soft_credit.house_ppm:
        return
    if cursor is None or not cursor.nonce < fact.nonce <= cursor.nonce + SIGHT_WINDOW:
        return
    if key in run.state.soft_credits or key in run.state.agreed:
        return
    claim = add_word(run.state.claims.get(fact_key(fact)), word)
    if agreed_power(claim, fact) * 3 <= run.block.total_power * 2:
        run.state.claims.put(fact_key(fact), claim)
        return
    run.state.claims.remove(fact_key(fact))
    _lend(run, asset_now(run.state, asset), asset.cash_group or run.terms.cash_groups[0], fact)


def _lend(run: Run, asset: Asset, group: int, fact: DepositSighted) -> None:
    """Lend what all limits allow, and remember the deposit also where that is nothing, so that it is asked once."""
    value = _value(run, asset, int.from_bytes(fact.amount, "big"))
    micros = min(value, _room(run, fact.account, group)) if _may_borrow(run, asset, group, fact) else 0
    micros = max(micros, 0)
    credit = SoftCredit(fact.account, asset.id, group, micros, fact.block_number, fact.source)
    run.state.soft_credits.put((fact.chain_id, fact.vault, fact.nonce), credit)
    if not micros:
        return
    _owe(run, credit, micros)
    run.journal.transfer(
        HOUSE_ACCOUNT, fact.account, cash_currency(group), micros, TransferCode.SOFT_CREDIT_LENT, fact.nonce
    )
    run.touched.update((HOUSE_ACCOUNT, fact.account))
    run.receipts.append(
        SoftCreditLent(
            account=fact.account,
            chain_id=fact.chain_id,
            vault=fact.vault,
            nonce=fact.nonce,
            asset=asset.id,
            cash_group=group,
            micros=micros,
            value_micros=value,
            source=fact.source,
        )
    )


def _may_borrow(run: Run, asset: Asset, group: int, fact: DepositSighted) -> bool:
    """Whether anything is lent on this deposit at all."""
    overdue = fact.block_number + run.terms.genesis.soft_credit.recall_blocks <= final_block(run.state, fact.chain_id)
    ours = can_hold(run.state, fact.account) and fact.account != HOUSE_ACCOUNT
    doubtful = is_suspect(run.state, asset.id) or is_suspended(run.state, group)
    bound = ours and (is_restricted(run.state, fact.account) or is_bound(run.state, fact.account))
    return ours and not (overdue or doubtful or bound)


def _value(run: Run, asset: Asset, amount: int) -> int:
    """Micros that the asset's share of the deposit will count for after haircut, within the asset's cap; rounded down.

    A collateral token without an open price counts for nothing.
    """
    units = min(asset.to_units(amount)[0], asset.cap_units - held(run.state, asset))
    if asset.is_cash:
        return units * asset.soft_credit_ppm // PPM
    feeds = [run.state.feeds.get(feed) for feed in asset.feeds]
    if any(feed is None or feed.status != FeedStatus.OPEN for feed in feeds):
        return 0
    index = run.state.feeds[asset.feed].ticks
    value = units * effective_asset(run.state, asset).unit_value(index) * asset.soft_credit_ppm // PPM
    return min(value, MONEY_MAX)


def _room(run: Run, account: int, group: int) -> int:
    """What may still be lent: within the house's share of its own cash, what it has, and the account's limit."""
    terms = run.terms.genesis.soft_credit
    out = lent(run.state, HOUSE_ACCOUNT, group)
    cash = balance(run.state, HOUSE_ACCOUNT, cash_currency(group))
    whole = max(cash + out, 0) * terms.house_ppm // PPM
    return min(whole - out, cash, terms.account_micros_max - lent(run.state, account, group))


def finish_soft_credit(run: Run, deposit: DepositSeen) -> None:
    """A deposit is final: repay the loan against it, or call it back when something else is final in its place.

    Repaid also where the deposit is above the asset's cap: it is no fault of the account's.
    """
    key = (deposit.chain_id, deposit.vault, deposit.nonce)
    run.state.claims.remove((SIGHTED, *key))
    credit = run.state.soft_credits.get(key)
    if credit is None:
        return
    run.state.soft_credits.remove(key)
    if not credit.micros:
        return
    asset = run.terms.asset_of.get((deposit.chain_id, deposit.vault, deposit.token))
    if deposit.account != credit.account or asset is None or asset.id != credit.asset:
        _recall(run, key, credit, deposit.block_number)
        return
    _repay(run, key, credit)
    run.receipts.append(SoftCreditRepaid(credit.account, *key, credit.cash_group, credit.micros))


def recall_soft_credit(run: Run) -> None:
    """Call back the loans whose chain has gone on without the deposit: it was undone."""
    grace = run.terms.genesis.soft_credit.recall_blocks
    for key, credit in list(run.state.soft_credits.ordered()):
        final = final_block(run.state, key[0])
        if not credit.micros or final < credit.block_number + grace or _is_coming(run, key):
            continue
        run.state.soft_credits.put(key, msgspec.structs.replace(credit, micros=0))
        _recall(run, key, credit, final)


def recall_all_of(run: Run, chain_id: int, vault: bytes) -> None:
    """Call back the loans against deposits of a vault of which nothing is taken in any more."""
    for key, credit in list(run.state.soft_credits.ordered()):
        if key[:2] == (chain_id, vault) and credit.micros:
            run.state.soft_credits.put(key, msgspec.structs.replace(credit, micros=0))
            _recall(run, key, credit, final_block(run.state, chain_id))


def _is_coming(run: Run, key: tuple[int, bytes, int]) -> bool:
    """Whether the deposit is final and waits its turn, or more than a third of the power already says that it is."""
    claim = run.state.claims.get((FINAL, *key))
    power = sum(each.power for each in claim.attestations) if claim else 0
    return key in run.state.agreed or power * 3 > run.block.total_power


def _recall(run: Run, key: tuple[int, bytes, int], credit: SoftCredit, final: int) -> None:
    _repay(run, key, credit)
    cash_after = balance(run.state, credit.account, cash_currency(credit.cash_group))
    # Anybody can pay in for any account, so an undone deposit alone says nothing against its owner.
    until = restrict(run, key, credit) if cash_after < 0 else 0
    run.receipts.append(
        SoftCreditRecalled(
            credit.account,
            *key,
            cash_group=credit.cash_group,
            micros=credit.micros,
            block_number=credit.block_number,
            final_block=final,
            source=credit.source,
            cash_after=cash_after,
            until_height=until,
        )
    )


def _repay(run: Run, key: tuple[int, bytes, int], credit: SoftCredit) -> None:
    _owe(run, credit, -credit.micros)
    currency = cash_currency(credit.cash_group)
    run.journal.transfer(
        credit.account, HOUSE_ACCOUNT, currency, credit.micros, TransferCode.SOFT_CREDIT_REPAID, key[2]
    )
    run.touched.update((HOUSE_ACCOUNT, credit.account))


def _owe(run: Run, credit: SoftCredit, micros: int) -> None:
    """Change what the account owes of soft credit, and what all owe together."""
    for account in (credit.account, HOUSE_ACCOUNT):
        owed = lent(run.state, account, credit.cash_group) + micros
        if owed:
            run.state.loans.put((account, credit.cash_group), Loan(owed))
        else:
            run.state.loans.remove((account, credit.cash_group))
