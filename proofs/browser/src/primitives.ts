import { Domain } from "./basis.js";
import { ascii, hex } from "./bytes.js";
import { P } from "./group.js";
import { Transcript } from "./transcript.js";

/** The values of tests/vectors/proofs/v2/good/primitives.json, computed. */
export function primitives(): Record<string, string> {
  const transcript = new Transcript("crossclear/vector/v1")
    .bytes("bytes", ascii("abc"))
    .integer("integer", 1n << 255n)
    .scalar("scalar", P - 1n);
  const challenge = transcript.challenge("challenge");
  const fork = transcript.fork("fork").challenge("challenge");
  const domain = new Domain(2048);
  return {
    challenge: challenge.toString(16).padStart(64, "0"),
    fork: fork.toString(16).padStart(64, "0"),
    lagrange_1: hex(domain.commit(new Map([[1, 1n]])).toBytes(true)),
    hiding_1: hex(domain.commit(new Map(), [0n, 1n]).toBytes(true)),
  };
}
