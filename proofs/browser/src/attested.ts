import { keccak_256 } from "@noble/hashes/sha3.js";
import { type Bytes, concat, equal, hex, join, number, tagged, word } from "./bytes.js";
import { type Assurance, blockTime } from "./custody.js";
import { at } from "./errors.js";
import { writeCount, writeInteger } from "./messagepack.js";
import { type Genesis, isGuarded } from "./genesis.js";
import { CASH } from "./kinds.js";
import { type Asset, CALL, type HistoricalRequirement, type JointCredit, PUT, type RiskGroup, type Rulebook } from "./rulebook.js";
import { accountsRoot } from "./package.js";
import { type CustodyTerm, type EpochPackage } from "./schema.js";
import { visible } from "./visible.js";

/** What is somebody's word: docs/specification/verification.md. Names and values as text, in order. */
export function attestedValues(
  content: EpochPackage, book: Rulebook | undefined, ofAccount: boolean, genesis: Genesis | undefined, assurances: readonly Assurance[],
): Record<string, string> {
  const out: Record<string, string> = {};
  const counts = new Map<string, number>(); // the number that each repeated name had last: all below it are taken
  const { header, statement } = content;
  const when: [string, string][] = [
    ["header_time_ms", String(header.time_ms)], ["header_height", String(header.height)],
    ["snapshot_height", String(statement.height)], ["epoch", String(statement.epoch)],
  ];
  const accounts: [string, string][] = ofAccount ? [] : [["accounts_root", hex(accountsRoot(content))]];
  const ofPackage = ofAccount ? [] : [...ofMembers(content), ...ofCustody(content, assurances, genesis)];
  for (const [name, value] of [...when, ...accounts, ...ofRules(book, genesis), ...unlisted(content, ofAccount, genesis), ...ofPackage]) {
    let free = name;
    while (free in out) {
      const count = (counts.get(name) ?? 1) + 1;
      counts.set(name, count);
      free = `${name} (${count})`;
    }
    out[free] = value;
  }
  const possessions = content.validators.validators.map(({ evm_possession }) => evm_possession);
  out[OWN_WORD] = hex(tagged("crossclear/evm-possessions/v1", concat(possessions)));
  return out;
}

/** The last value is the file's own word, and no validator's. */
const OWN_WORD = "evm_possessions";

export function attestedSentence(attested: Readonly<Record<string, string>>): string {
  const names = Object.keys(attested).filter((name) => name !== OWN_WORD);
  const kinds = [...new Set(names.map((name) => name.split(":")[0]))];
  return (
    `${names.length} values are the word of more than two thirds of the validators, within the rulebook's bounds: ` +
    `${kinds.join(", ")}. Which valid signatures of EVM keys are in it is the file's own word: ${OWN_WORD}. JSON output ` +
    "lists each by name and value under `attested`."
  );
}

/** What the terms let be there and the quorum leaves out is named, too. */
function ofRules(book: Rulebook | undefined, genesis: Genesis | undefined): [string, string][] {
  if (book === undefined) return [];
  const out: [string, string][] = [["valuation_time_ms", String(book.time_ms)]];
  for (const { name, ticks, used } of book.feeds) out.push([`${used ? "index" : "settled"}:${visible(name)}`, String(ticks)]);
  const names = new Map(book.instruments.map(({ id, name }) => [id, name]));
  for (const { instrument, ticks } of book.marks) out.push([`mark:${visible(names.get(instrument) ?? "")}`, String(ticks)]);
  const marked = new Set(book.marks.map(({ instrument }) => instrument));
  for (const { id, name } of book.instruments) if (!marked.has(id)) out.push([`unmarked:${visible(name)}`, "1"]);
  for (const { instrument, weighted_ticks, covered_ms } of book.averages) {
    const name = visible(names.get(instrument) ?? "");
    out.push([`average_ticks_ms:${name}`, String(number(weighted_ticks))], [`average_covered_ms:${name}`, String(covered_ms)]);
  }
  out.push(...missingAverages(book).map((name): [string, string] => [`average_covered_ms:${visible(name)}`, "0"]));
  for (const token of book.tokens) {
    const name = `${token.chain_id}:${visible(token.name)}`;
    out.push([`haircut_ppm:${name}`, String(token.haircut_ppm)]);
    if (token.yields.feed !== 0) out.push([`rate_ticks:${name}`, String(token.rate_ticks)]);
  }
  for (const group of book.parameters.groups) {
    for (const field of ["range_ppm", "volatility_ppm", "volatility_range_ppm"] as const) {
      out.push([`${field}:${visible(group.name)}`, String(group[field])]);
    }
    out.push(...ofSurface(group));
    const mayHaveOne = genesis?.surfaces.some((terms) => terms.group === group.id) ?? false;
    if (group.curve.length === 0 && mayHaveOne) out.push([`live_surface:${visible(group.name)}`, "0"]);
  }
  const { joint } = book.parameters;
  if (joint.scenarios.length > 0) out.push(["joint_credit", hex(tagged("crossclear/joint-credit/v1", encodedCredit(joint)))]);
  const { history } = book.parameters;
  const moves = genesis !== undefined && genesis.ranges.interval_ms > 0n && genesis.ranges.historical_scenarios > 0n;
  if (history.scenarios.length > 0 || moves) {
    out.push(["historical_moves", hex(tagged("crossclear/historical-moves/v1", encodedHistory(history)))]);
  }
  return out;
}

/** Without a trusted genesis rulebook and vaults are the quorum's word, too. */
function unlisted({ statement }: EpochPackage, ofAccount: boolean, genesis: Genesis | undefined): [string, string][] {
  if (genesis !== undefined) return [];
  const rulebook: [string, string] = ["rulebook", hex(tagged("crossclear/stated-rulebook/v1", statement.rules))];
  if (ofAccount) return [rulebook];
  return [rulebook, ["vaults", hex(tagged("crossclear/stated-vaults/v1", concat(statement.custody.map(vaultWords))))]];
}

