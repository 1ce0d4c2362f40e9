"""The frozen files, made anew; `python -m tests.vectors.proofs.write` writes those that are not there yet.

The test market, its blinders out of a counter: the same bytes on every machine.
"""

import sys
from pathlib import Path

import msgspec

from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK
from clearing.margin.statement.rulebook import Rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.group_charges import BasisMove, BasisPoint, GroupCharges, NetCharge
from clearing.schema.risk.history import HistoricalMove, HistoricalRequirement, HistoricalScenario
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, collapse
from clearing.schema.risk.volatility_surface import VolPillar
from proofs.epoch.package import attach_custody, read_package
from proofs.verify.signed_inclusion import ANSWER_FORMAT, NO_SIGNATURE, SignedInclusion, sign_inclusion
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs import live_market, stressed
from tests.kit.proofs import small_market as market
from tests.kit.proofs.counted import BOOK, MEMBERS, NODE_SECRET, PLACE, counted_scalars
from tests.kit.proofs.inside_market import snapshot_inside
from tests.kit.proofs.listed_market import listed_package
from tests.kit.proofs.proven_custody import proven


def whole_package() -> bytes:
    """A package with every part that the format has: the fund's test, and storage proofs of a coin and a token."""
    shot = stressed.snapshot_of(BOOK, MEMBERS)
    terms = [msgspec.structs.replace(term, balances=PLACE) for term in shot.statement.custody]
    stated, evidence = proven(msgspec.structs.replace(shot.statement, custody=tuple(terms)))
    shot = msgspec.structs.replace(shot, statement=stated)
    return attach_custody(proven_with_counted_scalars(shot), evidence)


def proven_with_counted_scalars(shot: RiskSnapshot) -> bytes:
    return market.honest(shot, stressed.seeds_of([each.account for each in shot.accounts]), scalars=counted_scalars())


EVERY_RULE = RiskParameters(
    (
        RiskGroup(
            1, "BTC", 1, 200_000, 800_000, 500_000, short_option_ppm=30_000,
            surface=(VolPillar(30 * 86_400_000, 820_000, -50_000, 20_000),), shock=OPTION_SHOCK, scenarios=OPTION_GRID,
        ),
        RiskGroup(2, "ETH", 2, 250_000, 900_000, 200_000),
    ),
    cash_limit_micros=5_000_000_000,
    rate_ppm=20_000,
    joint=JointCredit(collapse([(1, 1), (2, 2), (2, 2), (7, 12), (20, 0), (27, 16)]), tail=2, keep_largest=True),
    charges=(LotCharge(1, 5_000, 1_000, 300, 5_000, 20_000), LotCharge(2, 0, 10_000), LotCharge(3, 2_000)),
    concentration=(ConcentrationTier(3, 500_000, 100_000), ConcentrationTier(3, 1_000_000, 200_000)),
    stress=stressed.STRESS,
    default_fund_micros=stressed.FUND,
)  # fmt: skip


PARAMETERS, JOINT = 1, 6
"""Places in a rulebook and in its parameters."""


def package_under_every_rule() -> bytes:
    """A package whose rows are of every kind, its options under a surface: the rulebook is computed for ever alike."""
    rulebook = msgspec.structs.replace(stressed.RULEBOOK, parameters=EVERY_RULE)
    return proven_with_counted_scalars(stressed.snapshot_of(BOOK, MEMBERS, rulebook))


def package_of_a_short_credit() -> bytes:
    """The same, but that the rulebook leaves out the last item of the joint credit."""
    rulebook = msgspec.structs.replace(stressed.RULEBOOK, parameters=EVERY_RULE)
    shot = stressed.snapshot_of(BOOK, MEMBERS, rulebook)
    tree = msgspec.msgpack.decode(shot.statement.rules)
    *_, keep_largest = tree[PARAMETERS][JOINT]
    assert keep_largest is True
    tree[PARAMETERS][JOINT].pop()
    stated = msgspec.structs.replace(shot.statement, rules=msgspec.msgpack.encode(tree))
    return proven_with_counted_scalars(msgspec.structs.replace(shot, statement=stated))


def package_with_collateral_inside() -> bytes:
    """A package whose tokens move in the scenarios: a spot, a yield-bearing one, and one that falls along."""
    return proven_with_counted_scalars(snapshot_inside())


