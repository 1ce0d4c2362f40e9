import { ascii, type Bytes, join } from "./bytes.js";
import { at, CODES, Refusal } from "./errors.js";

/** MessagePack as docs/specification/encoding.md reads it: by types, with a note of whether a form was canonical. */
export interface Type<T> {
  read(reader: Reader): T;
  readonly fallback?: () => T;
}
export type Of<S> = S extends Type<infer T> ? T : never;

const malformed = (about: string): Refusal => new Refusal(CODES.MALFORMED, about);
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A cursor over bytes. `canonical` becomes false at the first value that a writer would have written differently. */
export class Reader {
  offset = 0;
  canonical = true;
  /** Whether all numbers, lengths and counts were in their shortest forms: a part of `canonical`. */
  shortest = true;
  constructor(readonly bytes: Bytes) {}

  private take(count: number): Bytes {
    const end = this.offset + count;
    if (end > this.bytes.length) throw malformed("bytes end inside a value");
    const out = this.bytes.subarray(this.offset, end);
    this.offset = end;
    return out;
  }

  private longer(): void {
    this.canonical = false;
    this.shortest = false;
  }

  private unsigned(width: number): bigint {
    let value = 0n;
    for (const byte of this.take(width)) value = (value << 8n) | BigInt(byte);
    return value;
  }

  private sized(width: number, least: number): number {
    const value = Number(this.unsigned(width));
    if (value < least) this.longer();
    return value;
  }

  private byte(): number {
    return this.take(1)[0] ?? 0;
  }

  integer(): bigint {
    const first = this.byte();
    if (first < 0x80) return BigInt(first);
    if (first >= 0xe0) return BigInt(first - 256);
    const width = 1 << (first & 3);
    if (first >= 0xcc && first <= 0xcf) {
      const value = this.unsigned(width);
      if (value < (width === 1 ? 128n : 1n << BigInt(4 * width))) this.longer();
      return value;
    }
    if (first >= 0xd0 && first <= 0xd3) {
      const value = BigInt.asIntN(8 * width, this.unsigned(width));
      if (value >= (width === 1 ? -32n : -(1n << BigInt(4 * width - 1)))) this.longer();
      return value;
    }
    throw malformed("an integer is expected");
  }

  /** Check a pair of a non-negative integer and bytes as `pair(U63, bytes(width))` does, and build nothing. */
  numberedPair(width: number): void {
    const raw = this.bytes;
    const start = this.offset;
    const first = raw[start + 1] ?? 0;
    const size = first < 0x80 ? 1 : first === 0xcc ? 2 : first === 0xcd ? 3 : 0;
    const shortest = first < 0x80 || (raw[start + 2] ?? 0) >= (first === 0xcc ? 128 : 1);
    const next = start + 1 + size;
    const plain = size > 0 && shortest && raw[start] === 0x92 && raw[next] === 0xc4 && raw[next + 1] === width;
    if (plain && next + 2 + width <= raw.length) this.offset = next + 2 + width;
    else pair(U63, bytes(width)).read(this);
  }

  boolean(): boolean {
    const first = this.byte();
    if (first !== 0xc2 && first !== 0xc3) throw malformed("a boolean is expected");
    return first === 0xc3;
  }

  binary(): Bytes {
    const first = this.byte();
    if (first === 0xc4) return this.take(this.sized(1, 0));
    if (first === 0xc5) return this.take(this.sized(2, 1 << 8));
    if (first === 0xc6) return this.take(this.sized(4, 1 << 16));
    throw malformed("bytes are expected");
  }

  text(): string {
    const first = this.byte();
    let raw: Bytes;
    if (first >= 0xa0 && first < 0xc0) raw = this.take(first - 0xa0);
    else if (first === 0xd9) raw = this.take(this.sized(1, 32));
    else if (first === 0xda) raw = this.take(this.sized(2, 1 << 8));
    else if (first === 0xdb) raw = this.take(this.sized(4, 1 << 16));
    else throw malformed("text is expected");
    try {
      return DECODER.decode(raw);
    } catch {
      throw malformed("text is not UTF-8");
    }
  }

