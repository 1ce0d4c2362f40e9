import { absolute, ascii, compareText, number } from "./bytes.js";
import { at, CODES, demand } from "./errors.js";
import {
  type Asset, CALL, type ConcentrationTier, type ExpiryCarry, FORWARD, FUNDING_DEFAULTS, type FundingTerms, type GroupCharges,
  type Instrument, type LotCharge,
  PERPETUAL, PUT, type RiskGroup, type RiskParameters, type Rulebook, type Scenario, type VolPillar, type VolShock,
} from "./rulebook.js";
import { averaged } from "./tariff.js";

/** Ranges of a rulebook: docs/specification/rules.md, "Ranges" and "Reading". */
const M = 1000000n;
const HOUR = 3600000n;
const DAY = 86400000n;
export const YEAR = 365n * DAY;

const NAME_BYTES_MAX = 256;
const INDEX_MAX = (1n << 40n) - 1n;

function must(condition: boolean, about: string): void {
  demand(condition, CODES.BAD_STATEMENT, about);
}
const within = (value: bigint, least: bigint, most: bigint): boolean => value >= least && value <= most;
const rises = <T extends number | bigint>(values: readonly T[]): boolean =>
  values.every((value, index) => index === 0 || at(values, index - 1) < value);
const differ = (values: readonly string[]): boolean => new Set(values).size === values.length;

export function demandReadable(book: Rulebook, slots: number): void {
  const { parameters, instruments, cash_groups: cash, tokens, feeds, marks } = book;
  must(book.version === 1, "version");
  const { groups, stress } = parameters;
  must(instruments.length + cash.length + tokens.length + groups.length + stress.length <= slots, "more items than slots");
  demandParameters(parameters);
  demandInstruments(instruments);
  const known = new Set(groups.map(({ id }) => id));
  for (const token of tokens) demandToken(token, known);
  must(rises(feeds.map(({ feed }) => feed)), "order of feeds");
  must(rises(cash.map(({ id }) => id)), "order of cash groups");
  must(rises(tokens.map(({ id }) => id)), "order of tokens");
  must(rises(marks.map(({ instrument }) => instrument)), "order of marks");
  for (const { name } of [...instruments, ...cash, ...tokens, ...feeds, ...groups, ...stress]) {
    must(ascii(name).length <= NAME_BYTES_MAX, "a name is too long");
  }
  must(differ(feeds.map(({ name }) => name)), "names of feeds");
  must(instruments.every(({ group }) => known.has(group)), "group of an instrument");
  const listed = new Set(instruments.map(({ id }) => id));
  must(marks.every(({ instrument, ticks }) => listed.has(instrument) && ticks <= 1n << 48n), "mark");
  must(feeds.every(({ ticks, used }) => ticks <= INDEX_MAX && (!used || ticks >= 1n)), "ticks of a feed");
  demandAverages(book);
}

/** An average is of an option with a window, at a price that can be agreed, and covers no more than time allows. */
function demandAverages({ averages, instruments, parameters, time_ms: time }: Rulebook): void {
  must(rises(averages.map(({ instrument }) => instrument)), "order of averages");
  must(averages.length === 0 || parameters.averaged_options, "averages");
  const listed = new Map(instruments.map((instrument) => [instrument.id, instrument]));
  for (const { instrument: id, weighted_ticks, covered_ms: covered } of averages) {
    const option = listed.get(id);
    const known = option !== undefined && (option.kind === CALL || option.kind === PUT) && option.averaging_ms > 0n;
    must(known && within(covered, 1n, time - (option.expiry_ms - option.averaging_ms)), "part of an average");
    must(within(number(weighted_ticks), covered, covered * INDEX_MAX), "ticks of an average");
  }
}

