// The client at a node that fails, is busy, forgets and lies.
import assert from "node:assert/strict";
import test from "node:test";
import { BadAnswer, Client, EventParser, idOf, Key, NodeRefused, NodeUnreachable, NoFate, NoKey, RequestRefused, signed, StreamLost } from "../build/index.js";

const network = new Uint8Array(32).fill(42);
const key = new Key("01".repeat(32));
const retries = { attempts: 4, firstWait: 0.001, longestWait: 0.002 };
const problem = { code: "R0845", message: "too many", at: "request", remedy: "wait" };
const json = (value, status = 200, headers = {}) => new Response(JSON.stringify(value), { status, headers });
const down = () => { throw new TypeError("fetch failed"); };

/** A node that answers in this order, and remembers what it was asked. */
function node(...answers) {
  const asked = [];
  const fetch = async (request) => {
    asked.push({ url: request.url, method: request.method, headers: request.headers, body: Buffer.from(await request.arrayBuffer()).toString("hex") });
    const next = answers.shift();
    if (next === undefined) throw new Error("asked too often");
    return typeof next === "function" ? next() : next;
  };
  return { asked, client: new Client("http://node", { signer: key, network, retries, fetch }) };
}
const made = await signed(network, { type: "transfer", account: 1, recipient: 2, cash_group: 0, amount_micros: "3", nonce: 4, not_after_ms: 5 }, { signature: key });
const id = idOf(made);
const result = (status, refusal) => json({ results: [{ hash: id, status, ...(refusal ? { problem: refusal } : {}) }] }, refusal ? 422 : 202);

test("a question is asked again and signed again", async () => {
  const { asked, client } = node(down, json(problem, 503), json({ seal_key: "0x" }));
  await client.ask("GET", "/x", { signed: true });
  assert.equal(new Set(asked.map((each) => each.headers.get("authorization"))).size, 3);
});

test("the sources of a price are read as the node states them", async () => {
  const sources = [{ name: "good", age_ms: 1500, verdict: "usable", code: "" }, { name: "lost", age_ms: null, verdict: "venue_unreachable", code: "R0990" }];
  const feed = { feed: 1, name: "BTC", reporting: 0, lowest_ticks: "0", highest_ticks: "0", oldest_ms: 0, sources };
  const { client } = node(json({ height: 1, time_ms: 1, validators: 1, chains: [], feeds: [feed] }));
  const { feeds } = await client.observed();
  assert.deepEqual(feeds[0].sources, sources);
});

test("a node that never answers is unreachable", async () => {
  const { asked, client } = node(down, down, down, down);
  await assert.rejects(client.health(), NodeUnreachable);
  assert.equal(asked.length, 4);
});

test("a refusal has the node's code and is not repeated", async () => {
  const { client } = node(json({ ...problem, code: "R0848" }, 403));
  await assert.rejects(client.account(1), (error) => error instanceof NodeRefused && error.code === "R0848" && error.status === 403 && error.remedy === "wait");
});

for (const body of ["<html>", "[".repeat(100_000), '{"code": 1}']) {
  test(`what is no node is named: ${body.slice(0, 8)}`, async () => {
    await assert.rejects(node(new Response(body, { status: 404 })).client.account(1), BadAnswer);
  });
}

test("an answer without bound is cut", async () => {
  await assert.rejects(node(new Response("x".repeat(1 << 20))).client.download("/x", 10), /more than 10 bytes/);
});

test("a Retry-After beyond patience ends the attempts", async () => {
  const { asked, client } = node(json(problem, 429, { "retry-after": "3600" }));
  await assert.rejects(client.account(1), NodeRefused);
  assert.equal(asked.length, 1);
});

test("a request is sent with the same bytes until its fate is known", async () => {
  const { asked, client } = node(
    down, result("refused", { ...problem, code: "R0832" }), result("accepted"), json({ hash: id, state: "pending" }),
    json({ ...problem, code: "R0877" }, 404), result("known"), json({ hash: id, state: "applied", height: 9 }),
  );
  assert.equal((await client.settle(made)).height, 9);
  const sent = asked.filter((each) => each.method === "POST").map((each) => each.body);
  assert.equal(sent.length, 4);
  assert.equal(new Set(sent).size, 1);
});

