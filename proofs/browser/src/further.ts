import { Domain } from "./basis.js";
import { type Bytes, join, word } from "./bytes.js";
import { at, CODES, demand } from "./errors.js";
import { G1, mod, opens, P, type Point1, point1, scalar, sum } from "./group.js";
import { CASH, POSITION, slotShape, slotsOf, UNCOVERED } from "./kinds.js";
import { type Layout, makeLayout, type RowRange } from "./layout.js";
import { oneAccount, proofBytes, type ProvenAccount, verifyLinear } from "./linear.js";
import { boundsOf } from "./shapes.js";
import { type EpochPackage, type RiskStatement } from "./schema.js";
import { type Transcript } from "./transcript.js";

/** Book, default fund and house: docs/specification/further-proofs.md. */
export function verifyBook(
  statement: RiskStatement, accounts: readonly ProvenAccount[], domain: Domain, proof: Bytes, parent: Transcript,
): void {
  for (const { slot, total } of statement.totals) {
    demand(at(statement.slots, slot).kind !== POSITION || total === 0n, CODES.BOOK_NOT_MATCHED, `slot ${slot}`);
  }
  const auxiliary = statement.slots.flatMap(({ kind }, slot) => (slotShape(kind).published ? [] : [slot]));
  demand(proof.length === 48 + 32 * (2 + auxiliary.length), CODES.BAD_LENGTH);
  const sent = proof.subarray(0, 48);
  const answers = Array.from({ length: 2 + auxiliary.length }, (_, i) => scalar(proof.subarray(48 + 32 * i, 80 + 32 * i)));
  const nonce = point1(sent);
  const transcript = parent.fork("crossclear/book/v1");
  for (const slot of auxiliary) transcript.integer("auxiliary", slot);
  for (const { slot, total } of statement.totals) transcript.integer("slot", slot).scalar("total", mod(total));
  const e = transcript.point("R", sent).challenge("e");
  // Σ z_i·B_i + e·Σ total_j·[L_j] − R − e·Σ C_W = 0, with all powers of τ in one sum.
  const values = new Map<number, bigint>();
  auxiliary.forEach((slot, index) => values.set(slot, at(answers, 2 + index)));
  for (const { slot, total } of statement.totals) values.set(slot, mod(e * total));
  const terms = domain.terms(values, [at(answers, 0), at(answers, 1)]);
  const all = accounts.reduce((total, { point }) => total.add(point), G1.ZERO);
  demand(sum([...terms, [nonce, -1n], [all, -e]]).is0(), CODES.BOOK_NOT_MATCHED);
}

const unranged = (statement: RiskStatement): { width: number; offset: bigint }[] =>
  statement.slots.map(() => ({ width: 0, offset: 0n }));

/** Returns "nothing" to show, "missing" evidence, or "shown". */
export function verifyHouse(
  content: EpochPackage, accounts: readonly ProvenAccount[], parent: Transcript,
): "nothing" | "missing" | "shown" {
  const { statement, house } = content;
  const cash = slotsOf(statement, CASH);
  const account = accounts.find((candidate) => candidate.account === 0n);
  if (account === undefined || cash.length === 0) {
    demand(house.length === 0, CODES.BAD_STATEMENT, "house");
    return "nothing";
  }
  if (house.length === 0) return "missing";
  const rows = cash.map((slot) => ({ width: 8, coefficients: [[slot, 1n] as const], constant: 0n, shortfall: false }));
  const layout = makeLayout(content.domain, unranged(statement), rows, true);
  verifyLinear(oneAccount(layout, parent.context("crossclear/house/v1"), account), house);
  return "shown";
}

/** Returns whether the fund was tested. */
export function verifyCover(
  content: EpochPackage, accounts: readonly ProvenAccount[], domain: Domain, parent: Transcript,
): boolean {
  const { statement, cover } = content;
  const uncovered = slotsOf(statement, UNCOVERED);
  demand(statement.cover.length === (uncovered.length > 0 ? 1 : 0), CODES.BAD_STATEMENT, "cover");
  if (uncovered.length === 0) {
    demand(cover.length === 0, CODES.BAD_STATEMENT, "cover");
    return false;
  }
  const terms = at(statement.cover, 0);
  const memberOf = demandTerms(terms, uncovered.length, accounts);
  const count = new Set(memberOf.values()).size;
  demand(cover.length > 0, CODES.FUND_NOT_COVERED, "no proof");
  const layout = vectorLayout(content.domain, count, terms.fund);
  const backing = terms.fund === 0n ? undefined : backingLayout(content, uncovered, terms.fund);
  const scenarios = uncovered.length;
  const linearBytes = proofBytes(layout, scenarios);
  const expected = 48 * scenarios + linearBytes + 224 + (backing === undefined ? 0 : proofBytes(backing, 1));
  demand(cover.length === expected, CODES.BAD_LENGTH);
  const vectors = uncovered.map((_, s): ProvenAccount => {
    const encoded = cover.subarray(48 * s, 48 * s + 48);
    return { account: BigInt(s), sigma: at(terms.deficits, s), encoded, point: point1(encoded) };
  });
  const context = parent.context("crossclear/cover/v1");
  const linkStart = 48 * scenarios + linearBytes;
  const linear = cover.subarray(48 * scenarios, linkStart);
  const transcript = verifyLinear({ layout, context, accounts: vectors }, linear);
  const others = accounts.flatMap(({ account, point }) => {
    const member = memberOf.get(account);
    return member === undefined ? [] : [[point, member] as const];
  });
  verifyLink(cover.subarray(linkStart, linkStart + 224), { domain, uncovered, vectors, others, count, transcript });
  if (backing !== undefined) {
    const fund = accounts.find(({ account }) => account === terms.fund_account);
    demand(fund !== undefined, CODES.BAD_STATEMENT, "fund_account");
    const proof = cover.subarray(linkStart + 224);
    verifyLinear(oneAccount(backing, parent.context("crossclear/cover-backing/v1"), fund), proof);
  }
  return true;
}

