"""The shipped market makes a genesis whose every term is on and fits the proof; its statements are those of it."""

import random
from pathlib import Path

import msgspec
import pytest

from clearing.base.errors import LocalFault
from clearing.base.secp256k1 import address
from clearing.epochs.snapshot import take_snapshot
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.margin.requirement.account_margin import account_margin
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.margin.risk_arrays.reference_arrays import PricedListing
from clearing.margin.statement.rows import build_rows, build_slots, build_statement
from clearing.margin.statement.snapshot import PublicTotal, SlotKind
from clearing.margin.statement.stress import build_stress
from clearing.schema.risk.price_ranges import JOINT_MAX
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.effective_parameters import current_rulebook
from devnet.market import CONFIGS, Market, ScenarioFigures, load_market
from lab.margin_period import CloseOutTime, margin_periods
from node.oracle.source import load_hours
from proofs.statement.arithmetization import DOMAIN, check_statement, layout_of
from proofs.statement.row_checks import check_rows
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing import world
from tests.kit.clearing.signer import secret
from tests.kit.market_genesis import genesis_of


@pytest.fixture(scope="module")
def market() -> Market:
    return load_market()


@pytest.fixture(scope="module")
def genesis(market: Market) -> Genesis:
    return genesis_of(market)


def test_the_shipped_market_makes_a_genesis_that_survives_json(market: Market, genesis: Genesis) -> None:
    assert len(genesis.assets) == 4
    assert {instrument.kind.name for instrument in genesis.instruments} == {"PERPETUAL", "FUTURE", "CALL", "PUT"}
    assert network_id(genesis_from_json(genesis_to_json(genesis))) == network_id(genesis)
    assert len(load_hours(CONFIGS / market.hours)) == 48


def test_the_shipped_margin_period_is_the_time_that_the_slowest_path_takes(genesis: Genesis) -> None:
    found = margin_periods(genesis, 250)
    assert found.close_out == CloseOutTime(call=10, sale=20, steps=10, auction=60)
    assert {(each.assumed_ms, each.taken_ms) for each in found.instruments} == {(25_000, 25_000)}
    assert {(each.congested_assumed_ms, each.congested_taken_ms) for each in found.instruments} == {(30_000, 30_000)}
    assert found.warnings == ()


def test_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    text = (CONFIGS / "market.toml").read_text().replace("rate_ppm = 20_000", "rate_ppm = 20_000\nratio = 3")
    (tmp_path / "market.toml").write_text(text)
    with pytest.raises(LocalFault) as caught:
        load_market(tmp_path / "market.toml")
    assert "ratio" in str(caught.value)


def test_the_shipped_market_pays_funding_averages_settlements_and_lets_no_feed_die_unnoticed(market: Market) -> None:
    for each in market.instruments:
        assert (each.funding is not None) is (each.kind == "perpetual"), each.name
        assert (each.averaging_minutes > 0) is (each.kind != "perpetual"), each.name
    terms = market.market.prices
    assert 0 < terms.grace_blocks < terms.settle_blocks
    assert terms.outlier_deviations > 0


INDEX = {1: 793_457, 2: 19_457}


def arrays_of(genesis: Genesis) -> RiskArrays:
    return build_risk_arrays(
        genesis.instruments, genesis.assets, genesis.cash_groups, {}, INDEX, genesis.risk, genesis.time_ms
    )


def test_the_statement_has_every_rule_and_fits_one_column_with_room_for_joint_scenarios(genesis: Genesis) -> None:
    arrays = arrays_of(genesis)
    listed = (genesis.instruments, genesis.assets, genesis.cash_groups, {}, INDEX)
    stress = build_stress(PricedListing(*listed, genesis.risk, genesis.time_ms))
    slots = build_slots(arrays, stress)
    statement = build_statement(
        arrays,
        genesis.risk,
        network=bytes(32),
        height=1,
        epoch=1,
        state_root=bytes(32),
        prices=[],
        totals=[PublicTotal(at, 0) for at, slot in enumerate(slots) if slot.is_public],
        custody=[],
        shortfalls={},
        stress=stress,
    )
    check_rows(statement)
    names = {slot.name.split(":")[0] for slot in slots if not slot.is_public}
    assert names == {"max", "short", "charge", "concentration", "tail", "beyond", "joint", "groups", "uncovered"}
    layout = layout_of(statement)
    assert layout.columns == 1
    scenarios = sum(slot.name.startswith("beyond:") for slot in slots)
    assert sum(layout.widths) + 16 * (JOINT_MAX - scenarios) <= DOMAIN


def test_every_option_costs_something_to_be_short_however_far_its_strike(genesis: Genesis) -> None:
    far = msgspec.structs.replace(
        genesis,
        instruments=tuple(
            msgspec.structs.replace(each, strike_ticks=1 if each.kind == 4 else 2**39) if each.is_option else each
            for each in genesis.instruments
        ),
    )
    arrays = arrays_of(far)
    for at, each in enumerate(far.instruments):
        if each.is_option:
            lots = [-1_000 if other == at else 0 for other in range(len(far.instruments))]
            margin = account_margin(arrays, [0], [0, 0], lots)
            notional = INDEX[each.feed] * each.micros_per_tick * 1_000
            assert margin.initial >= notional * 3 // 100


def test_a_devnet_that_lists_options_without_a_minimum_is_refused_by_name(market: Market) -> None:
    groups = tuple(msgspec.structs.replace(group, short_option_ppm=0) for group in market.groups)
    with pytest.raises(LocalFault, match="short_option_ppm"):
        genesis_of(msgspec.structs.replace(market, groups=groups))
    plain = tuple(each for each in market.instruments if not each.strike_ticks)
    genesis_of(msgspec.structs.replace(market, groups=groups, instruments=plain))


def test_a_devnet_may_leave_out_credit_and_charges(market: Market) -> None:
    risk = msgspec.structs.replace(market.risk, joint=None)
    instruments = tuple(msgspec.structs.replace(each, charge=None) for each in market.instruments)
    genesis = genesis_of(msgspec.structs.replace(market, risk=risk, instruments=instruments))
    assert not genesis.risk.charges
    assert not genesis.risk.joint.scenarios
    assert genesis.risk.joint.keep_largest, "history may give scenarios, and one group alone earns no credit"
    rows = build_rows(arrays_of(genesis), genesis.risk)
    assert not any(row.name.startswith(("charge", "joint")) for row in rows)
    kinds = {slot.kind for slot in build_slots(arrays_of(genesis))}
    assert SlotKind.AUXILIARY_SIGNED not in kinds


def test_a_market_file_may_put_a_token_into_the_scenarios_of_a_group_by_its_name(market: Market) -> None:
    def with_scenarios(group: str) -> Genesis:
        inside = ScenarioFigures(group, 30_000)
        tokens = (each if each.cash else msgspec.structs.replace(each, scenarios=inside) for each in market.tokens)
        return genesis_of(msgspec.structs.replace(market, tokens=tuple(tokens)))

    genesis = with_scenarios("ETH")
    groups = {group.id: group.name for group in genesis.risk.groups}
    tokens = [asset for asset in genesis.assets if not asset.is_cash]
    assert {(groups[each.scenarios.group], each.scenarios.haircut_ppm, each.is_spot) for each in tokens} == {
        ("ETH", 30_000, True)
    }
    with pytest.raises(LocalFault, match=r"scenarios\.group"):
        with_scenarios("DOGE")


MEMBERS = range(9)
CAPITAL = 3 * 10**12


@pytest.fixture
def devnet(genesis: Genesis, monkeypatch: pytest.MonkeyPatch) -> world.World:
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
