import { floorDiv, larger, number } from "./bytes.js";
import { at } from "./errors.js";
import { CALL, type ExpiryCarry, type Instrument, PUT, type Rulebook } from "./rulebook.js";

/** Forwards of options, exact: docs/specification/rules.md, "Values", and options.md, "Options on an average". */
export const BILLION = 1000000000n;
const YEAR = 31536000000n;

export function forwardOf(x: bigint, rate: bigint, expiry: bigint, time: bigint): bigint {
  return x + floorDiv(x * rate * larger(expiry - time, 0n), 1000000n * YEAR);
}

/** A forward of x + ⌊x · top / bottom⌋, at least a tick, and the discount's rate in ppm. */
export interface Carry {
  readonly top: bigint;
  readonly bottom: bigint;
  readonly rate: bigint;
}

/** To an expiry off a curve, or at `rate` without one. */
export function carryTo(curve: readonly ExpiryCarry[], expiry: bigint, rate: bigint, time: bigint): Carry {
  const left = expiry - time;
  if (curve.length === 0) return { top: rate * larger(left, 0n), bottom: 1000000n * YEAR, rate };
  const place = curve.findIndex(({ expiry_ms }) => expiry <= expiry_ms);
  const far = at(curve, place < 0 ? curve.length - 1 : place);
  const over = far.forward_ppb - BILLION;
  const off = (top: bigint, of = far.rate_ppm): Carry => ({ top, bottom: BILLION, rate: of });
  if (left <= 0n) return off(0n);
  if (far.expiry_ms === expiry) return off(over);
  if (place <= 0) return off(floorDiv(over * left, larger(far.expiry_ms - time, 1n)));
  const near = at(curve, place - 1);
  const part = (from: bigint, to: bigint): bigint =>
    from + floorDiv((to - from) * (expiry - near.expiry_ms), far.expiry_ms - near.expiry_ms);
  return off(part(near.forward_ppb, far.forward_ppb) - BILLION, part(near.rate_ppm, far.rate_ppm));
}

export const carried = (x: bigint, { top, bottom }: Carry): bigint => larger(x + floorDiv(x * top, bottom), 1n);

/** The forward that a future is marked at: the curve's of its own expiry, else the index carried at `rate`. */
export function futureOf(x: bigint, curve: readonly ExpiryCarry[], expiry: bigint, rate: bigint, time: bigint): bigint {
  return carried(x, carryTo(curve.filter(({ expiry_ms }) => expiry_ms === expiry), expiry, rate, time));
}

/** What is known of the average that an option settles at: the part covered, of the whole. */
export interface Known {
  readonly window: bigint;
  readonly weighted: bigint;
  readonly whole: bigint;
  readonly left: bigint;
}

/** Of each averaged option by its id. */
export function knownAverages({ parameters, instruments, averages }: Rulebook): ReadonlyMap<number, Known> {
  if (!parameters.averaged_options) return new Map();
  const entries = new Map(averages.map((each) => [each.instrument, each]));
  const averaged = ({ kind, averaging_ms }: Instrument): boolean => (kind === CALL || kind === PUT) && averaging_ms > 0n;
  return new Map(instruments.filter(averaged).map(({ id, averaging_ms: window }) => {
    const entry = entries.get(id);
    const covered = entry?.covered_ms ?? 0n;
    const whole = larger(window, covered);
    return [id, { window, weighted: entry === undefined ? 0n : number(entry.weighted_ticks), whole, left: whole - covered }];
  }));
}

/** The settling forward where the index's is `forward`. */
export const settling = (known: Known | undefined, forward: bigint): bigint =>
  known === undefined ? forward : larger(floorDiv(known.weighted + known.left * forward, known.whole), 1n);
