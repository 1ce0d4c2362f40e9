// An auditor: follows the epochs of a network over several nodes, and verifies each package by the verifier in TypeScript.
// It trusts the genesis alone. Two certified headers of one height that differ are a finding, which ends with 6.
//   node auditor.mjs GENESIS EPOCHS URL [URL…]
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readGenesis, verifyPackage } from "../../../proofs/browser/build/index.js";
import { Client, ClientError, writeJson } from "../build/index.js";

const [genesisFile, epochs, ...urls] = process.argv.slice(2);
const HEIGHTS_BACK = 3; // compared so far below the newest height, where every node is by then
const genesis = readGenesis(new Uint8Array(readFileSync(genesisFile)));
const trusted = { network: genesis.digest, validatorsHash: genesis.validatorsHash, genesis };
const clients = urls.map((url) => new Client(url));
const say = (event, values) => console.log(writeJson({ event, ...values }));

/** Whether all nodes that have a height certified the same header there. */
async function compareHeaders() {
  const height = Math.max(Number((await clients[0].state()).height) - HEIGHTS_BACK, 1);
  const hashes = [];
  for (const client of clients) {
    try {
      hashes.push((await client.header(height)).hash);
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      say("no header", { height, code: error.code });
    }
  }
  const agree = new Set(hashes).size <= 1;
  say("headers", { height, nodes: hashes.length, agree });
  return agree;
}

/** The newest package beyond an epoch, of the first node that has one. */
async function fetchPackage(after) {
  for (const client of clients) {
    const found = (await client.proofs()).packages.filter((each) => Number(each.epoch) > after);
    const newest = found.at(-1);
    if (newest === undefined) continue;
    const data = await client.download(`/v1/proofs/${newest.epoch}`);
    const digest = createHash("sha256").update(data).digest("hex");
    say("package", { epoch: newest.epoch, height: newest.height, bytes: data.length, as_listed: newest.sha256.replace(/^0x/, "") === digest });
    return { epoch: Number(newest.epoch), data };
  }
  return undefined;
}

let [epoch, audited] = [0, 0];
while (audited < Number(epochs)) {
  const found = await fetchPackage(epoch);
  if (found === undefined) {
    await new Promise((done) => setTimeout(done, 1_000));
    continue;
  }
  epoch = found.epoch;
  const freshness = { now: BigInt(Date.now()), setKnown: genesis.time };
  const verdict = verifyPackage(found.data, { ...trusted, freshness });
  const failed = verdict.checks.filter((check) => !check.ok).map((check) => check.name);
  say("verdict", { epoch, ok: verdict.ok, checks: verdict.checks.length, failed });
  if (!(await compareHeaders()) || !verdict.ok) {
    say("finding", { epoch });
    process.exit(6);
  }
  audited += 1;
}
const fund = await clients[0].fund();
say("done", { epochs: audited, fund_micros: fund.total_micros, fund_target_micros: fund.target_micros });
