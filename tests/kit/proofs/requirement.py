"""Statements under every rule of the requirement."""

from clearing.base.codec import u256
from clearing.base.evm.storage import BalanceLocation
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.statement.rows import build_statement
from clearing.margin.statement.rulebook import VERSION, FeedLevel, Rulebook, write_rulebook
from clearing.margin.statement.snapshot import CustodyTerm, PublicTotal
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario, collapse
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind

NOW_MS, DAY_MS = 1_584_000_000_000, 86_400_000


PARAMETERS = RiskParameters(
    (
        RiskGroup(1, "BTC", 1, 200_000, 800_000, 200_000, short_option_ppm=50_000),
        RiskGroup(2, "ETH", 2, 250_000, 900_000, 200_000),
    ),
    scenarios=(Scenario(1, 1, 1), Scenario(-1, 1, 1), Scenario(1, 2, -1), Scenario(-1, 2, -1)),
    cash_limit_micros=5_000_000_000,
    rate_ppm=50_000,
    joint=JointCredit(collapse([(1, 1), (2, 2), (2, 2), (1, 4), (3, 0), (4, 2)]), tail=2, keep_largest=True),
    charges=(LotCharge(1, 5_000, 0, 300, 0, 20_000, (1_000_000, 5_000_000)), LotCharge(3, 0, 10_000)),
    concentration=(ConcentrationTier(3, 1_000_000, 100_000),),
)


WETH = Asset(3, "WETH", 31337, bytes(20), bytes(20), 18, 6, 0, 2, 150_000, 10**15)


def listed(number: int, name: str, kind: InstrumentKind, group: int, strike: int = 0) -> Instrument:
    expiry = 0 if kind is InstrumentKind.PERPETUAL else NOW_MS + 30 * DAY_MS
    return Instrument(number, name, kind, group, group, 1, 10, expiry, strike)


INSTRUMENTS = (
    listed(1, "BTC-PERP", InstrumentKind.PERPETUAL, 1),
    listed(2, "BTC-FAR", InstrumentKind.CALL, 1, 80_000_000),
    listed(3, "BTC-PUT", InstrumentKind.PUT, 1, 750_000),
    listed(4, "ETH-PERP", InstrumentKind.PERPETUAL, 2),
)


INDEX = {1: 800_000, 2: 20_000}


ARRAYS = build_risk_arrays(INSTRUMENTS, [WETH], [CashGroup(1, "USD")], {}, INDEX, PARAMETERS, NOW_MS)


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


VECTORS = {
    0: (10**12, 3_000_000, 200, 300, 5, 4_000),
    1: (10**11, 2_000_000, -500, 40, -30, -4_010),
    5: (5 * 10**10, 0, 300, -340, 25, 10),
}


def statement_for(vectors, network=bytes(32), shortfalls=()):
    totals = [sum(column) for column in zip(*vectors, strict=True)]

    def term(chain, slot):
        held = totals[slot]
        return CustodyTerm(
            chain_id=chain, vault=bytes(20), token=bytes([slot]) * 20, slot=slot,
            block_number=1, block_hash=u256(chain),
            deposited=u256(held), withdrawn=bytes(32), balance=u256(held), balances=BalanceLocation(),
            unit=1, held=held,
            released=bytes(32), later=bytes(32), strays=bytes(32), dust=bytes(32),
        )  # fmt: skip

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
        custody=[term(1, 0), term(31337, 1)],
        shortfalls=dict(shortfalls),
    )


STATED = statement_for(list(VECTORS.values()))
