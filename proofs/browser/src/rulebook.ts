import { CODES, demand } from "./errors.js";
import {
  array, BOOLEAN, bytes, I63, member, type Of, or, pair, structure, TEXT, U32, U63, U8, whole,
} from "./messagepack.js";
import { BalanceLocation } from "./schema.js";

/** The rulebook's structures: docs/specification/rules.md. All integers are bigints but those of places and counts. */
const zero = (): bigint => 0n;
const is = (value: bigint) => (): bigint => value;
const u63 = (value = 0n) => or(U63, is(value));
const none = <T>(): T[] => [];

/** u32 as bigint: parameters enter exact arithmetic. */
export const P32 = { read: (reader: Parameters<typeof U32.read>[0]): bigint => BigInt(U32.read(reader)) };
const p32 = (value = 0n) => or(P32, is(value));

export const Scenario = structure({
  move_numerator: I63,
  move_denominator: P32,
  volatility_direction: I63,
  weight_ppm: p32(1000000n),
  of_index: or(BOOLEAN, () => false),
  skew_linear: or(I63, zero),
  skew_absolute: or(I63, zero),
  volatility_ppm: or(I63, zero),
});
export type Scenario = Of<typeof Scenario>;

export const VolPillar = structure({ tenor_ms: U63, level_ppm: P32, skew_ppm: or(I63, zero), wing_ppm: p32() });
export type VolPillar = Of<typeof VolPillar>;

export const VolShock = structure({
  short_power_ppm: p32(),
  long_power_ppm: p32(),
  tenor_min_ms: u63(86400000n),
  relative: or(BOOLEAN, () => false),
  down_ppm: p32(1000000n),
  up_floor_ppm: p32(),
  skew_linear_ppm: p32(),
  skew_absolute_ppm: p32(),
  skew_width_ppm: p32(4000000n),
});
export type VolShock = Of<typeof VolShock>;

export const BasisPoint = structure({ tenor_ms: U63, shift_ppm: I63 });
export const BasisMove = structure({ points: array(BasisPoint), perpetual_ppm: or(I63, zero) });
export type BasisMove = Of<typeof BasisMove>;
export const NetCharge = structure({
  rate_ppm: p32(),
  depth_micros: u63(),
  linear_impact_ppm: p32(),
  root_impact_ppm: p32(),
  sizes_ppm: or(array(P32), () => [250000n, 1000000n, 4000000n, 16000000n]),
});
export type NetCharge = Of<typeof NetCharge>;

/** A structure all of whose fields have defaults, in its defaults. */
const defaults = <T>(type: { read(reader: never): T }): (() => T) => () =>
  whole(type as never, Uint8Array.of(0x90)).value as T;

/** Forward, in 10^-9 of the index, and rate of one expiry of a live surface. */
export const ExpiryCarry = structure({ expiry_ms: U63, forward_ppb: U63, rate_ppm: I63 });
export type ExpiryCarry = Of<typeof ExpiryCarry>;

export const GroupCharges = structure({
  basis: or(array(BasisMove), none<BasisMove>),
  delta: or(NetCharge, defaults<NetCharge>(NetCharge)),
  vega: or(NetCharge, defaults<NetCharge>(NetCharge)),
});
export type GroupCharges = Of<typeof GroupCharges>;

export const RiskGroup = structure({
  id: U32,
  name: TEXT,
  feed: U32,
  range_ppm: P32,
  volatility_ppm: P32,
  volatility_range_ppm: P32,
  short_option_ppm: p32(),
  surface: or(array(VolPillar), none<VolPillar>),
  shock: or(VolShock, defaults<VolShock>(VolShock)),
  scenarios: or(array(Scenario), none<Scenario>),
  curve: or(array(ExpiryCarry), none<ExpiryCarry>),
  charges: or(GroupCharges, defaults<GroupCharges>(GroupCharges)),
});
export type RiskGroup = Of<typeof RiskGroup>;

function span(): Scenario[] {
  const scenario = (top: bigint, bottom: bigint, direction: bigint, weight = 1000000n): Scenario => ({
    move_numerator: top,
    move_denominator: bottom,
    volatility_direction: direction,
    weight_ppm: weight,
    of_index: false,
    skew_linear: 0n,
    skew_absolute: 0n,
    volatility_ppm: 0n,
  });
  const moves: [bigint, bigint][] = [[0n, 1n], [1n, 3n], [-1n, 3n], [2n, 3n], [-2n, 3n], [1n, 1n], [-1n, 1n]];
  const plain = moves.flatMap(([top, bottom]) => [scenario(top, bottom, 1n), scenario(top, bottom, -1n)]);
  return [...plain, scenario(2n, 1n, 0n, 350000n), scenario(-2n, 1n, 0n, 350000n)];
}

