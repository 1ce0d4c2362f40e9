// Build the page into build/served/: types are checked, then files are bundled. Its client is that of client/typescript, its
// verifier that of proofs/browser; both are built before.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "build");
const served = join(out, "served");
mkdirSync(served, { recursive: true });
execFileSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", root], { cwd: root, stdio: "inherit" });
const shared = {
  bundle: true, minify: true, target: "es2022", legalComments: "none", charset: "utf8", absWorkingDir: root,
  jsx: "automatic", jsxImportSource: "preact",
};
await build({ ...shared, entryPoints: ["src/main.tsx"], format: "esm", outfile: join(served, "page.js") });
await build({ ...shared, entryPoints: ["../../proofs/browser/src/worker.ts"], format: "iife", outfile: join(served, "worker.js") });
const style = [join(root, "node_modules", "uplot", "dist", "uPlot.min.css"), join(root, "src", "page.css")];
writeFileSync(join(served, "page.css"), style.map((path) => readFileSync(path, "utf8")).join("\n"));
copyFileSync(join(root, "src", "page.html"), join(served, "page.html"));
