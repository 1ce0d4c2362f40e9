"""Rulebooks that claim other rules than they compute by."""

import msgspec
import pytest

from clearing.margin.statement.rulebook import read_rulebook, write_rulebook
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario, StressScenario, collapse
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, ETH, WETH_1, make_genesis
from tests.kit.clearing.world import World, funded

replace = msgspec.structs.replace


PARAMETERS = RiskParameters(
    (
        RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000, short_option_ppm=30_000),
        RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000, scenarios=(Scenario(1, 1, 1), Scenario(-1, 1, 1))),
    ),
    cash_limit_micros=10**9,
    rate_ppm=20_000,
    joint=JointCredit(collapse([(11, 1), (12, 2), (13, 2), (5, 0)]), tail=2, keep_largest=True),
    charges=(LotCharge(1, 5_000, 0, 300, 0, 20_000), LotCharge(3, 0, 10_000)),
    concentration=(ConcentrationTier(3, 1_000_000, 100_000),),
    stress=(StressScenario("crash", (Scenario(-40, 100, 1, of_index=True), Scenario(-50, 100, 1, of_index=True))),),
    default_fund_micros=10**9,
)


def world_of(**changes) -> World:
    world = funded(genesis=replace(make_genesis(risk=PARAMETERS), **changes))
    world.deposit(CAROL, WETH_1, 3_000_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    world.block(facts=world.custody_facts(400))
    return world


def refused(statement, code=ProofCode.RULES_DIFFER, genesis=None):
    with pytest.raises(VerificationFailed) as caught:
        check_rulebook(statement, genesis)
    assert caught.value.code is code


def changed(statement, **fields):
    """A statement whose rulebook differs and whose slots and rows follow."""
    book = replace(read_rulebook(statement.rules, 10**6), **fields)
    slots, rows = book.slots_and_rows()
    return replace(
        statement,
        slots=slots,
        rows=rows,
        prices=book.prices,
        assumptions=book.assumptions,
        rules=write_rulebook(book),
        groups=tuple(group.name for group in book.parameters.groups),
        scenarios=book.parameters.width,
        cover=statement.cover if book.parameters.stress else (),
    )
