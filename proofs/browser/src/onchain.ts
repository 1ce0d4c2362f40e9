import { Domain } from "./basis.js";
import { ascii, type Bytes, compare, equal, H, hex, join, merkleRoot, number, tagged, word } from "./bytes.js";
import { addressOf, signedBy, votes } from "./certificate.js";
import { at, CODES, demand, Refusal } from "./errors.js";
import { G1, inverse, mod, opens, P, padded, paddedPoint, type Point1, point1, power, scalar, sum } from "./group.js";
import { COLUMNS_MAX, type Layout } from "./layout.js";
import { array, bytes, literal, type Of, structure, type Type, U32, U63, whole } from "./messagepack.js";
import { commitmentsRoot, demandEpochNumber, type ReadPackage } from "./package.js";

/** Keys, leaves and proofs for contracts: docs/specification/on-chain.md. */
const EpochKeys = structure({
  network: bytes(32),
  epoch: U63,
  height: U63,
  commitments_root: bytes(32),
  layout: bytes(32),
  size: U32,
  leaves_root: bytes(32),
  accounts: U32,
  constant: bytes(32),
  sigma: bytes(32),
  u: array(bytes(48), COLUMNS_MAX, 1),
  v: bytes(48),
});
export type EpochKeys = Of<typeof EpochKeys>;
const LeafRecord = structure({
  account: U63, shortfall: U63, c_w: bytes(48), c_d: array(bytes(48), COLUMNS_MAX, 1), presenter: bytes(20),
});
type LeafRecord = Of<typeof LeafRecord>;
const KeysShare = structure({ validators_hash: bytes(32), validator: U32, signature: bytes(96) });
const OnchainEpoch = structure({
  format: literal("crossclear-onchain-epoch/2"),
  keys: EpochKeys,
  leaves: array(LeafRecord, 1 << 20, 1),
  shares: array(KeysShare, 256),
  time_s: U63,
});
type OnchainEpoch = Of<typeof OnchainEpoch>;
const Audience = structure({ chain_id: U63, verifier: bytes(20), caller: bytes(20), purpose: bytes(32) });
const Presentation = structure({ audience: Audience, r: bytes(32), vs: bytes(32) });
const OnchainAccount = structure({
  format: literal("crossclear-onchain-account/2"),
  keys: EpochKeys,
  leaf: LeafRecord,
  index: U32,
  path: array(bytes(32), 20),
  proof: bytes(0, 3936),
  presentation: Presentation,
});
type OnchainAccount = Of<typeof OnchainAccount>;

function readFile<T>(type: Type<T>, file: Bytes, most: number): T {
  demand(file.length <= most, CODES.OVERSIZE, `${file.length} bytes`);
  const { value, canonical } = whole(type, file);
  demand(canonical, CODES.NON_CANONICAL);
  return value;
}

export function readOnchainEpoch(file: Bytes): OnchainEpoch {
  const epoch = readFile(OnchainEpoch, file, 1 << 26);
  const order = epoch.shares.map(({ validators_hash, validator }) => join(validators_hash, word(validator)));
  const rise = order.every((each, index) => index === 0 || compare(at(order, index - 1), each) < 0);
  demand(rise, CODES.MALFORMED, "order of shares");
  return epoch;
}

export const readOnchainAccount = (file: Bytes): OnchainAccount => readFile(OnchainAccount, file, 65536);

function leafWords({ account, shortfall, c_w, c_d, presenter }: LeafRecord): Bytes {
  const points = [c_w, ...c_d].map((encoded) => padded(point1(encoded)));
  return join(word(account), word(shortfall), new Uint8Array(12), presenter, ...points);
}

const leafHash = (words: Bytes): Bytes => tagged("crossclear/merkle/leaf/v1", words);

