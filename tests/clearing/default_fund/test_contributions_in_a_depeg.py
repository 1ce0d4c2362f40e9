"""A token leaves the fund's cash group: every part gives up cash for it in proportion, and its member has the token."""

import msgspec
import pytest

from clearing.context.member_status import member_status
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.collateral import ClaimConverted
from clearing.schema.receipts.default_fund import FundCalled, FundPaid, FundReturned, ReturnCause
from clearing.schema.records.default import MemberStatus
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import CrisisParameters, Genesis, MarketParameters
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import FUND_ACCOUNT
from tests.kit.clearing.fund import CRASH, GROUPS, RALLY, TERMS
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, USDC_1, USDC_2
from tests.kit.clearing.vaults import DEPEG, USDC_FEED, genesis_with, opened
from tests.kit.clearing.world import World, of_kind

MEMBERS = (ALICE, BOB, CAROL)


def genesis_of_fund(both: bool) -> Genesis:
    """One feed guards both cash tokens, or the first alone."""
    genesis = genesis_with(depeg=DEPEG, market=MarketParameters(move_cap_ppm=300_000, epoch_blocks=5))
    if not both:
        second = msgspec.structs.replace(genesis.assets[1], depeg=DepegTerms())
        genesis = msgspec.structs.replace(genesis, assets=(genesis.assets[0], second, *genesis.assets[2:]))
    risk = RiskParameters(GROUPS, cash_limit_micros=1_000 * DOLLAR, stress=(CRASH, RALLY))
    terms = msgspec.structs.replace(TERMS, minimum_micros=1_000 * DOLLAR + 1, step_micros=1, call_blocks=50)
    return msgspec.structs.replace(genesis, risk=risk, crisis=CrisisParameters(fund=terms))


def paid_up(both: bool) -> World:
    """Everybody has paid; Bob a little less, so that the parts differ."""
    world = opened(genesis_of_fund(both))
    blocks = 0
    while not world.state.contributions.get(ALICE):
        blocks += 4
        world.block(facts=world.custody_facts(400 + blocks))
    amounts = dict(zip(MEMBERS, (1_000 * DOLLAR + 1, 700 * DOLLAR, 1_000 * DOLLAR + 1), strict=True))
    world.block(*(world.pay(member, amounts[member]) for member in MEMBERS))  # type: ignore[arg-type]
    assert parts(world) == amounts
    return world


def parts(world: World) -> dict[int, int]:
    return {member: world.state.contributions[member].micros for member in MEMBERS}


def leave(world: World) -> BlockResult:
    world.ticks[USDC_FEED] = 900_000
    for _ in range(DEPEG.blocks):
        result = world.block()
    return result


@pytest.mark.parametrize("both", [False, True], ids=["one token", "both in one block"])
def test_parts_follow_the_cash_that_they_are(both: bool) -> None:
    world = paid_up(both)
    before, whole = parts(world), sum(parts(world).values())
    tokens = {(member, asset): world.units(member, asset) for member in MEMBERS for asset in (USDC_1, USDC_2)}
    result = leave(world)
    converted = [each for each in of_kind(result, ClaimConverted) if each.account == FUND_ACCOUNT]
    assert [each.asset for each in converted] == ([USDC_1, USDC_2] if both else [USDC_1])
    told = [each for each in of_kind(result, FundReturned) if each.cause is ReturnCause.TOKEN_LEFT_GROUP]
    for each in converted:
        assert each.given_micros > 0
        given = [t for t in result.transfers if t.code == TransferCode.FUND_TOKEN_RETURNED and t.debit == FUND_ACCOUNT]
        assert sum(t.amount for t in given) == sum(e.units for e in converted)
        assert world.units(FUND_ACCOUNT, each.asset) == 0
    lost = sum(each.given_micros for each in converted)
    after = parts(world)
    assert sum(each.surrendered for each in told) == lost == whole - sum(after.values())
    assert world.cash(FUND_ACCOUNT) == sum(after.values())
    for member in MEMBERS:
        share = before[member] * lost / whole
        assert abs(before[member] - after[member] - share) <= len(converted)
        for each in converted:
            got = world.units(member, each.asset) - tokens[member, each.asset]
            own = [c for c in of_kind(result, ClaimConverted) if (c.account, c.asset) == (member, each.asset)]
            assert abs(got - sum(c.units for c in own) - before[member] * each.units / whole) <= 1


def test_what_is_missing_afterwards_is_called_for() -> None:
    world = paid_up(both=False)
    leave(world)
    world.ticks[USDC_FEED] = 1_000_000
    blocks = 100
    epoch = world.state.fund_sizes[0].epoch
    while world.state.fund_sizes[0].epoch == epoch:
        blocks += 4
        world.block(facts=world.custody_facts(400 + blocks))
    record = world.state.contributions[ALICE]
    assert record.called == record.required - record.micros > 0


def test_nobody_is_in_default_for_cash_that_no_token_brings() -> None:
    world = paid_up(both=True)
    assert world.genesis.crisis.fund.call_blocks == 50
    leave(world)
    size = world.state.fund_sizes[0]
    blocks = 100
    for _ in range(70):
        blocks += 4
        result = world.block(facts=world.custody_facts(400 + blocks))
        assert not [each for each in of_kind(result, FundPaid) if each.lapsed]
        assert not of_kind(result, FundCalled)
    assert world.state.fund_sizes[0].epoch > size.epoch
    bob = world.state.contributions[BOB]
    assert (bob.called, bob.micros) == (300 * DOLLAR + 1, 0)
    assert bob.deadline > world.state.now.height, "the call from before waits"
    assert all(member_status(world.state, member) is MemberStatus.ACTIVE for member in MEMBERS)
