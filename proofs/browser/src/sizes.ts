import { CODES, demand } from "./errors.js";
import { slotShape, slotsOf, UNCOVERED } from "./kinds.js";
import { COLUMNS_MAX } from "./layout.js";
import { TAIL_BYTES } from "./linear.js";
import { type EpochPackage } from "./schema.js";

/** Lengths and counts, before anything is computed: what an account or a slot costs a verifier is paid for in bytes. */
const SHARE_BYTES = 128;

export function demandSizes({ statement, commitments, proof, house, book, cover }: EpochPackage): void {
  demandLinear("joint proof", proof.length, commitments.length);
  if (house.length > 0) demandLinear("house's proof", house.length, 1);
  const hidden = statement.slots.filter(({ kind }) => !slotShape(kind).published).length;
  demand(book.length === 48 + 32 * (2 + hidden), CODES.BAD_LENGTH, "book opening");
  const stresses = slotsOf(statement, UNCOVERED).length;
  const vectors = stresses * (48 + SHARE_BYTES * COLUMNS_MAX) + TAIL_BYTES;
  atMost("cover proof", cover.length, vectors + 224 + SHARE_BYTES * COLUMNS_MAX + TAIL_BYTES);
  atMost("listed shortfalls", statement.shortfalls.length, commitments.length);
  atMost("totals", statement.totals.length, statement.slots.length);
  for (const terms of statement.cover) {
    atMost("members' accounts", terms.members.length, commitments.length);
    atMost("deficits", terms.deficits.length, statement.slots.length);
  }
}

/** A proof has a share for each account, which is the same for all, in 1 to 16 columns. */
function demandLinear(what: string, length: number, accounts: number): void {
  if (accounts === 0) return;
  const columns = (length - TAIL_BYTES) / (SHARE_BYTES * accounts);
  demand(Number.isInteger(columns) && columns >= 1 && columns <= COLUMNS_MAX, CODES.BAD_LENGTH, what);
}

function atMost(what: string, found: number, limit: number): void {
  demand(found <= limit, CODES.BAD_LENGTH, `${what}: ${found}, at most ${limit}`);
}
