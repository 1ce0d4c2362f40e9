import { sha256 } from "@noble/hashes/sha2.js";
import { signedBy } from "./answer.js";
import { type Bytes, fromHex, hex, join } from "./bytes.js";
import { type Freshness } from "./freshness.js";
import { Assets, CashGroups, Feeds, type Genesis, Instruments, RangeParameters } from "./genesis.js";
import { History } from "./history.js";
import { type OwnAccount } from "./inclusion.js";
import { type Type, whole } from "./messagepack.js";
import { RiskParameters } from "./rulebook.js";
import { Surfaces } from "./surface_bounds.js";
import { type Trusted } from "./trusted.js";
import { type CheckName, type Verdict } from "./verdict.js";
import { verifyAnswer, verifyOnchainAccount, verifyOnchainEpoch, verifyPackage, verifyStandalone } from "./verify.js";

/** Vectors of tests/vectors/proofs/v2, whose fields the README of their runner lists: all bytes are lower-case hexadecimal,
 * all integers decimal text. */
interface EditedFile {
  readonly base: string;
  readonly edits: readonly { readonly at: string; readonly remove: string; readonly insert: string }[];
  readonly sha256: string;
}

interface StatedTrust {
  readonly network?: string;
  readonly validators_hash?: string;
  readonly genesis?: Readonly<Record<"time_ms" | "feeds" | "cash_groups" | "assets" | "instruments" | "risk" | "ranges", string>> & { readonly surfaces?: string };
  readonly freshness?: Readonly<Record<"now_ms" | "max_age_ms" | "min_height" | "set_known_ms" | "trusting_period_ms", string>>;
  readonly own?: { readonly account: string; readonly owner: string; readonly seed: string; readonly public_values: readonly string[] };
  readonly strict?: { readonly allowed: readonly CheckName[] };
}

export interface Vector {
  readonly name: string;
  readonly kind: "package" | "standalone" | "answer" | "onchain_epoch" | "onchain_account";
  readonly package?: EditedFile;
  readonly file?: EditedFile;
  readonly trusted?: StatedTrust;
  /** Missing in vectors of files for contracts, which have a code only. */
  readonly refused_by?: string;
  readonly code: string;
  readonly contradiction?: string;
}

export interface Judged {
  readonly name: string;
  /** What the verifier answered, and what it had to. */
  readonly found: string;
  readonly wanted: string;
  readonly agrees: boolean;
}

/** An Ed25519 signature, and whether it holds: "yes" or "no". */
export interface SignatureVector {
  readonly says: string;
  readonly key: string;
  readonly message: string;
  readonly signature: string;
  readonly holds: string;
}

export function judgeSignatures(vectors: readonly SignatureVector[]): Judged[] {
  return vectors.map(({ says, key, message, signature, holds }) => {
    const found = signedBy(needed(key), needed(message), needed(signature)) ? "yes" : "no";
    return { name: says, found, wanted: holds, agrees: found === holds };
  });
}

/** Packages of several epochs, the codes of their transition, and how claims moved. */
export interface HistoryVector {
  readonly name: string;
  readonly packages: readonly string[];
  readonly codes: readonly string[];
  readonly movements: readonly (readonly string[])[];
}

/** `base` reads a file of the folder of the histories. */
export function judgeHistories(vectors: readonly HistoryVector[], base: (name: string) => Bytes): Judged[] {
  return vectors.map(({ name, packages, codes, movements }) => {
    const history = new History();
    for (const each of packages) history.add(each, base(`${each}.ccp`));
    const verdict = history.verdict();
    // Frozen packages share their blinders; only the codes of the transition are the vector's.
    const ofTransition = verdict.findings.flatMap(({ code }) => (code >= "R0776" ? [code.slice(6).toUpperCase()] : []));
    const moved = verdict.movements.map((each) => Object.values(each).map((value: string) => value.replace(/^0x/, "")));
    const found = JSON.stringify({ codes: [...new Set(ofTransition)].sort(), movements: moved });
    const wanted = JSON.stringify({ codes: [...codes].sort(), movements });
    return { name, found, wanted, agrees: found === wanted };
  });
}

