import { NUMBERS, STRUCTURES } from "../build/structures.js";
import { type Bytes, concat, equal, fromHex, join, larger, tagged } from "./bytes.js";
import { goodSet } from "./certificate.js";
import { at, CODES, demand, Refusal } from "./errors.js";
import { Assets, CashGroups, Feeds, type Genesis, Instruments, RangeParameters } from "./genesis.js";
import { BadJson, type Json, readJson } from "./json.js";
import { type Type, U63, whole, writeBytes, writeCount, writeInteger, writeText } from "./messagepack.js";
import { type Asset, RiskParameters, SPAN_FIELDS } from "./rulebook.js";
import { ValidatorSet } from "./schema.js";
import { Surfaces } from "./surface_bounds.js";
import { type OutflowLimits, placeKey } from "./transition.js";

/** A genesis file: docs/specification/genesis.md. Its structures are those of the page's tables. */
export interface ReadGenesis extends Genesis {
  readonly digest: Bytes;
  readonly validatorsHash: Bytes;
}

const GENESIS_BYTES_MAX = 1 << 22;

/** Throws a Refusal that names the place. */
export function readGenesis(file: Bytes): ReadGenesis {
  demand(file.length <= GENESIS_BYTES_MAX, CODES.OVERSIZE, `genesis: ${file.length} bytes`);
  const tree = jsonOf(file);
  const parts = partsOf("Genesis", tree, "genesis");
  const hashed = itemsOf("Genesis", parts);
  const read = <T>(type: Type<T>, name: string): T => whole(type, parts.get(name) ?? new Uint8Array(0)).value;
  const assets = read(Assets, "assets");
  return {
    time: read(U63, "time_ms"),
    feeds: read(Feeds, "feeds"),
    cashGroups: read(CashGroups, "cash_groups"),
    assets,
    limits: limitsOf(tree, assets),
    instruments: read(Instruments, "instruments"),
    risk: read(RiskParameters, "risk"),
    ranges: read(RangeParameters, "ranges"),
    surfaces: read(Surfaces, "surfaces"),
    digest: tagged("crossclear/genesis/v1", list(hashed)),
    validatorsHash: goodSet(read(ValidatorSet, "validators")).hash,
  };
}

/** The withdrawal limits of all together, of a file whose form was checked. */
function limitsOf(tree: Json, assets: readonly Asset[]): OutflowLimits {
  const inside = (value: Json, name: string): Json => (value instanceof Map ? (value.get(name) ?? null) : null);
  const fallback = STRUCTURES["MarketParameters"]?.find(([name]) => name === "epoch_blocks")?.[2] ?? "";
  const blocks = inside(inside(tree, "market"), "epoch_blocks");
  const listed = inside(inside(inside(tree, "crisis"), "gates"), "assets");
  const amounts = new Map<string, bigint>();
  for (const each of Array.isArray(listed) ? (listed as readonly Json[]) : []) {
    const asset = assets.find(({ id }) => BigInt(id) === inside(each, "asset"));
    const units = inside(each, "window_units_max");
    if (asset === undefined || typeof units !== "bigint" || units === 0n) continue;
    const unit = 10n ** BigInt(Math.max(asset.token_decimals - asset.unit_decimals, 0));
    amounts.set(placeKey(asset.chain_id, asset.vault, asset.token), units * unit);
  }
  return { windowBlocks: larger(typeof blocks === "bigint" ? blocks : numberOf(fallback), 1n), amounts };
}

function jsonOf(file: Bytes): Json {
  try {
    return readJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file));
  } catch (error) {
    throw new Refusal(CODES.MALFORMED, `genesis: ${error instanceof BadJson ? error.message : "it is not UTF-8"}`);
  }
}

const list = (items: readonly Bytes[]): Bytes => join(writeCount(items.length), concat(items));

function must(good: boolean, where: string, why: string): asserts good {
  demand(good, CODES.MALFORMED, `${where}: ${why}`);
}

/** The encoded fields of a structure, in the order of its table. */
function partsOf(name: string, value: Json, where: string): Map<string, Bytes> {
  const fields = STRUCTURES[name];
  if (fields === undefined) throw new Error(`no table of ${name}`);
  must(value instanceof Map, where, "an object is expected");
  const known = new Set(fields.map(([field]) => field));
  const stray = [...value.keys()].find((key) => !known.has(key));
  must(stray === undefined, where, `there is no field ${JSON.stringify(stray ?? "")}`);
  return new Map(fields.map(([field, type, fallback]) => {
    const given = value.get(field) as Json | undefined;
    if (given !== undefined) return [field, encoded(type, given, `${where}.${field}`)];
    must(fallback !== "required", where, `${field} is missing`);
    return [field, encodedDefault(type, fallback)];
  }));
}

