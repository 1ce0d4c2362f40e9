import { absolute, ceilDiv, floorDiv, larger, smaller } from "./bytes.js";
import { futureOf, type Known, knownAverages } from "./carry.js";
import { at, CODES, demand } from "./errors.js";
import {
  AT_LEAST_ZERO, AUXILIARY, AUXILIARY_SIGNED, CASH, GROUP_MAX, HISTORICAL, NET_CHARGE, POSITION, TOKEN, UNCOVERED,
} from "./kinds.js";
import { netRows, netTerms, SENSITIVITY_GRID } from "./net_charges.js";
import { OptionRow } from "./options.js";
import {
  type Asset, CALL, FORWARD, FUTURE, type Instrument, PUT, type RiskGroup, type Rulebook, type Scenario,
} from "./rulebook.js";
import { averaged, concentrationLines, type Line, sizeLines } from "./tariff.js";

/** Slots and rows as a function of a rulebook: docs/specification/rules.md. */
export interface WantedSlot {
  readonly name: string;
  readonly kind: bigint;
  readonly group: number;
}
export interface WantedRow {
  readonly kind: bigint;
  readonly coefficients: readonly (readonly [number, bigint])[];
  readonly constant: bigint;
  readonly shortfall: boolean;
}

const M = 1000000n;
const INDEX_MAX = (1n << 40n) - 1n;

function shocked(x: bigint, range: bigint, s: Scenario): bigint {
  const reach = s.of_index ? M : range;
  const size = ceilDiv(x * reach * absolute(s.move_numerator), M * s.move_denominator);
  return larger(s.move_numerator > 0n ? x + size : x - size, 1n);
}

