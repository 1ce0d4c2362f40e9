import { type Ask, type Tell } from "../../../proofs/browser/src/worker";
import { fromHex } from "../../../proofs/browser/src/bytes";
import { type ExitVerdict } from "../../../proofs/browser/src/exit";
import { type Check, type Verdict } from "../../../proofs/browser/src/verdict";
import { parsed } from "./ui/formats";

export type { Check, ExitVerdict, Verdict };

export interface Checked {
  readonly verdict: Verdict;
  readonly seconds: number;
}

/** What the reader of the page trusts, as its fields say. */
export interface Trust {
  readonly genesis: ArrayBuffer | undefined;
  /** The largest age of header and prices, in hours; empty: any. */
  readonly hours: string;
  /** Hash of a later validator set, of 64 hexadecimal digits; empty: that of the genesis. */
  readonly set: string;
  /** When this set was last known to be in force, in UTC; empty: the genesis's time. */
  readonly known: string;
}

/** Verify a package in a worker of its own, by the verifier of `proofs/browser`. Throws Error with the refusal. */
export function verified(file: ArrayBuffer, trust: Trust, began: (name: string) => void): Promise<Checked> {
  const ask = (): Ask => ({ ...trusted(trust), kind: "verify", file, own: undefined });
  return answered(ask, (tell) => {
    if (tell.kind === "begins") began(tell.name);
    return tell.kind === "verdict" ? { verdict: tell.verdict, seconds: tell.seconds } : undefined;
  });
}

/** Verify an exit file in the same way. An exit has no age: the newest may be old when the network has ended. */
export function verifiedExit(file: ArrayBuffer, trust: Trust): Promise<ExitVerdict> {
  return answered(() => ({ ...trusted(trust), kind: "exit", file }), (tell) => (tell.kind === "exit" ? tell.verdict : undefined));
}

/** Throws RangeError for fields that say nothing. */
export function trusted({ genesis, hours, set, known }: Trust): Pick<Extract<Ask, { kind: "verify" }>, "network" | "validatorsHash" | "genesis" | "freshness"> {
  const validatorsHash = set === "" ? undefined : fromHex(set);
  if (set !== "" && validatorsHash?.length !== 32) throw new RangeError("The hash of a validator set has 64 hexadecimal digits.");
  const at = known === "" ? undefined : Date.parse(`${known}Z`);
  if (at !== undefined && !Number.isFinite(at)) throw new RangeError("The time at which you last knew the set is a date and a time.");
  return {
    network: undefined, validatorsHash, genesis,
    freshness: {
      now: BigInt(Date.now()), maxAge: hours === "" ? "any" : ageOf(hours),
      setKnown: at === undefined ? undefined : BigInt(at),
    },
  };
}

/** Milliseconds. */
function ageOf(hours: string): bigint {
  try {
    const thousandths = parsed(hours, 3);
    if (thousandths >= 0n) return 3_600n * thousandths;
  } catch (error) {
    throw new RangeError(`The largest age is a number of hours. ${(error as Error).message}`);
  }
  throw new RangeError("The largest age is a number of hours.");
}

/** The answer of a worker that is started for it, as soon as `take` finds it in what the worker tells. */
async function answered<T>(ask: () => Ask, take: (tell: Tell) => T | undefined): Promise<T> {
  const question = ask();
  const worker = new Worker("/page/worker.js");
  try {
    return await new Promise<T>((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(`The check stopped: ${event.message}`));
      worker.onmessage = ({ data }: MessageEvent<Tell>) => {
        const found = take(data);
        if (found !== undefined) resolve(found);
        else if (data.kind === "refused") reject(new Error(data.why));
      };
      worker.postMessage(question);
    });
  } finally {
    worker.terminate();
  }
}
