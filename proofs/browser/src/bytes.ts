import { sha256 } from "@noble/hashes/sha2.js";

/** Bytes, words and hashes as docs/specification/encoding.md and overview.md define them. */
export type Bytes = Uint8Array;

const TEXT = new TextEncoder();

/** Text in UTF-8, which most often is ASCII. */
export const ascii = (text: string): Bytes => TEXT.encode(text);

export const join = (...parts: readonly Bytes[]): Bytes => concat(parts);

/** The same for lists that may be longer than a call can have arguments. */
export function concat(parts: readonly Bytes[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** A number of 0 to 2^(8·width) − 1 as big-endian bytes. */
export function big(value: bigint | number, width = 32): Bytes {
  let rest = BigInt(value);
  const out = new Uint8Array(width);
  for (let index = width - 1; index >= 0; index--) {
    out[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest !== 0n) throw new RangeError("number does not fit");
  return out;
}

export const word = (value: bigint | number): Bytes => big(value, 32);

export function number(bytes: Bytes): bigint {
  return bytes.length === 0 ? 0n : BigInt("0x" + hex(bytes));
}

const HEX = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, "0"));

export function hex(bytes: Bytes): string {
  let out = "";
  for (const byte of bytes) out += HEX[byte];
  return out;
}

/** Bytes of an even number of hexadecimal digits, or undefined. */
export function fromHex(text: string): Bytes | undefined {
  const digits = text.startsWith("0x") ? text.slice(2) : text;
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefined;
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

export function equal(left: Bytes, right: Bytes): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

/** −1, 0 or 1: bytes as unsigned numbers from the left. */
export function compare(left: Bytes, right: Bytes): number {
  const shorter = Math.min(left.length, right.length);
  for (let index = 0; index < shorter; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference < 0 ? -1 : 1;
  }
  return Math.sign(left.length - right.length);
}

/** Text is compared byte by byte in UTF-8. */
export const compareText = (left: string, right: string): number => compare(TEXT.encode(left), TEXT.encode(right));

export const H = (...parts: readonly Bytes[]): Bytes => sha256(join(...parts));

const TAGS = new Map<string, Bytes>();

/** H(tag), kept: trees hash millions of times under one tag. */
function hashOfTag(tag: string): Bytes {
  let found = TAGS.get(tag);
  if (found === undefined) {
    found = H(ascii(tag));
    TAGS.set(tag, found);
  }
  return found;
}

export const tagged = (tag: string, ...parts: readonly Bytes[]): Bytes => H(hashOfTag(tag), ...parts);

/** Root of the Merkle tree over leaves. */
export function merkleRoot(leaves: readonly Bytes[]): Bytes {
  const empty = tagged("crossclear/merkle/empty/v1");
  let level = leaves.map((leaf) => tagged("crossclear/merkle/leaf/v1", leaf));
  while (level.length > 1) {
    const above: Bytes[] = [];
    for (let index = 0; index < level.length; index += 2) {
      above.push(tagged("crossclear/merkle/node/v1", level[index] ?? empty, level[index + 1] ?? empty));
    }
    level = above;
  }
  return tagged("crossclear/merkle/root/v1", word(leaves.length), level[0] ?? empty);
}

/** ⌊a / b⌋ for b > 0. */
export function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

/** ⌈a / b⌉ for b > 0. */
export const ceilDiv = (a: bigint, b: bigint): bigint => -floorDiv(-a, b);

export const absolute = (value: bigint): bigint => (value < 0n ? -value : value);
export const larger = (left: bigint, right: bigint): bigint => (left > right ? left : right);
export const smaller = (left: bigint, right: bigint): bigint => (left < right ? left : right);
