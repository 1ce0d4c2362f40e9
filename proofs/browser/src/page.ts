import { bytesOf, field, freshness, genesisFile, ownAccount, part, Wrong } from "./fields.js";
import { fetchPackage, type Listed, listPackages, nodeAddress, NodeProblem } from "./node.js";
import { line, show, showHistory } from "./results.js";
import { MEANINGS } from "./verdict.js";
import { type Ask, type NamedFile, type Tell } from "./worker.js";

/** The page: it reads files, fields and a node's answers, and shows what its worker tells. */
const source = URL.createObjectURL(new Blob([part("worker").textContent ?? ""], { type: "text/javascript" }));
let worker: Worker | undefined;
/** What is to be checked instead of the field's files: dropped or fetched. */
let given: readonly NamedFile[] | undefined;
let files = 1;
/** What was chosen at a node, if one package of a node is checked. */
let wanted: { readonly epoch: bigint; readonly height: bigint } | undefined;

function ask(message: Ask): void {
  worker?.terminate();
  const own = new Worker(source);
  worker = own;
  // What a worker told before it was ended may still come.
  own.onmessage = ({ data }: MessageEvent<Tell>) => {
    if (worker === own) hear(data);
  };
  own.onerror = (event) => {
    if (worker === own) problem(`The check stopped: ${event.message}`);
  };
  own.postMessage(message);
}

/** What was checked before is no verdict on what is asked for now. */
function forget(): void {
  worker?.terminate();
  worker = undefined;
  part("running").hidden = true;
  part("result").hidden = true;
}

function problem(text: string): void {
  part("problem").textContent = text;
  if (text !== "") forget();
}

const PACKAGE_BYTES_MAX = 1 << 26;
const FILES_MAX = 256;

async function chosenFiles(): Promise<readonly NamedFile[]> {
  const chosen = [...(part<HTMLInputElement>("file").files ?? [])];
  if (given === undefined && chosen.length === 0) throw new Wrong("Choose a package first.");
  return given ?? read(chosen);
}

async function read(chosen: readonly File[]): Promise<NamedFile[]> {
  if (chosen.length > FILES_MAX) throw new Wrong(`At most ${FILES_MAX} packages are compared.`);
  const large = chosen.find(({ size }) => size > PACKAGE_BYTES_MAX);
  if (large !== undefined) throw new Wrong(`A package has at most 67,108,864 bytes: ${large.name} has more.`);
  return Promise.all(chosen.map(async (file) => ({ name: file.name, file: await file.arrayBuffer() })));
}

async function start(): Promise<void> {
  problem("");
  try {
    const chosen = await chosenFiles();
    const trusted = {
      network: bytesOf("network", "The network's id", 32),
      validatorsHash: bytesOf("validators", "The hash of the validator set", 32),
      genesis: await genesisFile(),
    };
    const [only] = chosen;
    const message: Ask = chosen.length > 1 || only === undefined
      ? { kind: "history", files: chosen, freshness: freshness(), ...trusted }
      : { kind: "verify", file: only.file, freshness: freshness(), own: ownAccount(), ...trusted };
    files = chosen.length;
    wanted = files === 1 ? only?.listed : undefined;
    run();
    part("checks").replaceChildren();
    ask(message);
  } catch (error) {
    problem(error instanceof Wrong ? error.message : "The file cannot be read.");
  }
}

function run(): void {
  part("result").hidden = true;
  part("running").hidden = false;
  part("step").textContent = "";
  part<HTMLProgressElement>("progress").value = 0;
}

const ALL = Object.keys(MEANINGS).length;

function hear(tell: Tell): void {
  const bar = part<HTMLProgressElement>("progress");
  const done = part("checks").childElementCount;
  if (tell.kind === "begins") part("step").textContent = `Checking ${tell.name}…`;
  else if (tell.kind === "share") bar.value = (done + tell.share) / ALL;
  else if (tell.kind === "ends") {
    part("checks").append(line(tell.check));
    bar.value = (done + 1) / ALL;
  } else if (tell.kind === "file") {
    part("step").textContent = `Checking ${tell.name}, ${tell.index + 1} of ${files}…`;
    bar.value = tell.index / files;
  } else if (tell.kind === "verdict") {
    const { ok, epoch, height } = tell.verdict;
    // A node with nothing good to show for an epoch or a height could send another one's.
    if (wanted !== undefined && epoch !== "" && epoch !== String(wanted.epoch)) {
      problem(`The node sent the package of epoch ${epoch} in the place of epoch ${wanted.epoch}'s.`);
    } else if (wanted !== undefined && ok && height !== String(wanted.height)) {
      problem(`The node sent the package of height ${height} in the place of height ${wanted.height}'s.`);
    } else show(tell.verdict, tell.seconds);
  }
  else if (tell.kind === "history") showHistory(tell.history, tell.seconds);
  else if (tell.kind === "refused") problem(tell.why);
  else if (tell.kind === "answer") {
    for (const name of ["account", "owner", "seed", "holdings"] as const) part<HTMLInputElement>(name).value = tell[name];
    part<HTMLDetailsElement>("own").open = true;
  }
}

