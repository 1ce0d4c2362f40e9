import { CODES, Refusal } from "./errors.js";
import { visible } from "./visible.js";

/** Meanings of the checks: the table of docs/specification/verification.md. */
export const MEANINGS = {
  encoding: "The file is a whole epoch package in its one canonical form.",
  certificate: "Validators with more than two thirds of the voting power signed the header.",
  sizes: "The lengths of all proofs are those that the numbers of accounts and slots demand.",
  roots: "The statement and every account's commitment are the ones that this header certifies.",
  statement: "The public rules are complete: every scenario of every group, every charge, nothing counted twice.",
  ranges_and_rows:
    "Every account's hidden holdings are in range and meet its maintenance requirement, or fall short by no more than is listed.",
  matched_book: "The positions of all accounts cancel out, and their cash and tokens add up to the public totals.",
  reserves:
    "The vaults' balances cover those totals, and deposits and withdrawals on their way, but for what is named as lacking of collateral tokens.",
  custody:
    "The chains' own states, in blocks that the validators certified, prove the vaults' counters and balances, as far as the file has proofs of them.",
  cover:
    "The default fund, which its account holds, covers what its two largest members would lack in every stress scenario, or falls short by no more than is listed. Without stated scenarios, none of this is proven.",
  house: "The clearing house's own account owes nothing in any currency, if the package proves it.",
  rules:
    "Every row follows from the rulebook with the stated parameters and prices, in every coefficient; with a genesis, the parameters are its own.",
  inclusion: "Your own account is in the list, with exactly your holdings.",
  listed: "The proof is about exactly one account of the certified list.",
  solvency:
    "This account's hidden holdings are in range and meet its maintenance requirement, or fall short by no more than is listed.",
  answer: "The node's signed answer about your account agrees with this package.",
  freshness:
    "At the stated time, header and prices are no older than is accepted, and the trusted validator set was last known to be in force within the trusting period.",
  keys: "The keys for a contract are those that the certified statement and the leaves of all accounts give.",
  shares: "Validators with more than two thirds of the voting power signed these keys.",
  trusted_keys: "The account is shown under the keys whose hash you trust.",
  leaf: "The account is a leaf under the root in the keys.",
  proof: "This account's hidden holdings are in range and meet its maintenance requirement, or fall short by no more than its leaf lists.",
  presentation: "The account's own key signed for which chain, contract, caller and purpose the account is shown.",
} as const;

export type CheckName = keyof typeof MEANINGS;

/** One check of what a file claims. */
export interface Judged<Name extends string> {
  readonly name: Name;
  readonly ok: boolean;
  /** False if the check passed without having shown what it is for: it is open. */
  readonly complete: boolean;
  readonly detail: string;
  readonly meaning: string;
  readonly code: string;
}

export type Check = Judged<CheckName>;

export interface Refused {
  readonly check: CheckName;
  readonly code: string;
}

export interface Verdict {
  /** Whether every check passed. Checks that are open have passed, but where the caller is strict; `complete` says whether
   * there are any. */
  readonly ok: boolean;
  readonly complete: boolean;
  readonly checks: readonly Check[];
  readonly notRun: readonly CheckName[];
  /** Why `ok` is false: the check and its code, such as "R0707 proof_refused". Strictly, an open check has the code R0760. */
  readonly refusal: Refused | undefined;
  /** By what a signed answer and the package contradict each other; empty if they do not. */
  readonly contradiction: string;
  readonly claim: string;
  readonly notProven: readonly string[];
  /** Values that are the quorum's word, by name. */
  readonly attested: Readonly<Record<string, string>>;
  readonly network: string;
  readonly height: string;
  readonly epoch: string;
  readonly bytes: number;
}

export interface Outcome {
  readonly detail: string;
  /** False if nothing is wrong and not all is shown. */
  readonly complete?: boolean;
}

/** "R0707 proof_refused", as it is printed. */
export const printed = (code: string): string => code.slice(0, 6) + code.slice(6).toLowerCase();

/** Run one check. */
export function judge<Name extends string>(name: Name, step: () => Outcome, meaning: string): Judged<Name> {
  try {
    const { detail, complete = true } = step();
    return { name, ok: true, complete, detail: visible(detail), meaning, code: "" };
  } catch (error) {
    // What is no refusal is a limit of the machine or a defect: the check has not passed in either case.
    const refusal = error instanceof Refusal ? error : undefined;
    const code = refusal === undefined ? "" : printed(refusal.code);
    const about = refusal?.about ?? (error instanceof Error ? `this program failed: ${error.message}` : "this program failed");
    return { name, ok: false, complete: true, detail: visible([code, about].filter((t) => t !== "").join(": ")), meaning, code };
  }
}

/** Why checks that may not stay open refuse a package: the first open one that the caller does not allow. */
export const refusedOpen = (checks: readonly Check[], allowed: readonly CheckName[] | undefined): Refused | undefined => {
  const open = allowed === undefined ? undefined : checks.find(({ name, ok, complete }) => ok && !complete && !allowed.includes(name));
  return open === undefined ? undefined : { check: open.name, code: printed(CODES.CHECK_OPEN) };
};
