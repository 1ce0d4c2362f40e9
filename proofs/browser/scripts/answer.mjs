// Answer requests of one line each from standard input, with the CPU time of each: see src/lines.ts.
import { createInterface } from "node:readline";
import { answer } from "../build/lines.js";

for await (const line of createInterface({ input: process.stdin })) {
  const before = process.cpuUsage();
  const verdict = answer(line);
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${JSON.stringify({ ...JSON.parse(verdict), cpu_seconds: (user + system) / 1e6 })}\n`);
}