/** How many items of a structure are written whatever they are; later ones are left out at the end where they are off. */
const KEPT: Readonly<Record<string, number>> = {
  Genesis: 16, RiskGroup: 10, RiskParameters: 11, Asset: 18, JointCredit: 4, RangeParameters: 22, Scenario: 7,
};

function itemsOf(name: string, parts: Map<string, Bytes>): Bytes[] {
  const items = [...parts.values()];
  for (let last = items.length - 1; last >= (KEPT[name] ?? items.length); last -= 1) {
    const [, type, fallback] = at(STRUCTURES[name] ?? [], last);
    if (!equal(at(items, last), encodedDefault(type, fallback))) break;
    items.pop();
  }
  return items;
}

function encoded(type: string, value: Json, where: string): Bytes {
  const named = /^`(\w+)`$/.exec(type)?.[1];
  if (named !== undefined) return list(itemsOf(named, partsOf(named, value, where)));
  const items = /^array( of (?:at least )?[\d,]+(?: to ([\d,]+))? items,)? of (.+)$/.exec(type);
  if (items !== null) {
    must(Array.isArray(value) && value.length <= Number((items[2] ?? "Infinity").replaceAll(",", "")), where, "a list is expected");
    return list(value.map((item: Json, index) => encoded(items[3] ?? "", item, `${where}[${index}]`)));
  }
  const pair = /^array \((.+); (.+)\)$/.exec(type);
  if (pair !== null) {
    must(Array.isArray(value) && value.length === 2, where, "a list of two is expected");
    return list(value.map((item: Json, index) => encoded(pair[index + 1] ?? "", item, `${where}[${index}]`)));
  }
  return encodedPlain(type, value, where);
}

function encodedPlain(type: string, value: Json, where: string): Bytes {
  if (type === "text") {
    must(typeof value === "string", where, "a string is expected");
    return writeText(value);
  }
  if (type === "boolean") {
    must(typeof value === "boolean", where, "true or false is expected");
    return Uint8Array.of(value ? 0xc3 : 0xc2);
  }
  const sized = /^(at most )?([\d,]+) bytes$/.exec(type);
  if (sized !== null) {
    const bytes = typeof value === "string" && value.startsWith("0x") ? fromHex(value) : undefined;
    const length = Number((sized[2] ?? "").replaceAll(",", ""));
    must(bytes !== undefined && (sized[1] === undefined ? bytes.length === length : bytes.length <= length), where, type);
    return writeBytes(bytes);
  }
  must(typeof value === "bigint", where, "an integer is expected");
  const members = /^number of `(\w+)`$/.exec(type)?.[1];
  if (members !== undefined) {
    must(NUMBERS[members]?.includes(Number(value)) === true, where, `a number of ${members} is expected`);
    return writeInteger(value);
  }
  const range = /^integer in \[(.+), (.+)\]$/.exec(type);
  if (range === null) throw new Error(`the tables name no type ${type}`);
  must(value >= numberOf(range[1] ?? "") && value <= numberOf(range[2] ?? ""), where, type);
  return writeInteger(value);
}

/** "2^63 − 1", "−(2^63 − 1)", "1,048,576". */
function numberOf(text: string): bigint {
  const negative = /^−\(?(.+?)\)?$/.exec(text)?.[1];
  if (negative !== undefined) return -numberOf(negative);
  const power = /^2\^(\d+)( − 1)?$/.exec(text);
  if (power !== null) return (1n << BigInt(power[1] ?? "0")) - (power[2] === undefined ? 0n : 1n);
  return BigInt(text.replaceAll(",", ""));
}

/** What stands for a missing field, from the words of its table. */
function encodedDefault(type: string, fallback: string): Bytes {
  const structure = /^`(\w+)` of defaults$/.exec(fallback)?.[1];
  if (structure !== undefined) return list(itemsOf(structure, partsOf(structure, new Map(), structure)));
  if (fallback === "stated in the text") return list(SPAN_FIELDS.map((fields) => encoded("`Scenario`", fields, "scenarios")));
  if (fallback === "empty") return type.startsWith("array") ? writeCount(0) : writeBytes(new Uint8Array(0));
  const zeros = /^(\d+) zero bytes$/.exec(fallback)?.[1];
  if (zeros !== undefined) return writeBytes(new Uint8Array(Number(zeros)));
  if (fallback === "true" || fallback === "false") return Uint8Array.of(fallback === "true" ? 0xc3 : 0xc2);
  const several = /^\((.*)\)$/.exec(fallback)?.[1];
  if (several !== undefined) return list(several.split("; ").map((text) => writeInteger(numberOf(text))));
  return writeInteger(numberOf(at(fallback.split(" `"), 0)));
}
