"""The devnet's statements are those of its genesis while prices, ranges and haircuts move, and its fund is tested."""

import random

import msgspec
import pytest

from clearing.base.secp256k1 import address
from clearing.epochs.snapshot import take_snapshot
from clearing.state.effective_parameters import current_rulebook
from devnet.market import load_market
from proofs.statement.arithmetization import check_statement, layout_of
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing import world
from tests.kit.clearing.signer import secret
from tests.kit.node.devnet_genesis import genesis_of

MEMBERS = range(9)
CAPITAL = 3 * 10**12


@pytest.fixture
def devnet(monkeypatch: pytest.MonkeyPatch) -> world.World:
    genesis = genesis_of(load_market())
    members = tuple(msgspec.structs.replace(each, trade_address=address(secret(each.id))) for each in genesis.members)
    validators = world.make_genesis().validators
    monkeypatch.setattr(world, "VAULTS", {chain.chain_id: chain.vault for chain in genesis.chains})
    monkeypatch.setattr(world, "OWNER", {member: member for member in MEMBERS})
    return world.World(msgspec.structs.replace(genesis, members=members, validators=validators), check=False)


def trade_for_a_while(devnet: world.World, blocks: int) -> None:
    """Everybody with cash; prices that wander, and a trade now and then."""
    chance, btc, eth = random.Random(3), 793_000.0, 19_400.0
    for number in range(blocks):
        move = chance.gauss(0, 0.01)
        btc, eth = btc * (1 + move), eth * (1 + move + chance.gauss(0, 0.005))
        deposits = [devnet.deposit_fact(each, 1, CAPITAL) for each in MEMBERS] if number == 1 else []
        devnet.block(prices=((1, int(btc)), (2, int(eth))), facts=deposits, after_ms=1_250)
        if number % 5 == 2:
            buyer, seller = chance.sample(MEMBERS[1:], 2)
            ticks = devnet.state.marks[1].ticks
            devnet.block(devnet.trade(buyer, seller, 1, chance.randint(1, 3_000), ticks))
    devnet.block(facts=devnet.custody_facts(400))


def test_a_statement_of_the_devnet_is_its_genesis_after_ranges_and_haircuts_have_moved(devnet: world.World) -> None:
    trade_for_a_while(devnet, 60)
    statement, book, risk = take_snapshot(devnet.state).statement, current_rulebook(devnet.state), devnet.genesis.risk
    assert [each.range_ppm for each in book.parameters.groups] != [each.range_ppm for each in risk.groups]
    assert [each.haircut_ppm for each in book.tokens] != [
        each.haircut_ppm for each in devnet.genesis.assets if each.feed
    ]
    check_statement(statement)
    assert check_rulebook(statement, devnet.genesis).endswith("under the genesis' parameters")
    assert layout_of(statement).columns == 1


def test_the_devnets_fund_is_held_in_full_and_covers_two_members(devnet: world.World) -> None:
    trade_for_a_while(devnet, 30)
    snapshot = take_snapshot(devnet.state)
    (terms,) = snapshot.statement.cover
    assert terms.fund == devnet.genesis.risk.default_fund_micros > 0
    assert terms.deficits == (0, 0)
    assert {member for _, member in terms.members} == set(MEMBERS)
    assert len(terms.members) == len(snapshot.accounts) - 1
