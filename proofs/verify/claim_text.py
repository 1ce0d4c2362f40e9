"""The claim text: what a verified package proves, what it does not prove, and which assumptions remain.

Rule: never more than was checked. Every verifier prints both. A statement names its assumptions, the rules that no row
expresses, and the verdict repeats every name: one for which this version has no sentence is printed as it is.
"""

from collections.abc import Sequence

from clearing.base.ids import FUND_ACCOUNT
from clearing.margin.statement.snapshot import RiskStatement, SlotKind
from proofs.epoch.package import EpochPackage
from proofs.statement.custody import CustodyAssurance, custody_assurances, custody_limits, shortages
from proofs.statement.row_checks import bounds_of
from proofs.verify.attestations import OF_THE_FILE
from proofs.verify.freshness import duration
from proofs.verify.verdict import Attested

NAMED_MAX = 10
"""Listed shortfalls that are named one by one."""
_OWN_SET = "The validator set is the package's own: compare its hash with one that you trust."
MEANINGS = {
    "encoding": "The file is a whole epoch package in its one canonical form.",
    "certificate": "Validators with more than two thirds of the voting power signed the header.",
    "sizes": "The lengths of all proofs are those that the numbers of accounts and slots demand.",
    "roots": "The statement and every account's commitment are the ones that this header certifies.",
    "freshness": "At the stated time, header and prices are no older than is accepted, and the trusted validator set "
    "was last known to be in force within the trusting period.",
    "statement": "The public rules are complete: every scenario of every group, every charge, nothing counted twice.",
    "ranges_and_rows": "Every account's hidden holdings are in range and meet its maintenance requirement, or fall "
    "short by no more than is listed.",
    "matched_book": "The positions of all accounts cancel out, and their cash and tokens add up to the public totals.",
    "reserves": "The vaults' balances cover those totals, and deposits and withdrawals on their way, but for what is "
    "named as lacking of collateral tokens.",
    "custody": "The chains' own states, in blocks that the validators certified, prove the vaults' counters and "
    "balances, as far as the file has proofs of them.",
    "cover": "The default fund, which its account holds, covers what its two largest members would lack in every "
    "stress scenario, or falls short by no more than is listed. Without stated scenarios, none of this is proven.",
    "house": "The clearing house's own account owes nothing in any currency, if the package proves it.",
    "rules": "Every row follows from the rulebook with the stated parameters and prices, in every coefficient; with a "
    "genesis, the parameters are its own.",
    "listed": "The proof is about exactly one account of the certified list.",
    "solvency": "This account's hidden holdings are in range and meet its maintenance requirement, or fall short by no "
    "more than is listed.",
    "inclusion": "Your own account is in the list, with exactly your holdings.",
}
"""What each check of `proofs.verify.package_verifier` and `proofs.verify.standalone` means when it passes."""


def claim_of(package: EpochPackage) -> str:
    """The claim of a package whose checks all passed."""
    statement = package.statement
    short = statement.shortfalls
    accounts = len(package.commitments)
    terms, lacking = len(statement.custody), shortages(statement)
    proven = custody_assurances(statement, package.custody).count(CustodyAssurance.PROVEN)
    instruments = sum(slot.kind is SlotKind.POSITION for slot in statement.slots)
    solvent = (
        f"all {accounts} accounts meet their maintenance requirement"
        if not short
        else f"{accounts - len(short)} of {accounts} accounts meet their maintenance requirement; "
        + _short(short)
        + " (in the unit of the listed rows)"
    )
    return (
        f"At height {statement.height} (epoch {statement.epoch}) of network {statement.network.hex()[:16]}…, {solvent} "
        f"in each of {statement.scenarios} scenarios over {len(statement.groups)} risk groups, "
        f"{_further_terms(statement)}{len(statement.rows)} rows; "
        f"all positions in {instruments} instruments cancel out; "
        f"what the ledger owes in {f'{terms - len(lacking)} of {terms}' if lacking else terms} "
        f"custody accounts is covered by the published balances, {proven} of which the chains' states prove"
        f"{''.join(f'; {each}' for each in lacking)}; {_claims(statement)}{_fund(statement)}. "
        f"Certified by header {package.header.height}."
    )


def _short(listed: tuple[tuple[int, int], ...]) -> str:
    """The listed shortfalls, largest first: a long list is cut off in displays, which must not hide one."""
    ordered = sorted(listed, key=lambda entry: (-entry[1], entry[0]))
    parts = [f"account {account} is short by at most {sigma}" for account, sigma in ordered[:NAMED_MAX]]
    rest = [sigma for _, sigma in ordered[NAMED_MAX:]]
    if rest:
        parts.append(f"{len(rest)} others by at most {rest[0]} each and {sum(rest)} together")
    return ", ".join(parts)


