// Streams of a node that drips, or sends what it was not asked for. The clock is the test's: no second passes.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
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

for (const [seconds, is] of [[20, "is asked again"], [1, "is left"]]) {
  test(`a node that ends each stream after ${seconds} s without an event ${is}`, async (t) => {
    t.mock.timers.enable({ apis: ["Date"] });
    let opened = 0;
    const answer = async () => new Response((opened += 1) === 9 ? event({ step: 1 }) : dripping(t.mock.timers, seconds, [": it waits\n\n"]).body);
    const asked = first(new Client("http://node", { network, retries: { ...once, attempts: 3 }, fetch: answer }).stream("/v1/x"));
    if (seconds < 5) return assert.rejects(asked, StreamLost);
    assert.deepEqual([(await asked).value, opened], [{ step: 1 }, 9]);
  });
}

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

/** Topics and cursors that come from frames, and what ended it. */
async function all(frames) {
  const found = [];
  try {
    for await (const each of frames) found.push(`${each.topic} ${each.cursor}`);
  } catch (error) {
    return [found, error];
  }
}

const [heights, account] = [(cursor, kind = "delta") => frame("heights", cursor, kind), (cursor, kind = "delta") => frame("account:1", cursor, kind)];
for (const [name, after] of Object.entries({
  "an event of before": heights("6:0"), "an event twice": heights("7:5"), "an event without a cursor": heights(""),
  "a snapshot of events": heights("8:0", "snapshot"), "a value of before": account("7:4"), "a heartbeat of before": frame("", "6:9", "heartbeat"),
  "an event of far before": heights("0:999999999"),
})) {
  test(`events come once and in order: not ${name}`, async () => {
    const client = clientAt(async () => new Response(event(heights("7:5")) + event(after)));
    const [found, error] = await all(client.follow(["heights", "account:1"], "7:4"));
    assert.deepEqual(found, ["heights 7:5"]);
    assert.ok(error instanceof BadAnswer && /in order/.test(error.message), error.message);
  });
}

test("values and heartbeats come at any place that is not before", async () => {
  const frames = [
    frame("heights", "", "snapshot"), frame("marks", "9:999999999", "snapshot"), account("9:999999999", "snapshot"), account("9:999999999"),
    heights("10:0"), frame("", "10:3", "heartbeat"), account("10:3", "snapshot"), frame("", "10:3", "heartbeat"), heights("100000000000000000:0"),
  ];
  const client = clientAt(async () => new Response(frames.map(event).join("")));
  const [found, error] = await all(client.follow(["heights", "marks", "account:1"]));
  assert.deepEqual([found.length, error.name], [7, "StreamLost"]);
});

/** Plays to one WebSocket after another; what the client got, what ended it, and the cursors that it asked for. */
async function sockets(...plays) {
  const asked = [];
  const server = createServer((_, response) => response.writeHead(503).end());
  server.on("upgrade", (request, socket) => {
    asked.push(new URL(request.url, "http://node").searchParams.get("cursor"));
    const proof = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    const head = `HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${proof}\r\nsec-websocket-protocol: crossclear.v1\r\n\r\n`;
    socket.on("error", () => undefined).write(head);
    socket.end(Buffer.concat(plays.shift() ?? []));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const client = new Client(`http://127.0.0.1:${server.address().port}`, { network, retries: { ...once, attempts: 2 } });
  const [found, error] = await all(client.follow(["heights"], "", { websocket: true }));
  server.closeAllConnections();
  server.close();
  return [found, error.code, asked];
}
/** A frame of RFC 6455: `first` has its opcode and whether it is the last of its message. */
function piece(first, data) {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(data.length));
  return Buffer.concat([Buffer.from([first, 127]), size, Buffer.from(data)]);
}
const [WHOLE, BEGIN, MORE, LAST, BINARY, RESERVED, PING] = [0x81, 0x01, 0x00, 0x80, 0x82, 0xc1, Buffer.from([0x89, 0])];
const message = (...frames) => JSON.stringify(frames);
const known = piece(WHOLE, message(heights("7:0", "snapshot")));
const next = message(heights("8:0"));
const large = `[${JSON.stringify(heights("8:0")).padEnd(5 << 20)}]`;
for (const [name, play, expected] of [
  ["an oversized message is refused", [piece(WHOLE, large)], [["heights 7:0"], "R0858", [null]]],
  ["an oversized message is refused in fragments too", [piece(BEGIN, large.slice(0, 1 << 20)), piece(LAST, large.slice(1 << 20))], [["heights 7:0"], "R0858", [null]]],
  ["a binary message is refused", [piece(BINARY, next)], [["heights 7:0"], "R0858", [null]]],
  ["a message of null is refused", [piece(WHOLE, "[null]")], [["heights 7:0"], "R0858", [null]]],
  ["fragments make one message, with a ping between them", [piece(BEGIN, next.slice(0, 9)), PING, piece(MORE, ""), piece(LAST, next.slice(9))], [["heights 7:0", "heights 8:0"], "R0942", [null, "8:0"]]],
  ["a message whose end never came is none", [piece(BEGIN, next)], [["heights 7:0"], "R0942", [null, "7:0"]]],
  ["a frame that is cut off is none", [piece(WHOLE, next).subarray(0, 30)], [["heights 7:0"], "R0942", [null, "7:0"]]],
  ["a frame of a length that nothing has is none", [Buffer.from([WHOLE, 127, 0x7f, ...Array(7).fill(255)])], [["heights 7:0"], "R0942", [null, "7:0"]]],
  ["a reserved bit ends the connection", [piece(RESERVED, next)], [["heights 7:0"], "R0942", [null, "7:0"]]],
  ["a text that is none ends the connection", [piece(WHOLE, [255, 254])], [["heights 7:0"], "R0942", [null, "7:0"]]],
  ["an event of before is refused", [piece(WHOLE, message(heights("6:0")))], [["heights 7:0"], "R0858", [null]]],
]) {
  test(`over a WebSocket ${name}`, async () => assert.deepEqual(await sockets([known, ...play]), expected));
}
