// The client signs as the published vectors say: node --test, with VECTORS naming signing-vectors.json.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import {
  authorization, BadField, canonical, digestOf, fromHex, hex, idOf, Key, readJson, recover, separator, signed, submission, typedDataOf, Wallet, writeJson,
} from "../build/index.js";

const file = readJson(readFileSync(process.env.VECTORS, "utf8"));
const network = fromHex(file.network);
const keys = file.secp256k1_keys.map((each) => new Key(each.secret));
const without = (request, names) => Object.fromEntries(Object.entries(request).filter(([name]) => !names.includes(name)));

test("the domain and the keys are those of the vectors", () => {
  assert.equal(hex(separator(network)), file.domain.separator);
  assert.deepEqual(keys.map((key) => hex(key.address)), file.secp256k1_keys.map((each) => each.address));
});

let count = 0;
for (const vector of file.requests) {
  test(`${vector.type}, ${vector.sample}: digest, bytes and id`, () => {
    assert.equal(hex(digestOf(network, vector.request)), vector.digest);
    assert.equal(hex(canonical(vector.request)), vector.canonical);
    assert.equal(idOf(vector.request), `0x${vector.hash}`);
    assert.equal(hex(submission([vector.request])), `9191${vector.canonical}`);
    const unsigned = without(vector.request, Object.keys(vector.signatures));
    assert.equal(hex(digestOf(network, unsigned)), vector.digest);
    if (vector.typed_data !== undefined) assert.deepEqual(typedDataOf(network, unsigned), vector.typed_data);
  });
  for (const [name, by] of Object.entries(vector.signatures)) {
    if (by.scheme !== "secp256k1") continue;
    test(`${vector.type}, ${vector.sample}: ${name} by key and by wallet`, async () => {
      const key = keys[by.key];
      const raw = fromHex(by.signature);
      const ask = async (data) => {
        assert.deepEqual(data, vector.typed_data);
        return `0x${hex(raw.slice(0, 64))}${raw[64] === 27 ? "00" : "01"}`;
      };
      for (const signer of [key, new Wallet(key.address, ask)]) {
        const made = await signed(network, without(vector.request, [name]), { [name]: signer });
        assert.equal(made[name], `0x${by.signature}`);
      }
      assert.deepEqual(recover(fromHex(vector.digest), raw), key.address);
    });
  }
  count += 1;
}

for (const vector of file.api_requests) {
  test(`API request ${vector.target}`, async () => {
    const header = await authorization(
      network, keys[0], vector.method, vector.target, fromHex(vector.body), BigInt(vector.time_ms), fromHex(vector.nonce),
    );
    assert.equal(header, vector.authorization);
  });
}

test("every vector was judged", () => assert.equal(count, file.requests.length));

const trade = file.requests.find((each) => each.type === "trade").request;
for (const [field, value] of [
  ["lots", "-1"], ["lots", "9223372036854775808"], ["lots", 1], ["venue", true], ["venue", 2 ** 53], ["instrument", 2 ** 32],
  ["buyer", "1"], ["buyer_signature", "0x01"], ["more", 1], ["type", "no_kind"], ["seller", undefined],
]) {
  test(`a trade whose ${field} is ${value} is refused before it is signed`, () => {
    assert.throws(() => digestOf(network, { ...trade, [field]: value }), (error) => error instanceof BadField && error.code === "R0940");
  });
}

test("a wallet that signs something else is found", async () => {
  const wallet = new Wallet(keys[0].address, async () => `0x${hex(keys[0].signDigest(new Uint8Array(32)))}`);
  await assert.rejects(signed(network, trade, { buyer_signature: wallet }), /something else/);
});

test("a signature with s in the upper half is refused", () => {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const made = keys[0].signDigest(new Uint8Array(32));
  const high = fromHex((order - BigInt(`0x${hex(made.slice(32, 64))}`)).toString(16).padStart(64, "0"));
  const other = Uint8Array.from([...made.slice(0, 32), ...high, made[64] === 27 ? 28 : 27]);
  assert.throws(() => recover(new Uint8Array(32), other), BadField);
});

test("whole numbers keep all digits, and bad JSON is refused", () => {
  const text = '{"a":9223372036854775807,"b":[1,-9007199254740993,"x\\"9007199254740993"],"c":1.5,"d":{},"e":[null,true]}';
  const value = readJson(text);
  assert.equal(value.a, 2n ** 63n - 1n);
  assert.equal(value.b[1], -9007199254740993n);
  assert.equal(writeJson(value), text);
  for (const bad of ["[1234567890123456", "[1234567890123456,]", '{"a" 1234567890123456}', "1234567890123456 1", "[".repeat(300) + "1234567890123456"]) {
    assert.throws(() => readJson(bad), (error) => error.code === "R0858");
  }
});

test("a secret is never shown", () => assert.ok(!JSON.stringify(keys[0]).includes(file.secp256k1_keys[0].secret)));
