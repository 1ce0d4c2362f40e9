// A market maker: quotes both sides of an instrument around its mark, and clears what is taken. It names a session key, so
// that the trade key is needed once. Each line printed is JSON.
//   node market_maker.mjs URL ACCOUNT KEY_FILE TAKER TAKER_KEY_FILE [INSTRUMENT [TRADES]]
import { readFileSync } from "node:fs";
import { Client, hex, Key, readJson, writeJson } from "../build/index.js";

const [url, account, keyFile, taker, takerKeyFile, instrument = "1", trades = "4"] = process.argv.slice(2);
const VENUE = 1; // a label of our own: it is none of the venues of the terms
const [LOTS, POSITION_MAX, HALF_SPREAD, LEAN, PPM] = [10n, 1_000n, 500n, 1_000n, 1_000_000n];
const NOTIONAL_MAX = String(10n ** 15n);
const say = (event, values) => console.log(writeJson({ event, ...values }));
const keyOf = (file) => new Key(readFileSync(file, "ascii").trim());
const ours = new Client(url, { signer: keyOf(keyFile) });
const theirs = new Client(url, { signer: keyOf(takerKeyFile) });
const session = new Key(crypto.getRandomValues(new Uint8Array(32)));

const named = await ours.settle(await ours.sign({
  type: "session_key", account: Number(account), key: `0x${hex(session.address)}`, lots_max: String(LOTS), notional_max: NOTIONAL_MAX,
  day_notional_max: NOTIONAL_MAX, expires_ms: Date.now() + 3_600_000, nonce: await ours.nextNonce(account), not_after_ms: ours.notAfterMs(),
}));
say("session", { key: `0x${hex(session.address)}`, height: named.height });

async function quote() {
  const [state, view] = [await ours.state(), await ours.account(account)];
  const mark = BigInt(state.marks.find((each) => String(each.instrument) === instrument).mark_ticks);
  const position = BigInt((view.positions ?? []).find((each) => String(each.instrument) === instrument)?.lots ?? "0");
  const middle = mark - (mark * LEAN * position) / (PPM * POSITION_MAX);
  const isShortOfMargin = BigInt(view.equity_micros) < 2n * BigInt(view.initial_margin_micros);
  const isBid = position < POSITION_MAX && !(isShortOfMargin && position >= 0n);
  const isAsk = -position < POSITION_MAX && !(isShortOfMargin && position <= 0n);
  // Rounded away from the middle.
  const bid = isBid ? (middle * (PPM - HALF_SPREAD)) / PPM : 0n;
  const ask = isAsk ? (middle * (PPM + HALF_SPREAD) + PPM - 1n) / PPM : 0n;
  say("quote", { mark, position, bid, ask, lots: LOTS });
  return { bid, ask };
}

/** The other side, which would be another program: it signs a trade at the quote and sends its JSON. */
async function take({ bid, ask }, buys) {
  const trade = {
    type: "trade", venue: VENUE, venue_trade_id: process.hrtime.bigint() + BigInt(Date.now()) * 1_000_000n, buyer: Number(buys ? taker : account),
    seller: Number(buys ? account : taker), instrument: Number(instrument), lots: String(LOTS), price_ticks: String(buys ? ask : bid),
    not_after_ms: theirs.notAfterMs(),
  };
  return writeJson(await theirs.sign(trade, { [buys ? "buyer_signature" : "seller_signature"]: theirs.signer }));
}

/** Sign our side of a trade that the other side signed, if it is what was quoted, and wait for its block. */
async function fill({ bid, ask }, text) {
  const trade = readJson(text);
  const weBuy = String(trade.buyer) === account;
  const price = BigInt(trade.price_ticks);
  const isGood = weBuy ? price <= bid : ask > 0n && price >= ask;
  if (trade.type !== "trade" || String(trade.instrument) !== instrument || BigInt(trade.lots) > LOTS || !isGood) throw new Error("not what was quoted");
  const applied = await ours.settle(await ours.sign(trade, { [weBuy ? "buyer_signature" : "seller_signature"]: session }));
  say("cleared", { hash: applied.hash, height: applied.height, side: weBuy ? "bought" : "sold", ticks: price });
}

for (let number = 0; number < Number(trades); number += 1) {
  const quoted = await quote();
  await fill(quoted, await take(quoted, number % 2 === 0));
}
say("done", { trades: Number(trades) });