/** The value of a unit worth `base` that falls by a share of the underlying's fall. */
function fallen(base: bigint, share: bigint, range: bigint, s: Scenario): bigint {
  if (s.move_numerator >= 0n) return base;
  const part = share * (s.of_index ? M : range) * s.weight_ppm * absolute(s.move_numerator);
  return larger(base - ceilDiv(base * part, M ** 3n * s.move_denominator), 0n);
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

/** Demand that a computed row has no coefficient and no constant beyond the bounds. */
export function demandBounded({ coefficients, constant }: WantedRow): void {
  demand(coefficients.every(([, c]) => absolute(c) < 1n << 62n), CODES.BAD_STATEMENT, "coefficient of the rulebook");
  demand(absolute(constant) < 1n << 63n, CODES.BAD_STATEMENT, "constant of the rulebook");
}

/** The joint scenarios in force: those of history, whose columns follow those of all grids, or else the credit's. */
function jointOf({ joint, history, groups }: Rulebook["parameters"], columns: number) {
  if (history.scenarios.length === 0) return { ...joint, historical: false };
  const scenarios = history.scenarios.map(({ count }, n) => ({ columns: groups.map(() => columns + n + 1), count }));
  return { ...history, scenarios, historical: true };
}

/** Slots follow from the tariff; scenarios are priced for the rows alone. */
export class Reference {
  readonly slots: WantedSlot[] = [];
  private readonly rows: WantedRow[] = [];
  readonly scenarios: number;
  private readonly indices: Map<number, bigint>;
  private readonly marks: Map<number, bigint>;
  private readonly groups: Map<number, RiskGroup>;
  private readonly averages: ReadonlyMap<number, Known>;
  private values: readonly bigint[][] = [];
  private stressFits = true;
  private readonly unitValues: readonly bigint[];
  private readonly tokenRows: readonly (readonly bigint[])[];
  private readonly shortRates: readonly bigint[];
  private readonly lines: readonly (readonly Line[])[];
  private readonly tokenLines: readonly (readonly Line[])[];

  constructor(private readonly book: Rulebook) {
    const { parameters, instruments, tokens } = book;
    this.indices = new Map(book.feeds.flatMap(({ feed, ticks, used }) => (used ? [[feed, ticks] as const] : [])));
    this.marks = new Map(book.marks.map(({ instrument, ticks }) => [instrument, ticks]));
    this.groups = new Map(parameters.groups.map((group) => [group.id, group]));
    this.averages = knownAverages(book);
    this.scenarios = Math.max(parameters.scenarios.length, ...parameters.groups.map(({ scenarios }) => scenarios.length));
    this.unitValues = tokens.map((token) => this.unitValue(token, this.indices.get(token.feed)));
    this.tokenRows = tokens.map((token, t) => this.tokenRow(token, at(this.unitValues, t)));
    this.shortRates = instruments.map((instrument) => {
      const option = instrument.kind === CALL || instrument.kind === PUT;
      return option ? ceilDiv(this.notional(instrument) * this.groupOf(instrument).short_option_ppm, M) : 0n;
    });
    const charges = new Map(parameters.charges.map((charge) => [charge.instrument, charge]));
    this.lines = instruments.map((instrument) => sizeLines(charges.get(instrument.id), this.notional(instrument)));
    const tiers = new Map<number, typeof parameters.concentration>();
    for (const tier of parameters.concentration) {
      const known = tiers.get(tier.asset);
      if (known === undefined) tiers.set(tier.asset, [tier]);
      else known.push(tier);
    }
    this.tokenLines = tokens.map((token, t) => {
      const least = at(this.tokenRows, t).reduce(smaller, at(this.unitValues, t));
      return concentrationLines(tiers.get(token.id) ?? [], least);
    });
    this.writeSlots();
  }

  /** Price every scenario and return all rows. What a row may not have is refused when it is compared: `demandBounded`. */
  priced(): readonly WantedRow[] {
    const { parameters, instruments } = this.book;
    const grids = new Map(parameters.groups.map((g) => [g.id, g.scenarios.length > 0 ? g.scenarios : parameters.scenarios]));
    this.values = instruments.map((instrument) => {
      const own = grids.get(instrument.group) ?? [];
      const of = this.row(instrument, [...own, ...this.history(instrument.group)], this.columns);
      return this.spliced(of, own.length);
    });
    this.writeRows();
    return this.rows;
  }

  /** Demand that every token's value under stress is a coefficient. */
  demandStressValues(): void {
    demand(this.stressFits, CODES.BAD_STATEMENT, "value under stress");
  }

  indexOf(feed: number): bigint | undefined {
    return this.indices.get(feed);
  }

  /** How many columns there are besides the base. */
  private get columns(): number {
    return this.scenarios + this.book.parameters.history.scenarios.length;
  }

  /** The moves of history of a group, as scenarios. */
  private history(group: number): Scenario[] {
    const { history, groups } = this.book.parameters;
    const g = groups.findIndex(({ id }) => id === group);
    return history.scenarios.map(({ moves }) => {
      const { price_ppm, volatility_ppm } = at(moves, g);
      return {
        move_numerator: price_ppm, move_denominator: M, volatility_direction: 0n, weight_ppm: M, of_index: true,
        skew_linear: 0n, skew_absolute: 0n, volatility_ppm,
      };
    });
  }

  /** Puts what fills a shorter grid before the columns of history. `own`: scenarios of the grid. */
  private spliced(row: readonly bigint[], own: number): bigint[] {
    const moved = this.book.parameters.history.scenarios.length;
    const rest = new Array<bigint>(this.scenarios - own).fill(at(row, 0));
    return [...row.slice(0, own + 1), ...rest, ...row.slice(own + 1, own + 1 + moved)];
  }

  private groupOf(instrument: Instrument): RiskGroup {
    const group = this.groups.get(instrument.group);
    demand(group !== undefined, CODES.BAD_STATEMENT, "group of an instrument");
    return group;
  }

  private notional(instrument: Instrument): bigint {
    return (this.indices.get(instrument.feed) ?? 0n) * instrument.micros_per_tick;
  }

  private unitValue(token: Asset, ticks: bigint | undefined): bigint {
    if (ticks === undefined) return 0n;
    let top = ticks * 10000n * (M - token.haircut_ppm);
    let bottom = M * 10n ** BigInt(token.unit_decimals) * token.feed_tokens;
    if (token.yields.feed !== 0) {
      top *= token.rate_ticks * (M - token.yields.haircut_ppm);
      bottom *= token.yields.unit_ticks * M;
    }
    return floorDiv(top, bottom);
  }

  /** U[0] to U[S] of one unit, in micros; empty outside the scenarios. */
  private tokenRow(token: Asset, base: bigint): bigint[] {
    const { group: id, fall_share_ppm: share } = token.scenarios;
    const group = this.groups.get(id);
    if (id === 0 || group === undefined) return [];
    const index = this.indices.get(token.feed);
    if (index === undefined) return new Array<bigint>(this.columns + 1).fill(0n);
    const grid = group.scenarios.length > 0 ? group.scenarios : this.book.parameters.scenarios;
    const moved = [...grid, ...this.history(id)].map((s) => {
      return share === 0n ? this.spot(token, index, group, s) : fallen(base, share, group.range_ppm, s);
    });
    return this.spliced([base, ...moved], grid.length);
  }

  /** A unit's value when its own feed moves. */
  private spot(token: Asset, index: bigint, group: RiskGroup, s: Scenario): bigint {
    const base = this.unitValue(token, index);
    const level = smaller(shocked(index, group.range_ppm, s), INDEX_MAX);
    return base + floorDiv((this.unitValue(token, level) - base) * s.weight_ppm, M);
  }

  /** V[0] to V[count] of one lot, in micros. */
  private row(instrument: Instrument, grid: readonly Scenario[], count: number): bigint[] {
    const index = this.indices.get(instrument.feed);
    if (index === undefined) return new Array<bigint>(count + 1).fill(0n);
    const group = this.groupOf(instrument);
    const { rate_ppm: rate, futures_on_curve: onCurve } = this.book.parameters;
    let values: bigint[];
    if (instrument.kind === CALL || instrument.kind === PUT) {
      const option = new OptionRow(instrument, group, rate, this.book.time_ms, index, this.averages.get(instrument.id));
      values = option.row(grid, (scenario) => shocked(index, group.range_ppm, scenario));
    } else {
      const dated = instrument.kind === FUTURE || instrument.kind === FORWARD;
      const curve = onCurve ? group.curve : [];
      const level = dated ? futureOf(index, curve, instrument.expiry_ms, rate, this.book.time_ms) : index;
      const x = this.marks.get(instrument.id) ?? level;
      values = [
        0n,
        ...grid.map((s) => floorDiv((shocked(x, group.range_ppm, s) - x) * instrument.micros_per_tick * s.weight_ppm, M)),
      ];
    }
    while (values.length <= count) values.push(at(values, 0));
    return values;
  }

  private writeSlots(): void {
    const { parameters, instruments, tokens, cash_groups } = this.book;
    const add = (name: string, kind: bigint, group = 0): number => this.slots.push({ name, kind, group });
    for (const { name } of cash_groups) add(`cash:${name}`, CASH);
    for (const { name, chain_id } of tokens) add(`token:${chain_id}:${name}`, TOKEN);
    for (const { name } of instruments) add(`position:${name}`, POSITION);
    for (const { name, id } of parameters.groups) add(`max:${name}`, GROUP_MAX, id);
    instruments.forEach(({ name }, j) => at(this.shortRates, j) !== 0n && add(`short:${name}`, AUXILIARY));
    instruments.forEach(({ name }, j) => at(this.lines, j).length > 0 && add(`charge:${name}`, AUXILIARY));
    tokens.forEach(({ name, chain_id }, t) => {
      if (at(this.tokenLines, t).length > 0) add(`concentration:${chain_id}:${name}`, AUXILIARY);
    });
    for (const group of parameters.groups) for (const { name } of netTerms(group)) add(`${name}:${group.name}`, NET_CHARGE);
    const { scenarios: joint, historical } = jointOf(parameters, this.scenarios);
    if (joint.length > 0) {
      add("tail", AUXILIARY_SIGNED);
      joint.forEach((_, n) => add(`${historical ? "history" : "beyond"}:${n + 1}`, historical ? HISTORICAL : AUXILIARY));
      add("joint", AUXILIARY);
      add("groups", AUXILIARY);
    }
    for (const { name } of parameters.stress) add(`uncovered:${name}`, UNCOVERED);
  }

  private add(
    coefficients: readonly (readonly [number, bigint])[], { constant = 0n, shortfall = false } = {},
  ): void {
    const kept = coefficients.filter(([, value]) => value !== 0n).sort(([a], [b]) => a - b);
    this.rows.push({ kind: AT_LEAST_ZERO, coefficients: kept, constant, shortfall });
  }

  private writeRows(): void {
    const { parameters, instruments, tokens, cash_groups } = this.book;
    const { groups } = parameters;
    // Places follow from the counts: names may repeat in a hostile rulebook.
    const tokenAt = cash_groups.length;
    const positionAt = tokenAt + tokens.length;
    const maximumAt = positionAt + instruments.length;
    let next = maximumAt + groups.length;
    const take = (yes: boolean): number => (yes ? next++ : -1);
    const short = instruments.map((_, j) => take(at(this.shortRates, j) !== 0n));
    const charge = instruments.map((_, j) => take(at(this.lines, j).length > 0));
    const concentration = tokens.map((_, t) => take(at(this.tokenLines, t).length > 0));
    const net = groups.map((group) => netTerms(group).map((terms) => ({ terms, slot: next++ })));
    const groupNumber = new Map(groups.map(({ id }, g) => [id, g]));
    const members = groups.map((): number[] => []);
    instruments.forEach(({ group }, j) => at(members, groupNumber.get(group) ?? -1).push(j));
    const change = (j: number, s: number): bigint => at(at(this.values, j), s) - at(at(this.values, j), 0);
    const moving = groups.map((): number[] => []);
    tokens.forEach(({ scenarios: { group } }, t) => moving[groupNumber.get(group) ?? -1]?.push(t));
    const changes = (g: number, s: number): (readonly [number, bigint])[] => [
      ...at(moving, g).map((t) => [tokenAt + t, at(at(this.tokenRows, t), s) - at(at(this.tokenRows, t), 0)] as const),
      ...at(members, g).map((j) => [positionAt + j, change(j, s)] as const),
    ];

    groups.forEach((_, g) => {
      for (let s = 1; s <= this.scenarios; s++) {
        this.add([...changes(g, s), [maximumAt + g, 1n]]);
      }
    });
    short.forEach((slot, j) => slot >= 0 && this.add([[positionAt + j, 1n], [slot, 1n]]));
    const minimum = (indices: readonly number[]): (readonly [number, bigint])[] =>
      indices.filter((j) => at(short, j) >= 0).map((j) => [at(short, j), -at(this.shortRates, j)] as const);
    groups.forEach((_, g) => {
      const shorts = minimum(at(members, g));
      if (shorts.length > 0) this.add([[maximumAt + g, 1n], ...shorts]);
    });
    charge.forEach((slot, j) => {
      for (const { slope, intercept: constant } of at(this.lines, j)) {
        this.add([[positionAt + j, -slope], [slot, 1n]], { constant });
        this.add([[positionAt + j, slope], [slot, 1n]], { constant });
      }
    });
    concentration.forEach((slot, t) => {
      for (const { slope, intercept: constant } of at(this.tokenLines, t)) {
        this.add([[tokenAt + t, -slope], [slot, 1n]], { constant });
      }
    });
    net.forEach((charges, g) => {
      const own = at(members, g);
      const listed = own.map((j) => at(instruments, j));
      const values = charges.length > 0 ? listed.map((instrument) => this.row(instrument, SENSITIVITY_GRID, 5)) : [];
      for (const { terms, slot } of charges) {
        for (const { coefficients, intercept: constant } of netRows(terms, listed, values, this.book.time_ms)) {
          this.add([...own.map((j, place) => [positionAt + j, -at(coefficients, place)] as const), [slot, 1n]], { constant });
        }
      }
    });
    const netSlots = net.flatMap((charges) => charges.map(({ slot }) => slot));
    const sizeSlots = [...charge, ...concentration, ...netSlots].filter((slot) => slot >= 0);
    const maxima = groups.map((_, g) => maximumAt + g);
    const credit = jointOf(parameters, this.scenarios);
    const joint = credit.scenarios;
    if (joint.length > 0) {
      const tail = next;
      const jointAt = tail + 1 + joint.length;
      next = jointAt + 2;
      joint.forEach(({ columns }, n) => {
        const moves = groups.flatMap((_, g) => changes(g, at(columns, g)));
        this.add([...moves, [tail, 1n], [tail + 1 + n, 1n]]);
      });
      const [k, scale] = averaged(credit.tail, credit.tail_part_ppm);
      this.add([[tail, -k], [jointAt, k], ...joint.map(({ count }, n) => [tail + 1 + n, -count * scale] as const)]);
      const shorts = minimum(instruments.map((_, j) => j));
      if (shorts.length > 0) this.add([[jointAt, 1n], ...shorts]);
      if (credit.keep_largest) for (const slot of maxima) this.add([[slot, -1n], [jointAt, 1n]]);
      const g = gcd(credit.weight_ppm, M);
      const plain = (M - credit.weight_ppm) / g;
      this.add([
        ...maxima.map((slot) => [slot, -plain] as const),
        [jointAt, -(credit.weight_ppm / g)],
        [jointAt + 1, M / g],
      ]);
      if (credit.historical) this.add([[jointAt, -1n], [jointAt + 1, 1n]]);
      sizeSlots.push(jointAt + 1);
    } else sizeSlots.push(...maxima);
    const { maintenance_numerator: num, maintenance_denominator: den } = parameters;
    const cash = cash_groups.map((_, c) => c);
    this.add(
      [
        ...cash.map((c) => [c, den] as const),
        ...tokens.map((_, t) => [tokenAt + t, den * at(this.unitValues, t)] as const),
        ...instruments.map((_, j) => [positionAt + j, den * at(at(this.values, j), 0)] as const),
        ...sizeSlots.map((slot) => [slot, -num] as const),
      ],
      { shortfall: true },
    );
    for (const c of cash) this.add([[c, 1n]], { constant: parameters.cash_limit_micros, shortfall: true });
    this.writeStress(cash, tokenAt, positionAt, next);
  }

  private writeStress(cash: readonly number[], tokenAt: number, positionAt: number, uncoveredAt: number): void {
    const { parameters, instruments, tokens } = this.book;
    const { stress, groups } = parameters;
    if (stress.length === 0) return;
    const grids = new Map(groups.map(({ id }, g) => [id, stress.map(({ moves }) => at(moves, g))]));
    const lots = instruments.map((instrument) => this.row(instrument, grids.get(instrument.group) ?? [], stress.length));
    stress.forEach(({ moves }, i) => {
      const units = tokens.map((token) => this.stressed(token, moves));
      this.stressFits &&= units.every((value) => absolute(value) < 1n << 62n);
      this.add([
        ...cash.map((c) => [c, 1n] as const),
        ...units.map((value, t) => [tokenAt + t, value] as const),
        ...instruments.map((_, j) => [positionAt + j, at(at(lots, j), i + 1)] as const),
        [uncoveredAt + i, 1n],
      ]);
    });
  }

  private stressed(token: Asset, moves: readonly Scenario[]): bigint {
    const index = this.indices.get(token.feed);
    if (index === undefined) return 0n;
    const base = this.unitValue(token, index);
    const values = this.book.parameters.groups.flatMap((group, g) => {
      const found = group.feed === token.feed ? [this.spot(token, index, group, at(moves, g))] : [];
      const { group: id, fall_share_ppm: share } = token.scenarios;
      if (group.id === id && share !== 0n) found.push(fallen(base, share, group.range_ppm, at(moves, g)));
      return found;
    });
    return values.length === 0 ? base : values.reduce(smaller);
  }
}
