import { part } from "./fields.js";
import { type FileResult, type HistoryVerdict } from "./history.js";
import { movementLines } from "./transition.js";
import { type Check, type Verdict } from "./verdict.js";

/** What the page shows of a verdict. Text is only ever set as text. */
function element(tag: string, name: string, text: string): HTMLElement {
  const out = document.createElement(tag);
  out.className = name;
  out.textContent = text;
  return out;
}

function standing(state: "ok" | "open" | "fail", name: string, detail: string): HTMLElement {
  const out = element("li", state, "");
  out.append(
    element("span", "mark", state === "fail" ? "FAIL" : state),
    " ",
    element("span", "name", name),
    " ",
    element("span", "detail", detail),
  );
  return out;
}

export function line(check: Check): HTMLElement {
  const state = !check.ok ? "fail" : check.complete ? "ok" : "open";
  const out = standing(state, check.name, check.detail);
  if (state === "ok") out.append(element("p", "meaning", check.meaning));
  return out;
}

function list(box: string, id: string, items: readonly string[]): void {
  part(box).hidden = items.length === 0;
  part(id).replaceChildren(...items.map((text) => element("li", "", text)));
}

function begin(outcome: "good" | "part" | "bad", words: string, advice: string): void {
  part("running").hidden = true;
  const box = part("outcome");
  box.className = outcome;
  box.textContent = words;
  part("advice").textContent = advice;
  part("result").hidden = false;
}

/** What stays somebody's word: names and values. */
function words(values: readonly (readonly [string, string])[]): void {
  part("word").hidden = values.length === 0;
  part("attested").replaceChildren(
    ...values.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]),
  );
}

export function show(verdict: Verdict, seconds: number): void {
  const failed = verdict.checks.find(({ ok }) => !ok);
  const open = verdict.checks.filter(({ ok, complete }) => ok && !complete);
  const explained = failed?.code === "" ? "" : ` \`crossclear explain ${failed?.code.slice(0, 5)}\` says what to do.`;
  if (failed !== undefined) begin("bad", "NOT VERIFIED", `Check \`${failed.name}\` failed; trust nothing in this file.${explained}`);
  else if (open.length > 0) begin("part", "VERIFIED IN PART", "No check failed, but this package does not show everything that a package can show.");
  else begin("good", "VERIFIED", "Every check is complete. What they cannot show is named at the end.");
  list("open", "open-list", failed === undefined ? open.map(({ name, detail }) => `${name}: ${detail}`) : []);
  list("found", "found-list", []);
  list("moved", "moved-list", []);
  part("checks").replaceChildren(
    ...verdict.checks.map(line),
    ...verdict.notRun.map((name) => element("li", "not-run", `-- ${name} not run`)),
  );
  part("checks-title").textContent = "Checks";
  part("claim").textContent = verdict.claim;
  list("unproven", "unproven-list", verdict.notProven);
  words(Object.entries(verdict.attested));
  const bytes = verdict.bytes.toLocaleString("en");
  part("foot").textContent = `network ${verdict.network || "unknown"}, ${bytes} bytes, ${seconds.toFixed(3)} s`;
  part("result").focus();
}

const UNTRUSTED = "anchor: network or validator set is nobody's word but the files': anybody may have made them";

const standingOf = ({ ok, linked }: FileResult): "ok" | "open" | "fail" => (!ok ? "fail" : linked ? "ok" : "open");

export function fileLine(result: FileResult): HTMLElement {
  const { name, ok, failed, detail, epoch, height } = result;
  return standing(standingOf(result), name, ok ? `epoch ${epoch}, height ${height}` : `${failed}: ${detail}`);
}

export function showHistory(history: HistoryVerdict, seconds: number): void {
  const found = history.findings.map(({ code, files, detail }) => `${code}: ${detail}; in ${files.join(", ")}`);
  if (history.epochs.length === 0) begin("bad", "NOT VERIFIED", "There is no good package here.");
  else if (!history.ok) begin("bad", "NOT VERIFIED", "See what was found. `crossclear explain CODE` says what it means.");
  else if (history.open.length > 0) begin("part", "VERIFIED IN PART", "Nothing was found, but the packages do not show everything that a package can show.");
  else begin("good", "VERIFIED", "");
  list("open", "open-list", history.ok ? history.open.map((name) => (name === "anchor" ? UNTRUSTED : name)) : []);
  list("found", "found-list", found);
  part("checks-title").textContent = "Packages";
  part("checks").replaceChildren(...history.files.map(fileLine));
  const [first, last] = [history.epochs[0], history.epochs[history.epochs.length - 1]];
  part("claim").textContent = history.ok
    ? `${history.epochs.length} epochs from ${first} to ${last}: every package passes every check, and together they contradict nothing.`
    : "";
  list("moved", "moved-list", history.ok ? movementLines(history.movements) : []);
  list("unproven", "unproven-list", history.ok ? history.notProven : []);
  words(history.ok ? history.files.flatMap(({ name, attested }) => Object.entries(attested).map(([what, value]) => [`${name}: ${what}`, value] as const)) : []);
  part("foot").textContent = `${history.files.length} packages, ${seconds.toFixed(3)} s`;
  part("result").focus();
}
