/** A verifier of epoch packages, written from docs/specification. See README.md. */
export { verifyAnswer, verifyOnchainAccount, verifyOnchainEpoch, verifyPackage, verifyStandalone } from "./verify.js";
export { EXIT_MEANINGS, type ExitCheckName, type ExitVerdict, type ShownPayment, verifyExit } from "./exit.js";
export { type Progress, type Trusted } from "./trusted.js";
export { type Freshness, MAX_AGE, TRUSTING_PERIOD } from "./freshness.js";
export { type Genesis } from "./genesis.js";
export { readGenesis, type ReadGenesis } from "./genesis_file.js";
export { type OwnAccount } from "./inclusion.js";
export { type Check, type CheckName, MEANINGS, type Refused, type Verdict } from "./verdict.js";
export { CODES, Refusal } from "./errors.js";
export { fromHex, hex } from "./bytes.js";
export { type HistoryVector, judgeHistories, judgeSignatures, judgeVectors, type SignatureVector, type Vector } from "./vectors.js";
export { type Movement, movementLines } from "./transition.js";
export { type FileResult, type Finding, History, type HistoryVerdict } from "./history.js";
