"""The small world of `books` with every rule of the requirement turned on."""

import msgspec

from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, RiskParameters, check_parameters, collapse
from tests.kit.margin.books import (
    ASSETS,
    BTC,
    CASH_GROUPS,
    ETH,
    HUGE_INDEX,
    INDEX,
    INSTRUMENTS,
    NOW_MS,
    PARAMETERS,
)  # fmt: skip

SHORT = tuple(msgspec.structs.replace(group, short_option_ppm=ppm) for group, ppm in ((BTC, 30_000), (ETH, 20_000)))
JOINT = JointCredit(
    collapse([(11, 11), (12, 12), (13, 13), (13, 9), (5, 8), (8, 5), (13, 13), (0, 14), (16, 16), (15, 2), (3, 0)]),
    tail=3,
)
CHARGES = (
    LotCharge(1, 5_000, 1_000, 2_000, 3_000, 10_000),
    LotCharge(2, 4_000, 2_000, 500, 0, 20_000, (1_000_000, 9_000_000)),
    LotCharge(4, 0, 10_000, 100, 5_000, 0, (500_000,)),
    LotCharge(5, slippage_ppm=20_000),
)
TIERS = (ConcentrationTier(2, 100_000, 100_000), ConcentrationTier(2, 400_000, 250_000))

FULL: RiskParameters = msgspec.structs.replace(
    PARAMETERS, groups=SHORT, joint=JOINT, charges=CHARGES, concentration=TIERS
)
check_parameters(FULL)

ONLY = {
    "minimums": msgspec.structs.replace(PARAMETERS, groups=SHORT),
    "credit": msgspec.structs.replace(PARAMETERS, joint=JOINT),
    "charges": msgspec.structs.replace(PARAMETERS, charges=CHARGES),
    "concentration": msgspec.structs.replace(PARAMETERS, concentration=TIERS),
    "largest": msgspec.structs.replace(FULL, joint=msgspec.structs.replace(JOINT, keep_largest=True)),
    "all": FULL,
}
"""Parameters with one rule, or all."""


def arrays_with(parameters: RiskParameters, index: dict[int, int] | None = None) -> RiskArrays:
    """Arrays of the small world under these parameters."""
    return build_risk_arrays(
        INSTRUMENTS, ASSETS, CASH_GROUPS, {}, INDEX if index is None else index, parameters, NOW_MS
    )


CHARGED = {name: arrays_with(parameters) for name, parameters in ONLY.items()}
CHARGED_HUGE = arrays_with(FULL, HUGE_INDEX)
