/** A refusal: the code and name that docs/specification/verification.md lists, and what it is about. */
export class Refusal extends Error {
  constructor(
    readonly code: Code,
    readonly about: string = "",
  ) {
    super(about === "" ? code : `${code}: ${about}`);
  }
}

export const CODES = {
  OVERSIZE: "R0101 OVERSIZE",
  MALFORMED: "R0102 MALFORMED",
  NON_CANONICAL: "R0103 NON_CANONICAL",
  CERTIFICATE_POINT: "R0110 BAD_POINT",
  BAD_SIGNATURE: "R0111 BAD_SIGNATURE",
  BAD_POSSESSION_PROOF: "R0112 BAD_POSSESSION_PROOF",
  BAD_VALIDATOR_SET: "R0120 BAD_VALIDATOR_SET",
  STRAY_SIGNER: "R0121 STRAY_SIGNER",
  UNDER_QUORUM: "R0122 UNDER_QUORUM",
  WRONG_KIND: "R0123 WRONG_KIND",
  HEADER_NETWORK: "R0124 WRONG_NETWORK",
  WRONG_VALIDATOR_SET: "R0125 WRONG_VALIDATOR_SET",
  WRONG_VALUE: "R0126 WRONG_VALUE",
  BAD_POINT: "R0701 BAD_POINT",
  BAD_SCALAR: "R0702 BAD_SCALAR",
  BAD_LENGTH: "R0703 BAD_LENGTH",
  BAD_STATEMENT: "R0704 BAD_STATEMENT",
  BAD_LAYOUT: "R0705 BAD_LAYOUT",
  BAD_CHALLENGE: "R0706 BAD_CHALLENGE",
  PROOF_REFUSED: "R0707 PROOF_REFUSED",
  WRONG_SRS: "R0708 WRONG_SRS",
  WRONG_ROOT: "R0709 WRONG_ROOT",
  BOOK_NOT_MATCHED: "R0710 BOOK_NOT_MATCHED",
  RESERVES_SHORT: "R0711 RESERVES_SHORT",
  NOT_INCLUDED: "R0712 NOT_INCLUDED",
  BLINDERS_REUSED: "R0714 BLINDERS_REUSED",
  WRONG_NETWORK: "R0715 WRONG_NETWORK",
  FUND_NOT_COVERED: "R0716 FUND_NOT_COVERED",
  RULES_DIFFER: "R0717 RULES_DIFFER",
  CUSTODY_NOT_PROVEN: "R0720 CUSTODY_NOT_PROVEN",
  CUSTODY_DIFFERS: "R0721 CUSTODY_DIFFERS",
  CUSTODY_STRAY: "R0722 CUSTODY_STRAY",
  CUSTODY_UNLISTED: "R0723 CUSTODY_UNLISTED",
  COUNTED_TWICE: "R0740 COUNTED_TWICE",
  UNKNOWN_KIND: "R0741 UNKNOWN_KIND",
  EPOCH_DIFFERS: "R0742 EPOCH_DIFFERS",
  PRICE_OUT_OF_BOUNDS: "R0743 PRICE_OUT_OF_BOUNDS",
  COMMITMENTS_EQUAL: "R0744 COMMITMENTS_EQUAL",
  KEYS_DIFFER: "R0755 KEYS_DIFFER",
  STALE: "R0756 STALE",
  FROM_THE_FUTURE: "R0757 FROM_THE_FUTURE",
  SET_EXPIRED: "R0758 SET_EXPIRED",
  BELOW_MIN_HEIGHT: "R0759 BELOW_MIN_HEIGHT",
  CHECK_OPEN: "R0760 CHECK_OPEN",
  NOT_PRESENTED: "R0761 NOT_PRESENTED",
  BAD_ANSWER: "R0746 BAD_ANSWER",
} as const;

export type Code = (typeof CODES)[keyof typeof CODES];

/** Refuse with a code unless the condition holds. */
export function demand(condition: boolean, code: Code, about = ""): asserts condition {
  if (!condition) throw new Refusal(code, about);
}

/** The item at an index that the caller has checked; a missing one is a defect of this program. */
export function at<T>(items: ArrayLike<T>, index: number): T {
  const item = items[index];
  if (item === undefined || index < 0) throw new RangeError(`index ${index} of ${items.length}`);
  return item;
}
