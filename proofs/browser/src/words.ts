import { hex, number } from "./bytes.js";
import { type Assurance, blockTime } from "./custody.js";
import { at } from "./errors.js";
import { type Freshness, freshnessLimits, inWords } from "./freshness.js";
import { AUXILIARY, CASH, HISTORICAL, NET_CHARGE, POSITION, slotsOf, TOKEN, UNCOVERED } from "./kinds.js";
import { type Rulebook } from "./rulebook.js";
import { type EpochPackage, type RiskStatement } from "./schema.js";
import { missingPpm } from "./statement.js";
import { attestedSentence } from "./attested.js";
import { cut, visible } from "./visible.js";

/** What a verdict says in words: docs/specification/verification.md, "What a verifier must say". */
const SENTENCES: Readonly<Record<string, string>> = {
  auction_liquidity: "that positions can be closed at the prices and sizes which margin assumes.",
  cash_calls: "calls for cash that cover debts of an account in one currency by its own in another.",
  collateral_caps: "how much of a token all accounts together may hold.",
  default_fund: "the size of the default fund. No stress scenarios are stated.",
  default_waterfall: "who bears a loss beyond the defaulter's own collateral, and in which order.",
  initial_margin: "initial margin, which trades and withdrawals must leave, beyond maintenance margin.",
  interest_accrued: "interest that has accrued and is not paid yet.",
  price_formation: "how prices, surfaces, ranges and haircuts are determined, and how old a mark is.",
  soft_credit: "what the house lent on deposits that are not final counts as the borrower's cash.",
  uncredited_deposits: "deposits that are not credited yet are not counted.",
  withdrawal_restrictions: "who may withdraw what, and when.",
};

export interface Shown {
  readonly assurances: readonly Assurance[];
  readonly book: Rulebook | undefined;
  readonly trustedSet: boolean;
  readonly trustedNetwork: boolean;
  readonly withGenesis: boolean;
  readonly freshness: Freshness | undefined;
  readonly houseMissing: boolean;
}

export function claim(content: EpochPackage, { assurances }: Shown): string {
  const { statement, header } = content;
  const proven = assurances.filter((assurance) => assurance === "proven").length;
  const positions = slotsOf(statement, POSITION).length;
  const stress = slotsOf(statement, UNCOVERED).length;
  const short = statement.shortfalls.length;
  const lacks = lacking(statement);
  const accounts = content.commitments.length;
  const who = short === 0
    ? `all ${accounts} accounts meet their maintenance requirement`
    : `${accounts - short} of ${accounts} accounts meet their maintenance requirement; ${shortfalls(statement)} (in the unit of the listed rows)`;
  const fund = statement.cover[0];
  return (
    `At height ${statement.height} (epoch ${statement.epoch}) of network ${hex(statement.network).slice(0, 16)}…, ${who} ` +
    `in each of ${statement.scenarios} scenarios over ${statement.groups.length} risk groups${terms(content)}, ${statement.rows.length} rows; ` +
    `all positions in ${positions} instruments cancel out; what the ledger owes in ${covered(statement)} custody ` +
    `accounts is covered by the published balances, ${proven} of which the chains' states prove;${lacks.map((text) => ` ${text};`).join("")} claims in cash are at ` +
    `most custody and what accounts owe, each of which can pay${short === 0 ? "" : ", but for those that are short"}` +
    (fund === undefined
      ? ""
      : `; the default fund of ${fund.fund} micros covers what its two largest members would lack in ${stressed(fund.deficits, stress)}`) +
    `. Certified by header ${header.height}.`
  );
}

/** What the vaults lack of collateral tokens, in words. */
export function lacking(statement: RiskStatement): string[] {
  return statement.custody.flatMap((term) => {
    if (missingPpm(term) === 0n) return [];
    const accounted = number(term.deposited) - number(term.withdrawn);
    const missing = accounted - number(term.balance);
    return [`the vault on chain ${term.chain_id} lacks ${missing} of ${accounted} base units of ${hex(term.token)}`];
  });
}

/** How many custody terms lack nothing: "1 of 2", or all of them. */
export function covered(statement: RiskStatement): string {
  const all = statement.custody.length;
  const lacks = lacking(statement).length;
  return lacks === 0 ? `${all}` : `${all - lacks} of ${all}`;
}

const NAMED_MAX = 10;

/** Listed shortfalls, the largest first; of many, the rest in number and sum. */
function shortfalls(statement: RiskStatement): string {
  const order = [...statement.shortfalls].sort(([, a], [, b]) => (a === b ? 0 : a > b ? -1 : 1));
  const named = order.slice(0, NAMED_MAX).map(([account, value]) => `account ${account} is short by at most ${value}`);
  const rest = order.slice(NAMED_MAX).map(([, value]) => value);
  const sum = rest.reduce((total, value) => total + value, 0n);
  if (rest.length > 0) named.push(`${rest.length} others by at most ${rest[0]} each and ${sum} together`);
  return named.join(", ");
}

