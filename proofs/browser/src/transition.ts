import { type Bytes, compare, hex, larger, number } from "./bytes.js";
import { at } from "./errors.js";
import { type EpochPackage } from "./schema.js";

/** The transition between epochs: docs/specification/transition.md. Claims on a token change by certified flows alone. */
export interface Movement {
  readonly from_epoch: string;
  readonly to_epoch: string;
  readonly chain_id: string;
  readonly vault: string;
  readonly token: string;
  /** Base units: claims_after − claims_before = deposits − withdrawals − strays − dust. */
  readonly claims_before: string;
  readonly claims_after: string;
  readonly deposits: string;
  /** Released, less what came back unpaid: negative where more came back. */
  readonly withdrawals: string;
  readonly strays: string;
  readonly dust: string;
}

/** How much of each token a genesis lets out of all accounts in a window, in base units, by place. */
export interface OutflowLimits {
  readonly windowBlocks: bigint;
  readonly amounts: ReadonlyMap<string, bigint>;
}

/** A good package of a linked set. */
export interface Proven {
  readonly name: string;
  readonly content: EpochPackage;
}

export interface Unexplained {
  readonly code: string;
  readonly files: readonly string[];
  readonly detail: string;
}

const UNEXPLAINED = "R0776 claims_unexplained";
const LEFT_OUT = "R0777 token_left_out";
const RETURNED = "R0778 account_returned";
const ABOVE = "R0779 above_limits";
const DELAYED_MAX = 4096n;

interface Flow {
  readonly chain: bigint;
  readonly vault: Bytes;
  readonly token: Bytes;
  readonly unit: bigint;
  readonly claims: bigint;
  readonly counted: bigint;
  readonly givenOut: bigint;
  readonly unpaid: bigint;
  readonly strays: bigint;
  readonly dust: bigint;
}

export const placeKey = (chain: bigint, vault: Bytes, token: Bytes): string => `${chain}:${hex(vault)}:${hex(token)}`;
const key = ({ chain, vault, token }: Flow): string => placeKey(chain, vault, token);
const nameOf = ({ chain, vault, token }: Flow): string => `token ${hex(token)} of vault ${hex(vault)} on chain ${chain}`;

function order(left: Flow, right: Flow): number {
  if (left.chain !== right.chain) return left.chain < right.chain ? -1 : 1;
  return compare(left.vault, right.vault) || compare(left.token, right.token);
}

const flowsOf = ({ statement }: EpochPackage): Flow[] =>
  statement.custody.map((term) => ({
    chain: term.chain_id,
    vault: term.vault,
    token: term.token,
    unit: term.unit,
    claims: term.held * term.unit,
    counted: number(term.deposited) - number(term.later),
    givenOut: number(term.withdrawn) + number(term.released),
    unpaid: number(term.released),
    strays: number(term.strays),
    dust: number(term.dust),
  }));

/** One package of each epoch, by the height of the snapshot. */
export function inEpochs(packages: readonly Proven[]): Proven[] {
  const height = ({ content }: Proven): bigint => content.header.commitments_height;
  const first = new Map<bigint, Proven>();
  const sorted = [...packages].sort((a, b) => (height(a) === height(b) ? 0 : height(a) < height(b) ? -1 : 1));
  for (const each of sorted) if (!first.has(each.content.statement.epoch)) first.set(each.content.statement.epoch, each);
  return [...first.values()];
}

const epochOf = ({ content }: Proven): bigint => content.statement.epoch;

interface Known {
  readonly from: Proven;
  readonly flow: Flow;
}

/** The movement of every token between each package and the next one that has the token. */
export function movements(packages: readonly Proven[]): Movement[] {
  const latest = new Map<string, Known>();
  const out: Movement[] = [];
  for (const from of packages) {
    for (const flow of flowsOf(from.content)) {
      const before = latest.get(key(flow));
      if (before !== undefined) out.push(movement(before, from, flow));
      latest.set(key(flow), { from, flow });
    }
  }
  return out;
}

const movement = ({ from, flow: before }: Known, to: Proven, after: Flow): Movement => ({
  from_epoch: String(epochOf(from)),
  to_epoch: String(epochOf(to)),
  chain_id: String(after.chain),
  vault: `0x${hex(after.vault)}`,
  token: `0x${hex(after.token)}`,
  claims_before: String(before.claims),
  claims_after: String(after.claims),
  deposits: String(after.counted - before.counted),
  withdrawals: String(after.givenOut - before.givenOut),
  strays: String(after.strays - before.strays),
  dust: String(after.dust - before.dust),
});

