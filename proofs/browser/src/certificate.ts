import { bls12_381 } from "@noble/curves/bls12-381.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { ascii, type Bytes, compare, concat, equal, H, hex, join, number, tagged, word } from "./bytes.js";
import { at, CODES, demand, Refusal } from "./errors.js";
import { G1, G2, padded, pairsToOne, type Point1, point1, type Point2, point2, sum2 } from "./group.js";
import { type Certificate, type Header, type ValidatorSet } from "./schema.js";

/** Header, validator set and certificate: docs/specification/certificates.md. */
const SIGNATURE_TAG = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const POSSESSION_TAG = "BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

export function headerHash(header: Header): Bytes {
  const cursors = header.deposit_cursors.flatMap((cursor) => [
    word(cursor.chain_id), word(number(cursor.vault)), word(cursor.nonce),
  ]);
  return tagged(
    "crossclear/header/v1",
    header.network,
    header.parent,
    word(header.height),
    word(header.time_ms),
    header.payload_root,
    tagged("crossclear/state-root/v1", word(header.module_roots.length), ...header.module_roots),
    header.commitments_root,
    word(header.commitments_height),
    header.withdrawals_root,
    word(header.withdrawals_count),
    header.exit_root,
    word(header.epoch),
    header.validators_hash,
    header.next_validators_hash,
    tagged("crossclear/deposit-cursors/v1", ...cursors),
  );
}

export interface GoodSet {
  readonly hash: Bytes;
  readonly keys: readonly Point1[];
}

/** Sets that were found good, by all of their bytes. */
const GOOD_SETS = new Map<string, GoodSet>();
const GOOD_SETS_MAX = 16;

/** Check a validator set; number, order and uniqueness come before any point. */
export function goodSet(set: ValidatorSet): GoodSet {
  const fields = set.validators.flatMap(({ power, ...rest }) => [word(power), ...Object.values(rest)]);
  const name = hex(H(concat(fields)));
  const known = GOOD_SETS.get(name);
  if (known !== undefined) return known;
  const found = checkedSet(set);
  if (GOOD_SETS.size >= GOOD_SETS_MAX) GOOD_SETS.clear();
  GOOD_SETS.set(name, found);
  return found;
}

function checkedSet({ validators }: ValidatorSet): GoodSet {
  const bad = CODES.BAD_VALIDATOR_SET;
  demand(validators.length >= 1 && validators.length <= 127, bad, "number");
  validators.slice(1).forEach((validator, index) => {
    demand(compare(at(validators, index).envelope_key, validator.envelope_key) < 0, bad, "order");
  });
  demand(new Set(validators.map(({ bls_key }) => hex(bls_key))).size === validators.length, bad, "bls_key");
  demand(validators.every(({ power }) => power >= 1n), bad, "power");
  demand(votes(validators) < 1n << 60n, bad, "sum of power");
  const addresses = new Set(validators.map(({ evm_address }) => hex(evm_address)));
  demand(addresses.size === validators.length && !addresses.has("00".repeat(20)), bad, "evm_address");
  takeTogether(possessions(validators));
  const keys = validators.map((validator) => {
    const key = point1(validator.bls_key, CODES.CERTIFICATE_POINT);
    demand(signed([key], validator.bls_key, validator.possession, POSSESSION_TAG), CODES.BAD_POSSESSION_PROOF);
    const digest = tagged("crossclear/evm-possession/v1", validator.envelope_key);
    demand(equal(signerOf(digest, validator.evm_possession), validator.evm_address), CODES.BAD_POSSESSION_PROOF);
    return key;
  });
  const words = validators.flatMap((validator, index) => [
    word((number(validator.evm_address) << 96n) + validator.power), validator.envelope_key, padded(at(keys, index)),
  ]);
  return { hash: H(H(ascii("crossclear/validator-set/v1")), word(validators.length), ...words), keys };
}

/** Signatures that were found good, by name: one set certifies many packages, and one certificate is met again. */
const GOOD = new Set<string>();
const GOOD_MAX = 4096;

/** A name of who signed what, and how. */
const nameOf = (keys: readonly Bytes[], message: Bytes, signature: Bytes, tag: string): string =>
  hex(H(...keys, message, signature, ascii(tag)));

/** Take a signature as good without checking it. Only for a test that made it itself, and compares the rest. */
export function takeAsGood(name: string): void {
  if (GOOD.size >= GOOD_MAX) GOOD.clear();
  GOOD.add(name);
}

/** A proof of possession, by its name among those that were found good: w·K, M, S and w of the equation below. */
interface Possession {
  readonly name: string;
  readonly weightedKey: Point1;
  readonly hashed: Point2;
  readonly proof: Point2;
  readonly weight: bigint;
}

/** The proofs of a set that are still to be checked, up to the first that is no point, where checking one by one ends. The weights
 * follow from all keys and proofs. */