function demandParameters(parameters: RiskParameters): void {
  const { groups, scenarios, joint, stress } = parameters;
  must(groups.every(({ id }) => id >= 1) && rises(groups.map(({ id }) => id)), "ids of risk groups");
  must(differ(groups.map(({ name }) => name)), "names of risk groups");
  must(within(BigInt(scenarios.length), 1n, 64n), "scenarios");
  const { maintenance_numerator: num, maintenance_denominator: den } = parameters;
  must(1n <= num && num <= den && den <= 1000n, "maintenance");
  must(parameters.cash_limit_micros < 1n << 62n && parameters.rate_ppm <= M, "cash limit or rate");
  scenarios.forEach(demandScenario);
  groups.forEach(demandGroup);
  demandCharges(parameters.charges);
  demandTiers(parameters.concentration);
  const total = joint.scenarios.reduce((sum, { count }) => sum + count, 0n);
  must(joint.scenarios.length <= 256 && total <= 1n << 20n, "joint scenarios");
  joint.scenarios.forEach(({ columns, count }, index) => {
    must(index === 0 || risesAs(at(joint.scenarios, index - 1).columns, columns), "order of joint scenarios");
    must(count >= 1n && columns.length === groups.length, "joint scenario");
    must(columns.every((column, g) => column <= (at(groups, g).scenarios.length || scenarios.length)), "column");
  });
  const [whole, scale] = averaged(joint.tail, joint.tail_part_ppm);
  must(joint.tail >= 1n && (joint.scenarios.length === 0 || whole <= total * scale), "tail");
  must(joint.tail_part_ppm < M, "part of the tail");
  demandHistory(parameters);
  must(within(joint.weight_ppm, 1n, 999999n), "weight");
  must(stress.length <= 16 && differ(stress.map(({ name }) => name)), "stress scenarios");
  for (const { name, moves } of stress) {
    must(name !== "" && moves.length === groups.length, "stress scenario");
    moves.forEach(demandScenario);
  }
  const fund = parameters.default_fund_micros;
  must(fund < 1n << 62n && (stress.length > 0 || fund === 0n), "default fund");
}

/** Moves of history: their order, counts and bounds. */
function demandHistory({ history, joint, groups }: RiskParameters): void {
  const { scenarios, tail, tail_part_ppm: part, weight_ppm } = history;
  const sizes = scenarios.map(({ moves }) => moves.flatMap(({ price_ppm, volatility_ppm }) => [price_ppm, volatility_ppm]));
  const total = scenarios.reduce((sum, { count }) => sum + count, 0n);
  must(scenarios.length <= 256 && total <= 1n << 20n, "moves of history");
  scenarios.forEach(({ moves, count }, index) => {
    must(index === 0 || risesAs(at(sizes, index - 1), at(sizes, index)), "order of moves of history");
    must(count >= 1n && moves.length === groups.length, "move of history");
    for (const { price_ppm, volatility_ppm } of moves) {
      must(absolute(price_ppm) <= 3n * M && within(volatility_ppm, -M, 10n * M), "size of a move of history");
    }
  });
  const [whole, scale] = averaged(tail, part);
  must(tail >= 1n && (scenarios.length === 0 || whole <= total * scale), "tail of history");
  must(part < M && within(weight_ppm, 1n, 999999n), "weight of history");
  must(scenarios.length === 0 || joint.scenarios.length === 0, "history beside joint scenarios");
}

function risesAs<T extends number | bigint>(left: readonly T[], right: readonly T[]): boolean {
  const place = left.findIndex((value, index) => value !== right[index]);
  if (place < 0) return left.length < right.length;
  const other = right[place];
  return other !== undefined && at(left, place) < other;
}

function demandScenario(s: Scenario): void {
  const sign = (value: bigint): boolean => within(value, -1n, 1n);
  must(within(s.move_denominator, 1n, 1000n) && absolute(s.move_numerator) <= 3n * s.move_denominator, "move");
  must(sign(s.volatility_direction) && sign(s.skew_linear) && sign(s.skew_absolute), "direction");
  must(s.weight_ppm <= M, "weight of a scenario");
  const stated = s.volatility_ppm === 0n || s.volatility_direction === 0n;
  must(stated && within(s.volatility_ppm, -M, 10n * M), "stated volatility");
}

function demandGroup(group: RiskGroup): void {
  must(within(group.range_ppm, 1n, M), "range");
  must(within(group.volatility_ppm, 1n, 100n * M) && group.volatility_range_ppm <= 100n * M, "volatility");
  must(group.short_option_ppm <= M && group.scenarios.length <= 64, "short options or grid");
  group.scenarios.forEach(demandScenario);
  demandShock(group.shock);
  demandSurface(group.surface, group.volatility_ppm);
  demandCurve(group.curve);
  demandGroupCharges(group.charges);
}

