"""The clearing rulebook's rows are what is proven: engine and proof agree on who is solvent, rule by rule.

A prover that understates, a statement that hides a rule: each is refused.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault, RemoteFault
from clearing.margin.statement.rows import build_snapshot
from clearing.margin.statement.snapshot import AccountHoldings, PublicTotal, Row, RowKind, Slot, SlotKind
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters
from proofs.epoch.package import commitments_root
from proofs.epoch.prover import commit_epoch
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import check_statement, complete_holdings, layout_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.clearing.rows import group_maxima, shortfall_of
from tests.kit.proofs.made_market import (
    FUTURE,
    PERPETUAL,
    PUT,
    arrays_of,
    holdings_of,
    listed,
    make_rulebook,
    statement_of,
)
from tests.kit.proofs.requirement import PARAMETERS, RULEBOOK, STATED, VECTORS

N = 256
replace = msgspec.structs.replace
ARRAYS = arrays_of(RULEBOOK)
PLAIN = make_rulebook(
    RiskParameters(
        (RiskGroup(1, "BTC", 1, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", 2, 250_000, 900_000, 200_000)),
        cash_limit_micros=5_000_000_000,
        rate_ppm=50_000,
    ),
    (
        listed(1, "BTC-PERP", PERPETUAL, 1),
        listed(2, "BTC-30D", FUTURE, 1),
        listed(3, "BTC-PUT", PUT, 1, 750_000),
        listed(4, "ETH-PERP", PERPETUAL, 2),
    ),
)
"""No rule but the risk of each group."""
BOOKS = {"the risk of groups alone": PLAIN, "every rule": RULEBOOK}
cash, lots = st.integers(-(10**11), 10**12), st.integers(-(10**5), 10**5)


@pytest.mark.parametrize("rules", BOOKS)
@settings(max_examples=60)
@given(vector=st.tuples(cash, st.integers(0, 10**9), lots, lots, lots, lots))
def test_a_witness_exists_exactly_when_the_engine_finds_no_shortfall(rules, vector):
    """And from the holdings alone the statement gives every value that the engine hands over."""
    arrays, statement = arrays_of(BOOKS[rules]), statement_of(BOOKS[rules], list(VECTORS.values()))
    account = holdings_of(arrays, 1, vector)
    derived = complete_holdings(statement, AccountHoldings(1, vector))
    assert derived == complete_holdings(statement, account)
    assert derived == (*vector, *group_maxima(arrays, vector[:1], vector[1:2], vector[2:]), *account.auxiliary)
    layout = layout_of(statement, N)
    make_witness(layout, derived, account.shortfall, (1, 2))
    if account.shortfall:
        with pytest.raises(LocalFault):
            make_witness(layout, derived, account.shortfall - 1, (1, 2))


def snapshot(network, book=RULEBOOK, vectors=VECTORS):
    accounts = [holdings_of(arrays_of(book), account, vector) for account, vector in vectors.items()]
    short = {each.account: each.shortfall for each in accounts if each.shortfall}
    return build_snapshot(statement_of(book, list(vectors.values()), network=network, shortfalls=short), accounts)


def test_a_book_under_the_rulebooks_rows_is_proven_with_its_listed_shortfall(market):
    vectors = {
        0: (10**12, 10**6, 0, 0, 0, 0),
        4: (3 * 10**11, 0, 500, -20, 30, 0),
        7: (10**6, 2_000_000, -500, 20, -30, 10),
        8: (10**11, 5_000_000, 0, 0, 0, -10),
    }
    shot = snapshot(market.NETWORK, PLAIN, vectors)
    ((account, shortfall),) = shot.statement.shortfalls
    assert account == 7
    assert layout_of(shot.statement, N).columns > 1
    keys = market.seeds(vectors.items())
    own = OwnAccount(7, vectors[7], keys[7])
    verdict = verify_package(market.honest(shot, keys), network=market.NETWORK, own=own)
    assert verdict.ok, verdict.checks[-1]
    assert f"account 7 is short by at most {shortfall}" in verdict.claim


def test_a_book_under_every_rule_is_proven_and_a_member_finds_itself_by_its_holdings(market):
    shot = snapshot(market.NETWORK)
    assert shot.statement.shortfalls == ()
    own = OwnAccount(5, VECTORS[5], market.seeds()[5])
    verdict = verify_package(market.honest(shot), network=market.NETWORK, own=own)
    assert verdict.ok, verdict.checks[-1]
    assert (
        "with a minimum for 2 short options, charges on the size of 3 holdings, "
        "a credit between groups by the 2 worst of 6 joint scenarios, "
    ) in verdict.claim


def test_some_auxiliary_values_but_not_all_are_our_own_mistake():
    account = holdings_of(ARRAYS, 1, VECTORS[1])
    with pytest.raises(LocalFault, match="holdings"):
        complete_holdings(STATED, replace(account, auxiliary=account.auxiliary[:-1]))


def test_commitments_are_the_same_whether_values_are_handed_over_or_derived(market):
    shot = snapshot(market.NETWORK)
    bare = tuple(replace(each, auxiliary=()) for each in shot.accounts)
    derived, handed = (commit_epoch(each, market.seeds(), N) for each in (replace(shot, accounts=bare), shot))
    assert derived == handed
    assert commitments_root(shot.statement, derived, N) == commitments_root(shot.statement, handed, N)


(BTC, ETH), (IMPACT, SLIPPAGE), CREDIT = PARAMETERS.groups, PARAMETERS.charges, PARAMETERS.joint
UNCHARGED = (replace(IMPACT, contingency_ppm=0), SLIPPAGE)
# What the account holds besides cash: WETH, BTC-PERP, BTC-FAR, BTC-PUT, ETH-PERP; and parameters without the rule.
RULES = {
    "the worst scenario of a group": ((0, 0, 0, 0, 500), {"groups": (BTC, replace(ETH, range_ppm=1))}),
    "every group's": ((0, 200, 0, 0, 500), {"groups": (replace(BTC, range_ppm=1), ETH)}),
    "the minimum of short options": ((0, 0, -300, 0, 0), {"groups": (replace(BTC, short_option_ppm=0), ETH)}),
    "a charge on each lot": ((0, 300, 0, 0, 0), {"charges": UNCHARGED}),
    "a charge on each lot that is short": ((0, -300, 0, 0, 0), {"charges": UNCHARGED}),
    "impact beyond the first size": ((0, 2_000, 0, 0, 0), {"charges": (LotCharge(1, 5_000), SLIPPAGE)}),
    "concentration of a token": ((3_000_000, 0, 0, 0, 90_000), {"concentration": ()}),
    "the part that is not credited": ((0, 500, 0, 0, -20_000), {"joint": replace(CREDIT, weight_ppm=999_999)}),
    "the joint loss that a credit leaves": (
        (0, 500, 0, 0, 20_000),
        {"joint": replace(CREDIT, scenarios=CREDIT.scenarios[:1], tail=1, keep_largest=False)},
    ),
    "the level of maintenance": ((0, 300, 0, 0, 0), {"maintenance_numerator": 3}),
}


def least_cash(arrays, tokens, lots) -> int:
    """The least cash with which an account falls short of nothing."""
    low, high = -(10**14), 10**14
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if shortfall_of(arrays, [middle], tokens, lots) else (low, middle)
    return high


def judged(market, cash, tokens, lots, listed):
    """A package of one account, listed so far beyond one micro less than it is short, and of a house on the other side.

    By a prover without checks.
    """
    own, house = (cash, *tokens, *lots), (10**13, 10**6, *(-each for each in lots))
    stated = shortfall_of(ARRAYS, [cash], tokens, lots) - 1 + listed
    accounts = [holdings_of(ARRAYS, 0, house), replace(holdings_of(ARRAYS, 1, own), shortfall=stated)]
    named = {1: stated} if stated else {}
    shot = build_snapshot(statement_of(RULEBOOK, [house, own], network=market.NETWORK, shortfalls=named), accounts)
    cheat = market.Cheat(shot)
    return verify_package(cheat.package(cheat.witnesses()), network=market.NETWORK)


@pytest.mark.parametrize("rule", RULES)
def test_an_account_that_one_rule_makes_insolvent_by_one_micro_is_proven_only_as_short(market, rule):
    (units, *lots), without = RULES[rule]
    tokens = [units]
    cash = least_cash(ARRAYS, tokens, lots) - 1
    assert cash > -PARAMETERS.cash_limit_micros, "the limit of cash must not be what binds"
    lenient = arrays_of(replace(RULEBOOK, parameters=replace(PARAMETERS, **without)))
    assert shortfall_of(lenient, [cash], tokens, lots) == 0, "without the rule it is solvent"
    assert judged(market, cash, tokens, lots, 0).failed == "ranges_and_rows"
    verdict = judged(market, cash, tokens, lots, 1)
    assert verdict.ok, verdict.checks[-1]
    assert "account 1 is short by at most" in verdict.claim


def test_cash_below_its_limit_is_refused_however_much_collateral_there_is(market):
    cash, tokens, lots = -PARAMETERS.cash_limit_micros - 1, [9 * 10**8], [0] * 4
    assert [shortfall_of(ARRAYS, [each], tokens, lots) for each in (cash, cash + 1)] == [1, 0]
    assert judged(market, cash, tokens, lots, 0).failed == "ranges_and_rows"
    assert judged(market, cash, tokens, lots, 1).ok


def test_an_isolated_group_of_a_rich_member_stands_on_its_own_collateral(market):
    """It is an account: nothing of another account, even of the same owner, enters its rows."""
    lots = [0, 0, 0, 500]
    assert judged(market, least_cash(ARRAYS, [0], lots) - 1, [0], lots, 0).failed == "ranges_and_rows"


def test_the_parameters_here_have_every_rule():
    assert JointCredit() != CREDIT
    assert all((PARAMETERS.charges, PARAMETERS.concentration, PARAMETERS.cash_limit_micros, BTC.short_option_ppm))
    assert IMPACT.root_impact_ppm


SLOT = {slot.name: at for at, slot in enumerate(STATED.slots)}
UNDERSTATED = {
    "short options, by counting none": (5, {"short:BTC-FAR": 0}),
    "short options, by counting one less": (5, {"short:BTC-FAR": 339}),
    "a group's minimum": (5, {"max:BTC": 1}),
    "the joint loss": (1, {"joint": 0}),
    "the joint loss, by a lower threshold": (1, {"joint": 0, "tail": -(2**62)}),
    "the joint loss, by a higher threshold and nothing beyond": (1, {"joint": 0, "tail": 2**62, "beyond:1": 0}),
    "what is beyond the tail": (1, {f"beyond:{n}": 0 for n in range(1, 6)}),
    "the requirement for groups": (1, {"groups": 0}),
    "a charge on size": (1, {"charge:BTC-PERP": 0}),
    "a charge on size, of a long": (0, {"charge:BTC-PUT": 0}),
    "concentration": (0, {"concentration:31337:WETH": 0}),
    "a charge, by a number that wraps around": (1, {"charge:BTC-PERP": -1}),
}


@pytest.mark.parametrize("what", UNDERSTATED)
def test_a_prover_that_understates_is_refused(market, what):
    account, changes = UNDERSTATED[what]
    cheat = market.Cheat(snapshot(market.NETWORK))
    full = complete_holdings(cheat.shot.statement, next(a for a in cheat.shot.accounts if a.account == account))
    lower = {SLOT[name]: value for name, value in changes.items()}
    assert any(full[slot] != value for slot, value in lower.items())
    data = cheat.package(cheat.witnesses({account: lower}))
    assert verify_package(data, network=market.NETWORK).failed == "ranges_and_rows"


def test_a_prover_may_overstate_which_only_charges_it_more(market):
    cheat = market.Cheat(snapshot(market.NETWORK))
    full = complete_holdings(cheat.shot.statement, cheat.shot.accounts[0])
    more = {SLOT[name]: full[SLOT[name]] + 5 for name in ("charge:BTC-PUT", "groups", "concentration:31337:WETH")}
    assert verify_package(cheat.package(cheat.witnesses({0: more})), network=market.NETWORK).ok


def with_rows(change, stated=STATED):
    """The statement with each row replaced by what `change` makes of it; None leaves it out."""
    rows = tuple(found for row in stated.rows if (found := change(row)) is not None)
    return replace(stated, rows=rows)


def without(*names, stated=STATED):
    left = with_rows(lambda row: None if row.name in names else row, stated)
    assert len(left.rows) == len(stated.rows) - len(names)
    return left


def coefficients_of(named):
    """By slot name, with : as __ and - as _."""
    return {SLOT[name.replace("__", ":").replace("_", "-")]: value for name, value in named.items()}


def changed(name, stated=STATED, **coefficients):
    """The row with these coefficients; 0 removes one."""

    def change(row: Row) -> Row:
        merged = {**dict(row.coefficients), **coefficients_of(coefficients)}
        ordered = tuple((slot, value) for slot, value in sorted(merged.items()) if value)
        return replace(row, coefficients=ordered) if row.name == name else row

    return with_rows(change, stated)


def paid_for(name, constant):
    return with_rows(lambda row: replace(row, constant=constant) if row.name == name else row)


def more(*rows: Row, slots: tuple[Slot, ...] = (), stated=STATED):
    return replace(stated, rows=(*stated.rows, *rows), slots=(*stated.slots, *slots))


def renamed(name, to):
    """The row of this name, under another one."""
    return replace(next(row for row in STATED.rows if row.name == name), name=to)


def at_least_zero(name, **coefficients):
    return Row(name, RowKind.AT_LEAST_ZERO, tuple(sorted(coefficients_of(coefficients).items())))


NEXT = len(STATED.slots)
HIDDEN = {
    "short lots that no row counts": without("short:BTC-FAR"),
    "a short-option minimum that the group does not have": without("short-options:BTC"),
    "a short-option minimum of part of the options": changed("short-options:BTC", short__BTC_FAR=0),
    "short lots counted by halves": changed("short:BTC-FAR", short__BTC_FAR=2),
    "short lots of half the position": changed("short:BTC-FAR", position__BTC_FAR=0),
    "short tokens instead of short lots": changed("short:BTC-FAR", position__BTC_FAR=0, token__31337__WETH=1),
    "short cash instead of short lots": changed("short:BTC-FAR", position__BTC_FAR=0, cash__USD=1),
    "short lots of another group": changed("short:BTC-FAR", position__BTC_FAR=0, position__ETH_PERP=1),
    "short lots of another option": changed("short:BTC-FAR", position__BTC_FAR=0, position__BTC_PUT=1),
    "short lots with an allowance": paid_for("short:BTC-FAR", 1_000),
    "a minimum with an allowance": paid_for("short-options:BTC", 1_000),
    "a credit that undoes the minimum": without("joint-minimum"),
    "a credit that undoes part of the minimum": changed("joint-minimum", short__BTC_FAR=-1),
    "a joint loss below one group's": without("joint-largest:ETH"),
    "a joint loss below half a group's": changed("joint-largest:ETH", joint=2),
    "a joint loss below a group's, less an allowance": paid_for("joint-largest:ETH", 9),
    "a joint loss with no expected shortfall": without("joint"),
    "a joint scenario without a loss": without("beyond:2"),
    "a joint scenario that costs one group nothing": changed("beyond:2", position__BTC_PERP=0),
    "a joint scenario that costs half": changed("beyond:2", beyond__2=2),
    "a joint scenario with an allowance": paid_for("beyond:2", 1),
    "a joint scenario of a threshold of its own": changed("beyond:2", tail=2),
    "a tail of more scenarios than there are": changed("joint", joint=7, tail=-7),
    "a tail divided by more than is averaged": changed("joint", joint=3),
    "a threshold without scenarios": changed("joint", beyond__1=0, beyond__2=0, beyond__3=0, beyond__4=0, beyond__5=0),
    "a credit of more than is replaced": changed("groups", joint=-3),
    "a credit with an allowance": paid_for("groups", 1),
    "a credit that forgets a group": changed("groups", max__BTC=0),
    "a credit that weighs a group less": changed("groups", max__ETH=-2),
    "a credit that only the credit charges": changed("maintenance", groups=0),
    "a maximum beside the credit": changed("maintenance", max__ETH=-4),
    "a charge that is not charged": changed("maintenance", charge__BTC_PUT=0),
    "a charge that is charged less": changed("maintenance", charge__BTC_PUT=-1),
    "a charge that pays": changed("maintenance", charge__BTC_PUT=4),
    "a charge without rows": without("charge:BTC-PUT:1:long", "charge:BTC-PUT:1:short"),
    "a charge on shorts only": without("charge:BTC-PERP:2:long"),
    "a charge of another holding's, which has its own": changed(
        "charge:BTC-PUT:1:long",
        changed("charge:BTC-PUT:1:short", position__BTC_PUT=0, position__BTC_PERP=7),
        position__BTC_PUT=0,
        position__BTC_PERP=-7,
    ),
    "a charge by halves": changed("charge:BTC-PUT:1:long", charge__BTC_PUT=2),
    "a charge that the threshold pays": changed("charge:BTC-PUT:1:long", tail=1),
    "a charge that another holding pays": changed("charge:BTC-PUT:1:long", cash__USD=1),
    "a concentration that pays": changed("concentration:31337:WETH:1", token__31337__WETH=5),
    "a loss row by halves": changed("loss:ETH:2", max__ETH=2),
    "a loss row that the threshold pays": changed("loss:ETH:2", tail=1),
    "a loss row too few": without("loss:ETH:2"),
    "a loss row in the place of another": more(
        renamed("loss:ETH:3", "loss:ETH:2"), stated=without("loss:ETH:2", "loss:ETH:3")
    ),
    "two maintenance rows": more(renamed("maintenance", "again")),
    "no maintenance row": without("maintenance"),
    "a slot of no use": more(slots=(Slot("spare", SlotKind.AUXILIARY),)),
    "a signed slot of no use": more(slots=(Slot("spare", SlotKind.AUXILIARY_SIGNED),)),
    "a row that ties what is chosen": more(Row("tie", RowKind.EQUAL_ZERO, ((SLOT["joint"], 1),))),
    "a row that caps what is chosen": more(at_least_zero("cap", cash__USD=1, joint=-1)),
    "a row of two bounds": more(at_least_zero("both", joint=1, groups=1)),
    "a row of a slot that is not there": more(Row("far", RowKind.AT_LEAST_ZERO, ((SLOT["joint"], 1), (NEXT, 1)))),
}


@pytest.mark.parametrize("what", HIDDEN)
def test_a_statement_that_hides_a_rule_is_refused(what):
    check_statement(STATED)
    with pytest.raises(RemoteFault, match="bad_statement"):
        check_statement(HIDDEN[what])


def _crowd(groups: int, scenarios: int):
    """A statement of very many groups and joint scenarios, complete in every rule."""
    maxima, minima = range(groups), range(groups, 2 * groups)
    beyond = range(2 * groups, 2 * groups + scenarios)
    tail, joint, credit = (2 * groups + scenarios + at for at in range(3))
    slots = [Slot(f"m{j}", SlotKind.GROUP_MAX, j) for j in maxima]
    slots += [Slot(f"a{j}", SlotKind.AUXILIARY) for j in (*minima, *beyond)]
    slots += [Slot("t", SlotKind.AUXILIARY_SIGNED), Slot("j", SlotKind.AUXILIARY), Slot("g", SlotKind.AUXILIARY)]
    first = len(slots)
    slots += [Slot(f"p{j}", SlotKind.POSITION) for j in maxima]

    def row(name, *coefficients, shortfall=False):
        return Row(name, RowKind.AT_LEAST_ZERO, tuple(coefficients), 0, shortfall)

    rows = [row(f"loss{j}", (j, 1), (first + j, -5)) for j in maxima]
    rows += [row(f"short{j}", (groups + j, 1), (first + j, 1)) for j in maxima]
    rows += [row(f"least{j}", (j, 1), (groups + j, -3)) for j in maxima]
    rows += [row(f"largest{j}", (j, -1), (joint, 1)) for j in maxima]
    everything = tuple((first + j, -5) for j in maxima)
    rows += [row(f"b{n}", (j, 1), (tail, 1), *(everything if not n else ())) for n, j in enumerate(beyond)]
    rows.append(row("joint", *((j, -1) for j in beyond), (tail, -2), (joint, 2)))
    rows.append(row("floor", *((j, -3) for j in minima), (joint, 1)))
    rows.append(row("credit", *((j, -1) for j in maxima), (joint, -4), (credit, 5)))
    rows.append(row("maintenance", (credit, -4), shortfall=True))
    return replace(
        STATED,
        scenarios=1,
        groups=tuple(f"g{j}" for j in maxima),
        slots=tuple(slots),
        rows=tuple(rows),
        totals=tuple(PublicTotal(first + j, 0) for j in maxima),
        custody=(),
    )


def test_rules_are_checked_in_a_time_that_grows_with_the_statement_only():
    """Work of groups times joint scenarios, or of minimums times their instruments, would be seen as minutes."""
    check_statement(_crowd(3, 4))
    crowd = _crowd(10_000, 10_000)
    check_statement(crowd)
    for name in ("floor", "largest9999", "b9999", "short7", "credit"):
        with pytest.raises(RemoteFault, match="bad_statement"):
            check_statement(without(name, stated=crowd))


def test_the_verifier_refuses_a_hidden_rule_before_it_looks_at_the_proof(market):
    cheat = market.Cheat(snapshot(market.NETWORK))
    data = cheat.package(cheat.witnesses(), without("joint-minimum", stated=cheat.shot.statement))
    assert verify_package(data, network=market.NETWORK).failed == "statement"