/** Movements that no certified flow explains, tokens that were left out, and accounts that left and returned. */
export function unexplained(packages: readonly Proven[], limits: OutflowLimits | undefined): Unexplained[] {
  const out: Unexplained[] = [];
  const latest = new Map<string, Known>();
  let absent = new Set<string>();
  for (const entry of packages) {
    const flows = flowsOf(entry.content);
    const named = new Set(flows.map(key));
    const leftOut = [...latest.values()].filter(({ flow }) => !named.has(key(flow)));
    for (const { from, flow } of leftOut.sort((a, b) => order(a.flow, b.flow))) {
      if (absent.has(key(flow)) || (flow.counted === 0n && flow.givenOut === 0n)) continue;
      out.push({ code: LEFT_OUT, files: [from.name, entry.name], detail: `${nameOf(flow)}: no term` });
    }
    absent = new Set(leftOut.map(({ flow }) => key(flow)));
    for (const flow of flows) {
      const most = dustBound(entry.content, flow);
      if (flow.dust > most) {
        out.push({ code: UNEXPLAINED, files: [entry.name], detail: `${nameOf(flow)}: dust of ${flow.dust}, above ${most}` });
      }
      const before = latest.get(key(flow));
      if (before !== undefined) out.push(...between(before, entry, flow, limits));
      latest.set(key(flow), { from: entry, flow });
    }
  }
  return [...out, ...returned(packages)];
}

function between({ from, flow: before }: Known, to: Proven, after: Flow, limits: OutflowLimits | undefined): Unexplained[] {
  const files = [from.name, to.name];
  const which = `${nameOf(after)} from epoch ${epochOf(from)} to ${epochOf(to)}`;
  const [counted, dust, strays] = [after.counted - before.counted, after.dust - before.dust, after.strays - before.strays];
  const why = [
    ...(counted < 0n ? [`${-counted} of counted deposits are no longer counted`] : []),
    ...(dust < 0n ? [`${-dust} of dust are claims again`] : []),
    ...(before.unit === after.unit && dust > larger(counted, 0n) + before.strays + before.unpaid
      ? [`${dust} more of dust, of at most ${larger(counted, 0n) + before.strays + before.unpaid} that was counted, a stray or unpaid`]
      : []),
    ...(strays > larger(counted, 0n) + before.unpaid
      ? [`${strays} more of strays, but ${counted} counted and ${before.unpaid} unpaid before`]
      : []),
  ];
  const out = why.map((each) => ({ code: UNEXPLAINED, files, detail: `${which}: ${each}` }));
  const amount = limits?.amounts.get(key(after));
  if (limits === undefined || amount === undefined || epochOf(to) !== epochOf(from) + 1n) return out;
  const [h1, h2] = [from.content.header.commitments_height, to.content.header.commitments_height];
  const windows = h2 / limits.windowBlocks - (h1 + 1n) / limits.windowBlocks + 1n;
  const fell = before.claims - after.claims - larger(dust, 0n);
  if (fell > amount * windows) {
    out.push({ code: ABOVE, files, detail: `${which}: claims are ${fell} less, and limits let out ${amount * windows}` });
  }
  return out;
}

/** Less than a clearing unit of each deposit that the vault counted, and of each withdrawal that came back. */
function dustBound({ header }: EpochPackage, flow: Flow): bigint {
  const own = header.deposit_cursors.filter(({ chain_id, vault }) => chain_id === flow.chain && hex(vault) === hex(flow.vault));
  const deposits = own.reduce((total, { nonce }) => total + nonce, 0n);
  return (flow.unit - 1n) * (deposits + header.withdrawals_count + DELAYED_MAX + 1n);
}

/** Accounts that a package does not list between two that do. */
function returned(packages: readonly Proven[]): Unexplained[] {
  const out: Unexplained[] = [];
  const gone = new Map<bigint, string>();
  let listed = new Set<bigint>();
  for (const { name, content } of packages) {
    const now = new Set(content.commitments.items().map(([account]) => account));
    for (const account of [...now].filter((each) => !listed.has(each)).sort((a, b) => (a < b ? -1 : 1))) {
      const without = gone.get(account);
      gone.delete(account);
      if (without === undefined) continue;
      out.push({ code: RETURNED, files: [without, name], detail: `account ${account}, which the first does not list` });
    }
    for (const account of listed) if (!now.has(account)) gone.set(account, name);
    listed = now;
  }
  return out;
}

/** One line for each token: all its movements together. */
export function movementLines(all: readonly Movement[]): string[] {
  const tokens = new Map<string, Movement[]>();
  for (const each of all) {
    const place = `${each.chain_id.padStart(20, "0")}:${each.vault}:${each.token}`;
    tokens.set(place, [...(tokens.get(place) ?? []), each]);
  }
  return [...tokens].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, moves]) => {
    const sum = (name: "deposits" | "withdrawals" | "strays" | "dust"): bigint =>
      moves.reduce((total, each) => total + BigInt(each[name]), 0n);
    const back = moves.reduce((total, { withdrawals }) => total + larger(-BigInt(withdrawals), 0n), 0n);
    const [first, last] = [at(moves, 0), at(moves, moves.length - 1)];
    return (
      `${first.token} on chain ${first.chain_id}: ${first.claims_before} + ${sum("deposits")} of deposits - ` +
      `${sum("withdrawals")} of withdrawals - ${sum("strays")} of strays - ${sum("dust")} of dust = ${last.claims_after}` +
      (back > 0n ? `; ${back} of withdrawals came back unpaid in between` : "")
    );
  });
}
