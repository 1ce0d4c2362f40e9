import { larger, smaller } from "./bytes.js";
import { CODES, demand } from "./errors.js";
import { demandReadable } from "./ranges.js";
import { readRulebook } from "./rulebook.js";
import { type Header, type RiskStatement } from "./schema.js";

/** What a caller wants of a package's age: docs/specification/verification.md, "Freshness". Milliseconds of Unix time. */
export interface Freshness {
  /** The time at which the package is judged. */
  readonly now: bigint;
  /** The largest age of header and prices. "any": every age; by default seven days. */
  readonly maxAge?: bigint | "any" | undefined;
  /** The least height of the snapshot; by default 0. */
  readonly minHeight?: bigint | undefined;
  /** When the trusted set was last known to be in force. Without it the caller vouches that it is at `now`. */
  readonly setKnown?: bigint | undefined;
  /** How long a set is trusted after that; by default two weeks. */
  readonly trustingPeriod?: bigint | undefined;
}

const DAY = 86400000n;
export const MAX_AGE = 7n * DAY;
export const TRUSTING_PERIOD = 14n * DAY;
/** How far a header may be ahead of the stated time: clocks differ. */
const AHEAD = 300000n;

/** Demand what is wanted, in the order of the page; returns the result in words. */
export function demandFresh(header: Header, statement: RiskStatement, wanted: Freshness): string {
  const { now, maxAge = MAX_AGE, minHeight = 0n } = wanted;
  demand(statement.height >= minHeight, CODES.BELOW_MIN_HEIGHT, `snapshot: height ${statement.height}, at least ${minHeight}`);
  demand(header.time_ms <= now + AHEAD, CODES.FROM_THE_FUTURE, `the header is ${inWords(header.time_ms - now)} ahead`);
  const valued = valuedAt(statement);
  const young = (what: string, time: bigint): void => {
    if (maxAge === "any") return;
    demand(now - time <= maxAge, CODES.STALE, `${what} ${inWords(now - time)} old, at most ${inWords(maxAge)} is accepted`);
  };
  young("the header is", header.time_ms);
  if (valued !== undefined) young("prices are", valued);
  demandInForce(wanted);
  const prices = valued === undefined ? "" : `, prices ${inWords(now - valued)}`;
  const accepted = maxAge === "any" ? "any age is accepted" : `at most ${inWords(maxAge)} is accepted`;
  return `the header is ${inWords(now - header.time_ms)} old${prices}; ${accepted}`;
}

/** Demand that the trusted set was known to be in force within the trusting period. */
export function demandInForce({ now, setKnown = now, trustingPeriod = TRUSTING_PERIOD }: Freshness): void {
  demand(
    now - setKnown <= trustingPeriod, CODES.SET_EXPIRED,
    `the validator set was known to be in force ${inWords(now - setKnown)} ago, it is trusted for ${inWords(trustingPeriod)}`,
  );
}

/** The time of the prices, if the rulebook can be read and lists a feed; if not, the check `rules` says so. */
function valuedAt(statement: RiskStatement): bigint | undefined {
  try {
    const book = readRulebook(statement.rules);
    demandReadable(book, statement.slots.length);
    return book.feeds.length > 0 ? book.time_ms : undefined;
  } catch {
    return undefined;
  }
}

/** How blocks of these times, in seconds, miss the age that is accepted; "" where none does, or without a time. A chain may stand
 * still, so such a block is no fault: it leaves open what is in its vaults now. */
export function outsideOfAge(seconds: readonly bigint[], wanted: Freshness | undefined): string {
  const [first, ...others] = seconds.map((each) => 1000n * each);
  if (wanted === undefined || first === undefined) return "";
  const { now, maxAge = MAX_AGE } = wanted;
  const age = now - others.reduce(smaller, first);
  const ahead = others.reduce(larger, first) - now;
  if (maxAge !== "any" && age > maxAge) {
    return `; its oldest block is ${inWords(age)} old, at most ${inWords(maxAge)} is accepted`;
  }
  return ahead > AHEAD ? `; a block is ${inWords(ahead)} ahead of the stated time` : "";
}

/** What is not known about the age, a sentence each. */
export function freshnessLimits(wanted: Freshness | undefined, trustedSet: boolean): string[] {
  if (wanted === undefined) {
    return ["How old the package is was not checked, nor whether its validator set is still in force."];
  }
  return [
    ...(wanted.maxAge === "any" ? ["The age was not limited: all that is shown may have been overtaken."] : []),
    "What has happened since the snapshot is not known; there may be a newer package.",
    ...setLimits(wanted, trustedSet),
  ];
}

/** Who says that the trusted set is in force, if that is not known: one that has retired loses nothing by signing. Without a
 * trusted set there is nothing to say: its certificate is open. */
export function setLimits(wanted: Freshness | undefined, trustedSet: boolean): string[] {
  if (!trustedSet) return [];
  if (wanted === undefined) {
    return ["Whether the trusted validator set was in force lately: no time was stated, and retired sets sign anew."];
  }
  return wanted.setKnown === undefined ? ["That the trusted validator set was in force rests on the caller's word."] : [];
}

const grouped = (value: bigint): string => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** A length of time in the largest unit of which there are two or more; a time ahead is 0 seconds. */
export function inWords(milliseconds: bigint): string {
  const seconds = larger(milliseconds, 0n) / 1000n;
  const units: [bigint, string][] = [[86400n, "days"], [3600n, "hours"], [60n, "minutes"]];
  for (const [size, name] of units) if (seconds >= 2n * size) return `${grouped(seconds / size)} ${name}`;
  return `${seconds} seconds`;
}
