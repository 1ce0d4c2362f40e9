// Write the commitments to one at the first places of the domain of 2,048, [L_0] and so on: places.mjs POINTS POWERS OUT.
// With them a commitment costs a product for each value, and not one for each power of τ.
//
// POINTS is proofs/data/lagrange_2048.bin. Where it comes from does not count: a combination of the points must be the same
// combination of the polynomials at the ceremony's powers. The weights follow from the file, so a point that is another one
// passes with a chance of 2^-128.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { pippenger } from "@noble/curves/abstract/curve.js";

const SIZE = 2048;
const COUNT = 512;
const { Fr } = bls12_381.fields;
const G1 = bls12_381.G1.Point;
const [file, powersFile, out] = process.argv.slice(2);

const number = (bytes) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
function pointsOf(bytes, count) {
  if (bytes.length < 96 * count) throw new Error("the file is cut short");
  return Array.from({ length: count }, (_, index) => {
    const [x, y] = [bytes.subarray(96 * index, 96 * index + 48), bytes.subarray(96 * index + 48, 96 * index + 96)];
    return G1.fromAffine({ x: number(x), y: number(y) });
  });
}

const data = readFileSync(file).subarray(0, 96 * COUNT);
const points = pointsOf(data, COUNT);
for (const point of points) point.assertValidity();
const seed = createHash("sha256").update(data).digest();
const weights = points.map((_, index) => number(createHash("sha256").update(seed).update(`${index}`).digest().subarray(0, 16)));
// Σ w_j·L_j(X) has the coefficients 1/n · Σ w_j·ω^(−ij).
const back = Fr.inv(Fr.pow(7n, (Fr.ORDER - 1n) / BigInt(SIZE)));
const elements = [Fr.ONE];
while (elements.length < SIZE) elements.push(Fr.mul(elements.at(-1), back));
const scale = Fr.inv(BigInt(SIZE));
const coefficients = elements.map((_, i) => Fr.mul(Fr.create(weights.reduce((sum, weight, j) => sum + weight * elements[(i * j) % SIZE], 0n)), scale));
const encoded = readFileSync(powersFile, "ascii").match(/"([^"]+)"/)[1];
const expected = pippenger(G1, pointsOf(Buffer.from(encoded, "base64"), SIZE), coefficients);
if (!pippenger(G1, points, weights).equals(expected)) throw new Error("not the commitments to one at the first places");
writeFileSync(out, `export const PLACES_SIZE = ${SIZE};\nexport const PLACES: string =\n  "${data.toString("base64")}";\n`);