def _claims(statement: RiskStatement) -> str:
    """What stands behind claims in cash: published balances, and debts of accounts that meet their requirement."""
    but = ", but for those that are short" if statement.shortfalls else ""
    return f"claims in cash are at most custody and what accounts owe, each of which can pay{but}"


def _fund(statement: RiskStatement) -> str:
    """The result of the test of the default fund, if there is one."""
    if not statement.cover:
        return ""
    terms = statement.cover[0]
    short = [deficit for deficit in terms.deficits if deficit]
    count = len(terms.deficits)
    covered = f"each of {count}" if not short else f"{count - len(short)} of {count}"
    lacking = f", and lacks at most {max(short)} micros in the others" if short else ""
    return (
        f"; the default fund of {terms.fund} micros covers what its two largest members would lack in {covered} stress "
        f"scenarios{lacking}"
    )


def _further_terms(statement: RiskStatement) -> str:
    """What the requirement has besides the worst scenario of each group, derived from the rows' shapes."""
    bounds = bounds_of(statement)
    maxima = {j for j, slot in enumerate(statement.slots) if slot.kind is SlotKind.GROUP_MAX}
    historical = any(slot.kind is SlotKind.HISTORICAL for slot in statement.slots)
    short = {slot for j in maxima for bound in bounds[j] for slot in bound.above}
    averages = [row for rows in bounds.values() for row in rows if row.above and row.signed]
    behind = {slot for average in averages for slot in average.above}
    net = {j for j, slot in enumerate(statement.slots) if slot.kind is SlotKind.NET_CHARGE}
    behind |= net | {j for j, slot in enumerate(statement.slots) if slot.kind is SlotKind.UNCOVERED}
    sized = [j for j, rows in bounds.items() if j not in maxima | short | behind and rows and rows[0].public]
    terms = [f"a minimum for {len(short)} short options"] if short else []
    terms += [f"charges on the size of {len(sized)} holdings"] if sized else []
    terms += [f"charges on {len(net)} net amounts of groups"] if net else []
    terms += [
        f"a credit between groups by the {average.whole} worst of {sum(average.above.values())} joint scenarios"
        if not historical
        else f"the {average.whole} worst of {sum(average.above.values())} joint moves of history on average"
        for average in averages
    ]
    return f"with {', '.join(terms)}, " if terms else ""


def limits_of(
    package: EpochPackage, *, trusted: bool, listed: bool = False, with_genesis: bool = False
) -> tuple[str, ...]:
    """What is not proven, one sentence each. `trusted`: whether the caller brought a validator set."""
    limits = (
        "Positions are hidden from everybody outside the validator set, not from validators.",
        _rules_limit(with_genesis=with_genesis),
        *custody_limits(package.statement, custody_assurances(package.statement, package.custody), listed=listed),
        *_oldest_block(package),
        "Members' claims in cash may be larger than the vaults' cash: the rest is owed by accounts whose cash is below "
        f"zero{'' if package.house else ', the house perhaps among them'}, and backed by their collateral.",
        "An account whose owner never checks its own leaf is bound only in sum with other such accounts; the house's "
        "and unclaimed accounts count among them.",
        *cover_limits(package.statement),
        "A book of two accounts reveals each one's positions to the other.",
        revealed_by(package.statement),
        *assumptions_of(package.statement),
    )
    if trusted:
        return limits
    return (*limits, _OWN_SET)


def _oldest_block(package: EpochPackage) -> tuple[str, ...]:
    """How long before the header the oldest state is that proves custody: what left a vault since, and may be counted
    in another, is in no check."""
    if not package.custody:
        return ()
    oldest = min(package.custody, key=lambda shown: shown.time_s)
    age = duration(package.header.time_ms - 1000 * oldest.time_s)
    return (
        "A vault's counters and balance are those of its block: what it paid or took in since does not show. The "
        f"oldest of these blocks, of chain {oldest.chain_id}, is {age} older than the header.",
    )


def revealed_by(statement: RiskStatement) -> str:
    """What anybody learns from the package besides what is proven."""
    members = ", which account is which member's" if statement.cover else ""
    return (
        f"The package reveals its accounts by numbers that stay the same in every epoch{members}; who is short, and by "
        "how much at most; the sums of cash and tokens; prices and parameters; and of every vault the counters and the "
        "balance, with deposits and withdrawals on their way."
    )


