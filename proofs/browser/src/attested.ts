import { type Bytes, concat, hex, number, tagged } from "./bytes.js";
import { writeCount, writeInteger } from "./messagepack.js";
import { type JointCredit, type RiskGroup, type Rulebook } from "./rulebook.js";
import { type EpochPackage } from "./schema.js";
import { visible } from "./visible.js";

/** What is somebody's word: docs/specification/verification.md. Names and values as text, in order. */
export function attestedValues(content: EpochPackage, book: Rulebook | undefined, ofAccount: boolean): Record<string, string> {
  const out: Record<string, string> = {};
  const counts = new Map<string, number>(); // the number that each repeated name had last: all below it are taken
  for (const [name, value] of [...ofRules(book), ...(ofAccount ? [] : [...ofMembers(content), ...ofCustody(content)])]) {
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

function ofRules(book: Rulebook | undefined): [string, string][] {
  if (book === undefined) return [];
  const out: [string, string][] = [["valuation_time_ms", String(book.time_ms)]];
  for (const { name, ticks, used } of book.feeds) out.push([`${used ? "index" : "settled"}:${visible(name)}`, String(ticks)]);
  const names = new Map(book.instruments.map(({ id, name }) => [id, name]));
  for (const { instrument, ticks } of book.marks) out.push([`mark:${visible(names.get(instrument) ?? "")}`, String(ticks)]);
  for (const { instrument, weighted_ticks, covered_ms } of book.averages) {
    const name = visible(names.get(instrument) ?? "");
    out.push([`average_ticks_ms:${name}`, String(number(weighted_ticks))], [`average_covered_ms:${name}`, String(covered_ms)]);
  }
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
  }
  const { joint } = book.parameters;
  if (joint.scenarios.length > 0) out.push(["joint_credit", hex(tagged("crossclear/joint-credit/v1", encodedCredit(joint)))]);
  return out;
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

/** Which account is which member's: no proof shows it. */
function ofMembers({ statement }: EpochPackage): [string, string][] {
  return statement.cover.map(({ members }) => {
    const pairs = members.map(([account, member]) => concat([writeCount(2), writeInteger(account), writeInteger(member)]));
    return ["account_members", hex(tagged("crossclear/account-members/v1", concat([writeCount(members.length), ...pairs])))];
  });
}

function ofCustody({ statement }: EpochPackage): [string, string][] {
  return statement.custody.flatMap((term) => {
    return (["released", "later", "strays", "dust"] as const).map((field): [string, string] => {
      return [`${field}:${term.chain_id}:0x${hex(term.vault)}:0x${hex(term.token)}`, String(number(term[field]))];
    });
  });
}