/** The words of an epoch's keys, which are hashed. */
export function keyWords(keys: EpochKeys): Bytes {
  return join(
    H(ascii("crossclear/onchain/epoch-keys/v2")), keys.network, word(keys.epoch), word(keys.height), keys.commitments_root,
    keys.layout, word(keys.size), keys.leaves_root, word(keys.accounts), keys.constant, keys.sigma, word(keys.u.length),
    ...[...keys.u, keys.v].map((encoded) => padded(point1(encoded))),
  );
}

/** The keys that were derived last: the files of several validators of one epoch differ in their shares alone. */
let lastKeys: { readonly name: string; readonly keys: EpochKeys } | undefined;

/** What a package and all leaves give as keys. */
function derivedKeys(read: ReadPackage, layout: Layout, leaves: readonly LeafRecord[]): EpochKeys {
  const leavesRoot = merkleRoot(leaves.map(leafWords));
  // The commitments root names the whole statement.
  const name = hex(join(commitmentsRoot(read), layout.digest, leavesRoot));
  if (lastKeys?.name !== name) lastKeys = { name, keys: keysOf(read, layout, leavesRoot, leaves.length) };
  return lastKeys.keys;
}

function keysOf(read: ReadPackage, layout: Layout, leavesRoot: Bytes, accounts: number): EpochKeys {
  const { statement } = read.content;
  const root = commitmentsRoot(read);
  const half = (index: number): Bytes =>
    tagged("crossclear/onchain/y/v1", root, layout.digest, leavesRoot, word(index));
  const { columns, slots, constant, sigma } = rowPolynomials(layout, number(join(half(0), half(1))) % P);
  const domain = new Domain(layout.size);
  const committed = (values: ReadonlyMap<number, bigint>): Bytes => domain.commit(values).toBytes(true);
  return {
    network: statement.network,
    epoch: statement.epoch,
    height: statement.height,
    commitments_root: root,
    layout: layout.digest,
    size: layout.size,
    leaves_root: leavesRoot,
    accounts,
    constant: word(constant),
    sigma: word(sigma),
    u: columns.map(committed),
    v: committed(slots),
  };
}

/** The values of u_c and v on H, and the constant with what a unit of σ adds, under the challenge y. */
function rowPolynomials(layout: Layout, y: bigint): {
  columns: Map<number, bigint>[]; slots: Map<number, bigint>; constant: bigint; sigma: bigint;
} {
  const columns = Array.from({ length: layout.columns }, () => new Map<number, bigint>());
  const slots = new Map<number, bigint>();
  const more = (slot: number, value: bigint): void => void slots.set(slot, mod((slots.get(slot) ?? 0n) + value));
  let [constant, sigma, rho] = [0n, 0n, 1n];
  const digits = (index: number, width: number): void => {
    const [column, first] = at(layout.places, index);
    for (let digit = 0; digit < width; digit++) at(columns, column).set(first + digit, mod(rho << BigInt(8 * digit)));
  };
  layout.slots.forEach(({ width, offset }, slot) => {
    digits(slot, width);
    if (width !== 0) more(slot, rho);
    constant = mod(constant + rho * offset);
    rho = mod(rho * y);
  });
  layout.rows.forEach((row, index) => {
    digits(layout.slots.length + index, row.width);
    for (const [slot, coefficient] of row.coefficients) more(slot, rho * coefficient);
    constant = mod(constant + rho * row.constant);
    if (row.shortfall) sigma = mod(sigma + rho);
    rho = mod(rho * y);
  });
  return { columns, slots, constant, sigma };
}

