// Drive the page in a real browser: drive.mjs CHROMIUM. Each line of standard input is a node's address and a list of scenes
// in JSON; for each a line of standard output has the list of what its scenes showed. Until the input ends, the browser stays.
// Each scene has a profile of its own. A scene is a list of steps, such as ["click", "#start"] or ["text", "#claim"].
import { gzipSync } from "node:zlib";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { fromHex, hex, Key } from "../../../client/typescript/build/index.js";

const [program] = process.argv.slice(2);
const axe = readFileSync(join(dirname(dirname(fileURLToPath(import.meta.url))), "node_modules", "axe-core", "axe.min.js"), "utf8");
/** Each tab's questions that are not answered yet; a stream is none. */
const UNDER_WAY = new WeakMap();
/** Lets the answers come that a scene holds. */
const RELEASE = new WeakMap();
/** A step that waits ends by what it waits for, on a busy machine too. */
const LONG_MS = 300_000;
/** More stops than a view has: then the keyboard goes round without reaching the place. */
const STOPS_MAX = 500;
/** Where the keyboard is: whether at a place, whether that is seen, and what it is. The body is no stop. */
const keyboardAt = (tab, place) => tab.evaluate((wanted) => {
  const at = document.activeElement ?? document.body;
  const { outlineStyle, outlineWidth } = getComputedStyle(at);
  const { width, height, top, bottom, left, right } = at.getBoundingClientRect();
  const ringed = at.matches(":focus-visible") && outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
  const inSight = width > 0 && height > 0 && bottom > 0 && top < innerHeight && right > 0 && left < innerWidth;
  return { there: at.matches(wanted), seen: ringed && inSight, isStop: at !== document.body, name: at.id || at.textContent, what: at.outerHTML.slice(0, 200) };
}, place);
/** One step in the tab; what it returns is noted. */
const STEPS = {
  open: (tab, _, path) => tab.goto(path),
  click: (tab, _, place) => tab.locator(place).first().click(),
  fill: (tab, _, place, text) => tab.locator(place).fill(text),
  choose: (tab, _, place, value) => tab.locator(place).selectOption(value),
  files: (tab, _, place, path) => tab.locator(place).setInputFiles(path),
  save: (tab, _, place) => Promise.all([tab.waitForEvent("download"), tab.locator(place).first().click()]).then(async ([file]) => readFileSync(await file.path(), "utf8")),
  press: (tab, _, keys) => keys.split(" ").reduce((before, key) => before.then(() => tab.keyboard.press(key)), Promise.resolve()),
  type: (tab, _, text) => tab.keyboard.type(text),
  /** Press Tab, or another key, until the keyboard is at a place; the stops up to there at which nobody sees it. */
  reach: async (tab, _, place, key = "Tab") => {
    const unseen = [];
    for (let left = STOPS_MAX; left > 0; left -= 1) {
      await tab.keyboard.press(key);
      const { there, seen, isStop, what } = await keyboardAt(tab, place);
      if (isStop && !seen) unseen.push(what);
      if (there) return unseen;
    }
    throw new Error(`${key} does not reach ${place}`);
  },
  /** What the keyboard is at, and whether that is seen. */
  keyboard: (tab) => keyboardAt(tab, "body").then(({ name, seen }) => [name, seen]),
  see: (tab, _, place, text) => tab.locator(place).filter({ hasText: new RegExp(text, "u") }).first().waitFor(),
  text: (tab, _, place) => tab.locator(place).first().innerText(),
  attribute: (tab, _, place, name) => tab.locator(place).first().getAttribute(name),
  value: (tab, _, place) => tab.locator(place).first().inputValue(),
  count: (tab, _, place) => tab.locator(place).count(),
  focused: (tab) => tab.evaluate(() => document.activeElement?.textContent ?? ""),
  evaluate: (tab, _, code) => tab.evaluate(code),
  width: (tab) => tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
  paint: (tab) => tab.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime),
  release: (tab) => RELEASE.get(tab)(),
  /** Until a condition holds in the page. */
  until: async (tab, _, code) => {
    while (!(await tab.evaluate(code))) await tab.waitForTimeout(50);
  },
  offline: (_, context, on) => context.setOffline(on),
  /** Something outside the browser happens: asked of the test, not by the tab. */
  call: async (_tab, _context, url) => {
    const answer = await fetch(url, { method: "POST" });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  },
  wait: (tab, _, ms) => tab.waitForTimeout(ms),
  /** Until all questions are answered and drawn, and no other came for a while. */
  settle: async (tab) => {
    for (let quiet = 0; quiet < 5; quiet = UNDER_WAY.get(tab).size === 0 ? quiet + 1 : 0) await tab.waitForTimeout(50);
  },
  /** So much time is gone for the page, whose timers ring, once each. For scenes with a clock of their own. */
  pass: (tab, _, ms) => tab.clock.fastForward(ms),
  /** The whole page, or so much of its beginning. */
  screenshot: (tab, _, path, height) => tab.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollHeight]).then(([width, whole]) =>
    tab.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width, height: Math.min(whole, height ?? whole) } })).then(() => path),
  memory: async (tab) => {
    await tab.evaluate(() => globalThis.gc?.());
    return tab.evaluate(() => performance.memory.usedJSHeapSize);
  },
  axe: (tab, context) => check(tab, context),
};