for (const state of ["refused", "expired", "dropped"]) {
  test(`the fate of a request that is ${state} is its code`, async () => {
    const { client } = node(result("accepted"), json({ hash: id, state, problem: { ...problem, code: "R0203" } }));
    await assert.rejects(client.settle(made), (error) => error instanceof RequestRefused && error.code === "R0203" && error.hash === id);
  });
}

test("a request that the pool refuses has its code", async () => {
  await assert.rejects(node(result("refused", { ...problem, code: "R0201" })).client.settle(made), /R0201/);
});

test("a fate that is not known in time is no refusal", async () => {
  const pending = Array.from({ length: 9 }, () => () => json({ hash: id, state: "pending" }));
  await assert.rejects(node(result("accepted"), ...pending).client.settle(made, 0.3), NoFate);
});

test("a node that answers for another request is named", async () => {
  const other = json({ results: [{ hash: `0x${"00".repeat(32)}`, status: "accepted" }] }, 202);
  await assert.rejects(node(other).client.submit(made), /other requests/);
});

test("an answer about something else than was asked for is none", async () => {
  const deposit = { chain_id: 1, vault: `0x${"ab".repeat(20)}`, nonce: 7, height: 9, status: "credited", next: "nothing" };
  const ask = (about) => node(new Response(JSON.stringify({ ...deposit, ...about }))).client.deposit(1n, `0x${"AB".repeat(20)}`, 7);
  assert.equal((await ask({})).status, "credited");
  for (const about of [{ chain_id: 2 }, { vault: `0x${"cd".repeat(20)}` }, { nonce: 8 }]) {
    await assert.rejects(ask(about), (error) => error instanceof BadAnswer && /another/.test(error.message));
  }
});

test("the fate of another request is not this one's", async () => {
  const other = () => json({ hash: `0x${"77".repeat(32)}`, state: "applied", height: 9 });
  await assert.rejects(node(result("accepted"), other).client.settle(made), (error) => error instanceof BadAnswer && /another request/.test(error.message));
  await assert.rejects(node(other).client.fate(id), BadAnswer);
});

for (const body of [
  `{"hash": "${id}", "state": "pending", "state": "applied"}`,
  `{"hash": "${id}", "state": "applied", "\\u0073tate": "applied"}`,
  `{"hash": "${id}", "state": "applied", "values": {"a": "1", "a": "2"}}`,
  `{"hash": "${id}", "state": "pending", "state": "applied", "n": 12345678901234567890}`,
  `{"hash": "${id}", "state": "applied", "__proto__": 1, "__proto__": 2}`,
]) {
  test(`a name that an object has twice is no answer: ${body.slice(80)}`, async () => {
    await assert.rejects(node(new Response(body)).client.fate(id), (error) => error instanceof BadAnswer && /twice/.test(error.message));
  });
}

test("an answer that is no object is named", async () => {
  for (const body of ["null", "[]", "7", '"applied"']) await assert.rejects(node(new Response(body)).client.fate(id), BadAnswer);
});

test("nonces of one account rise without waiting for blocks", async () => {
  const { client } = node(...[5, 5, 9].map((next_nonce) => json({ account: 1, next_nonce })));
  assert.deepEqual([await client.nextNonce(1), await client.nextNonce(1), await client.nextNonce(1)], [5, 6, 9]);
});

test("without a key nothing is signed", async () => {
  await assert.rejects(new Client("http://node", { network }).sign(made), NoKey);
});

const events = (...each) => new Response(each.map(([eventId, value]) => `id: ${eventId}\ndata: ${JSON.stringify(value)}\n\n`).join(""));

test("a stream goes on after the last step that it got", async () => {
  const { asked, client } = node(events(["a-1", 1], ["a-2", 2]), down, json(problem, 503), events(["a-3", 3]), new Response(null, { status: 204 }));
  const found = [];
  for await (const event of client.stream("/s")) found.push(event.value);
  assert.deepEqual(found, [1, 2, 3]);
  assert.deepEqual(asked.map((each) => each.headers.get("last-event-id")), [null, "a-2", "a-2", "a-2", "a-3"]);
});

