import { type Bytes, floorDiv, larger, smaller } from "./bytes.js";
import { BILLION, carried, carryTo, forwardOf, futureOf, knownAverages, settling } from "./carry.js";
import { at, CODES, demand, Refusal } from "./errors.js";
import { demandOfGenesis, type Genesis } from "./genesis.js";
import { demandReadable, sorted } from "./ranges.js";
import { demandBounded, Reference } from "./reference_rows.js";
import { CALL, type ExpiryCarry, type Instrument, PERPETUAL, PUT, readRulebook, type Rulebook } from "./rulebook.js";
import { type Header, type RiskStatement } from "./schema.js";
import { cut } from "./visible.js";
import { missingPpm } from "./statement.js";

/** The check `rules`: docs/specification/rules.md, "Comparison"; of a genesis: genesis.ts. */
const ASSUMPTIONS = [
  "auction_liquidity", "cash_calls", "collateral_caps", "default_waterfall", "initial_margin", "interest_accrued",
  "price_formation", "soft_credit", "uncredited_deposits", "withdrawal_restrictions",
];

export function verifyRules(statement: RiskStatement, header: Header, genesis?: Genesis, network?: Bytes): Rulebook {
  const book = read(statement);
  const reference = new Reference(book);
  const differ = CODES.RULES_DIFFER;
  const { slots, rows } = statement;
  demand(slots.length === reference.slots.length, differ, "number of slots");
  reference.slots.forEach((wanted, index) => {
    const slot = at(slots, index);
    demand(slot.name === wanted.name && slot.kind === wanted.kind && slot.group === wanted.group, differ, `slot ${index}`);
  });
  const computed = reference.priced();
  demand(rows.length === computed.length, differ, "number of rows");
  reference.demandStressValues();
  computed.forEach((wanted, index) => {
    demandBounded(wanted);
    const row = at(rows, index);
    const same = row.kind === wanted.kind && row.constant === wanted.constant && row.shortfall === wanted.shortfall &&
      row.coefficients.length === wanted.coefficients.length &&
      row.coefficients.every(([slot, c], i) => slot === at(wanted.coefficients, i)[0] && c === at(wanted.coefficients, i)[1]);
    demand(same, differ, `row ${index}`);
  });
  const groups = book.parameters.groups.map(({ name }) => name);
  demand(sameList(statement.groups, groups) && statement.scenarios === reference.scenarios, differ, "groups or scenarios");
  comparePrices(statement, book);
  const assumptions = sorted([...ASSUMPTIONS, ...(book.parameters.stress.length === 0 ? ["default_fund"] : [])]);
  demand(sameList(statement.assumptions, assumptions), differ, "assumptions");
  compareFeeds(book);
  demandMarks(book, reference, genesis?.time ?? 0n);
  for (const { fund_account, fund } of statement.cover) {
    demand(fund_account === 0n && fund <= book.parameters.default_fund_micros, differ, "default fund");
  }
  const missing = missingShares(statement, book);
  demand(book.tokens.every(({ haircut_ppm }, i) => haircut_ppm >= at(missing, i)), differ, "haircut of a token that lacks custody");
  demand(book.time_ms <= header.time_ms, differ, "time");
  if (genesis !== undefined) demandOfGenesis(statement, book, genesis, network, missing);
  return book;
}

const FEEDS_NAMED = 10;
const FEED_SHOWN = 80;

/** Which instruments count for nothing, because their feeds are called settled; empty if none does. */
export function ofSettledFeeds(book: Rulebook): string {
  const settled = new Map(book.feeds.flatMap(({ feed, name, used }) => (used ? [] : [[feed, name] as const])));
  const affected = book.instruments.flatMap(({ feed }) => (settled.has(feed) ? [feed] : []));
  if (affected.length === 0) return "";
  const feeds = [...new Set(affected)].sort((a, b) => a - b).map((feed) => cut(settled.get(feed) ?? "", FEED_SHOWN));
  const more = feeds.length > FEEDS_NAMED ? ` and ${feeds.length - FEEDS_NAMED} more` : "";
  return (
    `; positions in ${affected.length} of the instruments count for nothing, for the validators call their feeds ` +
    `settled: ${feeds.slice(0, FEEDS_NAMED).join(", ")}${more}`
  );
}

/** Read and check the ranges; whatever cannot be read is BAD_STATEMENT. */
function read(statement: RiskStatement): Rulebook {
  try {
    const book = readRulebook(statement.rules);
    demandReadable(book, statement.slots.length);
    return book;
  } catch (error) {
    if (error instanceof Refusal && error.code !== CODES.MALFORMED) throw error;
    throw new Refusal(CODES.BAD_STATEMENT, "rulebook");
  }
}

const sameList = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((item, index) => item === right[index]);

