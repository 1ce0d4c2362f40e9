import { type Bytes, ceilDiv, equal, floorDiv, hex, larger, smaller } from "./bytes.js";
import { at, CODES, demand } from "./errors.js";
import { array, BOOLEAN, type Of, or, structure, TEXT, U32, U63 } from "./messagepack.js";
import {
  Asset, CashGroup, DEPEG_DEFAULTS, Instrument, P32, RiskParameters, type RiskGroup, type Rulebook,
} from "./rulebook.js";
import { type RiskStatement } from "./schema.js";
import { beyondTerms, type SurfaceTerms } from "./surface_bounds.js";
import { type OutflowLimits } from "./transition.js";

/** What is compared with a genesis: docs/specification/verification.md, "With a genesis". */
const p32 = (value: bigint) => or(P32, () => value);
const u63 = (value: bigint) => or(U63, () => value);

export const Feed = structure({ id: U32, name: TEXT });
export const RangeParameters = structure({
  interval_ms: u63(0n),
  decay_ppm: p32(940000n),
  confidence_ppm: p32(990000n),
  window: p32(2000n),
  window_min: p32(100n),
  multiple_ppm: u63(3000000n),
  horizon_ms: u63(3600000n),
  lateness_ms_max: u63(3600000n),
  lateness_decay_ppm: p32(900000n),
  buffer_ppm: p32(250000n),
  release_ppm: p32(2000000n),
  stress_weight_ppm: p32(250000n),
  stress_quantile_ppm: p32(990000n),
  floor_samples: p32(8760n),
  rise_ppm: p32(500000n),
  fall_ppm: p32(10000n),
  range_min_ppm: p32(10000n),
  range_max_ppm: p32(900000n),
  volatility_weight_ppm: p32(0n),
  volatility_multiple_ppm: u63(3000000n),
  joint_scenarios: p32(0n),
  joint_tail_ppm: p32(25000n),
  joint_tail_exact: or(BOOLEAN, () => false),
  joint_floor: or(BOOLEAN, () => false),
  joint_volatility_ppm: p32(0n),
  historical_scenarios: p32(0n),
});
export const Feeds = array(Feed);
export const CashGroups = array(CashGroup);
export const Assets = array(Asset);
export const Instruments = array(Instrument);

/** The compared parts of a genesis as amended, which the caller has checked. */
export interface Genesis {
  readonly time: bigint;
  readonly feeds: Of<typeof Feeds>;
  readonly cashGroups: Of<typeof CashGroups>;
  readonly assets: readonly Asset[];
  readonly instruments: readonly Instrument[];
  readonly risk: RiskParameters;
  readonly ranges: Of<typeof RangeParameters>;
  readonly surfaces: readonly SurfaceTerms[];
  /** The digest of the whole, which is the network's id; not of one that was amended. */
  readonly digest?: Bytes | undefined;
  /** What may leave all accounts in a window: only packages of several epochs are compared with it. */
  readonly limits?: OutflowLimits | undefined;
}

const isCash = ({ cash_group }: Asset): boolean => cash_group !== 0;

/** Whether it is a cash token that may leave its group. */
export const isGuarded = (asset: Asset): boolean => isCash(asset) && asset.depeg.feed !== 0n;

/** What a cash token becomes that may leave its group, or undefined. */
function asCollateral(asset: Asset): Asset | undefined {
  const { depeg } = asset;
  if (!isGuarded(asset)) return undefined;
  return {
    ...asset,
    unit_decimals: depeg.unit_decimals,
    feed: Number(depeg.feed),
    feed_tokens: depeg.feed_tokens,
    haircut_ppm: depeg.haircut_ppm,
    cash_group: 0,
    cap_units: floorDiv(asset.cap_units, 10n ** larger(BigInt(asset.unit_decimals - depeg.unit_decimals), 0n)),
    depeg: DEPEG_DEFAULTS,
  };
}

const others = (asset: Asset): Asset[] => {
  const other = asCollateral(asset);
  return other === undefined ? [] : [other];
};

