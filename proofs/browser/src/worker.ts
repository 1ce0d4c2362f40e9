import { ownOf, readAnswer } from "./answer.js";
import { hex } from "./bytes.js";
import { Refusal } from "./errors.js";
import { type ExitVerdict, verifyExit } from "./exit.js";
import { type Freshness } from "./freshness.js";
import { readGenesis, type ReadGenesis } from "./genesis_file.js";
import { History, type HistoryVerdict } from "./history.js";
import { type OwnAccount } from "./inclusion.js";
import { type Progress, type Trusted } from "./trusted.js";
import { type Check, type CheckName, type Verdict } from "./verdict.js";
import { verifyPackage } from "./verify.js";
import { visible } from "./visible.js";

/** What the page asks of its worker, and what the worker tells. */
export interface NamedFile {
  readonly name: string;
  readonly file: ArrayBuffer;
  /** As what a node listed it. */
  readonly listed?: { readonly epoch: bigint; readonly height: bigint };
}

interface AskedTrust {
  readonly network: Uint8Array | undefined;
  readonly validatorsHash: Uint8Array | undefined;
  readonly genesis: ArrayBuffer | undefined;
}

export type Ask =
  | (AskedTrust & {
      readonly kind: "verify";
      readonly file: ArrayBuffer;
      readonly freshness: Freshness;
      readonly own: OwnAccount | undefined;
    })
  | (AskedTrust & { readonly kind: "history"; readonly files: readonly NamedFile[]; readonly freshness: Freshness })
  | (AskedTrust & { readonly kind: "exit"; readonly file: ArrayBuffer; readonly freshness: Freshness })
  | { readonly kind: "answer"; readonly file: ArrayBuffer };

export type Tell =
  | { readonly kind: "begins"; readonly name: CheckName }
  | { readonly kind: "share"; readonly share: number }
  | { readonly kind: "ends"; readonly check: Check }
  | { readonly kind: "file"; readonly name: string; readonly index: number }
  | { readonly kind: "verdict"; readonly verdict: Verdict; readonly seconds: number }
  | { readonly kind: "history"; readonly history: HistoryVerdict; readonly seconds: number }
  | { readonly kind: "exit"; readonly verdict: ExitVerdict; readonly seconds: number }
  | { readonly kind: "answer"; readonly account: string; readonly owner: string; readonly seed: string; readonly holdings: string }
  | { readonly kind: "refused"; readonly why: string };

interface Port {
  onmessage: ((event: MessageEvent<Ask>) => void) | null;
  postMessage(message: Tell): void;
}
const port = self as unknown as Port;

port.onmessage = ({ data }) => {
  try {
    if (data.kind === "answer") readSigned(data.file);
    else if (data.kind === "history") compare(data);
    else if (data.kind === "exit") checkExit(data);
    else verify(data);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    port.postMessage({ kind: "refused", why: visible(error.message) });
  }
};

/** What the fields and the genesis name together; a later set goes before the genesis's own. */
function trustOf({ network, validatorsHash, genesis: file }: AskedTrust): Trusted & { genesis: ReadGenesis | undefined } {
  const genesis = file === undefined ? undefined : readGenesis(new Uint8Array(file));
  return { network: network ?? genesis?.digest, validatorsHash: validatorsHash ?? genesis?.validatorsHash, genesis };
}

/** The genesis's own set was known to be in force at its time. */
function knownSince(ask: Extract<Ask, { freshness: Freshness }>, { genesis }: { genesis: ReadGenesis | undefined }): Freshness {
  return { ...ask.freshness, setKnown: ask.freshness.setKnown ?? (ask.validatorsHash === undefined ? genesis?.time : undefined) };
}

function verify(ask: Extract<Ask, { kind: "verify" }>): void {
  const began = performance.now();
  const trusted = trustOf(ask);
  let told = 0;
  const progress: Progress = {
    begins: (name) => port.postMessage({ kind: "begins", name }),
    share: (share) => {
      const now = performance.now();
      if (now - told < 50) return;
      told = now;
      port.postMessage({ kind: "share", share });
    },
    ends: (check) => port.postMessage({ kind: "ends", check }),
  };
  const asked = { ...trusted, own: ask.own, freshness: knownSince(ask, trusted) };
  const verdict = verifyPackage(new Uint8Array(ask.file), asked, progress);
  port.postMessage({ kind: "verdict", verdict, seconds: (performance.now() - began) / 1000 });
}

function compare(ask: Extract<Ask, { kind: "history" }>): void {
  const began = performance.now();
  const trusted = trustOf(ask);
  const history = new History({ ...trusted, freshness: knownSince(ask, trusted) });
  for (const { file } of ask.files) history.survey(new Uint8Array(file));
  ask.files.forEach(({ name, file }, index) => {
    port.postMessage({ kind: "file", name, index });
    history.add(name, new Uint8Array(file));
  });
  port.postMessage({ kind: "history", history: history.verdict(), seconds: (performance.now() - began) / 1000 });
}

function checkExit(ask: Extract<Ask, { kind: "exit" }>): void {
  const began = performance.now();
  const trusted = trustOf(ask);
  const verdict = verifyExit(new Uint8Array(ask.file), { ...trusted, freshness: knownSince(ask, trusted) });
  port.postMessage({ kind: "exit", verdict, seconds: (performance.now() - began) / 1000 });
}

function readSigned(file: ArrayBuffer): void {
  const own = ownOf(readAnswer(new Uint8Array(file)));
  port.postMessage({
    kind: "answer",
    account: String(own.account),
    owner: hex(own.owner),
    seed: hex(own.seed),
    holdings: [...own.holdings].map(([name, amount]) => `${name} ${amount}`).join("\n"),
  });
}