function comparePrices(statement: RiskStatement, book: Rulebook): void {
  const names = new Map(book.instruments.map(({ id, name }) => [id, name]));
  const wanted = [
    ...book.feeds.map(({ name, ticks, used }) => ({ name: `${used ? "index" : "settled"}:${name}`, ticks })),
    ...book.marks.map(({ instrument, ticks }) => ({ name: `mark:${names.get(instrument) ?? ""}`, ticks })),
  ];
  const order = sorted(wanted.map(({ name }) => name));
  const key = (price: { name: string; ticks: bigint }): string => `${price.ticks}:${price.name}`;
  demand(sameList(statement.prices.map(({ name }) => name), order), CODES.RULES_DIFFER, "prices");
  const found = statement.prices.map(key).sort();
  demand(sameList(found, wanted.map(key).sort()), CODES.RULES_DIFFER, "prices");
}

function compareFeeds(book: Rulebook): void {
  const feeds = new Map(book.feeds.map((feed) => [feed.feed, feed]));
  const differ = CODES.RULES_DIFFER;
  demand(book.instruments.every(({ feed }) => feeds.has(feed)), differ, "feed of an instrument");
  demand(book.tokens.every(({ feed }) => feeds.has(feed)), differ, "feed of a token");
  for (const { yields, rate_ticks } of book.tokens) {
    const feed = feeds.get(yields.feed);
    demand(yields.feed === 0 || feed !== undefined, differ, "feed of a rate");
    const rate = yields.feed === 0 || feed?.used !== true ? 0n : smaller(feed.ticks, 100n * yields.unit_ticks);
    demand(rate_ticks === rate, differ, "rate of a token");
  }
}

/** Of each token, the largest share that a vault lacks. */
function missingShares(statement: RiskStatement, book: Rulebook): bigint[] {
  const missing = new Map<number, bigint>();
  for (const term of statement.custody) {
    missing.set(term.slot, larger(missing.get(term.slot) ?? 0n, missingPpm(term)));
  }
  return book.tokens.map((_, index) => missing.get(book.cash_groups.length + index) ?? 0n);
}

/** Marks are bounded as of the valuation. `listed`: the time from which a dated instrument may have been traded. */
function demandMarks(book: Rulebook, reference: Reference, listed: bigint): void {
  const instruments = new Map(book.instruments.map((instrument) => [instrument.id, instrument]));
  const averages = knownAverages(book);
  const curves = new Map(book.parameters.groups.map(({ id, curve }) => [id, curve]));
  const highestOfOption = (plain: bigint, option: Instrument, index: bigint): bigint => {
    const curve = curves.get(option.group) ?? [];
    const highest = curve.length === 0 || book.time_ms >= option.expiry_ms ? plain : highestOnCurve(option, index, curve, book.time_ms);
    return option.kind === CALL ? larger(highest, settling(averages.get(option.id), highest)) : highest;
  };
  for (const { instrument: id, ticks } of book.marks) {
    const instrument = instruments.get(id);
    const index = instrument === undefined ? undefined : reference.indexOf(instrument.feed);
    if (instrument === undefined || index === undefined) continue;
    const { futures_on_curve: onCurve, rate_ppm: rate } = book.parameters;
    const curve = onCurve ? (curves.get(instrument.group) ?? []) : [];
    const [lowest, plain] = markBounds(instrument, index, book.time_ms, rate, listed, curve);
    const option = instrument.kind === CALL || instrument.kind === PUT;
    const highest = option && plain !== undefined ? highestOfOption(plain, instrument, index) : plain;
    const good = ticks >= lowest && (highest === undefined || ticks <= highest);
    demand(good, CODES.PRICE_OUT_OF_BOUNDS, `mark of ${instrument.name}: ${ticks}, from ${lowest} to ${highest ?? "any"}`);
  }
}

/** At any time up to the latest: a forward between the curve's expiries changes with time, but not beyond them. */
function highestOnCurve(option: Instrument, x: bigint, curve: readonly ExpiryCarry[], latest: bigint): bigint {
  const carry = carryTo(curve, option.expiry_ms, 0n, latest);
  const quoted = curve.some(({ expiry_ms }) => expiry_ms === option.expiry_ms);
  const others = quoted ? [] : curve.map(({ forward_ppb }) => floorDiv(x * forward_ppb, BILLION));
  const value = option.kind === CALL ? [x, carried(x, carry), ...others].reduce(larger) : option.strike_ticks;
  return carry.rate >= 0n ? value : 2n * value;
}

function markBounds(
  { kind, funding, strike_ticks, expiry_ms, averaging_ms: a }: Instrument, x: bigint, latest: bigint, rate: bigint,
  listed: bigint, curve: readonly ExpiryCarry[],
): [bigint, bigint | undefined] {
  if (kind === PERPETUAL) {
    const d = (x * funding.premium_cap_ppm) / 1000000n;
    return [larger(x - d, 1n), x + d];
  }
  const expired = latest >= expiry_ms;
  if (kind === CALL) return [0n, expired ? undefined : x];
  if (kind === PUT) return [0n, expired ? 2n * strike_ticks : strike_ticks];
  const forward = futureOf(x, curve, expiry_ms, 0n, latest);
  const c = smaller(larger(latest - (expiry_ms - a), 0n), a);
  if (expired || c > 0n) {
    const l = expired ? 0n : a - c;
    return [larger((smaller(x, forward) * l) / larger(a, 1n), 1n), undefined];
  }
  return [smaller(x, forward), larger(forwardOf(x, rate, expiry_ms, listed), forward)];
}