/** What the node listed, by the order of the choice. */
let listed: readonly Listed[] = [];
let asking: AbortController | undefined;

function nodeSays(text: string, wrong = false): void {
  const box = part("node-state");
  box.textContent = text;
  box.className = wrong ? "wrong" : "hint";
}

/** Run one exchange with the node, which can be stopped; the buttons that would start another one wait. */
async function withNode(exchange: (address: string, signal: AbortSignal) => Promise<void>): Promise<void> {
  asking?.abort();
  const own = new AbortController();
  asking = own;
  const busy = (yes: boolean): void => {
    part("stop").hidden = !yes;
    for (const id of ["ask", "fetch", "fetch-all"]) part<HTMLButtonElement>(id).disabled = yes;
  };
  busy(true);
  try {
    await exchange(nodeAddress(field("address")), own.signal);
  } catch (error) {
    nodeSays(error instanceof NodeProblem ? error.message : "The node's answer cannot be read.", true);
  } finally {
    busy(false);
  }
}

const askNode = (): Promise<void> =>
  withNode(async (address, signal) => {
    part("listed").hidden = true;
    nodeSays("Asking for the node's packages…");
    listed = await listPackages(address, signal);
    if (listed.length === 0) {
      nodeSays("This node keeps no package. Each epoch is proven by some of the validators only: ask another node.");
      return;
    }
    part("epochs").replaceChildren(
      ...listed.map(({ epoch, height, bytes }, index) => {
        const option = document.createElement("option");
        option.value = String(index);
        option.textContent = `epoch ${epoch}, height ${height}, ${bytes.toLocaleString("en")} bytes`;
        return option;
      }),
    );
    nodeSays(listed.length === 1 ? "One package." : `${listed.length} packages, the newest first.`);
    part("listed").hidden = false;
    part("fetch-all").hidden = listed.length < 2;
  });

const fetchChosen = (wanted: readonly Listed[]): Promise<void> =>
  withNode(async (address, signal) => {
    forget();
    const out: NamedFile[] = [];
    for (const each of wanted) {
      const at = wanted.length === 1 ? "" : `, ${out.length + 1} of ${wanted.length}`;
      const bytes = await fetchPackage(address, each, signal, (done) => {
        nodeSays(`Fetching epoch ${each.epoch}${at}: ${done.toLocaleString("en")} of ${each.bytes.toLocaleString("en")} bytes…`);
      });
      out.push({ name: `epoch-${each.epoch}.ccp`, file: bytes.buffer as ArrayBuffer, listed: each });
    }
    nodeSays(wanted.length === 1 ? "The package was fetched." : `${wanted.length} packages were fetched.`);
    given = out;
    await start();
  });

part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void start();
});
part("file").addEventListener("change", () => (given = undefined));
// A verdict stands beside the values that it was reached by.
part("form").addEventListener("input", ({ target }) => {
  if (target instanceof Element && target.closest("#node") === null) forget();
});
part("ask").addEventListener("click", () => void askNode());
part("address").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  void askNode();
});
part("fetch").addEventListener("click", () => {
  const chosen = listed[Number(part<HTMLSelectElement>("epochs").value)];
  if (chosen !== undefined) void fetchChosen([chosen]);
});
part("fetch-all").addEventListener("click", () => void fetchChosen(listed.slice(0, FILES_MAX)));
part("stop").addEventListener("click", () => asking?.abort());
part("answer").addEventListener("change", () => {
  const file = part<HTMLInputElement>("answer").files?.[0];
  if (file === undefined || file.size > 1 << 20) return problem(file === undefined ? "" : "An answer has at most 1,048,576 bytes.");
  void file.arrayBuffer().then((bytes) => ask({ kind: "answer", file: bytes }));
});
const drop = part("drop");
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const dropped = [...(event.dataTransfer?.files ?? [])];
  if (dropped.length === 0) return;
  void read(dropped).then(
    (found) => {
      given = found;
      return start();
    },
    (error: unknown) => problem(error instanceof Wrong ? error.message : "The file cannot be read."),
  );
});
