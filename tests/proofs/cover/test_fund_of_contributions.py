"""A package of a network whose members contribute to a default fund: proven as ever, and the fund opened beside it."""

import json
from types import SimpleNamespace

import msgspec
import pytest

from clearing.base.ids import FUND_ACCOUNT, HOUSE_ACCOUNT
from clearing.schema.receipts.default_fund import FundSized
from cli.main import run
from proofs.epoch.package import read_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.verify.inclusion import check_contributions, own_account
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.fund import TERMS, fund_genesis, fund_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR
from tests.kit.clearing.world import World, of_kind
from tests.kit.proofs.slow_package import failed_check


def funded_world(paying: bool) -> World:
    """Two bold books; members have paid what they were called for, or nothing yet."""
    terms = msgspec.structs.replace(TERMS, call_blocks=100)
    world = fund_world(fund_genesis(terms, house_dollars=20_000), dollars=300_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 90_000, 790_000))
    (sized,) = of_kind(world.pass_epoch(), FundSized)
    assert sized.target > 50_000 * DOLLAR
    if paying:
        world.block(*(world.pay(each, world.required(each)) for each in (ALICE, BOB, CAROL)))
    while world.state.now.snapshot_height != world.state.now.height:
        world.stride += 4
        world.block(facts=world.custody_facts(world.stride))
    return world


@pytest.fixture(scope="module")
def proven(market):
    return {paying: package_of(funded_world(paying), market) for paying in (False, True)}


def package_of(world: World, market) -> SimpleNamespace:
    proven = market.package_of_state(world.state)
    cash, seed = world.fund, proven.keys[FUND_ACCOUNT]
    opened = own_account(read_package(proven.data), FUND_ACCOUNT, {"cash:USD": cash}, seed)
    return SimpleNamespace(**vars(proven), opened=opened, cash=cash, world=world)


@pytest.mark.parametrize("paying", [False, True])
def test_a_package_with_a_fund_of_contributions_verifies_by_both_verifiers(proven, paying):
    case = proven[paying]
    verdict = verify_package(case.data, network=case.statement.network, own=case.opened)
    assert verdict.ok, verdict.checks[-1]
    assert failed_check(case.data) == ""
    (terms,) = case.statement.cover
    assert terms.fund_account == HOUSE_ACCOUNT
    assert terms.fund == 20_000 * DOLLAR
    assert dict(terms.members)[FUND_ACCOUNT] == 0
    assert any("fund verify" in each for each in verdict.not_proven)


def test_contributions_cover_what_the_houses_fund_does_not(proven):
    case = proven[True]
    assert case.cash > max(case.statement.cover[0].deficits) > 0
    told = check_contributions(case.statement, case.opened)
    assert f"contributions of {case.cash} micros" in told
    assert str(case.cash - max(case.statement.cover[0].deficits)) in told


def test_a_fund_that_is_called_but_not_paid_is_told_as_short(proven):
    case = proven[False]
    with pytest.raises(VerificationFailed) as refusal:
        check_contributions(case.statement, case.opened)
    assert refusal.value.code is ProofCode.FUND_NOT_COVERED
    assert dict(refusal.value.values)["missing"] == max(case.statement.cover[0].deficits)


def test_one_micro_less_than_the_worst_deficit_does_not_cover(proven):
    case = proven[True]
    worst = max(case.statement.cover[0].deficits)
    values = case.opened.values
    for cash, good in ((worst, True), (worst - 1, False)):
        opened = type(case.opened)(FUND_ACCOUNT, (cash, *values[1:]), case.opened.seed)
        if good:
            assert "0 would be left" in check_contributions(case.statement, opened)
        else:
            with pytest.raises(VerificationFailed):
                check_contributions(case.statement, opened)


@pytest.mark.parametrize("off_by", [1, -1])
def test_an_opening_with_another_amount_is_not_in_the_list(proven, off_by):
    case = proven[True]
    lied = type(case.opened)(FUND_ACCOUNT, (case.cash + off_by, *case.opened.values[1:]), case.opened.seed)
    verdict = verify_package(case.data, own=lied)
    assert verdict.failed == "inclusion"


def test_no_other_account_stands_in_for_the_contributions(proven):
    case = proven[True]
    for account in (HOUSE_ACCOUNT, ALICE):
        with pytest.raises(VerificationFailed, match="account of the contributions"):
            check_contributions(case.statement, type(case.opened)(account, case.opened.values, b""))


def test_contributions_that_owe_or_have_positions_are_refused(proven):
    case = proven[True]
    for at, value in ((0, -1), (-1, 1)):
        values = list(case.opened.values)
        values[at] = value
        with pytest.raises(VerificationFailed, match="owe cash or have positions"):
            check_contributions(case.statement, type(case.opened)(FUND_ACCOUNT, tuple(values), b""))


def test_without_stress_scenarios_there_is_nothing_to_cover(proven):
    case = proven[True]
    with pytest.raises(VerificationFailed, match="no stress scenarios"):
        check_contributions(msgspec.structs.replace(case.statement, cover=()), case.opened)


def opening_of(case: SimpleNamespace, **changes: object) -> str:
    holdings = {"cash:USD": str(case.cash)}
    told = {
        "epoch": case.statement.epoch,
        "height": case.statement.height,
        "account": FUND_ACCOUNT,
        "seed": case.keys[FUND_ACCOUNT].hex(),
        "holdings": holdings,
    }
    return json.dumps({**told, **changes})


@pytest.mark.parametrize(
    ("paying", "changes", "code", "said"),
    [
        (True, {}, 0, "ok   contributions"),
        (False, {}, 6, "FAIL contributions"),
        (True, {"holdings": {"cash:USD": "1"}}, 6, "FAIL inclusion"),
        (True, {"seed": "00" * 32}, 6, "FAIL inclusion"),
        (True, {"account": ALICE}, 6, "FAIL inclusion"),
        (True, {"epoch": 99}, 1, ""),
        (True, {"holdings": {"cash:XYZ": "1"}}, 1, ""),
    ],
    ids=["good", "unpaid", "amount", "seed", "account", "epoch", "slot"],
)
def test_the_command_checks_package_and_opening_offline(proven, tmp_path, capsys, paying, changes, code, said):
    case = proven[paying]
    (tmp_path / "epoch.ccp").write_bytes(case.data)
    (tmp_path / "fund.json").write_text(opening_of(case, **changes))
    got = run(["fund", "verify", str(tmp_path / "epoch.ccp"), "--opening", str(tmp_path / "fund.json")])
    told = capsys.readouterr()
    assert said in told.out
    assert got == code, told.err
