import { ceilDiv, larger } from "./bytes.js";
import { type ConcentrationTier, type LotCharge } from "./rulebook.js";

/** Charges on size as lines: docs/specification/rules.md, "Tariff". A line stands for slope · size − intercept. */
export interface Line {
  readonly slope: bigint;
  readonly intercept: bigint;
}

const M = 1000000n;

/** The smallest integer whose square is not less. */
export function rootUp(value: bigint): bigint {
  if (value <= 0n) return 0n;
  let x = 1n << BigInt(Math.ceil(value.toString(2).length / 2) + 1);
  for (;;) {
    const next = (x + value / x) >> 1n;
    if (next >= x) break;
    x = next;
  }
  return x * x < value ? x + 1n : x;
}

function impact(charge: LotCharge, notional: bigint, q: bigint): bigint {
  if (q === 0n) return 0n;
  const linear = ceilDiv(charge.linear_impact_ppm * M * q, charge.depth_lots);
  const root = rootUp(ceilDiv((charge.root_impact_ppm * M) ** 2n * q, charge.depth_lots));
  return ceilDiv(notional * q * (linear + root), M * M);
}

function linesOf(points: readonly (readonly [bigint, bigint])[]): Line[] {
  const lines: Line[] = [];
  let reached = 0n;
  points.forEach(([size, slope], index) => {
    const before = points[index - 1];
    if (before !== undefined) reached += before[1] * (size - before[0]);
    if (slope !== 0n) lines.push({ slope, intercept: slope * size - reached });
  });
  return lines;
}

export function chargeLines(charge: LotCharge, notional: bigint): Line[] {
  if (charge.depth_lots === 0n || (charge.linear_impact_ppm === 0n && charge.root_impact_ppm === 0n)) return [];
  const points: [bigint, bigint][] = [];
  let [start, reached, slope] = [0n, 0n, 0n];
  for (const z of charge.sizes_ppm) {
    const end = ceilDiv(charge.depth_lots * z, M);
    if (end <= start) continue;
    slope = larger(slope, ceilDiv(impact(charge, notional, end) - reached, end - start));
    points.push([start, slope]);
    reached += slope * (end - start);
    start = end;
  }
  return linesOf(points);
}

export const lotRate = (charge: LotCharge, notional: bigint): bigint =>
  ceilDiv(notional * (charge.contingency_ppm + charge.slippage_ppm), M);

export function sizeLines(charge: LotCharge | undefined, notional: bigint): Line[] {
  if (charge === undefined) return [];
  const rate = lotRate(charge, notional);
  const lines = chargeLines(charge, notional);
  if (lines.length > 0) return lines.map(({ slope, intercept }) => ({ slope: slope + rate, intercept }));
  return rate === 0n ? [] : [{ slope: rate, intercept: 0n }];
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

/** (whole, scale): the worst `whole` losses are averaged, each scenario coming `scale` times its count. */
export function averaged(tail: bigint, part: bigint): [bigint, bigint] {
  const common = gcd(part, M);
  return [tail * (M / common) + part / common, M / common];
}

export function concentrationLines(tiers: readonly ConcentrationTier[], unitValue: bigint): Line[] {
  let share = 0n;
  return linesOf(
    tiers.map(({ above_units, haircut_ppm }) => {
      share += haircut_ppm;
      return [above_units, ceilDiv(unitValue * share, M)] as const;
    }),
  );
}
