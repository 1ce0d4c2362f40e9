// Answer requests of one line each from standard input: see src/lines.ts.
import { createInterface } from "node:readline";
import { answer } from "../build/lines.js";

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${answer(line)}\n`);
}
