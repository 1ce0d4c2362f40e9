import { absolute, floorDiv, larger } from "./bytes.js";
import { BILLION, forwardOf } from "./carry.js";
import { array, type Of, or, structure, U32, U63 } from "./messagepack.js";
import { P32, type RiskGroup } from "./rulebook.js";

/** Bounds of a live surface: docs/specification/verification.md, "With a genesis". */
const M = 1000000n;
const HOUR = 3600000n;
const p32 = (value: bigint) => or(P32, () => value);

export const SurfaceTerms = structure({
  group: U32,
  age_ms_max: or(U63, () => 30000n),
  sources_min: p32(0n),
  level_min_ppm: p32(50000n),
  level_max_ppm: p32(5000000n),
  skew_max_ppm: p32(950000n),
  wing_max_ppm: p32(1500000n),
  basis_max_ppm: p32(100000n),
  rate_max_ppm: p32(500000n),
  level_change_ppm: p32(250000n),
  shape_change_ppm: p32(200000n),
  carry_change_ppm: p32(10000n),
  grace_blocks: p32(0n),
  keep_blocks: p32(0n),
});
export type SurfaceTerms = Of<typeof SurfaceTerms>;
export const Surfaces = array(SurfaceTerms);

/** The first field of a group with a curve that is beyond the terms, valued at a time; nothing if all are within.
 * `rate` and `began` are the genesis's. */
export function beyondTerms(group: RiskGroup, terms: SurfaceTerms, rate: bigint, began: bigint, valued: bigint): string | undefined {
  const { curve, surface } = group;
  const tenors = [...new Set(curve.map(({ expiry_ms }) => larger(expiry_ms - valued, HOUR)))];
  const first = curve[0];
  if (group.volatility_ppm !== M) return "volatility";
  if (first === undefined || first.expiry_ms <= valued) return "expiry";
  if (tenors.length !== surface.length || surface.some(({ tenor_ms }, index) => tenor_ms !== tenors[index])) return "smiles";
  for (const { level_ppm: level, skew_ppm: skew, wing_ppm: wing } of surface) {
    if (level < terms.level_min_ppm || level > terms.level_max_ppm) return "level";
    if (absolute(skew) > terms.skew_max_ppm) return "skew";
    if (wing > terms.wing_max_ppm) return "wing";
  }
  for (const { expiry_ms, forward_ppb: forward, rate_ppm } of curve) {
    if (absolute(rate_ppm) > terms.rate_max_ppm) return "rate";
    const lowest = floorDiv(forwardOf(BILLION, rate, expiry_ms, valued) * (M - terms.basis_max_ppm), M);
    const highest = floorDiv(forwardOf(BILLION, rate, expiry_ms, began) * (M + terms.basis_max_ppm), M);
    if (forward < lowest || forward > highest) return "forward";
  }
  return undefined;
}
