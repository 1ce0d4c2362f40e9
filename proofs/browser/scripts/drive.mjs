// Drive the page in a real browser: a JSON list of scenes on standard input, a JSON list of what each showed on standard
// output. drive.mjs CHROMIUM PAGE
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [program, page] = process.argv.slice(2);
let input = "";
for await (const chunk of process.stdin) input += chunk;
// The sandbox of Chromium needs rights that a container's root lacks; the page is this repository's own.
const browser = await chromium.launch({ executablePath: program, headless: true, args: ["--no-sandbox"] });
const shown = [];
try {
  for (const scene of JSON.parse(input)) shown.push(await play(scene));
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(shown));

async function play(scene) {
  const context = await browser.newContext({
    viewport: scene.viewport ?? { width: 1000, height: 900 },
    colorScheme: scene.dark ? "dark" : "light",
  });
  const tab = await context.newPage();
  const complaints = [];
  const requests = [];
  const steps = [];
  tab.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  tab.on("pageerror", (error) => complaints.push(String(error)));
  tab.on("request", (request) => requests.push(request.url().split(":")[0]));
  await tab.exposeFunction("tellStep", (text) => void steps.push(text));
  await tab.goto(pathToFileURL(page).href);
  await tab.evaluate(() => {
    const step = document.getElementById("step");
    new MutationObserver(() => window.tellStep(step.textContent)).observe(step, { childList: true });
  });
  if (scene.answer) {
    await tab.locator("#own summary").click();
    await tab.locator("#answer").setInputFiles(scene.answer);
    await tab.waitForFunction(() => document.getElementById("account").value !== "" ||
      document.getElementById("problem").textContent !== "");
  }
  for (const [id, text] of Object.entries(scene.fields ?? {})) {
    await tab.locator(`details:has(#${id})`).evaluate((box) => (box.open = true));
    await tab.locator(`#${id}`).fill(text);
  }
  const states = [];
  if (scene.address) {
    const quiet = () => document.getElementById("stop").hidden;
    await tab.locator("#node summary").click();
    await tab.locator("#address").fill(scene.address);
    await tab.locator("#address").press("Enter");
    await tab.waitForFunction(quiet, undefined, { timeout: 0 });
    states.push(await tab.locator("#node-state").innerText());
    if (scene.fetch && (await tab.locator("#listed").isVisible())) {
      states.push(await tab.locator("#epochs").innerText());
      await tab.locator(scene.fetch).click();
      await tab.waitForFunction(quiet, undefined, { timeout: 0 });
      states.push(await tab.locator("#node-state").innerText());
    }
  }
  if (scene.address) {
    // Nothing is checked but what the node gave.
  } else if (scene.dropped) {
    const transfer = await tab.evaluateHandle((bytes) => {
      const out = new DataTransfer();
      out.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], "dropped.ccp"));
      return out;
    }, scene.dropped);
    await tab.dispatchEvent("body", "drop", { dataTransfer: transfer });
  } else {
    if (scene.file) await tab.locator("#file").setInputFiles(scene.file);
    if (scene.genesis) await tab.locator("#genesis").setInputFiles(scene.genesis);
    if (scene.keyboard) {
      await tab.locator("#start").focus();
      await tab.keyboard.press("Enter");
    } else await tab.locator("#start").click();
  }
  if (!scene.address || states[2]?.includes("fetched")) {
    await tab.waitForFunction(() => !document.getElementById("result").hidden ||
      document.getElementById("problem").textContent !== "", undefined, { timeout: 0 });
  }
  for (const [id, text] of Object.entries(scene.later ?? {})) {
    await tab.locator(`details:has(#${id})`).evaluate((box) => (box.open = true));
    await tab.locator(`#${id}`).fill(text);
  }
  const found = await tab.evaluate(() => ({
    shown: !document.getElementById("result").hidden,
    outcome: document.getElementById("outcome").textContent,
    advice: document.getElementById("advice").textContent,
    problem: document.getElementById("problem").textContent,
    // A line has a mark, a name and a detail, and below them a meaning: all in one row here, whatever the layout.
    checks: [...document.querySelectorAll("#checks li")].map((line) =>
      [...line.childNodes].map((node) => (node.className === "meaning" ? `\n${node.textContent}` : node.textContent)).join("")),
    unproven: [...document.querySelectorAll("#unproven-list li")].map((line) => line.textContent),
    claim: document.getElementById("claim").textContent,
    found: [...document.querySelectorAll("#found-list li")].map((line) => line.textContent),
    focused: document.activeElement.id,
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    background: getComputedStyle(document.body).backgroundColor,
  }));
  if (scene.screenshot) await tab.screenshot({ path: scene.screenshot, fullPage: true });
  await context.close();
  return { ...found, complaints, requests, steps, states };
}
