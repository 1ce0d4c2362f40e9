import { at, CODES, demand } from "./errors.js";
import { AT_LEAST_ZERO, AUXILIARY_SIGNED, CASH, GROUP_MAX, HISTORICAL, NET_CHARGE, POSITION, TOKEN, UNCOVERED } from "./kinds.js";
import { type RiskStatement } from "./schema.js";

/** Rules 1 to 14 of "Shapes", docs/specification/statement.md. They look at shapes alone. */
type Numbers = ReadonlyMap<number, bigint>;

export interface Bound {
  readonly slot: number;
  readonly whole: bigint;
  readonly above: Numbers;
  readonly open: Numbers;
  readonly signed: Numbers;
  readonly constant: bigint;
}

const must = (condition: boolean, rule: number): void => demand(condition, CODES.BAD_STATEMENT, `shape ${rule}`);

const isOpen = (kind: bigint): boolean => kind === CASH || kind === TOKEN || kind === POSITION;
const tight = (bound: Bound): boolean => bound.open.size === 0 && bound.signed.size === 0 && bound.constant <= 0n;
const same = (left: Numbers, right: Numbers): boolean =>
  left.size === right.size && [...left].every(([slot, value]) => right.get(slot) === value);

/** All bounds of the statement's rows; refuses a row that is neither a bound nor a requirement with shortfall. */
export function boundsOf(statement: RiskStatement): Map<number, Bound[]> {
  const bounds = new Map<number, Bound[]>();
  for (const row of statement.rows) {
    const open = new Map<number, bigint>();
    const signed = new Map<number, bigint>();
    const chosen = new Map<number, bigint>();
    for (const [slot, coefficient] of row.coefficients) {
      must(slot < statement.slots.length, 1);
      const { kind } = at(statement.slots, slot);
      (isOpen(kind) ? open : kind === AUXILIARY_SIGNED ? signed : chosen).set(slot, coefficient);
    }
    if (chosen.size === 0 && signed.size === 0) continue;
    const positive = [...chosen].filter(([, coefficient]) => coefficient > 0n);
    if (row.shortfall) {
      must(signed.size === 0 && positive.length === 0, 0);
      continue;
    }
    must(row.kind === AT_LEAST_ZERO && positive.length === 1, 0);
    const [slot, whole] = at(positive, 0);
    const above = new Map([...chosen].filter(([other]) => other !== slot).map(([other, factor]) => [other, -factor]));
    const bound = { slot, whole, above, open, signed, constant: row.constant };
    const known = bounds.get(slot);
    if (known === undefined) bounds.set(slot, [bound]);
    else known.push(bound);
  }
  return bounds;
}

class Shapes {
  readonly bounds: Map<number, Bound[]>;
  readonly maxima: number[];
  readonly groupOf = new Map<number, number>();
  readonly losses = new Map<number, Bound[]>();
  readonly charged: Set<number>;
  readonly counting = new Map<number, number>();
  readonly creditPlaces = new Set<number>();
  creditSlot: number | undefined;

  constructor(readonly statement: RiskStatement) {
    must(new Set(statement.rows.map(({ name }) => name)).size === statement.rows.length, 1);
    this.bounds = boundsOf(statement);
    this.maxima = statement.slots.flatMap(({ kind }, slot) => (kind === GROUP_MAX ? [slot] : []));
    this.groups();
    this.lossRows();
    this.charged = this.maintenance();
    this.credit();
    this.sizes();
    this.nets();
    this.minimums();
    this.stress();
    this.places();
  }

  private of(slot: number): Bound[] {
    return this.bounds.get(slot) ?? [];
  }

  private isMaximum(slot: number): boolean {
    return at(this.statement.slots, slot).kind === GROUP_MAX;
  }

  private hasMaximum(above: Numbers): boolean {
    return [...above.keys()].some((slot) => this.isMaximum(slot));
  }

  private groups(): void {
    const { groups, slots } = this.statement;
    const numbers = new Set(this.maxima.map((slot) => at(slots, slot).group));
    const count = this.maxima.length;
    must(numbers.size === count && groups.length === count && new Set(groups).size === count, 2);
  }

  private lossRows(): void {
    for (const maximum of this.maxima) {
      const rows = this.of(maximum).filter(({ above }) => above.size === 0);
      must(rows.length === this.statement.scenarios && rows.length >= 1, 3);
      this.losses.set(maximum, rows);
      for (const row of rows) {
        must(row.whole === 1n && row.signed.size === 0 && row.constant <= 0n, 3);
        for (const slot of row.open.keys()) {
          must((this.groupOf.get(slot) ?? maximum) === maximum, 3);
          this.groupOf.set(slot, maximum);
        }
      }
    }
  }

