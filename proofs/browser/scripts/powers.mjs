// Write the powers of τ that a verifier needs, from the ceremony's file, whose SHA-256 is fixed: powers.mjs FILE OUT
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { bls12_381 } from "@noble/curves/bls12-381.js";

const [file, out] = process.argv.slice(2);
const bytes = readFileSync(file);
const digest = createHash("sha256").update(bytes).digest("hex");
if (digest !== "d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7") {
  throw new Error(`not the ceremony's file: ${digest}`);
}
const lines = bytes.toString("ascii").split("\n");
const first = 2 + 4096 + 65; // two counts, Lagrange form, powers in G2
const powers = lines.slice(first, first + 2048 + 2).map((line) => bls12_381.G1.Point.fromHex(line).toHex(false));
if (powers.length !== 2050 || powers.some((power) => power.length !== 192)) throw new Error("the file is cut short");
const text = Buffer.from(powers.join(""), "hex").toString("base64");
writeFileSync(out, `export const POWERS: string =\n  "${text}";\n`);