function demandCurve(curve: readonly ExpiryCarry[]): void {
  must(curve.length <= 64 && rises(curve.map(({ expiry_ms }) => expiry_ms)), "curve");
  for (const { expiry_ms, forward_ppb, rate_ppm } of curve) {
    must(within(expiry_ms, 1n, (1n << 62n) - 1n) && within(forward_ppb, 1n, 10n ** 12n), "expiry or forward");
    must(absolute(rate_ppm) <= M, "rate of a curve");
  }
}

function demandGroupCharges({ basis, delta, vega }: GroupCharges): void {
  must(basis.length <= 8, "basis moves");
  for (const { points, perpetual_ppm: shift } of basis) {
    must(within(BigInt(points.length), 1n, 16n) && rises(points.map(({ tenor_ms }) => tenor_ms)), "points of a basis move");
    must(absolute(shift) <= M, "shift of perpetuals");
    must(points.every(({ tenor_ms, shift_ppm }) => tenor_ms <= 10n * YEAR && absolute(shift_ppm) <= M), "basis point");
  }
  for (const charge of [delta, vega]) {
    must(charge.rate_ppm <= M && charge.depth_micros <= 1n << 50n, "net charge");
    must(charge.linear_impact_ppm <= M && charge.root_impact_ppm <= M, "net impact");
    const sizes = charge.sizes_ppm;
    must(within(BigInt(sizes.length), 1n, 8n) && at(sizes, 0) > 0n && rises(sizes), "sizes");
    must(at(sizes, sizes.length - 1) <= 32n * M, "largest size");
  }
}

function demandShock(shock: VolShock): void {
  must(shock.short_power_ppm <= M && shock.long_power_ppm <= M, "power");
  must(within(shock.tenor_min_ms, HOUR, YEAR), "least tenor");
  must(shock.down_ppm <= M && shock.up_floor_ppm <= 100n * M, "shock");
  must(shock.skew_linear_ppm <= 500000n && shock.skew_absolute_ppm <= 500000n, "skew");
  must(within(shock.skew_width_ppm, 100000n, 100n * M), "width of skew");
}

function demandSurface(surface: readonly VolPillar[], v: bigint): void {
  must(surface.length <= 64 && rises(surface.map(({ tenor_ms }) => tenor_ms)), "pillars");
  for (const pillar of surface) {
    must(within(pillar.tenor_ms, HOUR, 10n * YEAR) && within(pillar.level_ppm, 1n, 10n * M), "pillar");
    must(absolute(pillar.skew_ppm) <= 990000n && pillar.wing_ppm <= 2n * M, "smile");
  }
  const most = (values: readonly bigint[]): bigint => values.reduce((a, b) => (a > b ? a : b), 0n);
  const wing = most(surface.map(({ wing_ppm }) => wing_ppm));
  const skew = most(surface.map(({ skew_ppm }) => absolute(skew_ppm)));
  must(wing * wing * (M + skew) <= 4n * 10n ** 18n, "surface 1");
  surface.forEach(({ wing_ppm: e, level_ppm: l, skew_ppm: s, tenor_ms }, index) => {
    const last = index === surface.length - 1 && tenor_ms < YEAR;
    must((e * l * v * (M + absolute(s))) ** 2n * (last ? YEAR : tenor_ms) < 16n * 10n ** 48n * YEAR, "surface 2");
    if (index > 0) demandNeighbours(at(surface, index - 1), at(surface, index));
  });
}

function demandNeighbours(near: VolPillar, far: VolPillar): void {
  const level = (p: VolPillar): bigint => p.level_ppm ** 2n * p.tenor_ms;
  const side = (p: VolPillar, sign: bigint): bigint => (p.wing_ppm * (M + sign * p.skew_ppm)) ** 2n * level(p);
  must(level(near) <= level(far), "surface 3");
  must(side(near, 1n) <= side(far, 1n) && side(near, -1n) <= side(far, -1n), "surface 3");
  must(far.wing_ppm ** 2n * level(near) <= near.wing_ppm ** 2n * level(far), "surface 3");
}

