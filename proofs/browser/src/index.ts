/** A verifier of epoch packages, written from docs/specification. See README.md. */
export { verifyAnswer, verifyPackage, verifyStandalone, type Progress, type Trusted } from "./verify.js";
export { type OwnAccount } from "./inclusion.js";
export { type Check, type CheckName, MEANINGS, type Verdict } from "./verdict.js";
export { CODES, Refusal } from "./errors.js";
export { fromHex, hex } from "./bytes.js";