function stressed(deficits: readonly bigint[], stress: number): string {
  const most = deficits.reduce((a, b) => (a > b ? a : b), 0n);
  if (most === 0n) return `each of ${stress} stress scenarios`;
  const met = deficits.filter((value) => value === 0n).length;
  return `${met} of ${stress} stress scenarios, and lacks at most ${most} micros in the others`;
}

function terms({ statement }: EpochPackage): string {
  const auxiliary = slotsOf(statement, AUXILIARY).map((slot) => at(statement.slots, slot).name);
  const starts = (prefix: string): number => auxiliary.filter((name) => name.startsWith(prefix)).length;
  const parts: string[] = [];
  if (starts("short:") > 0) parts.push(`a minimum for ${starts("short:")} short options`);
  const sizes = starts("charge:") + starts("concentration:");
  if (sizes > 0) parts.push(`charges on the size of ${sizes} holdings`);
  const net = slotsOf(statement, NET_CHARGE).length;
  if (net > 0) parts.push(`charges on ${net} net amounts of groups`);
  if (starts("beyond:") > 0) {
    const row = statement.rows.find(({ name }) => name === "joint");
    const k = row?.coefficients.find(([slot]) => at(statement.slots, slot).name === "joint")?.[1] ?? 0n;
    const counted = row?.coefficients.filter(([slot]) => at(statement.slots, slot).name.startsWith("beyond:")) ?? [];
    const all = counted.reduce((total, [, factor]) => total - factor, 0n);
    parts.push(`a credit between groups by the ${k} worst of ${all} joint scenarios`);
  }
  const moves = new Set(slotsOf(statement, HISTORICAL));
  if (moves.size > 0) {
    const row = statement.rows.find(({ coefficients }) => coefficients.some(([slot, a]) => moves.has(slot) && a < 0n));
    const k = row?.coefficients.find(([, a]) => a > 0n)?.[1] ?? 0n;
    const all = (row?.coefficients ?? []).reduce((total, [slot, a]) => (moves.has(slot) ? total - a : total), 0n);
    parts.push(`the ${k} worst of ${all} joint moves of history on average`);
  }
  return parts.length === 0 ? "" : `, with ${parts.join(", ")}`;
}

/** The account of what members contributed. */
const CONTRIBUTIONS = (1n << 48n) + 4n;

/** Who attests to the rules in force. */
const rulesSentence = (withGenesis: boolean): string =>
  withGenesis
    ? "Prices, haircuts, the time as of which options are valued, and the ranges, volatilities and joint scenarios of the observed market are those that more than two thirds of the validators certified; the rows follow from them and from the genesis."
    : "Prices, parameters and the time as of which options are valued are those that more than two thirds of the validators certified; the rows follow from them. Give the genesis to have the parameters compared with it.";

/** The statement's own rules that no row expresses, and feeds that are stated to have no price any more. */
function assumptions(statement: RiskStatement): string[] {
  const out = statement.assumptions.map((name) => {
    return `Not proven: ${SENTENCES[name] ?? `${visible(name.slice(0, 80))}, a rule that this version does not know.`}`;
  });
  const settled = statement.prices.filter(({ name }) => name.startsWith("settled:")).map(({ name }) => visible(cut(name.slice(8), 80)));
  if (settled.length > 0) {
    out.push(`Settled, as the validators attest: ${settled.join(", ")}. Holdings priced by these feeds count as zero here.`);
  }
  return out;
}

function trustSentences(shown: Shown): string[] {
  return [
    ...(shown.trustedSet ? [] : ["The validator set is the package's own: compare its hash with one that you trust."]),
    ...(shown.trustedNetwork ? [] : ["The network's id is the package's own."]),
    ...freshnessLimits(shown.freshness, shown.trustedSet),
  ];
}

export function notProven(content: EpochPackage, shown: Shown, attested: Readonly<Record<string, string>>): string[] {
  const { statement } = content;
  const out = [
    "Positions are hidden from everybody outside the validator set, not from validators.",
    rulesSentence(shown.withGenesis),
  ];
  if (shown.assurances.some((assurance) => assurance !== "attested")) {
    out.push("More than two thirds of the validators attest that the blocks whose states prove custody are final on their chains.");
  }
  if (!shown.withGenesis) out.push("More than two thirds of the validators attest that the named vaults, tokens, units and storage places are the network's: compare them with a trusted genesis file.");
  out.push(...custodySentences(content, shown.assurances), ...oldestBlock(content));
  out.push(
    "Members' claims in cash may be larger than the vaults' cash: the rest is owed by accounts whose cash is below zero, " +
      (shown.houseMissing ? "the house perhaps among them, " : "") + "and backed by their collateral.",
  );
  out.push("An account whose owner never checks its own leaf is bound only in sum with other such accounts; the house's and unclaimed accounts count among them.");
  const fund = statement.cover[0];
  out.push(
    fund === undefined
      ? "A listed shortfall is an upper bound; whether the default fund covers it is no part of this package."
      : "A listed shortfall is an upper bound; the default fund is tested for two members' losses in each stated stress scenario, at its prices and today's haircuts, and in no other.",
  );
  if (fund !== undefined) out.push("Which account is which member's is what the validators certified.");
  if (fund !== undefined && fund.members.some(([account]) => account === CONTRIBUTIONS)) {
    out.push(
      `What members contributed, account ${CONTRIBUTIONS}, is not counted in the default fund here: ` +
        "`crossclear fund verify` does, with that account opened.",
    );
  }
  if (fund !== undefined && fund.deficits.some((value) => value > 0n)) {
    out.push("The fund's shortfall is revealed exactly: it is what the two largest members lack, less the fund.");
  }
  out.push("A book of two accounts reveals each one's positions to the other.");
  out.push(
    "The package reveals its accounts by numbers that stay the same in every epoch" +
      (fund === undefined ? "" : ", which account is which member's") +
      "; who is short, and by how much at most; the sums of cash and tokens; prices and parameters; and of every vault the counters and the balance, with deposits and withdrawals on their way.",
  );
  out.push(...assumptions(statement), ...trustSentences(shown), attestedSentence(attested));
  if (!shown.trustedSet && !shown.trustedNetwork) {
    out.push("nothing but the file itself was trusted: give the validator set's hash, or anybody may have made this file");
  }
  return out;
}

