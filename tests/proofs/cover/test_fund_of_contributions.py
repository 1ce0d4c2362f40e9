"""A package of a network whose members contribute to a default fund: proven as ever, and the fund opened beside it."""

import json
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from clearing.base.ids import FUND_ACCOUNT, HOUSE_ACCOUNT
from clearing.schema.receipts.default_fund import FundSized
from cli.main import run
from proofs.epoch.package import read_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.verify.inclusion import check_contributions, own_account
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.clearing.fund import TERMS, fund_genesis, fund_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR
from tests.kit.clearing.world import World, of_kind
from tests.kit.proofs.slow_package import failed_check


def funded_world(paying: bool) -> World:
    """Two bold books; members have paid what they were called for, or nothing yet."""
    terms = replace(TERMS, call_blocks=100)
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


def package_of(world, market):
    package = market.package_of_state(world.state)
    opening = own_account(
        read_package(package.data), FUND_ACCOUNT, {"cash:USD": world.fund}, package.keys[FUND_ACCOUNT], bytes(20)
    )
    return SimpleNamespace(**vars(package), opening=opening, cash=world.fund)


def worst_deficit(case):
    return max(case.statement.cover[0].deficits)


@pytest.mark.parametrize("paying", [False, True])
def test_a_package_with_a_fund_of_contributions_verifies_by_both_verifiers(proven, paying):
    case = proven[paying]
    verdict = verify_package(case.data, network=case.statement.network, own=case.opening)
    assert verdict.ok, verdict.checks[-1]
    assert failed_check(case.data) == ""
    (terms,) = case.statement.cover
    assert (terms.fund_account, terms.fund) == (HOUSE_ACCOUNT, 20_000 * DOLLAR)
    assert dict(terms.members)[FUND_ACCOUNT] == 0
    assert any("fund verify" in each for each in verdict.not_proven)


def test_contributions_cover_what_the_houses_fund_does_not(proven):
    case = proven[True]
    assert case.cash > worst_deficit(case) > 0
    text = check_contributions(case.statement, case.opening)
    assert f"contributions of {case.cash} micros" in text
    assert str(case.cash - worst_deficit(case)) in text


def test_a_fund_that_is_called_but_not_paid_is_told_as_short(proven):
    case = proven[False]
    with pytest.raises(VerificationFailed) as refusal:
        check_contributions(case.statement, case.opening)
    assert refusal.value.code is ProofCode.FUND_NOT_COVERED
    assert dict(refusal.value.values)["missing"] == worst_deficit(case)


def opened(case, account=FUND_ACCOUNT, **values):
    """An opening with other values: of cash, and of the last position."""
    cash, *others, last = case.opening.values
    return OwnAccount(account, (values.get("cash", cash), *others, values.get("last", last)), case.opening.seed)


def test_contributions_of_the_worst_deficit_cover_it_exactly(proven):
    case = proven[True]
    assert "0 would be left" in check_contributions(case.statement, opened(case, cash=worst_deficit(case)))


REFUSED = {
    "one micro less than the worst deficit": (lambda case: opened(case, cash=worst_deficit(case) - 1), "covered"),
    "the house's account": (lambda case: opened(case, HOUSE_ACCOUNT), "account of the contributions"),
    "a member's account": (lambda case: opened(case, ALICE), "account of the contributions"),
    "contributions that owe cash": (lambda case: opened(case, cash=-1), "owe cash or have positions"),
    "contributions with a position": (lambda case: opened(case, last=1), "owe cash or have positions"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_the_cash_of_the_contributions_or_too_little_is_refused(proven, what):
    opening, reason = REFUSED[what]
    with pytest.raises(VerificationFailed, match=reason):
        check_contributions(proven[True].statement, opening(proven[True]))


def test_without_stress_scenarios_there_is_nothing_to_cover(proven):
    case = proven[True]
    with pytest.raises(VerificationFailed, match="no stress scenarios"):
        check_contributions(replace(case.statement, cover=()), case.opening)


@pytest.mark.parametrize("off_by", [1, -1])
def test_an_opening_with_another_amount_is_not_in_the_list(proven, off_by):
    case = proven[True]
    assert verify_package(case.data, own=opened(case, cash=case.cash + off_by)).failed == "inclusion"


def opening_file(case, **changes):
    honest = {
        "epoch": case.statement.epoch,
        "height": case.statement.height,
        "account": FUND_ACCOUNT,
        "seed": case.keys[FUND_ACCOUNT].hex(),
        "holdings": {"cash:USD": str(case.cash)},
    }
    return json.dumps(honest | changes)


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
    (tmp_path / "fund.json").write_text(opening_file(case, **changes))
    files = [str(tmp_path / "epoch.ccp"), "--opening", str(tmp_path / "fund.json")]
    got = run(["fund", "verify", *files, "--max-age", "any"])
    printed = capsys.readouterr()
    assert said in printed.out
    assert got == code, printed.err
