import { ascii, big, type Bytes, H, join, number, tagged, word } from "./bytes.js";
import { P } from "./group.js";

/** Fiat–Shamir transcript: docs/specification/linear-proof.md, "Transcript". */
export class Transcript {
  private state: Bytes;

  constructor(protocol: string) {
    this.state = tagged("crossclear/transcript/v1", H(ascii(protocol)));
  }

  absorb(label: string, type: "bytes" | "integer" | "scalar" | "point" | "challenge", data: Bytes): this {
    this.state = H(join(this.state, H(ascii(label)), H(ascii(type)), big(data.length, 8), data));
    return this;
  }

  bytes(label: string, data: Bytes): this {
    return this.absorb(label, "bytes", data);
  }

  integer(label: string, value: bigint | number): this {
    return this.absorb(label, "integer", word(value));
  }

  scalar(label: string, value: bigint): this {
    return this.absorb(label, "scalar", word(value));
  }

  point(label: string, encoded: Bytes): this {
    return this.absorb(label, "point", encoded);
  }

  challenge(label: string): bigint {
    this.absorb(label, "challenge", new Uint8Array(0));
    return number(join(H(this.state, Uint8Array.of(0)), H(this.state, Uint8Array.of(1)))) % P;
  }

  fork(protocol: string): Transcript {
    return new Transcript(protocol).bytes("parent", this.state);
  }

  /** The context that a proof in a fork of this protocol has. */
  context(protocol: string): Bytes {
    return word(this.fork(protocol).challenge("context"));
  }
}