/** The end of the check `custody`: the terms are those of the genesis's assets, all of them and no others. */
export function demandListed(statement: RiskStatement, genesis: Genesis): void {
  const groups = new Map(genesis.cashGroups.map(({ id, name }) => [id, name]));
  const key = (chain: bigint, token: Bytes): string => `${chain}:${hex(token)}`;
  const listed = genesis.assets.flatMap((asset) => [asset, ...others(asset)]).map((asset) => ({
    chain_id: asset.chain_id,
    vault: asset.vault,
    token: asset.token,
    balances: asset.balances,
    unit: 10n ** BigInt(Math.max(asset.token_decimals - asset.unit_decimals, 0)),
    slot: isCash(asset) ? `cash:${groups.get(asset.cash_group) ?? ""}` : `token:${asset.chain_id}:${asset.name}`,
  }));
  for (const { chain_id, vault, token, balances, unit, slot } of statement.custody) {
    const stated = { chain_id, vault, token, balances, unit, slot: at(statement.slots, slot).name };
    demand(listed.some((each) => same(each, stated)), CODES.CUSTODY_UNLISTED, `chain ${chain_id}, vault ${hex(vault)}`);
  }
  const named = new Set(statement.custody.map(({ chain_id, token }) => key(chain_id, token)));
  for (const { chain_id, token } of genesis.assets) {
    demand(named.has(key(chain_id, token)), CODES.CUSTODY_UNLISTED, `chain ${chain_id} missing, token ${hex(token)}`);
  }
}

/** The end of the check `rules`. `missing`: the share of each token that its vault lacks. */
export function demandOfGenesis(
  statement: RiskStatement, book: Rulebook, genesis: Genesis, network: Bytes | undefined, missing: readonly bigint[],
): void {
  const trusted = network ?? genesis.digest;
  is(trusted === undefined || equal(statement.network, trusted), "network");
  is(same(book.instruments, genesis.instruments), "instruments");
  is(same(book.cash_groups, genesis.cashGroups), "cash groups");
  const feeds = [...genesis.feeds].sort((a, b) => a.id - b.id).map(({ id, name }) => [id, name]);
  is(same(book.feeds.map(({ feed, name }) => [feed, name]), feeds), "feeds");
  const tokens = genesis.assets.flatMap((asset) => (isCash(asset) ? others(asset) : [asset]));
  is(tokens.length === book.tokens.length, "number of tokens");
  tokens.forEach((listed, index) => demandToken(at(book.tokens, index), listed, missing[index] ?? 0n));
  demandParameters(withoutLiveSurfaces(book, genesis), genesis);
}

const is = (good: boolean, about: string): void => demand(good, CODES.RULES_DIFFER, about);

function demandToken(token: Asset, listed: Asset, missing: bigint): void {
  const { haircut, scenarios } = listed;
  const base = scenarios.group === 0 ? listed.haircut_ppm : scenarios.haircut_ppm;
  is(same({ ...token, rate_ticks: 0n, haircut_ppm: 0n }, { ...listed, rate_ticks: 0n, haircut_ppm: 0n }), `token ${listed.name}`);
  const step = larger(haircut.step_ppm, 1n);
  const least = missing === 0n ? base : smaller(ceilDiv(base + missing, step) * step, 1000000n);
  const moves = [
    haircut.range_share_ppm, haircut.volatility_ppm, haircut.liquidity_ppm, haircut.finality_ppm, haircut.confidence_share_ppm,
    haircut.outage_ms,
  ].some((value) => value !== 0n);
  is(token.haircut_ppm === least || (token.haircut_ppm > least && moves), `haircut of ${listed.name}`);
}

/** The parameters with the genesis's values in the place of each live surface, which is checked here. */
function withoutLiveSurfaces({ parameters, time_ms }: Rulebook, { risk, surfaces, time }: Genesis): RiskParameters {
  if (parameters.groups.length !== risk.groups.length) return parameters;
  const groups = parameters.groups.map((group, index) => {
    const terms = surfaces.find((each) => each.group === group.id);
    if (group.curve.length === 0 || terms === undefined) return group;
    const beyond = beyondTerms(group, terms, risk.rate_ppm, time, time_ms);
    is(beyond === undefined, `${beyond} of the surface of ${group.name}`);
    const { surface, curve, volatility_ppm } = at(risk.groups, index);
    return { ...group, surface, curve, volatility_ppm };
  });
  return { ...parameters, groups };
}