/** Demand that the keys of a `.cco` file follow from its leaves and a package that passed `statement`. */
export function demandKeys(epoch: OnchainEpoch, read: ReadPackage, layout: Layout): void {
  const { content } = read;
  const sigmas = new Map(content.statement.shortfalls);
  const accounts = content.commitments.items();
  const same = epoch.leaves.length === accounts.length && epoch.leaves.every(({ account, shortfall, c_w, c_d }, index) => {
    const [wanted, commitment] = at(accounts, index);
    return account === wanted && shortfall === (sigmas.get(wanted) ?? 0n) && equal(c_w, commitment) && c_d.length === layout.columns;
  });
  demand(same, CODES.BAD_STATEMENT, "leaves of another statement");
  const derived = derivedKeys(read, layout, epoch.leaves);
  for (const name of Object.keys(derived) as (keyof EpochKeys)[]) {
    const text = (value: EpochKeys[keyof EpochKeys]): string =>
      value instanceof Uint8Array ? hex(value) : Array.isArray(value) ? value.map(hex).join() : String(value);
    demand(text(derived[name]) === text(epoch.keys[name]), CODES.KEYS_DIFFER, name);
  }
  demand(epoch.time_s === content.header.time_ms / 1000n, CODES.KEYS_DIFFER, "time_s");
}

/** The power of the validators of the package's set that signed the keys, and all power. */
export function signedPower(epoch: OnchainEpoch, read: ReadPackage): { signed: bigint; all: bigint } {
  const { validators } = read.content.validators;
  const set = read.content.header.validators_hash;
  const digest = H(
    H(ascii("crossclear/onchain/certified-keys/v2")), epoch.keys.network, set, H(keyWords(epoch.keys)), word(epoch.time_s),
  );
  let signed = 0n;
  for (const { validators_hash, validator, signature } of epoch.shares) {
    const signer = validators[validator];
    if (signer === undefined || !equal(validators_hash, set)) continue;
    if (signedBy(signer.bls_key, digest, signature)) signed += signer.power;
  }
  return { signed, all: votes(validators) };
}

/** The words of a leaf, which are those of no leaf of any tree if one of its points is none. */
function wordsInTree(leaf: LeafRecord): Bytes {
  try {
    return leafWords(leaf);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(CODES.WRONG_ROOT, "a point of the leaf");
  }
}

/** Demand that the account of a `.cca` file is under its keys: their epoch, columns, then the path. */
export function demandLeaf({ keys, leaf, index, path }: OnchainAccount): void {
  demandEpochNumber(keys);
  demand(leaf.c_d.length === keys.u.length, CODES.BAD_STATEMENT, "columns");
  const depth = keys.accounts <= 1 ? 0 : (keys.accounts - 1).toString(2).length;
  demand(index < keys.accounts && path.length === depth, CODES.WRONG_ROOT, "path");
  const top = path.reduce((node, sibling, level) => {
    const right = Math.floor(index / 2 ** level) % 2 === 1;
    return tagged("crossclear/merkle/node/v1", ...(right ? [sibling, node] : [node, sibling]));
  }, leafHash(wordsInTree(leaf)));
  demand(equal(tagged("crossclear/merkle/root/v1", word(keys.accounts), top), keys.leaves_root), CODES.WRONG_ROOT, "leaf");
}

/** [T] of each size: a constant. */
const TABLE_POINTS = new Map<number, Point1>();

function tablePoint(domain: Domain): Point1 {
  const known = TABLE_POINTS.get(domain.size);
  if (known !== undefined) return known;
  const found = domain.commit(new Map(Array.from({ length: domain.size }, (_, i) => [i, BigInt(i % 256)] as const)));
  TABLE_POINTS.set(domain.size, found);
  return found;
}

