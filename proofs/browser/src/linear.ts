import { Domain } from "./basis.js";
import { type Bytes, fromHex } from "./bytes.js";
import { at, CODES, demand } from "./errors.js";
import { G1, inverse, mod, opens, P, type Point1, point1, power, scalar, sum } from "./group.js";
import { type Layout } from "./layout.js";
import { Transcript } from "./transcript.js";

/** Verification of a linear proof: docs/specification/linear-proof.md. */
export const SRS_DIGEST: Bytes =
  fromHex("d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7") ?? new Uint8Array(0);
export const TAIL_BYTES = 320;

export interface ProvenAccount {
  readonly account: bigint;
  readonly sigma: bigint;
  readonly encoded: Bytes;
  readonly point: Point1;
}

export interface LinearStatement {
  readonly layout: Layout;
  readonly context: Bytes;
  readonly accounts: readonly ProvenAccount[];
}

interface Messages {
  readonly digits: Point1[];
  readonly lookups: Point1[];
  readonly values: bigint[];
  readonly m: Point1;
  readonly sum: Point1;
  readonly t1: Point1;
  readonly t2: Point1;
  readonly sumValue: bigint;
  readonly pi1: Point1;
  readonly pi2: Point1;
}

interface Challenges {
  readonly alpha: bigint;
  readonly y: bigint;
  readonly beta: bigint;
  readonly delta: bigint;
  readonly gamma: bigint;
  readonly zeta: bigint;
  readonly r: bigint;
  readonly mu: bigint;
}

export const proofBytes = (layout: Layout, accounts: number): number => 128 * layout.columns * accounts + TAIL_BYTES;

/** Demand that a proof holds, and return its transcript after μ. */
export function verifyLinear(statement: LinearStatement, proof: Bytes, progress?: (share: number) => void): Transcript {
  const { layout, accounts } = statement;
  demand(accounts.length >= 1, CODES.BAD_STATEMENT, "no accounts");
  accounts.forEach(({ account, sigma }, index) => {
    demand(index === 0 || at(accounts, index - 1).account < account, CODES.BAD_STATEMENT, "order of accounts");
    demand(sigma >= 0n && sigma < 1n << 63n, CODES.BAD_STATEMENT, "shortfall");
  });
  demand(proof.length === proofBytes(layout, accounts.length), CODES.BAD_LENGTH);
  const sent = new Sent(proof, accounts.length, layout.columns);
  const messages = decode(sent, progress);
  const { transcript, challenges } = replay(statement, sent);
  const domain = new Domain(layout.size);
  demand((P - challenges.alpha) % P >= 256n && domain.vanishing(challenges.zeta) !== 0n, CODES.BAD_CHALLENGE);
  demand(holds(statement, messages, challenges, domain), CODES.PROOF_REFUSED);
  return transcript;
}

/** The parts of a proof as they were sent: 128·C bytes of each account, then the tail. */
class Sent {
  readonly digits: Bytes[] = [];
  readonly lookups: Bytes[] = [];
  readonly values: Bytes[] = [];
  readonly tail: Bytes;

  constructor(proof: Bytes, accounts: number, columns: number) {
    let offset = 0;
    const take = (width: number): Bytes => {
      offset += width;
      return proof.subarray(offset - width, offset);
    };
    for (let k = 0; k < accounts; k++) {
      for (let c = 0; c < columns; c++) this.digits.push(take(48));
      for (let c = 0; c < columns; c++) this.lookups.push(take(48));
      for (let c = 0; c < columns; c++) this.values.push(take(32));
    }
    this.tail = take(TAIL_BYTES);
  }

  part(start: number, width: number): Bytes {
    return this.tail.subarray(start, start + width);
  }
}

function decode(sent: Sent, progress: (share: number) => void = () => undefined): Messages {
  const all = sent.digits.length;
  let done = 0;
  const point = (encoded: Bytes): Point1 => {
    progress(done++ / (2 * all));
    return point1(encoded);
  };
  // All scalars come before the points: they cost nothing, and the first bad part names the code.
  const values = sent.values.map(scalar);
  const sumValue = scalar(sent.part(192, 32));
  return {
    values,
    sumValue,
    digits: sent.digits.map(point),
    lookups: sent.lookups.map(point),
    m: point1(sent.part(0, 48)),
    sum: point1(sent.part(48, 48)),
    t1: point1(sent.part(96, 48)),
    t2: point1(sent.part(144, 48)),
    pi1: point1(sent.part(224, 48)),
    pi2: point1(sent.part(272, 48)),
  };
}

