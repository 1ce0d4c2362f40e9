import { fromHex, hex } from "./bytes.js";
import { takeAsGood } from "./certificate.js";
import { Refusal } from "./errors.js";
import { verifyExit } from "./exit.js";
import { type Freshness } from "./freshness.js";
import { readGenesis } from "./genesis_file.js";
import { History, type HistoryVerdict } from "./history.js";
import { type OwnAccount } from "./inclusion.js";
import { primitives } from "./primitives.js";
import { movementLines } from "./transition.js";
import { type Progress, type Trusted } from "./trusted.js";
import { type CheckName, type Verdict } from "./verdict.js";
import { verifyAnswer, verifyOnchainAccount, verifyOnchainEpoch, verifyPackage, verifyStandalone } from "./verify.js";

/** One request of a line as JSON: a file in base64 with trusted values in hexadecimal; one answer: the verdict as JSON. */
interface Request {
  readonly primitives?: boolean;
  readonly file?: string;
  /** A standalone proof of one account, or a node's signed answer, in base64: this is checked beside the package. */
  readonly standalone?: string;
  readonly answer?: string;
  /** Keys for a contract, checked beside the package; or one account under keys, checked alone. */
  readonly onchain_epoch?: string;
  readonly onchain_account?: string;
  /** An exit file in base64, checked alone. */
  readonly exit?: string;
  /** Hash of the keys that are trusted for it, in hexadecimal. */
  readonly keys_hash?: string;
  readonly network?: string;
  readonly validators_hash?: string;
  readonly now_ms?: string;
  /** Milliseconds; "any" or nothing: every age. */
  readonly max_age_ms?: string;
  readonly set_known_ms?: string;
  readonly min_height?: string;
  /** A genesis file in base64: what is trusted. Alone, the answer is what it names, or why it was refused. */
  readonly genesis?: string;
  /** Files in base64, in order, which are compared: the answer is the verdict of their history. */
  readonly history?: readonly string[];
  readonly surveyed?: boolean;
  /** Names of signatures that the test made itself and that are not checked again. */
  readonly signed?: readonly string[];
  readonly strict?: { readonly allowed: readonly CheckName[] };
  /** The answer is the refusal alone, what contradicts an answer, and the detail of the last check. */
  readonly brief?: boolean;
  readonly own?: { account: string; owner: string; seed: string; holdings: Record<string, string | number> };
}

/** `cpu`: seconds of CPU that this program has used, where the machine can say it. */
export function answer(line: string, cpu: () => number = () => 0): string {
  const request = JSON.parse(line) as Request;
  if (request.primitives === true) return JSON.stringify(primitives());
  if (request.history !== undefined) return JSON.stringify(historyOf(request, request.history));
  if (request.exit !== undefined) return JSON.stringify(exitOf(request, request.exit));
  if (request.file === undefined) return JSON.stringify(named(decoded(request.genesis ?? "")));
  const file = decoded(request.file);
  request.signed?.forEach(takeAsGood);
  const seconds: Record<string, number> = {};
  const cpuOfChecks: Record<string, number> = {};
  let [began, used] = [performance.now(), cpu()];
  const genesis = request.genesis === undefined ? undefined : readGenesis(decoded(request.genesis));
  const trusted: Trusted = {
    network: optional(request.network) ?? genesis?.digest,
    validatorsHash: optional(request.validators_hash) ?? genesis?.validatorsHash,
    genesis,
    freshness: freshness(request),
    strict: request.strict,
    own: request.own === undefined ? undefined : ownAccount(request.own),
  };
  const progress: Progress = {
    begins: () => void ([began, used] = [performance.now(), cpu()]),
    ends: ({ name }) => {
      seconds[name] = (performance.now() - began) / 1000;
      cpuOfChecks[name] = cpu() - used;
    },
  };
  let verdict: Verdict;
  if (request.standalone !== undefined) verdict = verifyStandalone(file, decoded(request.standalone), trusted, progress);
  else if (request.answer !== undefined) verdict = verifyAnswer(file, decoded(request.answer), trusted, progress);
  else if (request.onchain_epoch !== undefined) verdict = verifyOnchainEpoch(file, decoded(request.onchain_epoch), trusted, progress);
  else if (request.onchain_account !== undefined) verdict = verifyOnchainAccount(decoded(request.onchain_account), { keysHash: optional(request.keys_hash), strict: request.strict }, progress);
  else verdict = verifyPackage(file, trusted, progress);
  return JSON.stringify(request.brief === true ? brief(verdict) : { ...verdict, seconds, cpu_of_checks: cpuOfChecks });
}

function exitOf(request: Request, file: string): object {
  const trusted = { network: optional(request.network), validatorsHash: optional(request.validators_hash), freshness: freshness(request) };
  try {
    return verifyExit(decoded(file), trusted);
  } catch (error) {
    if (error instanceof Refusal) return { refused: error.message };
    throw error;
  }
}

const brief = ({ refusal, contradiction, checks }: Verdict): Record<string, unknown> =>
  ({ refusal, contradiction, last: checks[checks.length - 1]?.detail });

function historyOf(request: Request, files: readonly string[]): HistoryVerdict & { movement_lines: readonly string[] } {
  const { network, validators_hash, surveyed } = request;
  const genesis = request.genesis === undefined ? undefined : readGenesis(decoded(request.genesis));
  const trusted = { network: optional(network), validatorsHash: optional(validators_hash), freshness: freshness(request), genesis };
  const history = new History(trusted);
  if (surveyed === true) for (const file of files) history.survey(decoded(file));
  files.forEach((file, index) => history.add(`${index}.ccp`, decoded(file)));
  const verdict = history.verdict();
  return { ...verdict, movement_lines: movementLines(verdict.movements) };
}

function named(file: Uint8Array): Record<string, unknown> {
  try {
    const { digest, validatorsHash, time, limits } = readGenesis(file);
    const amounts = [...(limits?.amounts ?? [])].map(([place, amount]) => [place, String(amount)]);
    return {
      network: hex(digest), validators_hash: hex(validatorsHash), time_ms: String(time),
      window_blocks: String(limits?.windowBlocks), limits: amounts,
    };
  } catch (error) {
    if (error instanceof Refusal) return { refused: error.message };
    throw error;
  }
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
