// Write the structures that the tables of docs/specification define: tables.mjs FOLDER OUT. So the tables are executed.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, out] = process.argv.slice(2);
const structures = {};
const numbers = {};
for (const page of readdirSync(folder).filter((name) => name.endsWith(".md")).sort()) {
  const text = readFileSync(join(folder, page), "utf8");
  for (const [, kind, name, table] of text.matchAll(/<!-- table: (structure|numbers) (\w+) -->\n(.*?)<!-- end -->/gs)) {
    const rows = table.trim().split("\n").slice(2).map((row) => row.split("|").map((cell) => cell.trim()));
    if (kind === "structure") structures[name] = rows.map(([, , field, type, fallback]) => [field.replaceAll("`", ""), type, fallback]);
    else numbers[name] = rows.map(([, number]) => Number(number));
  }
}
if (structures.Genesis === undefined) throw new Error(`${folder} has no table of the structure Genesis`);
writeFileSync(out, `/** Of each structure its fields: name, type and default, as the tables of docs/specification name them. */
export const STRUCTURES: Readonly<Record<string, readonly (readonly [string, string, string])[]>> = ${JSON.stringify(structures, null, 1)};
/** Of each enumeration its numbers. */
export const NUMBERS: Readonly<Record<string, readonly number[]>> = ${JSON.stringify(numbers)};
`);
