import { type Ask, type Tell } from "../../../proofs/browser/src/worker";
import { type Check, type Verdict } from "../../../proofs/browser/src/verdict";

export type { Check, Verdict };

export interface Checked {
  readonly verdict: Verdict;
  readonly seconds: number;
}

/** What the reader of the page trusts. */
export interface Trust {
  readonly genesis: ArrayBuffer | undefined;
  /** The largest age of header and prices, in hours. */
  readonly hours: number | "any";
}

/** Verify a package in a worker of its own, by the verifier of `proofs/browser`. Throws Error with the refusal. */
export function verified(file: ArrayBuffer, { genesis, hours }: Trust, began: (name: string) => void): Promise<Checked> {
  return new Promise((resolve, reject) => {
    const worker = new Worker("/page/worker.js");
    const end = (act: () => void): void => {
      worker.terminate();
      act();
    };
    worker.onerror = (event) => end(() => reject(new Error(`The check stopped: ${event.message}`)));
    worker.onmessage = ({ data }: MessageEvent<Tell>) => {
      if (data.kind === "begins") began(data.name);
      else if (data.kind === "verdict") end(() => resolve({ verdict: data.verdict, seconds: data.seconds }));
      else if (data.kind === "refused") end(() => reject(new Error(data.why)));
    };
    const ask: Ask = {
      kind: "verify", file, own: undefined, network: undefined, validatorsHash: undefined, genesis,
      freshness: { now: BigInt(Date.now()), maxAge: hours === "any" ? "any" : BigInt(Math.round(3_600_000 * hours)) },
    };
    worker.postMessage(ask);
  });
}