  private maintenance(): Set<number> {
    const { rows, slots } = this.statement;
    const hidden = (slot: number): boolean => !isOpen(at(slots, slot).kind);
    const found = rows.filter(({ shortfall, coefficients }) => shortfall && coefficients.some(([slot]) => hidden(slot)));
    must(found.length === 1, 4);
    const row = at(found, 0);
    const chosen = row.coefficients.filter(([slot]) => hidden(slot));
    must(row.kind === AT_LEAST_ZERO && row.constant <= 0n && new Set(chosen.map(([, c]) => c)).size === 1, 4);
    return new Set(chosen.map(([slot]) => slot));
  }

  private credit(): void {
    const count = this.maxima.filter((slot) => this.charged.has(slot)).length;
    if (count === this.maxima.length) return must(!this.statement.slots.some(({ kind }) => kind === HISTORICAL), 15);
    must(count === 0, 5);
    const found = [...this.charged].flatMap((slot) => this.of(slot)).filter(({ above }) => this.hasMaximum(above));
    must(found.length === 1, 6);
    const credit = at(found, 0);
    this.creditSlot = credit.slot;
    must(tight(credit), 6);
    must(credit.above.size === this.maxima.length + 1 && this.maxima.every((slot) => credit.above.has(slot)), 6);
    const joint = at([...credit.above.keys()].filter((slot) => !this.isMaximum(slot)), 0);
    const plain = new Set(this.maxima.map((slot) => credit.above.get(slot)));
    must(plain.size === 1 && ([...plain][0] ?? 0n) + (credit.above.get(joint) ?? 0n) >= credit.whole, 6);
    this.expectedShortfall(joint, credit);
  }

  private expectedShortfall(joint: number, credit: Bound): void {
    const found = this.of(joint).filter(({ signed }) => signed.size > 0);
    must(found.length === 1, 7);
    const bound = at(found, 0);
    must(bound.open.size === 0 && bound.signed.size === 1 && bound.constant <= 0n, 7);
    const [tail, factor] = at([...bound.signed], 0);
    const sum = [...bound.above.values()].reduce((total, value) => total + value, 0n);
    must(factor === -bound.whole && sum >= bound.whole, 7);
    const historical = this.history(joint, credit, bound);
    for (const slot of bound.above.keys()) this.jointScenario(slot, tail, historical);
    this.floors(this.of(joint).filter((other) => other !== bound));
    for (const slot of [...this.maxima, joint, tail, ...bound.above.keys()]) this.creditPlaces.add(slot);
  }

  /** Whether the joint scenarios are moves of history: then no less than their expected shortfall is charged. */
  private history(joint: number, credit: Bound, expected: Bound): boolean {
    const { slots } = this.statement;
    const known = slots.flatMap(({ kind }, slot) => (kind === HISTORICAL ? [slot] : []));
    const others = this.of(credit.slot).filter((bound) => bound !== credit);
    if (known.length === 0) {
      must(others.length === 0, 6);
      return false;
    }
    must(known.length === expected.above.size && known.every((slot) => expected.above.has(slot)), 15);
    const held = known.flatMap((slot) => this.of(slot)).flatMap(({ open }) => [...open.keys()]);
    must(held.every((slot) => at(slots, slot).kind === POSITION || at(slots, slot).kind === TOKEN), 15);
    must(others.length === 1, 15);
    const least = at(others, 0);
    must(tight(least) && least.whole === 1n && same(least.above, new Map([[joint, 1n]])), 15);
    return true;
  }

  private jointScenario(slot: number, tail: number, historical: boolean): void {
    must(this.of(slot).length === 1, 8);
    const bound = at(this.of(slot), 0);
    must(bound.whole === 1n && bound.above.size === 0 && bound.constant <= 0n, 8);
    must(bound.signed.size === 1 && bound.signed.get(tail) === 1n, 8);
    if (historical) return;
    const byGroup = new Map<number, Map<number, bigint>>();
    for (const [open, coefficient] of bound.open) {
      const group = this.groupOf.get(open);
      must(group !== undefined, 8);
      const part = byGroup.get(group ?? -1) ?? new Map<number, bigint>();
      byGroup.set(group ?? -1, part.set(open, coefficient));
    }
    for (const [group, part] of byGroup) must((this.losses.get(group) ?? []).some(({ open }) => same(open, part)), 8);
  }

