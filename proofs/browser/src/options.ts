import { ceilDiv, floorDiv, larger, smaller } from "./bytes.js";
import { type Carry, carried, carryTo, type Known, settling } from "./carry.js";
import { at } from "./errors.js";
import { CALL, type Instrument, type RiskGroup, type Scenario, type VolPillar } from "./rulebook.js";

/** Values of options in binary64, operation by operation: docs/specification/options.md. JavaScript's numbers are binary64
 * with each operation rounded on its own, and it never fuses a multiplication with an addition. */
const PPM = 1000000;
const YEAR = 31536000000;
const REFERENCE = 2592000000n;
const LOG2_E = 1.4426950408889634;
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const SQRT_HALF = 0.7071067811865476;
const SQRT_TWO = 1.4142135623730951;
const INVERSE_SQRT_TWO_PI = 0.3989422804014327;
const INVERSE_SQRT_THREE = 0.5773502691896258;

const EXP = [
  1.0, 1.0, 0.5, 0.16666666666666666, 0.041666666666666664, 0.008333333333333333, 0.001388888888888889,
  0.0001984126984126984, 2.48015873015873e-5, 2.7557319223985893e-6, 2.755731922398589e-7, 2.505210838544172e-8,
  2.08767569878681e-9, 1.6059043836821613e-10,
];
const ATANH = [
  1.0, 0.3333333333333333, 0.2, 0.14285714285714285, 0.1111111111111111, 0.09090909090909091, 0.07692307692307693,
  0.06666666666666667, 0.058823529411764705, 0.05263157894736842, 0.047619047619047616, 0.043478260869565216,
];
const MILLS = [
  1.1832619145678034, -0.2423996705218074, 0.035091880234748005, 0.07169048120136096, -0.0807080096790523,
  0.04495912907942534, -0.01253910362039814, -0.0007159509389343426, 0.001741848773732585, -0.0002367014896228787,
  -0.0002202155756957516, 5.326563960096377e-5, 3.415881433183821e-5, -8.60188663234564e-6, -6.5533544552582505e-6,
  1.010149243524485e-6, 1.390762707984928e-6, 1.0633980470022923e-8, -2.869299965207942e-7, -5.844326186367925e-8,
  5.077844122332048e-8, 2.2205063936815332e-8, -6.5624402369464745e-9, -4.779664948926488e-9, 4.480233382099169e-10,
  4.934984427261487e-10,
];

/** The nearest integer, ties to even. */
export function round(x: number): bigint {
  const floor = Math.floor(x);
  const part = x - floor;
  const up = part > 0.5 || (part === 0.5 && floor % 2 !== 0);
  return BigInt(up ? floor + 1 : floor);
}

function poly(coefficients: readonly number[], x: number): number {
  let value = at(coefficients, coefficients.length - 1);
  for (let index = coefficients.length - 2; index >= 0; index--) value = value * x + at(coefficients, index);
  return value;
}

/** m·2^e, exact: |e| is at most about 1100, so it is done in two steps that do not round for normal results. */
function ldexp(m: number, e: number): number {
  const half = Math.trunc(e / 2);
  return m * 2 ** half * 2 ** (e - half);
}

function frexp(x: number): [number, number] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = (view.getUint16(0) >> 4) & 0x7ff;
  if (bits === 0) {
    const [m, e] = frexp(x * 2 ** 64);
    return [m, e - 64];
  }
  const e = bits - 1022;
  return [ldexp(x, -e), e];
}

export function exp(x: number): number {
  if (x < -700.0) return 0.0;
  const least = x < 700.0 ? x : 700.0;
  const k = Math.floor(least * LOG2_E + 0.5);
  const r = least - k * LN2_HIGH - k * LN2_LOW;
  return ldexp(poly(EXP, r), k);
}

const twiceAtanh = (s: number): number => 2.0 * s * poly(ATANH, s * s);