/** What a genesis lists of a custody term, in 8 words. */
function vaultWords({ chain_id, vault, token, slot, unit, balances }: CustodyTerm): Bytes {
  const places = [word(balances.order), balances.slot, word(balances.bits)];
  return join(word(chain_id), word(number(vault)), word(number(token)), word(slot), word(unit), ...places);
}

/** Options whose window has begun, and of whose average nothing is stated. */
function missingAverages({ averages, instruments, parameters, time_ms: time }: Rulebook): string[] {
  const stated = new Set(averages.map(({ instrument }) => instrument));
  const missing = instruments.filter(({ id, kind, averaging_ms: window, expiry_ms: expiry }) => {
    return (kind === CALL || kind === PUT) && window > 0n && time > expiry - window && !stated.has(id);
  });
  return parameters.averaged_options ? missing.map(({ name }) => name) : [];
}

/** A live surface: forwards and rates by expiry, smiles by their number. */
function ofSurface({ name, curve, surface }: RiskGroup): [string, string][] {
  if (curve.length === 0) return [];
  const shown = visible(name);
  const carries = curve.flatMap(({ expiry_ms, forward_ppb, rate_ppm }): [string, string][] => [
    [`forward_ppb:${shown}:${expiry_ms}`, String(forward_ppb)],
    [`rate_ppm:${shown}:${expiry_ms}`, String(rate_ppm)],
  ]);
  const smiles = surface.flatMap((pillar, index) => {
    return (["level_ppm", "skew_ppm", "wing_ppm"] as const).map((field): [string, string] => {
      return [`${field}:${shown}:${index + 1}`, String(pillar[field])];
    });
  });
  return [...carries, ...smiles];
}

/** The canonical encoding, with all fields. */
function encodedCredit({ scenarios, tail, weight_ppm, keep_largest, tail_part_ppm: part }: JointCredit): Bytes {
  const each = scenarios.map(({ columns, count }) => {
    return concat([writeCount(2), writeCount(columns.length), ...columns.map((column) => writeInteger(BigInt(column))), writeInteger(count)]);
  });
  return concat([
    writeCount(part === 0n ? 4 : 5), writeCount(scenarios.length), ...each, writeInteger(tail), writeInteger(weight_ppm),
    Uint8Array.of(keep_largest ? 0xc3 : 0xc2), ...(part === 0n ? [] : [writeInteger(part)]),
  ]);
}

/** The canonical encoding, with all fields. */
function encodedHistory({ scenarios, tail, tail_part_ppm, weight_ppm, keep_largest }: HistoricalRequirement): Bytes {
  const each = scenarios.map(({ moves, count }) => concat([
    writeCount(2), writeCount(moves.length),
    ...moves.map(({ price_ppm, volatility_ppm }) => concat([writeCount(2), writeInteger(price_ppm), writeInteger(volatility_ppm)])),
    writeInteger(count),
  ]));
  return concat([
    writeCount(5), writeCount(scenarios.length), ...each, writeInteger(tail), writeInteger(tail_part_ppm),
    writeInteger(weight_ppm), Uint8Array.of(keep_largest ? 0xc3 : 0xc2),
  ]);
}

/** Which account is which member's, where the default fund is tested. */
function ofMembers({ statement }: EpochPackage): [string, string][] {
  return statement.cover.map(({ members }) => {
    const pairs = members.flatMap(([account, member]) => [writeCount(2), writeInteger(account), writeInteger(member)]);
    return ["members", hex(tagged("crossclear/members-of-accounts/v1", concat([writeCount(members.length), ...pairs])))];
  });
}

/** Of a custody term, what its evidence does not show. */
const UNPROVEN = { attested: ["deposited", "withdrawn", "balance"], counters_proven: ["balance"], proven: [] } as const;

/** Each block once, whose state proves custody; the time of each whose header is shown; then the words of each term. */
function ofCustody(
  { statement, custody }: EpochPackage, assurances: readonly Assurance[], genesis: Genesis | undefined,
): [string, string][] {
  const blocks = new Map(statement.custody.map(({ chain_id, block_number, block_hash }) => {
    return [`block:${chain_id}:${block_number}`, hex(block_hash)];
  }));
  const numbers = new Map(statement.custody.map((term) => [`${term.chain_id}:${hex(term.block_hash)}`, term.block_number]));
  const times = custody.map((shown): [string, string] => {
    const block = numbers.get(`${shown.chain_id}:${hex(keccak_256(shown.header))}`);
    return [`block_time_s:${shown.chain_id}:${block}`, String(blockTime(shown))];
  });
  const words = statement.custody.flatMap((term, index) => {
    const place = `${term.chain_id}:0x${hex(term.vault)}:0x${hex(term.token)}`;
    const named = (["released", "later", "strays", "dust", ...UNPROVEN[at(assurances, index)]] as const).map((field): [string, string] => {
      return [`${field}:${place}`, String(number(term[field]))];
    });
    const mayLeave = genesis?.assets.some((asset) => isGuarded(asset) && backs(asset, term)) ?? false;
    const backsCash = at(statement.slots, term.slot).kind === CASH ? "1" : "0";
    return mayLeave ? [[`backs_cash:${place}`, backsCash] as [string, string], ...named] : named;
  });
  return [...blocks, ...times, ...words];
}

/** Whether a custody term is of an asset of the genesis. */
const backs = ({ chain_id, vault, token }: Asset, term: CustodyTerm): boolean =>
  chain_id === term.chain_id && equal(vault, term.vault) && equal(token, term.token);
