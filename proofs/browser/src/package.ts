import { type Bytes, merkleRoot, join, tagged, word } from "./bytes.js";
import { at, CODES, demand, Refusal } from "./errors.js";
import { demandKnownKinds } from "./kinds.js";
import { Reader, whole } from "./messagepack.js";
import { EpochPackage } from "./schema.js";

/** The file of an epoch: docs/specification/package.md. */
export const PACKAGE_BYTES_MAX = 1 << 26;
const PARTS = [
  "format", "header", "certificate", "validators", "srs", "domain", "statement", "commitments", "proof", "book", "cover",
  "custody", "house",
] as const;
const PART_BYTES_MAX: Partial<Record<(typeof PARTS)[number], number>> = {
  header: 16384,
  certificate: 1024,
  validators: 65536,
  statement: 1 << 22,
  custody: 1 << 22,
};

export interface ReadPackage {
  readonly content: EpochPackage;
  /** Canonical bytes of the statement. */
  readonly statement: Bytes;
}

/** Steps 1 to 5 of "Reading", in their order. */
export function readPackage(file: Bytes): ReadPackage {
  demand(file.length <= PACKAGE_BYTES_MAX, CODES.OVERSIZE, `${file.length} bytes`);
  const parts = split(file);
  parts.forEach((part, index) => {
    const name = at(PARTS, index);
    demand(part.length <= (PART_BYTES_MAX[name] ?? Infinity), CODES.OVERSIZE, name);
  });
  const { value, canonical } = whole(EpochPackage, file);
  demandKnownKinds(value.statement);
  if (!canonical) throw new Refusal(CODES.NON_CANONICAL);
  return { content: value, statement: at(parts, PARTS.indexOf("statement")) };
}

function split(file: Bytes): Bytes[] {
  const reader = new Reader(file);
  demand(reader.count() === PARTS.length, CODES.MALFORMED, "number of parts");
  const parts = PARTS.map(() => {
    const start = reader.offset;
    reader.skip();
    return file.subarray(start, reader.offset);
  });
  demand(reader.offset === file.length, CODES.MALFORMED, "bytes after the package");
  return parts;
}

export function commitmentsRoot(read: ReadPackage): Bytes {
  const { domain } = read.content;
  return tagged(
    "crossclear/commitments-root/v1",
    tagged("crossclear/risk-snapshot/v1", read.statement),
    word(domain),
    accountsRoot(read.content),
  );
}

/** Root of the tree over the list of accounts. */
export function accountsRoot({ commitments }: EpochPackage): Bytes {
  return merkleRoot(commitments.items().map(([account, commitment]) => join(word(account), commitment)));
}

/** Demand that a chain may have closed an epoch at a height: epochs are numbered from 1, and each closes at a height of its
 * own. */
export function demandEpochNumber({ epoch, height }: { readonly epoch: bigint; readonly height: bigint }): void {
  demand(1n <= epoch && epoch <= height, CODES.EPOCH_IMPOSSIBLE, `epoch ${epoch} at height ${height}`);
}