/** Judge vectors; `base` reads a file of the folder `good`. */
export function judgeVectors(vectors: readonly Vector[], base: (name: string) => Bytes): Judged[] {
  return vectors.map((vector) => {
    const wanted = answer(vector.refused_by ?? "", vector.code, vector.contradiction ?? "");
    const found = answerTo(vector, base);
    return { name: vector.name, found, wanted, agrees: found === wanted };
  });
}

const answer = (check: string, code: string, contradiction: string): string =>
  [check, code, contradiction].map((part) => part || "-").join(" ");

function answerTo(vector: Vector, base: (name: string) => Bytes): string {
  const verdict = verdictOf(vector, base);
  // A contradiction is no fault of the answer's form: the answer is good, and it is evidence.
  if (verdict.contradiction !== "") return answer("", "", verdict.contradiction);
  if (verdict.refusal === undefined) return answer("", "", "");
  const code = verdict.refusal.code.slice(6).toUpperCase();
  return answer(vector.refused_by === undefined ? "" : verdict.refusal.check, code, "");
}

function verdictOf(vector: Vector, base: (name: string) => Bytes): Verdict {
  const made = (file: EditedFile | undefined): Bytes => {
    if (file === undefined) throw new Error(`${vector.name} has no such file`);
    return edited(file, base(file.base));
  };
  const trusted = trustedOf(vector.trusted ?? {});
  switch (vector.kind) {
    case "package":
      return verifyPackage(made(vector.package), trusted);
    case "standalone":
      return verifyStandalone(made(vector.package), made(vector.file), trusted);
    case "answer":
      return verifyAnswer(made(vector.package), made(vector.file), trusted);
    case "onchain_epoch":
      return verifyOnchainEpoch(made(vector.package), made(vector.file), trusted);
    case "onchain_account":
      return verifyOnchainAccount(made(vector.file));
  }
}

function edited({ edits, sha256: wanted }: EditedFile, base: Bytes): Bytes {
  const parts: Bytes[] = [];
  let next = 0;
  for (const { at, remove, insert } of edits) {
    parts.push(base.subarray(next, Number(at)), needed(insert));
    next = Number(at) + Number(remove);
  }
  const out = join(...parts, base.subarray(next));
  if (hex(sha256(out)) !== wanted) throw new Error(`the vector's file has another hash than ${wanted}`);
  return out;
}

function needed(text: string): Bytes {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("a vector has bytes that are no hexadecimal digits");
  return bytes;
}

const optional = (text: string | undefined): Bytes | undefined => (text === undefined ? undefined : needed(text));

/** Trusted values as vectors and requests state them. */
export function trustedOf({ network, validators_hash, genesis, freshness, own, strict }: StatedTrust): Trusted {
  return {
    network: optional(network),
    validatorsHash: optional(validators_hash),
    genesis: genesis === undefined ? undefined : genesisOf(genesis),
    freshness: freshness === undefined ? undefined : freshnessOf(freshness),
    own: own === undefined ? undefined : ownOf(own),
    strict,
  };
}

function freshnessOf(stated: NonNullable<StatedTrust["freshness"]>): Freshness {
  return {
    now: BigInt(stated.now_ms),
    maxAge: stated.max_age_ms === "any" ? "any" : BigInt(stated.max_age_ms),
    minHeight: BigInt(stated.min_height),
    setKnown: stated.set_known_ms === "unknown" ? undefined : BigInt(stated.set_known_ms),
    trustingPeriod: BigInt(stated.trusting_period_ms),
  };
}

const ownOf = ({ account, owner, seed, public_values }: NonNullable<StatedTrust["own"]>): OwnAccount => ({
  account: BigInt(account),
  owner: needed(owner),
  seed: needed(seed),
  holdings: public_values.map(BigInt),
});

/** The compared parts of a genesis, each in its canonical encoding. */
function genesisOf(parts: NonNullable<StatedTrust["genesis"]>): Genesis {
  const read = <T>(type: Type<T>, text: string): T => whole(type, needed(text)).value;
  return {
    time: BigInt(parts.time_ms),
    feeds: read(Feeds, parts.feeds),
    cashGroups: read(CashGroups, parts.cash_groups),
    assets: read(Assets, parts.assets),
    instruments: read(Instruments, parts.instruments),
    risk: read(RiskParameters, parts.risk),
    ranges: read(RangeParameters, parts.ranges),
    surfaces: parts.surfaces === undefined ? [] : read(Surfaces, parts.surfaces),
  };
}
