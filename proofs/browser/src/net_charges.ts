import { ceilDiv, floorDiv } from "./bytes.js";
import { at } from "./errors.js";
import { type BasisMove, CALL, type Instrument, type NetCharge, PUT, type RiskGroup, type Scenario } from "./rulebook.js";
import { type Line, sizeLines } from "./tariff.js";

/** Charges on a group's net amounts: docs/specification/rules.md, "Charges on net amounts". */
const M = 1000000n;
const NANO = 1000000000n;

function scenario(top: bigint, bottom: bigint, direction: bigint, of_index: boolean): Scenario {
  return {
    move_numerator: top, move_denominator: bottom, volatility_direction: direction, weight_ppm: M, of_index,
    skew_linear: 0n, skew_absolute: 0n, volatility_ppm: 0n,
  };
}

export const SENSITIVITY_GRID: readonly Scenario[] = [
  scenario(1n, 100n, 0n, true),
  scenario(-1n, 100n, 0n, true),
  scenario(1n, 1n, 0n, true),
  scenario(0n, 1n, 1n, false),
  scenario(0n, 1n, -1n, false),
];

export interface NetTerms {
  readonly name: string;
  readonly moves: readonly BasisMove[];
  readonly lines: readonly Line[];
}

/** The charges of a group that are on, in order. */
export function netTerms({ charges }: RiskGroup): NetTerms[] {
  const found: NetTerms[] = [];
  if (charges.basis.length > 0) found.push({ name: "basis", moves: charges.basis, lines: [] });
  for (const [name, charge] of [["delta", charges.delta], ["vega", charges.vega]] as const) {
    const lines = netLines(charge);
    if (lines.length > 0) found.push({ name, moves: [], lines });
  }
  return found;
}

function netLines(charge: NetCharge): Line[] {
  const lots = {
    instrument: 0, contingency_ppm: 0n, slippage_ppm: charge.rate_ppm, depth_lots: charge.depth_micros,
    linear_impact_ppm: charge.linear_impact_ppm, root_impact_ppm: charge.root_impact_ppm, sizes_ppm: charge.sizes_ppm,
  };
  return sizeLines(lots, NANO);
}

function scaled(amount: bigint, factor: bigint, whole: bigint): bigint {
  const product = amount * factor;
  return product >= 0n ? ceilDiv(product, whole) : floorDiv(product, whole);
}

function shiftOf({ points, perpetual_ppm }: BasisMove, expiry: bigint, time: bigint): bigint {
  if (expiry === 0n) return perpetual_ppm;
  const tenor = expiry - time;
  const place = points.findIndex(({ tenor_ms }) => tenor <= tenor_ms);
  if (place === 0) return at(points, 0).shift_ppm;
  if (place < 0) return at(points, points.length - 1).shift_ppm;
  const [near, far] = [at(points, place - 1), at(points, place)];
  const rise = (far.shift_ppm - near.shift_ppm) * (tenor - near.tenor_ms);
  return near.shift_ppm + floorDiv(rise, far.tenor_ms - near.tenor_ms);
}

export interface NetRow {
  readonly coefficients: readonly bigint[];
  readonly intercept: bigint;
}

/** Rows of one charge: coefficients of `instruments`, whose values under the grid above are `values`. */
export function netRows(
  { name, moves, lines }: NetTerms, instruments: readonly Instrument[], values: readonly (readonly bigint[])[], time: bigint,
): NetRow[] {
  const sensitivity = instruments.map(({ kind }, j) => {
    const row = at(values, j);
    const option = kind === CALL || kind === PUT;
    if (name === "vega") return option ? ceilDiv(at(row, 4) - at(row, 5), 2n) : 0n;
    return option ? 50n * (at(row, 1) - at(row, 2)) : at(row, 3) - at(row, 0);
  });
  const rows = [
    ...moves.map((move) => ({
      coefficients: sensitivity.map((amount, j) => scaled(amount, shiftOf(move, at(instruments, j).expiry_ms, time), M)),
      intercept: 0n,
    })),
    ...lines.map(({ slope, intercept }) => ({
      coefficients: sensitivity.map((amount) => scaled(amount, slope, NANO)), intercept: floorDiv(intercept, NANO),
    })),
  ];
  return rows.flatMap(({ coefficients, intercept }) => [
    { coefficients, intercept },
    { coefficients: coefficients.map((value) => -value), intercept },
  ]);
}
