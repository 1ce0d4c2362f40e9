"""With a genesis, too, the verifier that was written from the specification judges as the one here."""

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.epochs.snapshot import take_snapshot
from clearing.genesis.custody_listing import listed_custody
from clearing.margin.statement.rulebook import read_rulebook
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.collateral import DepegTerms
from clearing.schema.terms.genesis import Genesis
from proofs.statement.custody import check_listed
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, CAROL, ETH, WETH_1, make_genesis
from tests.kit.clearing.surfaced import BTC_CALL, QUOTES, SurfacedWorld
from tests.kit.clearing.world import funded
from tests.kit.proofs.hostile import changed_anywhere
from tests.vectors.proofs.runner import genesis as specified
from tests.vectors.proofs.runner.encoding import Reader, Refused, packed

replace = msgspec.structs.replace
KINDS = specified.KINDS | {"surfaces": specified.SURFACES}
PARAMETERS = RiskParameters(
    (RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000)),
    cash_limit_micros=10**9,
)
STILL = RangeParameters()
MOVING = RangeParameters(
    interval_ms=1_000,
    range_min_ppm=50_000,
    range_max_ppm=400_000,
    volatility_weight_ppm=500_000,
    joint_scenarios=4,
    window_min=4,
)


@pytest.fixture(scope="module", params=[STILL, MOVING, None], ids=["still", "moving", "surfaced"])
def network(request):
    """A genesis with a guarded cash token and a token whose haircut moves, or with a live surface, and a statement of
    its network."""
    if request.param is None:
        return surfaced()
    assets = tuple(
        replace(each, depeg=DepegTerms(feed=ETH))
        if each.is_cash and each.id == 1
        else replace(each, haircut=replace(each.haircut, range_share_ppm=100_000))
        if not each.is_cash
        else each
        for each in make_genesis(risk=PARAMETERS).assets
    )
    world = funded(genesis=replace(make_genesis(risk=PARAMETERS), ranges=request.param, assets=assets))
    world.deposit(CAROL, WETH_1, 3_000_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    world.block(facts=world.custody_facts(400))
    return world.genesis, take_snapshot(world.state).statement


def surfaced():
    """A network whose options on BTC are on a live surface, and its statement."""
    world = SurfacedWorld()
    world.quote()
    world.endow(100_000)
    world.quote(QUOTES, world.trade(ALICE, BOB, BTC_CALL, 100, world.state.marks[BTC_CALL].ticks))
    world.block(facts=world.custody_facts(400), prices=tuple(world.ticks.items()))
    statement = take_snapshot(world.state).statement
    assert read_rulebook(statement.rules, 10**6).parameters.groups[0].curve
    return world.genesis, statement


def parts_of(genesis: Genesis) -> dict:
    found = {name: Reader(encode(getattr(genesis, name))).whole(kind) for name, kind in KINDS.items()}
    return found | {"time_ms": genesis.time_ms}


def both_judge(genesis: Genesis, statement) -> list[bool]:
    """Whether rules and custody are refused, which must be the same for both."""
    plain, parts = Reader(encode(statement)).whole("`RiskStatement`"), parts_of(genesis)
    now, network = 2**60, statement.network
    pairs = (
        (
            lambda: check_rulebook(statement, genesis, certified_ms=now, network=network),
            lambda: specified.check_rules(plain, parts, now, network),
        ),
        (
            lambda: check_listed(statement, listed_custody(genesis)),
            lambda: specified.check_custody(plain, parts),
        ),
    )
    found = []
    for theirs, ours in pairs:
        refused = is_refused(theirs)
        assert is_refused(ours) == refused
        found.append(refused)
    return found


def is_refused(check) -> bool:
    try:
        check()
    except (RemoteFault, Refused):
        return True
    return False


def test_the_networks_own_statement_is_accepted(network):
    assert both_judge(*network) == [False, False]


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_genesis_that_differs_anywhere_is_judged_alike(network, data):
    genesis, statement = network
    name = data.draw(st.sampled_from([each for each in sorted(KINDS) if getattr(genesis, each) != ()]))
    part = getattr(genesis, name)
    kind = tuple[type(part[0]), ...] if isinstance(part, tuple) else type(part)
    try:
        changed = packed(changed_anywhere(msgspec.msgpack.decode(encode(part)), data))
        other = msgspec.msgpack.decode(changed, type=kind)
    except (Refused, msgspec.DecodeError):
        return
    assume(encode(other) == changed)
    try:
        both_judge(replace(genesis, **{name: other}), statement)
    except (ArithmeticError, ValueError, LookupError):  # no genesis that was checked is such
        return


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_rulebook_that_differs_anywhere_from_the_genesis_is_judged_alike(network, data):
    genesis, statement = network
    try:
        rules = packed(changed_anywhere(msgspec.msgpack.decode(statement.rules), data))
    except Refused:
        return
    both_judge(genesis, replace(statement, rules=rules))


def test_a_haircut_a_range_and_a_volatility_move_as_far_as_the_genesis_lets_them(network):
    parts = parts_of(network[0])
    moving, refused = bool(parts["ranges"]["interval_ms"]), []
    for name, value in (("range_ppm", 50_000), ("range_ppm", 49_999), ("volatility_ppm", 400_000)):
        parameters = parts["risk"] | {
            "groups": [parts["risk"]["groups"][0] | {name: value}, *parts["risk"]["groups"][1:]]
        }
        try:
            specified.same_parameters(parameters, parts["risk"], parts["ranges"])
            refused.append(False)
        except Refused:
            refused.append(True)
    assert refused == ([False, True, False] if moving else [True, True, True])


def test_the_code_of_a_custody_that_is_not_listed_is_the_specified_one(network):
    genesis, statement = network
    plain, parts = Reader(encode(statement)).whole("`RiskStatement`"), parts_of(genesis)
    plain["custody"][0]["unit"] += 1
    with pytest.raises(Refused) as found:
        specified.check_custody(plain, parts)
    assert found.value.args[0] == "CUSTODY_UNLISTED"
