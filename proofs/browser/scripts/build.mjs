// Bundle library, line server and page into build/: build.mjs CEREMONY_FILE. The structures of a genesis
// come from the tables of docs/specification.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "build");
mkdirSync(out, { recursive: true });
const powers = join(out, "powers.ts");
if (!existsSync(powers)) execFileSync(process.execPath, [join(root, "scripts", "powers.mjs"), process.argv[2], powers]);
const places = join(out, "places.ts");
if (!existsSync(places)) {
  const points = join(root, "..", "data", "lagrange_2048.bin");
  execFileSync(process.execPath, [join(root, "scripts", "places.mjs"), points, powers, places]);
}
execFileSync(process.execPath, [
  join(root, "scripts", "tables.mjs"), join(root, "..", "..", "docs", "specification"), join(out, "structures.ts"),
]);

const shared = { bundle: true, target: "es2022", legalComments: "none", charset: "utf8", absWorkingDir: root };
for (const entry of ["index", "lines"]) {
  await build({ ...shared, entryPoints: [`src/${entry}.ts`], format: "esm", outfile: join(out, `${entry}.js`) });
}
execFileSync(process.execPath, [
  join(root, "node_modules", "typescript", "bin", "tsc"), "-p", root, "--noEmit", "false", "--emitDeclarationOnly",
  "--outDir", join(out, "types"),
], { stdio: "inherit" });
const bundle = async (entry) => {
  const done = await build({ ...shared, entryPoints: [entry], format: "iife", minify: true, write: false });
  return done.outputFiles[0].text.replaceAll("</script", "<\\/script");
};
const worker = await bundle("src/worker.ts");
const page = await bundle("src/page.ts");
const style = readFileSync(join(root, "src", "page.css"), "utf8");
const allowed = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
// A worker that a blob URL starts inherits this policy; it needs no script of its own but the blob.
const policy = [
  "default-src 'none'", `script-src ${allowed(page)}`, `style-src ${allowed(style)}`, "worker-src blob:", "connect-src http: https:",
  "base-uri 'none'", "form-action 'none'",
].join("; ");
const html = readFileSync(join(root, "src", "page.html"), "utf8")
  .replace("@POLICY@", () => policy)
  .replace("@STYLE@", () => style)
  .replace("@WORKER@", () => worker)
  .replace("@SCRIPT@", () => page);
writeFileSync(join(out, "verifier.html"), html);