function possessions(validators: ValidatorSet["validators"]): Possession[] {
  const asked = validators
    .map(({ bls_key, possession }) => ({ bls_key, possession, name: nameOf([bls_key], bls_key, possession, POSSESSION_TAG) }))
    .filter(({ name }) => !GOOD.has(name));
  const seed = H(...asked.map(({ name }) => ascii(name)));
  const found: Possession[] = [];
  try {
    for (const [index, { bls_key, possession, name }] of asked.entries()) {
      const [key, proof] = [point1(bls_key), point2(possession)];
      const weight = number(H(seed, word(index)).subarray(0, 16));
      found.push({ name, weightedKey: key.multiplyUnsafe(weight), hashed: hashed(bls_key, POSSESSION_TAG), proof, weight });
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  return found;
}

/** Check proofs of possession in one equation and take them as good if it holds, else those of the first half, then the others. No
 * verdict is made here: the first proof that is not taken is checked alone, in its order, and names the code.
 *
 * With weights w of 128 bits that follow from all keys K and proofs S, which have prime order, and the hashes M of the keys, the
 * product of e(w·K, M) and e(−G₁, Σ w·S) is one only if each e(K, M) = e(G₁, S), but for a chance of 2^-128. */
function takeTogether(proofs: readonly Possession[]): boolean {
  const total = sum2(proofs.map(({ proof, weight }) => [proof, weight]));
  const pairs = proofs.map(({ weightedKey, hashed: message }): [Point1, Point2] => [weightedKey, message]);
  const good = pairsToOne([...pairs, [G1.BASE.negate(), total]]);
  if (good) {
    for (const { name } of proofs) takeAsGood(name);
  } else if (proofs.length > 1) {
    const half = proofs.length >> 1;
    if (takeTogether(proofs.slice(0, half))) takeTogether(proofs.slice(half));
  }
  return good;
}

/** FastAggregateVerify; a sum of keys that is infinity makes the equation decide. */
function signed(keys: readonly Point1[], message: Bytes, signature: Bytes, tag: string): boolean {
  const name = nameOf(keys.map((key) => key.toBytes(true)), message, signature, tag);
  if (GOOD.has(name)) return true;
  const point = point2(signature, CODES.CERTIFICATE_POINT);
  const total = keys.reduce((left, right) => left.add(right), G1.ZERO);
  const good = pairsToOne([
    [total, hashed(message, tag)],
    [G1.BASE.negate(), point],
  ]);
  if (good) takeAsGood(name);
  return good;
}

const hashed = (message: Bytes, tag: string): Point2 =>
  G2.fromAffine(bls12_381.G2.hashToCurve(message, { DST: tag }).toAffine());

/** Whether one validator's BLS signature on 32 bytes holds; what is no point does not. */
export function signedBy(key: Bytes, message: Bytes, signature: Bytes): boolean {
  try {
    return signed([point1(key)], message, signature, SIGNATURE_TAG);
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/** The power of all validators. */
export const votes = (validators: readonly { readonly power: bigint }[]): bigint =>
  validators.reduce((total, { power }) => total + power, 0n);

/** Address of an ECDSA signature r ‖ s ‖ v over 32 bytes that are not hashed again. */
function signerOf(digest: Bytes, signature: Bytes): Bytes {
  const v = at(signature, 64);
  const [r, s] = [number(signature.subarray(0, 32)), number(signature.subarray(32, 64))];
  const signer = v === 27 || v === 28 ? addressOf(digest, r, s, v - 27) : undefined;
  demand(signer !== undefined, CODES.BAD_SIGNATURE, "evm_possession");
  return signer;
}

/** The address that signed; `odd` is 1 for a point R with odd y. Undefined for what is no canonical signature. */
export function addressOf(digest: Bytes, r: bigint, s: bigint, odd: number): Bytes | undefined {
  const { n } = secp256k1.Point.CURVE();
  if (s < 1n || s > n / 2n || r < 1n || r >= n) return undefined;
  try {
    const key = new secp256k1.Signature(r, s, odd).recoverPublicKey(digest).toBytes(false);
    return keccak_256(key.subarray(1)).subarray(12);
  } catch {
    return undefined;
  }
}

/** Demand that a header is final under a set and for a network. */
export function demandFinal(
  header: Header, certificate: Certificate, { validators }: ValidatorSet, set: GoodSet, network: Bytes,
): void {
  demand(equal(header.network, network), CODES.HEADER_NETWORK);
  demand(certificate.kind === 2, CODES.WRONG_KIND);
  demand(equal(certificate.value, headerHash(header)) && certificate.height === header.height, CODES.WRONG_VALUE);
  demand(equal(header.validators_hash, set.hash), CODES.WRONG_VALIDATOR_SET);
  demand(equal(certificate.validators_hash, set.hash), CODES.WRONG_VALIDATOR_SET);
  const bits = number(certificate.signers);
  demand(bits >> BigInt(validators.length) === 0n, CODES.STRAY_SIGNER);
  const has = (index: number): boolean => ((bits >> BigInt(index)) & 1n) === 1n;
  const all = votes(validators);
  const some = validators.reduce((total, { power }, index) => (has(index) ? total + power : total), 0n);
  demand(3n * some > 2n * all, CODES.UNDER_QUORUM);
  const digest = H(
    join(H(ascii("crossclear/vote/v1")), network, set.hash, word(certificate.kind)),
    word(certificate.height), word(certificate.round), certificate.value,
  );
  const keys = set.keys.filter((_, index) => has(index));
  demand(signed(keys, digest, certificate.aggregate, SIGNATURE_TAG), CODES.BAD_SIGNATURE);
}
