// Reads the compiler's standard JSON from stdin and writes its answer to stdout: the whole of the JavaScript needed.
"use strict";
const solc = require("solc");
process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")));