/**
 * First answers come late: for the beginning of a path the milliseconds of each, such as { "/v1/state": [2000] }. One that is "lost" never
 * comes, and of one that is "cut" a half, although the node did what it was asked. One that is "held" comes at the step "release".
 */
async function answerLate(context, late, released) {
  const left = Object.entries(late).map(([begin, waits]) => [begin, [...waits]]);
  await context.route(({ pathname }) => left.some(([begin]) => pathname.startsWith(begin)), async (route) => {
    const { pathname } = new URL(route.request().url());
    const [, waits] = left.find(([begin]) => pathname.startsWith(begin));
    const wait = waits.shift() ?? 0;
    if (wait === "lost") return route.fetch().then(() => route.abort());
    if (wait === "cut") return route.fetch().then((response) => response.text().then((text) => route.fulfill({ response, body: text.slice(0, text.length / 2) })));
    await (wait === "held" ? released : new Promise((resume) => setTimeout(resume, wait)));
    await route.continue().catch(() => {}); // the scene is over
  });
}

/** Accessibility by axe-core, injected past the page's own policy by the debugger. */
async function check(tab, context) {
  const session = await context.newCDPSession(tab);
  await session.send("Runtime.evaluate", { expression: axe });
  const { result } = await session.send("Runtime.evaluate", {
    expression: "axe.run().then(({ violations }) => JSON.stringify(violations.map(({ id, impact, nodes }) => ({ id, impact, places: nodes.map(({ html }) => html.slice(0, 200)) }))))",
    awaitPromise: true, returnByValue: true,
  });
  return JSON.parse(result.value);
}

/** A wallet of the browser that agrees to everything: the chains are devnets', which act for any account. */
async function giveWallet(tab, { address: own, chains }) {
  let url = Object.values(chains)[0];
  const rpc = async (method, params) => {
    const asked = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) };
    const { result, error } = await (await fetch(url, asked)).json();
    if (error !== undefined) throw new Error(error.message);
    return result ?? null;
  };
  await tab.exposeFunction("askWallet", async ({ method, params }) => {
    if (method === "eth_requestAccounts") return [own];
    if (method === "wallet_switchEthereumChain") return void (url = chains[Number(params[0].chainId)]);
    if (method === "eth_sendTransaction") await rpc("anvil_impersonateAccount", [own]);
    return rpc(method, params);
  });
  await tab.addInitScript("window.ethereum = { request: (asked) => window.askWallet(asked) }");
}

/**
 * A wallet of the browser with a key, which signs typed data. What is of a kind in `holds` it signs at the step "release". The kinds of
 * what it was asked for and has signed are in `ethereum.asked` and `ethereum.signed`.
 */