function demandCharges(charges: readonly LotCharge[]): void {
  must(rises(charges.map(({ instrument }) => instrument)), "order of charges");
  for (const charge of charges) {
    must(charge.contingency_ppm + charge.slippage_ppm <= M && charge.depth_lots <= (1n << 39n) - 1n, "charge");
    must(charge.linear_impact_ppm <= M && charge.root_impact_ppm <= M, "impact");
    const sizes = charge.sizes_ppm;
    must(within(BigInt(sizes.length), 1n, 8n) && at(sizes, 0) > 0n && rises(sizes), "sizes");
  }
}

function demandTiers(tiers: readonly ConcentrationTier[]): void {
  const sums = new Map<number, bigint>();
  tiers.forEach((tier, index) => {
    const before = tiers[index - 1];
    const later = before === undefined || before.asset < tier.asset ||
      (before.asset === tier.asset && before.above_units < tier.above_units);
    const sum = (sums.get(tier.asset) ?? 0n) + tier.haircut_ppm;
    must(later && sum <= M, "concentration");
    sums.set(tier.asset, sum);
  });
}

function demandInstruments(instruments: readonly Instrument[]): void {
  must(rises(instruments.map(({ id }) => id)) && differ(instruments.map(({ name }) => name)), "ids or names of instruments");
  for (const instrument of instruments) {
    const { kind, id } = instrument;
    const perpetual = kind === PERPETUAL;
    const option = kind === CALL || kind === PUT;
    must(id >= 1 && id <= 0xfffffffe && within(instrument.micros_per_tick, 1n, 65536n), "instrument");
    must(instrument.expiry_ms > 0n === !perpetual && instrument.strike_ticks > 0n === option, "expiry or strike");
    must(instrument.strike_ticks <= (1n << 40n) - 1n && within(instrument.band_ppm, 1n, M), "strike or band");
    must(instrument.cash_group >= 1 && instrument.averaging_ms <= (perpetual ? 0n : DAY), "cash group or averaging");
    must(instrument.delivery_asset === 0 || kind === FORWARD, "delivery");
    if (perpetual) demandFunding(instrument.funding);
    else must(sameFunding(instrument.funding), "funding");
  }
}

const sameFunding = (funding: FundingTerms): boolean =>
  (Object.keys(FUNDING_DEFAULTS) as (keyof FundingTerms)[]).every((name) => funding[name] === FUNDING_DEFAULTS[name]);

function demandFunding(f: FundingTerms): void {
  const week = 7n * DAY;
  const premium = f.premium_cap_ppm > 0n;
  const byTrades = premium && f.premium_feed === 0n;
  const paid = f.interval_ms > 0n;
  must(f.premium_cap_ppm <= 500000n && f.window_ms <= week && f.window_ms > 0n === premium, "premium");
  must(f.depth_lots < 1n << 32n && f.depth_lots > 0n === byTrades, "depth of funding");
  must(f.interval_ms <= week && within(f.period_ms, 1n, week), "interval");
  must(f.rate_cap_ppm <= 500000n && f.rate_cap_ppm > 0n === paid, "cap of rates");
  must(f.rate_cap_ppm * f.interval_ms <= M * f.period_ms, "rate");
  must(f.interest_ppm <= 500000n && f.dampener_ppm <= 500000n, "interest");
  must(f.premium_feed === 0n || premium, "premium feed");
  must(f.wash_cover_ppm === 0n || (byTrades && within(f.wash_cover_ppm, M, 1000n * M)), "wash cover");
}

function demandToken(token: Asset, groups: ReadonlySet<number>): void {
  must(token.cash_group === 0 && token.unit_decimals <= token.token_decimals, "token");
  must(token.haircut_ppm <= M && token.yields.haircut_ppm <= M, "haircut");
  must(token.feed_tokens >= 1n && token.yields.unit_ticks >= 1n, "units of a token");
  const { group, haircut_ppm: haircut, fall_share_ppm: share } = token.scenarios;
  must(haircut <= M && share <= 3n * M, "scenarios of a token");
  must(group === 0 ? haircut === 0n && share === 0n : groups.has(group), "risk group of a token");
}

export const sorted = (names: readonly string[]): string[] => [...names].sort(compareText);