def attested_limit(attested: Sequence[Attested]) -> str:
    """A sentence on the values that are somebody's word; a verdict lists them one by one."""
    words = [name for name, _ in attested if name != OF_THE_FILE]
    kinds = dict.fromkeys(name.split(":")[0] for name in words)
    return (
        f"{len(words)} values are the word of more than two thirds of the validators, within the rulebook's bounds: "
        f"{', '.join(kinds)}. Which valid signatures of EVM keys are in it is the file's own word: {OF_THE_FILE}. JSON "
        "output lists each by name and value under `attested`."
    )


def claim_of_account(package: EpochPackage, account: int, shortfall: int) -> str:
    """The claim of a standalone proof whose checks all passed."""
    statement = package.statement
    meets = (
        "meets its maintenance requirement"
        if not shortfall
        else f"is short of its maintenance requirement by at most {shortfall} (in the unit of the listed rows)"
    )
    return (
        f"At height {statement.height} (epoch {statement.epoch}) of network {statement.network.hex()[:16]}…, account "
        f"{account} {meets}, in each of {statement.scenarios} scenarios over {len(statement.groups)} risk groups. "
        f"Certified by header {package.header.height}."
    )


def limits_of_account(package: EpochPackage, *, trusted: bool, with_genesis: bool = False) -> tuple[str, ...]:
    """What a standalone proof leaves open, one sentence each."""
    limits = (
        "This says nothing of any other account, of the matched book or of reserves: verify the package for those.",
        _rules_limit(with_genesis=with_genesis),
        "Who owns the account is not part of the proof: anybody who knows its holdings and seed can make one.",
        *assumptions_of(package.statement),
    )
    return limits if trusted else (*limits, _OWN_SET)


ASSUMPTION_TEXT = {
    "auction_liquidity": "Not proven: that positions can be closed at the prices and sizes which margin assumes.",
    "cash_calls": "Not proven: calls for cash that cover debts of an account in one currency by its own in another.",
    "collateral_caps": "Not proven: how much of a token all accounts together may hold.",
    "default_fund": "Not proven: the size of the default fund. No stress scenarios are stated.",
    "default_waterfall": "Not proven: who bears a loss beyond the defaulter's own collateral, and in which order.",
    "initial_margin": "Not proven: initial margin, which trades and withdrawals must leave, beyond maintenance margin.",
    "interest_accrued": "Not proven: interest that has accrued and is not paid yet.",
    "price_formation": "Not proven: how prices, surfaces, ranges and haircuts are determined, and how old a mark is.",
    "soft_credit": "Not proven: what the house lent on deposits that are not final counts as the borrower's cash.",
    "uncredited_deposits": "Not proven: deposits that are not credited yet are not counted.",
    "withdrawal_restrictions": "Not proven: who may withdraw what, and when.",
}


def assumptions_of(statement: RiskStatement) -> tuple[str, ...]:
    """One sentence a rule, in the statement's order; and one for feeds that are stated to have no price any more."""
    named = tuple(ASSUMPTION_TEXT.get(name, f"Not proven: {name[:80]}.") for name in statement.assumptions)
    prefix = "settled:"
    settled = [price.name.removeprefix(prefix)[:80] for price in statement.prices if price.name.startswith(prefix)]
    if not settled:
        return named
    listed = ", ".join(settled)
    return (*named, f"Settled, as the validators attest: {listed}. Holdings priced by these feeds count as zero here.")


def _rules_limit(*, with_genesis: bool) -> str:
    """Who attests to the rules in force."""
    if with_genesis:
        return (
            "Prices, haircuts, the time as of which options are valued, and the ranges, volatilities and joint "
            "scenarios of the observed market are those that more than two thirds of the validators certified; the "
            "rows follow from them and from the genesis."
        )
    return (
        "Prices, parameters and the time as of which options are valued are those that more than two thirds of the "
        "validators certified; the rows follow from them. Give the genesis to have the parameters compared with it."
    )


def cover_limits(statement: RiskStatement) -> tuple[str, ...]:
    """What the test of the default fund leaves open, where there is one."""
    if not statement.cover:
        return ("A listed shortfall is an upper bound; whether the default fund covers it is no part of this package.",)
    limits: tuple[str, ...] = (
        "A listed shortfall is an upper bound; the default fund is tested for two members' losses in each stated "
        "stress scenario, at its prices and today's haircuts, and in no other.",
        "Which account is which member's is what the validators certified.",
    )
    if FUND_ACCOUNT in dict(statement.cover[0].members):
        limits += (
            f"What members contributed, account {FUND_ACCOUNT}, is not counted in the default fund here: "
            "`crossclear fund verify` does, with that account opened.",
        )
    if not any(statement.cover[0].deficits):
        return limits
    return (
        *limits,
        "The fund's shortfall is revealed exactly: it is what the two largest members lack, less the fund.",
    )