const frame = (topic, cursor, kind, data = {}) => [cursor, { topic, cursor, kind, data }];

test("topics go on from the cursor, which snapshots have once all of them came", async () => {
  const snapshots = [frame("heights", "", "snapshot"), frame("marks", "7:3", "snapshot")];
  const ending = { code: "R0965", message: "the node ends", at: "stream", remedy: "wait" };
  const { asked, client } = node(
    events(snapshots[0]),
    events(...snapshots),
    down,
    events(frame("", "7:4", "heartbeat"), frame("heights", "8:0", "delta")),
    events(frame("heights", "9:0", "delta"), frame("", "9:2", "end", ending)),
    events(frame("", "9:2", "end", { ...ending, code: "R0848" })),
  );
  const found = [];
  await assert.rejects(async () => {
    for await (const each of client.follow(["heights", "marks"])) found.push(`${each.topic} ${each.cursor}`);
  }, /R0848/);
  assert.deepEqual(found, ["heights ", "heights ", "marks 7:3", "heights 8:0", "heights 9:0"]);
  assert.deepEqual(asked.map((each) => new URL(each.url).searchParams.get("cursor")), [null, null, "7:3", "7:3", "8:0", "9:0"]);
  assert.ok(asked.every((each) => each.headers.has("authorization")));
});

for (const [name, forgotten] of [
  ["a cursor", () => json({ ...problem, code: "R0960" }, 410)],
  ["a slow reader's place", () => events(frame("", "8:0", "end", { ...problem, code: "R0963" }))],
]) {
  test(`${name} that the node has forgotten is a gap before snapshots`, async () => {
    const { asked, client } = node(events(frame("heights", "8:0", "delta")), forgotten(), events(frame("heights", "9:9", "snapshot")));
    const found = [];
    for await (const each of client.follow(["heights"], "7:0")) {
      found.push(`${each.kind} ${each.cursor}`);
      if (each.kind === "snapshot") break;
    }
    assert.deepEqual(found, ["delta 8:0", "gap 8:0", "snapshot 9:9"]);
    assert.equal(new URL(asked[2].url).searchParams.get("cursor"), null);
  });
}

test("an iteration that is ended breaks its connection, and another one goes on after the cursor", async () => {
  const silent = () => new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) }));
  const text = `data: ${JSON.stringify(frame("heights", "7:0", "snapshot")[1])}\n\n`;
  const asked = [];
  const fetch = async (request, { signal }) => {
    asked.push({ cursor: new URL(request.url).searchParams.get("cursor"), signal });
    if (asked.length > 1) return events(frame("heights", "8:0", "delta"));
    const answer = silent();
    signal.addEventListener("abort", () => answer.body.cancel().catch(() => undefined));
    return answer;
  };
  const frames = new Client("http://node", { network, retries, fetch }).follow(["heights"]);
  const found = [];
  for await (const each of frames) {
    found.push(each.cursor);
    frames.end();
  }
  for await (const each of frames) {
    found.push(each.cursor);
    break;
  }
  assert.deepEqual(found, ["7:0", "8:0"]);
  assert.deepEqual(asked.map(({ cursor }) => cursor), [null, "7:0"]);
  assert.ok(asked[0].signal.aborted && !asked[1].signal.aborted);
  assert.equal(frames.cursor, "8:0");
});

test("who is in a hurry waits no longer for the next connection, and who ends it not at all", async () => {
  const slow = { ...retries, firstWait: 3_600, longestWait: 3_600 };
  const { asked, client } = node(down, events(frame("heights", "8:0", "delta")), down);
  const turns = [];
  const turned = (isOpen) => {
    turns.push(isOpen);
    if (!isOpen) setTimeout(() => (turns.length === 1 ? frames.hurry() : frames.end()), 1);
  };
  const frames = client.follow(["heights"], "7:0", { retries: slow, turned });
  const found = [];
  for await (const each of frames) found.push(each.cursor);
  assert.deepEqual([found, turns, asked.length], [["8:0"], [false, true, false], 2]);
});

