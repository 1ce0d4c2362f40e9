import { fromHex } from "./bytes.js";
import { type OwnAccount } from "./inclusion.js";
import { type Check, MEANINGS, type Verdict } from "./verdict.js";
import { type Ask, type Tell } from "./worker.js";

/** The page: it reads files and fields, and shows what its worker tells. Text is only ever set as text. */
function part<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page lacks ${id}`);
  return found as E;
}

const field = (id: string): string => part<HTMLInputElement>(id).value.trim();

class Wrong extends Error {}

const source = URL.createObjectURL(new Blob([part("worker").textContent ?? ""], { type: "text/javascript" }));
let worker: Worker | undefined;
let dropped: File | undefined;

function ask(message: Ask): void {
  worker?.terminate();
  worker = new Worker(source);
  worker.onmessage = ({ data }: MessageEvent<Tell>) => hear(data);
  worker.onerror = (event) => problem(`The check stopped: ${event.message}`);
  worker.postMessage(message);
}

function problem(text: string): void {
  part("problem").textContent = text;
  if (text !== "") part("running").hidden = true;
}

function bytesOf(id: string, name: string, length: number): Uint8Array | undefined {
  const text = field(id);
  if (text === "") return undefined;
  const bytes = fromHex(text);
  if (bytes?.length !== length) throw new Wrong(`${name} has ${2 * length} hexadecimal digits.`);
  return bytes;
}

function numberOf(id: string, name: string): bigint | undefined {
  const text = field(id);
  if (text === "") return undefined;
  if (!/^\d{1,19}$/.test(text)) throw new Wrong(`${name} is a whole number.`);
  return BigInt(text);
}

function holdings(): Map<string, bigint> {
  const text = field("holdings");
  const lines = text.startsWith("{")
    ? text.replace(/^\{|\}$/g, "").split(/,|\n/).map((line) => line.replace(/^\s*"(.*)"\s*:\s*"?(-?\d+)"?\s*$/, "$1 $2"))
    : text.split("\n");
  const out = new Map<string, bigint>();
  for (const line of lines.map((each) => each.trim()).filter((each) => each !== "")) {
    const found = /^(.+?)[\s:=]+(-?\d{1,20})$/.exec(line);
    if (found?.[1] === undefined || found[2] === undefined) throw new Wrong(`This line of holdings has no amount: ${line}`);
    if (out.has(found[1])) throw new Wrong(`Holdings name ${found[1]} twice.`);
    out.set(found[1], BigInt(found[2]));
  }
  return out;
}

function ownAccount(): OwnAccount | undefined {
  const account = numberOf("account", "The account number");
  if (account === undefined) {
    if (field("seed") !== "" || field("holdings") !== "") throw new Wrong("Give the number of your account.");
    return undefined;
  }
  const seed = bytesOf("seed", "The seed", 32);
  const owner = bytesOf("owner", "The owner's address", 20);
  if (seed === undefined || owner === undefined) throw new Wrong("Your account needs its seed and its owner's address.");
  return { account, owner, seed, holdings: holdings() };
}

function maxAge(): bigint | "any" {
  const text = field("age");
  if (text === "") return "any";
  if (!/^\d{1,7}(\.\d{1,3})?$/.test(text)) throw new Wrong("The largest age is a number of hours.");
  return BigInt(Math.round(Number(text) * 3600000));
}

async function start(): Promise<void> {
  problem("");
  try {
    const file = dropped ?? part<HTMLInputElement>("file").files?.[0];
    if (file === undefined) throw new Wrong("Choose a package first.");
    if (file.size > 1 << 26) throw new Wrong("A package has at most 67,108,864 bytes.");
    const message: Ask = {
      kind: "verify",
      file: await file.arrayBuffer(),
      network: bytesOf("network", "The network's id", 32),
      validatorsHash: bytesOf("validators", "The hash of the validator set", 32),
      freshness: { now: BigInt(Date.now()), maxAge: maxAge(), minHeight: numberOf("height", "The least height") },
      own: ownAccount(),
    };
    part("result").hidden = true;
    part("running").hidden = false;
    part("checks").replaceChildren();
    ask(message);
  } catch (error) {
    problem(error instanceof Wrong ? error.message : "The file cannot be read.");
  }
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
  } else if (tell.kind === "verdict") show(tell.verdict, tell.seconds);
  else if (tell.kind === "refused") problem(tell.why);
  else {
    for (const name of ["account", "owner", "seed", "holdings"] as const) part<HTMLInputElement>(name).value = tell[name];
    part<HTMLDetailsElement>("own").open = true;
  }
}

function element(tag: string, name: string, text: string): HTMLElement {
  const out = document.createElement(tag);
  out.className = name;
  out.textContent = text;
  return out;
}

function line(check: Check): HTMLElement {
  const state = !check.ok ? "fail" : check.complete ? "ok" : "open";
  const out = element("li", state, "");
  out.append(
    element("span", "mark", state === "fail" ? "FAIL" : state),
    " ",
    element("span", "name", check.name),
    " ",
    element("span", "detail", check.detail),
  );
  if (state === "ok") out.append(element("p", "meaning", check.meaning));
  return out;
}

function list(box: string, id: string, items: readonly string[]): void {
  part(box).hidden = items.length === 0;
  part(id).replaceChildren(...items.map((text) => element("li", "", text)));
}

function show(verdict: Verdict, seconds: number): void {
  part("running").hidden = true;
  const result = part("result");
  result.hidden = false;
  const failed = verdict.checks.find(({ ok }) => !ok);
  const open = verdict.checks.filter(({ ok, complete }) => ok && !complete);
  const outcome = part("outcome");
  outcome.className = !verdict.ok ? "bad" : open.length > 0 ? "part" : "good";
  outcome.textContent = !verdict.ok ? "NOT VERIFIED" : open.length > 0 ? "VERIFIED IN PART" : "VERIFIED";
  part("advice").textContent =
    failed !== undefined
      ? `NOT VERIFIED: check \`${failed.name}\` failed; trust nothing in this file.`
      : open.length > 0
        ? "No check failed, but this package does not show everything that a package can show."
        : "";
  list("open", "open-list", open.map(({ name, detail }) => `${name}: ${detail}`));
  part("checks").replaceChildren(
    ...verdict.checks.map(line),
    ...verdict.notRun.map((name) => element("li", "not-run", `-- ${name} not run`)),
  );
  part("claim").textContent = verdict.claim;
  list("unproven", "unproven-list", verdict.notProven);
  const values = Object.entries(verdict.attested);
  part("word").hidden = values.length === 0;
  part("attested").replaceChildren(
    ...values.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]),
  );
  part("foot").textContent = `network ${verdict.network || "unknown"}, ${verdict.bytes} bytes, ${seconds.toFixed(3)} s`;
  result.focus();
}

part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void start();
});
part("file").addEventListener("change", () => (dropped = undefined));
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
  const file = event.dataTransfer?.files[0];
  if (file === undefined) return;
  dropped = file;
  void start();
});