  private floors(others: readonly Bound[]): void {
    for (const bound of others) must(tight(bound) && bound.whole === 1n, 9);
    const wanted = new Map<number, bigint>();
    for (const maximum of this.maxima) {
      for (const { above } of this.of(maximum)) {
        for (const [slot, value] of above) wanted.set(slot, (wanted.get(slot) ?? 0n) + value);
      }
    }
    const without = others.filter(({ above }) => !this.hasMaximum(above));
    must(without.length === (wanted.size === 0 ? 0 : 1), 9);
    for (const { above } of without) must(same(above, wanted), 9);
    const having = others.filter(({ above }) => this.hasMaximum(above));
    if (having.length === 0) return;
    must(having.length === this.maxima.length, 9);
    for (const maximum of this.maxima) {
      must(having.filter(({ above }) => same(above, new Map([[maximum, 1n]]))).length === 1, 9);
    }
  }

  private sizes(): void {
    const taken = new Set<number>();
    for (const slot of this.charged) {
      if (this.isMaximum(slot) || slot === this.creditSlot || this.isNet(slot)) continue;
      const bounds = this.of(slot);
      must(bounds.length >= 1, 10);
      for (const { whole, above, signed, open } of bounds) {
        must(whole === 1n && above.size === 0 && signed.size === 0 && open.size === 1, 10);
      }
      const terms = bounds.map(({ open, constant }) => ({ term: at([...open], 0), constant }));
      const holding = at(terms, 0).term[0];
      must(terms.every(({ term }) => term[0] === holding) && !taken.has(holding), 10);
      taken.add(holding);
      const { kind } = at(this.statement.slots, holding);
      must(kind === POSITION || kind === TOKEN, 10);
      if (kind === TOKEN) must(terms.every(({ term }) => term[1] < 0n), 10);
      else {
        const lines = new Set(terms.map(({ term, constant }) => `${term[1]}:${constant}`));
        must(terms.every(({ term, constant }) => lines.has(`${-term[1]}:${constant}`)), 10);
      }
    }
  }

  private isNet(slot: number): boolean {
    return at(this.statement.slots, slot).kind === NET_CHARGE;
  }

  private nets(): void {
    const { slots } = this.statement;
    slots.forEach((_, slot) => {
      if (!this.isNet(slot)) return;
      const bounds = this.of(slot);
      must(this.charged.has(slot) && slot !== this.creditSlot && bounds.length >= 1, 14);
      const lots = bounds.flatMap(({ open }) => [...open.keys()]);
      must(bounds.every(({ whole, above, signed }) => whole === 1n && above.size === 0 && signed.size === 0), 14);
      must(lots.every((holding) => at(slots, holding).kind === POSITION), 14);
      must(new Set(lots.flatMap((holding) => this.groupOf.get(holding) ?? [])).size <= 1, 14);
      const written = ({ open, constant }: Bound, sign: bigint): string =>
        [...open].map(([holding, a]) => `${holding}:${sign * a}`).join() + `;${constant}`;
      const known = new Set(bounds.map((bound) => written(bound, 1n)));
      must(bounds.every((bound) => known.has(written(bound, -1n))), 14);
    });
  }

  private minimums(): void {
    for (const maximum of this.maxima) {
      const bounds = this.of(maximum).filter(({ above }) => above.size > 0);
      must(bounds.length <= 1, 11);
      for (const bound of bounds) {
        must(tight(bound) && bound.whole === 1n, 11);
        for (const slot of bound.above.keys()) this.countsLots(slot, maximum);
      }
    }
  }

  private countsLots(slot: number, maximum: number): void {
    must(this.of(slot).length === 1, 11);
    const { whole, above, signed, open, constant } = at(this.of(slot), 0);
    must(whole === 1n && above.size === 0 && signed.size === 0 && constant <= 0n && open.size === 1, 11);
    const [holding, factor] = at([...open], 0);
    must(factor === 1n && at(this.statement.slots, holding).kind === POSITION, 11);
    must((this.counting.get(holding) ?? slot) === slot, 11);
    must((this.groupOf.get(holding) ?? maximum) === maximum, 11);
    this.counting.set(holding, slot);
  }

  private stress(): void {
    const { slots } = this.statement;
    const cash = slots.flatMap(({ kind }, slot) => (kind === CASH ? [slot] : []));
    slots.forEach(({ kind }, slot) => {
      if (kind !== UNCOVERED) return;
      must(this.of(slot).length === 1, 12);
      const { whole, above, signed, open, constant } = at(this.of(slot), 0);
      must(whole === 1n && above.size === 0 && signed.size === 0 && constant <= 0n, 12);
      must(cash.every((other) => open.get(other) === 1n), 12);
    });
  }

  private places(): void {
    const wanted = new Set([...this.charged, ...this.counting.values(), ...this.creditPlaces]);
    const present = this.statement.slots.flatMap(({ kind }, slot) => (isOpen(kind) || kind === UNCOVERED ? [] : [slot]));
    must(wanted.size === present.length && present.every((slot) => wanted.has(slot)), 13);
  }
}

export function demandShapes(statement: RiskStatement): void {
  new Shapes(statement);
}
