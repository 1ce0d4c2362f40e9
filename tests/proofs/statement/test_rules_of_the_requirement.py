"""Minimums, charges and credit between groups in the proof: cheating provers, and statements that hide a rule."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.errors import LocalFault, RemoteFault
from clearing.margin.statement.rows import account_holdings, build_snapshot
from clearing.margin.statement.snapshot import AccountHoldings, PublicTotal, Row, RowKind, Slot, SlotKind
from proofs.epoch.package import commitments_root
from proofs.epoch.prover import commit_epoch
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import check_statement, complete_holdings, layout_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.clearing.rows import group_maxima
from tests.kit.proofs.requirement import ARRAYS, STATED, VECTORS, statement_for

N = 256


def snapshot(network):
    accounts = [account_holdings(ARRAYS, k, v[:1], v[1:2], v[2:]) for k, v in VECTORS.items()]
    assert not any(each.shortfall for each in accounts)
    return build_snapshot(statement_for(list(VECTORS.values()), network), accounts)


SLOT = {slot.name: at for at, slot in enumerate(STATED.slots)}
cash = st.integers(-(10**11), 10**12)
lots = st.integers(-(10**5), 10**5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(cash, st.integers(0, 10**9), lots, lots, lots, lots))
def test_the_statement_alone_gives_the_values_that_the_engine_hands_over(vector):
    held = account_holdings(ARRAYS, 1, vector[:1], vector[1:2], vector[2:])
    derived = complete_holdings(STATED, AccountHoldings(1, vector))
    assert derived == complete_holdings(STATED, held)
    assert derived == (*vector, *group_maxima(ARRAYS, vector[:1], vector[1:2], vector[2:]), *held.auxiliary)
    layout = layout_of(STATED, N)
    make_witness(layout, derived, held.shortfall, (1, 2))
    if held.shortfall:
        with pytest.raises(LocalFault):
            make_witness(layout, derived, held.shortfall - 1, (1, 2))


def test_a_book_under_every_rule_is_proven_and_a_member_finds_itself_by_its_holdings(market):
    shot = snapshot(market.NETWORK)
    package = market.honest(shot)
    verdict = verify_package(package, network=market.NETWORK, own=OwnAccount(5, VECTORS[5], market.seeds()[5]))
    assert verdict.ok, verdict.checks[-1]
    assert (
        "with a minimum for 2 short options, charges on the size of 3 holdings, "
        "a credit between groups by the 2 worst of 6 joint scenarios, "
    ) in verdict.claim


def test_some_auxiliary_values_but_not_all_are_our_own_mistake():
    held = account_holdings(ARRAYS, 1, VECTORS[1][:1], VECTORS[1][1:2], VECTORS[1][2:])
    with pytest.raises(LocalFault, match="holdings"):
        complete_holdings(STATED, msgspec.structs.replace(held, auxiliary=held.auxiliary[:-1]))


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


def without(*names):
    def apply(stated):
        rows = tuple(row for row in stated.rows if row.name not in names)
        assert len(rows) == len(stated.rows) - len(names)
        return msgspec.structs.replace(stated, rows=rows)

    return apply


def changed(name, **coefficients):
    """The row with these coefficients (by slot name, with : as __); 0 removes one."""

    def apply(stated):
        wanted = {SLOT[each.replace("__", ":").replace("_", "-")]: a for each, a in coefficients.items()}

        def new(row: Row) -> Row:
            merged = {**dict(row.coefficients), **wanted}
            ordered = tuple((slot, a) for slot, a in sorted(merged.items()) if a)
            return msgspec.structs.replace(row, coefficients=ordered) if row.name == name else row

        return msgspec.structs.replace(stated, rows=tuple(map(new, stated.rows)))

    return apply


def paid_for(name, constant):
    def apply(stated):
        rows = (msgspec.structs.replace(row, constant=constant) if row.name == name else row for row in stated.rows)
        return msgspec.structs.replace(stated, rows=tuple(rows))

    return apply


def more(*rows: Row, slots: tuple[Slot, ...] = ()):
    def apply(stated):
        return msgspec.structs.replace(stated, rows=(*stated.rows, *rows), slots=(*stated.slots, *slots))

    return apply


def at_least_zero(name, **coefficients):
    wanted = {SLOT[each.replace("__", ":").replace("_", "-")]: a for each, a in coefficients.items()}
    return Row(name, RowKind.AT_LEAST_ZERO, tuple(sorted(wanted.items())))


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
    "a charge of another holding's, which has its own": lambda stated: changed(
        "charge:BTC-PUT:1:long", position__BTC_PUT=0, position__BTC_PERP=-7
    )(changed("charge:BTC-PUT:1:short", position__BTC_PUT=0, position__BTC_PERP=7)(stated)),
    "a charge by halves": changed("charge:BTC-PUT:1:long", charge__BTC_PUT=2),
    "a charge that the threshold pays": changed("charge:BTC-PUT:1:long", tail=1),
    "a charge that another holding pays": changed("charge:BTC-PUT:1:long", cash__USD=1),
    "a concentration that pays": changed("concentration:31337:WETH:1", token__31337__WETH=5),
    "a loss row by halves": changed("loss:ETH:2", max__ETH=2),
    "a loss row that the threshold pays": changed("loss:ETH:2", tail=1),
    "a loss row too few": without("loss:ETH:2"),
    "a loss row in the place of another": lambda stated: more(
        msgspec.structs.replace(next(row for row in stated.rows if row.name == "loss:ETH:3"), name="loss:ETH:2")
    )(without("loss:ETH:2", "loss:ETH:3")(stated)),
    "two maintenance rows": lambda stated: more(
        msgspec.structs.replace(next(row for row in stated.rows if row.name == "maintenance"), name="again")
    )(stated),
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
        check_statement(HIDDEN[what](STATED))


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
    return msgspec.structs.replace(
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
        rows = tuple(row for row in crowd.rows if row.name != name)
        with pytest.raises(RemoteFault, match="bad_statement"):
            check_statement(msgspec.structs.replace(crowd, rows=rows))


def test_the_verifier_refuses_a_hidden_rule_before_it_looks_at_the_proof(market):
    cheat = market.Cheat(snapshot(market.NETWORK))
    hidden = without("joint-minimum")(cheat.shot.statement)
    data = cheat.package(cheat.witnesses(), hidden)
    assert verify_package(data, network=market.NETWORK).failed == "statement"


def test_commitments_are_the_same_whether_values_are_handed_over_or_derived(market):
    shot = snapshot(market.NETWORK)
    bare = tuple(msgspec.structs.replace(each, auxiliary=()) for each in shot.accounts)
    derived = commit_epoch(msgspec.structs.replace(shot, accounts=bare), market.seeds(), N)
    handed = commit_epoch(shot, market.seeds(), N)
    assert derived == handed
    assert commitments_root(shot.statement, derived, N) == commitments_root(shot.statement, handed, N)
