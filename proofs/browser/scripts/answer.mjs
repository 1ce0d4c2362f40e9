// Answer requests of one line each from standard input, with the CPU time of each: see src/lines.ts.
import { createInterface } from "node:readline";
import { answer } from "../build/lines.js";

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
for await (const line of createInterface({ input: process.stdin })) {
  const before = cpu();
  const verdict = answer(line, cpu);
  process.stdout.write(`${JSON.stringify({ ...JSON.parse(verdict), cpu_seconds: cpu() - before })}\n`);
}