function demandParameters(parameters: RiskParameters, { risk, ranges }: Genesis): void {
  if (ranges.interval_ms === 0n) return is(same(parameters, risk), "parameters");
  const fixed = (group: RiskGroup): RiskGroup => ({ ...group, range_ppm: 0n, volatility_ppm: 0n, volatility_range_ppm: 0n });
  const shape = (of: RiskParameters): RiskParameters => ({ ...of, groups: of.groups.map(fixed), joint: risk.joint, history: risk.history });
  is(same(shape(parameters), shape(risk)), "parameters");
  risk.groups.forEach((listed, index) => {
    const stated = at(parameters.groups, index);
    const moved = stated.range_ppm >= ranges.range_min_ppm && stated.range_ppm <= ranges.range_max_ppm;
    is(stated.range_ppm === listed.range_ppm || moved, `range of ${listed.name}`);
    const weight = ranges.volatility_weight_ppm;
    const least = larger(floorDiv(listed.volatility_ppm * (1000000n - weight), 1000000n), 1n);
    is(weight === 0n ? stated.volatility_ppm === least : stated.volatility_ppm >= least, `volatility of ${listed.name}`);
    const shift = stated.volatility_range_ppm;
    const fixedShift = ranges.volatility_multiple_ppm === 0n;
    is(fixedShift ? shift === listed.volatility_range_ppm : shift >= listed.volatility_range_ppm, `volatility range of ${listed.name}`);
  });
  demandJoint(parameters, risk, ranges);
  demandHistory(parameters, risk, ranges);
}

function demandHistory({ history }: RiskParameters, risk: RiskParameters, ranges: Genesis["ranges"]): void {
  if (same(history, risk.history)) return;
  const { scenarios, tail, tail_part_ppm: part } = history;
  const { scenarios: listed, tail: fixed, tail_part_ppm } = risk.history;
  is(same({ ...history, scenarios: listed, tail: fixed, tail_part_ppm }, risk.history), "history");
  const kept = ranges.historical_scenarios;
  demandTail(kept, scenarios.length, scenarios.reduce((total, each) => total + each.count, 0n), tail, part, ranges);
}

function demandJoint({ joint }: RiskParameters, risk: RiskParameters, ranges: Genesis["ranges"]): void {
  if (same(joint, risk.joint)) return;
  const { scenarios, tail, tail_part_ppm: part } = joint;
  const { scenarios: listed, tail: fixed, tail_part_ppm } = risk.joint;
  is(same({ ...joint, scenarios: listed, tail: fixed, tail_part_ppm }, risk.joint), "joint scenarios");
  const count = scenarios.reduce((total, each) => total + each.count, 0n);
  demandTail(ranges.joint_scenarios, scenarios.length, count, tail, part, ranges);
}

/** How many scenarios there may be of history, and how many of the worst are averaged. */
function demandTail(
  kept: bigint, listed: number, count: bigint, tail: bigint, part: bigint, ranges: Genesis["ranges"],
): void {
  is(kept !== 0n && count >= ranges.window_min && count <= ranges.window, "joint scenarios");
  is(BigInt(listed) <= kept + 1n, "number of joint scenarios");
  const exact = count * ranges.joint_tail_ppm;
  const whole = ranges.joint_tail_exact ? exact / 1000000n : ceilDiv(exact, 1000000n);
  is(tail === larger(whole, 1n), "tail");
  is(part === (ranges.joint_tail_exact && whole > 0n ? exact % 1000000n : 0n), "part of the tail");
}

/** Whether two decoded values are equal, in every field and item. */
export function same(left: unknown, right: unknown): boolean {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return equal(left, right);
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return left === right;
  const names = Object.keys(left);
  const ofRight = right as Record<string, unknown>;
  const ofLeft = left as Record<string, unknown>;
  return names.length === Object.keys(right).length && names.every((name) => name in right && same(ofLeft[name], ofRight[name]));
}
