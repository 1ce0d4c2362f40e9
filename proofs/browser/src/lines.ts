import { fromHex, hex } from "./bytes.js";
import { type OwnAccount } from "./inclusion.js";
import { primitives } from "./primitives.js";
import { type Verdict } from "./verdict.js";
import { type Progress, type Trusted, verifyAnswer, verifyPackage, verifyStandalone } from "./verify.js";

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
  readonly max_age_ms?: string;
  readonly min_height?: string;
  readonly own?: { account: string; owner: string; seed: string; holdings: Record<string, string | number> };
}

export function answer(line: string): string {
  const request = JSON.parse(line) as Request;
  if (request.primitives === true) return JSON.stringify(primitives());
  const file = decoded(request.file);
  const seconds: Record<string, number> = {};
  let began = performance.now();
  const trusted: Trusted = {
    network: optional(request.network),
    validatorsHash: optional(request.validators_hash),
    now: request.now_ms === undefined ? undefined : BigInt(request.now_ms),
    maxAge: request.max_age_ms === undefined ? undefined : BigInt(request.max_age_ms),
    minHeight: request.min_height === undefined ? undefined : BigInt(request.min_height),
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
  return JSON.stringify({ ...verdict, seconds });
}

const decoded = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

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
