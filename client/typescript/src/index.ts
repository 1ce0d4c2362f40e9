/** A client of crossclear nodes, written from docs/specification/signing.md and the OpenAPI document. */
export { Client, type FollowOptions, type Options } from "./client.js";
export { allowanceCall, type Call, depositCalls, depositNumber, type Log, nativeDepositCall } from "./deposits.js";
export * from "./errors.js";
export { fromHex, hex } from "./bytes.js";
export { readJson, writeJson } from "./json.js";
export { canonical, digestOf, idOf, submission, typedDataOf } from "./request.js";
export { authorization, Key, recover, signed, type Signer, Wallet } from "./signing.js";
export { separator, structHash, type TypedData } from "./typed_data.js";
export { type Frame, FrameStream } from "./frames.js";
export { EventParser } from "./streams.js";
export { type Retries } from "./transport.js";
export type * from "../build/generated.js";
