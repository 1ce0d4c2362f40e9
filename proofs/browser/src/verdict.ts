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
  freshness: "Header and prices are recent enough.",
} as const;

export type CheckName = keyof typeof MEANINGS;

export interface Check {
  readonly name: CheckName;
  readonly ok: boolean;
  /** False if the check passed without having shown what it is for: it is open. */
  readonly complete: boolean;
  readonly detail: string;
  readonly meaning: string;
  readonly code: string;
}

export interface Verdict {
  /** Whether every check passed. Checks that are open have passed; `complete` says whether there are any. */
  readonly ok: boolean;
  readonly complete: boolean;
  readonly checks: readonly Check[];
  readonly notRun: readonly CheckName[];
  readonly claim: string;
  readonly notProven: readonly string[];
  /** Values that are the quorum's word, by name. */
  readonly attested: Readonly<Record<string, string>>;
  readonly network: string;
  readonly height: string;
  readonly epoch: string;
  readonly bytes: number;
}