  count(): number {
    const first = this.byte();
    let count: number;
    if (first >= 0x90 && first < 0xa0) count = first - 0x90;
    else if (first === 0xdc) count = this.sized(2, 16);
    else if (first === 0xdd) count = this.sized(4, 1 << 16);
    else throw malformed("an array is expected");
    if (count > this.bytes.length - this.offset) throw malformed("an array is longer than its bytes");
    return count;
  }

  /** Skip one value of any kind without building it: a file of many small values costs its bytes and no objects. */
  skip(): void {
    const { bytes } = this;
    let offset = this.offset;
    for (let left = 1; left > 0; left--) {
      const first = bytes[offset++];
      if (first === undefined) throw malformed("bytes end inside a value");
      if (first < 0x80 || first >= 0xe0) continue;
      if (first < 0x90) left += 2 * (first - 0x80);
      else if (first < 0xa0) left += first - 0x90;
      else if (first < 0xc0) offset += first - 0xa0;
      else {
        const [width, extra, items] = at(FORMS, first - 0xc0);
        if (width < 0) throw malformed("an unknown form");
        let length = 0;
        for (let index = 0; index < width; index++) length = 256 * length + (bytes[offset + index] ?? 0);
        offset += width + extra + (items === 0 ? length : 0);
        left += items * length;
      }
      if (left > bytes.length) throw malformed("bytes end inside a value");
    }
    if (offset > bytes.length) throw malformed("bytes end inside a value");
    this.offset = offset;
  }
}

/** Of each first byte from c0 to df: how many bytes its length has, how many bytes follow besides the length, and how many
 * values one unit of the length stands for (0: it counts bytes). No first byte has the form c1. */