/** Demand that the proof of a `.cca` file holds. */
export function demandOnchainProof({ keys, leaf, proof }: OnchainAccount): void {
  const count = keys.u.length;
  demand(proof.length === 128 * (6 + count) + 32 * (3 + 2 * count), CODES.BAD_LENGTH);
  const sent = new Sent(proof);
  let state = H(H(ascii("crossclear/onchain/linear/v1")), H(keyWords(keys)), leafHash(leafWords(leaf)));
  const round = (): bigint => {
    state = H(state, sent.sinceRound());
    return number(state) % P;
  };
  const second = (): bigint => number(H(state)) % P;
  const points = (n: number): Point1[] => Array.from({ length: n }, () => sent.point());
  const scalars = (n: number): bigint[] => Array.from({ length: n }, () => sent.scalar());
  const m = sent.point();
  const [alpha, beta] = [round(), second()];
  const f = points(count);
  const runningSum = sent.point();
  const [delta, gamma] = [round(), second()];
  const [t1, t2] = [sent.point(), sent.point()];
  const zeta = round();
  const [digits, weights] = [scalars(count), scalars(count)];
  const [slotWeight, table, sumValue] = [sent.scalar(), sent.scalar(), sent.scalar()];
  const r = round();
  const [pi1, pi2] = [sent.point(), sent.point()];
  const mu = round();
  const domain = new Domain(keys.size);
  const vanishing = domain.vanishing(zeta);
  demand((P - alpha) % P >= 256n && vanishing !== 0n, CODES.BAD_CHALLENGE);
  const claims: [Point1, bigint][] = [
    ...leaf.c_d.map((encoded, c): [Point1, bigint] => [point1(encoded), at(digits, c)]),
    ...keys.u.map((encoded, c): [Point1, bigint] => [point1(encoded), at(weights, c)]),
    [point1(keys.v), slotWeight],
    [tablePoint(domain), table],
  ];
  const n = BigInt(keys.size);
  let inner = (scalar(keys.constant) + scalar(keys.sigma) * leaf.shortfall) * inverse(n);
  let base = (gamma - mu) * sumValue;
  const terms: (readonly [Point1, bigint])[] = claims.map(([point, claim], index) => {
    const factor = power(r, BigInt(index + 1));
    base -= factor * claim;
    return [point, factor] as const;
  });
  f.forEach((point, c) => {
    const e = mod(power(delta, BigInt(c)) * (c === 0 ? alpha + table : 1n));
    terms.push([point, e * mod(alpha + at(digits, c)) - gamma]);
    base -= e;
    inner -= at(weights, c) * at(digits, c);
  });
  terms.push(
    [m, alpha + at(digits, 0)],
    [point1(leaf.c_w), mod(gamma * beta) * slotWeight],
    [runningSum, mu - gamma],
    [t1, -vanishing],
    [t2, -vanishing * power(zeta, n + 2n)],
    [pi1, zeta],
    [pi2, mu * mod(domain.omega * zeta)],
    [G1.BASE, base + mod(gamma * beta) * mod(inner)],
  );
  demand(opens(pi1.add(sum([[pi2, mu]])), sum(terms)), CODES.PROOF_REFUSED);
}

/** The parts of a proof in their order, and the bytes of each round. */
class Sent {
  private offset = 0;
  private round = 0;
  constructor(private readonly proof: Bytes) {}

  private take(width: number): Bytes {
    this.offset += width;
    return this.proof.subarray(this.offset - width, this.offset);
  }

  point(): Point1 {
    return paddedPoint(this.take(128));
  }

  scalar(): bigint {
    return scalar(this.take(32));
  }

  sinceRound(): Bytes {
    const out = this.proof.subarray(this.round, this.offset);
    this.round = this.offset;
    return out;
  }
}

/** Demand that the leaf's presenter signed for whom, and for what, the account is shown. */
export function demandPresented({ keys, leaf, presentation }: OnchainAccount): void {
  const { audience, r, vs } = presentation;
  const zeros = new Uint8Array(12);
  const digest = tagged(
    "crossclear/onchain/presentation/v1", word(audience.chain_id), zeros, audience.verifier, zeros, audience.caller,
    audience.purpose, H(keyWords(keys)), leafHash(leafWords(leaf)),
  );
  const second = number(vs);
  const signer = addressOf(digest, number(r), second & ((1n << 255n) - 1n), Number(second >> 255n));
  demand(signer !== undefined && equal(signer, leaf.presenter), CODES.NOT_PRESENTED, "not signed by the presenter of the leaf");
}
