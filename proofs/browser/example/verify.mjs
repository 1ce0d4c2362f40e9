// Check a package from a program: node example/verify.mjs FILE [HASH_OF_THE_VALIDATOR_SET]
import { readFileSync } from "node:fs";
import { fromHex, verifyPackage } from "../build/index.js";

const [file, hash] = process.argv.slice(2);
const verdict = verifyPackage(new Uint8Array(readFileSync(file)), hash === undefined ? {} : { validatorsHash: fromHex(hash) });
for (const check of verdict.checks) {
  console.log(!check.ok ? "FAIL" : check.complete ? "ok  " : "open", check.name, check.detail);
}
// Who needs all that a package can show asks for `complete`, not for `ok` alone.
console.log(verdict.complete ? "VERIFIED" : verdict.ok ? "VERIFIED IN PART" : "NOT VERIFIED");
process.exitCode = verdict.complete ? 0 : 6;
