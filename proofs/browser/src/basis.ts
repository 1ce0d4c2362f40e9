import { PLACES, PLACES_SIZE } from "../build/places.js";
import { POWERS } from "../build/powers.js";
import { number } from "./bytes.js";
import { at, CODES, demand } from "./errors.js";
import { G1, inverse, inverses, mod, P, type Point1, power, sum } from "./group.js";

/** The ceremony's powers and the domain H of order n: docs/specification/linear-proof.md, "Domain". */

/** Points that the build wrote, decoded when they are first needed. */
class Points {
  private read: Point1[] | undefined;

  /** `text` is in base64: x and y of 48 bytes each. */
  constructor(private readonly text: string) {}

  get all(): Point1[] {
    if (this.read === undefined) {
      const raw = Uint8Array.from(atob(this.text), (character) => character.charCodeAt(0));
      this.read = Array.from({ length: raw.length / 96 }, (_, index) => {
        const start = 96 * index;
        return G1.fromAffine({ x: number(raw.subarray(start, start + 48)), y: number(raw.subarray(start + 48, start + 96)) });
      });
    }
    return this.read;
  }
}

const tau = new Points(POWERS);
/** [L_0], [L_1] and so on of the domain of `PLACES_SIZE`. The build has checked them against the powers. */
const places = new Points(PLACES);

const SIZES = [256, 512, 1024, 2048];

export class Domain {
  readonly omega: bigint;
  readonly elements: bigint[] = [];

  constructor(readonly size: number) {
    demand(SIZES.includes(size), CODES.BAD_LAYOUT, "domain");
    this.omega = power(7n, (P - 1n) / BigInt(size));
    let element = 1n;
    for (let index = 0; index < size; index++) {
      this.elements.push(element);
      element = (element * this.omega) % P;
    }
  }

  /** Z(z) = zⁿ − 1. */
  vanishing(z: bigint): bigint {
    return mod(power(z, BigInt(this.size)) - 1n);
  }

  /** L_i(z) for all i; z is outside H. */
  lagrange(z: bigint): bigint[] {
    const common = (this.vanishing(z) * inverse(BigInt(this.size))) % P;
    const bottom = inverses(this.elements.map((element) => mod(z - element)));
    return this.elements.map((element, index) => (((element * common) % P) * at(bottom, index)) % P);
  }

  /** Coefficients of the polynomial of degree below n with these values on H (missing ones are 0). */
  interpolate(values: ReadonlyMap<number, bigint>): bigint[] {
    const line = new Array<bigint>(this.size).fill(0n);
    for (const [position, value] of values) line[reversed(position, this.size)] = mod(value);
    for (let half = 1; half < this.size; half *= 2) {
      const stride = this.size / (2 * half);
      for (let start = 0; start < this.size; start += 2 * half) {
        for (let index = 0; index < half; index++) {
          // ω^(−stride·index), as the transform is the inverse one.
          const twiddle = at(this.elements, (this.size - stride * index) % this.size);
          const low = at(line, start + index);
          const high = (at(line, start + index + half) * twiddle) % P;
          line[start + index] = (low + high) % P;
          line[start + index + half] = (low - high + P) % P;
        }
      }
    }
    const scale = inverse(BigInt(this.size));
    return line.map((value) => (value * scale) % P);
  }

  /** Terms of Σ values_i · [L_i] + hiding_0 · [Z] + hiding_1 · [X·Z]: one a value at the first places, else over powers of τ. */
  terms(values: ReadonlyMap<number, bigint>, hiding: readonly [bigint, bigint] = [0n, 0n]): (readonly [Point1, bigint])[] {
    const blinders = hiding.flatMap((blinder, index) => [
      [at(tau.all, index), -blinder] as const,
      [at(tau.all, this.size + index), blinder] as const,
    ]);
    const isFirst = this.size === PLACES_SIZE && [...values.keys()].every((place) => place < places.all.length);
    const shown = isFirst
      ? [...values].map(([place, value]) => [at(places.all, place), value] as const)
      : this.interpolate(values).map((coefficient, index) => [at(tau.all, index), coefficient] as const);
    return [...shown, ...blinders];
  }

  commit(values: ReadonlyMap<number, bigint>, hiding: readonly [bigint, bigint] = [0n, 0n]): Point1 {
    return sum(this.terms(values, hiding));
  }
}

function reversed(index: number, size: number): number {
  let out = 0;
  for (let bit = 1; bit < size; bit *= 2) out = out * 2 + (Math.floor(index / bit) & 1);
  return out;
}
