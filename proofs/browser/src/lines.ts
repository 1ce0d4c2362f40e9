import { fromHex, hex } from "./bytes.js";
import { type OwnAccount } from "./inclusion.js";
import { type Trusted, verifyPackage } from "./verify.js";

/** One request of a line as JSON: a file in base64 with trusted values in hexadecimal; one answer: the verdict as JSON. */
interface Request {
  readonly file: string;
  readonly network?: string;
  readonly validators_hash?: string;
  readonly now_ms?: string;
  readonly max_age_ms?: string;
  readonly min_height?: string;
  readonly own?: { account: string; owner: string; seed: string; holdings: Record<string, string | number> };
}

export function answer(line: string): string {
  const request = JSON.parse(line) as Request;
  const file = Uint8Array.from(atob(request.file), (character) => character.charCodeAt(0));
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
  const verdict = verifyPackage(file, trusted, {
    begins: () => (began = performance.now()),
    ends: ({ name }) => (seconds[name] = (performance.now() - began) / 1000),
  });
  return JSON.stringify({ ...verdict, seconds });
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
