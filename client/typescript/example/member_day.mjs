// A member's whole day: sign in, pay in on a chain, trade, read the margin, answer a call, take money out on another chain, and
// verify the house by the verifier in TypeScript, which trusts the genesis file alone. The wallet is asked by `eth_sendTransaction`,
// as one in a browser would be. The other side of the trades would be another program. Each line printed is JSON.
//   node member_day.mjs URL ACCOUNT KEY_FILE OTHER OTHER_KEY_FILE RPC WALLET_ADDRESS ASSET:AMOUNT ASSET:AMOUNT GENESIS [LOTS]
import { readFileSync } from "node:fs";
import { readGenesis, verifyPackage } from "../../../proofs/browser/build/index.js";
import { Client, depositCalls, depositNumber, Key, readJson, writeJson } from "../build/index.js";

const [url, account, keyFile, other, otherKeyFile, rpc, wallet, payIn, takeOut, genesisFile, lots = "4200"] = process.argv.slice(2);
const VENUE = 1; // a label of our own: it is none of the venues of the terms
const INSTRUMENT = 1;
const say = (event, values = {}) => console.log(writeJson({ event, ...values }));
const pause = () => new Promise((done) => setTimeout(done, 200));
const keyOf = (file) => new Key(readFileSync(file, "ascii").trim());
const client = new Client(url, { signer: keyOf(keyFile) });
const otherKey = keyOf(otherKeyFile);

/** Ask the chain, or its wallet. */
async function chain(method, ...params) {
  const answer = await fetch(rpc, { method: "POST", headers: { "content-type": "application/json" }, body: writeJson({ jsonrpc: "2.0", id: 1, method, params }) });
  const { result, error } = readJson(await answer.text());
  if (error !== undefined) throw new Error(error.message);
  return result;
}

/** Have the wallet send, and wait for the receipt. */
async function send(call) {
  const sent = await chain("eth_sendTransaction", { from: wallet, ...call });
  let receipt = null;
  while ((receipt = await chain("eth_getTransactionReceipt", sent)) === null) await pause();
  if (receipt.status !== "0x1") throw new Error(`the chain refused ${sent}`);
  return receipt;
}

/** A token as the terms list it, and an amount of whole tokens. */
async function named(text) {
  const [name, amount] = [text.slice(0, text.lastIndexOf(":")), BigInt(text.slice(text.lastIndexOf(":") + 1))];
  const terms = readJson(new TextDecoder().decode(await client.download("/v1/governance/terms")));
  return { name, amount, asset: terms.assets.find((each) => each.name === name) };
}

/** Deposit, and wait until it is credited. */
async function deposit({ name, amount, asset }) {
  const [approval, payment] = depositCalls(asset.vault, asset.token, amount * 10n ** BigInt(asset.token_decimals), BigInt(account));
  await send(approval);
  const number = depositNumber((await send(payment)).logs, asset.vault);
  let seen;
  while ((seen = await client.deposit(asset.chain_id, asset.vault, String(number))).status !== "credited") await pause();
  say("credited", { asset: name, number, height: seen.height });
}

/** Buy at the mark, or sell. */
async function trade(size, buys) {
  const { marks } = await client.state();
  const ticks = marks.find((each) => Number(each.instrument) === INSTRUMENT).mark_ticks;
  const [buyer, seller] = buys ? [account, other] : [other, account];
  const [own, others] = buys ? ["buyer_signature", "seller_signature"] : ["seller_signature", "buyer_signature"];
  const bare = {
    type: "trade", venue: VENUE, venue_trade_id: BigInt(Date.now()) * 1_000_000n + process.hrtime.bigint() % 1_000_000n, buyer: Number(buyer), seller: Number(seller),
    instrument: INSTRUMENT, lots: String(size), price_ticks: String(ticks), not_after_ms: client.notAfterMs(),
  };
  const applied = await client.settle(await client.sign(bare, { [own]: client.signer, [others]: otherKey }));
  say("traded", { lots: buys ? size : -size, ticks, height: applied.height });
}

/** Wait for a call on the stream, and sell until it is over. */
async function surviveACall(size) {
  say("waiting for a call");
  let called = [];
  while (called.length === 0) {
    for await (const frame of client.follow([`account:${account}`], "", { websocket: true })) if ((frame.data.calls ?? []).length > 0) break;
    called = (await client.account(account)).calls ?? [];
  }
  say("called", { kind: called[0].kind, deadline_height: called[0].deadline_height });
  await trade(size, false);
  for await (const view of client.watch(() => client.account(account))) {
    if ((view.calls ?? []).length > 0) continue;
    say("call over", { height: view.height, in_liquidation: view.in_liquidation ?? false, equity: view.equity_micros });
    return;
  }
}

/** Withdraw to a chain, and wait until its vault has paid. */
async function withdraw({ name, amount, asset }) {
  const { unit_decimals } = (await client.state()).assets.find((each) => each.asset === asset.id);
  const applied = await client.settle(await client.sign({
    type: "withdrawal", account: Number(account), asset: asset.id, amount_units: String(amount * 10n ** BigInt(unit_decimals)), to: wallet,
    nonce: await client.nextNonce(account), not_after_ms: client.notAfterMs(),
  }));
  say("withdrawal", { asset: name, height: applied.height });
  for await (const view of client.watch(() => client.withdrawals(account))) {
    if (!(view.ended ?? []).some((each) => each.status === "paid")) continue;
    say("paid", { asset: name, height: view.height });
    return;
  }
}

/** Whether the first package that is newer than now is accepted, by the genesis alone. */
async function verified() {
  const genesis = readGenesis(new Uint8Array(readFileSync(genesisFile)));
  const now = BigInt((await client.state()).height);
  let found;
  while ((found = (await client.proofs()).packages.find((each) => BigInt(each.height) > now)) === undefined) await pause();
  const data = await client.download(`/v1/proofs/${found.epoch}`);
  const freshness = { now: BigInt(Date.now()), setKnown: genesis.time };
  const { ok } = verifyPackage(data, { network: genesis.digest, validatorsHash: genesis.validatorsHash, genesis, freshness });
  say("verified", { epoch: found.epoch, ok });
  return ok;
}

say("signed in", { equity: (await client.account(account)).equity_micros });
await deposit(await named(payIn));
await trade(BigInt(lots), true);
const margin = await client.margin(account);
const terms = [...margin.equity, ...margin.requirement].map((each) => [each.name, each.of, each.amount_micros]);
say("margin", { equity: margin.equity_micros, initial: margin.initial_margin_micros, terms });
await surviveACall((BigInt(lots) * 9n) / 10n);
await withdraw(await named(takeOut));
process.exit((await verified()) ? 0 : 6);
