/** Canonical MessagePack: the shortest form of each value (docs/specification/encoding.md). */
import { concat, utf8, word } from "./bytes.js";

/** Bytes that are MessagePack already. */
export class Raw {
  constructor(readonly bytes: Uint8Array) {}
}
export type Item = bigint | boolean | string | Uint8Array | Raw | readonly Item[];

export function encode(item: Item): Uint8Array {
  if (item instanceof Raw) return item.bytes;
  if (typeof item === "boolean") return Uint8Array.of(item ? 0xc3 : 0xc2);
  if (typeof item === "bigint") return integer(item);
  if (typeof item === "string") return text(utf8(item));
  if (item instanceof Uint8Array) return concat(head(item.length, [0xc4, 0xc5, 0xc6]), item);
  const count = item.length < 16 ? Uint8Array.of(0x90 + item.length) : sized(item.length, 0xdc, 0xdd);
  return concat(count, ...item.map(encode));
}

function integer(value: bigint): Uint8Array {
  if (value >= -32n && value < 128n) return word(value, 1);
  const [first, sizes] = value >= 0n ? [0xcc, [8n, 16n, 32n, 64n]] as const : [0xd0, [7n, 15n, 31n, 63n]] as const;
  const at = sizes.findIndex((bits) => (value >= 0n ? value >> bits === 0n : value >> bits === -1n));
  if (at < 0) throw new RangeError("an integer of more than 64 bits");
  return concat(Uint8Array.of(first + at), word(value, 2 ** at));
}

function text(data: Uint8Array): Uint8Array {
  return concat(data.length < 32 ? Uint8Array.of(0xa0 + data.length) : head(data.length, [0xd9, 0xda, 0xdb]), data);
}

function head(length: number, marks: readonly [number, number, number]): Uint8Array {
  return length < 256 ? Uint8Array.of(marks[0], length) : sized(length, marks[1], marks[2]);
}

function sized(length: number, two: number, four: number): Uint8Array {
  return length < 65_536 ? concat(Uint8Array.of(two), word(BigInt(length), 2)) : concat(Uint8Array.of(four), word(BigInt(length), 4));
}