function replay(statement: LinearStatement, sent: Sent): { transcript: Transcript; challenges: Challenges } {
  const { layout, context, accounts } = statement;
  const transcript = new Transcript("crossclear/linear/v1");
  transcript.bytes("srs", SRS_DIGEST).integer("n", layout.size).bytes("layout", layout.digest).bytes("context", context);
  transcript.integer("accounts", accounts.length);
  for (const { account, sigma, encoded } of accounts) {
    transcript.integer("account", account).integer("sigma", sigma).point("C_W", encoded);
  }
  for (const encoded of sent.digits) transcript.point("C_D", encoded);
  transcript.point("C_m", sent.part(0, 48));
  const alpha = transcript.challenge("alpha");
  const y = transcript.challenge("y");
  const beta = transcript.challenge("beta");
  for (const encoded of sent.lookups) transcript.point("C_f", encoded);
  const delta = transcript.challenge("delta");
  transcript.point("C_S", sent.part(48, 48));
  const gamma = transcript.challenge("gamma");
  transcript.point("C_t1", sent.part(96, 48)).point("C_t2", sent.part(144, 48));
  const zeta = transcript.challenge("zeta");
  for (const encoded of sent.values) transcript.absorb("D(zeta)", "scalar", encoded);
  transcript.absorb("S(omega zeta)", "scalar", sent.part(192, 32));
  const r = transcript.challenge("r");
  transcript.point("pi_1", sent.part(224, 48)).point("pi_2", sent.part(272, 48));
  const mu = transcript.challenge("mu");
  return { transcript, challenges: { alpha, y, beta, delta, gamma, zeta, r, mu } };
}

interface Weights {
  /** ū_c of each column. */
  readonly columns: bigint[];
  readonly slots: bigint;
  readonly table: bigint;
  /** c without shortfall, and what one unit of shortfall adds. */
  readonly constant: bigint;
  readonly perShortfall: bigint;
}

function weigh(layout: Layout, y: bigint, zeta: bigint, domain: Domain): Weights {
  const values = domain.lagrange(zeta);
  const columns = new Array<bigint>(layout.columns).fill(0n);
  const slotWeights = new Array<bigint>(layout.slots.length).fill(0n);
  let constant = 0n;
  let perShortfall = 0n;
  let rho = 1n;
  const digits = (index: number, width: number): void => {
    const [column, first] = at(layout.places, index);
    let total = 0n;
    for (let digit = width - 1; digit >= 0; digit--) total = total * 256n + at(values, first + digit);
    columns[column] = (at(columns, column) + rho * (total % P)) % P;
  };
  layout.slots.forEach(({ width, offset }, slot) => {
    if (width !== 0) {
      digits(slot, width);
      slotWeights[slot] = rho;
      constant += rho * offset;
    }
    rho = (rho * y) % P;
  });
  layout.rows.forEach((row, index) => {
    if (row.width !== 0) digits(layout.slots.length + index, row.width);
    for (const [slot, coefficient] of row.coefficients) slotWeights[slot] = at(slotWeights, slot) + rho * coefficient;
    constant += rho * row.constant;
    if (row.shortfall) perShortfall += rho;
    rho = (rho * y) % P;
  });
  const slots = slotWeights.reduce((total, weight, slot) => (total + mod(weight) * at(values, slot)) % P, 0n);
  const table = values.reduce((total, value, index) => total + value * BigInt(index % 256), 0n);
  return { columns, slots, table: mod(table), constant: mod(constant), perShortfall: mod(perShortfall) };
}

function holds(statement: LinearStatement, messages: Messages, challenges: Challenges, domain: Domain): boolean {
  const { layout, accounts } = statement;
  const { alpha, beta, gamma, delta, zeta, r, mu } = challenges;
  const n = BigInt(layout.size);
  const weights = weigh(layout, challenges.y, zeta, domain);
  const vanishing = domain.vanishing(zeta);
  const perSize = inverse(n);
  const terms: (readonly [Point1, bigint])[] = [];
  let base = (gamma - mu) * messages.sumValue;
  let own = 1n;
  let batch = r;
  accounts.forEach(({ sigma, point }, k) => {
    const joint = own;
    const factor = (((joint * gamma) % P) * beta) % P;
    let inner = ((weights.constant + sigma * weights.perShortfall) % P) * perSize;
    for (let column = 0; column < layout.columns; column++) {
      const i = k * layout.columns + column;
      const value = at(messages.values, i);
      const e = i === 0 ? mod(alpha + weights.table) : 1n;
      terms.push([at(messages.lookups, i), ((own * mod(alpha + value)) % P) * e - gamma]);
      terms.push([at(messages.digits, i), batch]);
      base -= own * e + batch * value;
      inner -= at(weights.columns, column) * value;
      own = (own * delta) % P;
      batch = (batch * r) % P;
    }
    terms.push([point, factor * weights.slots]);
    base += factor * mod(inner);
  });
  terms.push(
    [messages.m, alpha + at(messages.values, 0)],
    [messages.sum, mu - gamma],
    [messages.t1, -vanishing],
    [messages.t2, -vanishing * power(zeta, n + 2n)],
    [messages.pi1, zeta],
    [messages.pi2, mu * ((domain.omega * zeta) % P)],
    [G1.BASE, base],
  );
  return opens(messages.pi1.add(sum([[messages.pi2, mu]])), sum(terms));
}

/** A statement about one account in the context of a fork. */
export const oneAccount = (layout: Layout, context: Bytes, account: ProvenAccount): LinearStatement => ({
  layout,
  context,
  accounts: [{ ...account, sigma: 0n }],
});
