import { type Bytes, number } from "./bytes.js";
import { at, CODES, demand } from "./errors.js";

/** RLP, canonical only: docs/specification/custody.md. An item is bytes or a list of items. */
export type Item = Bytes | readonly Item[];

const refuse = CODES.CUSTODY_NOT_PROVEN;

export function isList(item: Item): item is readonly Item[] {
  return !(item instanceof Uint8Array);
}

export function readRlp(raw: Bytes): Item {
  const { item, end } = readItem(raw, 0, raw.length, 0);
  demand(end === raw.length, refuse, "RLP: bytes after the item");
  return item;
}

function readItem(raw: Bytes, start: number, limit: number, depth: number): { item: Item; end: number } {
  demand(start < limit, refuse, "RLP: no item");
  const first = at(raw, start);
  if (first < 0x80) return { item: raw.subarray(start, start + 1), end: start + 1 };
  const list = first >= 0xc0;
  const base = list ? 0xc0 : 0x80;
  let length = first - base;
  let body = start + 1;
  if (length > 55) {
    const width = length - 55;
    demand(body + width <= limit && at(raw, body) !== 0, refuse, "RLP: length");
    const spelled = number(raw.subarray(body, body + width));
    demand(spelled > 55n && spelled <= BigInt(limit), refuse, "RLP: length");
    length = Number(spelled);
    body += width;
  }
  const end = body + length;
  demand(end <= limit, refuse, "RLP: length");
  if (!list) {
    demand(length !== 1 || at(raw, body) >= 0x80, refuse, "RLP: a single byte has no prefix");
    return { item: raw.subarray(body, end), end };
  }
  demand(depth < 64, refuse, "RLP: depth");
  const items: Item[] = [];
  while (body < end) {
    const read = readItem(raw, body, end, depth + 1);
    items.push(read.item);
    body = read.end;
  }
  return { item: items, end };
}

/** How many bytes the canonical encoding of an item has. */
export function encodedLength(item: Item): number {
  if (!isList(item) && item.length === 1 && (item[0] ?? 0) < 0x80) return 1;
  const inside = isList(item) ? item.reduce((total, each) => total + encodedLength(each), 0) : item.length;
  return inside + (inside < 56 ? 1 : 1 + Math.ceil(inside.toString(16).length / 2));
}
