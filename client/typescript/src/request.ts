/** Canonical bytes, id and digest of a request in its JSON form. A value out of its field's bounds is refused first. */
import { type Field, HOUSE_PROPOSER, type RequestBody, type Shape, SHAPES, STRUCTURES } from "../build/generated.js";
import { concat, fromHex, hex, keccak256, sha256, tagged, utf8 } from "./bytes.js";
import { BadField } from "./errors.js";
import { encode, type Item, Raw } from "./messagepack.js";
import { digest, forWallet, fieldsOf, type TypedData, type Value } from "./typed_data.js";

type Fields = Readonly<Record<string, unknown>>;

/** Throws BadField for an unknown type. */
export function shapeOf(request: RequestBody): Shape {
  const found = SHAPES.find((shape) => shape.type === request.type);
  if (found === undefined) throw new BadField("type", "no kind of request has this type");
  return found;
}

export function canonical(request: RequestBody): Uint8Array {
  return encode(arrayOf(request));
}

/** The items of the canonical array, its tag first. Throws BadField. */
export function arrayOf(request: RequestBody): Item[] {
  const shape = shapeOf(request);
  const known = new Set(["type", ...shape.fields.map((field) => field.json)]);
  for (const name of Object.keys(request)) if (!known.has(name)) throw new BadField(name, `${shape.name} has no field ${name}`);
  return [BigInt(shape.tag), ...itemsOf(shape.fields, request as unknown as Fields)];
}

/** What a node calls `hash`: it depends on every byte, signatures included. */
export function idOf(request: RequestBody): string {
  return `0x${hex(sha256(concat(new Uint8Array([0x91]), canonical(request))))}`;
}

/** The body of `/v1/submit` as `application/msgpack`. */
export function submission(requests: readonly RequestBody[]): Uint8Array {
  return encode([requests.map(arrayOf)]);
}

/** The 32 bytes that every signature is over. */
export function digestOf(network: Uint8Array, request: RequestBody): Uint8Array {
  const shape = shapeOf(request);
  if (shape.hash_tags !== undefined && !byHouse(request)) return validatorsDigest(network, shape, request);
  return digest(network, declarationOf(shape), signedValues(network, request));
}

/** The parameter of `eth_signTypedData_v4`. */
export function typedDataOf(network: Uint8Array, request: RequestBody): TypedData {
  return forWallet(network, declarationOf(shapeOf(request)), signedValues(network, request));
}

export function declarationOf(shape: Shape): string {
  if (shape.declaration === undefined) throw new BadField("request", `${shape.name} is signed by validators`);
  return shape.declaration;
}

/** The values that the declaration names, in its order. */
export function signedValues(network: Uint8Array, request: RequestBody): Value[] {
  const shape = shapeOf(request);
  const fields = request as unknown as Fields;
  arrayOf(request);
  if (byHouse(request)) return [content(network, shape, request), BigInt(fields["not_after_ms"] as number)];
  if (shape.hash_tags !== undefined) throw new BadField("request", `${shape.name} is signed by validators`);
  return fieldsOf(declarationOf(shape)).map(({ type, name }) => {
    const field = shape.fields.find((each) => each.signed_as === `${type} ${name}`);
    if (field === undefined) throw new BadField(name, `${shape.name} has no field for ${name}`);
    const item = itemOf(field, fields[field.json]);
    return item instanceof Uint8Array || typeof item === "boolean" || typeof item === "bigint" ? item : keccak256(encode(item));
  });
}

const byHouse = (request: RequestBody): boolean =>
  request.type === "governance_proposal" && Number(request.proposer) === HOUSE_PROPOSER;

function validatorsDigest(network: Uint8Array, shape: Shape, request: RequestBody): Uint8Array {
  if (request.type === "governance_proposal") return content(network, shape, request);
  const [kind, ...items] = arrayOf(request);
  const [tag = ""] = shape.hash_tags ?? [];
  if (request.type === "governance_vote") return tagged(tag, network, encode(items.slice(0, -1)));
  return tagged(tag, network, encode([kind as Item, ...items.slice(0, -1), []]));
}

function content(network: Uint8Array, shape: Shape, request: RequestBody): Uint8Array {
  const [, proposer, amendment, reason, notAfter] = arrayOf(request) as [Item, Item, Raw, Item, Item, Item];
  const [tag = "", inner = ""] = shape.hash_tags ?? [];
  return tagged(tag, network, encode([proposer, tagged(inner, network, amendment.bytes), reason, notAfter]));
}

function itemsOf(fields: readonly Field[], values: Fields): Item[] {
  return fields.map((field) => itemOf(field, values[field.json]));
}

function itemOf(field: Field, value: unknown): Item {
  switch (field.kind) {
    case "integer": case "amount": return whole(field, value);
    case "boolean":
      if (typeof value !== "boolean") throw new BadField(field.name, `${field.name} is not a boolean`);
      return value;
    case "text":
      if (typeof value !== "string" || utf8(value).length > Number(field.high)) throw new BadField(field.name, `${field.name} is no text of at most ${field.high} bytes`);
      return value;
    case "bytes": return bytesOf(field, value);
    case "canonical": return new Raw(fromHex(String(value), field.name));
    case "enumeration": {
      const number = field.names?.[String(value)];
      if (number === undefined) throw new BadField(field.name, `${field.name} is none of ${Object.keys(field.names ?? {}).join(", ")}`);
      return BigInt(number);
    }
  }
  if (!Array.isArray(value) || value.length < Number(field.low) || value.length > Number(field.high)) {
    throw new BadField(field.name, `${field.name} is not a list of ${field.low} to ${field.high} items`);
  }
  if (field.kind === "bytes list") return value.map((each: unknown) => fromHex(String(each), field.name));
  const inner = STRUCTURES[field.structure ?? ""] ?? [];
  return value.map((each: unknown) => itemsOf(inner, each as Fields));
}

function whole(field: Field, value: unknown): bigint {
  const isAmount = field.kind === "amount" && typeof value === "string" && /^-?(0|[1-9][0-9]*)$/.test(value);
  const isExact = field.kind === "integer" && (typeof value === "bigint" || Number.isSafeInteger(value));
  const found = isAmount || isExact ? BigInt(value as string | number | bigint) : undefined;
  if (found === undefined || found < BigInt(field.low ?? 0) || found > BigInt(field.high ?? 0)) {
    const form = field.kind === "amount" ? "a whole number as a string" : "a whole number, above 2^53 a bigint,";
    throw new BadField(field.name, `${field.name} is not ${form} in [${field.low}, ${field.high}]`);
  }
  return found;
}

/** A signature that was not made yet is empty. */
function bytesOf(field: Field, value: unknown): Uint8Array {
  const found = fromHex(value === undefined && field.is_signature ? "" : String(value), field.name);
  const fits = found.length >= Number(field.low) && found.length <= Number(field.high);
  if (!fits && !(field.is_signature && found.length === 0)) {
    throw new BadField(field.name, `${field.name} is not ${field.low} to ${field.high} bytes`);
  }
  return found;
}
