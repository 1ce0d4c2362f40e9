// Judge the vectors of a folder with the built library: vectors.mjs FOLDER; one line of JSON for each file of vectors.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { judgeHistories, judgeSignatures, judgeVectors } from "../build/index.js";

const folder = process.argv[2];
const files = ["good", "bad", "histories"].flatMap((part) =>
  readdirSync(join(folder, part)).filter((name) => name.endsWith(".json")).map((name) => join(part, name)));
const base = (name) => new Uint8Array(readFileSync(join(folder, "good", name)));
for (const file of files.sort()) {
  const content = JSON.parse(readFileSync(join(folder, file), "utf8"));
  if (content.vectors === undefined && content.signatures === undefined) continue; // a trace, or the primitives
  const history = (name) => new Uint8Array(readFileSync(join(folder, "histories", name)));
  const judged = content.vectors === undefined
    ? judgeSignatures(content.signatures)
    : content.format === "crossclear-proof-histories/1" ? judgeHistories(content.vectors, history) : judgeVectors(content.vectors, base);
  process.stdout.write(`${JSON.stringify({ file, judged })}\n`);
}