function logRatio(h: number, l: number): number {
  const q = h / l;
  if (q < SQRT_TWO) return twiceAtanh((h - l) / (h + l));
  let [m, e] = frexp(q);
  if (m < SQRT_HALF) {
    m = m * 2.0;
    e = e - 1;
  }
  return e * LN2_HIGH + (e * LN2_LOW + twiceAtanh((m - 1.0) / (m + 1.0)));
}

const log = (x: number): number => (x >= 1.0 ? logRatio(x, 1.0) : -logRatio(1.0, x));

function mills(x: number): number {
  const t = (x - 4.0) / (x + 4.0);
  return poly(MILLS, t) / (1.0 + x);
}

const density = (x: number): number => INVERSE_SQRT_TWO_PI * exp(-0.5 * (x * x));

export function timeValue(forward: number, strike: number, v: number): number {
  if (v <= 0.0) return 0.0;
  const l = Math.min(forward, strike);
  const h = Math.max(forward, strike);
  const m = logRatio(h, l) / v;
  const half = 0.5 * v;
  const a = half - m;
  const b = half + m;
  const d = density(a);
  if (v < 0.001) {
    const M = mills(m);
    const M1 = m * M - 1.0;
    const M3 = 2.0 * M1 + m * (M + m * M1);
    return l * (d * (-v * (M1 + ((v * v) / 24.0) * M3)));
  }
  const near = mills(Math.abs(a));
  const far = mills(b);
  return a > 0.0 ? l * (1.0 - d * (near + far)) : l * (d * (near - far));
}

interface Smile {
  readonly years: number;
  readonly w: number;
  readonly open: number;
  readonly tilt: number;
}

function pillarSmile(pillar: VolPillar, vol: bigint, tenor: bigint): Smile {
  const years = Number(tenor) / YEAR;
  const level = (Number(vol) / PPM) * (Number(pillar.level_ppm) / PPM);
  const w = level * level * years;
  const open = (Number(pillar.wing_ppm) / PPM) * Math.sqrt(w);
  const tilt = (Number(pillar.skew_ppm) / PPM) * open;
  return { years, w, open, tilt };
}

function smile(pillars: readonly VolPillar[], vol: bigint, tenor: bigint): Smile {
  const place = pillars.findIndex(({ tenor_ms }) => tenor <= tenor_ms);
  if (place <= 0) return pillarSmile(at(pillars, place === 0 ? 0 : pillars.length - 1), vol, tenor);
  const near = at(pillars, place - 1);
  const far = at(pillars, place);
  const low = pillarSmile(near, vol, near.tenor_ms);
  const high = pillarSmile(far, vol, far.tenor_ms);
  const part = Number(tenor - near.tenor_ms) / Number(far.tenor_ms - near.tenor_ms);
  return {
    years: Number(tenor) / YEAR,
    w: low.w + part * (high.w - low.w),
    open: low.open + part * (high.open - low.open),
    tilt: low.tilt + part * (high.tilt - low.tilt),
  };
}

const bounded = (x: bigint): bigint => smaller(larger(x, 10000n), 1000000000n);

/** One option at one index: its volatilities and its row. */
export class OptionRow {
  private readonly carry: Carry;
  private readonly tenor: bigint;
  private readonly years: number;
  private readonly k: number;
  private readonly vol: bigint;

  constructor(
    private readonly option: Instrument,
    private readonly group: RiskGroup,
    rate: bigint,
    time: bigint,
    private readonly index: bigint,
    private readonly known: Known | undefined,
  ) {
    this.carry = carryTo(group.curve, option.expiry_ms, rate, time);
    const forward = settling(known, carried(index, this.carry));
    this.tenor = option.expiry_ms - time;
    this.years = Number(larger(this.tenor, 0n)) / YEAR;
    const [f, k] = [Number(forward), Number(option.strike_ticks)];
    this.k = k >= f ? logRatio(k, f) : -logRatio(f, k);
    this.vol = this.volatility();
  }

