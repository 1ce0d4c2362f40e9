/** What the client raises, under the network's stable codes. `crossclear explain CODE` says more. */
export class ClientError extends Error {
  constructor(readonly code: string, readonly reason: string, readonly at = "", readonly remedy = "") {
    super(`${code}: ${reason}${at === "" ? "" : ` (${at})`}`.slice(0, 1_000));
    this.name = new.target.name;
  }
}

/** The node refused; `status` is the HTTP status. */
export class NodeRefused extends ClientError {
  constructor(code: string, reason: string, at: string, remedy: string, readonly status: number) {
    super(code, reason, at, remedy);
  }
}

/** A request was refused, by the node or in a block; `hash` is its id. */
export class RequestRefused extends ClientError {
  constructor(code: string, reason: string, at: string, remedy: string, readonly hash: string) {
    super(code, reason, at, remedy);
  }
}

export class NodeUnreachable extends ClientError {
  constructor(url: string, why: string) {
    super("R0857", `no node answers at ${url}: ${why}`, "url", "Check that it is running.");
  }
}

/** What answers is no node, or answers with too much. */
export class BadAnswer extends ClientError {
  constructor(at: string, why: string) {
    super("R0858", `the answer is not of this API: ${why}`, at, "Check the URL.");
  }
}

/** A field of a request is missing or out of bounds. */
export class BadField extends ClientError {
  constructor(at: string, why: string) {
    super("R0940", why, at, "Correct the field: docs/specification/signing.md has the limits.");
  }
}

/** A request's fate was not known in time. It may still be applied: send the same request again, never sign it again. */
export class NoFate extends ClientError {
  constructor(hash: string, seconds: number) {
    super("R0941", `the fate of ${hash} was not known after ${seconds} s`, "hash", "Wait on, or send the same request again.");
  }
}

/** A stream could not be taken up again. */
export class StreamLost extends ClientError {
  constructor(at: string, why: string) {
    super("R0942", why, at, "Read the present state, then follow from there.");
  }
}

export class NoKey extends ClientError {
  constructor(at: string) {
    super("R0943", "this needs a signature, and the client has no key", at, "Give it a signer.");
  }
}