const FORMS: readonly (readonly [number, number, number])[] = [
  [0, 0, 0], [-1, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [2, 0, 0], [4, 0, 0], [1, 1, 0], [2, 1, 0], [4, 1, 0], [0, 4, 0],
  [0, 8, 0], [0, 1, 0], [0, 2, 0], [0, 4, 0], [0, 8, 0], [0, 1, 0], [0, 2, 0], [0, 4, 0], [0, 8, 0], [0, 2, 0], [0, 3, 0],
  [0, 5, 0], [0, 9, 0], [0, 17, 0], [1, 0, 0], [2, 0, 0], [4, 0, 0], [2, 0, 1], [4, 0, 1], [2, 0, 2], [4, 0, 2],
];

/** An integer in [least, most], as a bigint. */
export const integer = (least: bigint, most: bigint): Type<bigint> => ({
  read(reader) {
    const value = reader.integer();
    if (value < least || value > most) throw malformed("an integer is out of its range");
    return value;
  },
});

/** An integer in [0, most], as a number. */
export const small = (most: number): Type<number> => {
  const whole = integer(0n, BigInt(most));
  return { read: (reader) => Number(whole.read(reader)) };
};
export const U32 = small(0xffffffff);
export const U8 = small(255);
export const U63 = integer(0n, (1n << 63n) - 1n);
export const I63 = integer(-((1n << 63n) - 1n), (1n << 63n) - 1n);
export const BOOLEAN: Type<boolean> = { read: (reader) => reader.boolean() };
export const TEXT: Type<string> = { read: (reader) => reader.text() };

export const bytes = (least: number, most = least): Type<Bytes> => ({
  read(reader) {
    const value = reader.binary();
    if (value.length < least || value.length > most) throw malformed("bytes of a wrong length");
    return value;
  },
});

export const literal = (wanted: string): Type<string> => ({
  read(reader) {
    const value = reader.text();
    if (value !== wanted) throw malformed(`"${wanted}" is expected`);
    return value;
  },
});

export const array = <T>(item: Type<T>, most = Infinity, least = 0): Type<T[]> => ({
  read(reader) {
    const count = reader.count();
    if (count > most || count < least) throw malformed("an array of a wrong length");
    return Array.from({ length: count }, () => item.read(reader));
  },
});

export const pair = <A, B>(first: Type<A>, second: Type<B>): Type<readonly [A, B]> => ({
  read(reader) {
    if (reader.count() !== 2) throw malformed("a pair is expected");
    return [first.read(reader), second.read(reader)];
  },
});

export const member = (...numbers: readonly number[]): Type<number> => ({
  read(reader) {
    const value = Number(reader.integer());
    if (!numbers.includes(value)) throw malformed("a number that is no member of its enumeration");
    return value;
  },
});

export const or = <T>(type: Type<T>, fallback: () => T): Type<T> => ({ read: (reader) => type.read(reader), fallback });

type Fields = Record<string, Type<unknown>>;
export type Structure<F extends Fields> = { readonly [K in keyof F]: Of<F[K]> };

/** A structure: an array of its fields, in the order of the table. Last fields with a default may be left out, which is
 * not canonical. */
export const structure = <F extends Fields>(fields: F): Type<Structure<F>> => {
  const entries = Object.entries(fields);
  return {
    read(reader) {
      const count = reader.count();
      if (count > entries.length) throw malformed("a structure has too many items");
      const out: Record<string, unknown> = {};
      entries.forEach(([name, type], index) => {
        if (index < count) out[name] = type.read(reader);
        else if (type.fallback !== undefined) {
          reader.canonical = false;
          out[name] = type.fallback();
        } else throw malformed(`${name} is missing`);
      });
      return out as Structure<F>;
    },
  };
};

/** Read one whole value, and no byte more. */
export function whole<T>(type: Type<T>, raw: Bytes): { value: T; canonical: boolean; shortest: boolean } {
  const reader = new Reader(raw);
  const value = type.read(reader);
  if (reader.offset !== raw.length) throw malformed("bytes after the value");
  return { value, canonical: reader.canonical, shortest: reader.shortest };
}

/** The shortest form of an integer. */
export function writeInteger(value: bigint): Bytes {
  if (value >= 0n && value < 128n) return Uint8Array.of(Number(value));
  if (value < 0n && value >= -32n) return Uint8Array.of(Number(value + 256n));
  for (const power of [0, 1, 2, 3]) {
    const bits = 8 << power;
    const fits = value >= 0n ? value < 1n << BigInt(bits) : value >= -(1n << BigInt(bits - 1));
    if (fits) return fixed((value >= 0n ? 0xcc : 0xd0) + power, BigInt.asUintN(bits, value), bits / 8);
  }
  throw new RangeError("an integer beyond 64 bits");
}

export function writeCount(count: number): Bytes {
  if (count < 16) return Uint8Array.of(0x90 + count);
  return count < 1 << 16 ? fixed(0xdc, BigInt(count), 2) : fixed(0xdd, BigInt(count), 4);
}

export function writeBytes(raw: Bytes): Bytes {
  const width = raw.length < 1 << 8 ? 0 : raw.length < 1 << 16 ? 1 : 2;
  return join(fixed(0xc4 + width, BigInt(raw.length), 1 << width), raw);
}

export function writeText(text: string): Bytes {
  const raw = ascii(text);
  if (raw.length < 32) return join(Uint8Array.of(0xa0 + raw.length), raw);
  const width = raw.length < 1 << 8 ? 0 : raw.length < 1 << 16 ? 1 : 2;
  return join(fixed(0xd9 + width, BigInt(raw.length), 1 << width), raw);
}

function fixed(first: number, value: bigint, width: number): Bytes {
  const out = new Uint8Array(1 + width);
  out[0] = first;
  for (let index = width; index > 0; index--) {
    out[index] = Number(value & 0xffn);
    value >>= 8n;
  }
  return out;
}

/** A list whose items are read when they are asked for; until then it is their bytes, which were checked. */
export interface Lazy<T> {
  readonly length: number;
  items(): readonly T[];
}

/** Pairs of a non-negative integer and this many bytes. What is not of this form is refused at once, without an object an
 * item: a list of a million costs no more than its bytes. */
export const numbered = (width: number): Type<Lazy<readonly [bigint, Bytes]>> => {
  const list = array(pair(U63, bytes(width)));
  return {
    read(reader) {
      const start = reader.offset;
      const length = reader.count();
      for (let index = 0; index < length; index++) reader.numberedPair(width);
      const raw = reader.bytes.subarray(start, reader.offset);
      let built: (readonly [bigint, Bytes])[] | undefined;
      return { length, items: () => (built ??= list.read(new Reader(raw))) };
    },
  };
};
