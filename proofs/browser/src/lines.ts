import { fromHex, hex } from "./bytes.js";
import { takeAsGood } from "./certificate.js";
import { type Freshness } from "./freshness.js";
import { type OwnAccount } from "./inclusion.js";
import { primitives } from "./primitives.js";
import { type Progress, type Trusted } from "./trusted.js";
import { type Verdict } from "./verdict.js";
import { verifyAnswer, verifyPackage, verifyStandalone } from "./verify.js";

/** One request of a line as JSON: a file in base64 with trusted values in hexadecimal; one answer: the verdict as JSON. */
interface Request {
  readonly primitives?: boolean;
  readonly file: string;
  /** A standalone proof of one account, or a node's signed answer, in base64: this is checked beside the package. */
  readonly standalone?: string;
  readonly answer?: string;
  readonly network?: string;
  readonly validators_hash?: string;
  readonly now_ms?: string;
  /** Milliseconds; "any" or nothing: every age. */
  readonly max_age_ms?: string;
  readonly set_known_ms?: string;
  readonly min_height?: string;
  /** Names of signatures that the test made itself and that are not checked again. */
  readonly signed?: readonly string[];
  /** The answer is the refusal alone. */
  readonly brief?: boolean;
  readonly own?: { account: string; owner: string; seed: string; holdings: Record<string, string | number> };
}

export function answer(line: string): string {
  const request = JSON.parse(line) as Request;
  if (request.primitives === true) return JSON.stringify(primitives());
  const file = decoded(request.file);
  request.signed?.forEach(takeAsGood);
  const seconds: Record<string, number> = {};
  let began = performance.now();
  const trusted: Trusted = {
    network: optional(request.network),
    validatorsHash: optional(request.validators_hash),
    freshness: freshness(request),
    own: request.own === undefined ? undefined : ownAccount(request.own),
  };
  const progress: Progress = {
    begins: () => (began = performance.now()),
    ends: ({ name }) => (seconds[name] = (performance.now() - began) / 1000),
  };
  let verdict: Verdict;
  if (request.standalone !== undefined) verdict = verifyStandalone(file, decoded(request.standalone), trusted, progress);
  else if (request.answer !== undefined) verdict = verifyAnswer(file, decoded(request.answer), trusted, progress);
  else verdict = verifyPackage(file, trusted, progress);
  return JSON.stringify(request.brief === true ? { refusal: verdict.refusal } : { ...verdict, seconds });
}

/** What is wanted of the age, where a request states a time. */
function freshness({ now_ms, max_age_ms, min_height, set_known_ms }: Request): Freshness | undefined {
  if (now_ms === undefined) return undefined;
  return {
    now: BigInt(now_ms),
    maxAge: max_age_ms === undefined || max_age_ms === "any" ? "any" : BigInt(max_age_ms),
    minHeight: min_height === undefined ? undefined : BigInt(min_height),
    setKnown: set_known_ms === undefined ? undefined : BigInt(set_known_ms),
  };
}

function decoded(text: string): Uint8Array {
  const characters = atob(text);
  const out = new Uint8Array(characters.length);
  for (let index = 0; index < out.length; index++) out[index] = characters.charCodeAt(index);
  return out;
}

export function ownAccount(own: NonNullable<Request["own"]>): OwnAccount {
  return {
    account: BigInt(own.account),
    owner: required(own.owner, 20, "owner"),
    seed: required(own.seed, 32, "seed"),
    holdings: new Map(Object.entries(own.holdings).map(([name, amount]) => [name, BigInt(amount)])),
  };
}

function optional(text: string | undefined): Uint8Array | undefined {
  return text === undefined || text === "" ? undefined : required(text, 32, "a trusted value");
}

function required(text: string, length: number, name: string): Uint8Array {
  const bytes = fromHex(text.trim());
  if (bytes?.length !== length) throw new Error(`${name} has ${length} bytes in hexadecimal digits, not ${hex(bytes ?? new Uint8Array(0))}`);
  return bytes;
}