  private value(x: bigint, vol: bigint): bigint {
    const { option, carry } = this;
    const forward = carried(x, carry);
    const f = Number(settling(this.known, forward));
    const k = Number(option.strike_ticks);
    const disc = 1.0 / Math.max(1.0 + (Number(carry.rate) / PPM) * this.years, 0.5);
    const v = (Number(larger(vol, 10000n)) / PPM) * this.averaged(forward) * Math.sqrt(Math.max(this.years, 0.0));
    const inner = option.kind === CALL ? Math.max(f - k, 0.0) : Math.max(k - f, 0.0);
    const value = disc * (inner + timeValue(f, k, v));
    return round(value * Number(option.micros_per_tick));
  }

  /** The deviation of the average over that of the index. */
  private averaged(forward: bigint): number {
    const { known, tenor } = this;
    if (known === undefined || tenor <= 0n) return 1.0;
    if (tenor >= known.window) return Math.sqrt(Number(3n * tenor - 2n * known.window) / Number(3n * tenor));
    return (Number(known.left * forward) / Number(known.whole * settling(known, forward))) * INVERSE_SQRT_THREE;
  }

  private volatility(): bigint {
    const { surface, volatility_ppm: vol } = this.group;
    if (surface.length === 0 || this.tenor <= 0n) return vol;
    const { years, w, open, tilt } = smile(surface, vol, this.tenor);
    const reach = open * this.k;
    const lean = tilt * this.k;
    const root = Math.sqrt(Math.max(reach * reach + 2.0 * lean * w + w * w, 0.0));
    const variance = Math.max(0.5 * (w + lean + root), 0.0);
    return bounded(round(Math.sqrt(variance / years) * PPM));
  }

  private deviations(): number {
    if (this.tenor <= 0n) return 0.0;
    const flat = { tenor_ms: REFERENCE, level_ppm: 1000000n, skew_ppm: 0n, wing_ppm: 0n };
    const surface = this.group.surface.length === 0 ? [flat] : this.group.surface;
    return this.k / Math.sqrt(smile(surface, this.group.volatility_ppm, this.tenor).w);
  }

  private factor(): bigint {
    const { shock } = this.group;
    const tenor = larger(this.tenor, shock.tenor_min_ms);
    const power = tenor <= REFERENCE ? shock.short_power_ppm : shock.long_power_ppm;
    if (power === 0n) return 1000000n;
    return round(exp((Number(power) / PPM) * log(Number(REFERENCE) / Number(tenor))) * PPM);
  }

  /** How far volatility moves for a stated relative move. */
  private stated(relative: bigint): bigint {
    if (relative === 0n) return 0n;
    const limit = 1000000000n;
    const base = smaller(ceilDiv((relative < 0n ? -relative : relative) * this.vol, 1000000n), limit);
    const size = smaller(ceilDiv(base * this.factor(), 1000000n), limit);
    return relative > 0n ? size : -size;
  }

  /** Value of the position, then the value in each scenario of the grid. */
  row(grid: readonly Scenario[], shocked: (scenario: Scenario) => bigint): bigint[] {
    const million = 1000000n;
    const { shock, volatility_range_ppm: range } = this.group;
    const base = shock.relative ? ceilDiv(range * this.vol, million) : range;
    const up = smaller(ceilDiv(smaller(base, 1000000000n) * this.factor(), million), 1000000000n);
    const down = ceilDiv(up * shock.down_ppm, million);
    const width = Number(shock.skew_width_ppm) / PPM;
    const z = Math.min(Math.max(this.deviations() / width, -1.0), 1.0);
    const linear = round(z * Number(shock.skew_linear_ppm));
    const absolute = round(Math.abs(z) * Number(shock.skew_absolute_ppm));
    const now = this.value(this.index, this.vol);
    const values = grid.map((scenario) => {
      let moved = this.vol + this.stated(scenario.volatility_ppm);
      if (scenario.volatility_direction === 1n) moved = larger(this.vol + up, shock.up_floor_ppm);
      if (scenario.volatility_direction === -1n) moved = this.vol - down;
      const share = million + scenario.skew_linear * linear + scenario.skew_absolute * absolute;
      const vol = bounded(floorDiv(bounded(moved) * share, million));
      const full = this.value(shocked(scenario), vol);
      return now + floorDiv((full - now) * scenario.weight_ppm, million);
    });
    return [now, ...values];
  }
}