/** How long before the header the oldest state is that proves custody: what left a vault since is in no check. */
function oldestBlock({ header, custody }: EpochPackage): string[] {
  const [first, ...others] = custody.map((shown) => ({ chain: shown.chain_id, time: blockTime(shown) }));
  if (first === undefined) return [];
  const oldest = others.reduce((least, each) => (each.time < least.time ? each : least), first);
  return [
    "A vault's counters and balance are those of its block: what it paid or took in since does not show. The oldest " +
      `of these blocks, of chain ${oldest.chain}, is ${inWords(header.time_ms - 1000n * oldest.time)} older than the header.`,
  ];
}

function custodySentences({ statement }: EpochPackage, assurances: readonly Assurance[]): string[] {
  const named = (wanted: Assurance): string =>
    statement.custody
      .filter((_, index) => assurances[index] === wanted)
      .map((term) => `${hex(term.token)} on chain ${term.chain_id}`)
      .join(", ");
  const out: string[] = [];
  const attested = named("attested");
  if (attested !== "") {
    out.push(`The package has no storage proof of custody for ${attested}: counters and balance are attested by the quorum, not proven.`);
  }
  const counters = named("counters_proven");
  if (counters !== "") {
    out.push(
      `Genesis names no storage place of the balances of ${counters}: the balance is attested by the quorum, not proven; the vault's counters are proven.`,
    );
  }
  const lacks = lacking(statement);
  if (lacks.length > 0) {
    out.push(
      `Claims exceed what backs them: ${lacks.join("; ")}. Every claim on the token counts for its share of the rest; who bears the loss is not settled.`,
    );
  }
  return out;
}

/** The claim of a standalone proof whose checks all passed. */
export function claimOfAccount({ statement, header }: EpochPackage, account: bigint): string {
  const sigma = new Map(statement.shortfalls).get(account) ?? 0n;
  const meets = sigma === 0n
    ? "meets its maintenance requirement"
    : `is short of its maintenance requirement by at most ${sigma} (in the unit of the listed rows)`;
  return (
    `At height ${statement.height} (epoch ${statement.epoch}) of network ${hex(statement.network).slice(0, 16)}…, account ` +
    `${account} ${meets}, in each of ${statement.scenarios} scenarios over ${statement.groups.length} risk groups. ` +
    `Certified by header ${header.height}.`
  );
}

/** What a standalone proof leaves open. */
export function notProvenOfAccount(content: EpochPackage, shown: Shown, attested: Readonly<Record<string, string>>): string[] {
  return [
    "This says nothing of any other account, of the matched book or of reserves: verify the package for those.",
    rulesSentence(shown.withGenesis),
    "Who owns the account is not part of the proof: anybody who knows its holdings and seed can make one.",
    ...assumptions(content.statement),
    ...trustSentences(shown),
    attestedSentence(attested),
  ];
}

/** What an answer leaves open that agrees with a package. */
export function notProvenOfAnswer(shown: Shown, isValidator: boolean, attested: Readonly<Record<string, string>>): string[] {
  return [
    "This says nothing of what the package proves, only that its certified list has this leaf: verify the package for the rest.",
    ...(isValidator ? [] : ["Whose key signed the answer: it is of no validator of the package's set, and anybody can make up a key."]),
    ...trustSentences(shown),
    attestedSentence(attested),
  ];
}

/** What an account under keys leaves open. */
export function notProvenOfKeys(): string[] {
  return [
    "How old the keys are: the account's file states no time; the contract keeps one.",
    "That who shows the file is the caller that it is for, and the purpose the one that is asked for: compare both.",
    "Who owns the account: anybody who knows its seed can present it.",
  ];
}

export const cashSlots = (content: EpochPackage): number => slotsOf(content.statement, CASH).length;
export const tokenSlots = (content: EpochPackage): number => slotsOf(content.statement, TOKEN).length;
