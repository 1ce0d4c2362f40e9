#!/usr/bin/env node
// Reads the compiler's standard JSON from stdin and writes its answer to stdout: the whole of the JavaScript needed.
// forge takes this file for a compiler: it asks for `--version` before, and passes paths that standard JSON makes needless.
"use strict";
const solc = require("solc");
if (process.argv.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler\nVersion: ${solc.version()}\n`);
} else {
  process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")));
}