/** The default grid as fields by name, as a genesis file would have it. */
export const SPAN_FIELDS: readonly ReadonlyMap<string, bigint | boolean>[] = span().map((each) => new Map(Object.entries(each)));

export const JointScenario = structure({ columns: array(U32), count: p32(1n) });
export type JointScenario = Of<typeof JointScenario>;
export const JointCredit = structure({
  scenarios: or(array(JointScenario), none<JointScenario>),
  tail: p32(1n),
  weight_ppm: p32(800000n),
  keep_largest: or(BOOLEAN, () => true),
  tail_part_ppm: p32(),
});
export type JointCredit = Of<typeof JointCredit>;
export const LotCharge = structure({
  instrument: U32,
  contingency_ppm: p32(),
  slippage_ppm: p32(),
  depth_lots: u63(),
  linear_impact_ppm: p32(),
  root_impact_ppm: p32(),
  sizes_ppm: or(array(P32), () => [250000n, 1000000n, 4000000n, 16000000n]),
});
export type LotCharge = Of<typeof LotCharge>;
export const ConcentrationTier = structure({ asset: U32, above_units: U63, haircut_ppm: P32 });
export type ConcentrationTier = Of<typeof ConcentrationTier>;
export const StressScenario = structure({ name: TEXT, moves: array(Scenario) });
export type StressScenario = Of<typeof StressScenario>;

export const HistoricalMove = structure({ price_ppm: I63, volatility_ppm: or(I63, zero) });
export type HistoricalMove = Of<typeof HistoricalMove>;
export const HistoricalScenario = structure({ moves: array(HistoricalMove), count: p32(1n) });
export type HistoricalScenario = Of<typeof HistoricalScenario>;
export const HistoricalRequirement = structure({
  scenarios: or(array(HistoricalScenario), none<HistoricalScenario>),
  tail: p32(1n),
  tail_part_ppm: p32(),
  weight_ppm: p32(800000n),
  keep_largest: or(BOOLEAN, () => true),
});
export type HistoricalRequirement = Of<typeof HistoricalRequirement>;

export const RiskParameters = structure({
  groups: array(RiskGroup),
  scenarios: or(array(Scenario), span),
  maintenance_numerator: p32(4n),
  maintenance_denominator: p32(5n),
  cash_limit_micros: u63(),
  rate_ppm: p32(),
  joint: or(JointCredit, defaults<JointCredit>(JointCredit)),
  charges: or(array(LotCharge), none<LotCharge>),
  concentration: or(array(ConcentrationTier), none<ConcentrationTier>),
  stress: or(array(StressScenario), none<StressScenario>),
  default_fund_micros: u63(),
  averaged_options: or(BOOLEAN, () => false),
  futures_on_curve: or(BOOLEAN, () => false),
  history: or(HistoricalRequirement, defaults<HistoricalRequirement>(HistoricalRequirement)),
});
export type RiskParameters = Of<typeof RiskParameters>;

export const FundingTerms = structure({
  premium_cap_ppm: p32(),
  window_ms: u63(),
  depth_lots: u63(),
  interval_ms: u63(),
  period_ms: u63(28800000n),
  rate_cap_ppm: p32(),
  interest_ppm: p32(),
  dampener_ppm: p32(),
  premium_feed: p32(),
  wash_cover_ppm: p32(),
});
export type FundingTerms = Of<typeof FundingTerms>;
export const FUNDING_DEFAULTS: FundingTerms = defaults<FundingTerms>(FundingTerms)();

export const PERPETUAL = 1;
export const FUTURE = 2;
export const CALL = 3;
export const PUT = 4;
export const FORWARD = 5;

export const Instrument = structure({
  id: U32,
  name: TEXT,
  kind: member(PERPETUAL, FUTURE, CALL, PUT, FORWARD),
  feed: U32,
  group: U32,
  cash_group: U32,
  micros_per_tick: U63,
  expiry_ms: u63(),
  strike_ticks: u63(),
  band_ppm: p32(100000n),
  averaging_ms: u63(),
  funding: or(FundingTerms, defaults<FundingTerms>(FundingTerms)),
  delivery_asset: or(U32, () => 0),
});
export type Instrument = Of<typeof Instrument>;

