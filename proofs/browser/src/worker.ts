import { ownOf, readAnswer } from "./answer.js";
import { type OwnAccount } from "./inclusion.js";
import { hex } from "./bytes.js";
import { Refusal } from "./errors.js";
import { type Freshness } from "./freshness.js";
import { type Check, type CheckName, type Verdict } from "./verdict.js";
import { verifyPackage } from "./verify.js";

/** What the page asks of its worker, and what the worker tells. */
export type Ask =
  | {
      readonly kind: "verify";
      readonly file: ArrayBuffer;
      readonly network: Uint8Array | undefined;
      readonly validatorsHash: Uint8Array | undefined;
      readonly freshness: Freshness;
      readonly own: OwnAccount | undefined;
    }
  | { readonly kind: "answer"; readonly file: ArrayBuffer };

export type Tell =
  | { readonly kind: "begins"; readonly name: CheckName }
  | { readonly kind: "share"; readonly share: number }
  | { readonly kind: "ends"; readonly check: Check }
  | { readonly kind: "verdict"; readonly verdict: Verdict; readonly seconds: number }
  | { readonly kind: "answer"; readonly account: string; readonly owner: string; readonly seed: string; readonly holdings: string }
  | { readonly kind: "refused"; readonly why: string };

interface Port {
  onmessage: ((event: MessageEvent<Ask>) => void) | null;
  postMessage(message: Tell): void;
}
const port = self as unknown as Port;

port.onmessage = ({ data }) => {
  if (data.kind === "answer") readSigned(data.file);
  else verify(data);
};

function verify(ask: Extract<Ask, { kind: "verify" }>): void {
  const began = performance.now();
  let told = 0;
  const verdict = verifyPackage(new Uint8Array(ask.file), ask, {
    begins: (name) => port.postMessage({ kind: "begins", name }),
    share: (share) => {
      const now = performance.now();
      if (now - told < 50) return;
      told = now;
      port.postMessage({ kind: "share", share });
    },
    ends: (check) => port.postMessage({ kind: "ends", check }),
  });
  port.postMessage({ kind: "verdict", verdict, seconds: (performance.now() - began) / 1000 });
}

function readSigned(file: ArrayBuffer): void {
  try {
    const own = ownOf(readAnswer(new Uint8Array(file)));
    port.postMessage({
      kind: "answer",
      account: String(own.account),
      owner: hex(own.owner),
      seed: hex(own.seed),
      holdings: [...own.holdings].map(([name, amount]) => `${name} ${amount}`).join("\n"),
    });
  } catch (error) {
    port.postMessage({ kind: "refused", why: error instanceof Refusal ? error.message : "the answer cannot be read" });
  }
}
