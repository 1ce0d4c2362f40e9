// Streams of a node that drips, or sends what it was not asked for. The clock is the test's: no second passes.
import assert from "node:assert/strict";
import test from "node:test";
import { BadAnswer, Client, StreamLost } from "../build/index.js";

const network = new Uint8Array(32).fill(42);
const once = { attempts: 1, firstWait: 0.001, longestWait: 0.002 };
const bytes = (text) => new TextEncoder().encode(text);
const frame = (topic, cursor, kind, data = {}) => ({ topic, cursor, kind, data });
const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
const first = async (values) => { for await (const each of values) return each; };
const ways = { "the frames": (client) => first(client.follow(["heights"])), "the events": (client) => first(client.stream("/v1/x")) };

/** A body of pieces, `seconds` of the clock before each, until there are no more; `passed` are all seconds so far. */
function dripping(clock, seconds, pieces) {
  const drip = { passed: 0 };
  drip.body = new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) return controller.close();
      clock.tick(seconds * 1_000);
      drip.passed += seconds;
      controller.enqueue(bytes(piece));
    },
  }, { highWaterMark: 0 });
  return drip;
}
const clientAt = (answer) => new Client("http://node", { network, retries: once, timeout: 20, fetch: answer });

for (const [name, opened] of Object.entries(ways)) {
  for (const piece of [": comment\n\n", ": comment\n", "event: heartbeat\n\n", "id: 4\n\n", "\n", "x"]) {
    test(`a node of which ${name} are no events is left after 30 seconds: ${JSON.stringify(piece)}`, async (t) => {
      t.mock.timers.enable({ apis: ["setTimeout"] });
      const drip = dripping(t.mock.timers, 1, Array(100).fill(piece));
      const client = clientAt(async () => new Response(drip.body));
      await assert.rejects(opened(client), (error) => error instanceof StreamLost && /no event for 30 s/.test(error.message));
      assert.equal(drip.passed, 30);
    });
  }

  test(`a node that never answers when ${name} are asked for is left`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const asked = (_, { signal }) => new Promise((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      setImmediate(() => { t.mock.timers.tick(20_000); reject(new Error("nobody gave up")); });
    });
    await assert.rejects(opened(clientAt(asked)), (error) => error instanceof StreamLost && /no answer within 20 s/.test(error.message));
  });
}

test("a node that sends an event now and then is not left, and a taker may take its time", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const beats = [frame("heights", "7:0", "delta"), frame("", "7:1", "heartbeat"), frame("", "7:1", "heartbeat"), frame("heights", "8:0", "delta")];
  const drip = dripping(t.mock.timers, 29, beats.map(event));
  const found = [];
  for await (const each of clientAt(async () => new Response(drip.body)).follow(["heights"])) {
    found.push(each.cursor);
    if (each.cursor === "8:0") break;
    t.mock.timers.tick(3_600_000);
  }
  assert.deepEqual([found, drip.passed], [["7:0", "8:0"], 4 * 29]);
});

test("an event without end is refused, also where its lines say nothing", async () => {
  for (const line of ["data:\n", ":\n", "x\n"]) {
    const clock = { tick: () => undefined };
    const drip = dripping(clock, 1, Array(100).fill(line.repeat(10_000)));
    await assert.rejects(first(clientAt(async () => new Response(drip.body)).follow(["heights"])), /more than/);
  }
});

const receipt = (details) => ({ height: 8, index: 0, kind: "X", details });
for (const [topic, data] of [
  ["account:1", { account: 2, equity_micros: "5" }],
  ["account:1", { account: "2" }],
  ["account:1", { account: null }],
  ["receipts:1", receipt({ account: "2", lots: "1" })],
  ["receipts:1", receipt({ buyer: "2", seller: "3" })],
  ["receipts:1", receipt({ account: "2", paid: [["3", "11"]] })],
  ["receipts:1", receipt("1")],
]) {
  test(`data of another account is no answer: ${topic} ${JSON.stringify(data)}`, async () => {
    for (const kind of ["snapshot", "delta"]) {
      const client = clientAt(async () => new Response(event(frame(topic, "8:0", kind, data))));
      await assert.rejects(first(client.follow([topic])), (error) => error instanceof BadAnswer && /another account/.test(error.message));
    }
  });
}

for (const [topic, data] of [
  ["account:1", { account: 1 }],
  ["account:1", { equity_micros: "5" }],
  ["receipts:1", { height: 7 }],
  ["receipts:1", receipt({ account: "2", recipient: "1" })],
  ["receipts:1", receipt({ account: "2", paid: [["3", "9"], ["1", "4"]] })],
  ["receipts:1", receipt({ steps: [{ shares: [{ payer: "1" }] }] })],
  ["receipts:1", receipt({ paths: 3 })],
  ["calls", receipt({ account: "2" })],
]) {
  test(`data of the topic's account is taken: ${topic} ${JSON.stringify(data)}`, async () => {
    const client = clientAt(async () => new Response(event(frame(topic, "8:0", "delta", data))));
    assert.deepEqual((await first(client.follow([topic]))).data, data);
  });
}

for (const value of ["null", "7", "[]", '{"cursor":"8:0","kind":"heartbeat"}', '{"topic":"heights","cursor":"8:0","kind":"delta"}', '{"topic":"heights","cursor":"8:0","kind":"delta","data":[]}']) {
  test(`an event that is no frame is no answer: ${value}`, async () => {
    await assert.rejects(first(clientAt(async () => new Response(`data: ${value}\n\n`)).follow(["heights"])), BadAnswer);
  });
}
