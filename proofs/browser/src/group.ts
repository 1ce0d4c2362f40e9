import { bls12_381 } from "@noble/curves/bls12-381.js";
import { pippenger } from "@noble/curves/abstract/curve.js";
import { big, type Bytes, join, number } from "./bytes.js";
import { at, CODES, type Code, demand, Refusal } from "./errors.js";

/** Scalars, points and pairings of BLS12-381: encodings of docs/specification/encoding.md. */
export const G1 = bls12_381.G1.Point;
export const G2 = bls12_381.G2.Point;
export type Point1 = InstanceType<typeof G1>;
export type Point2 = InstanceType<typeof G2>;

export const P = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
const Q =
  0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn;

export function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

export function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = mod(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

export const inverse = (value: bigint): bigint => power(value, P - 2n);

/** Inverses of numbers that are not 0, with one inversion. */
export function inverses(values: readonly bigint[]): bigint[] {
  const before: bigint[] = [];
  let product = 1n;
  for (const value of values) {
    before.push(product);
    product = (product * value) % P;
  }
  let rest = inverse(product);
  const out = new Array<bigint>(values.length);
  for (let index = values.length - 1; index >= 0; index--) {
    out[index] = (rest * at(before, index)) % P;
    rest = (rest * at(values, index)) % P;
  }
  return out;
}

export function scalar(bytes: Bytes): bigint {
  const value = number(bytes);
  demand(bytes.length === 32 && value < P, CODES.BAD_SCALAR);
  return value;
}

/** A point of G₁ from its 48 bytes. */
export function point1(bytes: Bytes, code: Code = CODES.BAD_POINT): Point1 {
  checkForm(bytes, 48, code);
  return decoded(() => G1.fromBytes(bytes), code);
}

/** A point of G₂ from its 96 bytes. */
export function point2(bytes: Bytes, code: Code = CODES.BAD_POINT): Point2 {
  checkForm(bytes, 96, code);
  return decoded(() => G2.fromBytes(bytes), code);
}

function checkForm(bytes: Bytes, width: number, code: Code): void {
  demand(bytes.length === width && at(bytes, 0) >> 6 === 0b10, code);
  const x = bytes.slice();
  x[0] = at(x, 0) & 0x1f;
  for (let start = 0; start < width; start += 48) demand(number(x.subarray(start, start + 48)) < Q, code);
}

function decoded<T extends { assertValidity(): void }>(read: () => T, code: Code): T {
  try {
    const point = read();
    point.assertValidity();
    return point;
  } catch {
    throw new Refusal(code);
  }
}

/** 128 bytes: 16 zero bytes, x, 16 zero bytes, y. */
export function padded(point: Point1): Bytes {
  const { x, y } = point.toAffine();
  return join(big(x, 64), big(y, 64));
}

/** A point of G₁ from its 128 bytes. */
export function paddedPoint(bytes: Bytes, code: Code = CODES.BAD_POINT): Point1 {
  const zero = (start: number): boolean => bytes.subarray(start, start + 16).every((byte) => byte === 0);
  const [x, y] = [number(bytes.subarray(16, 64)), number(bytes.subarray(80, 128))];
  demand(bytes.length === 128 && zero(0) && zero(64) && x < Q && y < Q && (x !== 0n || y !== 0n), code);
  return decoded(() => G1.fromAffine({ x, y }), code);
}

type Terms<T> = readonly (readonly [T, bigint])[];

/** Terms that count, with scalars below p. */
const counted = <T extends { is0(): boolean }>(terms: Terms<T>): Terms<T> =>
  terms.map(([point, factor]) => [point, mod(factor)] as const).filter(([point, factor]) => factor !== 0n && !point.is0());

/** Σ scalar · point; scalars of any size count modulo p. */
export function sum(terms: Terms<Point1>): Point1 {
  const found = counted(terms);
  return found.length === 0 ? G1.ZERO : pippenger(G1, found.map(([point]) => point), found.map(([, factor]) => factor));
}

/** The same of points of G₂. */
export function sum2(terms: Terms<Point2>): Point2 {
  const found = counted(terms);
  return found.length === 0 ? G2.ZERO : pippenger(G2, found.map(([point]) => point), found.map(([, factor]) => factor));
}

export const TAU_2 = G2.fromHex(
  "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d" +
    "2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e2" +
    "3926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2",
);

/** Whether e(left, right) of all pairs multiply to one. */
export function pairsToOne(pairs: readonly (readonly [Point1, Point2])[]): boolean {
  const finite = pairs.filter(([left, right]) => !left.is0() && !right.is0()).map(([g1, g2]) => ({ g1, g2 }));
  if (finite.length === 0) return true;
  const { Fp12 } = bls12_381.fields;
  return Fp12.eql(bls12_381.pairingBatch(finite), Fp12.ONE);
}

/** Whether e(left, [τ]₂) = e(right, G₂). */
export const opens = (left: Point1, right: Point1): boolean =>
  pairsToOne([
    [left, TAU_2],
    [right.negate(), G2.BASE],
  ]);