test("a quiet stream is open", async () => {
  const { client } = node(events(frame("", "8:0", "heartbeat")), ...[down, down, down]);
  const turns = [];
  await assert.rejects(client.follow(["heights"], "7:0", { turned: (isOpen) => turns.push(isOpen) })[Symbol.asyncIterator]().next(), StreamLost);
  assert.deepEqual(turns, [true, false, false, false, false]);
});

test("a stream that never comes back is lost", async () => {
  await assert.rejects(node(down, down, down, down).client.stream("/s").next(), StreamLost);
  await assert.rejects(node(events(), events(), events(), events()).client.stream("/s").next(), StreamLost);
});

test("a watch shows each answer once and outlives a node that is down", async () => {
  const { client } = node(json(1), json(1), down, down, down, down, json(2));
  const found = [];
  for await (const each of client.watch(() => client.ask("GET", "/x"), 0.001)) {
    found.push(each);
    if (found.length === 2) break;
  }
  assert.deepEqual(found, [1, 2]);
});

test("events are read as the standard says, however they are cut", () => {
  const text = ": comment\nid: 1\nevent: step\ndata: a\ndata:b\n\ndata\n\r\nid: 2\r\n\n";
  for (let cut = 0; cut <= text.length; cut += 1) {
    const parser = new EventParser();
    const found = [...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))];
    assert.deepEqual(found, [{ data: "a\nb", id: "1", event: "step" }, { data: "", id: "1", event: "message" }]);
    assert.equal(parser.lastId, "2");
  }
  assert.throws(() => new EventParser().push("data: " + "x".repeat(1 << 21)), BadAnswer);
});

/** A body that never ends, in pieces of 64 KB, and how much of it was read. */
function endless(status, headers = {}, milliseconds = 0, size = 1 << 16) {
  const read = { pieces: 0 };
  const body = new ReadableStream({
    async pull(controller) {
      await new Promise((done) => setTimeout(done, milliseconds));
      read.pieces += 1;
      if (read.pieces > 500) controller.close();
      else controller.enqueue(new Uint8Array(size).fill(32));
    },
  });
  return { read, response: new Response(body, { status, headers }) };
}
const first = async (frames) => { for await (const each of frames) return each; };
const ways = { "the frames": (client) => first(client.follow(["heights"])), "the events": (client) => first(client.stream("/v1/x")) };
for (const [name, opened] of Object.entries(ways)) {
  for (const status of [400, 403, 410]) {
    test(`what ${name} are refused with is bounded: ${status}`, async () => {
      const { read, response } = endless(status);
      await assert.rejects(opened(node(response).client), /more than/);
      assert.ok(read.pieces < 10, String(read.pieces));
    });
  }

  test(`what ${name} are refused with is read for a time only`, async () => {
    const client = new Client("http://node", { network, retries: { ...retries, attempts: 2 }, timeout: 0.05, fetch: async () => endless(403, {}, 10, 1).response });
    await assert.rejects(opened(client), StreamLost);
  });

  test(`${name} of another host are not followed`, async () => {
    const asked = [];
    const fetch = async (_, options) => { asked.push(options?.redirect); throw new TypeError("redirected"); };
    await assert.rejects(opened(new Client("http://node", { network, retries, fetch })), StreamLost);
    assert.deepEqual([...new Set(asked)], ["error"]);
  });
}

for (const cursor of ["8:0&topics=account:2", "8:0\r\nx: y", "8", "-1:0", "8:00", 8, null]) {
  test(`a cursor that is none is not asked for: ${cursor}`, async () => {
    const { asked, client } = node(new Response(`data: ${JSON.stringify({ topic: "heights", cursor, kind: "delta", data: {} })}\n\n`));
    await assert.rejects(first(client.follow(["heights"], "7:0")), BadAnswer);
    assert.equal(asked.length, 1);
  });
}

for (const [topic, kind] of [["account:2", "delta"], ["", "delta"], ["heights", "gap"], ["heights", "other"]]) {
  test(`a frame that was not asked for is no answer: ${kind} of ${topic}`, async () => {
    const { client } = node(new Response(`data: ${JSON.stringify({ topic, cursor: "8:0", kind, data: {} })}\n\n`));
    await assert.rejects(first(client.follow(["heights", "account:1"], "7:0")), BadAnswer);
  });
}
