import { type Bytes, concat, equal, H, hex, number, tagged, word } from "./bytes.js";
import { demandFinal, goodSet } from "./certificate.js";
import { CODES, demand } from "./errors.js";
import { type Exit, type ExitPayment, type ExitTotals, readExit } from "./exit_file.js";
import { demandInForce, setLimits } from "./freshness.js";
import { writeBytes, writeCount, writeInteger, writeText } from "./messagepack.js";
import { demandEpochNumber } from "./package.js";
import { type Trusted } from "./trusted.js";
import { judge, type Judged, type Outcome } from "./verdict.js";

/** Whether the payments in an exit file are those of a state that the validators certified: docs/explanation/escape.md. */
export const EXIT_MEANINGS = {
  certificate: "A quorum of the validators signed the header of the height at which the epoch closed.",
  root: "The state of that height has the root of this epoch's tree.",
  leaves: "Each payment is in that tree, with this address and this amount.",
  totals: "What each vault owes in all in each token is in that tree, so that it can be shown to the vault.",
} as const;

export type ExitCheckName = keyof typeof EXIT_MEANINGS;

export interface ExitVerdict {
  /** Whether every check passed; `complete`: and none is open. */
  readonly ok: boolean;
  readonly complete: boolean;
  readonly checks: readonly Judged<ExitCheckName>[];
  readonly notRun: readonly ExitCheckName[];
  readonly claim: string;
  readonly notProven: readonly string[];
  /** Values that are the quorum's word, by name. */
  readonly attested: Readonly<Record<string, string>>;
  readonly account: string;
  readonly epoch: string;
  readonly height: string;
  readonly root: string;
  readonly payments: readonly ShownPayment[];
}

/** A payment as it stands in the file. */
export interface ShownPayment {
  readonly kind: string;
  readonly number: string;
  readonly chainId: string;
  readonly token: string;
  readonly to: string;
  readonly amount: string;
}

const CLAIM = "if everything ended at this epoch, the vaults would owe these payments to these addresses";
const LIMITS = [
  "that these are all leaves of the account: compare the amounts with your own records",
  "that a vault pays by this root: it pays by that in the newest header it knows. Headers carry this one from the close of the next epoch to that of the one after it",
];
const UNTRUSTED = "nothing but the file itself was trusted: give your genesis file, because anybody can make such a file";

function limits(trusted: Trusted): readonly string[] {
  const said = [...LIMITS, ...setLimits(trusted.freshness, trusted.validatorsHash !== undefined)];
  return isAnchored(trusted) ? said : [...said, UNTRUSTED];
}

/** Check an exit file. Of `trusted`, network, set, and when the set was known count. Throws a Refusal for what is no such file. */
export function verifyExit(file: Bytes, trusted: Trusted = {}): ExitVerdict {
  const exit = readExit(file);
  const steps: readonly [ExitCheckName, () => Outcome][] = [
    ["certificate", () => certificate(exit, trusted)],
    ["root", () => root(exit)],
    ["leaves", () => leaves(exit)],
    ["totals", () => totals(exit)],
  ];
  const checks: Judged<ExitCheckName>[] = [];
  for (const [name, step] of steps) {
    checks.push(judge(name, step, EXIT_MEANINGS[name]));
    if (checks.some(({ ok }) => !ok)) break;
  }
  const ok = checks.every((check) => check.ok);
  return {
    ok,
    complete: ok && checks.every(({ complete }) => complete),
    checks,
    notRun: steps.slice(checks.length).map(([name]) => name),
    claim: ok ? CLAIM : "",
    notProven: ok ? limits(trusted) : [],
    attested: ok ? words(exit) : {},
    account: String(exit.account), epoch: String(exit.epoch), height: String(exit.height), root: `0x${hex(exit.root)}`,
    payments: exit.payments.map(({ kind, number: of, chainId, token, to, amount }) => ({
      kind: KIND_NAMES[Number(kind)] ?? "", number: String(of), chainId: String(chainId), token: `0x${hex(token)}`, to: `0x${hex(to)}`,
      amount: String(amount),
    })),
  };
}

/** What is the validators' word: all that the vaults would owe is what they certified at that time and height. */
function words({ block: { header }, epoch, root }: Exit): Record<string, string> {
  return {
    header_time_ms: String(header.time_ms), header_height: String(header.height), epoch: String(epoch), exit_root: hex(root),
  };
}

const KIND_NAMES = ["", "account", "withdrawal", "deposit", "refund"];
const isAnchored = ({ network, validatorsHash }: Trusted): boolean => network !== undefined && validatorsHash !== undefined;