DAY_MS = 86_400_000
EVERY_CHARGE = GroupCharges(
    basis=(
        BasisMove((BasisPoint(DAY_MS, -3_001), BasisPoint(60 * DAY_MS, 7_000)), perpetual_ppm=1_500),
        BasisMove((BasisPoint(0, 10_000),)),
    ),
    delta=NetCharge(1_000, 5 * 10**8, 2_000, 10_000),
    vega=NetCharge(20_000, 10**7, 0, 30_000, (500_000, 8_000_000)),
)


def package_under_every_charge() -> bytes:
    """A package under every rule and every charge on what groups net to, with a part of a scenario in the tail."""
    return proven_with_counted_scalars(stressed.snapshot_of(BOOK, MEMBERS, rulebook_of_every_charge()))


def rulebook_of_every_charge() -> Rulebook:
    """Of that package."""
    btc, eth = EVERY_RULE.groups
    charged = (
        msgspec.structs.replace(btc, charges=EVERY_CHARGE),
        msgspec.structs.replace(eth, charges=GroupCharges(delta=NetCharge(rate_ppm=500))),
    )
    joint = msgspec.structs.replace(EVERY_RULE.joint, tail_part_ppm=250_000)
    rules = msgspec.structs.replace(EVERY_RULE, groups=charged, joint=joint)
    return msgspec.structs.replace(stressed.RULEBOOK, parameters=rules)


MOVES = HistoricalRequirement(
    tuple(
        HistoricalScenario((HistoricalMove(*btc), HistoricalMove(*eth)), count)
        for btc, eth, count in (
            ((-251_003, 412_345), (-310_009, 350_001), 1),
            ((-41_003, 120_001), (-73_999, -15_000), 2),
            ((0, 0), (0, 0), 30),
            ((52_001, -90_007), (-12_345, 33_333), 1),
            ((187_654, -123_456), (203_211, 98_765), 1),
        )
    ),
    tail=2,
    tail_part_ppm=250_000,
)


def rulebook_of_history() -> Rulebook:
    """Past moves beyond the ranges and off the grid, and a shorter grid of one group's own; every other rule but the
    credit is on."""
    btc, eth = EVERY_RULE.groups
    groups = (
        msgspec.structs.replace(btc, shock=msgspec.structs.replace(btc.shock, short_power_ppm=300_000)),
        msgspec.structs.replace(eth, scenarios=EVERY_RULE.scenarios[:2]),
    )
    rules = msgspec.structs.replace(EVERY_RULE, groups=groups, joint=JointCredit(), history=MOVES)
    return msgspec.structs.replace(stressed.RULEBOOK, parameters=rules)


def package_under_history() -> bytes:
    """A package whose requirement is at least the expected shortfall of past moves."""
    return proven_with_counted_scalars(stressed.snapshot_of(BOOK, MEMBERS, rulebook_of_history()))


HELD = (("cash:USD", 9_000), ("position:BTC-PERP", -2), ("token:31337:WETH", 40))
"""Of account 1 of the small market."""


def signed_answer(seed: bytes | None = None, holdings: tuple[tuple[str, int], ...] = HELD) -> bytes:
    """What a node signs of account 1 of the small market, by default as it was committed to."""
    answer = SignedInclusion(
        format=ANSWER_FORMAT,
        network=market.NETWORK,
        epoch=4,
        height=40,
        account=1,
        owner=market.owner(1),
        seed=market.seeds()[1] if seed is None else seed,
        holdings=holdings,
        signer=ed25519.public_key(NODE_SECRET),
        signature=NO_SIGNATURE,
    )
    return encode(sign_inclusion(answer, lambda digest: ed25519.sign(NODE_SECRET, digest)))


def vectors() -> dict[str, bytes]:
    """Each file by its name."""
    package = market.honest(market.snapshot(), scalars=counted_scalars())
    own = OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1], market.owner(1))
    alone = prove_account(read_package(package), own, scalars=counted_scalars())
    return {
        "three-accounts.ccp": package,
        "account-1.ccs": alone,
        "every-part.ccp": whole_package(),
        "every-rule.ccp": package_under_every_rule(),
        "every-charge.ccp": package_under_every_charge(),
        "history.ccp": package_under_history(),
        "listed-custody.ccp": listed_package(),
        "answer.cci": signed_answer(),
        "refuted.cci": signed_answer(seed=bytes(32)),
        "collateral-inside.ccp": package_with_collateral_inside(),
        "live-surface.ccp": live_market.package_of(live_market.SURFACED),
        "averaged-option.ccp": live_market.package_of(live_market.AVERAGING),
    }


def write_missing(folder: Path, files: dict[str, bytes]) -> None:
    """Write those that are not there."""
    for name, data in files.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(data)
            sys.stdout.write(f"{name}: {len(data)} bytes\n")
