// Bundle the client into build/: build.mjs. Types and routes come from docs/reference.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "build");
mkdirSync(out, { recursive: true });
execFileSync(process.execPath, [
  join(root, "scripts", "generate.mjs"), join(root, "..", "..", "docs", "reference"), join(out, "generated.ts"),
], { stdio: "inherit" });
await build({
  bundle: true, target: "es2022", legalComments: "none", charset: "utf8", absWorkingDir: root,
  entryPoints: ["src/index.ts"], format: "esm", outfile: join(out, "index.js"),
});
execFileSync(process.execPath, [
  join(root, "node_modules", "typescript", "bin", "tsc"), "-p", root, "--noEmit", "false", "--emitDeclarationOnly",
  "--outDir", join(out, "types"),
], { stdio: "inherit" });
