"""Risk parameters that mean nothing are refused by name: groups, surfaces, shocks, grids, charges, credit, stresses."""

import pytest
from msgspec.structs import replace

from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS, PPM
from clearing.margin.risk_arrays.grid import OPTION_SHOCK
from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import (
    SPAN_SIXTEEN,
    JointCredit,
    JointScenario,
    RiskGroup,
    RiskParameters,
    Scenario,
    StressScenario,
    check_parameters,
)
from clearing.schema.risk.volatility_surface import VolPillar, VolShock
from tests.kit.margin.books import CRASH, FULL, PARAMETERS, RALLY, STRESSED
from tests.kit.margin.surfaces import SURFACE

GROUP = RiskGroup(1, "G", 1, 180_000, 800_000, 500_000, surface=SURFACE)
PILLAR = VolPillar(30 * DAY_MS, PPM, -200_000, 900_000)
LATER, NARROW = replace(PILLAR, tenor_ms=60 * DAY_MS), replace(PILLAR, wing_ppm=100_000)


def group(**changes) -> RiskParameters:
    return RiskParameters((replace(GROUP, **changes),))


def joint(*scenarios: JointScenario, **terms) -> RiskParameters:
    return replace(FULL, joint=JointCredit(scenarios, **terms))


@pytest.mark.parametrize("parameters", [PARAMETERS, FULL, STRESSED, group(shock=OPTION_SHOCK)])
def test_good_parameters_are_taken_and_have_one_encoding(parameters):
    check_parameters(parameters)
    assert decode(encode(parameters), RiskParameters) == parameters


def test_the_grid_is_spans_sixteen():
    assert len(SPAN_SIXTEEN) == 16
    moves = [(each.move_numerator, each.move_denominator) for each in SPAN_SIXTEEN[12:]]
    assert moves == [(-1, 1), (-1, 1), (2, 1), (-2, 1)]
    assert [each.volatility_direction for each in SPAN_SIXTEEN] == [1, -1] * 7 + [0, 0]
    assert sum(each.weight_ppm for each in SPAN_SIXTEEN) == 14_700_000


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        ("scenarios", replace(PARAMETERS, scenarios=())),
        ("scenarios.1.move", replace(PARAMETERS, scenarios=(Scenario(4, 1, 0),))),
        ("scenarios.1.move", replace(PARAMETERS, scenarios=(Scenario(0, 0, 0),))),
        ("scenarios.1.volatility", replace(PARAMETERS, scenarios=(Scenario(0, 1, 2),))),
        ("scenarios.1.weight_ppm", replace(PARAMETERS, scenarios=(Scenario(0, 1, 0, 1_000_001),))),
        ("maintenance_denominator", replace(PARAMETERS, maintenance_numerator=6)),
        ("maintenance_numerator", replace(PARAMETERS, maintenance_numerator=0)),
        ("groups", replace(PARAMETERS, groups=PARAMETERS.groups[::-1])),
        ("rate_ppm", replace(PARAMETERS, rate_ppm=1_000_001)),
        ("groups.G.surface.tenor_ms", group(surface=(PILLAR, PILLAR))),
        ("groups.G.surface.0.tenor_ms", group(surface=(replace(PILLAR, tenor_ms=1),))),
        ("groups.G.surface.0.level_ppm", group(surface=(replace(PILLAR, level_ppm=0),))),
        ("groups.G.surface.0.skew_ppm", group(surface=(replace(PILLAR, skew_ppm=-1_000_000),))),
        ("groups.G.surface.wing_ppm", group(surface=(replace(PILLAR, wing_ppm=1_900_000),))),
        ("groups.G.surface.0.wing_ppm", group(surface=(replace(PILLAR, wing_ppm=1_600_000, level_ppm=4_000_000),))),
        ("groups.G.surface.1.level_ppm", group(surface=(PILLAR, replace(LATER, level_ppm=700_000)))),
        ("groups.G.surface.1.skew_ppm", group(surface=(PILLAR, replace(LATER, skew_ppm=900_000)))),
        ("groups.G.surface.1.wing_ppm", group(surface=(NARROW, replace(LATER, wing_ppm=1_200_000)))),
        ("groups.G.shock.short_power_ppm", group(shock=VolShock(short_power_ppm=PPM + 1))),
        ("groups.G.shock.tenor_min_ms", group(shock=VolShock(tenor_min_ms=1))),
        ("groups.G.shock.down_ppm", group(shock=VolShock(down_ppm=PPM + 1))),
        ("groups.G.shock.skew_width_ppm", group(shock=VolShock(skew_width_ppm=0))),
        ("groups.G.scenarios.1.move", group(scenarios=(Scenario(4, 1, 0, of_index=True),))),
        ("groups.G.scenarios.1.skew", group(scenarios=(Scenario(0, 1, 0, skew_linear=2),))),
        ("groups.G.scenarios", group(scenarios=(Scenario(0, 1, 0),) * 65)),
        ("charges", replace(FULL, charges=(LotCharge(2), LotCharge(1)))),
        ("charges.1.contingency_ppm", replace(FULL, charges=(LotCharge(1, 900_000, 100_001),))),
        ("charges.1.depth_lots", replace(FULL, charges=(LotCharge(1, depth_lots=2**39),))),
        ("charges.1.sizes_ppm", replace(FULL, charges=(LotCharge(1, sizes_ppm=(5, 5)),))),
        ("charges.1.root_impact_ppm", replace(FULL, charges=(LotCharge(1, root_impact_ppm=1_000_001),))),
        ("concentration", replace(FULL, concentration=(ConcentrationTier(2, 5, 1), ConcentrationTier(2, 5, 1)))),
        (
            "concentration.2.haircut_ppm",
            replace(FULL, concentration=(ConcentrationTier(2, 5, 600_000), ConcentrationTier(2, 6, 400_001))),
        ),
        ("joint.scenarios", joint(JointScenario((2, 2)), JointScenario((1, 1)))),
        ("joint.count", joint(JointScenario((1, 1), 0))),
        ("joint.tail", joint(JointScenario((1, 1), 2), tail=3)),
        ("joint.weight_ppm", joint(JointScenario((1, 1), 2), weight_ppm=1_000_000)),
        ("joint.scenarios.1.columns", joint(JointScenario((1, 17)))),
        ("joint.scenarios.1.columns", joint(JointScenario((1,)))),
        ("stress.a.moves", replace(STRESSED, stress=(StressScenario("a", (Scenario(1, 1, 0),)),))),
        ("stress", replace(STRESSED, stress=(CRASH, replace(RALLY, name="crash")))),
        ("stress", replace(STRESSED, stress=(replace(RALLY, name=""),))),
        (
            "stress.a.moves.1.move",
            replace(STRESSED, stress=(StressScenario("a", (Scenario(4, 1, 0), Scenario(1, 1, 0))),)),
        ),
        ("stress", replace(STRESSED, stress=tuple(replace(CRASH, name=f"s{n}") for n in range(17)))),
        ("default_fund_micros", replace(STRESSED, stress=())),
        ("default_fund_micros", replace(STRESSED, default_fund_micros=2**62)),
    ],
)
def test_a_parameter_without_meaning_is_refused_by_name(field, parameters):
    with pytest.raises(LocalFault) as caught:
        check_parameters(parameters)
    assert caught.value.at == f"parameters.{field}"
