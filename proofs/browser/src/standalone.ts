import { ascii, type Bytes, equal, join, tagged } from "./bytes.js";
import { CODES, demand } from "./errors.js";
import { point1 } from "./group.js";
import { COLUMNS_MAX, type Layout } from "./layout.js";
import { proofBytes, TAIL_BYTES, verifyLinear } from "./linear.js";
import { commitmentsRoot, type ReadPackage } from "./package.js";

/** A proof of one account of a package: docs/specification/further-proofs.md, "Standalone proof". */
export interface Standalone {
  readonly commitment: Bytes;
  readonly proof: Bytes;
}

export function readStandalone(file: Bytes): Standalone {
  demand(file.length <= 52 + 128 * COLUMNS_MAX + TAIL_BYTES, CODES.OVERSIZE, `${file.length} bytes`);
  const rest = file.length - 52 - TAIL_BYTES;
  demand(rest >= 128 && rest % 128 === 0, CODES.MALFORMED, "length");
  demand(equal(file.subarray(0, 4), join(ascii("ccs"), Uint8Array.of(1))), CODES.MALFORMED, "beginning");
  return { commitment: file.subarray(4, 52), proof: file.subarray(52) };
}

/** The check `listed`: the account that the proof is about. */
export function listed({ content }: ReadPackage, { commitment }: Standalone): bigint {
  const found = content.commitments.items().filter(([, encoded]) => equal(encoded, commitment));
  demand(found.length > 0, CODES.NOT_INCLUDED);
  demand(found.length === 1, CODES.BLINDERS_REUSED);
  return found[0]?.[0] ?? 0n;
}

/** The check `solvency`. */
export function demandSolvent(read: ReadPackage, layout: Layout, account: bigint, { commitment, proof }: Standalone): void {
  const sigma = new Map(read.content.statement.shortfalls).get(account) ?? 0n;
  const context = tagged("crossclear/standalone/v1", commitmentsRoot(read));
  demand(proof.length === proofBytes(layout, 1), CODES.BAD_LENGTH);
  verifyLinear({ layout, context, accounts: [{ account, sigma, encoded: commitment, point: point1(commitment) }] }, proof);
}