async function giveKey(tab, { key, holds = [] }, released) {
  const own = new Key(key);
  await tab.exposeFunction("askWallet", async ({ method, params }) => {
    if (method === "eth_requestAccounts") return [`0x${hex(own.address)}`];
    if (method !== "eth_signTypedData_v4") throw new Error(`this wallet knows no ${method}`);
    const { types, primaryType, domain, message } = JSON.parse(params[1]);
    const fields = types[primaryType];
    const values = fields.map(({ name, type }) => (type === "bool" ? message[name] : type.startsWith("uint") ? BigInt(message[name]) : fromHex(message[name])));
    if (holds.includes(primaryType)) await released;
    const declaration = `${primaryType}(${fields.map(({ name, type }) => `${type} ${name}`).join(",")})`;
    return `0x${hex(await own.sign(fromHex(domain.salt), declaration, values))}`;
  });
  await tab.addInitScript(`window.ethereum = {
    asked: [],
    signed: [],
    async request(asked) {
      const kind = asked.method === "eth_signTypedData_v4" ? JSON.parse(asked.params[1]).primaryType : asked.method;
      this.asked.push(kind);
      const answer = await window.askWallet(asked);
      this.signed.push(kind);
      return answer;
    },
  }`);
}

async function play(address, scene) {
  const context = await browser.newContext({
    baseURL: address, viewport: scene.viewport ?? { width: 1200, height: 900 }, colorScheme: scene.dark ? "dark" : "light", locale: scene.locale ?? "en-US",
  });
  context.setDefaultTimeout(LONG_MS);
  const { promise: released, resolve: release } = Promise.withResolvers();
  if (scene.late !== undefined) await answerLate(context, scene.late, released);
  const tab = await context.newPage();
  RELEASE.set(tab, release);
  const complaints = [];
  const requests = [];
  const cursors = [];
  const bytes = {};
  const refused = [];
  const underWay = new Set();
  UNDER_WAY.set(tab, underWay);
  // Refusals of the node are in `refused`; the console repeats them.
  tab.on("console", (message) => message.type() === "error" && !message.text().startsWith("Failed to load resource") && complaints.push(message.text()));
  tab.on("pageerror", (error) => complaints.push(String(error)));
  tab.on("request", (request) => {
    requests.push(request.url());
    const { pathname, searchParams } = new URL(request.url());
    if (pathname === "/v1/stream") cursors.push(searchParams.get("cursor") ?? "");
    else underWay.add(request);
  });
  for (const end of ["requestfinished", "requestfailed"]) tab.on(end, (request) => underWay.delete(request));
  tab.on("response", async (answer) => {
    if (answer.status() >= 400) refused.push(`${answer.status()} ${new URL(answer.url()).pathname}`);
    if (new URL(answer.url()).pathname.startsWith("/v1")) return;
    bytes[answer.url()] = await answer.body().then((body) => gzipSync(body).length, () => 0);
  });
  if (scene.clock) await tab.clock.install();
  if (scene.wallet?.key !== undefined) await giveKey(tab, scene.wallet, released);
  else if (scene.wallet !== undefined) await giveWallet(tab, scene.wallet);
  const notes = [];
  try {
    for (const [name, ...given] of scene.steps) notes.push((await STEPS[name](tab, context, ...given)) ?? null);
  } catch (error) {
    complaints.push(`step ${notes.length + 1} of ${scene.steps.length}: ${error}`, (await tab.locator("main").innerText().catch(() => "")).slice(0, 2000));
  }
  await context.close();
  return { notes, complaints, requests: [...new Set(requests.map((url) => new URL(url).origin))], cursors, bytes, refused: [...new Set(refused)] };
}

// The sandbox of Chromium needs rights that a container's root lacks; the page is this repository's own.
const browser = await chromium.launch({ executablePath: program, headless: true, args: ["--no-sandbox", "--js-flags=--expose-gc"] });
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const { address, scenes } = JSON.parse(line);
    const shown = [];
    for (const scene of scenes) shown.push(await play(address, scene));
    process.stdout.write(`${JSON.stringify(shown)}\n`);
  }
} finally {
  await browser.close();
}
