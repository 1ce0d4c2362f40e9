"""Surface bounds: no live surface lies outside of what the genesis lets validators agree on.

Rule: the engine's own bounds, in integers. Levels, skews, wings and rates are within those of the group's terms. A
forward is within the largest basis of the index carried to its expiry: at its highest at the network's first moment, at
its lowest when options were valued. The smiles are those of the same expiries, and free of arbitrage
(`clearing.schema.risk.parameters.check_parameters`). Where a surface lies within these bounds is the quorum's word
(`proofs.verify.attestations`). It must not know how surfaces are agreed on.
"""

from typing import TYPE_CHECKING

from clearing.base.units import PPM
from proofs.errors import ProofCode, VerificationFailed

if TYPE_CHECKING:
    from clearing.schema.risk.parameters import RiskGroup
    from clearing.schema.terms.genesis import Genesis
    from clearing.schema.terms.surfaces import SurfaceTerms


def is_live(stated: "RiskGroup", genesis: "Genesis") -> bool:
    """Whether a group states a live surface, and the genesis lets it have one."""
    return bool(stated.curve) and any(terms.group == stated.id for terms in genesis.surfaces)


def check_live_surface(stated: "RiskGroup", genesis: "Genesis", valued_ms: int) -> None:
    """Compare a live surface, valued at a time, with the terms of its group.

    Raises VerificationFailed RULES_DIFFER naming the group and the field.
    """
    from clearing.schema.risk.live_surface import WHOLE_VOLATILITY_PPM, tenor_of

    terms = next(terms for terms in genesis.surfaces if terms.group == stated.id)
    tenors = sorted({tenor_of(carry.expiry_ms, valued_ms) for carry in stated.curve})
    _require(stated, "volatility", stated.volatility_ppm, stated.volatility_ppm == WHOLE_VOLATILITY_PPM)
    first = stated.curve[0].expiry_ms
    _require(stated, "expiry", first, valued_ms < first)
    _require(stated, "smiles", len(stated.surface), [pillar.tenor_ms for pillar in stated.surface] == tenors)
    for pillar in stated.surface:
        level = pillar.level_ppm
        _require(stated, "level", level, terms.level_min_ppm <= level <= terms.level_max_ppm)
        _require(stated, "skew", pillar.skew_ppm, abs(pillar.skew_ppm) <= terms.skew_max_ppm)
        _require(stated, "wing", pillar.wing_ppm, pillar.wing_ppm <= terms.wing_max_ppm)
    for carry in stated.curve:
        _require(stated, "rate", carry.rate_ppm, abs(carry.rate_ppm) <= terms.rate_max_ppm)
        lowest, highest = _forward_bounds(terms, carry.expiry_ms, genesis, valued_ms)
        _require(stated, "forward", carry.forward_ppb, lowest <= carry.forward_ppb <= highest)


def _forward_bounds(terms: "SurfaceTerms", expiry_ms: int, genesis: "Genesis", valued_ms: int) -> tuple[int, int]:
    """Lowest and highest forward in parts of the index x 10^9."""
    from clearing.schema.risk.live_surface import PPB
    from clearing.schema.terms.instruments import forward_ticks

    rate = genesis.risk.rate_ppm
    near = forward_ticks(PPB, expiry_ms, rate, valued_ms)
    far = forward_ticks(PPB, expiry_ms, rate, genesis.time_ms)
    return near * (PPM - terms.basis_max_ppm) // PPM, far * (PPM + terms.basis_max_ppm) // PPM


def _require(group: "RiskGroup", field: str, value: int, good: bool) -> None:
    if not good:
        raise VerificationFailed(ProofCode.RULES_DIFFER, f"{field} of the surface of {group.name[:64]}", stated=value)
