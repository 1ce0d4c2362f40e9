import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { type Domain } from "./basis.js";
import { type Bytes, compareText, equal, join, number, tagged } from "./bytes.js";
import { at, CODES, demand, Refusal } from "./errors.js";
import { type OwnAccount, verifyInclusion } from "./inclusion.js";
import { whole } from "./messagepack.js";
import { type EpochPackage, SignedInclusion } from "./schema.js";

/** A node's signed answer: docs/specification/further-proofs.md, "Signed answer". */
const ANSWER_BYTES_MAX = 1 << 20;

/** The bytes as an answer, of any signer: step `encoding`. */
export function decodeAnswer(file: Bytes): SignedInclusion {
  demand(file.length <= ANSWER_BYTES_MAX, CODES.OVERSIZE, `${file.length} bytes`);
  const { value, canonical } = whole(SignedInclusion, file);
  demand(canonical, CODES.NON_CANONICAL);
  // A slot that is named twice would have two amounts, of which only one is compared.
  const rising = value.holdings.every(([name], index, all) => index === 0 || compareText(at(all, index - 1)[0], name) < 0);
  demand(rising, CODES.MALFORMED, "holdings are not in order, each once");
  return value;
}

/** An answer that its signer signed. */
export function readAnswer(file: Bytes): SignedInclusion {
  const value = decodeAnswer(file);
  // The signature is the last field, so its 64 bytes are the file's last ones.
  const unsigned = join(file.subarray(0, file.length - 64), new Uint8Array(64));
  const digest = tagged("crossclear/inclusion-answer/v1", unsigned);
  demand(signedBy(value.signer, digest, value.signature), CODES.BAD_ANSWER, "signature");
  return value;
}

/** Ed25519 without the cofactor: encodings are canonical, and neither point is of small order. */
export function signedBy(signer: Bytes, message: Bytes, signature: Bytes): boolean {
  const { Point } = ed25519;
  const order = Point.Fn.ORDER;
  const little = (bytes: Bytes): bigint => number(bytes.slice().reverse());
  try {
    const key = Point.fromBytes(signer, false);
    const nonce = Point.fromBytes(signature.subarray(0, 32), false);
    const s = little(signature.subarray(32));
    if (s >= order || key.isSmallOrder() || nonce.isSmallOrder()) return false;
    const k = little(sha512(join(signature.subarray(0, 32), signer, message))) % order;
    return Point.BASE.multiplyUnsafe(s).equals(nonce.add(key.multiplyUnsafe(k)));
  } catch {
    return false;
  }
}

export const ownOf = (answer: SignedInclusion): OwnAccount & { readonly holdings: ReadonlyMap<string, bigint> } => ({
  account: answer.account,
  owner: answer.owner,
  seed: answer.seed,
  holdings: new Map(answer.holdings),
});

/** By what an answer and a package that passed `statement` contradict each other, or undefined if they agree. */
export function contradiction(
  content: EpochPackage, answer: SignedInclusion, domain: Domain,
): "height" | "account" | "holdings" | "commitment" | undefined {
  const { statement } = content;
  const same = equal(answer.network, statement.network) && answer.epoch === statement.epoch;
  demand(same, CODES.BAD_ANSWER, "another network or epoch");
  if (answer.height !== statement.height) return "height";
  if (content.commitments.items().every(([account]) => account !== answer.account)) return "account";
  try {
    verifyInclusion(content, ownOf(answer), domain);
    return undefined;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.code === CODES.NOT_INCLUDED ? "commitment" : "holdings";
  }
}
