import { compare, hex, join, number, word } from "./bytes.js";
import { at, CODES, demand, type Code } from "./errors.js";
import { CASH, publicSlots, rowWidth, slotShape, TOKEN } from "./kinds.js";
import { type Layout, makeLayout } from "./layout.js";
import { SRS_DIGEST } from "./linear.js";
import { type CustodyTerm, type EpochPackage, type RiskStatement } from "./schema.js";
import { demandShapes } from "./shapes.js";
import { equal } from "./bytes.js";

/** "Well-formed" of docs/specification/statement.md. Returns the layout of the joint proof. */
export function demandWellFormed(content: EpochPackage): Layout {
  const { statement, srs, domain, commitments } = content;
  const bad = CODES.BAD_STATEMENT;
  demand(equal(srs, SRS_DIGEST), CODES.WRONG_SRS);
  const names = new Set(statement.slots.map(({ name }) => name));
  demand(names.size === statement.slots.length, bad, "two slots with one name");
  const open = publicSlots(statement);
  demand(
    statement.totals.length === open.length && statement.totals.every(({ slot }, index) => slot === open[index]),
    bad, "totals",
  );
  rising(statement.shortfalls.map(([account]) => account), bad, "shortfalls");
  demand(statement.shortfalls.every(([, shortfall]) => shortfall !== 0n), bad, "a shortfall of 0");
  demandShapes(statement);
  demandCustody(statement);
  const layout = layoutOf(statement, domain);
  demand(commitments.length > 0, bad, "no commitment");
  rising(commitments.items().map(([account]) => account), bad, "commitments");
  const listed = new Set(commitments.items().map(([account]) => account));
  demand(statement.shortfalls.every(([account]) => listed.has(account)), bad, "a shortfall without a commitment");
  return layout;
}

function rising(values: readonly bigint[], code: Code, about: string): void {
  values.forEach((value, index) => demand(index === 0 || at(values, index - 1) < value, code, about));
}

export function layoutOf(statement: RiskStatement, domain: number): Layout {
  const slots = statement.slots.map(({ kind }) => slotShape(kind));
  const rows = statement.rows.map((row) => ({ ...row, width: rowWidth(row.kind) }));
  return makeLayout(domain, slots, rows);
}

const termKey = (term: CustodyTerm): Uint8Array => join(word(term.chain_id), term.vault, term.token);

function demandCustody(statement: RiskStatement): void {
  const bad = CODES.BAD_STATEMENT;
  const twice = CODES.COUNTED_TWICE;
  const blockOf = new Map<string, string>();
  const hashOf = new Map<string, string>();
  const tokenOf = new Map<string, bigint>();
  const once = <V>(map: Map<string, V>, key: string, value: V): void => {
    const known = map.get(key);
    demand(known === undefined || known === value, twice, key);
    map.set(key, value);
  };
  statement.custody.forEach((term, index) => {
    demand(index === 0 || compare(termKey(at(statement.custody, index - 1)), termKey(term)) < 0, bad, "order of custody");
    const slot = statement.slots[term.slot];
    demand(slot !== undefined && (slot.kind === CASH || slot.kind === TOKEN), bad, "slot of custody");
    demand(term.unit !== 0n && term.balances.bits >= 1 && term.balances.bits <= 256, bad, "unit or bits");
  });
  statement.custody.forEach((term) => {
    const place = `${term.chain_id}:${term.block_number}`;
    once(blockOf, place, hex(term.block_hash));
    once(hashOf, hex(term.block_hash), place);
    once(tokenOf, `${term.chain_id}:${hex(term.token)}`, term.block_number);
  });
}

/** What a custody term lacks: micros or units that the vault's counters have and its balance has not. */
export function missingPpm(term: CustodyTerm): bigint {
  const accounted = number(term.deposited) - number(term.withdrawn);
  const missing = accounted - number(term.balance);
  return missing <= 0n ? 0n : (missing * 1000000n + accounted - 1n) / accounted;
}

/** The check `reserves`: docs/specification/custody.md. */
export function demandReserves(statement: RiskStatement): void {
  const short = CODES.RESERVES_SHORT;
  const sums = new Map<number, bigint>();
  for (const term of statement.custody) {
    const accounted = number(term.deposited) - number(term.withdrawn);
    const extras = [term.released, term.later, term.strays, term.dust].reduce((total, value) => total + number(value), 0n);
    demand(term.held * term.unit + extras === accounted, short, `chain ${term.chain_id} token ${hex(term.token)}`);
    const cash = at(statement.slots, term.slot).kind === CASH;
    demand(!cash || missingPpm(term) === 0n, short, `chain ${term.chain_id} token ${hex(term.token)}`);
    sums.set(term.slot, (sums.get(term.slot) ?? 0n) + term.held);
  }
  for (const { slot, total } of statement.totals) {
    const { kind } = at(statement.slots, slot);
    if (kind === CASH || kind === TOKEN) demand(total === (sums.get(slot) ?? 0n), short, `slot ${slot}`);
  }
}
