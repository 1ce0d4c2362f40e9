"""The clearing rulebook's own rows, as they are, are what is proven: engine and proof agree on who is solvent."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.evm.storage import BalanceLocation
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.statement.rows import build_snapshot, build_statement
from clearing.margin.statement.rulebook import VERSION, FeedLevel, Rulebook, write_rulebook
from clearing.margin.statement.snapshot import AccountHoldings, CustodyTerm, PublicTotal
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from proofs.epoch.package import commitments_root
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import auxiliary_slots, complete_holdings, layout_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.clearing.rows import group_maxima, shortfall_of

N = 256
NOW_MS, DAY_MS = 1_584_000_000_000, 86_400_000
PARAMETERS = RiskParameters(
    (RiskGroup(1, "BTC", 1, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", 2, 250_000, 900_000, 200_000)),
    cash_limit_micros=5_000_000_000,
    rate_ppm=50_000,
)
WETH = Asset(3, "WETH", 31337, bytes(20), bytes(20), 18, 6, 0, 2, 150_000, 10**15)


def listed(number: int, name: str, kind: InstrumentKind, group: int, strike: int = 0) -> Instrument:
    expiry = 0 if kind is InstrumentKind.PERPETUAL else NOW_MS + 30 * DAY_MS
    return Instrument(
        id=number,
        name=name,
        kind=kind,
        feed=group,
        group=group,
        cash_group=1,
        micros_per_tick=10,
        expiry_ms=expiry,
        strike_ticks=strike,
    )


INSTRUMENTS = (
    listed(1, "BTC-PERP", InstrumentKind.PERPETUAL, 1),
    listed(2, "BTC-30D", InstrumentKind.FUTURE, 1),
    listed(3, "BTC-PUT", InstrumentKind.PUT, 1, 750_000),
    listed(4, "ETH-PERP", InstrumentKind.PERPETUAL, 2),
)
ARRAYS = build_risk_arrays(INSTRUMENTS, [WETH], [CashGroup(1, "USD")], {}, {1: 800_000, 2: 20_000}, PARAMETERS, NOW_MS)
RULEBOOK = Rulebook(
    VERSION,
    PARAMETERS,
    INSTRUMENTS,
    (CashGroup(1, "USD"),),
    (WETH,),
    (FeedLevel(1, "BTC", 800_000, used=True), FeedLevel(2, "ETH", 20_000, used=True)),
    (),
    NOW_MS,
)


def statement_for(vectors, shortfalls, network):
    totals = [sum(column) for column in zip(*vectors, strict=True)]

    def term(chain, token, slot):
        held = totals[slot]
        return CustodyTerm(
            chain_id=chain,
            vault=bytes(20),
            token=bytes([token]) * 20,
            slot=slot,
            block_number=1,
            block_hash=u256(chain),
            deposited=u256(held),
            withdrawn=bytes(32),
            balance=u256(held),
            balances=BalanceLocation(),
            unit=1,
            held=held,
            released=bytes(32),
            later=bytes(32),
            strays=bytes(32),
            dust=bytes(32),
        )

    return build_statement(
        ARRAYS,
        PARAMETERS,
        network=network,
        height=40,
        epoch=4,
        state_root=bytes([9]) * 32,
        prices=RULEBOOK.prices,
        rules=write_rulebook(RULEBOOK),
        assumptions=RULEBOOK.assumptions,
        totals=[PublicTotal(slot, total) for slot, total in enumerate(totals)],
        custody=[term(1, 1, 0), term(31337, 2, 1)],
        shortfalls=shortfalls,
    )


cash = st.integers(-(10**11), 10**12)
lots = st.integers(-(10**5), 10**5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(cash, st.integers(0, 10**9), lots, lots, lots, lots))
def test_a_witness_exists_exactly_when_the_engine_finds_no_shortfall(vector):
    statement = statement_for([tuple(abs(v) for v in vector)], {}, bytes(32))
    layout = layout_of(statement, N)
    full = complete_holdings(statement, AccountHoldings(1, vector))
    maxima = tuple(full[slot] for slot in auxiliary_slots(statement))
    assert maxima == tuple(group_maxima(ARRAYS, vector[:1], vector[1:2], vector[2:]))
    needed = shortfall_of(ARRAYS, vector[:1], vector[1:2], vector[2:])
    make_witness(layout, full, needed, (1, 2))
    if needed:
        with pytest.raises(LocalFault):
            make_witness(layout, full, needed - 1, (1, 2))


def test_a_book_under_the_rulebooks_rows_is_proven_with_its_listed_shortfall(market):
    vectors = {
        0: (10**12, 10**6, 0, 0, 0, 0),
        4: (3 * 10**11, 0, 500, -20, 30, 0),
        7: (10**6, 2_000_000, -500, 20, -30, 10),
        8: (10**11, 5_000_000, 0, 0, 0, -10),
    }
    short = {k: shortfall_of(ARRAYS, v[:1], v[1:2], v[2:]) for k, v in vectors.items()}
    listed_short = {account: sigma for account, sigma in short.items() if sigma}
    assert set(listed_short) == {7}
    statement = statement_for(list(vectors.values()), listed_short, market.NETWORK)
    shot = build_snapshot(statement, [AccountHoldings(k, v, short[k]) for k, v in vectors.items()])
    assert layout_of(statement, N).columns > 1
    keys = {account: bytes([account + 1]) * 32 for account in vectors}
    head = market.certified(commitments_root(statement, commit_epoch(shot, keys, N), N))
    package = prove_epoch(shot, keys, *head, domain=N)
    verdict = verify_package(package, network=market.NETWORK, own=OwnAccount(7, vectors[7], keys[7]))
    assert verdict.ok, verdict.checks[-1]
    assert f"account 7 is short by at most {short[7]}" in verdict.claim