const SkewTerms = structure({
  rate_ppm: p32(),
  depth_micros: u63(1000000n),
  band_micros: u63(),
  weights: or(array(pair(U32, U32)), none<readonly [number, number]>),
});
const InterestTerms = structure({ interval_ms: u63(), debit_ppm: p32(), credit_ppm: p32() });
const CashCallTerms = structure({ deadline_blocks: p32(), auction_blocks: p32(), slice_ppm: p32(250000n) });
export const CashGroup = structure({
  id: U32,
  name: TEXT,
  skew: or(SkewTerms, defaults<Of<typeof SkewTerms>>(SkewTerms)),
  interest: or(InterestTerms, defaults<Of<typeof InterestTerms>>(InterestTerms)),
  call: or(CashCallTerms, defaults<Of<typeof CashCallTerms>>(CashCallTerms)),
});

const HaircutTerms = structure({
  range_share_ppm: p32(),
  volatility_ppm: p32(),
  liquidity_ppm: p32(),
  finality_ppm: p32(),
  confidence_share_ppm: p32(),
  outage_ms: u63(),
  outage_step_ms: u63(60000n),
  outage_step_ppm: p32(100000n),
  step_ppm: p32(1n),
});
const YieldTerms = structure({ feed: or(U32, () => 0), unit_ticks: u63(1000000n), haircut_ppm: p32() });
const DepegTerms = structure({
  feed: p32(),
  feed_tokens: p32(1n),
  band_ppm: p32(20000n),
  blocks: p32(10n),
  halt_ms: u63(),
  unit_decimals: or(U8, () => 2),
  haircut_ppm: p32(100000n),
});
/** How a token moves in the scenarios of a risk group; off while `group` is 0. */
export const ScenarioTerms = structure({ group: or(U32, () => 0), haircut_ppm: p32(), fall_share_ppm: p32() });
export type ScenarioTerms = Of<typeof ScenarioTerms>;
export const DEPEG_DEFAULTS: Of<typeof DepegTerms> = defaults<Of<typeof DepegTerms>>(DepegTerms)();
export const Asset = structure({
  id: U32,
  name: TEXT,
  chain_id: U63,
  vault: bytes(20),
  token: bytes(20),
  token_decimals: U8,
  unit_decimals: U8,
  cash_group: U32,
  feed: U32,
  haircut_ppm: P32,
  cap_units: U63,
  haircut: or(HaircutTerms, defaults<Of<typeof HaircutTerms>>(HaircutTerms)),
  yields: or(YieldTerms, defaults<Of<typeof YieldTerms>>(YieldTerms)),
  depeg: or(DepegTerms, defaults<Of<typeof DepegTerms>>(DepegTerms)),
  soft_credit_ppm: p32(),
  feed_tokens: p32(1n),
  balances: or(BalanceLocation, defaults<Of<typeof BalanceLocation>>(BalanceLocation)),
  rate_ticks: u63(),
  scenarios: or(ScenarioTerms, defaults<ScenarioTerms>(ScenarioTerms)),
});
export type Asset = Of<typeof Asset>;

export const FeedLevel = structure({ feed: U32, name: TEXT, ticks: U63, used: BOOLEAN });
export const MarkPrice = structure({ instrument: U32, ticks: U63 });
/** What agreed prices cover of an option's averaging window. */
export const AverageSoFar = structure({ instrument: U32, weighted_ticks: bytes(32), covered_ms: U63 });
export type AverageSoFar = Of<typeof AverageSoFar>;
export const Rulebook = structure({
  version: U32,
  parameters: RiskParameters,
  instruments: array(Instrument),
  cash_groups: array(CashGroup),
  tokens: array(Asset),
  feeds: array(FeedLevel),
  marks: array(MarkPrice),
  time_ms: U63,
  averages: or(array(AverageSoFar), none<AverageSoFar>),
});
export type Rulebook = Of<typeof Rulebook>;

/** Read a rulebook, more freely than the rest of a package: last items that have defaults may be missing. */
export function readRulebook(raw: Uint8Array): Rulebook {
  demand(raw.length > 0, CODES.RULES_DIFFER, "no rulebook");
  demand(raw.length <= 1 << 20, CODES.BAD_STATEMENT, "rulebook is too long");
  const { value, shortest } = whole(Rulebook, raw);
  demand(shortest, CODES.BAD_STATEMENT, "a form of the rulebook is not the shortest");
  return value;
}