function demandTerms(
  terms: RiskStatement["cover"][number], scenarios: number, accounts: readonly ProvenAccount[],
): Map<bigint, number> {
  const bad = CODES.BAD_STATEMENT;
  demand(terms.deficits.length === scenarios, bad, "deficits");
  terms.members.forEach(([account], index) => {
    demand(index === 0 || at(terms.members, index - 1)[0] < account, bad, "members");
  });
  const named = new Set(terms.members.map(([account]) => account));
  demand(!named.has(terms.fund_account), bad, "fund_account");
  named.add(terms.fund_account);
  demand(named.size === accounts.length && accounts.every(({ account }) => named.has(account)), bad, "members");
  const ids = [...new Set(terms.members.map(([, member]) => member))].sort((a, b) => (a < b ? -1 : 1));
  const numbers = new Map(ids.map((id, index) => [id, index]));
  return new Map(terms.members.map(([account, id]) => [account, numbers.get(id) ?? -1]));
}

/** The layout of the vectors of the default fund's test. */
export function vectorLayout(size: number, count: number, fund: bigint): Layout {
  const slots = Array.from({ length: 2 * count + 1 }, () => ({ width: 8, offset: 0n }));
  const coefficients = Array.from({ length: count }, (_, index) => [index, -1n] as const);
  const row = { width: 8, coefficients: [...coefficients, [2 * count, -2n] as const], constant: fund, shortfall: true };
  return makeLayout(size, slots, [row]);
}

function backingLayout(content: EpochPackage, uncovered: readonly number[], fund: bigint): Layout {
  const { statement } = content;
  const cash = slotsOf(statement, CASH).map((slot) => [slot, 1n] as const);
  const rows: RowRange[] = [{ width: 8, coefficients: cash, constant: -fund, shortfall: false }];
  const bounds = boundsOf(statement);
  for (const slot of uncovered) {
    const bound = at(bounds.get(slot) ?? [], 0);
    const coefficients = [...bound.open].map(([other, factor]) => [other, factor] as const);
    rows.push({ width: 8, coefficients, constant: bound.constant - fund, shortfall: false });
  }
  return makeLayout(content.domain, unranged(statement), rows, true);
}

interface LinkContext {
  readonly domain: Domain;
  readonly uncovered: readonly number[];
  readonly vectors: readonly ProvenAccount[];
  readonly others: readonly (readonly [Point1, number])[];
  readonly count: number;
  readonly transcript: Transcript;
}

function verifyLink(link: Bytes, { domain, uncovered, vectors, others, count, transcript }: LinkContext): void {
  const part = (start: number, width: number): Bytes => link.subarray(start, start + width);
  const value = scalar(part(96, 32));
  const [g, q, pi1, pi2] = [point1(part(0, 48)), point1(part(48, 48)), point1(part(128, 48)), point1(part(176, 48))];
  const replayed = transcript.fork("crossclear/cover-link/v1");
  const r = replayed.challenge("r");
  const y = replayed.challenge("y");
  const zeta = replayed.point("C_G", part(0, 48)).point("C_q", part(48, 48)).challenge("zeta");
  replayed.absorb("G(omega zeta)", "scalar", part(96, 32)).point("pi_1", part(128, 48)).point("pi_2", part(176, 48));
  const mu = replayed.challenge("mu");
  const vanishing = domain.vanishing(zeta);
  demand(vanishing !== 0n, CODES.BAD_CHALLENGE);
  const values = domain.lagrange(zeta);
  const powers: bigint[] = [];
  let a = 0n;
  for (let member = 0, rm = 1n; member < count; member++, rm = (rm * r) % P) {
    powers.push(rm);
    a += rm * (at(values, member) - at(values, count + member) + at(values, 2 * count));
  }
  let b = 0n;
  const terms: (readonly [Point1, bigint])[] = [];
  uncovered.forEach((slot, s) => {
    const ys = s === 0 ? 1n : at(ySteps(y, uncovered.length), s);
    b += ys * at(values, slot);
    terms.push([at(vectors, s).point, -mod(a) * ys]);
  });
  for (const [point, member] of others) terms.push([point, mod(b) * at(powers, member)]);
  terms.push(
    [g, mu - 1n],
    [q, -vanishing],
    [pi1, zeta],
    [pi2, mu * ((domain.omega * zeta) % P)],
    [G1.BASE, (1n - mu) * value],
  );
  demand(opens(pi1.add(sum([[pi2, mu]])), sum(terms)), CODES.FUND_NOT_COVERED);
}

function ySteps(y: bigint, count: number): bigint[] {
  const out = [1n];
  while (out.length < count) out.push((at(out, out.length - 1) * y) % P);
  return out;
}

export const leaf = (account: bigint, commitment: Bytes): Bytes => join(word(account), commitment);
