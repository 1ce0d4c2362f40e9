/** Bytes, hex, and the two hashes. */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { sha256 as sha } from "@noble/hashes/sha2.js";
import { BadField } from "./errors.js";

export const keccak256 = (data: Uint8Array): Uint8Array => keccak_256(data);
export const sha256 = (data: Uint8Array): Uint8Array => sha(data);
const encoder = new TextEncoder();
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Bytes of hex with or without 0x. Throws BadField. */
export function fromHex(text: string, at = "hex"): Uint8Array {
  const digits = text.startsWith("0x") ? text.slice(2) : text;
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) throw new BadField(at, `${at} is not hex`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** `value` in big-endian two's complement. */
export function word(value: bigint, size = 32): Uint8Array {
  return fromHex(BigInt.asUintN(size * 8, value).toString(16).padStart(size * 2, "0"));
}

/** SHA-256 with a domain tag. */
export function tagged(tag: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(concat(sha256(utf8(tag)), ...parts));
}
