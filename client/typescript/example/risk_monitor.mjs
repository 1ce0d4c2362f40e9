// A risk monitor: watches an account and its node, and raises an alert when something begins, and when it is over.
// Each line printed is JSON. It ends when the alerts that are named at the end have begun.
//   node risk_monitor.mjs URL ACCOUNT KEY_FILE [ALERT…]
import { readFileSync } from "node:fs";
import { Client, Key, writeJson } from "../build/index.js";

const [url, account, keyFile, ...wanted] = process.argv.slice(2);
const [RATIO, DISTANCE] = [150n, 10n]; // percent of maintenance margin, percent of a price move
const client = new Client(url, { signer: new Key(readFileSync(keyFile, "ascii").trim()) });
const now = new Set();

function note(alert, isOn, values = {}) {
  if (isOn === now.has(alert)) return;
  if (isOn) now.add(alert);
  else now.delete(alert);
  console.log(writeJson({ alert, state: isOn ? "begins" : "is over", ...values }));
  if (!isOn || !wanted.includes(alert)) return;
  wanted.splice(wanted.indexOf(alert), 1);
  if (wanted.length === 0) process.exit(0);
}

const isNear = (price) => [price.below_ticks, price.above_ticks].some((limit) => {
  if (limit === null) return false;
  const move = BigInt(price.index_ticks) - BigInt(limit);
  return 100n * (move < 0n ? -move : move) < DISTANCE * BigInt(price.index_ticks);
});

async function watchAccount() {
  for await (const view of client.watch(() => client.account(account))) {
    const { height, equity_micros, maintenance_margin_micros } = view;
    note("margin", BigInt(equity_micros) * 100n < BigInt(maintenance_margin_micros) * RATIO, { height, equity_micros, maintenance_margin_micros });
    for (const kind of ["early", "margin"]) {
      const call = (view.calls ?? []).find((each) => each.kind === kind);
      note(`${kind} call`, call !== undefined, { height, deadline_height: call?.deadline_height });
    }
    note("liquidation", view.in_liquidation ?? false, { height });
    if ((view.positions ?? []).length > 0) {
      const near = ((await client.margin(account)).liquidation ?? []).filter(isNear).map((price) => price.name);
      note("price near liquidation", near.length > 0, { height, feeds: near });
    }
  }
}

async function watchNode() {
  for (;;) {
    try {
      const readiness = await client.readiness();
      note("node", !readiness.ready, { unmet: readiness.checks.filter((check) => !check.ok).map((check) => check.name) });
    } catch (error) {
      note("node", true, { why: error.code });
    }
    await new Promise((done) => setTimeout(done, 2_000));
  }
}

await Promise.all([watchAccount(), watchNode()]);
