// Reads one request in the compiler's standard JSON from each line of stdin and writes its answer as one line: the compiler
// is loaded once, and is warm from the second request on.
"use strict";
const solc = require(process.argv[2]);
const lines = require("readline").createInterface({ input: process.stdin, crlfDelay: Infinity });
lines.on("line", (request) => process.stdout.write(solc.compile(request) + "\n"));