function certificate({ block }: Exit, trusted: Trusted): Outcome {
  const { header, certificate: signed, validators } = block;
  const set = goodSet(validators);
  const { network, validatorsHash, freshness } = trusted;
  demand(network === undefined || equal(network, header.network), CODES.WRONG_VALUE, "network");
  demand(validatorsHash === undefined || equal(validatorsHash, set.hash), CODES.WRONG_VALUE, "validators");
  demandFinal(header, signed, validators, set, header.network);
  if (freshness !== undefined) demandInForce(freshness); // a set that has retired loses nothing by signing another state
  const complete = isAnchored(trusted);
  const final = `header ${header.height} is final under ${validators.validators.length} validators`;
  return { detail: complete ? final : `${final}, whom the file itself names`, complete };
}

const DEPTH = 12;
/** Place of the module of withdrawals among the roots of a header. */
const WITHDRAWALS = 7;

function root({ epoch, height, count, root: tree, opening, block: { header } }: Exit): Outcome {
  demandEpochNumber({ epoch, height });
  demand(header.epoch === epoch && header.height === height, CODES.WRONG_VALUE, "exit root");
  const key = concat([writeCount(2), writeText("exits"), writeInteger(epoch)]);
  const record = concat([writeCount(4), ...[epoch, height, count].map(writeInteger), writeBytes(tree)]);
  const leaf = tagged("crossclear/state/leaf/v1", opening.salt, H(key), record);
  let found = tagged("crossclear/state/bucket/v1", ...opening.below, leaf, ...opening.above);
  let place = number(opening.salt.subarray(0, 2)) >> 4n; // the bucket: the first 12 bits of the salt
  for (const sibling of opening.path) {
    found = (place & 1n) === 1n ? tagged("crossclear/state/node/v1", sibling, found) : tagged("crossclear/state/node/v1", found, sibling);
    place >>= 1n;
  }
  const certified = header.module_roots[WITHDRAWALS];
  demand(opening.path.length === DEPTH && certified !== undefined && equal(certified, found), CODES.BAD_MERKLE_PROOF, "record");
  return { detail: `epoch ${epoch} closed at height ${height} with this root of ${count} leaves` };
}

function leaves(exit: Exit): Outcome {
  const { payments, account, count } = exit;
  demand(payments.length > 0, CODES.MALFORMED, "leaves: the file has none: there is nothing to check");
  for (const { kind, number: of } of payments) demand(kind !== 1n || of === account, CODES.WRONG_VALUE, `leaves: of account ${of}`);
  demandPaths(exit, payments, payments.map((each) => paymentBytes(exit, each)));
  return { detail: `${payments.length} of ${count} leaves, of account ${account}` };
}

function paymentBytes({ epoch, account }: Exit, leaf: ExitPayment): Bytes {
  const { salt, kind, chainId, vault, number: of, token, to, amount, notAfter } = leaf;
  const words = [kind, epoch, chainId, number(vault), of, number(token), number(to), amount, account, notAfter];
  return concat([salt, ...words.map((value) => sized(leaf, value))]);
}

/** 32 bytes. An amount of a token has no more. */
function sized({ index }: ExitPayment | ExitTotals, value: bigint): Bytes {
  demand(value < 1n << 256n, CODES.OUT_OF_RANGE, `leaf.amount: of leaf ${index}`);
  return word(value);
}

function totals(exit: Exit): Outcome {
  const placeOf = ({ chainId, vault, token }: ExitPayment | ExitTotals): string => `${chainId} ${hex(vault)} ${hex(token)}`;
  const places = new Set(exit.totals.map(placeOf));
  demand(exit.payments.every((each) => places.has(placeOf(each))), CODES.MALFORMED, "totals: tokens that are paid have none");
  // Each names the next: when all are proven, none is left out.
  const encoded = exit.totals.map((each, at) => {
    const after = exit.totals[(at + 1) % exit.totals.length] ?? each;
    const place = ({ chainId, vault, token }: ExitTotals): bigint[] => [chainId, number(vault), number(token)];
    return concat([0n, exit.epoch, ...place(each), ...each.numbers, ...place(after)].map((value) => sized(each, value)));
  });
  demandPaths(exit, exit.totals, encoded);
  return { detail: `the totals of all ${places.size} tokens` };
}

function demandPaths({ count, root: tree }: Exit, placed: readonly (ExitPayment | ExitTotals)[], encoded: readonly Bytes[]): void {
  demand(new Set(placed.map(({ index }) => index)).size === placed.length, CODES.MALFORMED, "leaves: a leaf is listed twice");
  const depth = count > 1n ? (count - 1n).toString(2).length : 0;
  placed.forEach(({ index, path }, at) => {
    demand(index < count && path.length === depth, CODES.BAD_MERKLE_PROOF, `leaf ${index}`);
    let node = tagged("crossclear/merkle/leaf/v1", encoded[at] ?? new Uint8Array(0));
    path.forEach((sibling, level) => {
      const pair = (index >> BigInt(level)) & 1n ? [sibling, node] : [node, sibling];
      node = tagged("crossclear/merkle/node/v1", ...pair);
    });
    demand(equal(tagged("crossclear/merkle/root/v1", word(count), node), tree), CODES.BAD_MERKLE_PROOF, `leaf ${index}`);
  });
}
